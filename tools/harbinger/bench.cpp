#include "bench.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "app/exit_code.hpp"
#include "app/process.hpp"
#include "commands.hpp"
#include "parse_line.hpp"
#include "predict/scorer.hpp"

namespace harbinger {

namespace {

using json = nlohmann::ordered_json;

struct bench {
  const char* name;
  result<bench_rows> (*measure)(const bench_options&);
  bool usual;         ///< measured when no names are given
  bool prints_itself; ///< its rows are not printed here
};
constexpr std::array<bench, 11> benches{{
    {"cost", bench_cost, true, false},
    {"failover", bench_failover, true, false},
    {"ingest", bench_ingest, true, false},
    {"plan", bench_plan, true, false},
    {"prefetch", bench_prefetch, true, false},
    {"recovery", bench_recovery, true, false},
    {"scoring", bench_scoring, true, false},
    {"store", bench_store, true, false},
    {"sync", bench_sync, true, false},
    {"training", bench_training, true, false},
    {"histories", bench_histories, false, true},
}};

std::vector<std::string> names_of(bool usual_only) {
  std::vector<std::string> out;
  for (const auto& b : benches)
    if (b.usual || !usual_only) out.push_back(b.name);
  return out;
}

json number(double x) { return std::isfinite(x) ? json(x) : json(nullptr); }

json to_json(const bench_row& r) {
  if (!r.skipped.empty()) return {{"name", r.name}, {"metric", r.metric}, {"skipped", r.skipped}};
  json out{{"name", r.name},           {"metric", r.metric},
           {"value", number(r.value)}, {"unit", r.unit},
           {"opponent", r.opponent},   {"opponent_value", number(r.opponent_value)},
           {"ratio", number(r.ratio)}, {"target", r.target},
           {"runs", r.runs},           {"min", number(r.min)},
           {"max", number(r.max)}};
  if (r.value_max > 0) out["value_max"] = r.value_max;
  for (const auto& [name, value] : r.figures) out["figures"][name] = number(value);
  return out;
}

void print(const bench_row& r) {
  if (!r.skipped.empty()) {
    std::printf("%-9s %-34s skipped: %s\n", r.name.c_str(), r.metric.c_str(), r.skipped.c_str());
    return;
  }
  std::printf("%-9s %-34s %12.4g %-10s %-38s %12.4g  ratio %6.2f  target %5.2f  runs %llu  "
              "%.4g..%.4g",
              r.name.c_str(), r.metric.c_str(), r.value, r.unit.c_str(), r.opponent.c_str(),
              r.opponent_value, r.ratio, r.target, static_cast<unsigned long long>(r.runs), r.min,
              r.max);
  if (r.value_max > 0) std::printf("  at most %g %s", r.value_max, r.unit.c_str());
  std::printf("\n");
}

result<bench_rows> measure(const std::vector<std::string>& names, const bench_options& options) {
  bench_rows rows;
  for (const auto& b : benches) {
    if (std::find(names.begin(), names.end(), b.name) == names.end()) continue;
    auto measured = b.measure(options);
    if (!measured) return fail(measured.error().code, b.name + (": " + measured.error().detail));
    if (!b.prints_itself) std::for_each(measured->begin(), measured->end(), print);
    std::fflush(stdout);
    rows.insert(rows.end(), measured->begin(), measured->end());
  }
  return rows;
}

int write_rows(const std::string& file, const bench_rows& rows) {
  json list = json::array();
  for (const auto& r : rows) list.push_back(to_json(r));
  std::ofstream out(file);
  out << list.dump(2) << '\n';
  out.close();
  if (!out) std::fprintf(stderr, "harbinger bench: can not write %s\n", file.c_str());
  return to_int(out ? exit_code::ok : exit_code::failure);
}

} // namespace

int run_bench(int argc, char** argv) {
  bench_options options;
  std::vector<std::string> names;
  std::string json_file;
  auto kinds = predict::scorer_kinds();
  CLI::App app{"Measure each thing beside its opponent", "harbinger bench"};
  app.add_option(
         "names", names,
         "cost, failover, ingest, plan, prefetch, recovery, scoring, store, sync, training, "
         "histories; default: all but histories, which needs --data")
      ->check(CLI::IsMember(names_of(false)));
  app.add_option("--json", json_file, "write the rows to this file");
  app.add_option("--runs", options.runs, "of each; histories are judged once")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--partitions", options.partitions,
                 "of failover: so many have a replica on the node that dies")
      ->check(CLI::Range(2, 10'900))
      ->capture_default_str();
  app.add_option(
         "--mib", options.recovery_mib,
         "of recovery: MiB of metadata on the node that dies; 1024 takes 25 GiB of disk and "
         "some minutes a run")
      ->check(CLI::Range(8, 8192))
      ->capture_default_str();
  app.add_option("--part", options.part, "of failover: only this")
      ->check(CLI::IsMember({"promotion", "hand-over", "fleet"}));
  app.add_flag("--large", options.large,
               "of failover: promotion of a partition of 10 GiB, too (50 GiB of disk)");
  app.add_option("--data", options.data,
                 "of histories: directory with pdm, prevent_redis, backblaze_hds, lanl, or some of "
                 "them, and the CSV tables of config/histories in each")
      ->check(CLI::ExistingDirectory);
  app.add_option("--models", options.models, "of histories: kinds that are judged")
      ->delimiter(',')
      ->check(CLI::IsMember(std::vector<std::string>(kinds.begin(), kinds.end())))
      ->capture_default_str();
  app.callback([&] {
    bool histories = std::find(names.begin(), names.end(), "histories") != names.end();
    if (histories && options.data.empty())
      throw CLI::ValidationError("histories needs --data DIR, a directory with the public sets");
    if (!histories && !options.data.empty())
      throw CLI::ValidationError("--data is for histories alone");
  });
  if (auto code = parse_line(app, argc, argv)) return *code;
  if (names.empty()) names = names_of(true);
  options.say = [](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); };
  catch_interrupts();
  auto rows = measure(names, options);
  if (!rows) {
    std::fprintf(stderr, "harbinger bench: %s\n", to_string(rows.error()).c_str());
    return to_int(exit_code::failure);
  }
  return json_file.empty() ? to_int(exit_code::ok) : write_rows(json_file, *rows);
}

} // namespace harbinger
