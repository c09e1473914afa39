#pragma once

/// What a replica asks its carrier to do. The carrier reports back with the events of replica_host.

#include <string>
#include <variant>
#include <vector>

#include "core/result.hpp"
#include "messages/control.hpp"
#include "messages/client.hpp"
#include "messages/replication.hpp"
#include "store/partition_head.hpp"

namespace harbinger::replication {

/// Whom to answer; chosen by the carrier, meaningless here.
using token = uint64_t;

/// Write; then event `written` with the same id. Writes and drops are carried out in the order they
/// were asked for.
struct write_store {
  uint64_t id = 0;
  store_write write;
};
/// Drop the partition from the store; then event `dropped`.
struct drop_store {
  uint64_t id = 0;
  partition_id partition;
  epoch_history truth;
};
/// Take back what is not part of `truth`; then event `rewound`.
struct rewind_store {
  uint64_t id = 0;
  partition_id partition;
  epoch_history truth;
};
/// Read the log for a member that is behind; then event `log_read`.
struct read_log {
  partition_id partition;
  node_id member;
  version after;
  seq_no up_to;
  size_t bytes_max = 0;
};
/// Send to a member; its reply, if any, is event `append_answered` with the same request id.
struct send_append {
  uint64_t request = 0;
  node_address to;
  append_request message;
};
/// Send to a node; its reply, if any, is event `lease_answered` with the same request id.
struct send_lease {
  uint64_t request = 0;
  node_address to;
  lease_request message;
};
struct answer_append {
  token to = 0;
  result<append_ok> answer;
};
struct answer_put {
  token to = 0;
  result<put_ok> answer;
};
struct answer_report {
  token to = 0;
  result<replica_report> answer;
};
struct answer_drop {
  token to = 0;
  result<uint64_t> journalled;
};
/// A role or state changed, or a joiner caught up: report at once.
struct report_now {};
/// Something an operator should know.
struct notice {
  std::string kind;
  partition_id partition;
  std::string text;
};

using action =
    std::variant<write_store, drop_store, rewind_store, read_log, send_append, send_lease,
                 answer_append, answer_put, answer_report, answer_drop, report_now, notice>;
using actions = std::vector<action>;

struct limits {
  duration lease = milliseconds(400);
  duration append_timeout = milliseconds(500);
  size_t in_flight_max = 64;         ///< batches of a partition proposed and not committed
  size_t queued_max = 1024;          ///< client batches waiting to be proposed
  size_t appends_max = 4;            ///< appends to one member without an answer
  size_t append_bytes_max = 4 << 20; ///< of one append, except that a single batch always fits
};

} // namespace harbinger::replication
