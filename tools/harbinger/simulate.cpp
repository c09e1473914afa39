#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>

#include <CLI/CLI.hpp>

#include "app/config.hpp"
#include "app/exit_code.hpp"
#include "commands.hpp"
#include "learning_options.hpp"
#include "parse_line.hpp"
#include "progress_bar.hpp"
#include "simulate/recorded_failures.hpp"
#include "simulate/report.hpp"

namespace harbinger {
namespace {
using namespace simulate;

volatile std::sig_atomic_t interrupted = 0;

struct simulate_options {
  simulation_options run;
  failure_options failing;
  predictor_options predictor;
  int64_t lead_ms = 1'800'000;
  double stuck = -1;
  std::string config_file, failures_file, scores_file, json_file, html_file;
  std::vector<std::string> changes;
  bool off = false, show_progress = false;
};

int fail_with(const error& e) {
  std::cerr << "harbinger simulate: " << to_string(e) << '\n';
  if (e.code == errc::invalid_argument) return to_int(exit_code::usage);
  return to_int(exit_code_of(e.code));
}

void add_site(CLI::App& app, site_options& site) {
  app.add_option("--nodes", site.nodes, "head nodes")
      ->check(CLI::Range(2u, nodes_most))
      ->capture_default_str();
  app.add_option("--partitions", site.partitions, "partitions")
      ->check(CLI::Range(1u, partitions_most))
      ->capture_default_str();
  app.add_option("--replicas", site.replicas, "members of each sync set")
      ->check(CLI::Range(1u, 5u))
      ->capture_default_str();
  app.add_option("--nodes-per-rack", site.nodes_per_rack)
      ->check(CLI::Range(1u, nodes_most))
      ->capture_default_str();
  app.add_option("--racks-per-feed", site.racks_per_feed, "racks on one power feed")
      ->check(CLI::Range(1u, nodes_most))
      ->capture_default_str();
  app.add_option("--firmwares", site.firmwares, "firmware versions in use")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  app.add_option("--mean-size", site.mean_size_bytes, "bytes of a partition's metadata")
      ->check(CLI::Range(1.0, 1e15))
      ->capture_default_str();
  app.add_option("--mean-change", site.mean_change_bytes_per_s, "bytes/s that change in it")
      ->check(CLI::Range(0.0, 1e12))
      ->capture_default_str();
  app.add_option("--requests", site.mean_requests_per_s, "requests/s to a partition")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str();
  app.add_option("--capacity", site.capacity_bytes, "bytes of a node")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 50))
      ->capture_default_str();
}

void add_failures(CLI::App& app, simulate_options& o) {
  app.add_option("--mtbf", o.failing.mtbf_days, "mean days between failures of a node")
      ->check(CLI::Range(0.01, 1e6))
      ->capture_default_str();
  app.add_option("--correlated", o.failing.correlated,
                 "share of failures that come together with others")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  auto* file = app.add_option("--failures", o.failures_file,
                              "failures that were recorded (CSV: system, node, start, end, "
                              "category) instead of made-up ones");
  for (const char* name : {"--mtbf", "--correlated"}) app.get_option(name)->excludes(file);
  app.add_option("--recall", o.predictor.recall, "share of failures the predictor sees")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--precision", o.predictor.precision, "share of its alarms that come true")
      ->check(CLI::Range(0.01, 1.0))
      ->capture_default_str();
  add_duration(app, "--lead", o.lead_ms, "mean time from alarm to failure (default: 30min)");
  auto* stuck = app.add_option("--stuck", o.stuck, "the predictor says this of every node, always")
                    ->check(CLI::Range(0.0, 1.0));
  auto* scores = app.add_option("--scores", o.scores_file,
                                "what a model said (CSV: time in s, node, probability)");
  stuck->excludes(scores);
  for (const char* name : {"--recall", "--precision", "--lead"})
    for (auto* other : {stuck, scores}) app.get_option(name)->excludes(other);
}

bool changed(const simulate_options& o, std::string_view key) {
  return std::any_of(o.changes.begin(), o.changes.end(), [&](const std::string& text) {
    return text.starts_with(std::string(key) + "=");
  });
}

/// The file and the changes; what neither says is fitted to the simulated cluster, and that is
/// said.
result<> make_rules(simulate_options& o, std::vector<std::string>& notes) {
  std::vector<config_change> changes;
  for (const auto& text : o.changes) {
    auto change = parse_config_change(text);
    if (!change) return tl::unexpected<error>(change.error());
    changes.push_back(std::move(*change));
  }
  auto loaded = o.config_file.empty() ? parse_settings(daemon_role::central, "", "", changes)
                                      : load_settings(daemon_role::central, o.config_file, changes);
  if (!loaded) return tl::unexpected<error>(loaded.error());
  auto& rules = o.run.rules = *loaded;
  if (!o.config_file.empty()) return {};
  auto at_once = std::clamp(o.run.site.nodes / 10, rules.prefetch.concurrent_max, 10'000u);
  if (at_once > rules.prefetch.concurrent_max && !changed(o, "prefetch.concurrent_max")) {
    rules.prefetch.concurrent_max = at_once;
    notes.push_back("prefetch.concurrent_max is " + std::to_string(at_once)
                    + ", one for ten nodes (a --config or --set decides otherwise)");
  }
  bool made_up = o.stuck < 0 && o.scores_file.empty();
  if (made_up && !changed(o, "zones.enter_at") && !changed(o, "zones.leave_at")) {
    set_zone_thresholds(rules.zones, o.predictor.precision);
    char text[160];
    std::snprintf(text, sizeof text,
                  "zones.enter_at is %g and leave_at %g, to act on alarms of this precision",
                  rules.zones.enter_at, rules.zones.leave_at);
    notes.emplace_back(text);
  }
  if (made_up && !changed(o, "zones.evacuate_at")) {
    rules.zones.evacuate_at = rules.zones.enter_at;
    char text[160];
    std::snprintf(text, sizeof text,
                  "zones.evacuate_at is %g as well: to hand over costs less than a failover",
                  rules.zones.evacuate_at);
    notes.emplace_back(text);
  }
  return {};
}

result<std::vector<failure>> make_failures(const simulate_options& o, const topology& nodes,
                                           std::string& from) {
  if (o.failures_file.empty()) {
    char text[160];
    std::snprintf(text, sizeof text,
                  "made up, mean time between failures of a node %g days, %g %% correlated",
                  o.failing.mtbf_days, 100 * o.failing.correlated);
    from = text;
    return failures_of(o.failing, nodes, o.run.days, o.run.seed);
  }
  auto source = read_from_file(o.failures_file);
  if (!source) return tl::unexpected<error>(source.error());
  auto record = read_failure_record(o.failures_file, std::move(*source));
  if (!record) return tl::unexpected<error>(record.error());
  from = "recorded, " + std::to_string(record->rows) + " of "
         + std::to_string(record->systems.size()) + " systems (" + std::to_string(record->refused)
         + " rows refused)";
  return failures_of(*record, static_cast<uint32_t>(nodes.size()), o.run.days, o.run.seed);
}

result<prediction> make_prediction(simulate_options& o, const std::vector<failure>& failures,
                                   const topology& nodes, std::string& by) {
  char text[160];
  if (o.stuck >= 0) {
    std::snprintf(text, sizeof text, "stuck at %g", o.stuck);
    by = text;
    return stuck_at(o.stuck, nodes.size());
  }
  const auto& rules = o.run.rules;
  if (!o.scores_file.empty()) {
    by = "scores of " + o.scores_file;
    auto source = read_from_file(o.scores_file);
    if (!source) return tl::unexpected<error>(source.error());
    auto scores = read_scores(o.scores_file, std::move(*source), nodes);
    if (scores) judge(*scores, failures, rules.zones.enter_at, rules.prediction.horizon_s);
    return scores;
  }
  o.predictor.mean_lead_s = static_cast<double>(std::max<int64_t>(1, o.lead_ms)) / 1000;
  o.predictor.horizon_s = rules.prediction.horizon_s;
  std::snprintf(text, sizeof text, "recall %g, precision %g, mean lead %g min, horizon %g min",
                o.predictor.recall, o.predictor.precision, o.predictor.mean_lead_s / 60,
                o.predictor.horizon_s / 60);
  by = text;
  return simulate::predict(o.predictor, failures, nodes, o.run.days, o.run.seed);
}

result<report> run(simulate_options& o, std::string line) {
  report r;
  r.command_line = std::move(line);
  r.version = HARBINGER_VERSION;
  if (auto made = make_rules(o, r.notes); !made) return tl::unexpected<error>(made.error());
  topology nodes;
  for (const auto& row : nodes_of(o.run.site, o.run.seed)) nodes.put(row);
  auto failures = make_failures(o, nodes, r.failures_from);
  if (!failures) return tl::unexpected<error>(failures.error());
  auto predicted = make_prediction(o, *failures, nodes, r.predicted_by);
  if (!predicted) return tl::unexpected<error>(predicted.error());
  count_failures(r, *failures);
  if (predicted->alarms_true + predicted->alarms_false > 0) {
    r.precision = predicted->precision();
    r.recall = predicted->recall(failures->size());
  }
  r.options = o.run;
  progress_bar bar;
  auto play = [&](const prediction& what, const char* name) {
    int told = -1;
    return simulate::simulate(o.run, *failures, what, [&, name](double done) {
      auto percent = static_cast<int>(100 * done);
      bar.show(name, static_cast<uint64_t>(percent), 100);
      if (o.show_progress && percent / 10 > told / 10)
        std::cerr << "harbinger simulate: " << name << ": " << (told = percent) << " %\n";
      return interrupted == 0;
    });
  };
  auto without = play({}, "without Harbinger");
  if (!without) return tl::unexpected<error>(without.error());
  r.without = std::move(*without);
  if (o.off) return r;
  auto with = play(*predicted, "with Harbinger");
  if (!with) return tl::unexpected<error>(with.error());
  r.with = std::move(*with);
  return r;
}

} // namespace

int run_simulate(int argc, char** argv) {
  CLI::App app{"Simulate a cluster in virtual time, without and with Harbinger, by the decision "
               "code of the service. docs/SIMULATION.md says what is modelled and what is not.",
               "harbinger simulate"};
  simulate_options o;
  add_site(app, o.run.site);
  app.add_option("--days", o.run.days, "virtual days")
      ->check(CLI::Range(0.01, 3650.0))
      ->capture_default_str();
  app.add_option("--seed", o.run.seed, "same seed, same output")->capture_default_str();
  add_failures(app, o);
  app.add_option("--config", o.config_file, "rules of zones, copies and placement (central.toml)");
  app.add_option("--set", o.changes, "KEY=VALUE of the configuration, before the file");
  app.add_flag("--off", o.off, "only without Harbinger");
  app.add_option("--json", o.json_file, "write the figures for programs");
  app.add_option("--html", o.html_file, "write a page with plots (self-contained)");
  app.add_flag("--progress", o.show_progress, "say how far it is, also in a log");
  if (auto code = parse_line(app, argc, argv)) return *code;
  struct sigaction stop {};
  stop.sa_handler = [](int) { interrupted = 1; };
  stop.sa_flags = static_cast<int>(SA_RESETHAND); // a second time ends it at once
  ::sigaction(SIGINT, &stop, nullptr);
  auto made = run(o, command_line(argc, argv));
  if (!made) return fail_with(made.error());
  std::cout << report_text(*made);
  if (!o.html_file.empty())
    if (auto written = write_text(o.html_file, report_html(*made)); !written)
      return fail_with(written.error());
  if (!o.json_file.empty())
    if (auto written = write_text(o.json_file, report_json(*made)); !written)
      return fail_with(written.error());
  return to_int(exit_code::ok);
}

} // namespace harbinger
