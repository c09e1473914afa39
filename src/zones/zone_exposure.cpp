#include "zones/zone_exposure.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace harbinger {
namespace {

/// Every domain that a member of an exposing zone has; true: it is a zone itself.
std::map<domain_number, bool> touched_domains(const zone_nodes& nodes,
                                              const std::vector<zone_group>& groups,
                                              const std::vector<attribute_number>& attributes) {
  std::map<domain_number, bool> out;
  for (const auto& g : groups) {
    if (g.cause == zone_cause::planned) continue;
    for (auto n : g.members)
      for (auto a : attributes)
        if (auto d = nodes.domain_of(n, a); d.value != no_number) out.try_emplace(d, false);
    if (g.cause == zone_cause::domain) out[g.domain] = true;
  }
  return out;
}

std::vector<domain_number> in_order(const zone_nodes& nodes,
                                    const std::map<domain_number, bool>& touched) {
  struct entry {
    bool wide;
    size_t living;
    std::string name;
    domain_number domain;
  };
  std::vector<entry> entries;
  for (const auto& [d, condemned] : touched)
    entries.push_back({!condemned, nodes.living_with(d), nodes.name(d), d});
  std::sort(entries.begin(), entries.end(), [](const entry& a, const entry& b) {
    return std::tie(a.wide, a.living, a.name) < std::tie(b.wide, b.living, b.name);
  });
  std::vector<domain_number> out;
  for (const auto& e : entries) out.push_back(e.domain);
  return out;
}

} // namespace

std::vector<domain_number> exposing_domains(const zone_nodes& nodes, const zone_group& group,
                                            const std::vector<attribute_number>& attributes,
                                            const std::vector<domain_number>& among) {
  std::vector<domain_number> out;
  if (group.cause == zone_cause::planned) return out;
  for (auto n : group.members)
    for (auto a : attributes) {
      auto d = nodes.domain_of(n, a);
      if (d.value != no_number && std::binary_search(among.begin(), among.end(), d))
        out.push_back(d);
    }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

exposure expose(const zone_nodes& nodes, std::vector<zone_group>& groups,
                const zone_settings& rules) {
  exposure out;
  auto attributes = nodes.attributes(rules.domains);
  enum : uint8_t { nothing, member, exposed };
  std::vector<uint8_t> is(nodes.size(), nothing);
  for (const auto& g : groups)
    for (auto n : g.members) is[n] = member;
  auto limit = static_cast<size_t>(
      std::floor(rules.exposed_share_max * static_cast<double>(nodes.living()) + 1e-9));
  std::vector<node_number> more;
  for (auto d : in_order(nodes, touched_domains(nodes, groups, attributes))) {
    more.clear();
    for (auto n : nodes.names().with(d.attribute, d.value))
      if (nodes.alive(n) && is[n] == nothing) more.push_back(n);
    if (out.exposed + more.size() > limit) {
      out.unexposing.push_back(d);
      continue;
    }
    for (auto n : more) is[n] = exposed;
    out.exposed += more.size();
    out.exposing.push_back(d);
  }
  std::sort(out.exposing.begin(), out.exposing.end());
  std::sort(out.unexposing.begin(), out.unexposing.end());

  std::map<domain_number, std::vector<uint32_t>> ranks; // of the exposed ones, sorted
  std::vector<node_number> by_rank(nodes.size());
  for (node_number n = 0; n < nodes.size(); ++n) by_rank[nodes.rank(n)] = n;
  for (auto d : out.exposing) {
    auto& list = ranks[d];
    for (auto n : nodes.names().with(d.attribute, d.value))
      if (is[n] == exposed) list.push_back(nodes.rank(n));
    std::sort(list.begin(), list.end());
  }
  std::vector<uint32_t> sum, next;
  for (auto& g : groups) {
    sum.clear();
    for (auto d : exposing_domains(nodes, g, attributes, out.exposing)) {
      next.clear();
      std::set_union(sum.begin(), sum.end(), ranks[d].begin(), ranks[d].end(),
                     std::back_inserter(next));
      sum.swap(next);
    }
    g.exposed.clear();
    for (auto r : sum) g.exposed.push_back(by_rank[r]);
  }
  return out;
}

} // namespace harbinger
