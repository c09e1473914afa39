#pragma once

/// The cluster as those who plan see it: nodes, partitions and who holds which, by small numbers.
/// Pure; one owner, no locks. About 120 bytes a partition.

#include <array>
#include <span>

#include "fleet/topology.hpp"

namespace harbinger {

/// A partition's place in a fleet: 0, 1, 2 ... Kept while the fleet lives.
using partition_number = uint32_t;

/// What a node is to a partition, for whoever plans.
enum class holding_kind : uint8_t {
  primary, ///< in the sync set, accepts writes
  member,  ///< in the sync set
  joiner,  ///< a copy on its way into the sync set
  copying, ///< a copy under way
  ready,   ///< a copy that caught up
  useless, ///< a copy that nothing is expected of: given up, or it differs from the primary
};
/// Members of the sync set, the primary too.
constexpr bool is_replica(holding_kind k) { return k <= holding_kind::member; }
constexpr bool is_copy(holding_kind k) { return k > holding_kind::member; }

struct holder {
  node_number node = no_number;
  holding_kind kind = holding_kind::member;
  friend bool operator==(const holder&, const holder&) = default;
};

/// Who holds one partition, sorted by node number; no heap up to four.
class holder_list {
public:
  static constexpr size_t inside = 4;
  /// Sorts them; who is named twice is held by the first of its kinds.
  void assign(std::span<const holder> holders);
  std::span<const holder> get() const;
  const holder* find(node_number n) const;

private:
  std::array<holder, inside> few_{};
  std::vector<holder> many_;
  uint32_t count_ = 0;
};

struct fleet_partition {
  partition_id id;
  uint64_t size_bytes = 0;         ///< newest measured; 0: not known
  float change_bytes_per_s = 0.0f; ///< newest measured
  uint8_t replicas_wanted = 0;
  holder_list holders;
};

/// What is measured of a node, and what the fleet counts.
struct fleet_load {
  uint64_t used_bytes = 0;    ///< as reported
  double writes_per_s = 0.0;  ///< into the partitions it is primary of
  uint32_t replicas = 0;      ///< counted
  uint32_t copies = 0;        ///< counted: joiners, copying, ready and useless ones
  uint32_t copying = 0;       ///< counted: under way
  uint64_t copying_bytes = 0; ///< counted: sizes of those under way, arrived or not
  uint64_t copies_bytes = 0;  ///< counted: sizes of all copies
};

class fleet {
public:
  /// Rows of the catalog. Nodes that a partition names and nobody put yet are put as dead ones.
  node_number put(const node_row& row);
  partition_number put(const partition_row& row);
  /// The same without rows.
  partition_number put(partition_id id, std::span<const holder> holders, uint8_t replicas_wanted);
  /// The partition is in the catalog no more: nobody holds it, nothing is wanted.
  void remove(partition_id id);

  // what is measured
  void set_size(partition_number p, uint64_t size_bytes);
  /// In coarse steps: what differs by less than a quarter from what is known changes nothing.
  void set_change_rate(partition_number p, double bytes_per_s);
  void set_usage(node_number n, uint64_t used_bytes, double writes_per_s);
  /// Round-trip time between `from` and `to` as `from` measured it; not a number or negative:
  /// forgotten.
  void set_rtt(node_number from, node_number to, double ms);
  /// Marks a copy as useless, until the next put of its row. Nothing when there is no such copy, or
  /// it is joining the sync set.
  void mark_useless(partition_number p, node_number n);

  const topology& nodes() const { return nodes_; }
  size_t partitions() const { return partitions_.size(); }
  const fleet_partition& partition(partition_number p) const { return partitions_[p]; }
  std::optional<partition_number> find(partition_id id) const;
  const fleet_load& load(node_number n) const { return loads_[n]; }
  /// Partitions that the node holds in whatever way, in no particular order.
  const std::vector<partition_number>& held_by(node_number n) const { return held_[n]; }
  struct measured_rtt {
    node_number from = no_number;
    float ms = 0.0f;
  };
  /// Who measured its round-trip time to this node, by number.
  const std::vector<measured_rtt>& rtts_to(node_number n) const { return rtts_[n]; }
  std::optional<double> rtt_ms(node_number from, node_number to) const;
  /// no_number: it has none.
  node_number primary_of(partition_number p) const;

  /// What changed since it was asked last: rows and usage of nodes; holders, sizes, wishes and
  /// marks of partitions. In the order of the first change, each once.
  struct changes {
    std::vector<node_number> nodes;
    std::vector<partition_number> partitions;
  };
  changes take_changes();
  /// As if everything had changed: for whoever plans anew on a copy.
  void note_all();
  /// Bytes that all of this takes, about.
  size_t memory_bytes() const;

private:
  void grow(node_number n);
  void count(partition_number p, int sign);
  void replace(partition_number p, std::span<const holder> holders);

  topology nodes_;
  std::vector<fleet_load> loads_;
  std::vector<std::vector<partition_number>> held_;
  std::vector<std::vector<measured_rtt>> rtts_;
  std::vector<fleet_partition> partitions_;
  std::unordered_map<uint64_t, partition_number> by_id_;
  void note(node_number n);
  void note_partition(partition_number p);
  changes changes_;
  std::vector<bool> node_noted_, partition_noted_;
};

} // namespace harbinger
