#include <boost/test/unit_test.hpp>

#include <functional>

#include "prefetch/in_time.hpp"
#include "tests/support/plain_plan.hpp"
#include "tests/support/seeds.hpp"

using namespace harbinger;
using test::mib;

namespace {

/// The most that any subset gains which is in time in order of deadlines, by trying all.
double best_gain(const std::vector<transfer>& list, const std::vector<double>& deadlines_s,
                 const std::vector<double>& rates) {
  double best = 0.0;
  for (uint32_t set = 0; set < 1u << list.size(); ++set) {
    std::vector<double> loads(rates.size());
    double gain = 0.0;
    bool in_time = true;
    for (uint32_t d = 0; d < deadlines_s.size() && in_time; ++d)
      for (size_t i = 0; i < list.size(); ++i) {
        if (!(set >> i & 1) || list[i].deadline != d) continue;
        gain += list[i].gain;
        for (auto thing : list[i].uses) {
          if (thing == transfer::nothing) continue;
          loads[thing] += list[i].bytes;
          in_time = in_time && loads[thing] <= rates[thing] * deadlines_s[d];
        }
      }
    if (in_time) best = std::max(best, gain);
  }
  return best;
}

void sort_by_gain_a_byte(std::vector<transfer>& list) {
  std::stable_sort(list.begin(), list.end(), [](const transfer& a, const transfer& b) {
    return a.gain * b.bytes > b.gain * a.bytes;
  });
}

/// Sizes and risks of all kinds, so that not everything can be in time.
test::named_cluster tight_cluster(test::random_clusters& random) {
  test::named_cluster world;
  for (int i = 1; i <= 8; ++i) world.node("n" + std::to_string(i), "r" + std::to_string(i));
  auto parts = 2 + random.below(11);
  for (uint32_t i = 0; i < parts; ++i) {
    auto a = 1 + random.below(4), b = 1 + random.below(8);
    if (a == b) b = 8;
    world.partition(i, {"n" + std::to_string(a), "n" + std::to_string(b)},
                    random.one_in(3) ? mib + random.below(60 * mib) : mib + random.below(8 * mib));
  }
  for (int i = 1; i <= 4; ++i)
    world.zone_of({"n" + std::to_string(i)}, {static_cast<double>(1 + random.below(256)) / 256.0});
  return world;
}

} // namespace

BOOST_AUTO_TEST_CASE(what_is_chosen_of_few_transfers_is_the_best_there_is) {
  size_t exact = 0, all = 0;
  for (auto seed : test::seeds(1500)) {
    test::random_clusters random{seed};
    std::vector<double> deadlines, rates;
    for (auto count = 1 + random.below(3); deadlines.size() < count;)
      deadlines.push_back((deadlines.empty() ? 0.0 : deadlines.back())
                          + static_cast<double>(1 + random.below(60)));
    for (auto count = 1 + random.below(4); rates.size() < count;)
      rates.push_back(static_cast<double>(1 + random.below(20)));
    std::vector<transfer> list(1 + random.below(13));
    for (auto& t : list) {
      t.gain = static_cast<double>(1 + random.below(1000));
      t.bytes = static_cast<double>(1 + random.below(random.one_in(3) ? 900 : 150));
      t.deadline = static_cast<uint32_t>(random.below(deadlines.size()));
      t.uses[0] = 0;
      for (uint32_t thing = 1; thing < rates.size(); ++thing)
        if (random.one_in(2)) t.uses[thing] = thing;
    }
    sort_by_gain_a_byte(list);
    transfer_room room(deadlines, rates);
    auto taken = choose_in_time(list, room);
    transfer_room again(deadlines, rates);
    double gain = 0.0;
    for (size_t i = 0; i < list.size(); ++i) {
      if (!taken[i]) continue;
      BOOST_REQUIRE_MESSAGE(again.fits(list[i]), test::repeat_with(seed));
      again.take(list[i]);
      gain += list[i].gain;
    }
    auto best = best_gain(list, deadlines, rates);
    BOOST_REQUIRE_MESSAGE(gain >= 0.95 * best, test::repeat_with(seed)
                                                   << ": " << gain << " of " << best);
    exact += gain >= best * (1.0 - 1e-9);
    ++all;
  }
  BOOST_TEST(exact * 100 >= all * 99);
}

BOOST_AUTO_TEST_CASE(what_a_small_plan_saves_in_time_is_what_the_best_one_would) {
  size_t short_of_time = 0;
  for (auto seed : test::seeds(400)) {
    test::random_clusters random{seed};
    auto world = tight_cluster(random);
    plan_rules rules;
    auto rate = mib * (1 + random.below(4));
    rules.prefetch.rate_bytes_per_s = rules.prefetch.total_bytes_per_s = rate;
    rules.prefetch.concurrent_max = rules.prefetch.concurrent_per_node_max = 1000;
    rules.prefetch.node_bytes_per_s = random.one_in(2) ? rate / 2 : 0;
    rules.horizon_s = 5.0 + 40.0 * random.uniform();
    fleet cluster;
    world.write(cluster);
    protection_plan plan{cluster};
    plan.set_rules(rules);
    plan.set_zones(world.zones);
    plan.step(time_point{std::chrono::hours(1)});
    double saved = 0.0;
    std::vector<transfer> list;
    auto nodes = static_cast<uint32_t>(cluster.nodes().size());
    std::vector<double> rates(
        1 + 2 * nodes, rules.prefetch.node_bytes_per_s > 0 ? static_cast<double>(rate / 2) : 1e30);
    rates[0] = static_cast<double>(rate);
    for (const auto& c : plan.copies()) {
      BOOST_REQUIRE(c.target != no_number);
      transfer t;
      t.gain = c.saved_s;
      t.bytes = c.bytes;
      t.uses = {0, 1 + c.source, 1 + nodes + c.target, transfer::nothing, transfer::nothing};
      list.push_back(t);
      if (c.late())
        ++short_of_time;
      else
        saved += t.gain;
    }
    auto best = best_gain(list, {rules.horizon_s}, rates);
    BOOST_REQUIRE_MESSAGE(saved >= 0.95 * best, test::repeat_with(seed)
                                                    << ": " << saved << " s of " << best << " s");
    BOOST_REQUIRE_MESSAGE(saved <= best * (1.0 + 1e-9), test::repeat_with(seed));
  }
  BOOST_TEST(short_of_time > 500u);
}

namespace {

/// The least that the fullest node can have, by weight, whoever places the copies: all assignments
/// that the hard filters allow.
double least_fullest(const std::vector<std::vector<size_t>>& allowed,
                     const std::vector<double>& weights, double best_known) {
  std::vector<double> counts(weights.size());
  double best = best_known;
  std::function<void(size_t, double)> place = [&](size_t next, double most) {
    if (most >= best) return;
    if (next == allowed.size()) {
      best = most;
      return;
    }
    for (auto n : allowed[next]) {
      ++counts[n];
      place(next + 1, std::max(most, counts[n] / weights[n]));
      --counts[n];
    }
  };
  place(0, 0.0);
  return best;
}

} // namespace

BOOST_AUTO_TEST_CASE(the_fullest_node_of_a_small_plan_has_no_more_than_the_best_one_would_give_it) {
  for (auto seed : test::seeds(400)) {
    test::random_clusters random{seed};
    test::named_cluster world;
    auto count = 4 + random.below(5);
    bool mixed = random.one_in(2);
    for (size_t i = 1; i <= count; ++i)
      world.node("n" + std::to_string(i), "r" + std::to_string(i),
                 (mixed ? 1 + random.below(3) : 1) * 100'000 * mib);
    auto parts = 1 + random.below(12);
    for (uint32_t i = 0; i < parts; ++i) {
      auto other = 2 + random.below(count - 1);
      world.partition(i, {"n1", "n" + std::to_string(other)}, 1 + random.below(30 * mib));
    }
    world.zone_of({"n1"}, {0.75});
    fleet cluster;
    world.write(cluster);
    protection_plan plan{cluster};
    plan_rules rules;
    plan.set_rules(rules);
    plan.set_zones(world.zones);
    plan.step(time_point{std::chrono::hours(1)});

    double safe = 0.0, capacity = 0.0;
    for (const auto& [id, row] : world.nodes)
      if (id.value != "n1") safe += 1.0, capacity += static_cast<double>(row.capacity_bytes);
    std::vector<double> weights(count), counts(count);
    for (size_t n = 0; n < count; ++n)
      weights[n] = static_cast<double>(cluster.nodes()[static_cast<node_number>(n)].capacity_bytes)
                   / (capacity / safe);
    std::vector<std::vector<size_t>> allowed;
    for (const auto& c : plan.copies()) {
      BOOST_REQUIRE(c.target != no_number);
      ++counts[c.target];
      allowed.emplace_back();
      for (node_number n = 1; n < count; ++n)
        if (!cluster.partition(c.partition).holders.find(n)) allowed.back().push_back(n);
    }
    double fullest = 0.0;
    for (size_t n = 0; n < count; ++n) fullest = std::max(fullest, counts[n] / weights[n]);
    auto best = least_fullest(allowed, weights, fullest);
    BOOST_REQUIRE_MESSAGE(fullest <= best * 1.05, test::repeat_with(seed)
                                                      << ": " << fullest << ", the best " << best);
  }
}
