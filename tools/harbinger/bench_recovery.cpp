#include "app/demo.hpp"
#include "app/shipped.hpp"
#include "bench.hpp"

namespace harbinger {

result<bench_rows> bench_recovery(const bench_options& options) {
  auto campaign = shipped_directory("data/campaign");
  if (!campaign) return tl::unexpected<error>(campaign.error());
  std::vector<double> prefetched, tail, rebuild;
  for (uint32_t run = 0; run < options.runs; ++run) {
    demo_options d;
    d.seed = 1000 + run;
    d.mib_per_partition = 8;
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
    if (options.say)
      options.say("recovery " + std::to_string(run + 1) + '/' + std::to_string(options.runs)
                  + (broken.empty() ? "" : ": " + broken[0]));
  }
  const char* metric = "death to all replicas restored";
  return bench_rows{
      make_row("recovery", metric, "ms", better::less, prefetched, "checkpoint + tail", tail, 5),
      make_row("recovery", metric, "ms", better::less, prefetched, "full rebuild", rebuild, 20),
  };
}

} // namespace harbinger
