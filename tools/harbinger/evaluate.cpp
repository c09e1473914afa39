#include <fstream>
#include <iostream>

#include <CLI/CLI.hpp>

#include "app/exit_code.hpp"
#include "commands.hpp"
#include "history/history_file.hpp"
#include "history/time_text.hpp"
#include "messages/common.hpp"
#include "predict/history_evaluation.hpp"
#include "predict/report_html.hpp"
#include "progress_bar.hpp"

namespace harbinger {
namespace {

using namespace predict;

/// An option that takes "90s", "30min", "24h", "7d".
CLI::Option* add_duration(CLI::App& app, const char* name, int64_t& ms, const char* effect) {
  return app.add_option_function<std::string>(
      name,
      [&ms](const std::string& text) {
        auto parsed = parse_duration_ms(text);
        if (!parsed) throw CLI::ValidationError(parsed.error().detail);
        ms = *parsed;
      },
      effect);
}

int fail_with(const error& e) {
  std::cerr << "harbinger evaluate: " << to_string(e) << '\n';
  return to_int(exit_code_of(e.code));
}

result<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  if (!(out << text << std::flush)) return fail(errc::io, path + " can not be written");
  return {};
}

std::string joined(int argc, char** argv) {
  std::string out = argv[0];
  for (int i = 1; i < argc; ++i) out += std::string(" ") + argv[i];
  return out;
}

} // namespace

int run_evaluate(int argc, char** argv) {
  CLI::App app{"Judge how well the failures of a history would have been predicted",
               "harbinger evaluate"};
  std::string directory, report_file, json_file, split = "time";
  evaluation_options options;
  app.add_option("--history", directory, "a history (harbinger dataset import)")->required();
  add_duration(app, "--horizon", options.study.horizon_ms,
               "predict failures within this time (24h, 30d, 30min)")
      ->required();
  add_duration(app, "--every", options.every_ms,
               "between two decisions about a node (default: the horizon)");
  add_duration(app, "--at", options.phase_ms,
               "when in that time, from its beginning (6h: daily at 06:00)");
  app.add_option_function<std::vector<std::string>>(
         "--windows",
         [&](const std::vector<std::string>& all) {
           for (const auto& text : all) {
             auto parsed = parse_duration_ms(text);
             if (!parsed) throw CLI::ValidationError(parsed.error().detail);
             options.windows_s.push_back(static_cast<double>(*parsed) / 1000);
           }
         },
         "three windows of features, e.g. 6h,24h,7d")
      ->delimiter(',');
  app.add_option("--split", split, "time, machines, time_and_machines, groups")
      ->check(CLI::IsMember({"time", "machines", "time_and_machines", "groups"}))
      ->capture_default_str();
  app.add_option("--group", options.group, "attribute that names a group (default: the fleet)");
  app.add_option("--machine", options.machine,
                 "attribute whose nodes stay together (default: each node for itself)");
  app.add_option("--validation", options.shares.validation, "share for choosing and calibrating")
      ->check(CLI::Range(0.01, 0.9))
      ->capture_default_str();
  app.add_option("--test", options.shares.test, "share to be judged")
      ->check(CLI::Range(0.01, 0.9))
      ->capture_default_str();
  app.add_option("--models", options.study.kinds, "logistic, forest, network, boosting")
      ->delimiter(',');
  app.add_option("--search", options.study.evaluations,
                 "tries of hyper-parameters a model; 1: the usual ones")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--healthy-share", options.healthy_share,
                 "share of the rows far from a failure that is kept; the others are weighed for")
      ->check(CLI::Range(1e-6, 1.0))
      ->capture_default_str();
  app.add_option("--innocent-before", options.innocent_before,
                 "note before which the ranking of nodes should be no better than chance");
  app.add_option("--seed", options.study.seed, "of everything random")->capture_default_str();
  app.add_option("--threads", options.study.threads, "they change no result")
      ->capture_default_str();
  app.add_option("--report", report_file, "write a page (HTML, self-contained)");
  app.add_option("--json", json_file, "write the figures for programs");
  CLI11_PARSE(app, argc, argv);
  options.split = *parse_enum<split_rule>(split);
  options.command_line = joined(argc, argv);

  auto history = read_history(directory);
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
    if (auto written = write_file(report_file, report_html(*made)); !written)
      return fail_with(written.error());
  if (!json_file.empty())
    if (auto written = write_file(json_file, report_json(*made)); !written)
      return fail_with(written.error());
  return to_int(exit_code::ok);
}

} // namespace harbinger
