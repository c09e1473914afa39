#include "history/import_schema.hpp"

#include <algorithm>
#include <fstream>
#include <set>

#include <toml++/toml.h>

#include "history/time_text.hpp"
#include "messages/common.hpp"

namespace harbinger {
namespace {

/// One table of the file, taken key by key. The first thing that is wrong stays in `problem`, so
/// that what reads it need not look after each key.
class section {
public:
  section(const toml::table& table, std::string file, std::string where,
          std::optional<error>& problem)
      : table_(table), file_(std::move(file)), where_(std::move(where)), problem_(problem) {}

  void wrong(const std::string& key, const std::string& what) {
    auto* node = table_.get(key);
    auto line = (node ? node->source() : table_.source()).begin.line;
    if (!problem_)
      problem_ = error{errc::invalid_argument,
                       file_ + ':' + std::to_string(line) + ": " + where_ + key + ' ' + what};
  }
  const toml::node* take(const std::string& key, bool needed = false) {
    used_.insert(key);
    auto* node = table_.get(key);
    if (!node && needed) wrong(key, "is missing");
    return node;
  }
  template <class T>
  std::optional<T> value(const std::string& key, const char* type, bool needed = false) {
    auto* node = take(key, needed);
    if (!node) return std::nullopt;
    auto out = node->value<T>();
    if (!out) wrong(key, std::string("is no ") + type);
    return out;
  }
  std::string text(const std::string& key, bool needed = false) {
    return value<std::string>(key, "text", needed).value_or("");
  }
  bool flag(const std::string& key) { return value<bool>(key, "true or false").value_or(false); }
  int64_t duration(const std::string& key) {
    auto given = value<std::string>(key, "duration such as \"30d\"");
    if (!given) return 0;
    auto ms = parse_duration_ms(*given);
    if (!ms) wrong(key, ms.error().detail);
    return ms.value_or(0);
  }
  /// A text alone, or an array of them.
  std::vector<std::string> texts(const std::string& key, bool needed = false) {
    auto* node = take(key, needed);
    std::vector<std::string> out;
    if (!node) return out;
    if (auto one = node->value<std::string>()) return {*one};
    if (auto* array = node->as_array())
      for (const auto& item : *array)
        if (auto one = item.value<std::string>()) out.push_back(*one);
    if (!node->is_array() || out.size() != node->as_array()->size())
      wrong(key, "is no text, nor an array of texts");
    return out;
  }
  std::optional<section> sub(const std::string& key) {
    auto* node = take(key);
    if (!node) return std::nullopt;
    if (node->is_table()) return section(*node->as_table(), file_, where_ + key + '.', problem_);
    wrong(key, "is no table");
    return std::nullopt;
  }
  std::vector<section> subs(const std::string& key, bool needed = false) {
    auto* node = take(key, needed);
    std::vector<section> out;
    if (!node) return out;
    if (auto* array = node->as_array())
      for (const auto& item : *array)
        if (item.is_table())
          out.emplace_back(*item.as_table(), file_, where_ + key + '.', problem_);
    if (!node->is_array() || out.size() != node->as_array()->size())
      wrong(key, "is no array of tables");
    return out;
  }
  void finish() {
    for (const auto& [key, node] : table_)
      if (!used_.count(std::string(key.str())))
        wrong(std::string(key.str()), "is no key known here");
  }

private:
  const toml::table& table_;
  std::string file_, where_;
  std::optional<error>& problem_;
  std::set<std::string> used_;
};

int64_t take_unit(section& in, const std::string& key, bool needed) {
  auto unit = in.text(key, needed);
  if (unit.empty()) return 0;
  if (unit_ms(unit) == 0) in.wrong(key, "is none of ms, s, min, h, d");
  return unit_ms(unit);
}

time_rule take_time(section& in) {
  time_rule out;
  out.column = in.text("column", true);
  out.formats = in.texts("format");
  out.unit_ms = take_unit(in, "unit", false);
  if (out.formats.empty() == (out.unit_ms == 0)) in.wrong("column", "needs either format or unit");
  auto origin = in.text("origin");
  out.from_node_origin = origin == "node";
  if (!origin.empty() && origin != "node") in.wrong("origin", "can only be \"node\"");
  if (out.from_node_origin && out.unit_ms == 0) in.wrong("origin", "needs a unit");
  return out;
}

std::optional<time_rule> time_at(section& in, const std::string& key) {
  auto sub = in.sub(key);
  if (!sub) return std::nullopt;
  auto out = take_time(*sub);
  sub->finish();
  return out;
}

std::optional<origin_rule> origin_at(section& in) {
  auto sub = in.sub("origin");
  if (!sub) return std::nullopt;
  origin_rule out;
  out.when.column = sub->text("column", true);
  out.when.formats = sub->texts("format", true);
  out.at_column = sub->text("at");
  out.unit_ms = take_unit(*sub, "unit", !out.at_column.empty());
  sub->finish();
  return out;
}

std::string trimmed(const std::string& text) {
  auto from = text.find_first_not_of(' ');
  if (from == std::string::npos) return {};
  return text.substr(from, text.find_last_not_of(' ') - from + 1);
}

std::vector<filter_rule> filters_at(section& in) {
  using enum filter_rule::relation;
  std::vector<filter_rule> out;
  for (const auto& text : in.texts("where")) {
    auto at = text.find_first_of("=!<>");
    filter_rule rule;
    size_t length = 1;
    if (at != std::string::npos) {
      bool or_equal = text[at] != '=' && at + 1 < text.size() && text[at + 1] == '=';
      length += or_equal;
      rule.how = text[at] == '='   ? equal
                 : text[at] == '!' ? unequal
                 : text[at] == '<' ? (or_equal ? at_most : less)
                                   : (or_equal ? at_least : more);
      if (text[at] == '!' && !or_equal) at = std::string::npos;
    }
    if (at == std::string::npos) {
      in.wrong("where", "'" + text + "' is no comparison such as column = value");
      break;
    }
    rule.column = trimmed(text.substr(0, at));
    rule.text = trimmed(text.substr(at + length));
    out.push_back(std::move(rule));
  }
  return out;
}

/// The same metric in two tables has to be the same.
size_t metric_index(import_schema& out, const history_metric& m, section& in) {
  auto found = std::find_if(out.metrics.begin(), out.metrics.end(),
                            [&](const auto& other) { return other.name == m.name; });
  auto index = static_cast<size_t>(found - out.metrics.begin());
  if (found == out.metrics.end())
    out.metrics.push_back(m);
  else if (found->unit != m.unit || found->reading != m.reading || found->comparable != m.comparable
           || found->floor != m.floor)
    in.wrong("column", "declares metric " + m.name + " otherwise than before");
  return index;
}

void take_metrics(section& in, import_schema& out, table_rule& table) {
  for (auto& m : in.subs("metrics", true)) {
    history_metric metric;
    auto column = m.text("column", true);
    metric.name = m.text("name");
    if (metric.name.empty()) metric.name = column;
    metric.unit = m.text("unit", true);
    auto reading = parse_enum<history_reading>(m.text("reading", true));
    if (!reading) m.wrong("reading", "is none of share, gauge, counter");
    metric.reading = reading.value_or(history_reading::gauge);
    metric.comparable = m.flag("comparable");
    metric.floor = m.value<double>("floor", "number").value_or(0);
    if (!(metric.floor >= 0)) m.wrong("floor", "is below 0");
    m.finish();
    table.metrics.push_back({column, metric_index(out, metric, m)});
  }
}

void take_sample_keys(section& in, import_schema& out, table_rule& table) {
  take_metrics(in, out, table);
  table.all_zero_is_missing = in.flag("all_zero_is_missing");
  if (table.kind != table_kind::samples_long) return;
  table.metric_column = in.text("metric_column", true);
  table.value_column = in.text("value_column", true);
}

void take_event_keys(section& in, table_rule& table) {
  table.code = in.texts("code");
  table.code_text = in.text("code_text");
  if (!table.code.empty() && !table.code_text.empty()) in.wrong("code_text", "excludes code");
  table.count = in.text("count");
  table.once = in.flag("once");
  if (table.kind != table_kind::failures) return;
  table.back = time_at(in, "back");
  if (in.take("back_after")) table.back_after_ms = in.duration("back_after");
  if (table.back && table.back_after_ms) in.wrong("back_after", "excludes back");
}

void take_node_keys(section& in, table_rule& table) {
  table.fleet = in.texts("fleet");
  auto* given = in.take("attributes");
  if (given && given->is_table()) {
    for (const auto& [name, column] : *given->as_table()) {
      if (!column.is_string()) in.wrong("attributes", "has a value that is no column name");
      table.attributes[std::string(name.str())] = column.value_or(std::string{});
    }
  } else {
    for (const auto& name : in.texts("attributes")) table.attributes[name] = name;
  }
  table.first = time_at(in, "first");
  table.last = time_at(in, "last");
  table.origin = origin_at(in);
  if (auto roster = in.sub("roster")) {
    table.roster_count = roster->text("count", true);
    table.roster_first = roster->value<int64_t>("first", "whole number").value_or(0);
    roster->finish();
  }
}

void take_table(section& in, import_schema& out) {
  table_rule table;
  table.file = in.text("file", true);
  auto kind = parse_enum<table_kind>(in.text("kind", true));
  if (!kind)
    in.wrong("kind", "is none of nodes, samples, samples_long, events, failures, maintenance, "
                     "shutdowns, notes");
  table.kind = kind.value_or(table_kind::nodes);
  table.node = in.texts("node", true);
  if (table.node.empty()) in.wrong("node", "names no column");
  table.where = filters_at(in);
  table.missing = in.texts("missing");
  auto unreadable = in.text("unreadable"), unknown = in.text("unknown");
  table.skip_unreadable = unreadable == "skip";
  table.skip_unknown = unknown == "skip";
  for (const auto& [key, text] : {std::pair{"unreadable", unreadable}, {"unknown", unknown}})
    if (!text.empty() && text != "skip" && text != "error")
      in.wrong(key, "is neither \"error\" nor \"skip\"");
  if (table.kind != table_kind::nodes) {
    table.time = time_at(in, "time");
    if (!table.time) in.take("time", true);
  }
  if (table.kind == table_kind::nodes)
    take_node_keys(in, table);
  else if (table.kind == table_kind::samples || table.kind == table_kind::samples_long)
    take_sample_keys(in, out, table);
  else
    take_event_keys(in, table);
  in.finish();
  out.tables.push_back(std::move(table));
}

watch_rule take_watch(section& in, const std::string& key) {
  using enum watch_rule::span;
  auto text = in.text(key);
  watch_rule out;
  if (text.empty() || text == "node") return out;
  if (text == "fleet" || text == "all") {
    out.of = text == "fleet" ? fleet : all;
    return out;
  }
  auto time = parse_time_ms(text, "iso8601");
  if (!time) in.wrong(key, "is none of node, fleet, all, nor a time such as 2015-01-02 06:00");
  return {fixed, time.value_or(0)};
}

void take_all(section& in, import_schema& out) {
  auto format = in.value<int64_t>("format", "number", true);
  if (format && *format != 1) in.wrong("format", "is not 1, the one this program reads");
  out.name = in.text("name", true);
  out.source = in.text("source");
  out.numbers = in.texts("numbers");
  out.categories = in.texts("categories");
  out.on_change = in.flag("on_change");
  if (auto watch = in.sub("watched")) {
    out.first = take_watch(*watch, "first");
    out.last = take_watch(*watch, "last");
    out.active_within_ms = watch->duration("active_within");
    out.known_after_ms = watch->duration("known_after");
    watch->finish();
  }
  auto tables = in.subs("table", true);
  if (tables.empty()) in.wrong("table", "stands there not once");
  for (auto& table : tables) take_table(table, out);
  std::set<std::string> attributes;
  for (const auto& table : out.tables)
    for (const auto& [name, column] : table.attributes) attributes.insert(name);
  for (const auto& [key, names] :
       {std::pair{"numbers", &out.numbers}, {"categories", &out.categories}})
    for (const auto& name : *names)
      if (!attributes.count(name)) in.wrong(key, "names " + name + ", which no nodes table gives");
  in.finish();
}
} // namespace

result<import_schema> parse_import_schema(std::string_view text, const std::string& file) {
  try {
    auto table = toml::parse(text, file);
    std::optional<error> problem;
    section top(table, file, "", problem);
    import_schema out;
    take_all(top, out);
    if (problem) return tl::unexpected(*problem);
    return out;
  } catch (const toml::parse_error& e) {
    return fail(errc::invalid_argument, file + ':' + std::to_string(e.source().begin.line) + ": "
                                            + std::string{e.description()});
  }
}

result<import_schema> read_import_schema(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(errc::not_found, path);
  std::string text(schema_bytes_max + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (in.bad()) return fail(errc::io, "cannot read " + path);
  if (text.size() > schema_bytes_max) return fail(errc::oversize, path + ": more than 1 MiB");
  return parse_import_schema(text, path);
}

} // namespace harbinger
