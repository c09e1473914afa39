#include "zones/zone_tracker.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "zones/joint_probability.hpp"

namespace harbinger {

namespace {

std::string two_digits(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", x);
  return text;
}

std::string names_of(const std::vector<node_id>& nodes) {
  std::string text;
  for (const auto& id : nodes) text += (text.empty() ? "" : ", ") + id.value;
  return text;
}

bool alive(const std::map<node_id, node_row>& nodes, const node_id& id) {
  auto found = nodes.find(id);
  return found != nodes.end() && found->second.state != node_state::dead;
}

/// Risk in steps of 0.05, so that the brake does not swap members over noise.
int riskiness(double probability) { return static_cast<int>(std::lround(probability * 20.0)); }

struct domain {
  double surprise = 1.0;
  std::string name;
  std::vector<node_id> members;
  bool kept = false; ///< was a zone in the round before
};

} // namespace

zone_tracker::zone_tracker(harbinger::term term, uint64_t first_zone, uint64_t first_generation)
    : term_(term), next_zone_(first_zone), next_generation_(first_generation) {
  map_.term = term;
}

void zone_tracker::follow(const std::vector<node_risk>& risks,
                          const std::map<node_id, node_row>& nodes, const zone_settings& rules,
                          time_point now, zone_outcome& out) {
  std::erase_if(tracks_, [&](const auto& entry) { return !alive(nodes, entry.first); });
  std::set<node_id> seen;
  for (const auto& risk : risks) {
    bool number =
        std::isfinite(risk.probability) && risk.probability >= 0.0 && risk.probability <= 1.0;
    if (!number || !nodes.contains(risk.node) || !seen.insert(risk.node).second) {
      ++out.refused;
      continue;
    }
    if (!alive(nodes, risk.node)) continue;
    auto& t = tracks_[risk.node];
    t.last = risk;
    t.rounds_above = risk.probability >= rules.enter_at ? t.rounds_above + 1 : 0;
    if (!t.risky && t.rounds_above >= rules.enter_rounds) {
      t.risky = true;
      t.since = now;
    }
    double doubt = std::isfinite(risk.uncertainty) ? std::max(0.0, risk.uncertainty) : 1.0;
    bool healthy = risk.probability < rules.leave_at && risk.probability + doubt < rules.enter_at;
    if (t.risky && healthy && to_seconds(now - t.since) >= rules.minimum_stay_s) t.risky = false;
  }
}

std::set<node_id> zone_tracker::brake(const zone_settings& rules, size_t alive,
                                      zone_map& next) const {
  std::set<node_id> inside;
  for (const auto& z : map_.zones) inside.insert(z.members.begin(), z.members.end());
  std::vector<node_id> risky;
  for (const auto& [id, t] : tracks_)
    if (t.risky) risky.push_back(id);
  auto limit = std::max<size_t>(
      1, static_cast<size_t>(std::floor(rules.share_max * static_cast<double>(alive) + 1e-9)));
  std::stable_sort(risky.begin(), risky.end(), [&](const node_id& a, const node_id& b) {
    auto pa = riskiness(tracks_.at(a).last.probability),
         pb = riskiness(tracks_.at(b).last.probability);
    return pa != pb ? pa > pb : inside.contains(a) && !inside.contains(b);
  });
  next.braked = risky.size() > limit;
  if (next.braked) {
    next.left_out.assign(risky.begin() + static_cast<std::ptrdiff_t>(limit), risky.end());
    std::sort(next.left_out.begin(), next.left_out.end());
    risky.resize(limit);
  }
  return {risky.begin(), risky.end()};
}

std::vector<zone> zone_tracker::group(std::set<node_id> risky,
                                      const std::map<node_id, node_row>& nodes,
                                      const zone_settings& rules) const {
  std::vector<zone> zones;
  for (;;) {
    std::map<std::string, std::pair<unsigned, std::vector<node_id>>>
        domains; // name -> nodes alive, risky ones
    unsigned population = 0;
    for (const auto& [id, row] : nodes) {
      if (row.state == node_state::dead) continue;
      ++population;
      for (const auto& attribute : rules.domains) {
        auto value = row.attributes.find(attribute);
        if (value == row.attributes.end()) continue;
        auto& d = domains[attribute + "=" + value->second];
        ++d.first;
        if (risky.contains(id)) d.second.push_back(id);
      }
    }
    domain best;
    for (const auto& [name, d] : domains) {
      if (d.second.size() < 2) continue;
      bool kept = std::any_of(map_.zones.begin(), map_.zones.end(),
                              [&, n = &name](const zone& z) { return z.domain == *n; });
      double surprise = concentration_tail(population, static_cast<unsigned>(risky.size()), d.first,
                                           static_cast<unsigned>(d.second.size()));
      if (!kept && surprise >= rules.concentration_p) continue;
      bool better = kept != best.kept ? kept : surprise < best.surprise;
      if (best.members.empty() || better) best = {surprise, name, d.second, kept};
    }
    if (best.members.empty()) break;
    zone z;
    z.domain = best.name;
    z.members = best.members;
    char text[200];
    const char* verdict =
        best.surprise < rules.concentration_p ? "" : ", it was one zone and stays one";
    std::snprintf(text, sizeof text, "%zu of %u nodes of %.60s are at risk: by chance P = %.2g%s",
                  best.members.size(), domains[best.name].first, best.name.c_str(), best.surprise,
                  verdict);
    z.reasons.push_back(text);
    for (const auto& id : best.members) risky.erase(id);
    zones.push_back(std::move(z));
  }
  for (const auto& id : risky) {
    zone z;
    z.domain = "node=" + id.value;
    z.members = {id};
    zones.push_back(std::move(z));
  }
  return zones;
}

void zone_tracker::describe_zone(zone& z, const std::map<node_id, node_row>& nodes,
                                 const std::set<node_id>& risky, const zone_settings& rules) const {
  for (const auto& [id, row] : nodes) {
    if (row.state == node_state::dead || risky.contains(id)) continue;
    bool shares = std::any_of(
        rules.domains.begin(), rules.domains.end(), [&, r = &row](const std::string& attribute) {
          auto mine = r->attributes.find(attribute);
          return mine != r->attributes.end()
                 && std::any_of(z.members.begin(), z.members.end(), [&](const node_id& member) {
                      auto theirs = nodes.at(member).attributes.find(attribute);
                      return theirs != nodes.at(member).attributes.end()
                             && theirs->second == mine->second;
                    });
        });
    if (shares) z.exposed.push_back(id);
  }
  for (const auto& id : z.members) {
    const auto& risk = tracks_.at(id).last;
    z.risks.push_back(risk.probability);
    std::string text = id.value + ": P = " + two_digits(risk.probability) + " ± "
                       + two_digits(risk.uncertainty) + " by "
                       + (risk.model.empty() ? "an unnamed model" : risk.model);
    if (!risk.reasons.empty()) text += "; " + risk.reasons.front().text;
    if (z.reasons.size() < reasons_max) z.reasons.push_back(std::move(text));
  }
  auto joint = joint_probability(z.risks);
  z.probability = joint.any;
  z.joint_probability = joint.all;
  z.common_cause = joint.common;
}

void zone_tracker::name_zones(std::vector<zone>& zones) {
  std::set<zone_id> taken;
  auto claim = [&](zone& z, auto&& fits) {
    if (z.id.value != 0) return;
    for (const auto& old : map_.zones)
      if (!taken.contains(old.id) && fits(old)) {
        z.id = old.id;
        taken.insert(old.id);
        return;
      }
  };
  for (auto& z : zones) claim(z, [&](const zone& old) { return old.domain == z.domain; });
  for (auto& z : zones)
    claim(z, [&](const zone& old) {
      return std::any_of(old.members.begin(), old.members.end(), [&](const node_id& id) {
        return std::binary_search(z.members.begin(), z.members.end(), id);
      });
    });
  for (auto& z : zones)
    if (z.id.value == 0) z.id = zone_id{next_zone_++};
  std::sort(zones.begin(), zones.end(), [](const zone& a, const zone& b) { return a.id < b.id; });
}

void zone_tracker::compare(const zone_map& next, zone_outcome& out) const {
  auto find = [](const zone_map& map, zone_id id) {
    return std::find_if(map.zones.begin(), map.zones.end(),
                        [&](const zone& z) { return z.id == id; });
  };
  for (const auto& z : next.zones) {
    auto old = find(map_, z.id);
    if (old == map_.zones.end()) {
      out.changes.push_back({zone_change_kind::formed, z,
                             "zone " + std::to_string(z.id.value) + " formed on " + z.domain + ": "
                                 + names_of(z.members)
                                 + " likely to fail, P = " + two_digits(z.probability)});
    } else if (old->members != z.members || old->domain != z.domain) {
      out.changes.push_back({zone_change_kind::changed, z,
                             "zone " + std::to_string(z.id.value) + " on " + z.domain + " is now "
                                 + names_of(z.members) + ", was " + names_of(old->members) + " on "
                                 + old->domain});
    } else if (old->exposed != z.exposed) {
      out.changed = true;
    }
  }
  for (const auto& z : map_.zones)
    if (find(next, z.id) == next.zones.end())
      out.changes.push_back(
          {zone_change_kind::dissolved, z,
           "zone " + std::to_string(z.id.value) + " on " + z.domain + " dissolved"});
  out.brake_began = next.braked && !map_.braked;
  out.brake_ended = !next.braked && map_.braked;
  out.changed = out.changed || !out.changes.empty() || next.braked != map_.braked
                || next.left_out != map_.left_out;
}

zone_outcome zone_tracker::step(const std::vector<node_risk>& risks,
                                const std::map<node_id, node_row>& nodes,
                                const zone_settings& rules, time_point now) {
  zone_outcome out;
  follow(risks, nodes, rules, now, out);
  if (rounds_ < rules.enter_rounds) ++rounds_;
  out.settled = rounds_ >= rules.enter_rounds;
  auto up = static_cast<size_t>(std::count_if(nodes.begin(), nodes.end(), [](const auto& entry) {
    return entry.second.state != node_state::dead;
  }));
  zone_map next;
  next.term = term_;
  auto risky = brake(rules, up, next);
  next.zones = group(risky, nodes, rules);
  for (auto& z : next.zones) describe_zone(z, nodes, risky, rules);
  name_zones(next.zones);
  compare(next, out);
  next.generation = out.changed ? next_generation_++ : map_.generation;
  map_ = std::move(next);
  return out;
}

} // namespace harbinger
