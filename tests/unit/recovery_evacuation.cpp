#include <boost/test/unit_test.hpp>

#include <random>

#include "recovery/evacuation.hpp"
#include "tests/support/escalating_world.hpp"
#include "tests/support/random_seed.hpp"

/// Evacuation through the desk: primaries are handed over, copies join, endangered members leave,
/// and what stands in the way of that.

using namespace harbinger;
using namespace harbinger::recovery;
using harbinger::recovery_test::escalating_world;

namespace {

constexpr auto hand_over_rest_ms = static_cast<uint32_t>(milliseconds(hand_over_rest).count());

struct evacuating_world : escalating_world {
  evacuating_world() : evacuating_world(6, 4) {}
  evacuating_world(int node_count, uint32_t partitions) : escalating_world(node_count, partitions) {
    escalation.evacuate_at = 0.6;
    escalation.at = 0.99;
    desk->configure(escalation);
  }
  void planned_zone_of(const std::vector<node_id>& members) {
    zone z;
    z.id = zone_id{zones.zones.size() + 1};
    z.probability = 1.0;
    z.members = members;
    z.risks.assign(members.size(), 1.0);
    z.within_s = 600;
    zones.zones.push_back(z);
    tell_zones();
  }
  /// The desk hears of it, and nothing of what it wants is carried out yet.
  void endanger(const node_id& node) {
    ++zones.generation;
    zones.zones.resize(1);
    zones.zones[0].members = {node};
    zones.zones[0].risks = {0.7};
    take(desk->step(zones, now));
  }
  bool member(const std::string& name, uint32_t index = 0) {
    return std::binary_search(row(index).sync_set.begin(), row(index).sync_set.end(),
                              node_id{name});
  }
  const raise* last(const std::string& kind) {
    for (auto it = raised.rbegin(); it != raised.rend(); ++it)
      if (it->kind == kind) return &*it;
    return nullptr;
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(an_endangered_primary_hands_over_at_once, evacuating_world) {
  write(id(), 10);
  auto old = row().primary.value, other = secondary();
  auto before = row().epoch;
  zone_of(0.7, {node_id{old}});
  run(200);
  BOOST_TEST(row().primary.value == other);
  BOOST_TEST(row().epoch.value == before.value + 1);
  BOOST_TEST(member(old)); // it stays a member until there is another
  BOOST_TEST(row().sync_set.size() == 2u);
  BOOST_REQUIRE(last("partition_promoted"));
  auto why = last("partition_promoted")->text;
  BOOST_TEST(why.find("handed over before it fails, " + old + " in zone 1, risk 0.70")
                 != std::string::npos,
             why);
  BOOST_TEST((nodes[other].replicas[id()].role == replica_role::primary));
  auto sent_before = sent;
  run(5000);
  BOOST_TEST((sent == sent_before)); // at rest nothing is sent
}

BOOST_FIXTURE_TEST_CASE(the_primary_is_sealed_first_and_alone, evacuating_world) { // P1
  auto old = row().primary, other = node_id{secondary()};
  endanger(old);
  BOOST_REQUIRE_EQUAL(commands.size(), 1u);
  BOOST_TEST(commands[0].node == old);
  auto seal = std::get<seal_replica>(commands[0].what);
  BOOST_TEST(seal.hand_over);
  auto first = commands[0];
  take(desk->step(look{}, now += milliseconds(50)));
  BOOST_TEST(commands.size() == 1u);
  commands.clear();
  take(desk->step(command_ended{first.op, *obey(nodes[old.value], first.what)}, now));
  BOOST_REQUIRE_EQUAL(commands.size(), 1u);
  BOOST_TEST(commands[0].node == other);
  BOOST_TEST(std::get<seal_replica>(commands[0].what).hand_over);
  carry_out();
  BOOST_TEST(row().primary == other);
}

BOOST_FIXTURE_TEST_CASE(a_primary_that_does_not_answer_goes_on, evacuating_world) {
  auto old = row().primary;
  auto before = row().revision;
  endanger(old);
  BOOST_REQUIRE_EQUAL(commands.size(), 1u);
  auto asked = std::exchange(commands, {}).front();
  take(desk->step(command_ended{asked.op, fail(errc::timeout, "no answer")}, now));
  carry_out();
  run(hand_over_rest_ms / 2);
  BOOST_TEST(row().revision == before);
  BOOST_TEST(sent["seal"] == 8); // those of the four first primaries
  BOOST_TEST(events("hand_over_failed") == 1u);
  run(hand_over_rest_ms);
  BOOST_TEST(row().primary != old); // it was asked again
}

BOOST_FIXTURE_TEST_CASE(a_primary_that_dies_while_it_hands_over_is_replaced_as_any_other,
                        evacuating_world) {
  auto old = row().primary;
  endanger(old);
  BOOST_REQUIRE_EQUAL(commands.size(), 1u);
  commands.clear(); // it never gets there
  nodes[old.value].up = false;
  lose(old.value);
  for (auto& c : commands)
    if (auto* s = std::get_if<seal_replica>(&c.what)) BOOST_TEST(!s->hand_over);
  run(500);
  BOOST_TEST(row().primary != old);
  BOOST_TEST((nodes[row().primary.value].replicas[id()].role == replica_role::primary));
  BOOST_REQUIRE(last("partition_promoted"));
  auto why = last("partition_promoted")->text;
  BOOST_TEST(why.ends_with(old.value + " is dead"), why); // nobody handed anything over
}

BOOST_FIXTURE_TEST_CASE(members_get_no_word_of_a_hand_over_that_the_primary_did_not_answer,
                        evacuating_world) { // P1
  auto old = row().primary;
  endanger(old);
  commands.clear();
  nodes[old.value].up = false;
  take(desk->step(node_lost{old, nodes[old.value].life, 700, "silent"}, now));
  commit(catalog::set_state(catalog, {old, nodes[old.value].life, node_state::dead, ""}));
  size_t seals = 0;
  for (auto& c : commands)
    if (auto* s = std::get_if<seal_replica>(&c.what); s && s->partition == id()) {
      ++seals;
      BOOST_TEST(!s->hand_over);
    }
  BOOST_TEST(seals == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_copy_joins_and_the_endangered_one_leaves, evacuating_world) {
  write(id(), 10);
  auto old = row().primary.value, other = secondary();
  zone_of(0.7, {node_id{old}});
  auto copy = copy_of(0);
  run(2500);
  BOOST_TEST(!member(old));
  BOOST_TEST(member(other));
  BOOST_TEST(member(copy));
  BOOST_TEST(row().primary.value == other);
  BOOST_TEST(row().joiners.empty());
  BOOST_REQUIRE(last("partition_deescalated"));
  auto why = last("partition_deescalated")->text;
  BOOST_TEST(why.find(old + " leaves before it fails, " + old + " in zone 1, risk 0.70")
                 != std::string::npos,
             why);
  run(recovery_desk::stray_patience_ms + 2000);
  BOOST_TEST(!nodes[old].replicas.contains(id()));
  auto before = row().revision;
  nodes[old].up = false; // and now it fails
  lose(old);
  run(2000);
  BOOST_TEST(row().revision == before); // which concerns this partition no more
}

BOOST_FIXTURE_TEST_CASE(an_endangered_secondary_leaves_without_a_change_of_primary,
                        evacuating_world) {
  auto old = secondary(), leader = row().primary.value;
  auto before = row().epoch;
  zone_of(0.7, {node_id{old}});
  auto copy = copy_of(0);
  run(2500);
  BOOST_TEST(!member(old));
  BOOST_TEST(member(copy));
  BOOST_TEST(row().primary.value == leader);
  BOOST_TEST(row().epoch == before);
}

BOOST_FIXTURE_TEST_CASE(nobody_leaves_before_others_serve_in_its_place, evacuating_world) { // P2
  auto old = secondary();
  caught_up_at_once = false;
  zone_of(0.7, {node_id{old}});
  copy_of(0);
  run(2500);
  BOOST_TEST(member(old));
  BOOST_TEST(row().joiners.size() == 1u);
  caught_up_at_once = true;
  run(1000);
  BOOST_TEST(!member(old));
}

BOOST_FIXTURE_TEST_CASE(members_that_all_lie_in_a_zone_go_one_after_the_other, evacuating_world) {
  write(id(), 10);
  auto both = row().sync_set;
  zone_of(0.7, both);
  BOOST_TEST(member(row().primary.value)); // nobody is there to hand over to
  auto epoch_before = row().epoch;
  auto first = copy_of(0);
  run(2500);
  BOOST_TEST(row().primary.value == first);
  BOOST_TEST(row().epoch.value == epoch_before.value + 1);
  BOOST_TEST(row().sync_set.size() == 2u);
  auto second = copy_of(0, true, both);
  run(2500);
  BOOST_TEST((row().sync_set
              == (first < second ? std::vector{node_id{first}, node_id{second}}
                                 : std::vector{node_id{second}, node_id{first}})));
  BOOST_TEST(row().primary.value == first);
  lose_all(both);
  run(500);
  BOOST_TEST((row().epoch.value == epoch_before.value + 1));
}

BOOST_FIXTURE_TEST_CASE(below_evacuate_at_and_under_the_brake_everybody_stays,
                        evacuating_world) { // P7
  auto before = row();
  auto leader = before.primary;
  copy_of(0);
  zone_of(0.59, {leader});
  run(2500);
  BOOST_TEST(row().primary == leader);
  zones.zones[0].risks = {0.95};
  zones.zones[0].probability = 0.95;
  zones.braked = true;
  tell_zones();
  run(2500);
  BOOST_TEST(row().primary == leader);
  BOOST_TEST(row().sync_set == before.sync_set, boost::test_tools::per_element());
  zones.braked = false;
  tell_zones();
  run(2500);
  BOOST_TEST(!member(leader.value));
}

BOOST_FIXTURE_TEST_CASE(what_is_planned_evacuates_whatever_the_rules_say, evacuating_world) {
  escalation.evacuate_at = 1.0;
  desk->configure(escalation);
  auto leader = row().primary;
  zones.braked = true;
  planned_zone_of({leader});
  copy_of(0);
  run(2500);
  BOOST_TEST(!member(leader.value));
}

BOOST_FIXTURE_TEST_CASE(new_rules_count_at_once_for_the_zones_that_stand, evacuating_world) {
  escalation.evacuate_at = 0.9;
  desk->configure(escalation);
  auto leader = row().primary;
  zone_of(0.7, {leader});
  run(1500);
  BOOST_TEST(row().primary == leader);
  escalation.evacuate_at = 0.5;
  desk->configure(escalation);
  run(1500);
  BOOST_TEST(row().primary != leader);
}

BOOST_FIXTURE_TEST_CASE(a_member_in_another_zone_is_handed_nothing, evacuating_world) {
  auto leader = row().primary;
  zone_of(0.7, {leader});
  auto to = row().primary;
  BOOST_TEST(to != leader);
  dissolve();
  zone_of(0.8, {to});
  zone_of(0.3, {leader}); // not endangered, but in a zone
  run(hand_over_rest_ms + 2000);
  BOOST_TEST(row().primary == to);
}

BOOST_FIXTURE_TEST_CASE(a_primary_is_not_moved_back_and_forth, evacuating_world) {
  auto first = row().primary;
  auto before = row().epoch;
  zone_of(0.7, {first});
  for (int i = 0; i < 20; ++i) { // a predictor that changes its mind every second
    auto now_primary = row().primary;
    zones.zones[0].members = {now_primary};
    tell_zones();
    run(1000);
  }
  BOOST_TEST(row().epoch.value == before.value + 1); // once in hand_over_rest_ms
}

BOOST_FIXTURE_TEST_CASE(those_that_wait_to_leave_take_turns_and_raise_no_alert, evacuating_world) {
  escalation.partitions_max = 1;
  desk->configure(escalation);
  std::vector<node_id> leavers{row(0).sync_set.front()};
  for (uint32_t i = 0; i < 4; ++i) copy_of(i);
  zone_of(0.7, leavers);
  run(8000);
  BOOST_TEST(events("escalation_limit") == 0u);
  for (uint32_t i = 0; i < 4; ++i) {
    BOOST_TEST((!member(leavers[0].value, i) || row(i).copies.empty()));
    BOOST_TEST(row(i).sync_set.size() == 2u);
  }
}

BOOST_FIXTURE_TEST_CASE(a_restart_of_the_centre_in_the_middle_ends_well, evacuating_world) { // P8
  write(id(), 10);
  auto old = row().primary;
  endanger(old);
  BOOST_REQUIRE_EQUAL(commands.size(), 1u);
  (void)obey(nodes[old.value], commands[0].what); // sealed, and nobody hears of it
  restart_centre();
  run(3000);
  BOOST_TEST((nodes[row().primary.value].replicas[id()].role == replica_role::primary));
  BOOST_TEST((nodes[row().primary.value].replicas[id()].version.seq == seq_no{10}));
  BOOST_TEST(row().sync_set.size() == 2u);
}

BOOST_FIXTURE_TEST_CASE(members_get_their_time_from_when_they_are_asked, evacuating_world) { // P2
  auto old = row().primary;
  endanger(old);
  BOOST_REQUIRE_EQUAL(commands.size(), 1u);
  auto first = std::exchange(commands, {}).front();
  now += milliseconds(1990); // it finishes what is under way, and its disk is slow
  take(desk->step(command_ended{first.op, *obey(nodes[old.value], first.what)}, now));
  BOOST_REQUIRE_EQUAL(commands.size(), 1u);
  auto second = std::exchange(commands, {}).front();
  take(desk->step(look{}, now += milliseconds(100)));
  BOOST_TEST(swaps.empty());
  take(desk->step(command_ended{second.op, *obey(nodes[second.node.value], second.what)}, now));
  carry_out();
  BOOST_TEST(row().primary == second.node);
  BOOST_TEST(row().sync_set.size() == 2u);
}

BOOST_FIXTURE_TEST_CASE(a_primary_whose_other_member_does_not_answer_is_said_to_have_stayed,
                        evacuating_world) {
  auto old = row().primary;
  endanger(old);
  auto first = std::exchange(commands, {}).front();
  take(desk->step(command_ended{first.op, *obey(nodes[old.value], first.what)}, now));
  auto second = std::exchange(commands, {}).front();
  take(desk->step(command_ended{second.op, fail(errc::unavailable, "not connected")}, now));
  carry_out();
  BOOST_TEST(row().primary == old);
  BOOST_REQUIRE(last("partition_promoted"));
  BOOST_TEST(last("partition_promoted")->fields.at("cause")
             == "it could not hand over: no other member answered with as much");
}

namespace {

/// One node leads more than may be handed over at once.
struct busy_world : evacuating_world {
  node_id hung;
  busy_world() : evacuating_world(4, 6 * hand_overs_max) {
    settings.concurrent_max = 8;
    desk->configure(settings);
    hung = row().primary;
    zones.zones.resize(1);
    zones.zones[0].members = {hung};
    zones.zones[0].risks = {0.7};
  }
  size_t led() {
    size_t count = 0;
    for (auto& [id, row] : catalog.partitions()) count += row.primary == hung;
    return count;
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(a_node_hands_over_so_many_at_once_and_then_the_rest, busy_world) {
  auto all = led();
  BOOST_REQUIRE_LT(hand_overs_max, all);
  take(desk->step(zones, now));
  BOOST_TEST(commands.size() == hand_overs_max);
  carry_out();
  BOOST_TEST(led() == 0u); // as some are done the next begin
}

BOOST_FIXTURE_TEST_CASE(a_primary_that_hangs_holds_up_nobody_else, busy_world) {
  take(desk->step(zones, now));
  auto hanging = std::exchange(commands, {});
  BOOST_REQUIRE(!hanging.empty());
  // Meanwhile another node dies: its partitions are served again, all of them, and made whole.
  std::string other;
  for (auto& [name, node] : nodes)
    if (node_id{name} != hung) other = name;
  lose(other);
  run(1500);
  for (auto& [id, row] : catalog.partitions()) {
    BOOST_TEST(row.primary.value != other);
    if (row.sync_set.size() < row.replicas_wanted)
      BOOST_TEST(std::count(wanted.begin(), wanted.end(), id) > 0);
  }
  // It does not answer the first: nothing more is asked of it for a while.
  for (auto& c : hanging)
    take(desk->step(command_ended{c.op, fail(errc::timeout, "no answer")}, now));
  for (auto& c : commands) BOOST_TEST(!std::holds_alternative<seal_replica>(c.what));
  carry_out();
}

BOOST_FIXTURE_TEST_CASE(half_of_the_budget_stays_for_those_that_lie_in_zones_whole,
                        busy_world) { // P7
  escalation.partitions_max = 4;
  desk->configure(escalation);
  caught_up_at_once = false; // whoever joins stays on the way
  for (uint32_t i = 0; i < 32; ++i) copy_of(i, true, {hung});
  tell_zones();
  run(500);
  size_t joining = 0;
  for (auto& [id, row] : catalog.partitions()) joining += !row.joiners.empty();
  BOOST_TEST(joining == 2u);
}

BOOST_FIXTURE_TEST_CASE(what_will_be_taken_down_is_told_as_such, evacuating_world) {
  auto leader = row().primary;
  planned_zone_of({leader});
  run(500);
  BOOST_REQUIRE(last("partition_promoted"));
  auto why = last("partition_promoted")->text;
  BOOST_TEST(why.ends_with("handed over before it is taken down, " + leader.value + " in zone 1"),
             why);
}
