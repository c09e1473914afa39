#pragma once

/// What a partition remembers of its clients, so that a repeated request is recognised: the last
/// request of each and how it ended. Kept as records under reserved keys, so that snapshots,
/// digests, copies, checkpoints and restores carry it like any other record:
///   00 'c' client   request, version that decided (epoch, seq), verdict, key; numbers big-endian
///   00 'n'          how many there are
/// Counted in a partition's records and bytes.

#include "store/entry_effect.hpp"

namespace harbinger {

/// When one more client comes, the quarter whose last request is oldest is forgotten first: a
/// request is recognised unless more clients than three quarters of this came between its attempts.
inline constexpr size_t sessions_max = 1024;

struct client_session {
  uint64_t request = 0;
  version decided;
  entry_verdict verdict = entry_verdict::applied;
  std::string key;
  friend bool operator==(const client_session&, const client_session&) = default;
};

/// Nothing: not known, or forgotten. checksum: the record is damaged.
result<std::optional<client_session>> find_session(const record_reader& records,
                                                   std::string_view client);
/// `known`: what find_session() says of this client in the state under `records`.
result<void> keep_session(record_overlay& records, std::string_view client,
                          const client_session& session,
                          const std::optional<client_session>& known);
/// How many are kept.
result<uint64_t> count_sessions(const record_reader& records);

} // namespace harbinger
