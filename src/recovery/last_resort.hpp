#pragma once

/// The last resort: nobody who certainly has every acknowledged write of a partition is left (all
/// members of its sync set are dead or have lost their replica), and an operator, or the setting
/// recovery.rebuild_after_s, does not want to wait for them any longer. The best copy is brought up
/// to the end of the log in mass storage, or one is made from mass storage when there is none, and
/// becomes the primary. What was acknowledged and reached neither is lost, and said to be (P5); a
/// member that comes back later has its tail put into the conflict journal (P4). Pure.

#include <optional>
#include <string>
#include <variant>

#include "core/result.hpp"
#include "recovery/partition_recovery.hpp"

namespace harbinger::recovery {

/// A member of the sync set that lives and was not found to have lost its replica; none: only the
/// last resort serves the partition again.
bool anybody_left(const partition_row& row, const surroundings& around);

/// The newest version that a member of the sync set was heard to hold; what is acknowledged is at
/// least that. Nothing: this life of the centre never heard of one.
std::optional<version> last_heard(const partition_row& row, const surroundings& around);

/// The complete copy that holds most: of the row, on a living node, a prefix of the history, not
/// known to differ. Null: there is none.
const copy_row* best_copy(const partition_row& row, const surroundings& around);

struct rebuild_report {
  partition_id partition;
  bool rebuilt = false;
  node_id node;                                   ///< that serves it now
  harbinger::version version;                     ///< it was rebuilt to
  std::optional<harbinger::version> known_before; ///< last_heard()
  std::string text;                               ///< what was done and lost, or why not
};

class last_resort {
public:
  static constexpr uint32_t patience_ms = 110'000; ///< then it ends as it is

  last_resort(partition_id partition, time_point now) : partition_(partition), started_(now) {}

  /// What it wants next; monostate: it waits. A wish is repeated until it was told the outcome or
  /// the row shows it.
  struct make_copy {}; ///< from mass storage, wherever placement says
  struct replay {
    node_id node;
    copy_id copy;
  };
  struct seal {
    node_id node;
    harbinger::epoch epoch;
  };
  struct promote {
    partition_row row;
    std::string why;
  };
  struct end {
    rebuild_report report;
  };
  using wish = std::variant<std::monostate, make_copy, replay, seal, promote, end>;
  wish next(const partition_row& row, const surroundings& around);

  void replayed(const node_id& node, const result<void>& outcome);
  void sealed(const node_id& node, const result<replica_report>& report);

private:
  enum class phase : uint8_t { finding, replaying, sealing, promoting };
  wish ended(const partition_row& row, std::string why) const;

  partition_id partition_;
  time_point started_;
  phase at_ = phase::finding;
  node_id node_;
  copy_id copy_;
  harbinger::epoch target_;
  std::optional<version> known_;
  std::optional<version> reached_; ///< as the sealed copy says
  std::string failure_;
};

/// What a rebuild would start from, in words, for whoever has not yet accepted the loss.
std::string rebuild_preview(const partition_row& row, const surroundings& around);

} // namespace harbinger::recovery
