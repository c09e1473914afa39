#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "app/exit_code.hpp"
#include "commands.hpp"
#include "history/history_file.hpp"
#include "messages/common.hpp"
#include "predict/history_evaluation.hpp"
#include "predict/report_html.hpp"

namespace harbinger {
namespace {

using namespace predict;

/// "90s", "30min", "24h", "7d" in milliseconds.
const CLI::AsNumberWithUnit duration_unit(
    std::map<std::string, double>{{"s", 1e3}, {"min", 60e3}, {"h", 3600e3}, {"d", 86400e3}},
    CLI::AsNumberWithUnit::UNIT_REQUIRED);

int fail_with(const error& e) {
  std::cerr << "harbinger evaluate: " << to_string(e) << '\n';
  return to_int(exit_code_of(e.code));
}

/// One line on the terminal that is written anew; nothing when it is none.
class progress_line {
public:
  void operator()(const std::string& what, double done) {
    if (!terminal_) return;
    auto now = std::chrono::steady_clock::now();
    if (what == last_ && now - shown_ < std::chrono::milliseconds(200)) return;
    last_ = what;
    shown_ = now;
    std::fprintf(stderr, "\r\033[K%3.0f %% %s", 100 * done, what.c_str());
  }
  ~progress_line() {
    if (terminal_) std::fputs("\r\033[K", stderr);
  }

private:
  bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  std::string last_;
  std::chrono::steady_clock::time_point shown_{};
};

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
  double horizon_ms = 0, every_ms = 0, phase_ms = 0;
  std::vector<double> windows_ms;
  evaluation_options options;
  app.add_option("--history", directory, "a history (harbinger dataset import)")->required();
  app.add_option("--horizon", horizon_ms, "predict failures within this time (24h, 30d, 30min)")
      ->required()
      ->transform(duration_unit);
  app.add_option("--every", every_ms, "between two decisions about a node (default: the horizon)")
      ->transform(duration_unit);
  app.add_option("--at", phase_ms, "when in that time, from its beginning (6h: daily at 06:00)")
      ->transform(duration_unit);
  app.add_option("--windows", windows_ms, "three windows of features, e.g. 6h,24h,7d")
      ->delimiter(',')
      ->transform(duration_unit);
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
  options.study.horizon_ms = static_cast<int64_t>(horizon_ms);
  options.every_ms = static_cast<int64_t>(every_ms);
  options.phase_ms = static_cast<int64_t>(phase_ms);
  for (double w : windows_ms) options.windows_s.push_back(w / 1000);
  options.split = *parse_enum<split_rule>(split);
  options.command_line = joined(argc, argv);

  auto history = read_history(directory);
  if (!history) return fail_with(history.error());
  result<report> made = fail(errc::internal);
  {
    progress_line line;
    made = evaluate_history(*history, options,
                            [&](const std::string& what, double done) { line(what, done); });
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
