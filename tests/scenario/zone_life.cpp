#include <boost/test/unit_test.hpp>

#include <fstream>
#include <random>
#include <sstream>

#include "zones/zone_tracker.hpp"

using namespace harbinger;

namespace {

/// Plays risks over nodes in racks of three and writes down what a reader of the zones would
/// see.
struct play {
  std::map<node_id, node_row> nodes;
  zone_settings rules;
  zone_tracker tracker{term{1}, 1, 1};
  time_point start{std::chrono::hours(1)};
  int64_t second = 0;
  std::map<std::string, double> risk;
  double uncertainty = 0.05;
  std::ostringstream script;

  std::mt19937 random{1};
  std::map<std::string, float> network;
  std::vector<std::string> together; ///< whose network metrics move as one

  explicit play(int count = 12, int per_rack = 3) {
    rules.domains = {"rack"};
    rules.share_max = 0.25;
    rules.concentration_p = 0.05;
    for (int i = 1; i <= count; ++i) {
      node_row row;
      row.id = node_id{"n" + std::to_string(i)};
      row.attributes["rack"] = "r" + std::to_string((i + per_rack - 1) / per_rack);
      row.capacity_bytes = 100;
      nodes[row.id] = row;
      risk[row.id.value] = 0.01;
    }
  }
  void put(const std::string& node, const std::string& attribute, const std::string& value) {
    auto& row = nodes[node_id{node}];
    row.attributes[attribute] = value;
    row.revision = revision{row.revision.value + 1};
  }
  float noise() { return std::normal_distribution<float>{}(random); }
  void say(const std::string& text) { script << "# " << text << "\n"; }
  void rounds(int count) {
    for (int i = 0; i < count; ++i) {
      ++second;
      std::vector<node_risk> risks;
      float common = noise();
      for (const auto& [name, p] : risk) {
        bool follows = std::count(together.begin(), together.end(), name) > 0;
        network[name] += follows ? common + 0.2f * noise() : noise();
        node_risk r;
        r.node = node_id{name};
        r.probability = p;
        r.uncertainty = uncertainty;
        r.model = "m1";
        r.deviations[static_cast<size_t>(metric_group::network)] = network[name];
        risks.push_back(r);
      }
      auto out = tracker.step(risks, nodes, rules, start + seconds(second));
      for (const auto& change : out.changes) write(change);
      if (out.brake_began || out.exposure_limited)
        script << second << " s  brake on: " << tracker.held_back_in_words() << "\n";
      if (out.brake_ended) script << second << " s  brake off\n";
      if (out.exposure_whole) script << second << " s  every domain exposes again\n";
    }
  }
  void explain(uint64_t zone) {
    auto lines = tracker.explain(zone_id{zone}, rules, start + seconds(second));
    script << "explain zone " << zone << "\n";
    for (const auto& line : *lines) script << "      " << line << "\n";
  }
  void write(const zone_change& change) {
    script << second << " s  " << change.text << "\n";
    if (change.kind == zone_change_kind::dissolved || change.kind == zone_change_kind::merged)
      return;
    for (const auto& reason : change.what.reasons) script << "      " << reason << "\n";
    script << "      exposed:";
    for (const auto& id : change.what.exposed) script << " " << id.value;
    char joint[64];
    std::snprintf(joint, sizeof joint, "; any %.3f, all %.3f", change.what.probability,
                  change.what.joint_probability);
    script << joint << "\n";
  }
};

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void compare(const play& p, const std::string& file) {
  auto expected = read_file(HARBINGER_SOURCE_DIR "/tests/scenario/" + file);
  BOOST_TEST(p.script.str() == expected, file << " is now:\n" << p.script.str());
}

} // namespace

/// The expected text is reviewed and committed beside this file. When it changes on purpose, the
/// new text is printed here.
BOOST_AUTO_TEST_CASE(the_life_of_a_zone_reads_as_reviewed) {
  play p;
  p.say("n4 looks bad for one round only: nothing happens");
  p.risk["n4"] = 0.9;
  p.rounds(1);
  p.risk["n4"] = 0.1;
  p.rounds(1);
  p.say("n4 goes bad for good");
  p.risk["n4"] = 0.8;
  p.rounds(3);
  p.say("its neighbours n5 and n6 follow: the rack is condemned, the zone keeps its number");
  p.risk["n5"] = 0.7;
  p.risk["n6"] = 0.9;
  p.rounds(3);
  p.say("n10 and n11 look bad too: the brake takes the three riskiest of twelve");
  p.risk["n10"] = 0.95;
  p.risk["n11"] = 0.6;
  p.rounds(3);
  p.say("n10 dies: it leaves its zone into recovery's hands");
  p.nodes[node_id{"n10"}].state = node_state::dead;
  p.rounds(1);
  p.say("telemetry of the rack goes silent: low but uncertain risks take nobody out");
  for (auto n : {"n4", "n5", "n6", "n11"}) p.risk[n] = 0.1;
  p.uncertainty = 0.6;
  p.rounds(100);
  p.say("fresh telemetry says that all is well");
  p.uncertainty = 0.05;
  p.rounds(1);
  compare(p, "zone_life.txt");
}

BOOST_AUTO_TEST_CASE(zones_grow_split_merge_and_are_planned_as_reviewed) {
  play p(100, 10);
  p.rules.share_max = 0.3;
  p.rules.concentration_p = 0.01;
  p.rules.minimum_stay_s = 20;
  for (auto& [id, row] : p.nodes)
    p.put(id.value, "power", row.attributes["rack"] < "r4" ? "p1" : "p2");
  p.say("two unlucky nodes in a rack of ten, among five in all: no proof against it");
  for (auto n : {"n13", "n18", "n47", "n66", "n92"}) p.risk[n] = 0.8;
  p.rounds(2);
  p.say("three more of the rack: it is one zone of five, with the id of the oldest part");
  for (auto n : {"n11", "n15", "n17"}) p.risk[n] = 0.7;
  p.rounds(2);
  p.explain(1);
  p.say("n15 is moved to another rack: the larger part keeps the id");
  p.put("n15", "rack", "r5");
  p.rounds(1);
  p.say("power is a domain too: of its nodes more would be exposed than may be");
  p.rules.domains = {"rack", "power"};
  p.rules.exposed_share_max = 0.5;
  p.rounds(1);
  p.say("and may expose more");
  p.rules.exposed_share_max = 0.9;
  p.rounds(1);
  p.rules.domains = {"rack"};
  p.rules.exposed_share_max = 0.5;
  p.rounds(1);
  p.say("n47 and n92 begin to move together, in different racks");
  p.together = {"n47", "n92"};
  p.rounds(35);
  p.explain(3);
  p.say("everybody moves as they do: that says nothing about the two any more");
  for (const auto& [name, level] : p.risk) p.together.push_back(name);
  p.rounds(35);
  p.together = {};
  p.say("maintenance of n30 in half an hour: certain risk, nobody exposed");
  p.tracker.plan({{node_id{"n30"}, 1800, "maintenance in 30 min: new disks"}});
  p.rounds(1);
  p.explain(p.tracker.next_zone() - 1);
  p.say("the predictor goes mad: all nodes at 1. The planned one comes first, then who was inside");
  p.rules.share_max = 0.12;
  auto quiet = p.risk;
  for (auto& [name, risk] : p.risk) risk = 1.0;
  p.rounds(2);
  p.say("and comes to its senses; maintenance is over");
  p.risk = quiet;
  for (auto n : {"n11", "n13", "n15", "n17", "n18", "n47", "n66", "n92"}) p.risk[n] = 0.01;
  p.tracker.plan({});
  p.rounds(25);
  compare(p, "zone_changes.txt");
}
