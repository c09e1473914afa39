#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "app/exit_code.hpp"
#include "app/table.hpp"
#include "commands.hpp"
#include "history/history_file.hpp"
#include "history/import.hpp"
#include "history/journal.hpp"
#include "history/merge.hpp"
#include "history/summary.hpp"
#include "history/time_text.hpp"
#include "messages/common.hpp"
#include "parse_line.hpp"
#include "progress_bar.hpp"

namespace harbinger {
namespace {
using json = nlohmann::ordered_json;

int give_up(const error& e) {
  std::fprintf(stderr, "harbinger dataset: %s\n", to_string(e).c_str());
  return to_int(exit_code_of(e.code));
}

/// {"columns", "rows"}, as app/table.hpp shows it; columns of nothing but zeros are left out.
json table_of(const std::vector<table_count>& tables) {
  json columns{"file", "kind", "rows"}, rows = json::array();
  const std::pair<const char*, uint64_t table_count::*> counts[] = {
      {"left_out", &table_count::left_out},
      {"unreadable", &table_count::unreadable},
      {"unknown_node", &table_count::unknown},
      {"unreadable_values", &table_count::unreadable_values},
      {"infinite_values", &table_count::infinite_values},
      {"all_zero", &table_count::all_zero},
      {"duplicates", &table_count::duplicates},
      {"out_of_order", &table_count::out_of_order},
      {"contradictions", &table_count::contradictions}};
  for (const auto& t : tables) rows.push_back({t.file, t.kind, t.rows});
  for (const auto& [name, member] : counts) {
    uint64_t sum = 0;
    for (const auto& t : tables) sum += t.*member;
    if (sum == 0) continue;
    columns.push_back(name);
    for (size_t i = 0; i < tables.size(); ++i) rows[i].push_back(tables[i].*member);
  }
  return {{"columns", columns}, {"rows", rows}};
}

/// One "name: value" line each, in the order given.
void print_lines(const json& document) {
  for (const auto& [name, value] : document.items()) {
    std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (value.is_boolean()) text = value.get<bool>() ? "yes" : "no";
    if (value.is_number_float()) text = std::to_string(std::llround(value.get<double>()));
    if (value.is_array()) {
      text.clear();
      for (const auto& item : value) text += (text.empty() ? "" : ", ") + item.get<std::string>();
    }
    std::printf("%s: %s\n", name.c_str(), text.empty() ? "none" : text.c_str());
  }
}

result<> put(const std::string& out, const history& h, bool force) {
  return write_history(out, h, force ? existing::replace : existing::refuse);
}

struct import_options {
  std::string schema, from, out;
  bool force = false, as_json = false;
};

int run_import(const import_options& o) {
  std::optional<result<imported>> got;
  {
    progress_bar bar;
    got = import_csv(o.schema, o.from,
                     [&](const auto& file, auto done, auto all) { bar.show(file, done, all); });
  }
  if (!*got) return give_up(got->error());
  const auto& in = **got;
  auto written = put(o.out, in.data, o.force);
  if (!written) return give_up(written.error());
  json totals{{"history", o.out},
              {"nodes", in.data.nodes.size()},
              {"of_them_without_a_row", in.from_roster},
              {"watched_longer_than_stated", in.widened},
              {"samples", in.data.samples.size()},
              {"events", in.data.events.size()}};
  if (o.as_json) {
    totals["tables"] = table_of(in.tables);
    std::printf("%s\n", totals.dump(2).c_str());
    return 0;
  }
  std::printf("%s\n", render_document(table_of(in.tables).dump()).c_str());
  print_lines(totals);
  return 0;
}

/// What was made, after the document of how.
int say_made(json document, const std::string& out, const history& h, bool as_json) {
  document["history"] = out;
  document["nodes"] = h.nodes.size();
  document["samples"] = h.samples.size();
  document["events"] = h.events.size();
  if (as_json)
    std::printf("%s\n", document.dump(2).c_str());
  else
    print_lines(document);
  return 0;
}

struct export_options {
  std::string state, out, name;
  bool force = false, as_json = false;
};

int run_export(const export_options& o) {
  auto got = read_journal(o.state + '/' + journal_directory);
  if (got && got->data.samples.empty()) got = fail(errc::not_found, "nothing was kept there yet");
  if (!got) return give_up(got.error());
  if (!o.name.empty()) got->data.name = o.name;
  for (const auto& why : got->problems)
    std::fprintf(stderr, "harbinger dataset: left out: %s\n", why.c_str());
  if (auto written = put(o.out, got->data, o.force); !written) return give_up(written.error());
  json how{{"segments", got->segments},
           {"segments_lost", got->segments_lost},
           {"segments_left_out", got->segments_left_out},
           {"lines_lost", got->lines_lost},
           {"rows_unordered", got->rows_unordered}};
  return say_made(std::move(how), o.out, got->data, o.as_json);
}

struct merge_options {
  std::string out, name;
  std::vector<std::string> parts;
  bool force = false, as_json = false;
};

/// "NAME=DIRECTORY", or a directory; a name has no slash.
result<merge_part> read_part(const std::string& text) {
  auto at = text.find('=');
  bool named = at != std::string::npos && text.find('/') > at;
  auto h = read_history(named ? text.substr(at + 1) : text);
  if (!h) return tl::unexpected(h.error());
  return merge_part{std::move(*h), named ? text.substr(0, at) : ""};
}

int run_merge(const merge_options& o) {
  std::vector<merge_part> parts;
  for (const auto& text : o.parts) {
    auto part = read_part(text);
    if (!part) return give_up(part.error());
    parts.push_back(std::move(*part));
  }
  auto name = o.name.empty() ? std::filesystem::path(o.out + "/.").parent_path().filename().string()
                             : o.name;
  auto merged = merge_histories(std::move(parts), name);
  if (!merged) return give_up(merged.error());
  if (auto written = put(o.out, *merged, o.force); !written) return give_up(written.error());
  return say_made({{"histories", o.parts.size()}}, o.out, *merged, o.as_json);
}

json number_or_null(double x) { return std::isfinite(x) ? json(x) : json(nullptr); }

json metrics_table(const history& h, const history_summary& s) {
  json rows = json::array();
  for (size_t m = 0; m < s.metrics.size(); ++m)
    rows.push_back({s.metrics[m].name, name_of(h.metrics[m].reading), h.metrics[m].comparable,
                    h.metrics[m].unit, number_or_null(s.metrics[m].missing_share),
                    number_or_null(s.metrics[m].least), number_or_null(s.metrics[m].greatest)});
  return {{"columns",
           {"metric", "reading", "comparable", "unit", "missing_share", "least", "greatest"}},
          {"rows", rows}};
}

json codes_table(const history_summary& s) {
  json rows = json::array();
  for (const auto& c : s.codes) rows.push_back({name_of(c.what), c.code, c.rows, c.count, c.nodes});
  return {{"columns", {"what", "code", "rows", "count", "nodes"}}, {"rows", rows}};
}

json rates_table(const history_summary& s) {
  json rows = json::array();
  for (const auto& r : s.rates)
    rows.push_back({duration_text(r.horizon_ms), number_or_null(r.rate), r.node_days,
                    number_or_null(r.censored_share)});
  return {{"columns", {"horizon", "base_rate", "node_days", "censored_share"}}, {"rows", rows}};
}

json summary_of(const history& h, const history_summary& s) {
  return {{"name", h.name},
          {"source", h.source},
          {"nodes", s.nodes},
          {"fleets", s.fleets},
          {"first", time_text(s.first_ms)},
          {"last", time_text(s.last_ms)},
          {"node_days", s.node_days},
          {"samples", s.samples},
          {"samples_on_change_only", h.on_change},
          {"events", s.events},
          {"failures", s.failures},
          {"nodes_that_failed", s.nodes_failed},
          {"nodes_censored", s.nodes_censored},
          {"numbers", h.numbers},
          {"categories", h.categories}};
}

struct show_options {
  std::string directory;
  std::vector<std::string> horizons{"1h", "24h", "7d", "30d"};
  bool as_json = false;
};

int run_show(const show_options& o) {
  std::vector<int64_t> horizons_ms;
  for (const auto& text : o.horizons) {
    auto ms = parse_duration_ms(text);
    if (ms && *ms == 0) ms = fail(errc::invalid_argument, "a horizon of 0");
    if (!ms) {
      give_up(ms.error());
      return to_int(exit_code::usage);
    }
    horizons_ms.push_back(*ms);
  }
  auto h = read_history(o.directory);
  if (!h) return give_up(h.error());
  auto s = summarize(*h, horizons_ms);
  auto document = summary_of(*h, s);
  const std::pair<const char*, json> tables[] = {
      {"metrics", metrics_table(*h, s)}, {"codes", codes_table(s)}, {"base_rates", rates_table(s)}};
  if (o.as_json) {
    for (const auto& [name, table] : tables) document[name] = table;
    std::printf("%s\n", document.dump(2).c_str());
    return 0;
  }
  print_lines(document);
  for (const auto& [name, table] : tables)
    if (!table["rows"].empty()) std::printf("\n%s", render_document(table.dump()).c_str());
  return 0;
}
} // namespace

int run_dataset(int argc, char** argv) {
  CLI::App app{
      "Histories of machines: made from tables or from what a service kept, and what is in them",
      "harbinger dataset"};
  app.require_subcommand(1);
  import_options in;
  auto* import = app.add_subcommand("import", "make a history of CSV tables, by a schema file");
  import->add_option("--schema", in.schema, "what is in which table (config/histories/*.toml)")
      ->required();
  import->add_option("--from", in.from, "directory of the tables")->required();
  import->add_option("--out", in.out, "directory of the history")->required();
  import->add_flag("--force", in.force, "replace the history that is there");
  import->add_flag("--json", in.as_json, "print JSON instead of tables");
  show_options out;
  auto* show = app.add_subcommand("show", "what is in a history");
  show->add_option("history", out.directory, "directory of the history")->required();
  show->add_option("--horizon", out.horizons, "base rates for these, such as 24h")
      ->delimiter(',')
      ->capture_default_str();
  show->add_flag("--json", out.as_json, "print JSON instead of tables");
  export_options kept;
  auto* exported = app.add_subcommand(
      "export", "make a history of what a service kept of its nodes; it may be running");
  exported->add_option("--state", kept.state, "state directory of the central service")->required();
  exported->add_option("--out", kept.out, "directory of the history")->required();
  exported->add_option("--name", kept.name, "of the history (default: service)");
  exported->add_flag("--force", kept.force, "replace the history that is there");
  exported->add_flag("--json", kept.as_json, "print JSON");
  merge_options several;
  auto* merge = app.add_subcommand("merge", "make one history of several");
  merge
      ->add_option("histories", several.parts,
                   "directories; NAME=DIRECTORY: prefix for ids and fleets that others have too "
                   "(default: the history's own name)")
      ->required();
  merge->add_option("--out", several.out, "directory of the history")->required();
  merge->add_option("--name", several.name, "of the history (default: that of its directory)");
  merge->add_flag("--force", several.force, "replace the history that is there");
  merge->add_flag("--json", several.as_json, "print JSON");
  if (auto code = parse_line(app, argc, argv)) return *code;
  if (exported->parsed()) return run_export(kept);
  if (merge->parsed()) return run_merge(several);
  return import->parsed() ? run_import(in) : run_show(out);
}

} // namespace harbinger
