#pragma once

/// The rules of zone_tracker once more, by names and without any care for speed. Twin of the fast
/// one (tests/property/zones_agree_with_the_slow_ones.cpp): written from the rules in the headers,
/// not from the code.

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "core/settings.hpp"
#include "messages/catalog.hpp"
#include "messages/zones.hpp"
#include "zones/joint_probability.hpp"
#include "zones/zone_tracker.hpp"

namespace harbinger::test {

class slow_zones {
public:
  using names = std::set<std::string>;
  struct group {
    uint64_t id = 0;
    std::string cause, domain; ///< cause: domain, together, single, planned
    names members, exposed;
  };

  /// As zone_tracker's, without reasons.
  zone_map step(const std::vector<node_risk>& risks, const std::map<node_id, node_row>& nodes,
                const zone_settings& rules, time_point now,
                const std::vector<planned_event>& planned) {
    nodes_ = &nodes, rules_ = &rules;
    ++round_;
    hear(risks, now);
    planned_.clear();
    for (const auto& p : planned)
      if (alive(p.node.value)) planned_[p.node.value] = p.within_s;
    zone_map next;
    next.term = term{1};
    auto taken = brake(next);
    auto groups = make_groups(taken);
    give_ids(groups);
    auto unexposed = expose(groups);
    next.unexposed_domains.assign(unexposed.begin(), unexposed.end());
    bool changed = next.left_out != last_.left_out
                   || next.unexposed_domains != last_.unexposed_domains
                   || groups.size() != groups_.size();
    for (size_t i = 0; i < groups.size() && !changed; ++i)
      changed = std::tie(groups[i].id, groups[i].cause, groups[i].domain, groups[i].members,
                         groups[i].exposed)
                != std::tie(groups_[i].id, groups_[i].cause, groups_[i].domain, groups_[i].members,
                            groups_[i].exposed);
    for (const auto& g : groups) next.zones.push_back(shown(g));
    next.generation = changed ? generation_++ : last_.generation;
    groups_ = groups;
    last_ = next;
    return next;
  }

private:
  struct track {
    bool risky = false;
    uint32_t above = 0;
    double probability = 0;
    time_point since;
    uint64_t watched_since = 0; ///< round; 0: is not
  };

  bool alive(const std::string& n) const {
    auto found = nodes_->find(node_id{n});
    return found != nodes_->end() && found->second.state != node_state::dead;
  }
  names living() const {
    names out;
    for (const auto& [id, row] : *nodes_)
      if (row.state != node_state::dead) out.insert(id.value);
    return out;
  }
  names domains_of(const std::string& n) const {
    names out;
    for (const auto& [name, value] : nodes_->at(node_id{n}).attributes)
      if (std::count(rules_->domains.begin(), rules_->domains.end(), name) > 0)
        out.insert(name + "=" + value);
    return out;
  }
  names nodes_with(const std::string& domain) const {
    names out;
    for (const auto& n : living())
      if (domains_of(n).contains(domain)) out.insert(n);
    return out;
  }
  static size_t common(const names& a, const names& b) {
    return static_cast<size_t>(
        std::count_if(a.begin(), a.end(), [&](const auto& n) { return b.contains(n); }));
  }

  bool in_a_zone(const std::string& n) const {
    return std::any_of(groups_.begin(), groups_.end(),
                       [&](const group& g) { return g.members.contains(n); });
  }

  void hear(const std::vector<node_risk>& risks, time_point now) {
    for (auto i = tracks_.begin(); i != tracks_.end();)
      i = alive(i->first) ? std::next(i) : tracks_.erase(i);
    auto& heard = history_.emplace_back();
    for (const auto& r : risks) {
      bool sound = std::isfinite(r.probability) && r.probability >= 0 && r.probability <= 1;
      if (!sound || !alive(r.node.value) || !heard.emplace(r.node.value, r.deviations).second)
        continue;
      auto& t = tracks_[r.node.value];
      t.probability = r.probability;
      t.above = r.probability >= rules_->enter_at ? t.above + 1 : 0;
      if (!t.risky && t.above >= rules_->enter_rounds) t.risky = true, t.since = now;
      double doubt = std::isfinite(r.uncertainty) ? std::max(0.0, r.uncertainty) : 1;
      if (t.risky && r.probability < rules_->leave_at && r.probability + doubt < rules_->enter_at
          && (!in_a_zone(r.node.value) || to_seconds(now - t.since) >= rules_->minimum_stay_s))
        t.risky = false;
    }
    for (auto& [n, t] : tracks_) {
      bool watched = heard.contains(n) && (t.risky || t.probability >= rules_->leave_at);
      t.watched_since = !watched ? 0 : t.watched_since == 0 ? round_ : t.watched_since;
    }
  }

  /// Riskiest first.
  std::vector<std::string> brake(zone_map& next) const {
    std::vector<std::tuple<bool, long, bool, std::string>> order;
    for (const auto& n : living()) {
      bool planned = planned_.contains(n);
      auto t = tracks_.find(n);
      if (!planned && (t == tracks_.end() || !t->second.risky)) continue;
      order.emplace_back(!planned, planned ? 0 : -std::lround(t->second.probability * 20),
                         !in_a_zone(n), n);
    }
    std::sort(order.begin(), order.end());
    double all = 0, capacity = 0;
    for (const auto& n : living()) all += double(nodes_->at(node_id{n}).capacity_bytes);
    std::vector<std::string> taken;
    for (const auto& [a, b, c, n] : order) {
      double own = double(nodes_->at(node_id{n}).capacity_bytes);
      bool fits = double(taken.size() + 1) <= rules_->share_max * double(living().size()) + 1e-9
                  && capacity + own <= rules_->capacity_share_max * all * (1 + 1e-9);
      if (taken.empty() || fits)
        taken.push_back(n), capacity += own;
      else
        next.left_out.push_back(node_id{n});
    }
    std::sort(next.left_out.begin(), next.left_out.end());
    next.braked = !next.left_out.empty();
    return taken;
  }

  static double tail(size_t population, size_t marked, size_t draws, size_t hits) {
    auto choose = [](size_t n, size_t k) {
      return std::lgamma(double(n) + 1) - std::lgamma(double(k) + 1)
             - std::lgamma(double(n - k) + 1);
    };
    double sum = 0;
    for (size_t x = hits; x <= std::min(marked, draws); ++x)
      if (draws - x <= population - marked)
        sum += std::exp(choose(marked, x) + choose(population - marked, draws - x)
                        - choose(population, draws));
    return sum;
  }

  std::vector<group> make_groups(const std::vector<std::string>& taken) {
    std::vector<group> out;
    std::vector<std::string> left;
    names everything;
    for (const auto& [n, t] : tracks_) // whom the brake leaves out counts as a sign
      if (t.risky && !planned_.contains(n)) left.push_back(n);
    for (const auto& n : living())
      for (const auto& d : domains_of(n)) everything.insert(d);
    size_t population = living().size(), looked_at = 0;
    for (const auto& d : everything) {
      auto draws = nodes_with(d).size();
      if (draws >= 2
          && tail(population, left.size(), draws, std::min(draws, left.size()))
                 < rules_->concentration_p - 1e-12)
        ++looked_at;
    }
    looked_at = std::max<size_t>(1, looked_at);
    auto hits_of = [&](const std::string& d) {
      return common({left.begin(), left.end()}, nodes_with(d));
    };
    auto take = [&](const std::string& d) {
      group g{0, "domain", d, {}, {}};
      auto inside = nodes_with(d);
      for (const auto& n : left)
        if (inside.contains(n)) g.members.insert(n);
      std::erase_if(left, [&](const auto& n) { return g.members.contains(n); });
      out.push_back(g);
    };
    for (const auto& old : groups_)
      if (old.cause == "domain" && everything.contains(old.domain) && hits_of(old.domain) >= 2)
        take(old.domain);
    for (bool found = true; found;) {
      found = false;
      std::pair<double, std::string> best{1e9, ""};
      for (const auto& d : everything) {
        auto hits = hits_of(d);
        if (hits < 2) continue;
        double p = tail(population, left.size(), nodes_with(d).size(), hits);
        if (p * double(looked_at) >= rules_->concentration_p) continue;
        if (best.second.empty() || p < best.first * (1 - 1e-9)) best = {p, d};
      }
      if (!best.second.empty()) found = true, take(best.second);
    }
    for (auto& g : moving(left)) {
      std::erase_if(left, [&](const auto& n) { return g.members.contains(n); });
      out.push_back(g);
    }
    for (const auto& n : left) out.push_back({0, "single", "node=" + n, {n}, {}});
    for (const auto& n : taken)
      if (planned_.contains(n)) out.push_back({0, "planned", "node=" + n, {n}, {}});
    for (auto& g : out)
      std::erase_if(g.members,
                    [&](const auto& n) { return std::count(taken.begin(), taken.end(), n) == 0; });
    std::erase_if(out, [](const group& g) { return g.members.empty(); });
    return out;
  }

  // --- telemetry that moves together ---

  using series = std::vector<double>;
  static constexpr size_t rounds = 32;

  std::optional<double> increment(size_t round, const std::string& n, size_t g) const {
    if (round < 1) return {};
    const auto &now = history_[round], &before = history_[round - 1];
    if (!now.contains(n) || !before.contains(n)) return {};
    float x = now.at(n)[g] - before.at(n)[g];
    return std::isfinite(x) ? std::optional<double>(x) : std::nullopt;
  }
  double fleet(size_t round, size_t g) const {
    std::vector<double> all;
    for (const auto& [n, d] : history_[round])
      if (auto x = increment(round, n, g)) all.push_back(*x);
    std::sort(all.begin(), all.end());
    return all.empty() ? 0 : all[(all.size() - 1) / 2];
  }
  /// Raw and own increments; empty: not enough of them.
  std::pair<series, series> increments(const std::string& n, size_t g) const {
    series raw, own;
    auto last = history_.size();
    if (tracks_.at(n).watched_since == 0 || last < rounds
        || tracks_.at(n).watched_since > round_ - rounds + 1)
      return {};
    for (size_t r = last - rounds; r < last; ++r) {
      auto x = increment(r, n, g);
      if (!x) return {};
      raw.push_back(*x);
      own.push_back(float(*x) - float(fleet(r, g)));
    }
    if (std::count(raw.begin(), raw.end(), 0.0) > 16) return {};
    return {raw, own};
  }
  static series ranks(const series& values) {
    series out;
    double squares = 0;
    for (double x : values) {
      double below = 0, equal = 0;
      for (double y : values) below += y < x, equal += y == x;
      double rank = below + (equal - 1) / 2 - (double(values.size()) - 1) / 2;
      out.push_back(rank), squares += rank * rank;
    }
    for (double& x : out) x /= squares > 0 ? std::sqrt(squares) : 1;
    return out;
  }
  static double dot(const series& a, const series& b, size_t shift = 0) {
    double sum = 0;
    for (size_t i = 0; i + shift < a.size(); ++i) sum += a[i] * b[i + shift];
    return sum;
  }
  static double chance(double r, const series& a, const series& b) {
    double ab = dot(a, a, 1) * dot(b, b, 1), n = double(a.size());
    double worth = std::min(n, n * (1 - ab) / (1 + ab));
    if (worth <= 4) return 1;
    // The density of r summed in ten thousand steps.
    double above = 0, all = 0;
    for (int i = 0; i < 20'000; ++i) {
      double x = -1 + (i + 0.5) / 10'000, density = std::pow(1 - x * x, (worth - 4) / 2);
      all += density;
      if (x >= r) above += density;
    }
    return above / all;
  }

  std::vector<group> moving(const std::vector<std::string>& left) const {
    std::map<std::string, std::vector<std::pair<series, series>>> rows;
    double judged = 0;
    for (const auto& n : left) {
      bool any = false;
      for (size_t g = 0; g < metric_groups; ++g) {
        auto [raw, own] = tracks_.contains(n) ? increments(n, g) : std::pair<series, series>{};
        any = any || !raw.empty();
        rows[n].push_back({ranks(raw), ranks(own)});
      }
      judged += any;
    }
    double looked_at = std::max(1.0, judged * (judged - 1) / 2 * double(metric_groups));
    auto linked = [&](const std::string& a, const std::string& b) {
      bool standing = std::any_of(groups_.begin(), groups_.end(), [&](const group& g) {
        return g.cause == "together" && g.members.contains(a) && g.members.contains(b);
      });
      bool known = false;
      double best = 0, p = 1;
      for (size_t g = 0; g < metric_groups; ++g) {
        const auto& [raw_a, own_a] = rows[a][g];
        const auto& [raw_b, own_b] = rows[b][g];
        if (raw_a.empty() || raw_b.empty()) continue;
        known = true;
        double r = std::min(dot(raw_a, raw_b), dot(own_a, own_b));
        if (r <= best) continue;
        best = r, p = std::max(chance(r, raw_a, raw_b), chance(r, own_a, own_b));
      }
      if (best >= rules_->comovement_min && p * looked_at < rules_->concentration_p) return true;
      return standing && (!known || best > rules_->comovement_min - 0.2);
    };
    std::vector<group> out;
    if (rules_->comovement_min >= 1) return out;
    names open(left.begin(), left.end());
    while (!open.empty()) {
      group g{0, "together", "moves together", {*open.begin()}, {}};
      for (bool grown = true; grown;) {
        grown = false;
        for (const auto& n : left)
          if (!g.members.contains(n)
              && std::any_of(g.members.begin(), g.members.end(),
                             [&](const auto& m) { return linked(m, n); }))
            g.members.insert(n), grown = true;
      }
      for (const auto& n : g.members) open.erase(n);
      if (g.members.size() > 1) out.push_back(g);
    }
    return out;
  }

  // --- names, exposure ---

  void give_ids(std::vector<group>& now) {
    auto first = [](const group& a, const group& b) {
      return *a.members.begin() < *b.members.begin();
    };
    std::set<uint64_t> given;
    for (;;) {
      using key = std::tuple<size_t, bool, uint64_t, size_t, std::string>;
      std::optional<key> best_key;
      group* best = nullptr;
      for (auto& g : now)
        for (const auto& old : groups_) {
          auto shared = common(g.members, old.members);
          if (g.id != 0 || given.contains(old.id) || shared == 0) continue;
          bool same = g.cause == old.cause
                      && (g.cause == "domain" || g.cause == "together" ? g.domain == old.domain
                                                                       : g.members == old.members);
          key k{1000 - shared, !same, old.id, 1000 - g.members.size(), *g.members.begin()};
          if (!best_key || k < *best_key) best_key = k, best = &g;
        }
      if (!best) break;
      best->id = std::get<2>(*best_key);
      given.insert(best->id);
    }
    for (auto& g : now)
      for (const auto& old : groups_)
        if (g.id == 0 && g.cause == "domain" && old.cause == "domain" && g.domain == old.domain
            && given.insert(old.id).second)
          g.id = old.id;
    std::sort(now.begin(), now.end(), [&](const group& a, const group& b) {
      bool many_a = a.cause == "domain" || a.cause == "together",
           many_b = b.cause == "domain" || b.cause == "together";
      return many_a != many_b ? many_a : first(a, b);
    });
    for (auto& g : now)
      if (g.id == 0) g.id = next_++;
    std::sort(now.begin(), now.end(), [](const group& a, const group& b) { return a.id < b.id; });
  }

  names expose(std::vector<group>& groups) const {
    names members, exposed, refused, accepted;
    std::set<std::tuple<bool, size_t, std::string>> order;
    for (const auto& g : groups) {
      members.insert(g.members.begin(), g.members.end());
      if (g.cause == "planned") continue;
      for (const auto& n : g.members)
        for (const auto& d : domains_of(n)) {
          bool condemned = std::any_of(groups.begin(), groups.end(), [&](const group& other) {
            return other.cause == "domain" && other.domain == d;
          });
          order.emplace(!condemned, nodes_with(d).size(), d);
        }
    }
    for (const auto& [wide, size, d] : order) {
      auto with = exposed;
      for (const auto& n : nodes_with(d))
        if (!members.contains(n)) with.insert(n);
      if (double(with.size()) > rules_->exposed_share_max * double(living().size()) + 1e-9)
        refused.insert(d);
      else
        exposed = with, accepted.insert(d);
    }
    for (auto& g : groups) {
      if (g.cause == "planned") continue;
      for (const auto& n : g.members)
        for (const auto& d : domains_of(n))
          if (accepted.contains(d))
            for (const auto& other : nodes_with(d))
              if (!members.contains(other)) g.exposed.insert(other);
    }
    return refused;
  }

  zone shown(const group& g) const {
    zone z;
    z.id = zone_id{g.id};
    z.domain = g.domain;
    for (const auto& n : g.members) {
      z.members.push_back(node_id{n});
      z.risks.push_back(planned_.contains(n) ? 1.0 : tracks_.at(n).probability);
    }
    for (const auto& n : g.exposed) z.exposed.push_back(node_id{n});
    auto joint = joint_probability(z.risks);
    z.probability = joint.any, z.joint_probability = joint.all, z.common_cause = joint.common;
    if (g.cause == "planned") z.within_s = std::max(1.0, planned_.at(*g.members.begin()));
    return z;
  }

  const std::map<node_id, node_row>* nodes_ = nullptr;
  const zone_settings* rules_ = nullptr;
  uint64_t round_ = 0, next_ = 1, generation_ = 1;
  std::map<std::string, track> tracks_;
  std::vector<std::map<std::string, group_deviations>> history_;
  std::map<std::string, double> planned_;
  std::vector<group> groups_;
  zone_map last_;
};

} // namespace harbinger::test
