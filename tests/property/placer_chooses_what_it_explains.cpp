#include <boost/test/unit_test.hpp>

#include "placement/placer.hpp"
#include "tests/support/random_fleet.hpp"
#include "tests/support/seeds.hpp"

using namespace harbinger;
using test::mib;

namespace {

/// A placer through a random story, its choices held to its explanations and to a plain reading of
/// the filters.
class story {
public:
  explicit story(uint64_t seed) : random_(seed), seed_(seed) {
    kind_.mixed_capacities = random_.one_in(2);
    kind_.nodes_max = random_.one_in(10) ? 60 : 12;
    world_ = random_.cluster(kind_);
    world_.write(cluster_, &random_.engine());
    set_rules();
    picture_ = {world_.zones, cluster_.nodes()};
    places_.refresh(picture_, rules_);
  }

  size_t chosen = 0, refused = 0, busy = 0;

  void run(size_t steps) {
    for (size_t i = 0; i < steps; ++i) {
      change();
      ask();
    }
  }

private:
  void set_rules() {
    static const char* strategies[] = {"weighted", "random", "power_of_two", "rendezvous"};
    auto& p = rules_.placement;
    p.strategy = random_.one_in(2) ? "weighted" : strategies[random_.below(4)];
    p.spread.clear();
    p.near.clear();
    rules_.domains.clear();
    for (auto attribute : {"rack", "site", "stated by nobody"}) {
      if (random_.one_in(2)) p.spread.push_back(attribute);
      if (random_.one_in(2)) p.near.push_back(attribute);
      if (random_.one_in(2)) rules_.domains.push_back(attribute);
    }
    for (auto* weight : {&p.weight_free, &p.weight_load, &p.weight_risk, &p.weight_rtt,
                         &p.weight_near, &p.weight_balance})
      *weight = random_.one_in(4) ? 0.0 : random_.uniform();
    p.quota = 0.3 + 0.7 * random_.uniform();
    p.imbalance = 1.0 + (random_.one_in(3) ? 2.0 * random_.uniform() : 0.02);
    rules_.space_max = 0.05 + random_.uniform();
    rules_.places = static_cast<uint32_t>(random_.below(5));
  }
  void change() {
    switch (random_.below(12)) {
    case 0: return promise();
    case 1: return release();
    case 2: return change_node(random_.some_node(world_));
    case 3: world_.zones = random_.zones(world_); return look_again();
    case 4: return change_partition(random_.some_partition(world_));
    case 5: return change_rtt();
    case 6: return set_risks();
    case 7: places_.expect(random_.below(20)); return;
    case 8: return fly();
    case 9: return queue();
    case 10: return unqueue();
    default:
      if (random_.one_in(3)) set_rules();
      places_.refresh(picture_, rules_);
    }
  }
  void look_again() {
    zone_picture now{world_.zones, cluster_.nodes()};
    auto changed = now.differing(picture_);
    auto news = cluster_.take_changes().nodes;
    changed.insert(changed.end(), news.begin(), news.end());
    picture_ = now;
    places_.update(changed, picture_);
  }
  void promise() {
    for (auto i = random_.below(5); i < 5; ++i) {
      auto n = static_cast<node_number>(random_.below(cluster_.nodes().size()));
      promised_.emplace_back(n, random_.below(30 * mib));
      places_.promise(n, promised_.back().second);
    }
  }
  void release() {
    if (promised_.empty()) return;
    std::swap(promised_[random_.below(promised_.size())], promised_.back());
    places_.release(promised_.back().first, promised_.back().second);
    promised_.pop_back();
  }
  node_number some_number() {
    return static_cast<node_number>(random_.below(cluster_.nodes().size()));
  }
  void fly() {
    under_way_.resize(random_.below(40));
    for (auto& n : under_way_) n = some_number();
    places_.set_under_way(under_way_);
  }
  void queue() {
    for (auto i = random_.below(30); i < 30; ++i) {
      queued_.push_back(some_number());
      places_.queue(queued_.back());
    }
  }
  void unqueue() {
    for (auto i = random_.below(30); i < 30 && !queued_.empty(); ++i) {
      std::swap(queued_[random_.below(queued_.size())], queued_.back());
      places_.unqueue(queued_.back());
      queued_.pop_back();
    }
  }
  void change_node(node_id id) {
    if (random_.one_in(6)) id = node_id{"n0" + std::to_string(random_.below(50))}; // a new one
    bool known = world_.nodes.contains(id);
    auto& row = known ? world_.nodes[id] : world_.node(id.value, "r1");
    row.state = random_.state(kind_);
    row.attributes["rack"] = "r" + std::to_string(random_.below(6));
    if (random_.one_in(3)) row.attributes["site"] = "s" + std::to_string(random_.below(3));
    if (kind_.mixed_capacities && random_.one_in(3)) row.capacity_bytes = random_.below(2000) * mib;
    world_.usages[id] = {random_.below(row.capacity_bytes + 1),
                         static_cast<double>(random_.below(500))};
    world_.write(cluster_, id);
    look_again();
  }
  void change_partition(partition_id id) {
    std::erase_if(world_.useless, [&](const auto& u) { return u.first == id; });
    random_.add_partition(world_, index_of(id), kind_);
    world_.write(cluster_, id);
    look_again();
  }
  void change_rtt() {
    auto from = random_.some_node(world_), to = random_.some_node(world_);
    if (from == to) return;
    double ms = random_.one_in(4) ? -1.0 : random_.uniform() * 20.0;
    cluster_.set_rtt(*cluster_.nodes().find(from), *cluster_.nodes().find(to), ms);
  }
  void set_risks() {
    std::vector<float> risks(random_.below(cluster_.nodes().size() + 1));
    for (auto& r : risks) r = static_cast<float>(random_.uniform());
    places_.set_risks(risks);
  }

  void ask() {
    auto id = random_.some_partition(world_);
    std::vector<node_number> others, away;
    for (node_number n = 0; n < cluster_.nodes().size(); ++n) {
      if (random_.one_in(12)) others.push_back(n);
      if (random_.one_in(12)) away.push_back(n);
    }
    placer_query query{*cluster_.find(id), random_.below(60 * mib), others, away,
                       random_.one_in(2)};
    auto chosen_node = places_.choose(query);
    auto all = places_.explain(query);
    auto first = !all.empty() && all.front().candidate ? all.front().node : no_number;
    BOOST_REQUIRE_MESSAGE(chosen_node == first, test::repeat_with(seed_)
                                                    << ": chose " << name(chosen_node)
                                                    << ", explained " << name(first));
    bool spread_waived = true;
    for (const auto& o : all) {
      if (!o.candidate) BOOST_REQUIRE_MESSAGE(!o.text.empty(), test::repeat_with(seed_));
      spread_waived =
          spread_waived && (!o.candidate || o.text.find("spread waived") != std::string::npos);
    }
    for (const auto& o : all) {
      auto wrong = against_the_rules(query, o.node, spread_waived);
      BOOST_REQUIRE_MESSAGE(o.candidate == wrong.empty(), test::repeat_with(seed_)
                                                              << ": " << name(o.node) << ": "
                                                              << o.text << "; plainly: " << wrong);
    }
    if (query.urgent && first != no_number && rules_.placement.strategy == "weighted")
      for (const auto& o : all)
        BOOST_REQUIRE_MESSAGE(!o.candidate || rounds(first) <= rounds(o.node),
                              test::repeat_with(seed_) << ": " << name(o.node) << " is freer");
    if (query.urgent && first != no_number) busy += rounds(first) > 0;
    ++(chosen_node == no_number ? refused : chosen);
  }
  /// How often everything that a node does at once has to be done before it is free.
  size_t rounds(node_number n) const {
    auto all = std::count(under_way_.begin(), under_way_.end(), n)
               + std::count(queued_.begin(), queued_.end(), n);
    return std::min<size_t>(static_cast<size_t>(all) / std::max(1u, rules_.places),
                            placer::rounds_max);
  }
  std::string name(node_number n) const {
    return n == no_number ? "nobody" : cluster_.nodes()[n].id.value;
  }

  /// The filters as the header says them, by names (P6). Empty: it passes.
  std::string against_the_rules(const placer_query& query, node_number n, bool waived) const {
    node_id id{name(n)};
    const auto& node = world_.nodes.at(id);
    if (node.state != node_state::up) return "not up";
    std::set<node_id> members;
    for (const auto& z : world_.zones.zones) {
      members.insert(z.members.begin(), z.members.end());
      for (const auto& e : z.exposed)
        if (e == id) return "exposed";
    }
    if (members.contains(id)) return "member";
    std::set<node_id> holders = holders_of(cluster_.partition(query.partition).id);
    for (auto c : query.chosen) holders.insert(node_id{name(c)});
    if (holders.contains(id)) return "holder";
    for (auto k : query.keep_away)
      if (k == n) return "kept away";
    auto bytes = static_cast<double>(query.size_bytes);
    for (const auto& [to, promised] : promised_)
      if (to == n) bytes += static_cast<double>(promised);
    double copies = bytes, used = bytes;
    if (auto u = world_.usages.find(id); u != world_.usages.end())
      used += static_cast<double>(u->second.used_bytes);
    for (const auto& [partition, row] : world_.partitions)
      for (const auto& c : row.copies) {
        if (c.node != id) continue;
        auto size = static_cast<double>(world_.sizes.at(partition));
        bool joins = std::count(row.joiners.begin(), row.joiners.end(), id) > 0;
        copies += size;
        if (!c.ready && !joins && !world_.useless.contains({partition, id})) used += size;
      }
    auto capacity = static_cast<double>(node.capacity_bytes);
    if (capacity == 0.0 || used > rules_.placement.quota * capacity) return "quota";
    if (copies > rules_.space_max * capacity) return "space for copies";
    if (!waived)
      for (const auto& other : holders)
        if (world_.nodes.at(other).state == node_state::up && !members.contains(other)
            && share_spread(id, other))
          return "spread";
    return "";
  }
  std::set<node_id> holders_of(partition_id partition) const {
    const auto& row = world_.partitions.at(partition);
    std::set<node_id> holders(row.sync_set.begin(), row.sync_set.end());
    for (const auto& c : row.copies) holders.insert(c.node);
    return holders;
  }
  bool share_spread(const node_id& a, const node_id& b) const {
    for (const auto& attribute : rules_.placement.spread) {
      const auto& mine = world_.nodes.at(a).attributes;
      const auto& its = world_.nodes.at(b).attributes;
      auto m = mine.find(attribute), i = its.find(attribute);
      if (m != mine.end() && i != its.end() && m->second == i->second) return true;
    }
    return false;
  }

  test::random_clusters random_;
  uint64_t seed_;
  test::cluster_kind kind_;
  test::named_cluster world_;
  fleet cluster_;
  placer places_{cluster_};
  placer_rules rules_;
  zone_picture picture_;
  std::vector<std::pair<node_number, uint64_t>> promised_;
  std::vector<node_number> under_way_, queued_;
};

} // namespace

BOOST_AUTO_TEST_CASE(what_is_chosen_is_what_is_explained_and_passes_a_plain_reading_of_the_rules) {
  size_t chosen = 0, refused = 0, busy = 0;
  for (auto seed : test::seeds(400)) {
    story s{seed};
    s.run(60);
    chosen += s.chosen;
    refused += s.refused;
    busy += s.busy;
  }
  BOOST_TEST(chosen > 2000u); // the generator reaches both ends
  BOOST_TEST(refused > 2000u);
  BOOST_TEST(busy > 500u);
}
