#include <boost/test/unit_test.hpp>

#include <csignal>
#include <filesystem>
#include <set>

#include <sys/wait.h>
#include <unistd.h>

#include "catalog/catalog.hpp"
#include "catalog/catalog_store.hpp"
#include "catalog/change_group.hpp"

using namespace harbinger;

namespace {

node_hello hello(const std::string& name, const std::string& rack, uint64_t life = 1) {
  node_hello m;
  m.node = node_id{name};
  m.life = incarnation{life};
  m.data_endpoint = "tcp://" + name;
  m.attributes = {{"rack", rack}};
  m.capacity_bytes = 1000;
  return m;
}

struct cluster {
  catalog_view view;
  cluster() {
    view.set_revision(term{1}, revision{0});
    for (int i = 1; i <= 6; ++i)
      commit(catalog::register_node(
          view, hello("n" + std::to_string(i), "r" + std::to_string((i + 1) / 2))));
  }
  void commit(result<partition_map> delta) {
    BOOST_REQUIRE_MESSAGE(delta, (delta ? "" : to_string(delta.error())));
    view.apply(*delta);
  }
  partition_row& opened(uint32_t index = 0) {
    if (view.volumes().empty()) commit(catalog::create_volume(view, {"vol", 12, 2}, {"rack"}));
    row = *view.partition(make_partition_id(1, index));
    return row;
  }
  result<partition_map> change() { return catalog::change(view, {row.revision, row, "test"}); }
  partition_row row;
};

struct directory {
  std::string path = (std::filesystem::temp_directory_path() / "harbinger_catalog_test").string()
                     + std::to_string(::getpid());
  directory() { std::filesystem::remove_all(path); }
  ~directory() { std::filesystem::remove_all(path); }
};

} // namespace

#define REFUSED(result, errc_value)                                                                \
  do {                                                                                             \
    auto r = (result);                                                                             \
    BOOST_REQUIRE(!r);                                                                             \
    BOOST_TEST((r.error().code == (errc_value)), to_string(r.error()));                            \
  } while (false)

BOOST_FIXTURE_TEST_CASE(volume_is_balanced_and_spread_over_racks, cluster) {
  opened();
  std::map<node_id, int> primaries, replicas;
  for (auto& [id, row] : view.partitions()) {
    ++primaries[row.primary];
    std::set<std::string> racks;
    for (auto& node : row.sync_set) {
      ++replicas[node];
      racks.insert(view.node(node)->attributes.at("rack"));
    }
    BOOST_TEST(racks.size() == 2u);
    BOOST_TEST(row.sync_set.size() == 2u);
    BOOST_TEST(row.history.empty());
  }
  for (auto& [id, node] : view.nodes()) {
    BOOST_TEST(primaries[id] == 2);
    BOOST_TEST(replicas[id] == 4);
  }
}

BOOST_FIXTURE_TEST_CASE(volume_is_refused_with_a_reason, cluster) {
  REFUSED(catalog::create_volume(view, {"", 1, 1}, {}), errc::invalid_argument);
  REFUSED(catalog::create_volume(view, {"a", 0, 1}, {}), errc::invalid_argument);
  REFUSED(catalog::create_volume(view, {"a", 1, 6}, {}), errc::invalid_argument);
  REFUSED(catalog::create_volume(view, {"a", 65'000, 2}, {}), errc::overloaded);
  for (auto name : {"n1", "n2", "n3", "n4", "n5"})
    commit(catalog::set_state(view, {node_id{name}, incarnation{1}, node_state::dead, ""}));
  REFUSED(catalog::create_volume(view, {"a", 1, 2}, {}), errc::no_candidate);
  commit(catalog::create_volume(view, {"a", 1, 1}, {}));
  REFUSED(catalog::create_volume(view, {"a", 1, 1}, {}), errc::in_use);
}

BOOST_FIXTURE_TEST_CASE(racks_are_shared_only_when_there_is_no_other_way, cluster) {
  for (auto name : {"n3", "n4", "n5", "n6"})
    commit(catalog::set_state(view, {node_id{name}, incarnation{1}, node_state::dead, ""}));
  commit(catalog::create_volume(view, {"a", 4, 2}, {"rack"}));
  BOOST_TEST(view.partitions().size() == 4u);
}

BOOST_FIXTURE_TEST_CASE(swap_of_an_older_revision_is_a_conflict, cluster) {
  auto& row = opened();
  row.sync_set.pop_back();
  row.primary = row.sync_set.front();
  row.primary_life = incarnation{1};
  if (view.partition(row.id)->primary != row.primary) {
    row.epoch = epoch{2};
    row.history = {{epoch{2}, seq_no{1}}};
  }
  auto stale = row.revision;
  commit(change());
  row.revision = stale;
  REFUSED(change(), errc::conflict);
  row.id = make_partition_id(9, 9);
  REFUSED(change(), errc::unknown_partition);
}

BOOST_FIXTURE_TEST_CASE(rows_that_break_a_rule_are_refused, cluster) {
  opened(); // n1 primary, a secondary of another rack
  auto good = row;
  auto other = good.sync_set.front() == good.primary ? good.sync_set.back() : good.sync_set.front();
  auto stranger = node_id{"n6"};
  BOOST_REQUIRE(!catalog_view::mentions(good, stranger));
  auto refuse = [&](auto damage) {
    row = good;
    damage(row);
    REFUSED(change(), errc::invalid_argument);
  };
  refuse([&](auto& r) { r.sync_set.clear(); });
  refuse([&](auto& r) { std::swap(r.sync_set[0], r.sync_set[1]); });
  refuse([&](auto& r) { r.sync_set = {r.sync_set[0], r.sync_set[0]}; });
  refuse([&](auto& r) { r.sync_set.emplace_back("nobody"); });
  refuse([&](auto& r) { r.primary = stranger; });
  refuse([&](auto& r) { r.primary = other; });
  refuse([&](auto& r) { r.primary_life = incarnation{2}; });
  refuse([&](auto& r) { r.epoch = epoch{0}; });
  refuse([&](auto& r) { r.epoch = epoch{2}; });
  refuse([&](auto& r) { r.epoch = epoch{2}, r.history = {{epoch{3}, seq_no{1}}}; });
  refuse([&](auto& r) { r.history = {{epoch{1}, seq_no{1}}}; });
  refuse([&](auto& r) { r.sync_set.push_back(stranger); });
  refuse([&](auto& r) { r.joiners = {stranger}; });
  refuse([&](auto& r) { r.copies = {{other, copy_id{1}, true}}; });
  refuse([&](auto& r) { r.copies = {{stranger, copy_id{1}, true}, {stranger, copy_id{2}, true}}; });
  refuse([&](auto& r) { r.replicas_wanted = 3; });
  BOOST_TEST((view.revision() == good.revision)); // nothing of it stayed
}

BOOST_FIXTURE_TEST_CASE(only_the_last_resort_makes_a_copy_the_primary, cluster) {
  opened();
  auto copy = node_id{"n6"};
  row.copies = {{copy, copy_id{7}, true}};
  row.epoch = epoch{2};
  row.history = {{epoch{2}, seq_no{5}}};
  commit(change());
  row = *view.partition(row.id);
  auto begun = row.history.back();
  auto good = row;
  good.primary = copy;
  good.primary_life = view.node(copy)->life;
  good.sync_set = {copy};
  good.copies.clear();
  good.epoch = epoch{row.epoch.value + 1};
  good.history = {{good.epoch, begun.first_seq}}; // the copy holds nothing of the last epoch
  auto expected = row.revision;
  auto resort = [&](const partition_row& next, bool last_resort = true) {
    return catalog::change(view, {expected, next, "", last_resort});
  };
  REFUSED(resort(good, false), errc::invalid_argument);
  auto refuse = [&](auto damage) {
    auto bad = good;
    damage(bad);
    REFUSED(resort(bad), errc::invalid_argument);
  };
  refuse([&](auto& r) { r.epoch = row.epoch; });
  refuse([&](auto& r) { r.history = row.history; });
  refuse([&](auto& r) { r.history.insert(r.history.begin(), begun); });
  refuse([&](auto& r) { r.sync_set = row.sync_set, r.sync_set.push_back(copy); });
  refuse([&](auto& r) { r.primary = row.primary, r.sync_set = {row.primary}; });
  refuse([&](auto& r) { r.primary = node_id{}; });
  BOOST_TEST(resort(good).has_value());
}

BOOST_FIXTURE_TEST_CASE(copy_becomes_joiner_then_sync_member, cluster) {
  opened();
  auto copy = node_id{"n6"};
  row.copies = {{copy, copy_id{7}, true}};
  commit(change());
  row = *view.partition(row.id);
  auto direct = row;
  row.copies.clear();
  row.sync_set.push_back(copy);
  REFUSED(change(), errc::invalid_argument); // not without having been a joiner
  row = direct;
  row.joiners = {copy};
  commit(change());
  BOOST_TEST(view.partitions_of(copy).count(row.id) == 1u);
  row = *view.partition(row.id);
  auto with_new_epoch = row;
  row.joiners.clear();
  row.copies.clear();
  row.sync_set.push_back(copy);
  row.epoch = epoch{2};
  row.history = {{epoch{2}, seq_no{5}}};
  REFUSED(change(), errc::invalid_argument); // nor by a failover
  row = with_new_epoch;
  row.joiners.clear();
  row.copies.clear();
  row.sync_set.push_back(copy);
  commit(change());
  BOOST_TEST(view.partition(row.id)->sync_set.size() == 3u);
}

BOOST_AUTO_TEST_CASE(history_keeps_its_newest_epochs) {
  epoch_history history;
  for (uint64_t e = 1; e <= 100; ++e) history = catalog::grown(history, {epoch{e}, seq_no{e}});
  BOOST_TEST(history.size() == catalog::history_max);
  BOOST_TEST((history.front().epoch == epoch{37}));
  BOOST_TEST((history.back().epoch == epoch{100}));
}

BOOST_FIXTURE_TEST_CASE(older_life_never_comes_back, cluster) {
  commit(catalog::register_node(view, hello("n1", "r1", 5)));
  REFUSED(catalog::register_node(view, hello("n1", "r1", 4)), errc::stale_epoch);
  REFUSED(catalog::set_state(view, {node_id{"n1"}, incarnation{4}, node_state::dead, ""}),
          errc::stale_epoch);
  auto again = catalog::register_node(view, hello("n1", "r1", 5));
  BOOST_REQUIRE(again);
  BOOST_TEST((again->revision == again->previous)); // a repeated hello changes nothing
}

BOOST_FIXTURE_TEST_CASE(strange_hellos_are_refused, cluster) {
  auto m = hello("n7", "r1");
  m.node = node_id{"no spaces"};
  REFUSED(catalog::register_node(view, m), errc::invalid_argument);
  m = hello("n7", "r1", 0);
  REFUSED(catalog::register_node(view, m), errc::invalid_argument);
  m = hello("n7", std::string(1000, 'x'));
  REFUSED(catalog::register_node(view, m), errc::invalid_argument);
  m = hello("n7", "r1");
  m.data_endpoint.clear();
  REFUSED(catalog::register_node(view, m), errc::invalid_argument);
}

BOOST_FIXTURE_TEST_CASE(dead_node_comes_back_only_by_hello, cluster) {
  set_node_state dead{node_id{"n1"}, incarnation{1}, node_state::dead, ""};
  commit(catalog::set_state(view, dead));
  dead.state = node_state::up;
  REFUSED(catalog::set_state(view, dead), errc::invalid_argument);
  REFUSED(catalog::set_state(view, {node_id{"nobody"}, {}, node_state::dead, ""}),
          errc::unknown_node);
  commit(catalog::register_node(view, hello("n1", "r1", 2)));
  BOOST_TEST((view.node(node_id{"n1"})->state == node_state::up));
}

BOOST_FIXTURE_TEST_CASE(view_follows_deltas_and_notices_holes, cluster) {
  catalog_view follower;
  partition_map delta;
  BOOST_TEST((follower.apply(delta) == catalog_view::outcome::need_whole));
  BOOST_TEST((follower.apply(view.whole()) == catalog_view::outcome::applied));
  BOOST_TEST((follower.apply(view.whole()) == catalog_view::outcome::unchanged));
  auto first = catalog::register_node(view, hello("n8", "r1"));
  commit(first);
  auto second = catalog::register_node(view, hello("n9", "r1"));
  commit(second);
  BOOST_TEST((follower.apply(*second) == catalog_view::outcome::need_whole));
  BOOST_TEST((follower.apply(*first) == catalog_view::outcome::applied));
  BOOST_TEST((follower.apply(*second) == catalog_view::outcome::applied));
  BOOST_TEST((follower.apply(*second) == catalog_view::outcome::unchanged));
  second->term = term{2};
  BOOST_TEST((follower.apply(*second) == catalog_view::outcome::need_whole));
  BOOST_TEST(follower.nodes().size() == view.nodes().size());
}

BOOST_FIXTURE_TEST_CASE(index_by_node_follows_the_rows, cluster) {
  opened();
  auto gone = row.sync_set.front() == row.primary ? row.sync_set.back() : row.sync_set.front();
  auto before = view.partitions_of(gone).size();
  row.sync_set = {row.primary};
  commit(change());
  BOOST_TEST(view.partitions_of(gone).size() == before - 1);
  BOOST_TEST(view.partitions_of(node_id{"nobody"}).empty());
}

BOOST_FIXTURE_TEST_CASE(store_brings_everything_back_in_a_new_term, cluster) {
  directory dir;
  term first;
  {
    auto store = catalog_store::open(dir.path);
    BOOST_REQUIRE_MESSAGE(store, (store ? "" : to_string(store.error())));
    first = (*store)->term();
    auto whole = view.whole();
    BOOST_REQUIRE((*store)->commit(whole, "nodes", "test"));
    commit(catalog::create_volume(view, {"vol", 4, 2}, {"rack"}));
    whole = view.whole();
    BOOST_REQUIRE((*store)->commit(whole, "vol", "volume created"));
    REFUSED(catalog_store::open(dir.path), errc::in_use);
  }
  auto store = catalog_store::open(dir.path);
  BOOST_REQUIRE(store);
  BOOST_TEST(((*store)->term().value == first.value + 1));
  auto back = (*store)->load();
  BOOST_REQUIRE(back);
  BOOST_TEST((back->revision() == view.revision()));
  BOOST_TEST(back->nodes().size() == 6u);
  BOOST_TEST(back->partitions().size() == 4u);
  BOOST_TEST((back->partition(make_partition_id(1, 2))->sync_set
              == view.partition(make_partition_id(1, 2))->sync_set));
  auto journal = (*store)->journal(10);
  BOOST_REQUIRE(journal);
  BOOST_REQUIRE(journal->size() == 2u);
  BOOST_TEST(journal->front().text == "volume created");
}

BOOST_FIXTURE_TEST_CASE(the_journal_says_how_each_changed_row_was_and_how_far_it_reaches, cluster) {
  directory dir;
  auto store = catalog_store::open(dir.path);
  BOOST_REQUIRE_MESSAGE(store, (store ? "" : to_string(store.error())));
  commit(catalog::create_volume(view, {"vol", 4, 2}, {"rack"}));
  BOOST_REQUIRE((*store)->commit(view.whole(), "vol", "volume created"));
  auto row = *view.partition(make_partition_id(1, 2));
  catalog::change_group group;
  auto change = [&](const node_id& copy, bool ready) {
    row.copies = {{copy, copy_id{1}, ready}};
    auto stored = group.add(view, {row.revision, row, ready ? "it is ready" : "a copy"});
    BOOST_REQUIRE_MESSAGE(stored, (stored ? "" : to_string(stored.error())));
    row = *stored;
  };
  node_id target;
  for (const auto& [id, node] : view.nodes())
    if (!catalog_view::mentions(row, id)) target = id;
  change(target, false), change(target, true); // both in one group
  BOOST_REQUIRE((*store)->commit(group.delta(view), group.notes()));
  auto told = (*store)->journal_of("1.2");
  BOOST_REQUIRE(told);
  BOOST_REQUIRE(told->changes.size() == 2u);
  BOOST_TEST(told->whole);
  BOOST_TEST(told->since.value > 0);
  BOOST_TEST(told->changes[0].fields.at("copies") == target.value + "(copying)");
  BOOST_TEST(told->changes[1].fields.at("copies") == target.value);
  BOOST_TEST(told->changes[1].fields.at("primary") == row.primary.value);
  BOOST_TEST(told->changes[1].text == "it is ready");
  BOOST_TEST((*store)->journal_of("1.22")->changes.empty());
  BOOST_TEST((*store)->stored_partition(row.id)->value().copies.front().ready);
  BOOST_TEST(!(*store)->stored_partition(make_partition_id(9, 9))->has_value());
}

BOOST_FIXTURE_TEST_CASE(what_was_committed_survives_kill_9, cluster) {
  directory dir;
  auto child = ::fork();
  if (child == 0) {
    auto store = catalog_store::open(dir.path);
    if (store && (*store)->commit(view.whole(), "nodes", "before the kill"))
      ::kill(::getpid(), SIGKILL);
    ::_exit(1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  BOOST_REQUIRE(WIFSIGNALED(status));
  auto store = catalog_store::open(dir.path);
  BOOST_REQUIRE_MESSAGE(store, (store ? "" : to_string(store.error())));
  BOOST_TEST(((*store)->term() == term{2}));
  BOOST_TEST((*store)->load()->nodes().size() == 6u);
}

BOOST_AUTO_TEST_CASE(store_refuses_a_directory_it_can_not_have) {
  REFUSED(catalog_store::open("/proc/nothing/here"), errc::io);
}
