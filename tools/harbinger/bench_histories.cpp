#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "app/cluster.hpp"
#include "app/judged_tasks.hpp"
#include "app/process.hpp"
#include "app/public_sets.hpp"
#include "app/shipped.hpp"
#include "app/table.hpp"
#include "app/temporary_directory.hpp"
#include "bench.hpp"
#include "progress_bar.hpp"

namespace harbinger {

namespace {

namespace fs = std::filesystem;
using steady = std::chrono::steady_clock;

/// One bench's way through the sets: imports into a directory of its own, judges. The
/// work is done by `harbinger dataset` and `harbinger evaluate` as anybody would call them, in
/// processes of their own, so that an interrupt ends them at once.
class judging {
public:
  /// `schemas`, `directory`: of the sets' schema files, and for what it makes.
  judging(const bench_options& options, std::string schemas, std::string directory)
      : options_(options), schemas_(std::move(schemas)), directory_(std::move(directory)) {}

  result<void> run();
  const std::vector<judged_kind>& kinds() const { return kinds_; }
  const bench_rows& skipped() const { return skipped_; }

private:
  result<bool> is_there(const public_set& set);
  result<void> import_set(const public_set& set);
  result<void> judge(const public_task& task);
  result<void> call(const std::string& what, std::vector<std::string> arguments);
  std::string schema_file(std::string_view schema) const {
    return schemas_ + '/' + std::string(schema) + ".toml";
  }
  std::string source_of(const public_set& set) const {
    return (fs::path(options_.data) / set.folder).string();
  }
  std::string history_of(std::string_view schema) const {
    return directory_ + '/' + std::string(schema);
  }
  void say(const std::string& text) const {
    if (options_.say) options_.say(text);
  }

  const bench_options& options_;
  std::string schemas_, directory_;
  std::vector<judged_kind> kinds_;
  bench_rows skipped_;
  uint64_t steps_ = 0, done_ = 0; ///< calls
};

/// Whether all tables are there; a row says so when they are not.
result<bool> judging::is_there(const public_set& set) {
  auto missing = missing_tables(schema_file(set.schema), source_of(set));
  if (!missing) return tl::unexpected<error>(missing.error());
  if (missing->empty()) return true;
  std::string why = "not in " + source_of(set) + ':';
  for (const auto& file : *missing) why += ' ' + file;
  for (const auto& task : public_tasks()) {
    if (task.schema != set.schema) continue;
    bench_row row;
    row.name = "histories";
    row.metric = task.title;
    row.skipped = why;
    std::printf("skipped: %s: %s\n", row.metric.c_str(), why.c_str());
    skipped_.push_back(std::move(row));
  }
  std::fflush(stdout); // what follows takes minutes
  return false;
}

/// Runs `harbinger ARGUMENTS` to its end and counts it as a step.
result<void> judging::call(const std::string& what, std::vector<std::string> arguments) {
  process_options options;
  options.argv = {own_directory() + "/harbinger"};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.output = directory_ + "/said.log";
  std::error_code code;
  fs::remove(options.output, code);
  auto begun = steady::now();
  auto started = process::start(options);
  if (!started) return tl::unexpected<error>(started.error());
  progress_bar bar;
  std::optional<process_end> end;
  auto passed = [&] {
    return std::to_string(std::chrono::duration_cast<seconds>(steady::now() - begun).count())
           + " s";
  };
  while (!(end = started->wait(milliseconds(200)))) {
    if (interrupted()) return fail(errc::cancelled, "interrupted");
    bar.show(what + ", " + passed(), done_, steps_);
  }
  ++done_;
  if (end->code == 0 && end->signal == 0) return {};
  return fail(errc::internal,
              what + ": " + to_string(*end) + ": " + cluster::tail_of(options.output, 3));
}

result<void> judging::import_set(const public_set& set) {
  return call("importing " + std::string(set.schema),
              {"dataset", "import", "--schema", schema_file(set.schema), "--from", source_of(set),
               "--out", history_of(set.schema)});
}

result<void> judging::judge(const public_task& task) {
  auto report = directory_ + "/report.json";
  std::string models;
  for (const auto& kind : options_.models) models += (models.empty() ? "" : ",") + kind;
  std::vector<std::string> arguments{"evaluate", "--history", history_of(task.schema)};
  auto words = words_of(task.arguments);
  arguments.insert(arguments.end(), words.begin(), words.end());
  for (const auto& more : {std::string("--models"), models, std::string("--search"),
                           std::string("1"), std::string("--json"), report})
    arguments.push_back(more);
  auto begun = steady::now();
  if (auto done = call("judging " + std::string(task.title), arguments); !done) return done;
  std::ifstream in(report, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(in), {});
  auto read = read_judged(std::string(task.title), text);
  if (!read) return tl::unexpected<error>(read.error());
  kinds_.insert(kinds_.end(), read->begin(), read->end());
  say("histories: " + std::string(task.title) + ", "
      + std::to_string(std::chrono::duration_cast<seconds>(steady::now() - begun).count()) + " s");
  return {};
}

result<void> judging::run() {
  std::vector<public_set> there;
  for (const auto& set : public_sets()) {
    auto found = is_there(set);
    if (!found) return tl::unexpected<error>(found.error());
    if (*found) there.push_back(set);
  }
  auto belongs = [](const public_task& task, const public_set& set) {
    return task.schema == set.schema;
  };
  for (const auto& set : there) {
    ++steps_;
    for (const auto& task : public_tasks()) steps_ += belongs(task, set);
  }
  for (const auto& set : there) {
    if (auto done = import_set(set); !done) return done;
    for (const auto& task : public_tasks())
      if (belongs(task, set))
        if (auto done = judge(task); !done) return done;
    std::error_code code;
    fs::remove_all(history_of(set.schema), code);
  }
  return {};
}

bench_row row_of(const judged_kind& kind, const char* metric, const char* figure, better which,
                 const char* base) {
  return make_row("histories", kind.task + ": " + metric + " of " + kind.kind, "1", which,
                  {kind.of(figure).value}, "no model: always the base rate", {kind.of(base).value},
                  1);
}

/// Everything the evaluation found, with the ends of the intervals.
std::vector<std::pair<std::string, double>> flat(const judged_kind& kind) {
  std::vector<std::pair<std::string, double>> out{{"chosen", kind.chosen ? 1 : 0}};
  for (const auto& [name, found] : kind.figures) {
    out.emplace_back(name, found.value);
    if (std::isnan(found.low)) continue;
    out.emplace_back(name + "_low", found.low);
    out.emplace_back(name + "_high", found.high);
  }
  return out;
}

} // namespace

result<bench_rows> bench_histories(const bench_options& options) {
  auto schemas = shipped_directory("config/histories");
  if (!schemas) return tl::unexpected<error>(schemas.error());
  auto directory = temporary_directory::make("harbinger-bench-");
  if (!directory) return tl::unexpected<error>(directory.error());
  judging all(options, *schemas, directory->path());
  if (auto done = all.run(); !done) return tl::unexpected<error>(done.error());
  auto rows = all.skipped();
  if (all.kinds().empty())
    return fail(errc::not_found, "none of the public sets is in " + options.data);
  std::printf("%s\n", render_document(judged_table(all.kinds())).c_str());
  for (const auto& kind : all.kinds()) {
    rows.push_back(row_of(kind, "PR-AUC", "pr_auc", better::more, "base_rate"));
    rows.back().figures = flat(kind);
    rows.push_back(row_of(kind, "Brier score", "brier", better::less, "base_brier"));
  }
  return rows;
}

} // namespace harbinger
