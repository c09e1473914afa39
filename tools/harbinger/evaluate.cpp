#include <iostream>

#include <CLI/CLI.hpp>

#include "app/exit_code.hpp"
#include "commands.hpp"
#include "history/history_file.hpp"
#include "learning_options.hpp"
#include "messages/common.hpp"
#include "predict/history_evaluation.hpp"
#include "predict/model_evaluation.hpp"
#include "predict/report_html.hpp"
#include "parse_line.hpp"
#include "progress_bar.hpp"

namespace harbinger {
namespace {
using namespace predict;

int fail_with(const error& e) {
  std::cerr << "harbinger evaluate: " << to_string(e) << '\n';
  return to_int(exit_code_of(e.code));
}

void take_common(const learning_options& from, evaluation_options& to) {
  auto horizon_ms = to.study.horizon_ms;
  to.study = from.study;
  to.study.horizon_ms = horizon_ms;
  to.windows_s = from.windows_s();
  to.every_ms = from.every_ms;
  to.phase_ms = from.phase_ms;
  to.healthy_share = from.healthy_share;
  to.group = from.group;
  to.machine = from.machine;
}
model_evaluation_options of_model(const learning_options& from, const evaluation_options& more) {
  model_evaluation_options out;
  out.every_ms = from.every_ms;
  out.phase_ms = from.phase_ms;
  out.healthy_share = from.healthy_share;
  out.group = from.group;
  out.machine = from.machine;
  out.innocent_before = more.innocent_before;
  out.command_line = more.command_line;
  out.seed = from.study.seed;
  return out;
}

/// What is chosen already in a model that is given.
void exclude_choices(CLI::App& app) {
  for (const char* name : {"--horizon", "--windows", "--models", "--search", "--split",
                           "--validation", "--test", "--threads"})
    app.get_option(name)->excludes("--model");
  app.get_option("--from")->needs("--model");
}

result<report> evaluate(const history& from, const std::string& model_file, int64_t from_ms,
                        const learning_options& common, const evaluation_options& options) {
  progress_bar bar;
  auto tell = [&](const std::string& what, double done) {
    bar.show(what, static_cast<uint64_t>(100 * done), 100);
  };
  if (model_file.empty()) return evaluate_history(from, options, tell);
  auto given = model::load(model_file);
  if (!given) return tl::unexpected<error>(given.error());
  auto more = of_model(common, options);
  more.from_ms = from_ms;
  return evaluate_model(*given, from, more, tell);
}
} // namespace

int run_evaluate(int argc, char** argv) {
  CLI::App app{"Judge how well the failures of a history would have been predicted",
               "harbinger evaluate"};
  std::string report_file, json_file, model_file, split = "time";
  int64_t from_ms = INT64_MIN;
  learning_options common;
  evaluation_options options;
  add_learning(app, common);
  add_duration(app, "--horizon", options.study.horizon_ms,
               "predict failures within this time (24h, 30d, 30min); needed without --model");
  app.add_option("--split", split, "time, machines, time_and_machines, groups")
      ->check(CLI::IsMember({"time", "machines", "time_and_machines", "groups"}))
      ->capture_default_str();
  app.add_option("--validation", options.shares.validation, "share for choosing and calibrating")
      ->check(CLI::Range(0.01, 0.9))
      ->capture_default_str();
  app.add_option("--test", options.shares.test, "share to be judged")
      ->check(CLI::Range(0.01, 0.9))
      ->capture_default_str();
  app.add_option("--innocent-before", options.innocent_before,
                 "note before which the ranking of nodes should be no better than chance");
  app.add_option("--model", model_file,
                 "judge this model (harbinger train) instead of making some");
  add_time(app, "--from", from_ms, "with --model: judge from this time on (2015-10-01, ...T06:00)");
  app.add_option("--report", report_file, "write a page (HTML, self-contained)");
  app.add_option("--json", json_file, "write the figures for programs");
  exclude_choices(app);
  if (auto code = parse_line(app, argc, argv)) return *code;
  if (model_file.empty() && options.study.horizon_ms == 0) {
    std::cerr << "harbinger evaluate: --horizon or --model is needed\n";
    return to_int(exit_code::usage);
  }
  take_common(common, options);
  options.split = *parse_enum<split_rule>(split);
  options.command_line = command_line(argc, argv);

  auto history = read_history(common.directory);
  if (!history) return fail_with(history.error());
  auto made = evaluate(*history, model_file, from_ms, common, options);
  if (!made) return fail_with(made.error());
  std::cout << report_text(*made);
  if (!report_file.empty())
    if (auto written = write_text(report_file, report_html(*made)); !written)
      return fail_with(written.error());
  if (!json_file.empty())
    if (auto written = write_text(json_file, report_json(*made)); !written)
      return fail_with(written.error());
  return to_int(exit_code::ok);
}

} // namespace harbinger
