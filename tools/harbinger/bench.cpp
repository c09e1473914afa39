#include "bench.hpp"

#include <cstdio>
#include <fstream>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "app/exit_code.hpp"
#include "app/process.hpp"
#include "commands.hpp"
#include "parse_line.hpp"

namespace harbinger {

namespace {

std::string to_json(const bench_rows& rows) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& r : rows)
    list.push_back({{"name", r.name},
                    {"metric", r.metric},
                    {"value", r.value},
                    {"unit", r.unit},
                    {"opponent", r.opponent},
                    {"opponent_value", r.opponent_value},
                    {"ratio", r.ratio},
                    {"target", r.target},
                    {"runs", r.runs},
                    {"min", r.min},
                    {"max", r.max}});
  return list.dump(2) + '\n';
}

void print(const bench_rows& rows) {
  for (const auto& r : rows)
    std::printf(
        "%-9s %-34s %12.4g %-10s %-38s %12.4g  ratio %6.2f  target %5.2f  runs %llu  %.4g..%.4g\n",
        r.name.c_str(), r.metric.c_str(), r.value, r.unit.c_str(), r.opponent.c_str(),
        r.opponent_value, r.ratio, r.target, static_cast<unsigned long long>(r.runs), r.min, r.max);
}

} // namespace

int run_bench(int argc, char** argv) {
  const std::map<std::string, result<bench_rows> (*)(const bench_options&)> all{
      {"ingest", bench_ingest}, {"prefetch", bench_prefetch}, {"recovery", bench_recovery}};
  bench_options options;
  std::vector<std::string> names;
  std::string json_file;
  CLI::App app{"Measure each thing beside its opponent", "harbinger bench"};
  app.add_option("names", names, "ingest, prefetch, recovery; default: all")
      ->check(CLI::IsMember(all));
  app.add_option("--json", json_file, "write the rows to this file");
  app.add_option("--runs", options.runs, "of each")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  if (auto code = parse_line(app, argc, argv)) return *code;
  if (names.empty()) names = {"ingest", "prefetch", "recovery"};
  options.say = [](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); };
  catch_interrupts();
  bench_rows rows;
  for (const auto& name : names) {
    auto measured = all.at(name)(options);
    if (!measured) {
      std::fprintf(stderr, "harbinger bench %s: %s\n", name.c_str(),
                   to_string(measured.error()).c_str());
      return to_int(exit_code::failure);
    }
    print(*measured);
    rows.insert(rows.end(), measured->begin(), measured->end());
  }
  if (json_file.empty()) return to_int(exit_code::ok);
  std::ofstream out(json_file);
  out << to_json(rows);
  out.close();
  if (!out) std::fprintf(stderr, "harbinger bench: can not write %s\n", json_file.c_str());
  return to_int(out ? exit_code::ok : exit_code::failure);
}

} // namespace harbinger
