#include <boost/test/unit_test.hpp>

#include <fstream>
#include <sstream>

#include "zones/zone_tracker.hpp"

using namespace harbinger;

namespace {

/// Plays risks over twelve nodes in four racks and writes down what a reader of the zones would
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

  play() {
    rules.domains = {"rack"};
    rules.share_max = 0.25;
    rules.concentration_p = 0.05;
    for (int i = 1; i <= 12; ++i) {
      node_row row;
      row.id = node_id{"n" + std::to_string(i)};
      row.attributes["rack"] = "r" + std::to_string((i + 2) / 3);
      nodes[row.id] = row;
      risk[row.id.value] = 0.01;
    }
  }
  void say(const std::string& text) { script << "# " << text << "\n"; }
  void rounds(int count) {
    for (int i = 0; i < count; ++i) {
      ++second;
      std::vector<node_risk> risks;
      for (const auto& [name, p] : risk) {
        node_risk r;
        r.node = node_id{name};
        r.probability = p;
        r.uncertainty = uncertainty;
        r.model = "m1";
        risks.push_back(r);
      }
      auto out = tracker.step(risks, nodes, rules, start + seconds(second));
      for (const auto& change : out.changes) write(change);
      if (out.brake_began) script << second << " s  brake on\n";
      if (out.brake_ended) script << second << " s  brake off\n";
    }
  }
  void write(const zone_change& change) {
    script << second << " s  " << change.text << "\n";
    if (change.kind == zone_change_kind::dissolved) return;
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
  auto expected = read_file(HARBINGER_SOURCE_DIR "/tests/scenario/zone_life.txt");
  BOOST_TEST(p.script.str() == expected, "the transcript is now:\n" << p.script.str());
}
