#pragma once

/// The catalog's rows and the partition map that clients get.

#include "messages/common.hpp"

namespace harbinger {

enum class node_state : uint8_t {
  up,      ///< registered and heard of
  suspect, ///< silent; probes are under way
  dead,    ///< verdict; comes back with a new hello (its replicas were given to others meanwhile)
};
constexpr auto enum_names(node_state) { return std::array{"up", "suspect", "dead"}; }

struct node_row {
  node_id id;
  incarnation life;
  node_state state = node_state::up;
  std::string data_endpoint;
  harbinger::attributes attributes;
  uint64_t capacity_bytes = 0;
  harbinger::revision revision;
};
template <class V>
void describe(V& v, node_row& m) {
  v("node", m.id);
  v("incarnation", m.life);
  v("state", m.state);
  v("endpoint", m.data_endpoint);
  v("attributes", m.attributes);
  v("capacity_bytes", m.capacity_bytes);
  v("revision", m.revision);
}

struct volume_row {
  std::string name;
  uint32_t number = 0;
  uint32_t partitions = 0; ///< key k lives in partition xxh3-64(k) mod partitions
  uint32_t replicas = 0;   ///< wanted size of the sync set
};
template <class V>
void describe(V& v, volume_row& m) {
  v("volume", m.name);
  v("number", m.number);
  v("partitions", m.partitions);
  v("replicas", m.replicas);
}

struct copy_row {
  node_id node;
  harbinger::copy_id copy;
  bool ready = false; ///< caught up at least once
  friend auto operator<=>(const copy_row&, const copy_row&) = default;
};
template <class V>
void describe(V& v, copy_row& m) {
  v("node", m.node);
  v("copy", m.copy);
  v("ready", m.ready);
}

/// The authoritative configuration of a partition. Changes only by compare-and-swap on `revision`.
struct partition_row {
  partition_id id;
  harbinger::revision revision;
  harbinger::epoch epoch;
  node_id primary; ///< empty: none, the partition is unavailable
  /// Sorted, includes the primary; who may be promoted without loss. More than replicas_wanted
  /// while escalated (recovery/escalation.hpp)
  std::vector<node_id> sync_set;
  std::vector<node_id> joiners; ///< sorted; copies on their way into the sync set
  std::vector<copy_row> copies; ///< sorted by node; not in the sync set
  uint32_t replicas_wanted = 0;
  epoch_history history; ///< newest 64 epochs; empty: new, not opened by a first primary yet
  /// The primary's life when it got this epoch; in another life it needs a new epoch
  incarnation primary_life;
};
template <class V>
void describe(V& v, partition_row& m) {
  v("partition", m.id);
  v("revision", m.revision);
  v("epoch", m.epoch);
  v("primary", m.primary);
  v("sync_set", m.sync_set);
  v("joiners", m.joiners);
  v("copies", m.copies);
  v("replicas_wanted", m.replicas_wanted);
  v("history", m.history);
  v("primary_life", m.primary_life);
}

/// Client to the centre's control socket. Reply: partition_map.
struct map_request {
  static constexpr std::string_view wire_name = "map.get";
  static constexpr size_t max_bytes = control_body_max;
};
template <class V>
void describe(V&, map_request&) {}

/// All of it (reply to map.get), or the rows that changed (published on topic "map" with `whole`
/// false).
struct partition_map {
  static constexpr std::string_view wire_name = "map";
  static constexpr size_t max_bytes = bulk_body_max;
  harbinger::term term;
  /// Of the catalog; a hole between two published maps: ask for the whole
  harbinger::revision revision;
  harbinger::revision previous;
  bool whole = false;
  std::vector<node_row> nodes;
  std::vector<volume_row> volumes;
  std::vector<partition_row> partitions;
};
template <class V>
void describe(V& v, partition_map& m) {
  v("term", m.term);
  v("revision", m.revision);
  v("previous", m.previous);
  v("whole", m.whole);
  v("nodes", m.nodes);
  v("volumes", m.volumes);
  v("partitions", m.partitions);
}

/// Create a volume; client to the centre's control socket, and the console. Reply: partition_map,
/// whole.
struct create_volume {
  static constexpr std::string_view wire_name = "volume.create";
  static constexpr size_t max_bytes = control_body_max;
  std::string name;
  uint32_t partitions = 0; ///< 1..65536
  uint32_t replicas = 2;   ///< 1..5
};
template <class V>
void describe(V& v, create_volume& m) {
  v("volume", m.name);
  v("partitions", m.partitions);
  v("replicas", m.replicas);
}

} // namespace harbinger
