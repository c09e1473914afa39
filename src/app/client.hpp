#pragma once

/// A client of the cluster: finds the primary of a key's partition, asks it, and asks again after a
/// failover. Blocking; one object a thread.

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "core/result.hpp"
#include "core/time.hpp"
#include "messages/catalog.hpp"
#include "messages/client.hpp"
#include "net/requester.hpp"

namespace harbinger {

/// Whether asking again, perhaps elsewhere, may help.
bool worth_repeating(errc code);

/// How old a read may be: at this version or past it, and not older than that (0: however old).
struct staleness {
  version at_least;
  uint32_t max_lag_ms = 0;
};

/// A batch for one partition.
struct partition_write {
  partition_id partition;
  std::vector<record_op> ops;
  std::vector<write_condition> conditions = {};
};

struct client_options {
  duration deadline = seconds(10);       ///< of one call in all, with its repetitions
  duration attempt = milliseconds(1000); ///< wait for one answer
  duration backoff = milliseconds(5); ///< before the first repetition; doubles up to `backoff_max`
  duration backoff_max = milliseconds(100);
  uint64_t seed = 0; ///< of the jitter; 0: from the system
  /// Lets `get` ask a copy when the primary has not answered within `slow`, or can not.
  std::optional<staleness> stale_reads = {};
  duration slow = milliseconds(100);
  /// The same while the primary lies in a Predictive Failure Zone, as the centre says (risk_book).
  duration slow_at_risk = milliseconds(10);
};

/// Writes are applied once, however often they are repeated: each client has a name of its own and
/// numbers its requests (write_batch). A write that fails with errc::timeout and a detail that
/// begins with "outcome unknown" has taken effect or not, but will not any more once a later write
/// of this client to the same partition has an answer; one that fails otherwise has not.
/// condition_failed (the key in the detail) changes nothing. Reads are safe to repeat.
class client {
public:
  /// `central` is the centre's control endpoint. Fetches the partition map: timeout when nobody
  /// answers.
  static result<client> connect(const std::string& central, client_options options = {});
  client(client&&) noexcept;
  client& operator=(client&&) noexcept;
  ~client();

  /// invalid_argument when it exists with other numbers; an equal one that exists is a success.
  result<volume_row> create_volume(const std::string& name, uint32_t partitions, uint32_t replicas);
  result<volume_row> volume(const std::string& name); ///< not_found
  result<partition_id> partition_of(const std::string& volume, std::string_view key);
  /// The newest map that is known; `refresh` asks for a newer one first.
  const partition_map& map() const;
  result<void> refresh();
  result<void> refresh(duration timeout);
  /// Asks which nodes are at risk and waits for the answer. With `stale_reads` that is asked for
  /// now and then without waiting.
  result<void> refresh_risks(duration timeout);
  /// Its data endpoint by the map: unavailable when there is none now; unknown_partition,
  /// unknown_node.
  result<std::string> primary_endpoint(partition_id partition) const;

  result<version> put(const std::string& volume, std::string key, std::string value);
  result<version> erase(const std::string& volume, std::string key);
  /// Whole or not at all; not at all when a condition does not hold: condition_failed.
  result<version> put(partition_id partition, std::vector<record_op> ops,
                      std::vector<write_condition> conditions = {});
  /// One such put for each of several partitions, all under way at once; answers in the same order.
  /// Each partition once: invalid_argument for those that come again.
  std::vector<result<version>> put_each(std::vector<partition_write> writes);
  /// Nothing `expected`: only if there is no such record. condition_failed otherwise.
  result<version> compare_and_set(const std::string& volume, std::string key,
                                  std::optional<std::string> expected, std::string value);
  /// Every record with from <= key < to (empty: to the end) of the partition, at once; oversize
  /// when that is more than range_records_max or range_bytes_max.
  result<version> erase_range(partition_id partition, std::string from, std::string to);
  result<value_reply> get(const std::string& volume, const std::string& key);
  result<value_reply> get(partition_id partition, const std::string& key);
  result<rows_reply> scan(partition_id partition, const std::string& from, uint32_t limit);

  /// From a copy, whichever ready one answers first as asked; what the primary says has no part in
  /// it. unavailable: the map knows no ready copy; else what the last copy said (gap: too old).
  result<value_reply> get_from_copy(partition_id partition, const std::string& key,
                                    const staleness& allowed);
  result<value_reply> get_from_copy(const std::string& volume, const std::string& key,
                                    const staleness& allowed);
  result<rows_reply> scan_from_copy(partition_id partition, const std::string& from, uint32_t limit,
                                    const staleness& allowed);

  /// The name it numbers its requests under.
  const std::string& name() const;
  /// Repetitions so far, by reason: what a load generator reports.
  const std::map<std::string, uint64_t>& retries() const;

private:
  struct impl;
  explicit client(std::unique_ptr<impl> impl);
  std::unique_ptr<impl> impl_;
};

} // namespace harbinger
