#pragma once

/// What a log entry does to a partition's records. Every replica decides it alike, from its records
/// and the entry alone: when the entry is written, when it is replayed, when a log is folded. So an
/// entry whose condition does not hold, or that repeats a request, stands in the log and changes
/// nothing.

#include "messages/client.hpp"
#include "messages/replication.hpp"
#include "store/record_overlay.hpp"

namespace harbinger {

enum class entry_verdict : uint8_t {
  applied,
  condition_failed,
  too_large,     ///< its ranges hold more than range_records_max or range_bytes_max
  stale_request, ///< its client has gone on to a later request
};
constexpr auto enum_names(entry_verdict) {
  return std::array{"applied", "condition_failed", "too_large", "stale_request"};
}

/// What to tell the client.
struct entry_outcome {
  harbinger::version entry; ///< whose outcome it is
  entry_verdict verdict = entry_verdict::applied;
  harbinger::version decided; ///< the entry that decided it: `entry`, or an earlier attempt of the
                              ///< same request, and then this one changed nothing
  std::string key;            ///< whose condition does not hold
  bool repeated() const { return entry != decided; }
  /// Whether the entry left the records alone.
  bool idle() const { return repeated() || verdict != entry_verdict::applied; }
  friend bool operator==(const entry_outcome&, const entry_outcome&) = default;
};
/// put_ok, or condition_failed with the key, oversize, stale_request.
result<put_ok> answer_of(const entry_outcome& outcome);

struct entry_effect {
  entry_outcome outcome;
  record_changes changes; ///< the sessions of clients (client_sessions.hpp) among them
};
/// Fails only as `records` does.
result<entry_effect> effect_of(const record_reader& records, const log_entry& entry);

} // namespace harbinger
