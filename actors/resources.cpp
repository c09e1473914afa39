#include "actors/resources.hpp"

namespace harbinger {

result<std::shared_ptr<central_resources>> open_central_resources(const settings& config) {
  auto store = catalog_store::open(config.state_dir + "/catalog");
  if (!store) return tl::unexpected<error>(store.error());
  auto resources = std::make_shared<central_resources>();
  resources->catalog = std::move(*store);
  return resources;
}

} // namespace harbinger
