#include <cmath>
#include <limits>
#include <set>

#include "history/check.hpp"
#include "history/csv.hpp"
#include "history/import_fields.hpp"
#include "history/import_state.hpp"

namespace harbinger {
namespace {
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
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
        in_(std::move(in)),
        fields_(rule_, count_) {}

  result<> run(const std::function<void(uint64_t)>& bytes_read) {
    auto placed = place_columns(rule_, in_);
    if (!placed) return tl::unexpected(placed.error());
    columns_ = std::move(*placed);
    import_row row;
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

  /// Counts the row as passed over, or ends the import with `what`.
  result<> pass_over(const std::string& what) {
    if (!rule_.skip_unreadable) return wrong(errc::invalid_argument, what);
    ++count_.unreadable;
    return {};
  }

  tl::unexpected<error> no_number(size_t column, std::string_view text) const {
    return wrong(errc::invalid_argument, "column '" + in_.columns()[column] + "': '"
                                             + std::string(text) + "' is no number");
  }

  result<> take(const import_row& row) {
    for (const auto& f : columns_.where)
      if (!fields_.holds(f, row)) {
        ++count_.left_out;
        return {};
      }
    auto id = fields_.joined(row, columns_.node);
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

  result<> take_happening(const import_row& row, uint32_t node) {
    auto at = fields_.time(row, columns_.time, state_.facts[node].origin_ms);
    if (!at) return pass_over(fields_.why());
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

  result<> take_sample(const import_row& row, uint32_t node, int64_t at) {
    values_.clear();
    bool zero = rule_.all_zero_is_missing;
    for (const auto& [column, metric] : columns_.metrics) {
      auto x = fields_.number(row[column]);
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
      s->values[columns_.metrics[i].second] = zero ? nan : values_[i];
    return {};
  }

  result<> take_value(const import_row& row, uint32_t node, int64_t at) {
    auto metric = columns_.metric_named.find(row[columns_.metric]);
    if (metric == columns_.metric_named.end()) {
      ++count_.left_out;
      return {};
    }
    auto x = fields_.number(row[columns_.value]);
    if (!x) return no_number(columns_.value, row[columns_.value]);
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

  result<> take_event(const import_row& row, uint32_t node, int64_t at) {
    history_event e{node, at, what_of(rule_.kind), rule_.code_text, 1, 0};
    if (!columns_.code.empty()) e.code = fields_.joined(row, columns_.code).value_or("");
    if (columns_.count) {
      auto x = fields_.number(row[*columns_.count]);
      if (!x) return no_number(*columns_.count, row[*columns_.count]);
      if (*x < 0) return wrong(errc::invalid_argument, "a count below 0");
      if (*x == 0) {
        ++count_.left_out;
        return {};
      }
      e.count = std::isnan(*x) ? 1 : *x;
    }
    if (rule_.back_after_ms) e.back_ms = at + *rule_.back_after_ms;
    if (rule_.back && !fields_.missing(row[columns_.back.column])) {
      auto back = fields_.time(row, columns_.back, state_.facts[node].origin_ms);
      if (!back) return pass_over(fields_.why());
      if (*back < at) return pass_over("it works again before it failed");
      e.back_ms = *back;
    }
    if (state_.out.data.events.size() >= history_limits::events_max)
      return wrong(errc::oversize, "too many events");
    state_.out.data.events.push_back(std::move(e));
    return {};
  }

  result<> take_node(const import_row& row, const std::string& id) {
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
    if (auto fleet = fields_.joined(row, columns_.fleet); fleet && !columns_.fleet.empty())
      agree(node.fleet, *fleet);
    for (const auto& [name, column] : columns_.attributes)
      if (!fields_.missing(row[column])) agree(node.attributes[name], row[column]);
    if (auto ok = take_origin(row, facts); !ok) return ok;
    for (auto [place, to] :
         {std::pair{&columns_.first, &facts.first_ms}, {&columns_.last, &facts.last_ms}}) {
      if (!place->rule || fields_.missing(row[place->column])) continue;
      auto at = fields_.time(row, *place, facts.origin_ms);
      if (!at && !rule_.skip_unreadable) return wrong(errc::invalid_argument, fields_.why());
      if (!at) ++count_.unreadable_values;
      if (at && !*to) *to = at;
    }
    return columns_.roster ? take_roster(row, facts) : result<>{};
  }

  result<> take_origin(const import_row& row, node_facts& facts) {
    if (!columns_.origin.rule || facts.origin_ms) return {};
    auto when = fields_.time(row, columns_.origin, {});
    double at = 0;
    bool read = !columns_.origin_at || read_number(row[*columns_.origin_at], at);
    double back = at * static_cast<double>(rule_.origin->unit_ms);
    if (when && read && std::fabs(back) <= static_cast<double>(history_limits::time_ms_max)) {
      facts.origin_ms = *when - std::llround(back);
      return {};
    }
    if (!rule_.skip_unreadable)
      return wrong(errc::invalid_argument, when ? "the origin is no number" : fields_.why());
    ++count_.unreadable_values;
    return {};
  }

  result<> take_roster(const import_row& row, node_facts& facts) {
    if (facts.roster_count > 0) return {};
    auto last = row[columns_.node.back()];
    double count = 0;
    if (!read_number(last, facts.number) || !read_number(row[*columns_.roster], count)
        || !(count >= 1 && count <= double{history_limits::nodes_max}))
      return wrong(errc::invalid_argument, "a roster needs nodes with whole numbers, and how many "
                                           "there are");
    facts.roster_count = static_cast<int64_t>(count);
    std::vector<size_t> others(columns_.node.begin(), columns_.node.end() - 1);
    facts.prefix = fields_.joined(row, others).value_or("");
    return {};
  }

  import_state& state_;
  const table_rule& rule_;
  table_count& count_;
  size_t number_;
  csv_reader in_;
  import_fields fields_;
  import_columns columns_;
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
