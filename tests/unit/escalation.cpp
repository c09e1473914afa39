#include <boost/test/unit_test.hpp>

#include "recovery/escalation.hpp"
#include "recovery/redundancy.hpp"

/// The decision alone: who joins a sync set beyond what is wanted, who leaves it, and how many
/// partitions at once.

using namespace harbinger;
using namespace harbinger::recovery;

namespace {

/// One partition, n1 (primary) and n2 in rack r1, copies wherever a test puts them; n1 to n6, two
/// in each rack.
struct stage {
  catalog_view view;
  replica_book book;
  std::set<node_id> in_zones;
  zone_map zones;
  threats danger;
  escalation_rules rules{0.9, 10, {"rack"}};
  time_point now{std::chrono::hours(1)};

  stage() {
    view.set_revision(term{1}, revision{1});
    for (int i = 1; i <= 6; ++i) {
      node_row node;
      node.id = name(i);
      node.life = incarnation{1};
      node.attributes = {{"rack", "r" + std::to_string((i + 1) / 2)}};
      view.put(node);
    }
    partition(0, {1, 2});
    danger = threats(zones);
  }
  static node_id name(int i) { return node_id{"n" + std::to_string(i)}; }
  static partition_id id(uint32_t index = 0) { return make_partition_id(1, index); }
  surroundings around() const { return {view, book, in_zones, now}; }
  const partition_row& row(uint32_t index = 0) const { return *view.partition(id(index)); }

  void partition(uint32_t index, std::vector<int> members) {
    partition_row row;
    row.id = id(index);
    row.epoch = epoch{2};
    row.replicas_wanted = 2;
    row.primary = name(members.front());
    row.primary_life = incarnation{1};
    row.history = {{epoch{2}, seq_no{1}}};
    for (int m : members) row.sync_set.push_back(name(m));
    std::sort(row.sync_set.begin(), row.sync_set.end());
    view.put(row);
    for (int m : members)
      report(m, index, m == members.front() ? replica_role::primary : replica_role::secondary);
  }
  replica_report& reported(int node, uint32_t index = 0) {
    static replica_report kept;
    kept = book.find(name(node), incarnation{1}, id(index))->report;
    return kept;
  }
  void report(int node, uint32_t index, replica_role role, uint64_t seq = 10) {
    replica_report r;
    r.partition = id(index);
    r.role = role;
    r.state = replica_state::following;
    r.epoch = epoch{2};
    r.version = {epoch{2}, seq_no{seq}};
    if (role == replica_role::copy) r.copy = copy_id{7};
    book.take(name(node), incarnation{1}, r, now);
  }
  void copy(int node, uint32_t index = 0, uint64_t seq = 10) {
    auto changed = row(index);
    changed.copies.push_back({name(node), copy_id{7}, true});
    std::sort(changed.copies.begin(), changed.copies.end());
    view.put(changed);
    report(node, index, replica_role::copy, seq);
  }
  void zone_of(double probability, std::vector<int> members, std::vector<int> exposed = {}) {
    zone z;
    z.id = zone_id{zones.zones.size() + 1};
    z.probability = probability;
    for (int m : members) z.members.push_back(name(m)), in_zones.insert(name(m));
    for (int e : exposed) z.exposed.push_back(name(e));
    z.risks.assign(members.size(), probability);
    zones.zones.push_back(z);
    danger = threats(zones);
  }
  void state(int node, node_state state) {
    auto changed = *view.node(name(node));
    changed.state = state;
    view.put(changed);
  }
  /// Who becomes a joiner; "nobody".
  std::string joins(uint32_t index = 0) {
    auto step = escalate(row(index), around(), danger, rules);
    BOOST_TEST(step.reason.empty() == step.row.joiners.empty());
    return step.row.joiners.empty() ? "nobody" : step.row.joiners.front().value;
  }
  /// Who leaves after so long without a threat; "nobody".
  std::string leaves(duration calm = milliseconds(calm_ms), uint32_t index = 0) {
    auto step = deescalate(row(index), around(), now - calm, rules);
    for (auto& id : row(index).sync_set)
      if (std::find(step.row.sync_set.begin(), step.row.sync_set.end(), id)
          == step.row.sync_set.end())
        return id.value;
    return "nobody";
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(a_copy_joins_when_all_members_lie_in_zones_that_are_likely_enough, stage) {
  copy(5);
  BOOST_TEST(joins() == "nobody");
  zone_of(0.95, {1, 2});
  BOOST_TEST(joins() == "n5");
  auto why = escalate(row(), around(), danger, rules).reason;
  BOOST_TEST(why.find("n1 in zone 1, P = 0.95; n2 in zone 1, P = 0.95") != std::string::npos, why);
}

BOOST_FIXTURE_TEST_CASE(the_probability_must_reach_escalate_at, stage) {
  copy(5);
  zone_of(0.9, {1, 2});
  BOOST_TEST(joins() == "n5");
  rules.at = 0.91;
  BOOST_TEST(joins() == "nobody");
}

BOOST_FIXTURE_TEST_CASE(two_zones_of_one_node_each_are_as_good_as_one_of_both, stage) {
  copy(5);
  zone_of(0.95, {1});
  zone_of(0.6, {2});
  BOOST_TEST(joins() == "nobody"); // the second is not likely enough
  zone_of(0.92, {2});
  BOOST_TEST(joins() == "n5");
}

BOOST_FIXTURE_TEST_CASE(a_member_that_is_only_exposed_lies_in_the_zone_too, stage) {
  copy(5);
  zone_of(0.95, {1}, {2});
  BOOST_TEST(joins() == "n5");
}

BOOST_FIXTURE_TEST_CASE(one_member_outside_is_enough_to_stay_as_it_is, stage) {
  partition(1, {1, 3});
  copy(5, 1);
  zone_of(0.99, {1}, {2});
  BOOST_TEST(joins(1) == "nobody");
}

BOOST_FIXTURE_TEST_CASE(a_dead_member_is_no_member_that_lives_outside, stage) {
  partition(1, {1, 3, 2});
  copy(5, 1);
  state(3, node_state::dead);
  zone_of(0.99, {1, 2});
  BOOST_TEST(condemned(row(1), around(), danger, rules.at).has_value());
}

BOOST_FIXTURE_TEST_CASE(who_joins_lies_outside_of_all_zones_and_of_what_the_zones_expose, stage) {
  zone_of(0.95, {1, 2}, {3});
  zone_of(0.6, {4});
  copy(3);
  copy(4);
  BOOST_TEST(joins() == "nobody");
  zone_of(0.5, {4}, {5});
  copy(5);
  BOOST_TEST(joins() == "n5"); // exposed by another, unlikely zone: better than nobody
  copy(6, 0, 9);
  BOOST_TEST(joins() == "n6"); // exposed by none, though a little behind
  auto why = escalate(row(), around(), danger, rules).reason;
  BOOST_TEST(why.ends_with("not n3: exposed by zone 1; n4: in zone 2; n5: exposed by zone 3"), why);
}

BOOST_FIXTURE_TEST_CASE(only_a_complete_copy_of_the_right_log_joins, stage) {
  zone_of(0.95, {1, 2});
  copy(5);
  auto r = reported(5);
  r.state = replica_state::copying;
  book.take(name(5), incarnation{1}, r, now);
  BOOST_TEST(joins() == "nobody");
  r.state = replica_state::following;
  book.take(name(5), incarnation{1}, r, now);
  BOOST_TEST(joins() == "n5");
  book.set_digest_differs(name(5), id(), true);
  BOOST_TEST(joins() == "nobody");
  state(5, node_state::dead);
  BOOST_TEST(joins() == "nobody");
}

BOOST_FIXTURE_TEST_CASE(nobody_joins_a_partition_that_lacks_replicas_or_has_a_joiner, stage) {
  partition(1, {1});
  copy(5, 1);
  zone_of(0.95, {1, 2});
  BOOST_TEST(joins(1) == "nobody"); // it gets its wanted ones first, by the ordinary way
  copy(5);
  copy(6);
  auto joining = row();
  joining.joiners = {name(5)};
  view.put(joining);
  BOOST_TEST(escalate(row(), around(), danger, rules).reason == "");
}

BOOST_FIXTURE_TEST_CASE(a_joined_copy_that_gets_into_danger_is_joined_by_one_more_and_that_is_all,
                        stage) {
  partition(1, {1, 2, 5});
  zone_of(0.95, {1, 2});
  copy(3, 1);
  BOOST_TEST(joins(1) == "nobody");
  zone_of(0.95, {5});
  BOOST_TEST(joins(1) == "n3");
  partition(2, {1, 2, 3, 5});
  copy(4, 2);
  zone_of(0.95, {3});
  BOOST_TEST(joins(2) == "nobody");
}

BOOST_FIXTURE_TEST_CASE(it_stays_escalated_while_any_zone_stands_however_unlikely, stage) {
  BOOST_TEST(threatened(row(), threats{})); // nothing is known: as it was
  partition(1, {1, 2, 5});
  BOOST_TEST(!threatened(row(1), danger));
  zone_of(0.3, {2});
  BOOST_TEST(threatened(row(1), danger));
}

BOOST_FIXTURE_TEST_CASE(exposure_keeps_it_escalated_only_while_it_touches_too_many, stage) {
  partition(1, {1, 2, 5});
  zone_of(0.95, {3}, {1});
  BOOST_TEST(!threatened(row(1), danger));
  zone_of(0.95, {4}, {2});
  BOOST_TEST(threatened(row(1), danger));
}

BOOST_FIXTURE_TEST_CASE(nobody_leaves_before_it_was_calm_for_long_enough, stage) {
  partition(1, {1, 3, 5});
  BOOST_TEST(leaves(milliseconds(calm_ms - 1), 1) == "nobody");
  BOOST_TEST(leaves(milliseconds(calm_ms), 1) != "nobody");
  BOOST_TEST(deescalate(row(1), around(), std::nullopt, rules).reason == "");
}

BOOST_FIXTURE_TEST_CASE(who_shares_a_failure_domain_leaves_first_then_who_has_most_to_carry,
                        stage) {
  partition(1, {1, 2, 5});
  BOOST_TEST(leaves(seconds(60), 1) == "n2"); // in the rack of the primary
  partition(2, {1, 3, 5});
  partition(3, {4, 5});
  BOOST_TEST(leaves(seconds(60), 2) == "n5"); // it has three, n3 one
  rules.spread.clear();
  BOOST_TEST(leaves(seconds(60), 1) == "n5");
}

BOOST_FIXTURE_TEST_CASE(the_primary_never_leaves, stage) {
  partition(1, {2, 1, 5});
  BOOST_TEST(leaves(seconds(60), 1) == "n1");
  partition(2, {5, 1, 2});
  BOOST_TEST(leaves(seconds(60), 2) != "n5");
}

BOOST_FIXTURE_TEST_CASE(as_many_as_wanted_stay_that_are_up_and_configured, stage) {
  partition(1, {1, 3, 5});
  state(3, node_state::suspect);
  BOOST_TEST(leaves(seconds(60), 1) == "n3"); // the two others are well
  state(5, node_state::suspect);
  BOOST_TEST(leaves(seconds(60), 1) == "nobody");
  state(3, node_state::up);
  state(5, node_state::up);
  auto sealed = reported(5, 1);
  sealed.role = replica_role::sealed;
  book.take(name(5), incarnation{1}, sealed, now);
  BOOST_TEST(leaves(seconds(60), 1) == "n5");
  sealed.partition = id(1);
  book.take(name(3), incarnation{1}, sealed, now);
  BOOST_TEST(leaves(seconds(60), 1) == "nobody");
}

BOOST_FIXTURE_TEST_CASE(nobody_leaves_a_sync_set_that_is_not_too_large, stage) {
  BOOST_TEST(leaves(seconds(60)) == "nobody");
}

BOOST_FIXTURE_TEST_CASE(the_riskiest_are_admitted_as_far_as_the_budget_goes, stage) {
  partition(1, {1, 2});
  partition(2, {1, 2});
  partition(3, {3, 4});
  for (uint32_t i : {0u, 1u, 2u, 3u}) copy(5, i);
  zone_of(0.93, {1});
  zone_of(0.93, {2});
  zone_of(0.99, {3});
  zone_of(0.99, {4});
  rules.partitions_max = 2;
  auto budget = admit(around(), danger, rules);
  BOOST_TEST((budget.admitted == std::set<partition_id>{id(3), id(0)}));
  BOOST_TEST(budget.left_out == 2u);
  rules.partitions_max = 0;
  BOOST_TEST(admit(around(), danger, rules).admitted.empty());
}

BOOST_FIXTURE_TEST_CASE(what_is_escalated_stays_and_takes_its_part_of_the_budget, stage) {
  partition(1, {1, 2, 5});
  copy(6);
  zone_of(0.95, {1, 2});
  rules.partitions_max = 1;
  auto budget = admit(around(), danger, rules);
  BOOST_TEST(budget.standing == 1u);
  BOOST_TEST(budget.admitted.empty());
  BOOST_TEST(budget.left_out == 1u);
  zone_of(0.95, {5});
  copy(3, 1);
  BOOST_TEST((admit(around(), danger, rules).admitted == std::set<partition_id>{id(1)}));
}

BOOST_FIXTURE_TEST_CASE(a_partition_without_a_copy_takes_no_place_in_the_budget, stage) {
  partition(1, {1, 2});
  copy(5, 1);
  zone_of(0.95, {1, 2});
  rules.partitions_max = 1;
  auto budget = admit(around(), danger, rules);
  BOOST_TEST((budget.admitted == std::set<partition_id>{id(1)}));
  BOOST_TEST(budget.left_out == 0u);
}
