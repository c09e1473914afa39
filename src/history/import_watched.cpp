#include <algorithm>
#include <map>

#include "history/check.hpp"
#include "history/import_state.hpp"
#include "history/time_text.hpp"

namespace harbinger {
namespace {

/// From when to when there are rows.
struct span {
  int64_t first_ms = INT64_MAX, last_ms = INT64_MIN;
  bool empty() const { return first_ms > last_ms; }
  void add(int64_t ms) {
    first_ms = std::min(first_ms, ms);
    last_ms = std::max(last_ms, ms);
  }
  void add(const span& other) {
    if (!other.empty()) add(other.first_ms), add(other.last_ms);
  }
};

/// Samples, failures and shutdowns show that a node was watched; a list of repairs may reach back
/// to before anybody watched.
std::vector<span> spans_of(const history& h, bool any_row) {
  std::vector<span> out(h.nodes.size());
  for (const auto& s : h.samples) out[s.node].add(s.time_ms);
  for (const auto& e : h.events)
    if (any_row || e.what == happening::failure || e.what == happening::shutdown)
      out[e.node].add(e.time_ms);
  return out;
}

struct spans {
  std::vector<span> nodes;
  std::map<std::string, span> fleets;
  span all;
};

spans gather(const history& h) {
  spans out;
  for (bool any_row : {false, true}) {
    out.nodes = spans_of(h, any_row);
    for (size_t i = 0; i < h.nodes.size(); ++i) {
      out.fleets[h.nodes[i].fleet].add(out.nodes[i]);
      out.all.add(out.nodes[i]);
    }
    if (!out.all.empty()) break;
  }
  return out;
}

/// What the rule says of a node. One without any row of its own goes with its fleet, and a fleet
/// without any row with all.
span pick(const watch_rule& rule, const spans& from, const history& h, size_t node) {
  const auto& fleet = from.fleets.at(h.nodes[node].fleet);
  if (rule.of == watch_rule::span::fixed) return {rule.fixed_ms, rule.fixed_ms};
  if (rule.of == watch_rule::span::all) return from.all;
  const auto& own = rule.of == watch_rule::span::node ? from.nodes[node] : fleet;
  return !own.empty() ? own : !fleet.empty() ? fleet : from.all;
}
} // namespace

result<> complete_rosters(import_state& state) {
  struct roster {
    std::map<int64_t, uint32_t> there;
    int64_t count = 0;
  };
  std::map<std::string, roster> rosters;
  for (uint32_t i = 0; i < state.facts.size(); ++i) {
    const auto& f = state.facts[i];
    if (f.roster_count == 0) continue;
    auto& r = rosters[f.prefix];
    r.there[f.number] = i;
    r.count = std::max(r.count, f.roster_count);
  }
  int64_t first = 0;
  for (const auto& t : state.schema.tables)
    if (!t.roster_count.empty()) first = t.roster_first;
  for (const auto& [prefix, r] : rosters)
    for (int64_t n = first; n < first + r.count; ++n) {
      if (r.there.count(n)) continue;
      auto above = r.there.upper_bound(n);
      auto nearest = above == r.there.end() ? std::prev(above) : above;
      if (above != r.there.begin() && above != r.there.end()
          && n - std::prev(above)->first <= above->first - n)
        nearest = std::prev(above);
      auto like = nearest->second;
      auto added = state.add_node((prefix.empty() ? "" : prefix + '/') + std::to_string(n));
      if (!added) return fail(errc::oversize, "too many nodes in the roster of " + prefix);
      auto id = state.out.data.nodes[*added].id;
      state.out.data.nodes[*added] = state.out.data.nodes[like];
      state.out.data.nodes[*added].id = id;
      state.facts[*added] = state.facts[like];
      ++state.out.from_roster;
    }
  return {};
}

result<> decide_watched(import_state& state) {
  auto& h = state.out.data;
  if (h.nodes.empty()) return fail(errc::invalid_argument, "the tables have not one node");
  auto from = gather(h);
  const auto& schema = state.schema;
  for (size_t i = 0; i < h.nodes.size(); ++i) {
    auto& node = h.nodes[i];
    const auto& facts = state.facts[i];
    auto begin = pick(schema.first, from, h, i), end = pick(schema.last, from, h, i);
    if ((!facts.first_ms && begin.empty()) || (!facts.last_ms && end.empty()))
      return fail(errc::invalid_argument,
                  "nothing says from when to when node " + node.id.value + " was watched");
    auto last = end.last_ms;
    if (schema.last.of == watch_rule::span::fleet
        && last >= from.all.last_ms - schema.active_within_ms)
      last = from.all.last_ms;
    node.first_ms = facts.first_ms.value_or(begin.first_ms);
    node.last_ms = std::max(facts.last_ms.value_or(last), node.first_ms);
    const auto& own = from.nodes[i];
    if (!own.empty() && (own.first_ms < node.first_ms || own.last_ms > node.last_ms)) {
      node.first_ms = std::min(node.first_ms, own.first_ms);
      node.last_ms = std::max(node.last_ms, own.last_ms);
      ++state.out.widened;
    }
    if (schema.known_after_ms > 0) node.known_ms = node.last_ms + schema.known_after_ms;
  }
  return {};
}

} // namespace harbinger
