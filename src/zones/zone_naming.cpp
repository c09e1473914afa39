#include "zones/zone_naming.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <tuple>

namespace harbinger {
namespace {

constexpr size_t names_shown = 12;

std::string label(zone_id id) { return "zone " + std::to_string(id.value); }

/// Place in `groups` of each node; no_number: in none.
std::vector<uint32_t> places(const zone_nodes& nodes, const std::vector<zone_group>& groups) {
  std::vector<uint32_t> out(nodes.size(), no_number);
  for (uint32_t place = 0; place < groups.size(); ++place)
    for (auto n : groups[place].members) out[n] = place;
  return out;
}

/// Places in the other list to which members of `group` lead, with their number.
std::map<uint32_t, size_t> overlaps(const zone_group& group,
                                    const std::vector<uint32_t>& place_of) {
  std::map<uint32_t, size_t> out;
  for (auto n : group.members)
    if (place_of[n] != no_number) ++out[place_of[n]];
  return out;
}

/// Where most of them lead, the first of equals; no_number: nowhere.
uint32_t most(const std::map<uint32_t, size_t>& overlaps) {
  uint32_t best = no_number;
  size_t count = 0;
  for (const auto& [place, common] : overlaps)
    if (common > count) best = place, count = common;
  return best;
}

bool same_domain(const zone_group& a, const zone_group& b) {
  if (a.cause != b.cause) return false;
  if (a.cause == zone_cause::domain) return a.domain == b.domain;
  return a.cause == zone_cause::comovement || a.members == b.members;
}

/// By place in a list of groups, which are sorted by id.
uint32_t place_of_id(const std::vector<zone_group>& groups, zone_id id) {
  auto found = std::lower_bound(groups.begin(), groups.end(), id,
                                [](const zone_group& g, zone_id i) { return g.id < i; });
  return found == groups.end() || found->id != id ? no_number
                                                  : static_cast<uint32_t>(found - groups.begin());
}

std::string likely(const zone& z) {
  if (z.within_s > 0) return " planned to be taken down";
  char text[48];
  std::snprintf(text, sizeof text, " likely to fail, P = %.2f", z.probability);
  return text;
}

} // namespace

std::string domain_name(const zone_nodes& nodes, const zone_group& group) {
  if (group.cause == zone_cause::domain) return nodes.name(group.domain);
  if (group.cause == zone_cause::comovement) return "moves together";
  return "node=" + nodes.name(group.members.front());
}

std::string few_names(const zone_nodes& nodes, const std::vector<node_number>& of) {
  std::string text;
  for (size_t i = 0; i < std::min(of.size(), names_shown); ++i)
    text += (i == 0 ? "" : ", ") + nodes.name(of[i]);
  if (of.size() > names_shown) text += " and " + std::to_string(of.size() - names_shown) + " more";
  return text;
}

void name_groups(const zone_nodes& nodes, const std::vector<zone_group>& before,
                 std::vector<zone_group>& now, uint64_t& next_zone, time_point time) {
  struct pair {
    size_t common;
    bool same;
    uint32_t old_place, new_place;
  };
  auto old_place_of = places(nodes, before);
  auto together = [](const zone_group& g) {
    return g.cause == zone_cause::domain || g.cause == zone_cause::comovement;
  };
  std::sort(now.begin(), now.end(), [&](const zone_group& a, const zone_group& b) {
    if (together(a) != together(b)) return together(a);
    return nodes.rank(a.members.front()) < nodes.rank(b.members.front());
  });
  std::vector<pair> pairs;
  for (uint32_t place = 0; place < now.size(); ++place)
    for (const auto& [old, common] : overlaps(now[place], old_place_of))
      pairs.push_back({common, same_domain(before[old], now[place]), old, place});
  std::sort(pairs.begin(), pairs.end(), [&](const pair& a, const pair& b) {
    const auto &to_a = now[a.new_place].members, &to_b = now[b.new_place].members;
    auto size_a = to_a.size(), size_b = to_b.size();
    auto first_a = nodes.rank(to_a.front()), first_b = nodes.rank(to_b.front());
    return std::tie(b.common, b.same, a.old_place, size_b, first_a)
           < std::tie(a.common, a.same, b.old_place, size_a, first_b);
  });
  std::vector<bool> given(before.size(), false);
  auto give = [&](uint32_t old, zone_group& g) {
    if (given[old] || g.id.value != 0) return;
    given[old] = true;
    g.id = before[old].id;
    g.since = before[old].since;
  };
  for (const auto& p : pairs) give(p.old_place, now[p.new_place]);
  std::map<domain_number, uint32_t> free;
  for (uint32_t old = 0; old < before.size(); ++old)
    if (!given[old] && before[old].cause == zone_cause::domain) free[before[old].domain] = old;
  for (auto& g : now) {
    if (g.id.value != 0) continue;
    auto found = g.cause == zone_cause::domain ? free.find(g.domain) : free.end();
    if (found != free.end()) give(found->second, g);
    if (g.id.value == 0) g.id = zone_id{next_zone++}, g.since = time;
  }
  std::sort(now.begin(), now.end(),
            [](const zone_group& a, const zone_group& b) { return a.id < b.id; });
}

namespace {

/// What became of whom, by place in the old and the new list.
struct genealogy {
  std::map<uint32_t, std::vector<zone_id>> took_in, gave; ///< of zones that go on, or are new
  std::map<uint32_t, zone_id> whereto;                    ///< of those that ended
  std::map<uint32_t, zone_id> whence;                     ///< of new ones, from those that go on
};

genealogy trace(const zone_nodes& nodes, const std::vector<zone_group>& before,
                const std::vector<zone_group>& now) {
  genealogy out;
  auto old_place_of = places(nodes, before), new_place_of = places(nodes, now);
  for (uint32_t old = 0; old < before.size(); ++old) {
    if (place_of_id(now, before[old].id) != no_number) continue;
    auto place = most(overlaps(before[old], new_place_of));
    if (place == no_number) continue;
    out.whereto[old] = now[place].id;
    out.took_in[place].push_back(before[old].id);
  }
  for (uint32_t place = 0; place < now.size(); ++place) {
    if (place_of_id(before, now[place].id) != no_number) continue;
    auto old = most(overlaps(now[place], old_place_of));
    auto goes_on = old == no_number ? no_number : place_of_id(now, before[old].id);
    if (goes_on == no_number) continue;
    out.whence[place] = before[old].id;
    out.gave[goes_on].push_back(now[place].id);
  }
  return out;
}

/// "; took in zone 9, zone 12".
std::string also(const std::map<uint32_t, std::vector<zone_id>>& lists, uint32_t place,
                 const char* verb) {
  auto found = lists.find(place);
  if (found == lists.end()) return {};
  auto text = std::string("; ") + verb;
  for (auto id : found->second) text += (id == found->second.front() ? " " : ", ") + label(id);
  return text;
}

} // namespace

std::vector<zone_change> compare_groups(const zone_nodes& nodes,
                                        const std::vector<zone_group>& before,
                                        const std::vector<zone>& old_zones,
                                        const std::vector<zone_group>& now,
                                        const std::vector<zone>& new_zones) {
  std::vector<zone_change> out;
  auto family = trace(nodes, before, now);
  for (uint32_t place = 0; place < now.size(); ++place) {
    const auto& g = now[place];
    const auto& z = new_zones[place];
    auto names = few_names(nodes, g.members);
    auto took_in = also(family.took_in, place, "took in");
    auto old = place_of_id(before, g.id);
    if (old == no_number) {
      auto from = family.whence.find(place);
      bool split = from != family.whence.end();
      auto how = split ? " split from " + label(from->second) + " on " : " formed on ";
      out.push_back({split ? zone_change_kind::split : zone_change_kind::formed, z,
                     label(g.id) + how + z.domain + ": " + names + likely(z) + took_in});
    } else if (before[old].members != g.members || old_zones[old].domain != z.domain) {
      out.push_back({zone_change_kind::changed, z,
                     label(g.id) + " on " + z.domain + " is now " + names + ", was "
                         + few_names(nodes, before[old].members) + " on " + old_zones[old].domain
                         + took_in + also(family.gave, place, "gave")});
    }
  }
  for (uint32_t old = 0; old < before.size(); ++old) {
    if (place_of_id(now, before[old].id) != no_number) continue;
    auto to = family.whereto.find(old);
    bool merged = to != family.whereto.end();
    out.push_back({merged ? zone_change_kind::merged : zone_change_kind::dissolved, old_zones[old],
                   label(before[old].id) + " on " + old_zones[old].domain
                       + (merged ? " went into " + label(to->second) : " dissolved")});
  }
  return out;
}

} // namespace harbinger
