#pragma once

/// The life of one copy as the centre sees it: begun, watched, begun again, ready, or given up.
/// Pure.

#include <string>
#include <vector>

#include "core/settings.hpp"
#include "core/time.hpp"
#include "messages/catalog.hpp"
#include "messages/local.hpp"

namespace harbinger {

/// Whom a copy for `target` can be taken from, in order of preference: the primary if it is up,
/// then the other members of the sync set that are up, in order, then suspect ones (primary first).
/// Dead nodes and the target itself never.
std::vector<node_address> copy_sources(const partition_row& row,
                                       const std::map<node_id, node_row>& nodes,
                                       const node_id& target);

/// What the carrier is to do after an event.
struct copy_life_actions {
  bool send_start =
      false; ///< send copy.start with `sources()`, and answer with started or start_failed
  bool report = false;    ///< progress is worth telling the coordinator
  bool ready = false;     ///< with `report`: caught up
  bool gave_up = false;   ///< with `report`: end of this life; another target is needed
  bool fell_back = false; ///< with `report`: no replica could be read, mass storage is next
  bool finished = false; ///< end of this life: it is a member of the sync set now, or was withdrawn
  std::string detail;
};

/// Promises:
/// * copy.start is sent again after retry_ms without an answer, or without any progress (bytes,
/// version or state), doubled
///   each time up to 16 times retry_ms; each time with the next source first. Any progress starts
///   the count again.
/// * After retries_max such attempts a source, when nothing came of them, or when the node said
///   `failed` so often, the copy is made from mass storage (newest checkpoint, then the log), with
///   as many attempts; then it gives up. A node that never took the command, or has no space, is
///   given up at once then. A copy that was complete once is not given up for silence: it is what
///   recovery may need.
/// * It is ready each time a report says caught_up and it was not before.
/// * A report about another copy id, or of an older life of the node, changes nothing.
/// * A replica configured by the order's row or a newer one is the copy that joined: the end. One
///   of an older row is a former member's: it is waited for, until recovery had it dropped.
/// * New sources are sent at once when the first of them is not the one in use any more.
class copy_life {
public:
  enum class phase : uint8_t { starting, copying, following, gave_up, finished };

  copy_life(prefetch_order order, const prefetch_settings& rules)
      : order_(std::move(order)), rules_(rules) {}

  /// Once, first. `already`: a status that came before, e.g. after a restart of the carrier; null:
  /// none.
  copy_life_actions begin(const replica_status* already, time_point now);
  copy_life_actions sources_changed(std::vector<node_address> sources, time_point now);
  copy_life_actions started(time_point now); ///< the node took the command
  copy_life_actions start_failed(const std::string& why,
                                 time_point now); ///< refused, no answer, not connected
  copy_life_actions status(const replica_status& status,
                           time_point now); ///< of the target; others are passed over
  copy_life_actions tick(time_point now);

  /// In the order for the next copy.start.
  std::vector<node_address> sources() const;
  const prefetch_order& order() const { return order_; }
  phase now_in() const { return phase_; }
  uint64_t copied_bytes() const { return copied_bytes_; }
  uint32_t attempts() const { return attempts_; }

private:
  copy_life_actions send(time_point now);
  copy_life_actions give_up(std::string why);
  /// Gives up, or goes on from mass storage.
  copy_life_actions sources_used_up(std::string why, time_point now);
  uint32_t attempts_max() const;
  bool silent(time_point now) const;

  prefetch_order order_;
  prefetch_settings rules_;
  phase phase_ = phase::starting;
  time_point last_sign_;  ///< newest progress or attempt
  incarnation life_;      ///< of the target, newest seen
  uint32_t attempts_ = 0; ///< without progress since the last sign of it
  uint32_t failures_ = 0; ///< times the node said `failed` since it last followed
  uint32_t rotation_ = 0; ///< which source comes first
  uint64_t copied_bytes_ = 0;
  version version_;
  replica_state state_ = replica_state::copying;
  bool seen_ = false; ///< the node reported this copy
  bool ready_ = false;
  bool was_complete_ = false;
  std::string last_trouble_;
};

std::string_view name_of(copy_life::phase phase);

} // namespace harbinger
