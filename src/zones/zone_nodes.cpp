#include "zones/zone_nodes.hpp"

#include <algorithm>

namespace harbinger {

/// True when the row is another than the one seen before.
bool zone_nodes::take(const node_row& row, seen_row& seen) {
  bool known = seen.number != no_number && topology_[seen.number].id == row.id;
  if (!known) {
    auto found = topology_.find(row.id);
    seen = {found.value_or(no_number), {}};
  } else {
    const auto& held = topology_[seen.number];
    if (seen.revision == row.revision && held.state == row.state
        && held.capacity_bytes == row.capacity_bytes)
      return false;
  }
  seen = {topology_.put(row), row.revision};
  return true;
}

bool zone_nodes::follow(const std::map<node_id, node_row>& rows) {
  bool changed = order_.size() != rows.size();
  order_.resize(rows.size());
  size_t place = 0;
  for (const auto& [id, row] : rows) changed |= take(row, order_[place++]);
  if (!changed) return false;
  present_.assign(topology_.size(), false);
  for (const auto& seen : order_) present_[seen.number] = true;
  count();
  ++serial_;
  return true;
}

void zone_nodes::count() {
  living_ = 0, living_capacity_ = 0;
  living_with_.resize(topology_.attributes());
  for (attribute_number a = 0; a < topology_.attributes(); ++a)
    living_with_[a].assign(topology_.values(a), 0);
  for (node_number n = 0; n < topology_.size(); ++n) {
    if (!alive(n)) continue;
    ++living_;
    living_capacity_ += static_cast<double>(topology_[n].capacity_bytes);
    const auto& values = topology_[n].values;
    for (attribute_number a = 0; a < values.size(); ++a)
      if (values[a] != no_number) ++living_with_[a][values[a]];
  }
}

node_number zone_nodes::find(const node_id& id, size_t place) const {
  if (place < order_.size()) {
    auto guess = order_[place].number;
    if (topology_[guess].id == id) return guess;
  }
  auto found = topology_.find(id);
  return found && present(*found) ? *found : no_number;
}

std::vector<attribute_number> zone_nodes::attributes(const std::vector<std::string>& names) const {
  std::vector<attribute_number> out;
  for (const auto& name : names)
    if (auto a = topology_.attribute(name); a && std::find(out.begin(), out.end(), *a) == out.end())
      out.push_back(*a);
  return out;
}

} // namespace harbinger
