#include "learning_options.hpp"

#include <fstream>

#include "core/listed.hpp"
#include "history/time_text.hpp"
#include "predict/scorer.hpp"

namespace harbinger {

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

CLI::Option* add_durations(CLI::App& app, const char* name, std::vector<int64_t>& ms,
                           const char* effect) {
  return app
      .add_option_function<std::vector<std::string>>(
          name,
          [&ms](const std::vector<std::string>& all) {
            for (const auto& text : all) {
              auto parsed = parse_duration_ms(text);
              if (!parsed) throw CLI::ValidationError(parsed.error().detail);
              ms.push_back(*parsed);
            }
          },
          effect)
      ->delimiter(',');
}

CLI::Option* add_time(CLI::App& app, const char* name, int64_t& ms, const char* effect) {
  return app.add_option_function<std::string>(
      name,
      [&ms](const std::string& text) {
        auto parsed = parse_time_ms(text, "iso8601");
        if (!parsed) throw CLI::ValidationError(parsed.error().detail);
        ms = *parsed;
      },
      effect);
}

std::vector<double> learning_options::windows_s() const {
  std::vector<double> out;
  for (auto ms : windows_ms) out.push_back(static_cast<double>(ms) / 1000);
  return out;
}

void add_learning(CLI::App& app, learning_options& to) {
  app.add_option("--history", to.directory, "a history (harbinger dataset import)")->required();
  add_duration(app, "--every", to.rows.every_ms,
               "between two decisions about a node (default: the horizon)");
  add_duration(app, "--at", to.rows.phase_ms,
               "when in that time, from its beginning (6h: daily at 06:00)");
  add_durations(app, "--windows", to.windows_ms, "three windows of features, e.g. 6h,24h,7d");
  app.add_option("--group", to.rows.group, "attribute that names a group (default: the fleet)");
  app.add_option("--machine", to.rows.machine,
                 "attribute whose nodes stay together (default: each node for itself)");
  app.add_option("--models", to.study.kinds, listed(predict::scorer_kinds()))->delimiter(',');
  app.add_option("--search", to.study.evaluations,
                 "tries of hyper-parameters a model; 1: the usual ones")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--healthy-share", to.rows.healthy_share,
                 "share of the rows far from a failure that is kept; the others are weighed for")
      ->check(CLI::Range(1e-6, 1.0))
      ->capture_default_str();
  app.add_option("--seed", to.study.seed, "of everything random")->capture_default_str();
  app.add_option("--threads", to.study.threads, "they change no result")->capture_default_str();
}

result<void> write_text(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  if (!(out << text << std::flush)) return fail(errc::io, path + " can not be written");
  return {};
}

std::string command_line(int argc, char** argv) {
  std::string out = argv[0];
  for (int i = 1; i < argc; ++i) out += std::string(" ") + argv[i];
  return out;
}

} // namespace harbinger
