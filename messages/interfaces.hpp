#pragma once

/// Every typed actor interface, one comment a signature. Actors find each other by directory name
/// (actors/names.hpp). Messages are immutable structs; all of them are local (messages/local.hpp)
/// or decoded at a bridge.

#include <caf/all.hpp>

#include "messages/local.hpp"

#define HARBINGER_LOCAL(type) CAF_ALLOW_UNSAFE_MESSAGE_TYPE(harbinger::type)
HARBINGER_LOCAL(tick)
HARBINGER_LOCAL(show_request)
HARBINGER_LOCAL(show_reply)
HARBINGER_LOCAL(config_changed)
HARBINGER_LOCAL(catalog_changed)
HARBINGER_LOCAL(follow_catalog)
HARBINGER_LOCAL(change_partition)
HARBINGER_LOCAL(partition_changed)
HARBINGER_LOCAL(register_node)
HARBINGER_LOCAL(set_node_state)
HARBINGER_LOCAL(node_changed)
HARBINGER_LOCAL(create_volume)
HARBINGER_LOCAL(node_joined)
HARBINGER_LOCAL(heartbeat_seen)
HARBINGER_LOCAL(report_received)
HARBINGER_LOCAL(node_command)
HARBINGER_LOCAL(control_frame)
HARBINGER_LOCAL(node_command_done)
HARBINGER_LOCAL(replicas_changed)
HARBINGER_LOCAL(copy_wanted)
HARBINGER_LOCAL(copies_held)
HARBINGER_LOCAL(prefetch_order)
HARBINGER_LOCAL(prefetch_progress)
HARBINGER_LOCAL(prefetch_cancelled)
HARBINGER_LOCAL(kill_actor)
HARBINGER_LOCAL(config_get)
HARBINGER_LOCAL(config_set)
HARBINGER_LOCAL(recovery_drill)
HARBINGER_LOCAL(rebuild_partition)
HARBINGER_LOCAL(telemetry_received)
HARBINGER_LOCAL(samples_accepted)
HARBINGER_LOCAL(node_leaving)
HARBINGER_LOCAL(risk_updated)
HARBINGER_LOCAL(model_ready)
HARBINGER_LOCAL(model_wanted)
HARBINGER_LOCAL(train_model)
HARBINGER_LOCAL(trainer_started)
HARBINGER_LOCAL(model_trained)
HARBINGER_LOCAL(zone_map)
HARBINGER_LOCAL(event)
HARBINGER_LOCAL(data_request)
HARBINGER_LOCAL(data_reply)
HARBINGER_LOCAL(peer_request)
HARBINGER_LOCAL(peer_reply)
HARBINGER_LOCAL(centre_command)
HARBINGER_LOCAL(send_to_centre)
HARBINGER_LOCAL(replicas_now)
HARBINGER_LOCAL(peers_now)
HARBINGER_LOCAL(gauge_reading)
HARBINGER_LOCAL(copy_restored)
HARBINGER_LOCAL(replica_unsound)
#undef HARBINGER_LOCAL

namespace harbinger {

using caf::reacts_to;
using caf::replies_to;

// One signature a line, its comment above it.
// clang-format off

// ------------------------------------------------------------------------------------ central role

/// Owns the SUB socket for telemetry; decodes, batches, hands on.
using telemetry_bridge_actor = caf::typed_actor<
  // The ingestor has taken this many batches: credit for as many more (backpressure). `round` is
  // the count.
  reacts_to<tick>,
  replies_to<show_request>::with<show_reply>>;

/// Validates what nodes claim of themselves: known node, current life, order, clock, finite.
using telemetry_ingestor_actor = caf::typed_actor<
  reacts_to<telemetry_received>,
  // Which nodes and lives exist.
  reacts_to<catalog_changed>,
  // Its own clock: counters, asking again for a catalog that did not come.
  reacts_to<tick>,
  replies_to<show_request>::with<show_reply>>;

/// Keeps the history of the nodes on disk: accepted samples, and how lives of nodes ended (detached).
using history_keeper_actor = caf::typed_actor<
  reacts_to<samples_accepted>,
  // What is dead, back, or anew.
  reacts_to<catalog_changed>,
  // Said by a node that stops on purpose.
  reacts_to<node_leaving>,
  // Its own clock: writes what is buffered, tries again to open what could not be.
  reacts_to<tick>,
  // "history"
  replies_to<show_request>::with<show_reply>>;

/// Features and risk of every node; scores each scoring period and sends risk_updated to
/// zone_manager.
using failure_predictor_actor = caf::typed_actor<
  reacts_to<samples_accepted>,
  reacts_to<catalog_changed>,
  // Load this model; a bad file is refused and the last good one stays.
  reacts_to<model_ready>,
  reacts_to<tick>,
  // "risk" [node]
  replies_to<show_request>::with<show_reply>>;

/// The registry of models: which is in use, when to train, what came of it.
using model_keeper_actor = caf::typed_actor<
  // failure_predictor started: tell it what to use.
  reacts_to<model_wanted>,
  // From model_trainer: it is there, and knows of no order; and what came of one.
  reacts_to<trainer_started>,
  reacts_to<model_trained>,
  // Failures are a reason to train.
  reacts_to<catalog_changed>,
  reacts_to<tick>,
  // "model" [list | show [V] | promote V | rollback | diff A B | retrain]
  replies_to<show_request>::with<show_reply>>;

/// Trains in the background (detached) when model_keeper orders it.
using model_trainer_actor = caf::typed_actor<
  reacts_to<train_model>,
  replies_to<show_request>::with<show_reply>>;

/// Risks to zones, with hysteresis and brake; tells prefetch_coordinator, recovery_coordinator,
/// event_publisher.
using zone_manager_actor = caf::typed_actor<
  reacts_to<risk_updated>,
  reacts_to<catalog_changed>,
  reacts_to<config_changed>,
  // Someone restarted and wants the zone map again.
  reacts_to<tick>,
  // "zones" [id]
  replies_to<show_request>::with<show_reply>>;

/// Decides which copies shall exist and where, and owns one partition_prefetcher for each that is
/// not there yet.
using prefetch_coordinator_actor = caf::typed_actor<
  reacts_to<zone_map>,
  reacts_to<catalog_changed>,
  // Usage, sizes, round-trip times.
  reacts_to<report_received>,
  reacts_to<replicas_changed>,
  // From recovery: a replica is missing now.
  reacts_to<copy_wanted>,
  reacts_to<copies_held>,
  reacts_to<prefetch_progress>,
  reacts_to<config_changed>,
  reacts_to<tick>,
  // "plan", "placement" <partition>, "explain" partition <partition>, "whatif" config KEY=VALUE...
  replies_to<show_request>::with<show_reply>>;

/// Brings one copy of one partition into being: start, watch, retry, next source, give up. Ends
/// when told, or done.
using partition_prefetcher_actor = caf::typed_actor<
  // The same copy again, with other sources: after a failover.
  reacts_to<prefetch_order>,
  reacts_to<replicas_changed>,
  reacts_to<prefetch_cancelled>,
  reacts_to<tick>>;

/// Follows what every replica holds, by (epoch, seq) and digest.
using version_synchronizer_actor = caf::typed_actor<
  reacts_to<report_received>,
  reacts_to<node_joined>,
  reacts_to<catalog_changed>,
  // Someone restarted and wants all statuses again: sent to prefetch_coordinator and
  // recovery_coordinator.
  reacts_to<tick>,
  // "copies", "replicas" [partition]
  replies_to<show_request>::with<show_reply>>;

/// Detects dead nodes and brings their partitions back; keeps every partition at its wanted number
/// of replicas.
using recovery_coordinator_actor = caf::typed_actor<
  reacts_to<heartbeat_seen>,
  reacts_to<node_joined>,
  reacts_to<catalog_changed>,
  reacts_to<replicas_changed>,
  reacts_to<zone_map>,
  reacts_to<tick>,
  reacts_to<config_changed>,
  // All replicas of a node as it sees them: what is missing there, stale or to be configured again.
  reacts_to<report_received>,
  // Replies with a JSON document when the drill is over: per partition milliseconds and bytes.
  replies_to<recovery_drill>::with<show_reply>,
  // Replies when the partition is served again or will not be: what was used, what is lost.
  replies_to<rebuild_partition>::with<show_reply>,
  // "recovery", "detector"
  replies_to<show_request>::with<show_reply>>;

/// The only writer of the catalog; durable before it answers.
using catalog_keeper_actor = caf::typed_actor<
  // Those that wait in the mailbox together are made durable together.
  replies_to<change_partition>::with<partition_changed>,
  reacts_to<tick>,
  replies_to<register_node>::with<node_changed>,
  replies_to<set_node_state>::with<node_changed>,
  // A volume's partitions with primaries and secondaries placed; whole map as the reply's document
  // on success.
  replies_to<create_volume>::with<show_reply>,
  reacts_to<follow_catalog>,
  // "nodes", "partitions" [id], "volumes"
  replies_to<show_request>::with<show_reply>>;

/// Owns the control ROUTER.
using head_node_bridge_actor = caf::typed_actor<
  replies_to<node_command>::with<node_command_done>,
  // Which lives are current, and the peers to tell nodes of.
  reacts_to<catalog_changed>,
  // For clients that ask who is at risk.
  reacts_to<zone_map>,
  reacts_to<control_frame>,
  reacts_to<tick>,
  // "control"
  replies_to<show_request>::with<show_reply>>;

// --------------------------------------------------------------------------------------- node role

/// Owns the data ROUTER and the connections to peers.
using data_bridge_actor = caf::typed_actor<
  reacts_to<data_reply>,
  reacts_to<peer_request>,
  replies_to<show_request>::with<show_reply>>;

/// Owns the DEALER to the centre: hello, heartbeats, reports, commands in.
using node_link_actor = caf::typed_actor<
  reacts_to<send_to_centre>,
  reacts_to<replicas_now>,
  reacts_to<gauge_reading>, // round-trip times: metric "rtt/<node>"
  reacts_to<tick>,
  replies_to<show_request>::with<show_reply>>;

/// Serves client reads and writes and replicates them (src/replica decides). Requests wait in
/// node_resources::inbox; tick{0} says that there are some.
using replica_server_actor = caf::typed_actor<
  reacts_to<peer_reply>,
  reacts_to<centre_command>,
  reacts_to<replica_unsound>,
  reacts_to<tick>,
  // "replicas"
  replies_to<show_request>::with<show_reply>>;

/// Source side of copies: snapshots and deltas, read from the store.
using snapshot_server_actor = caf::typed_actor<
  reacts_to<data_request>,
  reacts_to<tick>,
  replies_to<show_request>::with<show_reply>>;

/// Target side of copies (src/prefetch/copy_pull decides).
using copy_receiver_actor = caf::typed_actor<
  reacts_to<centre_command>,
  reacts_to<peer_reply>,
  reacts_to<copy_restored>,
  reacts_to<tick>,
  replies_to<show_request>::with<show_reply>>;

/// Checks the records of this node's replicas and mends them (src/scrub decides).
using scrubber_actor = caf::typed_actor<
  // Rows of the buckets that are to be mended, from other replicas.
  reacts_to<peer_reply>,
  reacts_to<tick>,
  // "scrub" [totals]; "verify" [partition] is answered when the check is over
  replies_to<show_request>::with<show_reply>>;

/// Writes log segments and checkpoints to mass storage.
using mass_flusher_actor = caf::typed_actor<
  reacts_to<tick>,
  replies_to<show_request>::with<show_reply>>;

/// Samples host, process and store; publishes telemetry.
using telemetry_publisher_actor = caf::typed_actor<
  reacts_to<gauge_reading>,
  reacts_to<peers_now>,
  reacts_to<peer_reply>, // pongs
  reacts_to<tick>,
  replies_to<show_request>::with<show_reply>>;

// -------------------------------------------------------------------------------------- both roles

/// Numbers, keeps and publishes events; publishes zones and map changes (central).
using event_publisher_actor = caf::typed_actor<
  reacts_to<event>,
  reacts_to<zone_map>,
  reacts_to<catalog_changed>,
  // "events" [since-id [limit]]
  replies_to<show_request>::with<show_reply>>;

/// Holds the settings; validates, applies, journals and rolls back changes.
using config_keeper_actor = caf::typed_actor<
  // Tell the settings to followers that were restarted since.
  reacts_to<tick>,
  replies_to<config_get>::with<show_reply>,
  replies_to<config_set>::with<show_reply>,
  // "config" reload | rollback | journal
  replies_to<show_request>::with<show_reply>>;

/// Answers the console socket by asking the actor that knows.
using console_actor = caf::typed_actor<
  // What came in at the console's socket.
  reacts_to<data_request>,
  replies_to<show_request>::with<show_reply>>;

/// Serves /metrics over HTTP.
using metrics_exporter_actor = caf::typed_actor<
  // Try to listen again.
  reacts_to<tick>,
  replies_to<show_request>::with<show_reply>>;

/// Starts, watches, restarts and stops children (actors/supervisor.hpp). Dynamic: kill_actor,
/// show_request.
// clang-format on

} // namespace harbinger
