#pragma once

/// Threads that watch a cluster from outside and note when things happened, so that measured times
/// do not depend on how busy the one who measures is.

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sys/types.h>

#include "core/time.hpp"
#include "messages/catalog.hpp"
#include "messages/events.hpp"
#include "messages/zones.hpp"

namespace harbinger {

struct moment {
  time_point at;
  unix_ms wall_time;
};
moment moment_now();

/// Notes the moment at which a process ends; does not reap it.
class death_watch {
public:
  explicit death_watch(pid_t pid);
  ~death_watch();
  std::optional<moment> seen() const;

private:
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::optional<moment> seen_;
  std::thread thread_;
};

/// Fetches the partition map every 10 ms.
class map_watch {
public:
  explicit map_watch(std::string control_endpoint);
  ~map_watch();
  /// The newest map, and the newest one fetched before `when`.
  std::shared_ptr<const partition_map> latest() const;
  std::shared_ptr<const partition_map> latest_before(time_point when) const;
  /// From now on: note the first map after which all these have a primary other than `lost`, and as
  /// many sync members other than `lost` as they want.
  void expect_recovery(std::vector<partition_id> partitions, node_id lost);
  std::optional<moment> all_served() const;   ///< every one has a new primary
  std::optional<moment> all_restored() const; ///< and its full number of replicas

private:
  void run();
  void judge(const partition_map& map, moment now);

  std::string endpoint_;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<std::pair<time_point, std::shared_ptr<const partition_map>>>
      recent_; ///< last 2 s, oldest first
  std::vector<partition_id> expected_;
  node_id lost_;
  std::optional<moment> served_, restored_;
  std::thread thread_;
};

/// Follows the centre's event socket: its events, and who is in a zone since when.
class event_watch {
public:
  explicit event_watch(const std::string& events_endpoint);
  ~event_watch();
  /// Events that came since the last call.
  std::vector<event> take();
  /// Since when, without a break, the node has been a member of a zone; nothing when it is in none
  /// now.
  std::optional<moment> in_zone_since(const node_id& node) const;
  /// Nodes that were in a zone at any time.
  std::vector<node_id> ever_in_zone() const;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// Probes partitions through the client library, one reader and one writer each: when is each
/// served again?
class availability_probe {
public:
  availability_probe(std::string control_endpoint, const std::vector<partition_id>& partitions);
  ~availability_probe();
  /// Operations that began after this moment count; call it at the death.
  void begin(time_point when);
  struct times {
    std::optional<double> first_ms; ///< the first partition served, since `begin`
    std::optional<double> all_ms;   ///< the last one
  };
  times reads() const;
  times writes() const;
  /// Ends the probes and reads back what was acknowledged to them: how many of the writes, and how
  /// many are lost.
  struct outcome {
    uint64_t acknowledged = 0;
    uint64_t lost = 0;
  };
  outcome finish();

private:
  struct one {
    partition_id partition;
    std::optional<double> read_ms, write_ms;
    uint64_t acknowledged = 0, tried = 0;
  };
  void read_loop(size_t index);
  void write_loop(size_t index);
  void stop();
  times times_of(std::optional<double> one::*member) const;

  std::string endpoint_;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<one> probes_;
  std::optional<time_point> begin_;
  std::vector<std::thread> threads_;
};

} // namespace harbinger
