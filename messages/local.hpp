#pragma once

/// Messages that stay inside one process: between actors only, never encoded.

#include <memory>

#include "core/result.hpp"
#include "messages/catalog.hpp"
#include "messages/control.hpp"
#include "messages/events.hpp"
#include "messages/risk.hpp"
#include "messages/telemetry.hpp"
#include "messages/zones.hpp"
#include "wire/frame.hpp"

namespace harbinger {

struct settings; // core/settings.hpp

/// An actor's own clock tick. `round` tells a stale tick (of before a restart or a change of
/// period) from a live one.
struct tick {
  uint64_t round = 0;
};

/// "Show yourself": `words` are the rest of the console line, e.g. {"n3"} for `risk n3`. Every
/// actor that has something to show answers with a JSON document (messages/events.hpp,
/// console_reply); an unknown row is errc::not_found.
struct show_request {
  std::string topic; ///< "nodes", "partitions", "risk" ...: the console routes by it
  std::vector<std::string> words;
};
struct show_reply {
  result<std::string> document;
};

/// Settings were validated and replaced as a whole. Never null.
struct config_changed {
  std::shared_ptr<const settings> now;
};

// --- catalog ---

/// Rows that changed, or everything when `whole`. Sent by catalog_keeper to every actor in
/// names::catalog_followers. A follower applies it when `previous` is the revision it has (or it is
/// whole), else asks again with follow_catalog.
struct catalog_changed {
  std::shared_ptr<const partition_map> map;
};
/// Ask the keeper for a whole catalog_changed, sent to the directory name `follower`.
struct follow_catalog {
  std::string follower;
};

/// One compare-and-swap of a partition's row: takes effect only when the stored revision is
/// `expected`. The keeper fills in the new revision. errc::conflict (detail: the revision there)
/// otherwise; errc::invalid_argument when the row breaks an invariant (src/catalog/catalog.hpp
/// lists them). Durable before the reply.
struct change_partition {
  revision expected;
  partition_row row;
  std::string reason; ///< goes to the journal (P9)
  /// The one change that may lose acknowledged writes: a copy becomes the primary, alone
  bool last_resort = false;
};
struct partition_changed {
  result<partition_row> row; ///< as stored
};

/// Registers a node's life, or changes its state. An older incarnation than the one stored is
/// errc::stale_epoch.
struct register_node {
  node_hello hello;
};
struct set_node_state {
  node_id node;
  incarnation life; ///< only this life
  node_state state = node_state::up;
  std::string reason;
};
struct node_changed {
  result<node_row> row;
};

// --- nodes ---

/// A node said hello and the catalog has it. Sent by head_node_bridge to recovery_coordinator and
/// version_synchronizer.
struct node_joined {
  node_hello hello;
  bool new_life = false; ///< another incarnation than before: what it had in memory is gone
};
/// Heartbeats of known lives, as they arrive. To recovery_coordinator.
struct heartbeat_seen {
  node_id node;
  incarnation life;
  uint64_t seq = 0;
};
/// To version_synchronizer and prefetch_coordinator (usage, sizes, round-trip times).
struct report_received {
  node_report report;
};

/// Send a command to a node and answer with its reply frame. errc::unknown_node: not connected;
/// errc::timeout after control.command_timeout_ms. Commands are idempotent: after a timeout they
/// may be repeated.
struct node_command {
  node_id node;
  wire::frame command;
};
struct node_command_done {
  result<wire::frame> reply;
};

/// What came in at the control socket, from a node or a client; from the reactor's thread to
/// head_node_bridge.
struct control_frame {
  std::string peer;
  wire::frame message;
};

// --- versions ---

/// The newest that is known of one replica; sent on every change of role, state, version order or
/// readiness.
struct replica_status {
  node_id node;
  incarnation life;
  time_point received;
  replica_report report;
  /// At, or within versions.ready_lag_ms of, the primary's committed version
  bool caught_up = false;
  bool digest_differs = false; ///< same version as the primary, other digest: never promoted
};
/// To prefetch_coordinator, recovery_coordinator and the partition's prefetcher.
struct replicas_changed {
  std::vector<replica_status> replicas;
};

// --- prefetch ---

/// From recovery: this partition lacks `missing` replicas; make copies by `method`, before
/// everything else. Stands until the partition has its replicas, or is held.
struct copy_wanted {
  partition_id partition;
  restore_method method = restore_method::pull;
};
/// From recovery: a drill makes replicas of these itself; no copies of them are begun meanwhile.
/// The newest one says all.
struct copies_held {
  std::vector<partition_id> partitions;
};
/// What a prefetcher is to achieve.
struct prefetch_order {
  partition_id partition;
  harbinger::copy_id copy;
  harbinger::revision revision; ///< of a row that has the copy
  node_address target;
  std::vector<node_address> sources;
  restore_method method = restore_method::pull;
  uint64_t rate_bytes_per_s = 0;
};
/// From a partition_prefetcher to the coordinator.
struct prefetch_progress {
  partition_id partition;
  harbinger::copy_id copy;
  bool ready = false;     ///< caught up; goes on following
  bool gave_up = false;   ///< all sources and retries used: choose another target
  bool fell_back = false; ///< no replica could be read: it is made from mass storage
  uint64_t copied_bytes = 0;
  std::string detail;
};
struct prefetch_cancelled {
  partition_id partition;
};

// --- console ---

struct kill_actor {
  std::string name; ///< directory name
};
struct config_get {
  std::string key; ///< empty: all
};
struct config_set {
  std::string key;
  std::string value; ///< as in TOML
};
/// Repeat a recovery step by hand, to measure it: drop the youngest secondary of each partition,
/// restore by `method`.
struct recovery_drill {
  std::vector<partition_id> partitions;
  restore_method method = restore_method::full_rebuild;
};

/// Serve a partition again whose sync set is gone, from the best copy and mass storage
/// (src/recovery/last_resort.hpp).
struct rebuild_partition {
  partition_id partition;
  bool accept_loss = false; ///< false: only say what would be done
};

// --- node role ---

/// A request on the node's data socket that the receiving actor must answer with exactly one
/// data_reply.
struct data_request {
  size_t socket = 0;
  std::string peer; ///< routing id to answer to
  wire::frame message;
};
struct data_reply {
  size_t socket = 0;
  std::string peer;
  wire::frame message;
};
/// A request to another node's data socket; the reply comes back as peer_reply to `reply_to` (a
/// directory name).
struct peer_request {
  std::string endpoint;
  wire::frame message; ///< id is chosen by the asker, unique within `reply_to`
  std::string reply_to;
};
struct peer_reply {
  std::string endpoint;
  wire::frame message;
};
/// A command from the centre, passed on by node_link; the answer goes back with send_to_centre,
/// same id.
struct centre_command {
  wire::frame message;
};
struct send_to_centre {
  wire::frame message;
};
/// The replicas of this node as they are now; to node_link, after each change and each report
/// period.
struct replicas_now {
  std::vector<replica_report> replicas;
  uint64_t used_bytes = 0;
  uint64_t conflicts = 0;
};
/// Peers that are up, from the centre; to the sampler, which measures round-trip times.
struct peers_now {
  std::vector<node_address> peers;
};
/// Measured by the actor that knows, read by the sampler into the next telemetry row.
struct gauge_reading {
  std::string metric; ///< a name of telemetry/metrics.hpp
  double value = 0.0;
};

/// The records of a replica are damaged and could not be mended: it is to be marked failed. From
/// scrubber to replica_server, again and again until it is so.
struct replica_unsound {
  partition_id partition;
  std::string why;
};

/// A restore from mass storage is over; from copy_receiver's own helper back to it.
struct copy_restored {
  partition_id partition;
  harbinger::copy_id copy;
  result<void> outcome;
  std::optional<uint64_t> command; ///< id of the copy.replay to answer; none: a whole restore
};

} // namespace harbinger
