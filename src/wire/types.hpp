#pragma once

/// Every type that the codec knows: messages of the wire, and rows that are stored in the same
/// form.

#include "messages/at_risk.hpp"
#include "messages/catalog.hpp"
#include "messages/client.hpp"
#include "messages/common.hpp"
#include "messages/control.hpp"
#include "messages/copying.hpp"
#include "messages/events.hpp"
#include "messages/ping.hpp"
#include "messages/replication.hpp"
#include "messages/risk.hpp"
#include "messages/storage.hpp"
#include "messages/telemetry.hpp"
#include "messages/zones.hpp"

// clang-format off

/// X(type): messages with a wire_name.
#define HARBINGER_WIRE_MESSAGES(X)                                                                 \
  X(done) X(error_reply) X(telemetry_batch) X(zone_map) X(node_hello) X(node_welcome)              \
  X(node_heartbeat) X(heartbeat_ack) X(node_report) X(node_leaving) X(configure_replica)           \
  X(seal_replica) X(drop_replica) X(rewind_replica) X(start_copy) X(replay_log) X(probe_node)      \
  X(probe_result) X(put_request) X(put_ok)                                                         \
  X(get_request) X(value_reply) X(scan_request) X(get_from_copy) X(scan_from_copy) X(rows_reply)   \
  X(watch_request) X(changes_reply) X(node_ping) X(node_pong)                                      \
  X(append_request) X(append_ok) X(lease_request) X(lease_ok)                                      \
  X(snapshot_open) X(snapshot_opened) X(snapshot_pull)                                             \
  X(snapshot_chunk) X(delta_pull) X(delta_batch) X(map_request) X(partition_map)                   \
  X(risk_request) X(nodes_at_risk)                                                                 \
  X(create_volume) X(event) X(console_request) X(console_reply) X(replica_report)

/// X(type): rows and parts that are stored by themselves.
#define HARBINGER_STORED_ROWS(X)                                                                   \
  X(node_row) X(volume_row) X(partition_row) X(log_entry) X(node_risk) X(zone)                     \
  X(mass_file_header)

// clang-format on
