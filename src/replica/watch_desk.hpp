#pragma once

/// Clients that follow changes (client.watch) and wait for more. Pure: the carrier reads, and says
/// when something was committed.
///
/// No lease is needed to tell what was committed: it is on every member of the sync set in force
/// and here, so whoever becomes primary later holds it too (P2). A primary that was deposed and
/// does not know it can only be late, and its watchers hear of the new one from the map. Only to
/// say that a version is in no history takes a lease: the next primary may have gone on past this
/// log.

#include <functional>
#include <map>
#include <vector>

#include "core/time.hpp"
#include "messages/client.hpp"
#include "replica/actions.hpp"

namespace harbinger::replication {

class watch_desk {
public:
  static constexpr size_t waiting_max = 4096; ///< beyond it overloaded
  /// How often it looks after those whom no commit woke: deadlines, lost primaries.
  static constexpr auto look_period = milliseconds(50);

  /// Changes directly after `after`, perhaps none; or why the asker has to go elsewhere.
  using reader = std::function<result<changes_reply>(const watch_request&)>;
  struct answer {
    token to;
    result<changes_reply> reply;
  };
  using answers = std::vector<answer>;

  /// Answers at once when there is something to say or no time to wait. Every asker is answered
  /// exactly once.
  answers ask(token from, watch_request request, time_point now, const reader& read);
  /// The partition has committed something.
  answers committed(partition_id partition, time_point now, const reader& read);
  answers tick(time_point now, const reader& read);
  size_t waiting() const { return waiting_; }

private:
  struct waiter {
    token asker;
    watch_request ask; ///< `after` goes on past entries that changed nothing
    time_point until;
  };
  static std::optional<result<changes_reply>> look(waiter& w, time_point now, const reader& read);
  static void look_all(std::vector<waiter>& waiters, time_point now, const reader& read,
                       answers& out);

  std::map<partition_id, std::vector<waiter>> waiters_;
  size_t waiting_ = 0;
  time_point look_at_{};
};

} // namespace harbinger::replication
