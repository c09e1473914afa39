#include <chrono>
#include <cstdio>
#include <fstream>

#include <CLI/CLI.hpp>

#include "app/demo.hpp"
#include "app/demo_zone.hpp"
#include "app/exit_code.hpp"
#include "app/process.hpp"
#include "app/shipped.hpp"
#include "commands.hpp"
#include "parse_line.hpp"

namespace harbinger {

namespace {

bool write_file(const std::string& file, const std::string& text) {
  std::ofstream out(file);
  out << text;
  out.close();
  if (!out) std::fprintf(stderr, "harbinger demo: can not write %s\n", file.c_str());
  return bool(out);
}

template <class Report>
int conclude(const Report& report, const std::string& json_file) {
  std::printf("\n%s", to_table(report).c_str());
  bool written = json_file.empty() || write_file(json_file, to_json(report));
  auto broken = broken_promises(report);
  for (const auto& what : broken) std::printf("\n  NOT AS PROMISED: %s", what.c_str());
  if (!broken.empty()) std::printf("\n");
  return to_int(broken.empty() && written ? exit_code::ok : exit_code::failure);
}

template <class Report>
int finish(const result<Report>& report, const std::string& json_file) {
  if (report) return conclude(*report, json_file);
  if (report.error().code == errc::cancelled) {
    std::printf("interrupted; everything is stopped\n");
    return 130;
  }
  std::fprintf(stderr, "harbinger demo: %s\n", to_string(report.error()).c_str());
  return to_int(exit_code::failure);
}

} // namespace

int run_demo(int argc, char** argv) {
  demo_options options;
  options.seed = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()
                                       / 1000 % 1'000'000);
  options.history = shipped_directory("data/campaign").value_or("");
  std::string scenario = "node", trouble = "memory_leak", json_file;
  CLI::App app{"Show the whole way on real processes: trouble, warning, copies, death, recovery",
               "harbinger demo"};
  app.add_option("--scenario", scenario,
                 "node: one node dies, recovery is compared with other ways; zone: both nodes of a "
                 "rack die at one instant, with all replicas of some partitions")
      ->check(CLI::IsMember({"node", "zone"}))
      ->capture_default_str();
  app.add_option("--trouble", trouble, "what befalls a node, or both")
      ->check(CLI::IsMember({"memory_leak", "cpu_starvation", "error_storm"}))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "which node, when, how (default: by the clock)");
  app.add_option("--json", json_file, "write the measurements to this file");
  app.add_option("--mib", options.mib_per_partition, "metadata in each partition, MiB")
      ->check(CLI::Range(0.01, 1024.0))
      ->capture_default_str();
  app.add_option("--history", options.history, "recorded history to train the model on");
  app.add_option("--directory", options.directory,
                 "where the cluster lives (default: a temporary directory)");
  app.add_flag("--keep", options.keep, "leave state, logs and configuration behind");
  app.add_option("--programs", options.programs,
                 "directory of harbingerd (default: beside this program)");
  if (auto code = parse_line(app, argc, argv)) return *code;
  options.trouble = *parse_enum<trouble_kind>(trouble);
  if (options.history.empty()) {
    std::fprintf(
        stderr,
        "harbinger demo: no history to train on (data/campaign); name one with --history\n");
    return to_int(exit_code::refused);
  }
  options.say = [](const std::string& text) {
    std::printf("%s\n", text.c_str());
    std::fflush(stdout);
  };
  catch_interrupts();
  std::printf("seed %llu\n", static_cast<unsigned long long>(options.seed));
  if (scenario == "zone") {
    options.partitions = 30; // more and smaller ones: some have both replicas in one rack
    if (app.count("--mib") == 0) options.mib_per_partition = 2;
    return finish(run_zone_demo(options), json_file);
  }
  return finish(harbinger::run_demo(options), json_file);
}

} // namespace harbinger
