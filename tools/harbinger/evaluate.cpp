#include <iostream>

#include <CLI/CLI.hpp>

#include "app/exit_code.hpp"
#include "commands.hpp"
#include "history/history_file.hpp"
#include "learning_options.hpp"
#include "messages/common.hpp"
#include "predict/history_evaluation.hpp"
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
} // namespace

int run_evaluate(int argc, char** argv) {
  CLI::App app{"Judge how well the failures of a history would have been predicted",
               "harbinger evaluate"};
  std::string report_file, json_file, split = "time";
  learning_options common;
  evaluation_options options;
  add_learning(app, common);
  add_duration(app, "--horizon", options.study.horizon_ms,
               "predict failures within this time (24h, 30d, 30min)")
      ->required();
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
  app.add_option("--report", report_file, "write a page (HTML, self-contained)");
  app.add_option("--json", json_file, "write the figures for programs");
  if (auto code = parse_line(app, argc, argv)) return *code;
  take_common(common, options);
  options.split = *parse_enum<split_rule>(split);
  options.command_line = command_line(argc, argv);

  auto history = read_history(common.directory);
  if (!history) return fail_with(history.error());
  result<report> made = fail(errc::internal);
  {
    progress_bar bar;
    made = evaluate_history(*history, options, [&](const std::string& what, double done) {
      bar.show(what, static_cast<uint64_t>(100 * done), 100);
    });
  }
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
