#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <random>

#include "tests/support/seeds.hpp"
#include "tests/support/slow_zones.hpp"
#include "wire/codec.hpp"
#include "zones/zone_tracker.hpp"

using namespace harbinger;

namespace {

/// A small cluster whose risks, states, attributes, plans and telemetry do what they like.
struct wild_cluster {
  std::mt19937_64 random;
  std::map<node_id, node_row> nodes;
  zone_settings rules;
  std::map<node_id, double> level;
  std::map<node_id, size_t> follows; ///< whose movement; 0: its own
  std::map<node_id, group_deviations> telemetry;
  std::vector<planned_event> planned;
  uint64_t revisions = 0;
  size_t fleet_event = 0; ///< rounds in which everybody moves alike

  explicit wild_cluster(uint64_t seed) : random(seed) {
    rules.domains = {"rack", "power", "rack", "nobody"};
    rules.enter_rounds = static_cast<uint32_t>(1 + below(3));
    rules.minimum_stay_s = static_cast<double>(below(8));
    rules.share_max = 0.1 + 0.8 * uniform();
    rules.capacity_share_max = 0.1 + 0.8 * uniform();
    rules.exposed_share_max = uniform();
    rules.concentration_p = below(2) ? 0.2917 : 0.0513; // no quotient of small numbers: no ties
    rules.comovement_min = below(4) ? 0.7 : 1.0;
    rules.leave_at = 0.3;
    auto count = 3 + below(24);
    for (size_t i = 0; i < count; ++i) add("n" + std::to_string(i));
  }
  size_t below(size_t n) { return random() % n; }
  double uniform() { return std::uniform_real_distribution<double>{}(random); }
  void add(const std::string& name) {
    node_row row;
    row.id = node_id{name};
    nodes[row.id] = row;
    place(nodes[row.id]);
    level[row.id] = uniform();
    follows[row.id] = below(3);
    telemetry[row.id] = {};
  }
  void place(node_row& row) {
    row.attributes = {{"power", "p" + std::to_string(below(3))}, {"colour", "blue"}};
    if (below(8)) row.attributes["rack"] = "r" + std::to_string(below(6));
    row.capacity_bytes = below(5) * 100;
    row.revision = revision{++revisions};
  }
  node_row& any() {
    auto it = nodes.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(below(nodes.size())));
    return it->second;
  }
  void change_something() {
    if (below(8) == 0) any().state = static_cast<node_state>(below(3));
    if (below(15) == 0) place(any());
    if (below(40) == 0) add("m" + std::to_string(below(30)));
    if (below(40) == 0 && nodes.size() > 3) nodes.erase(any().id);
    if (below(12) == 0) rules.exposed_share_max = uniform();
    if (below(60) == 0)
      rules.domains =
          below(2) ? std::vector<std::string>{"power"} : std::vector<std::string>{"rack", "power"};
    if (below(10) == 0) planned.push_back({any().id, 100 * uniform() - 20, "disks"});
    if (below(10) == 0 && !planned.empty()) planned.erase(planned.begin());
    if (below(60) == 0) fleet_event = 40;
    fleet_event -= fleet_event > 0;
  }
  std::vector<node_risk> risks() {
    std::normal_distribution<float> noise;
    group_deviations common[3] = {};
    for (auto& c : common)
      for (auto& x : c) x = noise(random);
    std::vector<node_risk> out;
    for (auto& [id, p] : level) {
      if (below(120) == 0) continue; // not heard of
      p = std::clamp(p + 0.2 * (uniform() - 0.5), 0.0, 1.0);
      auto& t = telemetry[id];
      for (size_t g = 0; g < metric_groups; ++g) {
        float with = fleet_event ? common[0][g] : follows[id] ? common[follows[id]][g] : 0;
        t[g] += with + (with != 0 ? 0.1f : 1.0f) * noise(random);
      }
      node_risk r;
      r.node = id;
      r.probability = below(50) ? p : NAN;
      r.uncertainty = below(30) ? 0.1 : NAN;
      r.deviations = t;
      if (below(200) == 0) r.deviations[below(metric_groups)] = NAN;
      out.push_back(r);
    }
    std::shuffle(out.begin(), out.end(), random);
    return out;
  }
};

std::string as_words(const zone_map& map) {
  std::string text = "generation " + std::to_string(map.generation);
  for (const auto& z : map.zones) {
    text += "\n  " + std::to_string(z.id.value) + " " + z.domain + ":";
    for (const auto& id : z.members) text += " " + id.value;
    text += " | exposed:";
    for (const auto& id : z.exposed) text += " " + id.value;
    text += " P " + std::to_string(z.probability) + " within " + std::to_string(z.within_s);
  }
  text += "\n  left out:";
  for (const auto& id : map.left_out) text += " " + id.value;
  text += "\n  unexposed:";
  for (const auto& d : map.unexposed_domains) text += " " + d;
  return text;
}

/// What was seen on the way, so that a test knows that it tested something.
struct seen {
  size_t together = 0, domains = 0, split = 0, merged = 0, unexposed = 0;
};

void agree(uint64_t seed, seen& counts) {
  wild_cluster c(seed);
  zone_tracker fast{term{1}, 1, 1};
  test::slow_zones slow;
  time_point now{std::chrono::hours(1)};
  for (int round = 0; round < 120; ++round) {
    now += seconds(1);
    c.change_something();
    auto risks = c.risks();
    fast.plan(c.planned);
    auto outcome = fast.step(risks, c.nodes, c.rules, now);
    auto expected = slow.step(risks, c.nodes, c.rules, now, c.planned);
    auto got = fast.map();
    for (auto& z : got.zones) z.reasons.clear();
    BOOST_REQUIRE_MESSAGE(wire::encode(got) == wire::encode(expected),
                          test::repeat_with(seed)
                              << " round " << round << "\nfast: " << as_words(got)
                              << "\nslow: " << as_words(expected));
    for (const auto& z : got.zones) {
      counts.together += z.domain == "moves together";
      counts.domains += !z.domain.starts_with("node=");
    }
    for (const auto& change : outcome.changes) {
      counts.split += change.kind == zone_change_kind::split;
      counts.merged += change.kind == zone_change_kind::merged;
    }
    counts.unexposed += !got.unexposed_domains.empty();
  }
}

} // namespace

BOOST_AUTO_TEST_CASE(the_fast_zones_are_the_slow_ones) {
  seen counts;
  for (auto seed : test::seeds(40)) agree(seed, counts);
  BOOST_TEST_MESSAGE(counts.together << " together, " << counts.domains << " domains, "
                                     << counts.split << " splits, " << counts.merged << " merged, "
                                     << counts.unexposed << " limited");
  for (auto count :
       {counts.together, counts.domains, counts.split, counts.merged, counts.unexposed})
    BOOST_TEST(count > 0u);
}

BOOST_AUTO_TEST_CASE(equally_surprising_domains_are_taken_by_name_whatever_the_rounding) {
  seen counts;
  agree(5085, counts);
}

BOOST_AUTO_TEST_CASE(parts_of_equal_size_get_the_id_by_domain_and_then_by_first_member) {
  seen counts;
  agree(5318, counts);
}
