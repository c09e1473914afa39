#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/exit_code.hpp"

namespace harbinger {

/// `harbinger client ...`: the client library from the command line.
struct client_target {
  std::string central; ///< control endpoint
  bool json = false;
};

exit_code client_put(const client_target& target, const std::string& volume, const std::string& key,
                     const std::string& value);
exit_code client_erase(const client_target& target, const std::string& volume,
                       const std::string& key);
/// Writes `value` if the record is exactly `expected`; nothing expected: if there is no such
/// record. refused (errc::condition_failed) otherwise.
exit_code client_cas(const client_target& target, const std::string& volume, const std::string& key,
                     const std::optional<std::string>& expected, const std::string& value);
/// Removes from <= key < to (empty: to the end) in every partition of the volume, one after the
/// other: in each at once, not in all together.
exit_code client_erase_range(const client_target& target, const std::string& volume,
                             const std::string& from, const std::string& to);
/// `copy_max_lag_ms`: from a copy that is no older than that (0: however old).
exit_code client_get(const client_target& target, const std::string& volume, const std::string& key,
                     std::optional<uint32_t> copy_max_lag_ms = {});
/// `partition`: an index in the volume, or "all".
exit_code client_scan(const client_target& target, const std::string& volume,
                      const std::string& partition, const std::string& from, uint32_t limit);

struct client_watch_options {
  std::string volume;
  std::optional<uint32_t> partition; ///< index in the volume; nothing: all
  std::vector<std::string> from;     ///< see client_watch
  uint64_t changes_max = 0;          ///< end after so many; 0: until Ctrl-C
};
/// Prints what is committed, one JSON object a line, each a batch that was applied. From now on, or
/// after the versions in `from`: "EPOCH:SEQ" for all partitions, "PARTITION=EPOCH:SEQ" for one (as
/// the lines name it; it takes precedence). Ends well at Ctrl-C; failure when a version can not
/// be followed from (log_trimmed, diverged).
exit_code client_watch(const client_target& target, const client_watch_options& options);

struct client_load_options {
  std::string volume;
  uint32_t writers = 2;
  uint32_t readers = 1;
  double seconds = 10;     ///< 0: until Ctrl-C
  double writes_per_s = 0; ///< of each writer; 0: as fast as it goes
  uint32_t value_bytes = 512;
  std::string acks; ///< every acknowledged write becomes a line of this file: volume, key, checksum
                    ///< of the value
  std::string verify; ///< no load: read back what such a file holds
};
/// Prints what was done. failure: a write was refused for good, a read saw the wrong value, or the
/// verification found a loss.
exit_code client_load(const client_target& target, const client_load_options& options);

} // namespace harbinger
