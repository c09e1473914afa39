#include "simulate/oracle_predictor.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "simulate/random_stream.hpp"

namespace harbinger::simulate {

namespace {

constexpr double day_s = 86'400;

struct event {
  failure_cause cause = failure_cause::node;
  double first_s = 0;
  std::vector<const failure*> failures;
};

std::vector<event> events_of(const std::vector<failure>& failures) {
  std::map<uint32_t, event> by_number;
  for (const auto& f : failures) {
    auto& e = by_number[f.event];
    if (e.failures.empty()) e.cause = f.cause, e.first_s = f.at_s;
    e.failures.push_back(&f);
  }
  std::vector<event> all;
  for (auto& [number, e] : by_number) all.push_back(std::move(e));
  return all;
}

class oracle {
public:
  oracle(const predictor_options& options, const std::vector<failure>& failures,
         const topology& nodes, double days, uint64_t seed)
      : options_(options),
        nodes_(nodes),
        end_s_(days * day_s),
        random_(seed, chance::predictor),
        false_(seed, chance::false_alarms) {
    for (const auto& f : failures) failing_.insert({f.node, f.at_s});
    for (const auto& e : events_of(failures)) announce(e);
    auto by_time = [](const score_change& a, const score_change& b) {
      return std::tie(a.at_s, a.node) < std::tie(b.at_s, b.node);
    };
    std::stable_sort(out_.changes.begin(), out_.changes.end(), by_time);
  }
  prediction take() { return std::move(out_); }

private:
  void announce(const event& e) {
    // Drawn for every event, so that another recall or lead leaves the rest as it is.
    double luck = random_.uniform();
    double x = random_.uniform();
    double most = 1 - std::exp(-options_.horizon_s / options_.mean_lead_s);
    double lead = -options_.mean_lead_s * std::log1p(-x * most);
    double score = score_of(random_, true);
    auto wrong = false_.rounded(options_.precision > 0 ? 1 / options_.precision - 1 : 0);
    if (luck >= options_.recall) return;
    for (const auto* f : e.failures) {
      raise(f->node, std::max(0.0, e.first_s - lead), f->back_s(), score);
      ++out_.alarms_true;
    }
    for (uint64_t i = 0; i < wrong; ++i) cry_wolf(e);
  }

  void cry_wolf(const event& like) {
    double at = false_.uniform(0, end_s_);
    double score = score_of(false_, false);
    for (auto n : place_like(like)) {
      // It would come true: no false alarm.
      auto next = failing_.lower_bound({n, at});
      if (next != failing_.end() && next->first == n && next->second - at <= options_.horizon_s)
        continue;
      raise(n, at, at + options_.horizon_s, score);
      ++out_.alarms_false;
    }
  }

  std::vector<node_number> place_like(const event& like) {
    auto count = like.failures.size();
    static constexpr std::array<const char*, causes> attribute{"", "rack", "power", "firmware"};
    std::vector<node_number> from;
    if (auto a = nodes_.attribute(attribute[static_cast<size_t>(like.cause)]); a && count > 1)
      from = nodes_.with(*a, static_cast<value_number>(false_.below(nodes_.values(*a))));
    if (from.size() < count) { // neighbours
      from.clear();
      auto first = false_.below(nodes_.size());
      for (size_t i = 0; i < count; ++i)
        from.push_back(static_cast<node_number>((first + i) % nodes_.size()));
    }
    for (size_t i = 0; i < count; ++i) std::swap(from[i], from[i + false_.below(from.size() - i)]);
    from.resize(count);
    std::sort(from.begin(), from.end());
    return from;
  }

  void raise(node_number n, double from_s, double until_s, double score) {
    out_.changes.push_back({from_s, n, score});
    out_.changes.push_back({until_s, n, quiet_probability});
  }

  /// Scores of all alarms are even between precision/2 and 3/2 precision (or as near as 1 allows);
  /// those of true ones have the density of all times s, of false ones times 1 - s.
  double score_of(random_stream& random, bool comes_true) const {
    double half = std::min(options_.precision / 2, 1 - options_.precision);
    for (;;) {
      double s = options_.precision + half * random.uniform(-1, 1);
      if (half <= 0 || random.chance_of(comes_true ? s : 1 - s)) return std::min(s, 1.0);
    }
  }

  const predictor_options& options_;
  const topology& nodes_;
  double end_s_;
  random_stream random_, false_;
  std::set<std::pair<node_number, double>> failing_;
  prediction out_;
};

} // namespace

double prediction::precision() const {
  auto all = alarms_true + alarms_false;
  return all == 0 ? 0 : static_cast<double>(alarms_true) / static_cast<double>(all);
}
double prediction::recall(size_t failures) const {
  return failures == 0 ? 0 : static_cast<double>(alarms_true) / static_cast<double>(failures);
}

prediction predict(const predictor_options& options, const std::vector<failure>& failures,
                   const topology& nodes, double days, uint64_t seed) {
  return oracle(options, failures, nodes, days, seed).take();
}

prediction stuck_at(double probability, size_t nodes) {
  prediction p;
  for (node_number n = 0; n < nodes; ++n) p.changes.push_back({0, n, probability});
  return p;
}

result<prediction> read_scores(const std::string& name, byte_source source, const topology& nodes) {
  auto table = csv_reader::open(name, std::move(source));
  if (!table) return tl::unexpected<error>(table.error());
  std::array<size_t, 3> at{};
  const std::array<const char*, 3> names{"time", "node", "probability"};
  for (size_t i = 0; i < names.size(); ++i) {
    auto found = table->column(names[i]);
    if (!found) return tl::unexpected<error>(found.error());
    at[i] = *found;
  }
  auto number = [](std::string_view text) {
    double x = NAN;
    auto parsed = std::from_chars(text.data(), text.data() + text.size(), x);
    return parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size() ? x : NAN;
  };
  prediction p;
  std::vector<std::string_view> fields;
  for (;;) {
    auto more = table->next(fields);
    if (!more) return tl::unexpected<error>(more.error());
    if (!*more) break;
    auto refuse = [&](const std::string& why) {
      return tl::unexpected<error>(table->at_line(errc::invalid_argument, why));
    };
    double time = number(fields[at[0]]), score = number(fields[at[2]]);
    auto node = nodes.find(node_id{std::string(fields[at[1]])});
    double as_number = number(fields[at[1]]);
    if (!node && as_number >= 0 && as_number < static_cast<double>(nodes.size()))
      node = static_cast<node_number>(as_number);
    if (!node) return refuse("node " + std::string(fields[at[1]]) + " is not in the cluster");
    if (!(time >= 0)) return refuse("time must be a number of seconds, 0 or more");
    if (!(score >= 0 && score <= 1)) return refuse("probability must be 0..1");
    p.changes.push_back({time, *node, score});
  }
  std::stable_sort(p.changes.begin(), p.changes.end(), [](const auto& a, const auto& b) {
    return std::tie(a.at_s, a.node) < std::tie(b.at_s, b.node);
  });
  return p;
}

void judge(prediction& p, const std::vector<failure>& failures, double alarm_at, double horizon_s) {
  std::set<std::pair<node_number, double>> failing;
  for (const auto& f : failures) failing.insert({f.node, f.at_s});
  std::map<node_number, bool> above;
  p.alarms_true = p.alarms_false = 0;
  for (const auto& c : p.changes) {
    bool now = c.probability >= alarm_at;
    if (now && !above[c.node]) {
      auto next = failing.lower_bound({c.node, c.at_s});
      bool comes =
          next != failing.end() && next->first == c.node && next->second - c.at_s <= horizon_s;
      ++(comes ? p.alarms_true : p.alarms_false);
    }
    above[c.node] = now;
  }
}

void set_zone_thresholds(zone_settings& rules, double precision) {
  rules.enter_at = std::min(rules.enter_at, precision / 2);
  rules.leave_at = std::min(rules.leave_at, precision / 4);
}

} // namespace harbinger::simulate
