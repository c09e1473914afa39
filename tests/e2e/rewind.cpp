/// A member that holds entries which nobody acknowledged misses a failover, and comes back.

#include "core/listed.hpp"
#include "tests/support/torture_stage.hpp"

using namespace harbinger;
using harbinger::testing::torture_stage;

namespace {

constexpr uint64_t tail = 3;

/// Three nodes and no copies, so that nobody takes the place of who is away, nor is a copy ordered
/// where a replica comes back: who comes back is taken in again.
struct divergent_member : torture_stage {
  partition_id partition;
  size_t primary = 0, ahead = 0, behind = 0;
  client_options patience;

  divergent_member() : torture_stage(3, {}) {
    auto map = cluster->map();
    require(map);
    const auto& row = row_of(*map);
    partition = row.id;
    primary = index_of(row.primary);
    ahead = (primary + 1) % 3;
    behind = (primary + 2) % 3;
    patience.deadline = seconds(30);
    require(cluster->console({"config", "set", "prefetch.copies_max", "0"}));
  }
  static const partition_row& row_of(const partition_map& map) {
    auto it = std::find_if(map.partitions.begin(), map.partitions.end(),
                           [](const partition_row& r) { return r.replicas_wanted == 3; });
    BOOST_REQUIRE(it != map.partitions.end());
    return *it;
  }
  size_t index_of(const node_id& id) const {
    for (size_t i = 0; i < cluster->nodes().size(); ++i)
      if (cluster->nodes()[i].name == id.value) return i;
    BOOST_FAIL("no node " << id.value);
    return 0;
  }
  void put(const std::string& key, const std::string& value, duration deadline, bool answered) {
    patience.deadline = deadline;
    auto writer = client::connect(cluster->control_endpoint(), patience);
    require(writer);
    auto outcome = writer->put(partition, {{op_kind::put, {key}, {value}}});
    BOOST_TEST(outcome.has_value() == answered, key);
  }
  std::string version_at(size_t node) {
    auto told = cluster->node_console(node, {"replicas", to_string(partition)});
    if (!told) return {};
    auto table = nlohmann::json::parse(*told);
    for (const auto& row : table["rows"])
      if (row[0] == to_string(partition)) return row[4];
    return {};
  }
  uint64_t seq_at(size_t node) {
    auto text = version_at(node);
    return text.empty() ? 0 : std::stoull(text.substr(text.find(':') + 1));
  }
  /// Entries that are durable at `ahead` alone. Their common predecessor.
  uint64_t make_tail() {
    put("acknowledged", "before", seconds(30), true);
    auto common = seq_at(primary);
    cut_way(primary, behind, true);
    pause_for(milliseconds(300)); // until the node has read it
    for (uint64_t i = 0; i < tail; ++i)
      put("lost" + std::to_string(i), "x", milliseconds(150), false);
    auto until = std::chrono::steady_clock::now() + seconds(10);
    while (seq_at(ahead) < common + tail && std::chrono::steady_clock::now() < until)
      pause_for(milliseconds(20));
    BOOST_REQUIRE(seq_at(ahead) == common + tail);
    BOOST_REQUIRE(seq_at(behind) == common);
    return common;
  }
  void kill_both() {
    for (auto n : {primary, ahead}) cluster->nodes()[n].daemon.signal(SIGKILL);
    for (auto n : {primary, ahead}) (void)cluster->nodes()[n].daemon.wait(seconds(5));
    made_clean(primary);
  }
  bool promoted(size_t node, duration timeout) {
    node_id id{cluster->nodes()[node].name};
    return cluster->wait_for_map(
        [&](const partition_map& map) { return row_of(map).primary == id; }, timeout);
  }
  /// The others may still be without: no copy is ordered for a while where copies came to nothing,
  /// as they do on a node that dies again and again.
  bool complete(duration timeout) {
    return cluster->wait_for_map(
        [&](const partition_map& map) {
          const auto& row = row_of(map);
          return row.sync_set.size() == 3 && row.joiners.empty();
        },
        timeout);
  }
  std::vector<std::string> conflicts_of(size_t node) {
    auto told = cluster->node_console(node, {"conflicts"});
    require(told);
    std::vector<std::string> out;
    auto table = nlohmann::json::parse(*told);
    for (const auto& row : table["rows"])
      if (row[0] == to_string(partition)) out.push_back(row[1]);
    return out;
  }
  std::string events_of(size_t node) {
    auto told = cluster->node_console(node, {"events"});
    require(told);
    return *told;
  }
  void nothing_but_the_tail_is_lost(uint64_t common) {
    auto reader = client::connect(cluster->control_endpoint());
    require(reader);
    for (const char* key : {"acknowledged", "since"}) {
      auto got = reader->get(partition, key);
      require(got);
      BOOST_TEST(got->found, key);
    }
    for (uint64_t i = 0; i < tail; ++i) {
      auto got = reader->get(partition, "lost" + std::to_string(i));
      require(got);
      BOOST_TEST(!got->found);
    }
    auto journal = conflicts_of(ahead); // P4
    BOOST_REQUIRE_MESSAGE(journal.size() == tail, listed(journal));
    for (uint64_t i = 0; i < tail; ++i)
      BOOST_TEST(journal[i].ends_with(':' + std::to_string(common + 1 + i)));
    BOOST_TEST(conflicts_of(primary).empty());
    BOOST_TEST(conflicts_of(behind).empty());
    put("since", "again", seconds(30), true);
    BOOST_TEST(version_at(ahead) == version_at(behind));
    BOOST_TEST(version_at(primary) == version_at(behind));
    for (const auto& row : verify_nodes()) BOOST_ERROR(row);
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(a_member_ahead_that_missed_the_failover_is_taken_back_and_its_tail_kept,
                        divergent_member) {
  auto common = make_tail();
  kill_both();
  BOOST_REQUIRE(promoted(behind, seconds(30)));
  put("since", "then", seconds(30), true);
  revive_all();
  BOOST_REQUIRE(complete(seconds(60)));
  auto events = events_of(ahead);
  BOOST_TEST(events.find("replica_rewound") != std::string::npos, events);
  nothing_but_the_tail_is_lost(common);
}

BOOST_FIXTURE_TEST_CASE(one_that_dies_while_it_is_taken_back_is_taken_back_all_the_same,
                        divergent_member) {
  auto common = make_tail();
  kill_both();
  BOOST_REQUIRE(promoted(behind, seconds(30)));
  put("since", "then", seconds(30), true);
  for (auto place : {crash_point::rewind_command, crash_point::rewind_begun}) {
    require(cluster->start_node(ahead));
    arm(ahead, name_of(place));
    auto end = cluster->nodes()[ahead].daemon.wait(seconds(30));
    BOOST_REQUIRE_MESSAGE(end && end->signal == SIGKILL, "did not die at " << name_of(place));
  }
  require(cluster->start_node(ahead)); // and once more, when it has been taken back
  arm(ahead, name_of(crash_point::rewind_done));
  auto end = cluster->nodes()[ahead].daemon.wait(seconds(30));
  BOOST_REQUIRE_MESSAGE(end && end->signal == SIGKILL, "did not die at rewind_done");
  revive_all();
  // A copy ordered between its lives may have been given up; then it is kept away for 60 s.
  BOOST_REQUIRE(complete(seconds(120)));
  nothing_but_the_tail_is_lost(common);
}
