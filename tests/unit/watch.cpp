#include <boost/test/unit_test.hpp>

#include <filesystem>

#include <unistd.h>

#include "core/version_text.hpp"
#include "replica/watch_desk.hpp"
#include "store/change_reader.hpp"

using namespace harbinger;
using replication::watch_desk;
namespace fs = std::filesystem;

namespace {

const partition_id part = make_partition_id(1, 1);
version v(uint64_t e, uint64_t s) { return {epoch{e}, seq_no{s}}; }

write_batch put(const std::string& key, const std::string& value) {
  return {{{op_kind::put, {key}, {value}}}};
}

/// A primary in epoch 2 whose log holds 1..6: two puts of epoch 1; then a condition that fails, a
/// request, the same request again, and a range.
struct primary {
  std::string root =
      (fs::temp_directory_path() / ("hb-watch-" + std::to_string(::getpid()))).string();
  std::shared_ptr<partition_store> store;

  primary() {
    fs::remove_all(root);
    store = partition_store::open({root, false, 0}).value();
    auto refused = put("a", "never");
    refused.conditions = {{condition_kind::absent, {"a"}, {}}};
    auto once = put("c", "3");
    once.client = "somebody";
    once.request = 1;
    write({{v(1, 1), put("a", "1")},
           {v(1, 2), put("b", "2")},
           {v(2, 3), refused},
           {v(2, 4), once},
           {v(2, 5), once},
           {v(2, 6), {{{op_kind::erase_range, {"a"}, {"c"}}}}}});
  }
  ~primary() {
    store.reset();
    fs::remove_all(root);
  }
  void write(std::vector<log_entry> entries) {
    store_write item;
    item.partition = part;
    item.epoch = epoch{2};
    item.create = true;
    if (auto head = store->head(part)) item.previous = head->version;
    item.committed = entries.back().version.seq;
    item.entries = std::move(entries);
    item.change.emplace();
    item.change->role = replica_role::primary;
    item.change->state = replica_state::following;
    BOOST_REQUIRE(store->write_one(item));
  }
  result<changes_reply> after(version from, uint64_t committed = 6, uint32_t bytes_max = 0,
                              bool current = true) const {
    return read_changes(*store, {part, from, bytes_max, 0}, seq_no{committed}, current);
  }
  std::vector<version> versions(const result<changes_reply>& reply) const {
    BOOST_REQUIRE_MESSAGE(reply.has_value(), (reply ? "" : to_string(reply.error())));
    std::vector<version> out;
    for (const auto& c : reply->changes) out.push_back(c.version);
    return out;
  }
  errc refusal(const result<changes_reply>& reply) const {
    BOOST_REQUIRE(!reply.has_value());
    return reply.error().code;
  }
};

using versions_of = std::vector<version>;

} // namespace

BOOST_FIXTURE_TEST_SUITE(changes, primary)

BOOST_AUTO_TEST_CASE(what_changed_nothing_is_not_told) {
  auto all = after({});
  BOOST_TEST(versions(all) == (versions_of{v(1, 1), v(1, 2), v(2, 4), v(2, 6)}),
             boost::test_tools::per_element());
  BOOST_TEST(all->next == v(2, 6));
  BOOST_TEST(all->head == v(2, 6));
  BOOST_REQUIRE_EQUAL(all->changes.size(), 4u);
  BOOST_CHECK(all->changes[3].ops[0].kind == op_kind::erase_range);
  BOOST_TEST(all->changes[3].ops[0].value.data == "c");
}

BOOST_AUTO_TEST_CASE(that_an_entry_changed_nothing_is_known_after_a_restart) {
  store.reset();
  store = partition_store::open({root, false, 0}).value();
  BOOST_TEST(versions(after({})).size() == 4u);
  BOOST_TEST(store->log_after(part, {}, seq_no{6}, 1 << 20)->size() == 6u); // others see them all
}

BOOST_AUTO_TEST_CASE(nothing_beyond_the_commit_point_is_told) {
  auto some = after(v(1, 1), 4);
  BOOST_TEST(versions(some) == (versions_of{v(1, 2), v(2, 4)}), boost::test_tools::per_element());
  BOOST_TEST(some->next == v(2, 4));
  BOOST_TEST(some->head == v(2, 4));
  BOOST_TEST(versions(after(v(2, 4), 3)).empty()); // already further than this one knows
}

BOOST_AUTO_TEST_CASE(next_goes_on_past_what_changed_nothing) {
  auto idle = after(v(1, 2), 3);
  BOOST_TEST(idle->changes.empty());
  BOOST_TEST(idle->next == v(2, 3));
}

BOOST_AUTO_TEST_CASE(in_pieces_everything_comes_once) {
  versions_of seen;
  for (version at; at != v(2, 6);) {
    auto piece = after(at, 6, 1);
    for (auto found : versions(piece)) seen.push_back(found);
    BOOST_REQUIRE(piece->next > at);
    at = piece->next;
  }
  BOOST_TEST(seen == (versions_of{v(1, 1), v(1, 2), v(2, 4), v(2, 6)}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_version_of_another_history_is_refused) {
  BOOST_CHECK(refusal(after(v(1, 3))) == errc::diverged);
  BOOST_CHECK(refusal(after(v(2, 2))) == errc::diverged);
  BOOST_CHECK(refusal(after(v(2, 7))) == errc::diverged);
  BOOST_CHECK(refusal(after(v(3, 7))) == errc::unavailable); // a newer primary knows
}

BOOST_AUTO_TEST_CASE(a_primary_that_may_be_deposed_does_not_say_that_a_version_is_in_no_history) {
  // Its successor may have committed 2:7, which this one sent before it was cut off.
  BOOST_CHECK(refusal(after(v(2, 7), 6, 0, false)) == errc::unavailable);
  BOOST_TEST(versions(after({}, 6, 0, false)).size() == 4u);
}

BOOST_AUTO_TEST_CASE(what_was_trimmed_is_refused) {
  BOOST_REQUIRE(store->trim_log(part, seq_no{4}));
  BOOST_CHECK(refusal(after({})) == errc::log_trimmed);
  BOOST_CHECK(refusal(after(v(1, 2))) == errc::log_trimmed);
  BOOST_TEST(versions(after(v(2, 3))).size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_lost_entry_can_be_read_from_the_conflict_journal_whether_it_did_anything) {
  BOOST_REQUIRE_EQUAL(store->drop(part, {{epoch{1}, seq_no{1}}, {epoch{9}, seq_no{3}}}).value(),
                      4u);
  BOOST_TEST(store->conflicts(10).value().size() == 4u);
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

/// A desk, and a partition whose changes the test makes up.
struct desk_fixture {
  time_point now{std::chrono::hours(1)};
  watch_desk desk;
  changes_reply news;
  std::optional<error> trouble;
  watch_desk::reader read = [this](const watch_request& ask) -> result<changes_reply> {
    if (trouble) return tl::unexpected<error>(*trouble);
    asked = ask.after;
    auto out = news;
    out.next = std::max(out.next, ask.after);
    return out;
  };
  version asked;

  watch_desk::answers ask(uint64_t token, uint32_t wait_ms, version after = {}) {
    return desk.ask(token, {part, after, 0, wait_ms}, now, read);
  }
  void commit(uint64_t seq) {
    news.changes = {{v(1, seq), {}}};
    news.next = v(1, seq);
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(desk, desk_fixture)

BOOST_AUTO_TEST_CASE(who_has_something_to_hear_hears_it_at_once) {
  commit(1);
  auto answers = ask(7, 1000);
  BOOST_REQUIRE_EQUAL(answers.size(), 1u);
  BOOST_TEST(answers[0].to == 7u);
  BOOST_TEST(desk.waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(who_waits_hears_of_the_next_commit_of_its_partition) {
  BOOST_TEST(ask(7, 1000).empty());
  BOOST_TEST(ask(8, 1000).empty());
  commit(1);
  BOOST_TEST(desk.committed(make_partition_id(1, 2), now, read).empty());
  BOOST_TEST(desk.committed(part, now, read).size() == 2u);
  BOOST_TEST(desk.committed(part, now, read).empty());
  BOOST_TEST(desk.waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(who_waited_long_enough_hears_that_there_is_nothing) {
  BOOST_TEST(ask(7, 100).empty());
  now += milliseconds(99);
  BOOST_TEST(desk.tick(now, read).empty());
  now += watch_desk::look_period;
  auto answers = desk.tick(now, read);
  BOOST_REQUIRE_EQUAL(answers.size(), 1u);
  BOOST_TEST(answers[0].reply->changes.empty());
  BOOST_TEST(ask(8, 0).size() == 1u); // no time to wait
}

BOOST_AUTO_TEST_CASE(nobody_waits_longer_than_the_limit) {
  BOOST_TEST(ask(7, 0xffff'ffff).empty());
  now += milliseconds(watch_wait_ms_max);
  BOOST_TEST(desk.tick(now, read).size() == 1u);
}

BOOST_AUTO_TEST_CASE(what_changed_nothing_wakes_nobody_and_is_not_read_again) {
  BOOST_TEST(ask(7, 1000).empty());
  news.next = v(1, 5);
  BOOST_TEST(desk.committed(part, now, read).empty());
  news.next = {};
  (void)desk.committed(part, now, read);
  BOOST_TEST(asked == v(1, 5));
  now += seconds(1);
  BOOST_TEST(desk.tick(now, read)[0].reply->next == v(1, 5));
}

BOOST_AUTO_TEST_CASE(when_the_primary_is_deposed_its_watchers_hear_it_without_a_commit) {
  BOOST_TEST(ask(7, 5000).empty());
  trouble = error{errc::not_primary, "sealed"};
  now += watch_desk::look_period;
  auto answers = desk.tick(now, read);
  BOOST_REQUIRE_EQUAL(answers.size(), 1u);
  BOOST_CHECK(answers[0].reply.error().code == errc::not_primary);
}

BOOST_AUTO_TEST_CASE(too_many_are_refused_and_nobody_else_suffers) {
  for (uint64_t i = 0; i < watch_desk::waiting_max; ++i) BOOST_REQUIRE(ask(i, 1000).empty());
  auto refused = ask(9999, 1000);
  BOOST_REQUIRE_EQUAL(refused.size(), 1u);
  BOOST_CHECK(refused[0].reply.error().code == errc::overloaded);
  commit(1);
  BOOST_TEST(desk.committed(part, now, read).size() == watch_desk::waiting_max);
  BOOST_TEST(ask(9999, 1000).size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_CASE(a_version_is_read_as_it_is_written) {
  BOOST_CHECK(parse_version("3:41") == v(3, 41));
  for (auto text : {"", ":", "3", "3:", ":4", "3:4x", "-1:4", "3:4:5"})
    BOOST_CHECK(!parse_version(text));
}
