#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "app/process.hpp"
#include "bench.hpp"
#include "catalog/catalog_view.hpp"
#include "large_fleet.hpp"
#include "prefetch/plan_preview.hpp"
#include "prefetch/protection_plan.hpp"
#include "zones/zone_tracker.hpp"

/// Zones, plan and placement of 10,000 nodes and 1,000,000 partitions, on one core.

namespace harbinger {

namespace {

using steady = std::chrono::steady_clock;
constexpr double full_plan_ms_max = 2000, one_zone_ms_max = 10, bytes_a_partition_max = 1024;
constexpr double equal_max = 1.02, mixed_max = 1.05;
constexpr size_t zone_changes = 200; ///< single nodes that come and go, a run
constexpr time_point noon{std::chrono::hours(12)};

double since(steady::time_point begun) { return to_ms(steady::now() - begun); }

plan_rules rules_with(const std::string& strategy) {
  settings config;
  plan_rules rules;
  rules.prefetch = config.prefetch;
  rules.placement = config.placement;
  rules.placement.strategy = strategy;
  rules.domains = config.zones.domains;
  rules.horizon_s = config.prediction.horizon_s;
  rules.prefetch.concurrent_max = 1000;
  rules.prefetch.total_bytes_per_s = uint64_t{10} << 30;
  return rules;
}

struct zones_found {
  zone_map map;
  double first_ms = 0.0, again_ms = 0.0; ///< a scoring in which zones form; one without news
};

/// Settings of the service, but for the brake: the share at risk is this bench's question.
zones_found find_zones(const large_fleet& world) {
  zone_settings rules;
  rules.share_max = rules.capacity_share_max = 0.35;
  zone_tracker tracker(term{1}, 1, 1);
  zones_found found;
  auto now = noon;
  for (uint32_t round = 0; round <= rules.enter_rounds + 1; ++round) {
    auto begun = steady::now();
    tracker.step(world.risks, world.rows, rules, now += seconds(1));
    if (round + 1 == rules.enter_rounds) found.first_ms = since(begun);
    if (round == rules.enter_rounds + 1) found.again_ms = since(begun);
  }
  found.map = tracker.map();
  return found;
}

struct timed_plan {
  std::unique_ptr<fleet> cluster;
  std::unique_ptr<protection_plan> plan;
  double ms = 0.0;
};

/// From cold: a planner that has seen nothing, on a fleet of which everything is news.
timed_plan plan_from_cold(const large_fleet& world, const zone_map& zones,
                          const std::string& strategy) {
  timed_plan out;
  out.cluster = std::make_unique<fleet>(*world.cluster);
  out.cluster->note_all();
  out.plan = std::make_unique<protection_plan>(*out.cluster);
  out.plan->set_rules(rules_with(strategy));
  out.plan->set_zones(zones);
  auto begun = steady::now();
  out.plan->step(noon);
  out.ms = since(begun);
  return out;
}

/// Planned targets that break a hard rule; by a reading of the rules of its own.
size_t violations(const timed_plan& p, const zone_map& zones) {
  const auto& nodes = p.cluster->nodes();
  zone_picture picture(zones, nodes);
  settings config;
  auto rack = nodes.attribute("rack");
  std::vector<double> promised(nodes.size());
  size_t broken = 0;
  for (const auto& c : p.plan->copies()) {
    if (c.target == no_number) continue;
    const auto& part = p.cluster->partition(c.partition);
    bool good = nodes[c.target].state == node_state::up && picture.of(c.target).safe();
    for (const auto& h : part.holders.get()) {
      bool stays = picture.of(h.node).zone == no_number;
      good = good && h.node != c.target
             && !(stays && nodes.value_of(h.node, *rack) == nodes.value_of(c.target, *rack));
    }
    promised[c.target] += static_cast<double>(part.size_bytes);
    double used = static_cast<double>(p.cluster->load(c.target).used_bytes) + promised[c.target];
    auto capacity = static_cast<double>(nodes[c.target].capacity_bytes);
    broken += !good || used > config.placement.quota * capacity
              || promised[c.target] > config.prefetch.space_max * capacity;
  }
  return broken;
}

bench_row full_row(const bench_options& options, const large_fleet& world,
                   const zones_found& zones) {
  std::vector<double> ours, others;
  bench_row row;
  std::vector<std::pair<std::string, double>> figures;
  for (uint32_t run = 0; run < options.runs && !interrupted(); ++run) {
    auto p = plan_from_cold(world, zones.map, "weighted");
    ours.push_back(p.ms);
    others.push_back(plan_from_cold(world, zones.map, "random").ms);
    if (run > 0) continue;
    auto s = summary_of(*p.plan);
    figures = {{"copies", static_cast<double>(s.copies)},
               {"without_target", static_cast<double>(s.without_target)},
               {"hard_rules_broken", static_cast<double>(violations(p, zones.map))},
               {"safe_nodes", static_cast<double>(p.plan->places().safe_nodes())},
               {"taking_in_ms", world.fill_ms},
               {"zones_form_ms", zones.first_ms},
               {"zones_again_ms", zones.again_ms}};
  }
  row = make_row("plan", "full plan from cold, 1 % at risk", "ms", better::less, ours,
                 "each copy by a look at every node", others, 1);
  row.value_max = full_plan_ms_max;
  row.figures = std::move(figures);
  return row;
}

/// A node by itself gets a zone of its own, and it goes again.
zone_map with_one_more(const zone_map& zones, const large_fleet& world, uint64_t number) {
  auto changed = zones;
  zone z;
  z.id = zone_id{1'000'000 + number};
  z.members = {world.risks[(number * 7919) % world.risks.size()].node};
  z.risks = {0.7};
  z.probability = z.joint_probability = 0.7;
  z.domain = "node=" + z.members[0].value;
  changed.zones.push_back(std::move(z));
  return changed;
}

bench_row one_zone_row(const bench_options& options, const large_fleet& world,
                       const zone_map& zones) {
  std::vector<double> ours, others;
  for (uint32_t run = 0; run < options.runs && !interrupted(); ++run) {
    auto p = plan_from_cold(world, zones, "weighted");
    others.push_back(p.ms);
    std::vector<double> times;
    for (uint64_t i = 0; i < zone_changes; ++i)
      for (const auto& map : {with_one_more(zones, world, i), zones}) {
        auto begun = steady::now();
        p.plan->set_zones(map);
        p.plan->step(noon + seconds(1));
        times.push_back(since(begun));
      }
    std::sort(times.begin(), times.end());
    ours.push_back(times[times.size() * 99 / 100]);
  }
  auto row = make_row("plan", "one zone changed, p99", "ms", better::less, ours,
                      "the full plan from cold", others, 1);
  row.value_max = one_zone_ms_max;
  return row;
}

/// The same partitions as rows of a catalog_view.
double catalog_bytes_each(size_t partitions) {
  malloc_trim(0);
  auto before = resident_bytes();
  catalog_view view;
  for (uint32_t i = 0; i < partitions; ++i) {
    partition_row row;
    row.id = make_partition_id(1, i);
    row.primary = node_id{"n" + std::to_string(10'000 + i % 10'000)};
    row.sync_set = {row.primary, node_id{"n" + std::to_string(10'000 + (i + 77) % 10'000)}};
    row.replicas_wanted = 2;
    row.history = {{epoch{1}, seq_no{1}}};
    view.put(row);
  }
  return static_cast<double>(resident_bytes() - before) / static_cast<double>(partitions);
}

bench_row memory_row(const large_fleet_options& large) {
  auto before = resident_bytes();
  auto world = make_large_fleet(large);
  auto zones = find_zones(world);
  protection_plan plan(*world.cluster);
  plan.set_rules(rules_with("weighted"));
  plan.set_zones(zones.map);
  plan.step(noon);
  auto bytes = static_cast<double>(resident_bytes() - before);
  auto each = bytes / static_cast<double>(large.partitions);
  auto row = make_row("plan", "memory a partition, nodes and plan in it", "bytes", better::less,
                      {each}, "the same as rows of a catalog", {catalog_bytes_each(200'000)}, 1);
  row.value_max = bytes_a_partition_max;
  row.figures = {{"counted_fleet", static_cast<double>(world.cluster->memory_bytes())
                                       / static_cast<double>(large.partitions)},
                 {"counted_plan", static_cast<double>(plan.memory_bytes())
                                      / static_cast<double>(large.partitions)}};
  return row;
}

bench_row balance_row(const large_fleet_options& large, const std::string& what, double most) {
  auto world = make_large_fleet(large);
  auto zones = find_zones(world);
  auto ours = plan_from_cold(world, zones.map, "weighted");
  auto balance = ours.plan->places().balance();
  bench_row row;
  double best = INFINITY;
  std::vector<std::pair<std::string, double>> figures = {
      {"bound", balance.bound},
      {"over_bound", balance.max_over_mean / balance.bound},
      {"copies", static_cast<double>(summary_of(*ours.plan).copies)},
      {"hard_rules_broken", static_cast<double>(violations(ours, zones.map))}};
  for (const char* strategy : {"random", "rendezvous", "power_of_two"}) {
    if (interrupted()) break;
    auto other = plan_from_cold(world, zones.map, strategy).plan->places().balance();
    figures.emplace_back(strategy, other.max_over_mean);
    best = std::min(best, other.max_over_mean);
  }
  row = make_row("plan", what, "max/mean", better::less, {balance.max_over_mean},
                 "best of random, rendezvous, power of two", {best}, 1);
  // Whole copies: where a node has a few only, no placement comes below the bound.
  row.value_max = std::max(most, balance.bound);
  row.figures = std::move(figures);
  return row;
}

} // namespace

result<bench_rows> bench_plan(const bench_options& options) {
  bench_rows rows;
  large_fleet_options large;
  rows.push_back(memory_row(large));
  {
    auto world = make_large_fleet(large);
    auto zones = find_zones(world);
    rows.push_back(full_row(options, world, zones));
    rows.push_back(one_zone_row(options, world, zones.map));
  }
  for (double at_risk : {0.01, 0.3})
    for (bool mixed : {false, true}) {
      if (interrupted()) return fail(errc::cancelled, "interrupted");
      auto o = large;
      o.at_risk = at_risk;
      o.mixed = mixed;
      // Random and its like look at every node for each copy: fewer partitions, as many a node.
      if (at_risk > 0.1) o.nodes = 1000, o.partitions = 100'000;
      auto what = std::string(mixed ? "copies on mixed nodes, " : "copies on equal nodes, ")
                  + (at_risk > 0.1 ? "30 % of 1,000 at risk" : "1 % of 10,000 at risk");
      rows.push_back(balance_row(o, what, mixed ? mixed_max : equal_max));
    }
  if (interrupted()) return fail(errc::cancelled, "interrupted");
  return rows;
}

} // namespace harbinger
