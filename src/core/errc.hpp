#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace harbinger {

/// Every expected failure. The names travel on the wire (docs/PROTOCOL.md), so they are never
/// reused or renamed.
enum class errc : uint8_t {
  internal,          ///< a defect of ours; the detail says where
  malformed,         ///< a frame, file or text that does not parse
  oversize,          ///< larger than its named limit
  unsupported,       ///< a protocol or file version, or a message type, that we do not speak
  invalid_argument,  ///< parses, but makes no sense (empty key, NaN, unknown metric ...)
  unknown_node,      ///< no such node in the catalog
  unknown_partition, ///< no such partition here
  not_primary,       ///< this node is not the primary of the partition: fetch the map again
  not_found,         ///< no such key, file or row
  stale_epoch,       ///< the sender acts for an older epoch; it must stop
  stale_term,        ///< the command comes from an older central service
  conflict,          ///< compare-and-swap lost: the row has another revision
  gap,               ///< log entries are missing between what we hold and what came
  diverged,          ///< the histories differ at the given version: restart from a snapshot
  log_trimmed,       ///< the log no longer reaches back that far: restart from a snapshot
  checksum,          ///< stored or received bytes do not match their checksum
  no_space,          ///< the disk, or the quota, is full
  io,                ///< the operating system refused; the detail says what
  in_use,            ///< a port or a state directory belongs to another process
  overloaded,        ///< a named limit on queued work is reached; try later
  timeout,           ///< no answer within the configured time
  unavailable,       ///< nobody can serve this now
  no_candidate,      ///< placement excluded every node
  lease_expired,     ///< the primary can not prove that it still is; read elsewhere or later
  cancelled,         ///< the request was withdrawn, or its actor ended
  condition_failed,  ///< a write's condition does not hold: nothing was changed
  stale_request,     ///< the client has sent a later request since: this one is not applied
};

/// The stable name, e.g. "stale_epoch".
std::string_view to_string(errc code);
std::optional<errc> parse_errc(std::string_view name);

} // namespace harbinger
