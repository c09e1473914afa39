#pragma once

/// Node control: DEALER (node) to ROUTER (central). Requests carry an id, replies the same id.

#include "messages/common.hpp"

namespace harbinger {

/// What a node says of one replica it holds.
struct replica_report {
  static constexpr std::string_view wire_name = "replica.report";
  static constexpr size_t max_bytes = control_body_max;
  partition_id partition;
  replica_role role = replica_role::copy;
  replica_state state = replica_state::copying;
  harbinger::epoch epoch;       ///< newest epoch it was configured or sealed with
  harbinger::revision revision; ///< newest catalog revision it was configured with
  harbinger::version version;   ///< newest state it holds
  uint64_t digest = 0;          ///< digest::total() at that version
  uint64_t records = 0;
  uint64_t size_bytes = 0;        ///< keys and values
  harbinger::copy_id copy;        ///< the attempt that made it (copies)
  uint64_t copied_bytes = 0;      ///< received so far in this attempt
  node_id source;                 ///< whom it copies from or follows; empty: nobody
  double lag_ms = 0.0;            ///< time since it last knew that it had everything its source had
  double writes_per_s = 0.0;      ///< of the last seconds (primary)
  double batch_bytes = 0.0;       ///< mean size of a batch lately (primary); 0: no write yet
  double first_read_ms = 0.0;     ///< from taking office to the first read served; 0: none yet
  double first_write_ms = 0.0;    ///< and to the first write acknowledged; 0: none yet
  std::vector<node_id> caught_up; ///< primary: joiners that acknowledge every batch now
  std::string failure;            ///< errc name and detail when state is failed
};
template <class V>
void describe(V& v, replica_report& m) {
  v("partition", m.partition);
  v("role", m.role);
  v("state", m.state);
  v("epoch", m.epoch);
  v("revision", m.revision);
  v("version", m.version);
  v("digest", m.digest);
  v("records", m.records);
  v("size_bytes", m.size_bytes);
  v("copy", m.copy);
  v("copied_bytes", m.copied_bytes);
  v("source", m.source);
  v("lag_ms", m.lag_ms);
  v("writes_per_s", m.writes_per_s);
  v("batch_bytes", m.batch_bytes);
  v("first_read_ms", m.first_read_ms);
  v("first_write_ms", m.first_write_ms);
  v("caught_up", m.caught_up);
  v("failure", m.failure);
}

/// First message of a node's life, repeated whenever the centre asks for it or changes its term.
struct node_hello {
  static constexpr std::string_view wire_name = "node.hello";
  static constexpr size_t max_bytes = bulk_body_max;
  node_id node;
  incarnation life;
  std::string data_endpoint; ///< where peers and clients reach it
  harbinger::attributes attributes;
  uint64_t capacity_bytes = 0; ///< room it offers for replicas and copies
  std::vector<replica_report> replicas;
};
template <class V>
void describe(V& v, node_hello& m) {
  v("node", m.node);
  v("incarnation", m.life);
  v("data_endpoint", m.data_endpoint);
  v("attributes", m.attributes);
  v("capacity_bytes", m.capacity_bytes);
  v("replicas", m.replicas);
}

/// The reply to node.hello.
struct node_welcome {
  static constexpr std::string_view wire_name = "node.welcome";
  static constexpr size_t max_bytes = control_body_max;
  harbinger::term term;
  uint32_t heartbeat_ms = 0;
  uint32_t report_ms = 0;
};
template <class V>
void describe(V& v, node_welcome& m) {
  v("term", m.term);
  v("heartbeat_ms", m.heartbeat_ms);
  v("report_ms", m.report_ms);
}

/// One way, every heartbeat_ms.
struct node_heartbeat {
  static constexpr std::string_view wire_name = "node.heartbeat";
  static constexpr size_t max_bytes = control_body_max;
  node_id node;
  incarnation life;
  uint64_t seq = 0;
};
template <class V>
void describe(V& v, node_heartbeat& m) {
  v("node", m.node);
  v("incarnation", m.life);
  v("seq", m.seq);
}

/// The reply to each heartbeat; `known` false asks for a node.hello.
struct heartbeat_ack {
  static constexpr std::string_view wire_name = "heartbeat.ack";
  static constexpr size_t max_bytes = control_body_max;
  harbinger::term term;
  uint64_t seq = 0;
  bool known = false;
  /// Every other node that is up: whom to measure round-trip times to
  std::vector<node_address> peers;
};
template <class V>
void describe(V& v, heartbeat_ack& m) {
  v("term", m.term);
  v("seq", m.seq);
  v("known", m.known);
  v("peers", m.peers);
}

/// One way: all replicas of the node, every report_ms and at once after a change of role or state.
struct node_report {
  static constexpr std::string_view wire_name = "node.report";
  static constexpr size_t max_bytes = bulk_body_max;
  node_id node;
  incarnation life;
  uint64_t used_bytes = 0;
  uint64_t conflicts = 0; ///< entries in the conflict journal (P4)
  std::vector<replica_report> replicas;
  std::map<std::string, double> rtt_ms; ///< measured round-trip time to each peer
};
template <class V>
void describe(V& v, node_report& m) {
  v("node", m.node);
  v("incarnation", m.life);
  v("used_bytes", m.used_bytes);
  v("conflicts", m.conflicts);
  v("replicas", m.replicas);
  v("rtt_ms", m.rtt_ms);
}

/// One way, the last word of a life that ends on purpose (SIGTERM): what follows is no failure.
/// Lost, it counts as one. Changes nothing about failover.
struct node_leaving {
  static constexpr std::string_view wire_name = "node.leaving";
  static constexpr size_t max_bytes = control_body_max;
  node_id node;
  incarnation life;
};
template <class V>
void describe(V& v, node_leaving& m) {
  v("node", m.node);
  v("incarnation", m.life);
}

// --- commands, central to node; idempotent; refused with stale_term or stale_epoch when they come
// late ---

/// Become (or stay) this for the partition. Reply: replica_report. An equal or older revision in
/// the same epoch changes nothing. The primary starts sending its log to `joiners` (copies that are
/// to become secondaries) and reports them as caught_up once they acknowledge every batch.
struct configure_replica {
  static constexpr std::string_view wire_name = "replica.configure";
  static constexpr size_t max_bytes = control_body_max;
  harbinger::term term;
  partition_id partition;
  harbinger::revision revision;
  harbinger::epoch epoch;
  replica_role role = replica_role::secondary;
  node_address primary;
  std::vector<node_address> sync_set; ///< including the primary
  std::vector<node_address> joiners;
};
template <class V>
void describe(V& v, configure_replica& m) {
  v("term", m.term);
  v("partition", m.partition);
  v("revision", m.revision);
  v("epoch", m.epoch);
  v("role", m.role);
  v("primary", m.primary);
  v("sync_set", m.sync_set);
  v("joiners", m.joiners);
}

/// Refuse everything of epochs before `epoch` from now on, then say what you hold. Reply:
/// replica_report, sent only once no read lease granted to the old primary can still run.
///
/// With `hand_over` the primary gives its place up in order: asked first and alone, it takes
/// nothing new, finishes what is under way (for replica.append_timeout_ms at most) and is
/// sealed then. Said to another member it means that the primary is sealed, so that no lease needs
/// to be waited for.
struct seal_replica {
  static constexpr std::string_view wire_name = "replica.seal";
  static constexpr size_t max_bytes = control_body_max;
  harbinger::term term;
  partition_id partition;
  harbinger::epoch epoch;
  bool hand_over = false;
};
template <class V>
void describe(V& v, seal_replica& m) {
  v("term", m.term);
  v("partition", m.partition);
  v("epoch", m.epoch);
  v("hand_over", m.hand_over);
}

/// Give the replica up. What it holds beyond `history` (the partition's true one) goes to the
/// conflict journal first (P4). Reply: done. Unknown partition: done.
struct drop_replica {
  static constexpr std::string_view wire_name = "replica.drop";
  static constexpr size_t max_bytes = control_body_max;
  harbinger::term term;
  partition_id partition;
  harbinger::revision revision;
  epoch_history history;
};
template <class V>
void describe(V& v, epoch_start& m) {
  v("epoch", m.epoch);
  v("first_seq", m.first_seq);
}
template <class V>
void describe(V& v, drop_replica& m) {
  v("term", m.term);
  v("partition", m.partition);
  v("revision", m.revision);
  v("history", m.history);
}

/// Take back what is not part of `history` (the partition's true one): it goes to the conflict
/// journal (P4), the records become what they were where the log leaves the history. Reply:
/// replica_report. conflict, log_trimmed: can not be taken back, only dropped; nothing has changed.
struct rewind_replica {
  static constexpr std::string_view wire_name = "replica.rewind";
  static constexpr size_t max_bytes = control_body_max;
  harbinger::term term;
  partition_id partition;
  harbinger::revision revision;
  epoch_history history;
};
template <class V>
void describe(V& v, rewind_replica& m) {
  v("term", m.term);
  v("partition", m.partition);
  v("revision", m.revision);
  v("history", m.history);
}

/// Make a copy of the partition here. Reply: done as soon as it is begun; progress is in the
/// reports. The same `copy` id again only replaces the sources; a larger id starts over; a smaller
/// one is refused with stale_term.
struct start_copy {
  static constexpr std::string_view wire_name = "copy.start";
  static constexpr size_t max_bytes = control_body_max;
  harbinger::term term;
  partition_id partition;
  harbinger::copy_id copy;
  restore_method method = restore_method::pull;
  /// In order of preference; primary first unless it is slow or gone
  std::vector<node_address> sources;
  uint64_t rate_bytes_per_s = 0; ///< 0: unlimited
};
template <class V>
void describe(V& v, start_copy& m) {
  v("term", m.term);
  v("partition", m.partition);
  v("copy", m.copy);
  v("method", m.method);
  v("sources", m.sources);
  v("rate_bytes_per_s", m.rate_bytes_per_s);
}

/// Bring the complete copy that this node holds up to the end of the log in mass storage. Reply:
/// done, when it is; not_found or conflict when there is no such complete copy; diverged, gap or
/// checksum when the log does not follow on it.
struct replay_log {
  static constexpr std::string_view wire_name = "copy.replay";
  static constexpr size_t max_bytes = control_body_max;
  harbinger::term term;
  partition_id partition;
  harbinger::copy_id copy;
};
template <class V>
void describe(V& v, replay_log& m) {
  v("term", m.term);
  v("partition", m.partition);
  v("copy", m.copy);
}

/// Ask another node whether it answers. Reply: probe_result, within timeout_ms.
struct probe_node {
  static constexpr std::string_view wire_name = "node.probe";
  static constexpr size_t max_bytes = control_body_max;
  harbinger::term term;
  node_address target;
  uint32_t timeout_ms = 0;
};
template <class V>
void describe(V& v, probe_node& m) {
  v("term", m.term);
  v("target", m.target);
  v("timeout_ms", m.timeout_ms);
}

struct probe_result {
  static constexpr std::string_view wire_name = "probe.result";
  static constexpr size_t max_bytes = control_body_max;
  node_id target;
  bool alive = false;
  double rtt_ms = 0.0;
};
template <class V>
void describe(V& v, probe_result& m) {
  v("target", m.target);
  v("alive", m.alive);
  v("rtt_ms", m.rtt_ms);
}

} // namespace harbinger
