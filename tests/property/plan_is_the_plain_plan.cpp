#include <boost/test/unit_test.hpp>

#include "tests/support/plain_plan.hpp"
#include "tests/support/seeds.hpp"

using namespace harbinger;
using test::mib;

namespace {

/// A plan through a random story: after each step it is what a slow planner makes of the same
/// cluster, and what a fresh one makes of a copy of it.
class story {
public:
  explicit story(uint64_t seed) : random_(seed), seed_(seed) {
    kind_.mixed_capacities = random_.one_in(2);
    world_ = random_.cluster(kind_);
    world_.write(cluster_, &random_.engine());
    rules_.domains = {"rack"};
    plan_.set_rules(rules_);
    plan_.set_zones(world_.zones);
    check();
  }
  size_t planned = 0, without_target = 0;

  void run(size_t steps) {
    for (size_t i = 0; i < steps; ++i) {
      for (auto changes = random_.below(4); changes > 0; --changes) change();
      check();
    }
  }

private:
  void change() {
    switch (random_.below(8)) {
    case 0: world_.zones = random_.zones(world_); return plan_.set_zones(world_.zones);
    case 1: return change_zone();
    case 2: return change_node();
    case 3: return change_size();
    case 4: return random_.one_in(2) ? change_partition() : begin();
    case 5: return change_copy();
    case 6: return change_restore();
    default: return change_rules();
    }
  }
  void change_zone() {
    if (world_.zones.zones.empty()) return;
    auto& z = world_.zones.zones[random_.below(world_.zones.zones.size())];
    auto& risk = z.risks[random_.below(z.risks.size())];
    risk = static_cast<double>(64 + random_.below(193)) / 256.0;
    if (random_.one_in(3)) z.exposed.clear();
    plan_.set_zones(world_.zones);
  }
  void change_node() {
    auto id = random_.one_in(8) ? node_id{"m" + std::to_string(random_.below(9))}
                                : random_.some_node(world_);
    auto& row =
        world_.nodes.contains(id) ? world_.nodes[id] : world_.node(id.value, "r1", 500 * mib);
    if (random_.one_in(2)) row.state = random_.state(kind_);
    if (random_.one_in(4)) row.attributes["rack"] = "r" + std::to_string(random_.below(5));
    world_.usages[id] = {random_.below(row.capacity_bytes + 1), 0.0};
    world_.write(cluster_, id);
  }
  void change_size() {
    auto id = random_.some_partition(world_);
    world_.sizes[id] = random_.below(kind_.size_max_bytes);
    cluster_.set_size(*cluster_.find(id), world_.sizes[id]);
  }
  void change_partition() {
    auto index = static_cast<uint32_t>(random_.below(kind_.partitions_max + 4));
    auto id = make_partition_id(1, index);
    std::erase_if(world_.useless, [&](const auto& u) { return u.first == id; });
    if (random_.one_in(6) && world_.partitions.contains(id) && world_.partitions.size() > 1) {
      world_.partitions.erase(id);
      if (world_.restores.erase(id) > 0) plan_.set_restore(*cluster_.find(id), false);
      return cluster_.remove(id);
    }
    random_.add_partition(world_, index, kind_);
    world_.write(cluster_, id);
  }
  /// What the plan says, as its carrier would.
  void begin() {
    plan_.step(now_);
    for (const auto& b : plan_.begin({})) {
      auto id = cluster_.partition(b.copy.partition).id;
      auto& row = world_.partitions.at(id);
      row.copies.push_back({name(b.copy.target), copy_id{1}, false});
      std::sort(row.copies.begin(), row.copies.end());
      world_.write(cluster_, id);
    }
  }
  void change_copy() {
    auto id = random_.some_partition(world_);
    auto& row = world_.partitions.at(id);
    if (row.copies.empty()) return;
    auto& c = row.copies[random_.below(row.copies.size())];
    if (random_.one_in(2)) {
      c.ready = true;
    } else if (std::count(row.joiners.begin(), row.joiners.end(), c.node) == 0) {
      world_.useless.erase({id, c.node});
      std::erase(row.copies, copy_row{c});
    }
    world_.write(cluster_, id);
  }
  void change_restore() {
    auto id = random_.some_partition(world_);
    bool wanted = random_.one_in(2);
    wanted ? world_.restores.insert(id).second : world_.restores.erase(id) > 0;
    plan_.set_restore(*cluster_.find(id), wanted);
  }
  void change_rules() {
    auto& p = rules_.prefetch;
    switch (random_.below(4)) {
    case 0:
      p.none_alive_target = std::pow(10.0, -1.0 - static_cast<double>(random_.below(9)));
      break;
    case 1: p.copies_max = static_cast<uint32_t>(random_.below(5)); break;
    case 2: p.space_max = 0.05 + 0.5 * random_.uniform(); break;
    default: rules_.placement.quota = 0.3 + 0.7 * random_.uniform();
    }
    plan_.set_rules(rules_);
  }

  void check() {
    now_ += seconds(random_.below(30));
    plan_.step(now_);
    auto copies = plan_.copies();
    planned += copies.size();
    without_target += plan_.without_target().size();
    against_plain(copies);
    against_fresh(copies);
    targets_pass(copies);
  }
  std::string where(partition_id id) const {
    return test::repeat_with(seed_) + ": " + to_string(id);
  }
  void against_plain(const std::vector<planned_copy>& copies) {
    test::plain_plan plain{world_, rules_};
    auto expected = plain.copies();
    BOOST_REQUIRE_MESSAGE(copies.size() == expected.size(),
                          test::repeat_with(seed_)
                              << ": " << copies.size() << " planned, plainly " << expected.size());
    for (const auto& [id, row] : world_.partitions) {
      auto quick = plan_.need(*cluster_.find(id));
      auto slow = plain.need_of(id);
      BOOST_REQUIRE_MESSAGE(quick.missing == slow.missing && quick.restore == slow.restore
                                && quick.alive == slow.alive,
                            where(id)
                                << " lacks " << int{quick.missing} << " beside " << int{quick.alive}
                                << ", plainly " << slow.missing << " beside " << slow.alive);
      if (slow.missing > 0)
        BOOST_REQUIRE_MESSAGE(near(quick.none_alive_now, slow.none_alive_now), where(id));
    }
    std::map<std::pair<partition_id, uint32_t>, test::plain_plan::copy> by_key;
    for (const auto& c : expected) by_key[{c.partition, c.number}] = c;
    const test::plain_plan::copy* last = nullptr;
    for (const auto& c : copies) {
      auto id = cluster_.partition(c.partition).id;
      auto found = by_key.find({id, c.number});
      BOOST_REQUIRE_MESSAGE(found != by_key.end(), where(id));
      const auto& here = found->second;
      BOOST_REQUIRE_MESSAGE(near(c.worth, here.worth), where(id));
      BOOST_REQUIRE_MESSAGE(c.source == no_number ? plain.source_of(id).value.empty()
                                                  : name(c.source) == plain.source_of(id),
                            where(id));
      if (last)
        BOOST_REQUIRE_MESSAGE(
            last->urgency < here.urgency
                || (last->urgency == here.urgency
                    && (last->worth > here.worth
                        || (near(last->worth, here.worth) && last->partition <= here.partition))),
            where(id) << " stands behind " << to_string(last->partition));
      last = &here;
    }
  }
  void against_fresh(const std::vector<planned_copy>& copies) {
    fleet copy = cluster_;
    copy.note_all();
    protection_plan fresh{copy};
    fresh.set_rules(rules_);
    fresh.set_zones(world_.zones);
    for (auto id : world_.restores) fresh.set_restore(*cluster_.find(id), true);
    fresh.step(now_);
    auto others = fresh.copies();
    BOOST_REQUIRE_MESSAGE(copies.size() == others.size(), test::repeat_with(seed_));
    for (size_t i = 0; i < copies.size(); ++i) {
      const auto &a = copies[i], &b = others[i];
      BOOST_REQUIRE_MESSAGE(a.partition == b.partition && a.number == b.number
                                && a.source == b.source && a.worth == b.worth && a.bytes == b.bytes
                                && a.deadline_s == b.deadline_s && a.restore == b.restore,
                            where(cluster_.partition(a.partition).id));
    }
  }
  void targets_pass(const std::vector<planned_copy>& copies) {
    test::plain_plan plain{world_, rules_};
    test::plain_plan::promises promised;
    std::set<std::pair<partition_number, node_number>> seen;
    std::set<partition_number> lacking;
    for (const auto& c : copies) {
      if (c.target == no_number) {
        lacking.insert(c.partition);
        continue;
      }
      BOOST_REQUIRE_MESSAGE(seen.insert({c.partition, c.target}).second, test::repeat_with(seed_));
      promised[name(c.target)] += static_cast<double>(cluster_.partition(c.partition).size_bytes);
    }
    BOOST_REQUIRE_MESSAGE(lacking == plan_.without_target(), test::repeat_with(seed_));
    for (const auto& c : copies) {
      if (c.target == no_number) continue;
      auto id = cluster_.partition(c.partition).id;
      auto wrong = plain.against_the_rules(id, name(c.target), promised);
      BOOST_REQUIRE_MESSAGE(wrong.empty(), where(id)
                                               << " goes to " << name(c.target) << ": " << wrong);
    }
  }
  static bool near(double a, double b) {
    return std::abs(a - b) <= 1e-6 * std::max(std::abs(a), std::abs(b));
  }
  node_id name(node_number n) const { return cluster_.nodes()[n].id; }

  test::random_clusters random_;
  uint64_t seed_;
  test::cluster_kind kind_;
  test::named_cluster world_;
  fleet cluster_;
  protection_plan plan_{cluster_};
  plan_rules rules_;
  time_point now_{std::chrono::hours(1)};
};

/// The fresh plan of a cluster, by names.
std::vector<std::string> told(const test::named_cluster& world, const plan_rules& rules,
                              std::mt19937_64& order) {
  fleet cluster;
  world.write(cluster, &order);
  protection_plan plan{cluster};
  plan.set_rules(rules);
  plan.set_zones(world.zones);
  for (auto id : world.restores) plan.set_restore(*cluster.find(id), true);
  plan.step(time_point{std::chrono::hours(1)});
  std::vector<std::string> lines;
  auto name = [&](node_number n) {
    return n == no_number ? std::string("nobody") : cluster.nodes()[n].id.value;
  };
  for (const auto& c : plan.copies())
    lines.push_back(to_string(cluster.partition(c.partition).id) + " from " + name(c.source)
                    + " to " + name(c.target) + ", " + std::to_string(c.finish_s)
                    + (c.late() ? " late" : ""));
  for (const auto& b : plan.begin({}))
    lines.push_back("begins " + to_string(cluster.partition(b.copy.partition).id) + " with "
                    + std::to_string(b.rate_bytes_per_s));
  return lines;
}

} // namespace

BOOST_AUTO_TEST_CASE(the_quick_plan_is_the_plain_one_and_the_fresh_one_after_every_change) {
  size_t planned = 0, without_target = 0;
  for (auto seed : test::seeds(500)) {
    story s{seed};
    s.run(40);
    planned += s.planned;
    without_target += s.without_target;
  }
  BOOST_TEST(planned > 20000u); // the generator reaches both ends
  BOOST_TEST(without_target > 2000u);
}

BOOST_AUTO_TEST_CASE(the_order_in_which_a_cluster_was_told_changes_nothing) {
  for (auto seed : test::seeds(500)) {
    test::random_clusters random{seed};
    test::cluster_kind kind;
    kind.mixed_capacities = random.one_in(2);
    auto world = random.cluster(kind);
    for (const auto& [id, row] : world.partitions)
      if (random.one_in(3)) world.restores.insert(id);
    plan_rules rules;
    rules.domains = {"rack", "site"};
    rules.placement.near = {"site"};
    rules.horizon_s = 20.0;
    rules.prefetch.total_bytes_per_s = random.one_in(2) ? 4 * mib : 0;
    rules.prefetch.none_alive_target = 1e-7;
    auto once = told(world, rules, random.engine());
    auto again = told(world, rules, random.engine());
    BOOST_REQUIRE_MESSAGE(once.size() == again.size(), test::repeat_with(seed));
    for (size_t i = 0; i < once.size(); ++i)
      BOOST_REQUIRE_MESSAGE(once[i] == again[i], test::repeat_with(seed)
                                                     << ": " << once[i] << "; " << again[i]);
  }
}
