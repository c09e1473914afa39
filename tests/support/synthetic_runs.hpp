#pragma once

/// Made-up runs of six nodes for the tests of prediction: telemetry with noise, a trouble or a
/// harmless look-alike on one node, and what became of it. The seed says everything.

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>
#include <vector>

#include "history/history.hpp"
#include "messages/telemetry.hpp"
#include "telemetry/metrics.hpp"

namespace harbinger::testing {

struct run_info {
  std::string run;
  std::string trouble; ///< "memory_leak" ..., or a harmless look-alike
  node_id node;        ///< who had it
  std::optional<int64_t> trouble_start_ms;
  std::optional<int64_t> death_ms; ///< nothing: it lived to the end
  int64_t end_ms = 0;
};
struct arrived_rows {
  telemetry_rows rows;
  int64_t received_ms = 0;
};
struct synthetic_run {
  run_info info;
  std::vector<arrived_rows> rows; ///< as they came
};

enum class synthetic_trouble { none, leak, plateau, errors, few_errors };

class run_maker {
public:
  run_maker(uint64_t seed, synthetic_trouble trouble) : random_(seed), trouble_(trouble) {
    out_.info.run = "run" + std::to_string(seed);
    out_.info.end_ms = begin_ms + length_ms;
    out_.info.node.value = "n" + std::to_string(1 + seed % nodes);
    out_.info.trouble_start_ms = begin_ms + 20'000 + static_cast<int64_t>(uniform(0, 10'000));
    static constexpr const char* names[] = {"none", "memory_leak", "plateau", "error_storm",
                                            "few_errors"};
    out_.info.trouble = names[static_cast<int>(trouble)];
    if (trouble == synthetic_trouble::leak || trouble == synthetic_trouble::errors)
      out_.info.death_ms =
          *out_.info.trouble_start_ms + 15'000 + static_cast<int64_t>(uniform(0, 10'000));
    metrics_ = std::make_shared<const std::vector<metric_spec>>(telemetry::catalogue_specs());
    for (auto& b : base_) b = uniform(0.2, 0.4);
  }

  synthetic_run make() {
    for (int64_t t = begin_ms; t < out_.info.end_ms; t += 200)
      for (int n = 0; n < nodes; ++n) add_row(n, t);
    return std::move(out_);
  }

  static constexpr int nodes = 6;
  static constexpr int64_t begin_ms = 1'700'000'000'000;
  static constexpr int64_t length_ms = 70'000;

private:
  double uniform(double low, double high) {
    return low
           + (high - low) * static_cast<double>(random_() >> 11)
                 * 0x1p-53; // the same on every standard library
  }
  static void set(std::vector<double>& row, std::string_view name, double x) {
    row[telemetry::metric_index(name)] = x;
  }

  void add_row(int n, int64_t t) {
    node_id node{"n" + std::to_string(n + 1)};
    bool troubled = node == out_.info.node && trouble_ != synthetic_trouble::none;
    if (troubled && out_.info.death_ms && t >= *out_.info.death_ms) return;
    double since_s = troubled ? static_cast<double>(t - *out_.info.trouble_start_ms) / 1000 : -1;
    double memory = base_[n] + uniform(-0.004, 0.004);
    if (since_s > 0 && trouble_ == synthetic_trouble::leak)
      memory += since_s * 1000
                / static_cast<double>(*out_.info.death_ms - *out_.info.trouble_start_ms)
                * (1 - base_[n]);
    if (since_s > 0 && trouble_ == synthetic_trouble::plateau)
      memory += std::min(since_s / 10, 1.0) * 0.25;
    double error_rate = 0.02;
    if (since_s > 0 && trouble_ == synthetic_trouble::errors) error_rate = 0.5 + since_s * 0.4;
    if (since_s > 0 && since_s < 5 && trouble_ == synthetic_trouble::few_errors) error_rate = 0.4;
    if (uniform(0, 1) < error_rate) errors_[n] += 1 + std::floor(error_rate);
    cpu_[n] += 0.2 * uniform(0.1, 0.3);

    std::vector<double> row(metrics_->size(), telemetry::missing);
    set(row, "process.rss_ratio", memory);
    set(row, "process.vsize_ratio", memory + 0.1);
    set(row, "process.cpu_s", cpu_[n]);
    set(row, "loop.lag_ratio", uniform(0, 0.05));
    set(row, "net.rtt_ms_mean", uniform(0.2, 0.6));
    set(row, "net.unanswered_ratio", 0);
    set(row, "log.errors_io", errors_[n]);
    arrived_rows out;
    out.rows = {node, incarnation{1}, ++seq_, metrics_, {unix_ms{t + n}}, std::move(row)};
    out.received_ms = t + 3 + n;
    out_.rows.push_back(std::move(out));
  }

  std::mt19937_64 random_;
  synthetic_trouble trouble_;
  synthetic_run out_;
  std::shared_ptr<const std::vector<metric_spec>> metrics_;
  double base_[nodes], errors_[nodes]{}, cpu_[nodes]{};
  uint64_t seq_ = 0;
};

inline synthetic_run make_run(uint64_t seed, synthetic_trouble trouble) {
  return run_maker(seed, trouble).make();
}
inline synthetic_run make_run(uint64_t seed) {
  return make_run(seed, static_cast<synthetic_trouble>(seed % 5));
}

/// The runs as one history: every run a fleet, its nodes RUN/n1 to RUN/n6.
inline history history_of(const std::vector<synthetic_run>& runs) {
  history out;
  out.name = "made-up runs";
  for (const auto& m : telemetry::metric_catalogue())
    out.metrics.push_back({std::string(m.name), std::string(m.unit),
                           m.kind == metric_kind::counter ? history_reading::counter
                           : m.unit == "ratio"            ? history_reading::share
                                                          : history_reading::gauge,
                           m.unit == "ratio", 0});
  for (const auto& run : runs) {
    auto first = static_cast<uint32_t>(out.nodes.size());
    for (int n = 1; n <= run_maker::nodes; ++n) {
      history_node node{node_id{run.info.run + "/n" + std::to_string(n)},
                        run.info.run,
                        {},
                        run_maker::begin_ms,
                        run.info.end_ms,
                        0};
      node.attributes = {{"run", run.info.run}, {"trouble", run.info.trouble}};
      out.nodes.push_back(std::move(node));
    }
    auto place = [&](const node_id& id) {
      return first + static_cast<uint32_t>(std::stoi(id.value.substr(1))) - 1;
    };
    for (const auto& r : run.rows)
      out.samples.push_back(
          {place(r.rows.node), r.rows.times[0].value, r.rows.values, r.received_ms});
    if (run.info.death_ms) {
      out.events.push_back(
          {place(run.info.node), *run.info.death_ms, happening::failure, run.info.trouble, 1, 0});
      out.nodes[place(run.info.node)].last_ms = *run.info.death_ms;
    }
  }
  std::stable_sort(out.samples.begin(), out.samples.end(), [](const auto& a, const auto& b) {
    return std::pair(a.arrived_ms, a.node) < std::pair(b.arrived_ms, b.node);
  });
  std::stable_sort(out.events.begin(), out.events.end(),
                   [](const auto& a, const auto& b) { return a.time_ms < b.time_ms; });
  return out;
}
inline history history_of_runs(uint64_t how_many) {
  std::vector<synthetic_run> runs;
  for (uint64_t seed = 1; seed <= how_many; ++seed) runs.push_back(make_run(seed));
  return history_of(runs);
}

} // namespace harbinger::testing
