#include "scrub/sources.hpp"

#include <algorithm>

#include "messages/control.hpp"
#include "wire/codec.hpp"

namespace harbinger::scrubbing {

std::vector<node_address> sources_of(const partition_head& head, const node_id& self,
                                     const std::vector<node_address>& copied_from) {
  std::vector<node_address> order;
  if (head.role == replica_role::copy) {
    order = copied_from;
  } else if (auto told = wire::decode<configure_replica>(head.configuration)) {
    order.push_back(told->primary);
    order.insert(order.end(), told->sync_set.begin(), told->sync_set.end());
  }
  std::vector<node_address> out;
  for (auto& address : order)
    if (address.node != self && !address.endpoint.empty()
        && std::find(out.begin(), out.end(), address) == out.end())
      out.push_back(std::move(address));
  return out;
}

replica replica_of(const partition_head& head, const node_id& self,
                   const std::vector<node_address>& copied_from) {
  return {head.partition, head.role,       head.state,
          head.version,   head.size_bytes, sources_of(head, self, copied_from)};
}

} // namespace harbinger::scrubbing
