#include <algorithm>

#include "app/demo.hpp"
#include "app/shipped.hpp"
#include "bench.hpp"

namespace harbinger {

namespace {
constexpr double partitions_on_a_node = 8;
}

result<bench_rows> bench_recovery(const bench_options& options) {
  auto campaign = shipped_directory("data/campaign");
  if (!campaign) return tl::unexpected<error>(campaign.error());
  std::vector<double> prefetched, tail, rebuild, detect;
  std::vector<double> after, after_tail, after_rebuild; // the verdict
  for (uint32_t run = 0; run < options.runs; ++run) {
    demo_options d;
    d.seed = 1000 + run;
    // A third of the 24 partitions has a replica on the node.
    d.mib_per_partition = static_cast<double>(options.recovery_mib) / partitions_on_a_node;
    d.wait_for_copies = options.recovery_mib > 64;
    if (d.wait_for_copies) d.say = options.say;
    d.history = *campaign;
    auto report = run_demo(d);
    if (!report) return tl::unexpected<error>(report.error());
    auto broken = broken_promises(*report);
    if (!report->recovery_prefetched_ms || !report->recovery_checkpoint_tail_ms
        || !report->recovery_full_rebuild_ms)
      return fail(errc::internal, "run " + std::to_string(run + 1) + ": "
                                      + (broken.empty() ? "no measurement" : broken[0]));
    prefetched.push_back(*report->recovery_prefetched_ms);
    tail.push_back(*report->recovery_checkpoint_tail_ms);
    rebuild.push_back(*report->recovery_full_rebuild_ms);
    auto verdict = report->detect_ms.value_or(0);
    detect.push_back(verdict);
    after.push_back(prefetched.back() - verdict);
    after_tail.push_back(tail.back() - verdict);
    after_rebuild.push_back(rebuild.back() - verdict);
    if (options.say)
      options.say("recovery " + std::to_string(run + 1) + '/' + std::to_string(options.runs)
                  + (broken.empty() ? "" : ": " + broken[0]));
  }
  const char* whole = "death to all replicas restored";
  const char* metric = "verdict to all replicas restored";
  bench_rows rows{
      make_row("recovery", metric, "ms", better::less, after, "checkpoint + tail", after_tail, 5),
      make_row("recovery", metric, "ms", better::less, after, "full rebuild", after_rebuild, 20),
      make_row("recovery", whole, "ms", better::less, prefetched, "checkpoint + tail", tail, 1),
      make_row("recovery", whole, "ms", better::less, prefetched, "full rebuild", rebuild, 1),
  };
  for (auto& row : rows)
    row.figures = {{"MiB on the node", static_cast<double>(options.recovery_mib)},
                   {"death to verdict, most", *std::max_element(detect.begin(), detect.end())}};
  return rows;
}

} // namespace harbinger
