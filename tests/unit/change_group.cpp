#include <boost/test/unit_test.hpp>

#include "catalog/catalog.hpp"
#include "catalog/change_group.hpp"

using namespace harbinger;

namespace {

struct rows {
  catalog_view view;
  rows() {
    view.set_revision(term{1}, revision{0});
    for (auto name : {"n1", "n2", "n3"}) {
      node_hello m;
      m.node = node_id{name};
      m.life = incarnation{1};
      m.data_endpoint = std::string("tcp://") + name;
      view.apply(*catalog::register_node(view, m));
    }
    view.apply(*catalog::create_volume(view, {"vol", 4, 2}, {}));
  }
  /// A new copy on whoever has nothing of the partition.
  change_partition with_copy(uint32_t index) {
    auto row = *view.partition(make_partition_id(1, index));
    for (auto& [id, node] : view.nodes())
      if (!catalog_view::mentions(row, id)) row.copies = {{id, copy_id{7}, false}};
    return {row.revision, row, "a copy"};
  }
};

/// Rows as text, for comparing.
std::string shown(const catalog_view& view) {
  std::string text;
  for (auto& [id, row] : view.partitions()) {
    text += to_string(id) + " r" + std::to_string(row.revision.value) + " " + row.primary.value;
    for (auto& member : row.sync_set) text += " " + member.value;
    for (auto& copy : row.copies) text += " copy " + copy.node.value;
    text += "; ";
  }
  return text;
}

} // namespace

BOOST_FIXTURE_TEST_CASE(a_group_is_one_delta_that_followers_can_take, rows) {
  auto follower = view;
  catalog::change_group group;
  auto before = view.revision();
  for (uint32_t i = 0; i < 3; ++i) {
    auto row = group.add(view, with_copy(i));
    BOOST_REQUIRE(row);
    BOOST_TEST(row->revision.value == before.value + i + 1);
  }
  auto delta = group.delta(view);
  BOOST_TEST((delta.previous == before));
  BOOST_TEST((delta.revision == view.revision()));
  BOOST_TEST(delta.partitions.size() == 3u);
  BOOST_TEST(group.notes().size() == 3u);
  BOOST_TEST((follower.apply(delta) == catalog_view::outcome::applied));
  BOOST_TEST(shown(follower) == shown(view));
}

BOOST_FIXTURE_TEST_CASE(a_later_change_of_the_group_is_checked_against_the_earlier, rows) {
  catalog::change_group group;
  auto change = with_copy(0);
  BOOST_REQUIRE(group.add(view, change));
  auto again = group.add(view, change); // of the revision before
  BOOST_REQUIRE(!again);
  BOOST_TEST((again.error().code == errc::conflict));
  change.row = *view.partition(change.row.id);
  change.expected = change.row.revision;
  change.row.copies.clear();
  BOOST_REQUIRE(group.add(view, change));
  BOOST_TEST(group.size() == 2u);
  BOOST_TEST(group.delta(view).partitions.size() == 1u); // the row as it is now
}

BOOST_FIXTURE_TEST_CASE(a_group_that_could_not_be_stored_leaves_no_trace, rows) {
  auto before = view;
  catalog::change_group group;
  auto change = with_copy(0);
  BOOST_REQUIRE(group.add(view, change));
  change.row = *view.partition(change.row.id);
  change.expected = change.row.revision;
  change.row.copies.clear();
  BOOST_REQUIRE(group.add(view, change));
  BOOST_REQUIRE(group.add(view, with_copy(1)));
  group.take_back(view);
  BOOST_TEST(group.empty());
  BOOST_TEST(shown(view) == shown(before));
  BOOST_TEST((view.revision() == before.revision()));
  for (auto& [id, node] : view.nodes()) {
    BOOST_TEST((view.partitions_of(id) == before.partitions_of(id)));
    BOOST_TEST(view.primaries_of(id) == before.primaries_of(id));
  }
}

BOOST_FIXTURE_TEST_CASE(primaries_are_counted_as_rows_change, rows) {
  size_t counted = 0, named = 0;
  for (auto& [id, node] : view.nodes()) counted += view.primaries_of(id);
  for (auto& [id, row] : view.partitions()) named += !row.primary.value.empty();
  BOOST_TEST(counted == named);
  auto row = *view.partition(make_partition_id(1, 0));
  auto old = row.primary;
  auto had = view.primaries_of(old);
  row.primary = node_id{};
  view.put(row);
  BOOST_TEST(view.primaries_of(old) == had - 1);
  view.apply(view.whole());
  BOOST_TEST(view.primaries_of(old) == had - 1);
}
