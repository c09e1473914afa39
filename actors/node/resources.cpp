#include "actors/node/resources.hpp"

#include "store/mass_storage.hpp"

namespace harbinger {

result<std::shared_ptr<node_resources>> open_node_resources(const settings& config) {
  auto store = partition_store::open(
      {config.state_dir + "/store", config.replica.sync_writes, config.node.capacity_bytes});
  if (!store) return tl::unexpected<error>(store.error());
  auto made = std::make_shared<node_resources>();
  made->store = std::move(*store);
  made->yield.set(
      {.rise = config.prefetch.yield_rise, .floor_bytes_per_s = config.prefetch.floor_bytes_per_s});
  if (!config.mass_storage.directory.empty()) {
    auto mass = mass_storage::open(config.mass_storage.directory);
    if (!mass) return tl::unexpected<error>(mass.error());
    made->mass = std::move(*mass);
  }
  return made;
}

} // namespace harbinger
