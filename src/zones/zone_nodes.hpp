#pragma once

/// The nodes of the catalog by number, who of them is alive, and how many of those share what.
/// Pure; one owner.

#include <map>
#include <string>
#include <vector>

#include "fleet/topology.hpp"

namespace harbinger {

/// One value of one attribute.
struct domain_number {
  attribute_number attribute = no_number;
  value_number value = no_number;
  friend auto operator<=>(const domain_number&, const domain_number&) = default;
};

class zone_nodes {
public:
  /// Takes the catalog's rows. A row that changed has another revision, state or capacity: no other
  /// row is looked at. True: something is different; 10,000 unchanged rows cost under a
  /// millisecond.
  bool follow(const std::map<node_id, node_row>& rows);

  const topology& names() const { return topology_; }
  size_t size() const { return topology_.size(); }
  const std::string& name(node_number n) const { return topology_[n].id.value; }
  /// Smaller: earlier in the order of ids.
  uint32_t rank(node_number n) const { return topology_.rank(n); }
  /// In the catalog, dead or not.
  bool present(node_number n) const { return n < present_.size() && present_[n]; }
  bool alive(node_number n) const { return present(n) && topology_.alive(n); }
  /// Of the risk at `place` of a list that mostly names nodes in the catalog's order; no_number:
  /// unknown.
  node_number find(const node_id& id, size_t place) const;

  size_t living() const { return living_; }
  double living_capacity() const { return living_capacity_; }
  size_t living_with(domain_number d) const { return living_with_[d.attribute][d.value]; }
  /// The stated attributes among `names`, each once, in their order.
  std::vector<attribute_number> attributes(const std::vector<std::string>& names) const;
  domain_number domain_of(node_number n, attribute_number a) const {
    return {a, topology_.value_of(n, a)};
  }
  std::string name(domain_number d) const { return topology_.domain_name(d.attribute, d.value); }
  /// Grows when a node or its row is different.
  uint64_t serial() const { return serial_; }

private:
  struct seen_row {
    node_number number = no_number;
    harbinger::revision revision;
  };
  bool take(const node_row& row, seen_row& seen);
  void count();

  topology topology_;
  std::vector<seen_row> order_; ///< as the catalog's map has them
  std::vector<bool> present_;
  size_t living_ = 0;
  double living_capacity_ = 0;
  std::vector<std::vector<uint32_t>> living_with_;
  uint64_t serial_ = 0;
};

} // namespace harbinger
