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

/// What is chosen already in a model that is given.
void exclude_choices(CLI::App& app) {
  for (const char* name : {"--horizon", "--windows", "--models", "--search", "--split",
                           "--validation", "--test", "--threads"})
    app.get_option(name)->excludes("--model");
  app.get_option("--from")->needs("--model");
}

result<report> evaluate(const history& from, const std::string& model_file, int64_t from_ms,
                        const evaluation_options& options) {
  progress_bar bar;
  auto tell = [&](const std::string& what, double done) {
    bar.show(what, static_cast<uint64_t>(100 * done), 100);
  };
  if (model_file.empty()) return evaluate_history(from, options, tell);
  auto given = model::load(model_file);
  if (!given) return tl::unexpected<error>(given.error());
  return evaluate_model(
      *given, from,
      {options.rows, from_ms, options.innocent_before, options.command_line, options.study.seed},
      tell);
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
  add_duration(app, "--horizon", common.study.horizon_ms,
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
  if (model_file.empty() && common.study.horizon_ms == 0) {
    std::cerr << "harbinger evaluate: --horizon or --model is needed\n";
    return to_int(exit_code::usage);
  }
  options.study = common.study;
  options.windows_s = common.windows_s();
  options.rows = common.rows;
  options.split = *parse_enum<split_rule>(split);
  options.command_line = command_line(argc, argv);

  auto history = read_history(common.directory);
  if (!history) return fail_with(history.error());
  auto made = evaluate(*history, model_file, from_ms, options);
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
