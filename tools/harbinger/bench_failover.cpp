#include <algorithm>

#include "bench.hpp"
#include "bench_fleet.hpp"
#include "bench_hand_over.hpp"
#include "bench_promotion.hpp"

namespace harbinger {

namespace {

constexpr uint32_t deaths_a_run = 4;
constexpr double promotion_max_ms = 100;
constexpr double fleet_max_ms = 3000;

double quantile(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) return 0.0;
  return sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1) + 0.5)];
}

std::string size_text(uint64_t mib) {
  return mib < 1024 ? std::to_string(mib) + " MiB" : std::to_string(mib >> 10) + " GiB";
}

bench_row skipped(std::string metric, std::string why) {
  bench_row row;
  row.name = "failover";
  row.metric = std::move(metric);
  row.skipped = std::move(why);
  return row;
}

/// Its p99 beside that of the smallest: flat means a ratio near one.
bench_row flatness(uint64_t mib, const promotion_figures& f, const promotion_figures& smallest) {
  bench_row row;
  row.name = "failover";
  row.metric = "promotion p99, " + size_text(mib);
  row.value = quantile(f.writes, 0.99);
  row.unit = "ms";
  row.opponent = "the same at 1 MiB";
  row.opponent_value = quantile(smallest.writes, 0.99);
  row.ratio = row.value > 0 ? row.opponent_value / row.value : 0.0;
  row.target = 0.5;
  row.runs = f.writes.size();
  row.min = f.writes.front();
  row.max = f.writes.back();
  row.value_max = promotion_max_ms;
  row.figures = {{"first write p50", quantile(f.writes, 0.5)},
                 {"first read p50", quantile(f.reads, 0.5)},
                 {"first read p99", quantile(f.reads, 0.99)},
                 {"ratio of medians", quantile(smallest.writes, 0.5) / quantile(f.writes, 0.5)}};
  return row;
}

result<> promotions(const bench_options& options, bench_rows& rows) {
  std::vector<uint64_t> sizes_mib{1, 16, 128, 1024};
  if (options.large) sizes_mib.push_back(10 * 1024);
  std::optional<promotion_figures> smallest;
  for (auto mib : sizes_mib) {
    auto rebuilds = mib < 1024 ? std::min(options.runs, 3u) : mib == 1024 ? 1 : 0;
    auto f = measure_promotion(mib << 20, deaths_a_run * options.runs, rebuilds, options.say);
    if (!f && f.error().code == errc::no_space && smallest) {
      if (options.say) options.say("promotion at " + size_text(mib) + ": " + f.error().detail);
      rows.push_back(skipped("promotion p99, " + size_text(mib), f.error().detail));
      continue;
    }
    if (!f) return tl::unexpected<error>(f.error());
    if (!smallest) smallest = *f;
    rows.push_back(flatness(mib, *f, *smallest));
    if (rebuilds == 0) continue; // longer than a drill has patience
    rows.push_back(make_row("failover", "promotion, " + size_text(mib), "ms", better::less,
                            f->writes, "no replica: full rebuild", f->rebuilds, 1));
  }
  return {};
}

result<> hand_overs(const bench_options& options, bench_rows& rows) {
  auto f = measure_hand_over(options.runs, options.say);
  if (!f) return tl::unexpected<error>(f.error());
  auto row = make_row("failover", "a node is emptied, longest time without a write", "ms",
                      better::less, f->planned, "it dies", f->deaths, 10);
  row.figures = {{"p99", quantile(f->planned, 0.99)},
                 {"death p99", quantile(f->deaths, 0.99)},
                 {"in 2 s in which nothing happens", quantile(f->before, 0.5)}};
  rows.push_back(std::move(row));
  return {};
}

/// Both sizes in each round, so that neither has the quieter half.
result<> fleets(const bench_options& options, fleet_probe how, bench_rows& rows) {
  std::vector<double> all, tenth;
  fleet_figures last;
  std::vector<std::pair<std::string, double>> worst{{"promoted", 0}, {"half of them served", 0}};
  auto runs = std::min(options.runs, 3u);
  for (uint32_t run = 0; run < runs; ++run) {
    auto small = measure_fleet(std::max(options.partitions / 10, 2u), how, options.say);
    if (!small) return tl::unexpected<error>(small.error());
    auto big = measure_fleet(options.partitions, how, options.say);
    if (!big) return tl::unexpected<error>(big.error());
    tenth.push_back(small->served_ms);
    all.push_back(big->served_ms);
    worst[0].second = std::max(worst[0].second, big->promoted_ms);
    worst[1].second = std::max(worst[1].second, big->half_ms);
    last = *big;
  }
  auto row = make_row("failover",
                      "node with " + std::to_string(last.partitions) + " partitions, a "
                          + (how == fleet_probe::read ? "read" : "durable write") + " of each",
                      "ms", better::less, all, "a tenth as many", tenth, 0.1);
  row.value_max = fleet_max_ms;
  row.figures = worst;
  row.figures.emplace_back("primaries", static_cast<double>(last.primaries));
  row.figures.emplace_back("death to verdict", last.detect_ms);
  rows.push_back(std::move(row));
  return {};
}

} // namespace

result<bench_rows> bench_failover(const bench_options& options) {
  bench_rows rows;
  auto wanted = [&](const char* part) { return options.part.empty() || options.part == part; };
  if (wanted("promotion"))
    if (auto done = promotions(options, rows); !done) return tl::unexpected<error>(done.error());
  if (wanted("hand-over"))
    if (auto done = hand_overs(options, rows); !done) return tl::unexpected<error>(done.error());
  if (wanted("fleet"))
    for (auto how : {fleet_probe::read, fleet_probe::write})
      if (auto done = fleets(options, how, rows); !done) return tl::unexpected<error>(done.error());
  return rows;
}

} // namespace harbinger
