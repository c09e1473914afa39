#include <chrono>

#include "app/process.hpp"
#include "app/quick_settings.hpp"
#include "app/shipped.hpp"
#include "bench.hpp"
#include "history/history_file.hpp"
#include "predict/crowd.hpp"
#include "predict/features.hpp"
#include "predict/service_training.hpp"
#include "progress_bar.hpp"

namespace harbinger {

namespace {

using namespace predict;
using steady = std::chrono::steady_clock;
constexpr size_t nodes = 10'000;
constexpr double score_ms_max = 50;
constexpr size_t samples_each = 200; ///< 40 s at the campaign's pace: the long window
constexpr int64_t now_ms = 1'800'000'000'000;

/// As the demo's centre trains, whose pace is that of the campaign; but one kind, of all rows.
result<model> model_of(const history& campaign, const settings& demo, const char* kind) {
  auto options = training_of(demo);
  options.study = {};
  options.study.kinds = {kind};
  options.study.evaluations = 1;
  progress_bar bar;
  return train(campaign, service_schema(), options, [&](const std::string& what, double done) {
    bar.show(what, static_cast<uint64_t>(100 * done), 100);
  });
}

/// Every row by itself; milliseconds.
double score_alone(const model& m, const feature_table& table, std::vector<double>& out) {
  const auto& machine = *m.primary().machine;
  auto begun = steady::now();
  for (size_t i = 0; i < table.nodes.size(); ++i) out[i] = machine.score(table.row(i));
  return to_ms(steady::now() - begun);
}

bool same(const model& m, const std::vector<double>& alone, const std::vector<prediction>& all) {
  for (size_t i = 0; i < alone.size(); ++i)
    if (m.primary().calibrated.probability(alone[i]) != all[i].probability) return false;
  return true;
}

result<bench_row> score_row(const bench_options& options, const model& m,
                            const feature_table& table) {
  std::vector<double> ours, alone, scores(table.nodes.size());
  std::vector<prediction> predictions;
  for (uint32_t run = 0; run < options.runs; ++run) {
    if (interrupted()) return fail(errc::cancelled, "interrupted");
    auto begun = steady::now();
    m.predict(table.values, table.nodes.size(), predictions);
    ours.push_back(to_ms(steady::now() - begun));
    alone.push_back(score_alone(m, table, scores));
    if (!same(m, scores, predictions))
      return fail(errc::internal, "rows score differently together and alone");
  }
  auto row = make_row("scoring", "10,000 nodes by " + std::string(m.kind()), "ms", better::less,
                      ours, "the same trees, a row at a time", alone, 1);
  row.value_max = score_ms_max;
  return row;
}

struct timed_engine {
  feature_engine engine;
  feature_table table;
  int64_t time_ms = now_ms;
};

double take(timed_engine& e, const std::vector<telemetry_rows>& batches) {
  auto begun = steady::now();
  for (const auto& batch : batches) e.engine.add(batch, e.time_ms);
  return to_ms(steady::now() - begun);
}

double write_table(timed_engine& e) {
  auto begun = steady::now();
  e.engine.table(e.time_ms, e.table);
  return to_ms(steady::now() - begun);
}

/// Each run is a round of the service: a new sample of every node comes, then the table is made.
result<bench_row> table_row(const bench_options& options, timed_engine& e,
                            const std::vector<telemetry_rows>& crowd) {
  constexpr int64_t round_ms = 200;
  std::vector<double> ours, taken;
  for (uint32_t run = 0; run < options.runs; ++run) {
    if (interrupted()) return fail(errc::cancelled, "interrupted");
    e.time_ms += round_ms;
    std::vector<telemetry_rows> news;
    for (const auto& rows : crowd) news.push_back(newest_again(rows, e.time_ms - now_ms));
    taken.push_back(take(e, news));
    ours.push_back(write_table(e));
  }
  if (e.table.nodes.size() != nodes)
    return fail(errc::internal, "the table has " + std::to_string(e.table.nodes.size()) + " nodes");
  return make_row("scoring", "features of 10,000 nodes", "ms", better::less, ours,
                  "taking in a sample of each node", taken, 0.1);
}

} // namespace

result<bench_rows> bench_scoring(const bench_options& options) {
  auto demo = parsed_quick_settings();
  if (!demo) return tl::unexpected<error>(demo.error());
  auto directory = shipped_directory("data/campaign");
  if (!directory) return tl::unexpected<error>(directory.error());
  auto campaign = read_history(*directory);
  if (!campaign) return tl::unexpected<error>(campaign.error());
  auto crowd = crowd_of(*campaign, {nodes, samples_each, now_ms});
  if (!crowd) return tl::unexpected<error>(crowd.error());
  timed_engine filled{feature_engine(scales_of(demo->prediction)), {}};
  take(filled, *crowd);
  write_table(filled); // the first one also finds its memory
  bench_rows out;
  auto table = table_row(options, filled, *crowd);
  if (!table) return tl::unexpected<error>(table.error());
  for (const char* kind : {"forest", "boosting"}) {
    if (interrupted()) return fail(errc::cancelled, "interrupted");
    auto trained = model_of(*campaign, *demo, kind);
    if (!trained) return tl::unexpected<error>(trained.error());
    if (options.say) options.say("scoring: " + trained->version() + " is trained");
    auto row = score_row(options, *trained, filled.table);
    if (!row) return tl::unexpected<error>(row.error());
    out.push_back(std::move(*row));
  }
  out.push_back(std::move(*table));
  return out;
}

} // namespace harbinger
