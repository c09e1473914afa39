#include "zones/zone_grouping.hpp"

#include <algorithm>

namespace harbinger {
namespace {

constexpr double rounding = 1e-9; ///< probabilities that differ by less are the same

void sort_by_rank(const zone_nodes& nodes, std::vector<node_number>& list) {
  std::sort(list.begin(), list.end(),
            [&](node_number a, node_number b) { return nodes.rank(a) < nodes.rank(b); });
}

} // namespace

size_t zone_grouping::domains_looked_at(const zone_nodes& nodes,
                                        const std::vector<attribute_number>& attributes,
                                        size_t marked, double concentration_p) {
  auto& l = looked_;
  if (l.serial == nodes.serial() && l.marked == marked && l.concentration_p == concentration_p
      && l.attributes == attributes)
    return l.count;
  l = {nodes.serial(), marked, concentration_p, attributes, 0};
  for (auto a : attributes)
    for (value_number v = 0; v < nodes.names().values(a); ++v) {
      auto draws = nodes.living_with({a, v});
      if (draws >= 2 && least_tail(nodes.living(), marked, draws, logs_) < concentration_p)
        ++l.count;
    }
  l.count = std::max<size_t>(1, l.count);
  return l.count;
}

domain_evidence zone_grouping::judge(const zone_nodes& nodes, domain_number d, size_t hits,
                                     size_t marked, size_t looked_at) {
  domain_evidence out;
  out.seen = {nodes.living(), marked, nodes.living_with(d), hits};
  out.chance = concentration_tail(out.seen, logs_);
  out.looked_at = looked_at;
  return out;
}

/// The rest of the domain's list becomes a zone and leaves every other list.
void zone_grouping::take(const zone_nodes& nodes, domain_number d,
                         const domain_evidence& evidence) {
  zone_group g;
  g.cause = zone_cause::domain;
  g.domain = d;
  g.members = std::move(lists_.at(d));
  g.concentrated = evidence;
  lists_.erase(d);
  for (auto n : g.members) taken_[n] = true;
  marked_ -= g.members.size();
  for (auto& [other, members] : lists_)
    std::erase_if(members, [&](node_number n) { return taken_[n]; });
  std::erase_if(lists_, [](const auto& entry) { return entry.second.size() < 2; });
  sort_by_rank(nodes, g.members);
  made_.push_back(std::move(g));
}

void zone_grouping::take_standing(const zone_nodes& nodes, const std::vector<zone_group>& standing,
                                  double concentration_p) {
  for (const auto& old : standing) {
    if (old.cause != zone_cause::domain) continue;
    auto found = lists_.find(old.domain);
    if (found == lists_.end()) continue;
    auto evidence = judge(nodes, old.domain, found->second.size(), marked_, looked_at_);
    evidence.proven = evidence.chance * static_cast<double>(looked_at_) < concentration_p;
    take(nodes, old.domain, evidence);
  }
}

void zone_grouping::take_surprising(const zone_nodes& nodes, double concentration_p) {
  while (!lists_.empty()) {
    domain_number best;
    domain_evidence why;
    for (const auto& [d, members] : lists_) {
      auto evidence = judge(nodes, d, members.size(), marked_, looked_at_);
      if (evidence.chance * static_cast<double>(looked_at_) >= concentration_p) continue;
      bool less = evidence.chance < why.chance * (1 - rounding);
      bool same = !less && evidence.chance <= why.chance * (1 + rounding);
      bool better =
          best.attribute == no_number || less || (same && nodes.name(d) < nodes.name(best));
      if (better) best = d, why = evidence;
    }
    if (best.attribute == no_number) return;
    take(nodes, best, why);
  }
}

std::vector<node_number> zone_grouping::left(const std::vector<node_number>& of) const {
  std::vector<node_number> out;
  std::copy_if(of.begin(), of.end(), std::back_inserter(out),
               [&](node_number n) { return !taken_[n]; });
  return out;
}

std::vector<zone_group> zone_grouping::group(const zone_nodes& nodes, const nodes_at_risk& found,
                                             const std::vector<zone_group>& standing,
                                             const zone_settings& rules, comovement& movement) {
  const auto& risky = found.risky;
  taken_.assign(nodes.size(), false);
  lists_.clear();
  made_.clear();
  marked_ = risky.size();
  auto attributes = nodes.attributes(rules.domains);
  looked_at_ = domains_looked_at(nodes, attributes, marked_, rules.concentration_p);
  for (auto n : risky)
    for (auto a : attributes)
      if (auto d = nodes.domain_of(n, a); d.value != no_number) lists_[d].push_back(n);
  std::erase_if(lists_, [](const auto& entry) { return entry.second.size() < 2; });
  take_standing(nodes, standing, rules.concentration_p);
  take_surprising(nodes, rules.concentration_p);

  std::vector<uint32_t> before(nodes.size(), no_number);
  for (uint32_t place = 0; place < standing.size(); ++place)
    if (standing[place].cause == zone_cause::comovement)
      for (auto n : standing[place].members) before[n] = place;
  for (auto& g : movement.groups(left(risky), before, rules)) {
    sort_by_rank(nodes, g.members);
    for (auto n : g.members) taken_[n] = true;
    made_.push_back(std::move(g));
  }
  auto alone = [&](node_number n, zone_cause why) {
    zone_group g;
    g.cause = why;
    g.members = {n};
    made_.push_back(std::move(g));
  };
  for (auto n : left(risky)) alone(n, zone_cause::single);
  for (auto n : found.planned) alone(n, zone_cause::planned);
  for (auto& g : made_) std::erase_if(g.members, [&](node_number n) { return !found.taken[n]; });
  std::erase_if(made_, [](const zone_group& g) { return g.members.empty(); });
  return std::move(made_);
}

} // namespace harbinger
