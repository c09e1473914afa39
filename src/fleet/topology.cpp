#include "fleet/topology.hpp"

#include <algorithm>
#include <numeric>

namespace harbinger {

std::optional<node_number> topology::find(const node_id& id) const {
  auto found = by_id_.find(id.value);
  return found == by_id_.end() ? std::nullopt : std::optional(found->second);
}

uint32_t topology::rank(node_number n) const {
  if (ranks_.size() != nodes_.size()) {
    std::vector<node_number> order(nodes_.size());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(),
              [&](node_number a, node_number b) { return nodes_[a].id < nodes_[b].id; });
    ranks_.resize(order.size());
    for (uint32_t i = 0; i < order.size(); ++i) ranks_[order[i]] = i;
  }
  return ranks_[n];
}

std::optional<attribute_number> topology::attribute(const std::string& name) const {
  auto found = attribute_by_name_.find(name);
  return found == attribute_by_name_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<value_number> topology::value(attribute_number a, const std::string& name) const {
  auto found = attributes_[a].by_name.find(name);
  return found == attributes_[a].by_name.end() ? std::nullopt : std::optional(found->second);
}

std::string topology::domain_name(attribute_number a, value_number v) const {
  return attribute_name(a) + "=" + value_name(a, v);
}

value_number topology::number_of(attribute_entry& attribute, const std::string& value) {
  auto [place, is_new] =
      attribute.by_name.try_emplace(value, static_cast<value_number>(attribute.values.size()));
  if (is_new) attribute.values.push_back({value, {}});
  return place->second;
}

std::vector<value_number> topology::numbers_of(const harbinger::attributes& stated) {
  std::vector<value_number> numbers;
  for (const auto& [name, value] : stated) {
    auto [place, is_new] =
        attribute_by_name_.try_emplace(name, static_cast<attribute_number>(attributes_.size()));
    if (is_new) attributes_.push_back({name, {}, {}});
    auto a = place->second;
    if (numbers.size() <= a) numbers.resize(a + 1, no_number);
    numbers[a] = number_of(attributes_[a], value);
  }
  return numbers;
}

node_number topology::put(const node_row& row) {
  auto [place, is_new] = by_id_.try_emplace(row.id.value, static_cast<node_number>(nodes_.size()));
  auto n = place->second;
  if (is_new) nodes_.push_back({row.id, {}, 0, {}, {}});
  auto values = numbers_of(row.attributes);
  auto& known = nodes_[n];
  if (values != known.values) {
    for (attribute_number a = 0; a < known.values.size(); ++a)
      if (known.values[a] != no_number) std::erase(attributes_[a].values[known.values[a]].nodes, n);
    for (attribute_number a = 0; a < values.size(); ++a)
      if (values[a] != no_number) attributes_[a].values[values[a]].nodes.push_back(n);
    known.values = std::move(values);
  }
  known.state = row.state;
  known.capacity_bytes = row.capacity_bytes;
  known.data_endpoint = row.data_endpoint;
  return n;
}

} // namespace harbinger
