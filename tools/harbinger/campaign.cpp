#include <cstdio>

#include <CLI/CLI.hpp>

#include "app/campaign.hpp"
#include "app/exit_code.hpp"
#include "app/process.hpp"
#include "commands.hpp"
#include "parse_line.hpp"

namespace harbinger {

int run_campaign(int argc, char** argv) {
  campaign_options options;
  std::vector<std::string> kinds;
  CLI::App app{"Record telemetry of clusters in trouble, to train the predictor on",
               "harbinger campaign"};
  app.add_option("--runs", options.runs, "how many")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--first", options.first, "number of the first run, to continue a campaign")
      ->capture_default_str();
  app.add_option("--out", options.out, "directory of the history; it is made, or continued")
      ->capture_default_str();
  app.add_option("--seed", options.seed, "seed of everything random")->capture_default_str();
  app.add_option("--trouble", kinds, "only these kinds, in turn");
  app.add_option("--programs", options.programs,
                 "directory of harbingerd (default: beside this program)");
  if (auto code = parse_line(app, argc, argv)) return *code;
  for (const auto& text : kinds) {
    auto kind = parse_enum<trouble_kind>(text);
    if (!kind) {
      std::fprintf(stderr, "harbinger campaign: no such trouble: %s\n", text.c_str());
      return to_int(exit_code::usage);
    }
    options.kinds.push_back(*kind);
  }
  options.say = [](const std::string& text) {
    std::printf("%s\n", text.c_str());
    std::fflush(stdout);
  };
  catch_interrupts();
  auto made = harbinger::run_campaign(options);
  if (!made) {
    std::fprintf(stderr, "harbinger campaign: %s\n", to_string(made.error()).c_str());
    return to_int(exit_code::failure);
  }
  std::printf("%u runs added to %s\n", *made, options.out.c_str());
  return to_int(*made == options.runs ? exit_code::ok : exit_code::failure);
}

} // namespace harbinger
