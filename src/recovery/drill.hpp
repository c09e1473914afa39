#pragma once

/// A recovery step repeated by hand, to measure it: a secondary of each partition is given up and
/// made anew on the same node by a chosen method. The partitions keep their primaries; they are one
/// replica short meanwhile. Pure.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "messages/local.hpp"
#include "recovery/redundancy.hpp"

namespace harbinger::recovery {

struct drill_report {
  restore_method method = restore_method::full_rebuild;
  double total_ms = 0.0; ///< first copy begun to last replica configured
  struct part {
    partition_id partition;
    node_id node;
    double ms = 0.0;
    uint64_t bytes = 0;
    std::string failure; ///< empty: restored
  };
  std::vector<part> each;
};

/// First every partition's secondary leaves and is dropped; when all have, all copies begin at
/// once.
class drill {
public:
  static constexpr uint32_t patience_ms = 110'000; ///< then it ends with what is done
  static constexpr size_t partitions_max = 1024;

  drill(uint64_t number, const recovery_drill& what, time_point now);
  uint64_t number() const { return number_; }

  /// Redundancy of these is in the drill's hands: no copies are asked for, no stray is dropped.
  bool owns(partition_id partition) const;

  // --- what it wants next for a partition ---
  struct leave {
    partition_row row; ///< without the secondary
  };
  struct give_up {
    node_id node;
  };
  struct copy {
    node_id node;
    copy_id id;
    std::vector<node_id> sources;
  };
  struct join {
    partition_row row; ///< with the copy, ready, as joiner
  };
  using wish = std::variant<std::monostate, leave, give_up, copy, join>;
  /// The next step of one partition; monostate: it waits. Repeats a step until it shows in the row
  /// or was told done.
  wish next(partition_id partition, const surroundings& around);
  void dropped(partition_id partition);
  void copy_begun(partition_id partition);
  void failed(partition_id partition, std::string why);

  const std::map<partition_id, bool>& partitions() const { return open_; }
  bool over(time_point now) const;
  drill_report report(time_point now) const;
  restore_method method() const { return method_; }

private:
  enum class phase : uint8_t { leaving, dropping, ready, copying, joining, done, failed };
  struct part {
    phase at = phase::leaving;
    node_id node;
    copy_id id;
    bool begun = false;
    time_point copy_from{};
    time_point until{};
    uint64_t bytes = 0;
    std::string failure;
  };
  bool all_ready() const;
  void choose(part& p, const partition_row& row, const surroundings& around);
  void finish(partition_id partition, part& p, const surroundings& around);

  uint64_t number_;
  restore_method method_;
  time_point started_;
  std::optional<time_point> copies_from_;
  std::map<partition_id, part> parts_;
  std::map<partition_id, bool> open_;
};

} // namespace harbinger::recovery
