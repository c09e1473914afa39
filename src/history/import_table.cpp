#include <cmath>
#include <limits>
#include <set>

#include "history/check.hpp"
#include "history/csv.hpp"
#include "history/import_state.hpp"
#include "history/time_text.hpp"

namespace harbinger {
namespace {
using fields = std::vector<std::string_view>;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// A rule with the place of its column.
template <class Rule>
struct placed {
  const Rule* rule = nullptr;
  size_t column = 0;
};

bool holds(const filter_rule& rule, std::string_view text, bool missing) {
  using enum filter_rule::relation;
  double left = 0, right = 0;
  bool numbers = read_number(text, left) && read_number(rule.text, right);
  bool same = numbers ? left == right : text == rule.text;
  switch (rule.how) {
  case equal: return same;
  case unequal: return !same;
  case less: return !missing && numbers && left < right;
  case at_most: return !missing && numbers && left <= right;
  case more: return !missing && numbers && left > right;
  case at_least: return !missing && numbers && left >= right;
  }
  return false;
}

/// One table on its way into the state. A row either is in, or passed over and counted, or ends
/// the import.
class table_import {
public:
  table_import(import_state& state, size_t table, csv_reader in)
      : state_(state),
        rule_(state.schema.tables[table]),
        count_(state.out.tables[table]),
        number_(table),
        in_(std::move(in)) {}

  result<> run(const std::function<void(uint64_t)>& bytes_read) {
    if (auto ok = place_columns(); !ok) return ok;
    fields row;
    uint64_t reported = 0;
    for (;;) {
      auto more = in_.next(row);
      if (!more) return tl::unexpected(more.error());
      if (in_.bytes() != reported) bytes_read(reported = in_.bytes());
      if (!*more) return {};
      ++count_.rows;
      for (auto& text : row) text = trimmed(text);
      if (auto ok = take(row); !ok) return ok;
    }
  }

private:
  tl::unexpected<error> wrong(errc code, const std::string& what) const {
    return tl::unexpected(in_.at_line(code, what));
  }

  // -- columns --

  /// The place of a column; the first that is not there stays in `problem_`.
  size_t place(const std::string& name) {
    auto at = in_.column(name);
    if (!at && !problem_) problem_ = at.error();
    return at.value_or(0);
  }
  std::vector<size_t> places(const std::vector<std::string>& names) {
    std::vector<size_t> out;
    for (const auto& name : names) out.push_back(place(name));
    return out;
  }
  placed<time_rule> place(const std::optional<time_rule>& rule) {
    return rule ? placed<time_rule>{&*rule, place(rule->column)} : placed<time_rule>{};
  }

  result<> place_columns() {
    node_ = places(rule_.node);
    time_ = place(rule_.time);
    for (const auto& f : rule_.where) where_.push_back({&f, place(f.column)});
    if (rule_.kind == table_kind::samples)
      for (const auto& m : rule_.metrics) metrics_.emplace_back(place(m.column), m.metric);
    if (rule_.kind == table_kind::samples_long) {
      metric_ = place(rule_.metric_column);
      value_ = place(rule_.value_column);
      for (const auto& m : rule_.metrics) by_name_.emplace(m.column, m.metric);
    }
    code_ = places(rule_.code);
    if (!rule_.count.empty()) counted_ = place(rule_.count);
    back_ = place(rule_.back);
    fleet_ = places(rule_.fleet);
    for (const auto& [name, column] : rule_.attributes)
      attributes_.emplace_back(name, place(column));
    first_ = place(rule_.first);
    last_ = place(rule_.last);
    if (rule_.origin) {
      origin_ = {&rule_.origin->when, place(rule_.origin->when.column)};
      if (!rule_.origin->at_column.empty()) origin_at_ = place(rule_.origin->at_column);
    }
    if (!rule_.roster_count.empty()) roster_ = place(rule_.roster_count);
    if (problem_) return tl::unexpected(*problem_);
    return {};
  }

  // -- fields --

  bool missing(std::string_view text) const {
    if (text.empty()) return true;
    for (const auto& m : rule_.missing)
      if (text == m) return true;
    return false;
  }

  /// Texts joined by "/"; nothing when one is missing.
  std::optional<std::string> joined(const fields& row, const std::vector<size_t>& columns) const {
    std::string out;
    for (size_t i = 0; i < columns.size(); ++i) {
      auto text = row[columns[i]];
      if (missing(text)) return std::nullopt;
      if (i > 0) out += '/';
      out += text;
    }
    return out;
  }

  /// Nothing, with the reason in `why_`, for a time that is missing or can not be read.
  std::optional<int64_t> time(const fields& row, const placed<time_rule>& p,
                              std::optional<int64_t> origin) {
    auto text = row[p.column];
    const auto& rule = *p.rule;
    why_ = "column '" + rule.column + "': ";
    if (missing(text)) {
      why_ += "the time is missing";
      return std::nullopt;
    }
    for (const auto& format : rule.formats)
      if (auto ms = parse_time_ms(text, format)) return *ms;
    if (!rule.formats.empty()) {
      why_ += parse_time_ms(text, rule.formats[0]).error().detail;
      return std::nullopt;
    }
    if (rule.from_node_origin && !origin) {
      why_ += "the node has no origin";
      return std::nullopt;
    }
    double value = 0;
    bool read = read_number(text, value);
    double ms = value * static_cast<double>(rule.unit_ms)
                + static_cast<double>(rule.from_node_origin ? *origin : 0);
    if (!read || !(std::fabs(ms) <= static_cast<double>(history_limits::time_ms_max))) {
      why_ += "'" + std::string(text) + "' is no time";
      return std::nullopt;
    }
    return std::llround(ms);
  }

  /// Counts the row as passed over, or ends the import with `what`.
  result<> pass_over(const std::string& what) {
    if (!rule_.skip_unreadable) return wrong(errc::invalid_argument, what);
    ++count_.unreadable;
    return {};
  }

  /// NaN: missing. Nothing: unreadable, and the schema does not pass it over.
  std::optional<double> number(std::string_view text) {
    if (missing(text)) return nan;
    double out = 0;
    if (!read_number(text, out)) {
      if (!rule_.skip_unreadable) return std::nullopt;
      ++count_.unreadable_values;
      return nan;
    }
    if (std::isfinite(out)) return out;
    ++count_.infinite_values;
    return nan;
  }
  tl::unexpected<error> no_number(size_t column, std::string_view text) const {
    return wrong(errc::invalid_argument, "column '" + in_.columns()[column] + "': '"
                                             + std::string(text) + "' is no number");
  }

  // -- rows --

  result<> take(const fields& row) {
    for (const auto& f : where_)
      if (!holds(*f.rule, row[f.column], missing(row[f.column]))) {
        ++count_.left_out;
        return {};
      }
    auto id = joined(row, node_);
    if (!id) return pass_over("the name of the node is missing");
    if (id->size() > history_limits::name_bytes_max)
      return wrong(errc::oversize, "the name of a node has more than 256 bytes");
    if (rule_.kind == table_kind::nodes) return take_node(row, *id);
    auto node = find(*id);
    if (!node) return tl::unexpected(node.error());
    if (!*node) {
      ++count_.unknown;
      return {};
    }
    return take_happening(row, **node);
  }

  result<std::optional<uint32_t>> find(const std::string& id) {
    if (auto it = state_.index.find(id); it != state_.index.end()) return {it->second};
    if (may_add()) {
      auto added = state_.add_node(id);
      if (!added) return wrong(errc::oversize, "too many nodes");
      return added;
    }
    if (rule_.skip_unknown) return {std::nullopt};
    return wrong(errc::unknown_node, id);
  }
  /// The first kind of table there is says which nodes exist: nodes, samples, any.
  bool may_add() const {
    bool samples = false;
    for (const auto& t : state_.schema.tables) {
      if (t.kind == table_kind::nodes) return false;
      samples |= is_samples(t.kind);
    }
    return !samples || is_samples(rule_.kind);
  }
  static bool is_samples(table_kind kind) {
    return kind == table_kind::samples || kind == table_kind::samples_long;
  }

  result<> take_happening(const fields& row, uint32_t node) {
    auto at = time(row, time_, state_.facts[node].origin_ms);
    if (!at) return pass_over(why_);
    if (rule_.once && !seen_.insert(node).second) {
      ++count_.left_out;
      return {};
    }
    newest_.resize(state_.facts.size(), INT64_MIN);
    if (*at < newest_[node]) ++count_.out_of_order;
    newest_[node] = std::max(newest_[node], *at);
    if (rule_.kind == table_kind::samples) return take_sample(row, node, *at);
    if (rule_.kind == table_kind::samples_long) return take_value(row, node, *at);
    return take_event(row, node, *at);
  }

  /// The sample of that node and time, and whether it was there. Nothing: too many.
  history_sample* sample(uint32_t node, int64_t at, bool& there) {
    auto& samples = state_.out.data.samples;
    auto width = state_.schema.metrics.size();
    auto [it, added] = state_.samples.emplace(sample_key{node, at}, samples.size());
    there = !added;
    if (there) return &samples[it->second];
    if (samples.size() >= history_limits::samples_max
        || (samples.size() + 1) * width > history_limits::values_max)
      return nullptr;
    samples.push_back({node, at, std::vector<double>(width, nan)});
    state_.sample_table.push_back(number_);
    return &samples.back();
  }

  result<> take_sample(const fields& row, uint32_t node, int64_t at) {
    values_.clear();
    bool zero = rule_.all_zero_is_missing;
    for (const auto& [column, metric] : metrics_) {
      auto x = number(row[column]);
      if (!x) return no_number(column, row[column]);
      values_.push_back(*x);
      zero = zero && *x == 0;
    }
    count_.all_zero += zero;
    bool there = false;
    auto* s = sample(node, at, there);
    if (!s) return wrong(errc::oversize, "too many samples");
    auto& by = state_.sample_table[static_cast<size_t>(s - state_.out.data.samples.data())];
    if (there && by == number_) ++count_.duplicates;
    by = number_;
    for (size_t i = 0; i < values_.size(); ++i)
      s->values[metrics_[i].second] = zero ? nan : values_[i];
    return {};
  }

  result<> take_value(const fields& row, uint32_t node, int64_t at) {
    auto metric = by_name_.find(std::string(row[metric_]));
    if (metric == by_name_.end()) {
      ++count_.left_out;
      return {};
    }
    auto x = number(row[value_]);
    if (!x) return no_number(value_, row[value_]);
    bool there = false;
    auto* s = sample(node, at, there);
    if (!s) return wrong(errc::oversize, "too many samples");
    auto& value = s->values[metric->second];
    if (!std::isnan(value)) ++count_.duplicates;
    value = *x;
    return {};
  }

  static happening what_of(table_kind kind) {
    switch (kind) {
    case table_kind::failures: return happening::failure;
    case table_kind::maintenance: return happening::maintenance;
    case table_kind::shutdowns: return happening::shutdown;
    case table_kind::notes: return happening::note;
    default: return happening::event;
    }
  }

  result<> take_event(const fields& row, uint32_t node, int64_t at) {
    history_event e{node, at, what_of(rule_.kind), rule_.code_text, 1, 0};
    if (!code_.empty()) e.code = joined(row, code_).value_or("");
    if (counted_) {
      auto x = number(row[*counted_]);
      if (!x) return no_number(*counted_, row[*counted_]);
      if (*x < 0) return wrong(errc::invalid_argument, "a count below 0");
      if (*x == 0) {
        ++count_.left_out;
        return {};
      }
      e.count = std::isnan(*x) ? 1 : *x;
    }
    if (rule_.back_after_ms) e.back_ms = at + *rule_.back_after_ms;
    if (rule_.back && !missing(row[back_.column])) {
      auto back = time(row, back_, state_.facts[node].origin_ms);
      if (!back) return pass_over(why_);
      if (*back < at) return pass_over("it works again before it failed");
      e.back_ms = *back;
    }
    if (state_.out.data.events.size() >= history_limits::events_max)
      return wrong(errc::oversize, "too many events");
    state_.out.data.events.push_back(std::move(e));
    return {};
  }

  result<> take_node(const fields& row, const std::string& id) {
    auto added = state_.add_node(id);
    if (!added) return wrong(errc::oversize, "too many nodes");
    auto& node = state_.out.data.nodes[*added];
    auto& facts = state_.facts[*added];
    auto agree = [&](std::string& kept, std::string_view text) {
      if (kept.empty())
        kept = text;
      else if (kept != text)
        ++count_.contradictions;
    };
    if (auto fleet = joined(row, fleet_); fleet && !fleet_.empty()) agree(node.fleet, *fleet);
    for (const auto& [name, column] : attributes_)
      if (!missing(row[column])) agree(node.attributes[name], row[column]);
    if (auto ok = take_origin(row, facts); !ok) return ok;
    for (auto [place, to] : {std::pair{&first_, &facts.first_ms}, {&last_, &facts.last_ms}}) {
      if (!place->rule || missing(row[place->column])) continue;
      auto at = time(row, *place, facts.origin_ms);
      if (!at && !rule_.skip_unreadable) return wrong(errc::invalid_argument, why_);
      if (!at) ++count_.unreadable_values;
      if (at && !*to) *to = at;
    }
    return roster_ ? take_roster(row, facts) : result<>{};
  }

  result<> take_origin(const fields& row, node_facts& facts) {
    if (!origin_.rule || facts.origin_ms) return {};
    auto when = time(row, origin_, {});
    double at = 0;
    bool read = !origin_at_ || read_number(row[*origin_at_], at);
    double back = at * static_cast<double>(rule_.origin->unit_ms);
    if (when && read && std::fabs(back) <= static_cast<double>(history_limits::time_ms_max)) {
      facts.origin_ms = *when - std::llround(back);
      return {};
    }
    if (!rule_.skip_unreadable)
      return wrong(errc::invalid_argument, when ? "the origin is no number" : why_);
    ++count_.unreadable_values;
    return {};
  }

  result<> take_roster(const fields& row, node_facts& facts) {
    if (facts.roster_count > 0) return {};
    auto last = row[node_.back()];
    double count = 0;
    if (!read_number(last, facts.number) || !read_number(row[*roster_], count)
        || !(count >= 1 && count <= double{history_limits::nodes_max}))
      return wrong(errc::invalid_argument, "a roster needs nodes with whole numbers, and how many "
                                           "there are");
    facts.roster_count = static_cast<int64_t>(count);
    std::vector<size_t> others(node_.begin(), node_.end() - 1);
    facts.prefix = joined(row, others).value_or("");
    return {};
  }

  import_state& state_;
  const table_rule& rule_;
  table_count& count_;
  size_t number_;
  csv_reader in_;
  std::optional<error> problem_;
  std::string why_;
  std::vector<size_t> node_, code_, fleet_;
  placed<time_rule> time_, back_, first_, last_, origin_;
  std::vector<placed<filter_rule>> where_;
  std::vector<std::pair<size_t, size_t>> metrics_; ///< column, metric
  std::map<std::string, size_t> by_name_;
  size_t metric_ = 0, value_ = 0;
  std::optional<size_t> counted_, origin_at_, roster_;
  std::vector<std::pair<std::string, size_t>> attributes_;
  std::vector<double> values_;
  std::set<uint32_t> seen_;
  std::vector<int64_t> newest_; ///< by node
};
} // namespace

std::optional<uint32_t> import_state::add_node(const std::string& id) {
  auto& nodes = out.data.nodes;
  if (auto it = index.find(id); it != index.end()) return it->second;
  if (nodes.size() >= history_limits::nodes_max) return std::nullopt;
  auto at = static_cast<uint32_t>(nodes.size());
  index.emplace(id, at);
  nodes.emplace_back();
  nodes.back().id = node_id{id};
  facts.emplace_back();
  return at;
}

result<> import_table(import_state& state, size_t table, const std::string& directory,
                      const std::function<void(uint64_t)>& bytes_read) {
  auto path = directory + '/' + state.schema.tables[table].file;
  auto source = read_from_file(path);
  if (!source) return tl::unexpected(source.error());
  auto in = csv_reader::open(path, std::move(*source));
  if (!in) return tl::unexpected(in.error());
  return table_import(state, table, std::move(*in)).run(bytes_read);
}

} // namespace harbinger
