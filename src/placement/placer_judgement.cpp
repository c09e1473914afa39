#include "placement/placer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

/// Filters and scores.

namespace harbinger {

namespace {

std::string mebibytes(double bytes) {
  char text[48];
  std::snprintf(text, sizeof text, "%.1f MiB", bytes / (1 << 20));
  return text;
}

/// Of what nodes report: any number, so that whole ones could wrap round to small ones.
double sum(std::initializer_list<uint64_t> parts) {
  double all = 0.0;
  for (auto part : parts) all += static_cast<double>(part);
  return all;
}

bool listed(std::span<const node_number> list, node_number n) {
  return std::find(list.begin(), list.end(), n) != list.end();
}

} // namespace

placer::question placer::ask(const placer_query& query) const {
  question q;
  q.query = &query;
  q.holders = cluster_->partition(query.partition).holders.get();
  q.primary = cluster_->primary_of(query.partition);
  auto stays = [&](node_number n) {
    return cluster_->nodes()[n].state == node_state::up && zones_.of(n).zone == no_number;
  };
  for (const auto& h : q.holders)
    if (stays(h.node)) q.stays.push_back(h.node);
  for (auto n : query.chosen)
    if (stays(n)) q.stays.push_back(n);
  return q;
}

placer::verdict placer::judge(const question& q, node_number n, uint64_t freed_bytes) const {
  const auto& node = cluster_->nodes()[n];
  if (node.state != node_state::up) return verdict::not_up;
  const auto& standing = zones_.of(n);
  if (standing.zone != no_number) return verdict::in_zone;
  if (standing.exposed_by != no_number) return verdict::exposed;
  for (const auto& h : q.holders) {
    if (h.node != n) continue;
    if (is_replica(h.kind)) return verdict::replica;
    return h.kind == holding_kind::joiner ? verdict::joiner : verdict::copy;
  }
  if (listed(q.query->chosen, n)) return verdict::copy;
  if (listed(q.query->keep_away, n)) return verdict::kept_away;
  if (node.capacity_bytes == 0) return verdict::no_capacity;
  const auto& load = cluster_->load(n);
  auto capacity = static_cast<double>(node.capacity_bytes);
  double more = sum({q.query->size_bytes, n < nodes_.size() ? nodes_[n].promised_bytes : 0});
  auto freed = static_cast<double>(freed_bytes);
  if (sum({load.used_bytes, load.copying_bytes}) + more - freed > rules_.placement.quota * capacity)
    return verdict::no_room;
  if (sum({load.copies_bytes}) + more - freed > rules_.space_max * capacity)
    return verdict::no_room_for_copies;
  return verdict::passes;
}

placer::verdict placer::judge_spread(const question& q, node_number n, node_number* with,
                                     attribute_number* by) const {
  const auto& nodes = cluster_->nodes();
  for (auto a : spread_) {
    auto mine = nodes.value_of(n, a);
    if (mine == no_number) continue;
    for (auto other : q.stays) {
      if (nodes.value_of(other, a) != mine) continue;
      if (with) *with = other;
      if (by) *by = a;
      return verdict::spread;
    }
  }
  return verdict::passes;
}

bool placer::allowed(const question& q, node_number n) const {
  return judge(q, n) == verdict::passes
         && (q.spread_waived || judge_spread(q, n) == verdict::passes);
}

bool placer::passes(const placer_query& query, node_number n) const {
  return judge(ask(query), n) == verdict::passes;
}

bool placer::passes_with_room(const placer_query& query, node_number n, uint64_t more_bytes) const {
  auto q = ask(query);
  return judge(q, n, more_bytes) == verdict::passes && judge_spread(q, n) == verdict::passes;
}

std::string placer::words(const question& q, node_number n, verdict v) const {
  const auto& node = cluster_->nodes()[n];
  const auto& load = cluster_->load(n);
  auto capacity = static_cast<double>(node.capacity_bytes);
  auto promised = n < nodes_.size() ? nodes_[n].promised_bytes : 0;
  auto more = sum({q.query->size_bytes, promised});
  auto zone = [&](uint32_t place) { return std::to_string(zones_.id(place).value); };
  switch (v) {
  case verdict::passes: return {};
  case verdict::not_up: return "not up: " + std::string(name_of(node.state));
  case verdict::in_zone: return "in zone " + zone(zones_.of(n).zone);
  case verdict::exposed: return "exposed by zone " + zone(zones_.of(n).exposed_by);
  case verdict::replica: return "already a replica of the partition";
  case verdict::joiner: return "already joining the partition's replicas";
  case verdict::copy: return "already has a copy of the partition, or is to get one";
  case verdict::kept_away: return "kept away: a copy of the partition failed there lately";
  case verdict::no_capacity: return "no room: states no capacity";
  case verdict::no_room:
    return "no room: " + mebibytes(sum({load.used_bytes, load.copying_bytes}) + more) + " of quota "
           + mebibytes(rules_.placement.quota * capacity);
  case verdict::no_room_for_copies:
    return "no room for copies: " + mebibytes(static_cast<double>(load.copies_bytes) + more)
           + " of " + mebibytes(rules_.space_max * capacity);
  case verdict::spread: break;
  }
  node_number with = no_number;
  attribute_number by = 0;
  judge_spread(q, n, &with, &by);
  return "same " + cluster_->nodes().attribute_name(by) + " as " + cluster_->nodes()[with].id.value;
}

// --- score

double placer::risk_of(node_number n) const {
  double own = n < risks_.size() ? risks_[n] : 0.0;
  return std::isfinite(own) ? std::clamp(own, 0.0, 1.0) : 1.0;
}

placer::terms placer::own_terms_of(node_number n, uint64_t size_bytes) const {
  const auto& w = rules_.placement;
  const auto& load = cluster_->load(n);
  const auto& s = nodes_[n];
  auto capacity = static_cast<double>(cluster_->nodes()[n].capacity_bytes);
  auto used = sum({load.used_bytes, load.copying_bytes, s.promised_bytes, size_bytes});
  auto holdings = static_cast<double>(load.replicas + s.counted_copies) / s.weight;
  terms t;
  t.free = w.weight_free * (1.0 - used / capacity);
  t.load = w.weight_load * (writes_max_ > 0.0 ? 1.0 - load.writes_per_s / writes_max_ : 1.0);
  t.risk = w.weight_risk * (zones_.of(n).left_out ? 0.0 : 1.0 - risk_of(n));
  t.balance = w.weight_balance * (holdings_max_ > 0.0 ? 1.0 - holdings / holdings_max_ : 1.0);
  return t;
}

placer::terms placer::terms_of(const question& q, node_number n) const {
  auto t = own_terms_of(n, q.query->size_bytes);
  t.risk *= 1.0 - shared_domains(q, n);
  t.rtt = rules_.placement.weight_rtt * rtt_term(q.primary, n);
  t.near = rules_.placement.weight_near * nearness(q.primary, n);
  return t;
}

double placer::shared_domains(const question& q, node_number n) const {
  if (domains_.empty() || q.stays.empty()) return 0.0;
  const auto& nodes = cluster_->nodes();
  size_t shared = 0;
  for (auto a : domains_) {
    auto mine = nodes.value_of(n, a);
    if (mine == no_number) continue;
    shared += std::any_of(q.stays.begin(), q.stays.end(),
                          [&](node_number other) { return nodes.value_of(other, a) == mine; });
  }
  return static_cast<double>(shared) / static_cast<double>(domains_.size());
}

double placer::nearness(node_number primary, node_number n) const {
  if (near_.empty() || primary == no_number) return 0.5;
  const auto& nodes = cluster_->nodes();
  size_t shared = 0;
  for (auto a : near_) {
    auto mine = nodes.value_of(n, a);
    shared += mine != no_number && nodes.value_of(primary, a) == mine;
  }
  return static_cast<double>(shared) / static_cast<double>(near_.size());
}

double placer::rtt_term(node_number primary, node_number n) const {
  if (primary == no_number) return 0.5;
  auto ms = cluster_->rtt_ms(n, primary);
  return ms ? 10.0 / (10.0 + *ms) : 0.5;
}

std::string placer::words(const terms& t) {
  char text[160];
  std::snprintf(text, sizeof text,
                "free %.3f, load %.3f, risk %.3f, rtt %.3f, near %.3f, balance %.3f", t.free,
                t.load, t.risk, t.rtt, t.near, t.balance);
  return text;
}

void placer::put_first(std::vector<opinion>& candidates, node_number chosen) const {
  auto place = std::find_if(candidates.begin(), candidates.end(),
                            [&](const opinion& o) { return o.node == chosen; });
  if (place == candidates.end()) return;
  place->text += "; first by " + rules_.placement.strategy;
  std::rotate(candidates.begin(), place, place + 1);
}

std::vector<placer::opinion> placer::explain(const placer_query& query) const {
  const auto& nodes = cluster_->nodes();
  auto q = ask(query);
  std::vector<opinion> candidates, rejected, spread_out;
  for (node_number n = 0; n < nodes.size(); ++n) {
    auto v = judge(q, n);
    if (v == verdict::passes && weight_of(n) == 0.0) continue; // not known at the last refresh
    auto near = v == verdict::passes ? judge_spread(q, n) : v;
    if (v != verdict::passes) {
      rejected.push_back({n, false, false, 0.0, words(q, n, v)});
      continue;
    }
    auto t = terms_of(q, n);
    opinion o{n, true, over_fair_share(n), t.total(), words(t)};
    if (o.over_share) o.text += "; has its fair share of copies";
    if (query.urgent && round_of(n) > 0)
      o.text += "; no place is free: " + std::to_string(nodes_[n].under_way + nodes_[n].queued)
                + " copies under way or queued, " + std::to_string(rules_.places) + " at once";
    if (near == verdict::spread) {
      o.text += "; spread waived, nobody else left: " + words(q, n, near);
      spread_out.push_back(std::move(o));
    } else {
      candidates.push_back(std::move(o));
    }
  }
  bool waived = candidates.empty();
  for (auto& o : spread_out) {
    if (waived)
      candidates.push_back(std::move(o));
    else
      rejected.push_back({o.node, false, false, 0.0, words(q, o.node, verdict::spread)});
  }
  std::sort(candidates.begin(), candidates.end(), [&](const opinion& a, const opinion& b) {
    return better(opinion_of(q, a.node), opinion_of(q, b.node), nodes);
  });
  if (rules_.placement.strategy != "weighted") put_first(candidates, choose(query));
  std::sort(rejected.begin(), rejected.end(), [&](const opinion& a, const opinion& b) {
    return nodes.rank(a.node) < nodes.rank(b.node);
  });
  candidates.insert(candidates.end(), std::make_move_iterator(rejected.begin()),
                    std::make_move_iterator(rejected.end()));
  return candidates;
}

// --- other strategies

double placer::hash_rank(const question& q, node_number n) const {
  // The finalizer of splitmix64 (Steele, Lea, Flood 2014) over both names.
  uint64_t x = hashes_[n]
               + (cluster_->partition(q.query->partition).id.value + 1) * 0x9e3779b97f4a7c15ull
               + q.query->chosen.size();
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 27) * 0x94d049bb133111ebull;
  x ^= x >> 31;
  return (static_cast<double>(x >> 11) + 0.5) / 9007199254740992.0; // 0..1, without the ends
}

node_number placer::best_by_hash(const question& q) const {
  bool weighted = rules_.placement.strategy == "rendezvous";
  std::array<std::pair<double, node_number>, 2> best{{{0.0, no_number}, {0.0, no_number}}};
  for (node_number n = 0; n < nodes_.size(); ++n) {
    if (nodes_[n].weight == 0.0 || !allowed(q, n)) continue;
    double rank = hash_rank(q, n);
    if (weighted) rank = -nodes_[n].weight / std::log(rank);
    if (best[0].second == no_number || rank > best[0].first) {
      best[1] = best[0];
      best[0] = {rank, n};
    } else if (best[1].second == no_number || rank > best[1].first) {
      best[1] = {rank, n};
    }
  }
  if (rules_.placement.strategy != "power_of_two" || best[1].second == no_number)
    return best[0].second;
  auto fullness = [&](node_number n) {
    return static_cast<double>(nodes_[n].counted_copies) / nodes_[n].weight;
  };
  return fullness(best[1].second) < fullness(best[0].second) ? best[1].second : best[0].second;
}

} // namespace harbinger
