#include <algorithm>
#include <cmath>
#include <iostream>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "app/exit_code.hpp"
#include "commands.hpp"
#include "history/history_file.hpp"
#include "history/select.hpp"
#include "history/time_text.hpp"
#include "learning_options.hpp"
#include "messages/common.hpp"
#include "predict/training.hpp"
#include "parse_line.hpp"
#include "progress_bar.hpp"
#include "telemetry/metrics.hpp"

namespace harbinger {
namespace {
using namespace predict;

int fail_with(const error& e) {
  std::cerr << "harbinger train: " << to_string(e) << '\n';
  return to_int(exit_code_of(e.code));
}

/// Whether the service recorded it: then its models are for the service.
bool of_service(const history& h) {
  auto catalogue = telemetry::metric_catalogue();
  return !h.metrics.empty() && std::all_of(h.metrics.begin(), h.metrics.end(), [&](const auto& m) {
    return telemetry::metric_index(m.name) < catalogue.size();
  });
}

std::string text_of(const nlohmann::json& x) {
  if (!x.is_number()) return "not defined";
  char out[32];
  std::snprintf(out, sizeof out, "%.4g", x.get<double>());
  return out;
}

void print(const model& m, const std::string& path) {
  auto report = nlohmann::json::parse(m.report());
  std::cout << "model " << m.version() << " in " << path << ": " << report["rows"] << " rows of "
            << report["nodes"] << " nodes, " << report["failures"] << " failures, "
            << report["features"] << " features\n";
  for (const auto& h : report["horizons"]) {
    auto ms = std::llround(1000 * h["horizon_s"].get<double>());
    const auto& v = h["validation"];
    std::cout << "  within " << duration_text(ms) << ": " << h["why"].get<std::string>();
    for (const auto& [kind, figures] : h["kinds"].items())
      std::cout << (kind == h["kind"] ? "" : " (" + kind + ' ' + text_of(figures["pr_auc"]) + ')');
    std::cout << "; Brier " << text_of(v["brier"]) << ", calibration error "
              << text_of(v["calibration_error"]) << ", event recall " << text_of(v["event_recall"])
              << " at " << text_of(h["threshold"]) << '\n';
  }
}
} // namespace

int run_train(int argc, char** argv) {
  CLI::App app{"Learn from a history which nodes will fail, and write a model", "harbinger train"};
  std::string out, rule = "later", json_file;
  learning_options common;
  training_options options;
  int64_t until_ms = INT64_MAX;
  add_learning(app, common);
  add_time(
      app, "--until", until_ms,
      "learn only from what was known then (2015-10-01, ...T06:00); what comes later can judge "
      "the model (harbinger evaluate --model --from)");
  add_durations(app, "--horizon", options.horizons_ms,
                "predict failures within these times, the first is the one that features are "
                "made for (1h,6h,24h)")
      ->required();
  app.add_option("--out", out, "the model file")->required();
  app.add_option("--validate", rule, "on: later (the last part of the time), groups (in turn)")
      ->check(CLI::IsMember({"later", "groups"}))
      ->capture_default_str();
  app.add_option("--validation", options.validation_share, "share of the time for that")
      ->check(CLI::Range(0.01, 0.9))
      ->capture_default_str();
  int64_t stale_ms = 0;
  add_duration(app, "--stale-after", stale_ms,
               "older input takes no part in comparisons (default: three decisions)");
  app.add_option("--json", json_file, "write what was reached, for programs");
  if (auto code = parse_line(app, argc, argv)) return *code;
  options.windows_s = common.windows_s();
  options.rows = common.rows;
  options.study = common.study;
  options.stale_after_s = static_cast<double>(stale_ms) / 1000;
  options.rule = *parse_enum<validation_rule>(rule);

  auto history = read_history(common.directory);
  if (!history) return fail_with(history.error());
  if (until_ms != INT64_MAX) *history = cut_history(std::move(*history), until_ms);
  result<model> made = fail(errc::internal);
  {
    progress_bar bar;
    made = train(*history, of_service(*history) ? service_schema() : nullptr, options,
                 [&](const std::string& what, double done) {
                   bar.show(what, static_cast<uint64_t>(100 * done), 100);
                 });
  }
  if (!made) return fail_with(made.error());
  if (auto saved = made->save(out); !saved) return fail_with(saved.error());
  print(*made, out);
  if (!json_file.empty())
    if (auto written = write_text(json_file, made->report() + '\n'); !written)
      return fail_with(written.error());
  return to_int(exit_code::ok);
}

} // namespace harbinger
