#pragma once

/// Nodes by small numbers, and who shares which attribute's value with whom. Pure; one owner, no
/// locks.
///
/// At ten thousand nodes names are too dear to compare: everything that looks at all nodes works
/// with numbers and asks for a name when it has something to say.

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "messages/catalog.hpp"

namespace harbinger {

/// A node's place in a topology: 0, 1, 2 ... Never given to another node while the topology lives.
using node_number = uint32_t;
/// An attribute's name, or one of its values, as a number.
using attribute_number = uint32_t;
using value_number = uint32_t;
inline constexpr uint32_t no_number = UINT32_MAX;

class topology {
public:
  struct node {
    node_id id;
    node_state state = node_state::up;
    uint64_t capacity_bytes = 0;
    std::string data_endpoint;
    std::vector<value_number> values; ///< by attribute_number; shorter, or no_number: not stated
  };

  /// A node that is new, or another state, capacity, endpoint or attributes of a known one.
  node_number put(const node_row& row);

  size_t size() const { return nodes_.size(); }
  const node& operator[](node_number n) const { return nodes_[n]; }
  std::optional<node_number> find(const node_id& id) const;
  /// Place in the order of all ids: ties are decided by it, so that the order in which nodes came
  /// does not matter.
  uint32_t rank(node_number n) const;
  /// Not dead.
  bool alive(node_number n) const { return nodes_[n].state != node_state::dead; }

  /// Attributes that any node ever stated.
  size_t attributes() const { return attributes_.size(); }
  std::optional<attribute_number> attribute(const std::string& name) const;
  const std::string& attribute_name(attribute_number a) const { return attributes_[a].name; }
  size_t values(attribute_number a) const { return attributes_[a].values.size(); }
  const std::string& value_name(attribute_number a, value_number v) const {
    return attributes_[a].values[v].name;
  }
  /// no_number: the node does not state it.
  value_number value_of(node_number n, attribute_number a) const {
    const auto& own = nodes_[n].values;
    return a < own.size() ? own[a] : no_number;
  }
  /// Every node with this value, in whatever state, in no particular order.
  const std::vector<node_number>& with(attribute_number a, value_number v) const {
    return attributes_[a].values[v].nodes;
  }
  std::optional<value_number> value(attribute_number a, const std::string& name) const;
  /// "rack=r1".
  std::string domain_name(attribute_number a, value_number v) const;

private:
  struct value_entry {
    std::string name;
    std::vector<node_number> nodes;
  };
  struct attribute_entry {
    std::string name;
    std::vector<value_entry> values;
    std::unordered_map<std::string, value_number> by_name;
  };
  std::vector<value_number> numbers_of(const harbinger::attributes& stated);
  value_number number_of(attribute_entry& attribute, const std::string& value);

  std::vector<node> nodes_;
  std::unordered_map<std::string, node_number> by_id_;
  std::vector<attribute_entry> attributes_;
  std::unordered_map<std::string, attribute_number> attribute_by_name_;
  mutable std::vector<uint32_t> ranks_; ///< empty: to be made again
};

} // namespace harbinger
