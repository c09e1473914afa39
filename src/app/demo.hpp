#pragma once

/// The whole way on real processes: a cluster under load, real trouble on one node, warning,
/// copies, death, recovery, and the same recovery without the copies. Prints a time line while it
/// runs.

#include <functional>
#include <string>

#include "app/demo_report.hpp"
#include "app/trouble_plan.hpp"

namespace harbinger {

struct demo_options {
  trouble_kind trouble = trouble_kind::memory_leak;
  uint64_t seed = 0;
  uint32_t nodes = 6;
  double mib_per_partition = 6; ///< metadata preloaded into each
  uint32_t partitions = 12;     ///< of each of the two volumes
  /// The trouble gets no worse while copies of the node at risk are on their way: for more metadata
  /// than can be copied in the seconds that a trouble lasts.
  bool wait_for_copies = false;
  std::string history;   ///< what the model is trained on
  std::string directory; ///< empty: a temporary one
  std::string programs;  ///< where harbingerd is; empty: beside this program
  bool keep = false;
  std::function<void(const std::string&)> say; ///< one line of the time line
};

/// A report as far as it got; the error says why it could not go on (cancelled: interrupted).
result<demo_report> run_demo(const demo_options& options);

} // namespace harbinger
