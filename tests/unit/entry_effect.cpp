#include "store/entry_effect.hpp"

#include <boost/test/unit_test.hpp>

#include "store/client_sessions.hpp"
#include "tests/support/memory_records.hpp"

using namespace harbinger;
using harbinger::testing::memory_records;

namespace {

record_op put(std::string key, std::string value) {
  return {op_kind::put, {std::move(key)}, {std::move(value)}};
}
record_op erase(std::string key) { return {op_kind::erase, {std::move(key)}, {}}; }
record_op erase_range(std::string from, std::string to) {
  return {op_kind::erase_range, {std::move(from)}, {std::move(to)}};
}
version v(uint64_t seq) { return {epoch{1}, seq_no{seq}}; }

struct partition_fixture {
  memory_records records;
  uint64_t seq = 0;

  entry_outcome apply(write_batch batch) { return records.apply({v(++seq), std::move(batch)}); }
  entry_outcome apply_if(condition_kind kind, std::string key, std::string value, record_op op) {
    return apply({{std::move(op)}, {{kind, {std::move(key)}, {std::move(value)}}}});
  }
  entry_outcome request(std::string client, uint64_t number, record_op op,
                        std::vector<write_condition> conditions = {}) {
    return apply({{std::move(op)}, std::move(conditions), std::move(client), number});
  }
  std::string value(const std::string& key) { return records.get(key)->value_or("(none)"); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(entry_effect_, partition_fixture)

BOOST_AUTO_TEST_CASE(operations_take_effect_in_order_and_each_key_changes_once) {
  records.rows = {{"a", "1"}, {"b", "2"}};
  auto effect = effect_of(
      records, {v(1), {{put("a", "3"), erase("b"), put("c", "4"), put("a", "5"), erase("c")}}});
  BOOST_REQUIRE(effect.has_value());
  BOOST_CHECK(effect->outcome.verdict == entry_verdict::applied);
  BOOST_TEST(effect->changes.size() == 3u);
  BOOST_CHECK((effect->changes.at("a") == record_change{"1", "5"}));
  BOOST_CHECK((effect->changes.at("b") == record_change{"2", std::nullopt}));
  BOOST_CHECK((effect->changes.at("c") == record_change{}));
}

BOOST_AUTO_TEST_CASE(a_condition_is_on_the_state_before_the_batch) {
  BOOST_CHECK(apply_if(condition_kind::absent, "k", "", put("k", "1")).verdict
              == entry_verdict::applied);
  BOOST_CHECK(apply_if(condition_kind::present, "k", "", put("k", "2")).verdict
              == entry_verdict::applied);
  BOOST_CHECK(apply_if(condition_kind::equals, "k", "2", put("k", "3")).verdict
              == entry_verdict::applied);
  auto both = apply({{put("l", "1"), put("l", "2")}, {{condition_kind::absent, {"l"}, {}}}});
  BOOST_CHECK(both.verdict == entry_verdict::applied);
  BOOST_TEST(value("k") == "3");
  BOOST_TEST(value("l") == "2");
}

BOOST_AUTO_TEST_CASE(a_condition_that_does_not_hold_changes_nothing_and_names_its_key) {
  records.rows = {{"k", "1"}};
  for (auto [kind, key, expected] : {std::tuple{condition_kind::absent, "k", ""},
                                     std::tuple{condition_kind::present, "other", ""},
                                     std::tuple{condition_kind::equals, "k", "2"},
                                     std::tuple{condition_kind::equals, "other", ""}}) {
    auto outcome = apply({{put("x", "1"), erase("k")},
                          {{condition_kind::equals, {"k"}, {"1"}}, {kind, {key}, {expected}}}});
    BOOST_CHECK(outcome.verdict == entry_verdict::condition_failed);
    BOOST_TEST(outcome.key == key);
    auto answer = answer_of(outcome);
    BOOST_REQUIRE(!answer.has_value());
    BOOST_CHECK((answer.error() == error{errc::condition_failed, key}));
  }
  BOOST_TEST(records.rows.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_range_removes_what_is_in_it_and_nothing_of_the_service) {
  request("someone", 1, put("a", "1"));
  apply({{put("b", "2"), put("c", "3"), put("d", "4"), put("e", "5")}});
  apply({{put("bb", "new"), erase_range("b", "d"), put("c", "again")}});
  BOOST_CHECK(
      (records.user_rows()
       == std::map<std::string, std::string>{{"a", "1"}, {"c", "again"}, {"d", "4"}, {"e", "5"}}));
  apply({{erase_range("d", "")}});
  BOOST_TEST(records.user_rows().size() == 2u);
  apply({{erase_range("", "")}});
  BOOST_TEST(records.user_rows().empty());
  BOOST_TEST(find_session(records, "someone")->has_value());
  BOOST_TEST(*count_sessions(records) == 1u);
}

BOOST_AUTO_TEST_CASE(a_range_with_too_much_in_it_changes_nothing) {
  for (size_t i = 0; i <= range_records_max; ++i) records.rows["k" + std::to_string(i)] = "";
  auto before = records.rows;
  auto outcome = apply({{put("a", "1"), erase_range("k", "")}});
  BOOST_CHECK(outcome.verdict == entry_verdict::too_large);
  BOOST_CHECK(answer_of(outcome).error().code == errc::oversize);
  BOOST_CHECK(records.rows == before);
  records.rows.erase("k0");
  BOOST_CHECK(apply({{put("a", "1"), erase_range("k", "")}}).verdict == entry_verdict::applied);
  BOOST_TEST(records.rows.size() == 1u);

  records.rows.clear();
  for (int i = 0; i < 65; ++i) records.rows["k" + std::to_string(i)] = std::string(1 << 20, 'x');
  BOOST_CHECK(apply({{erase_range("k", "")}}).verdict == entry_verdict::too_large);
}

BOOST_AUTO_TEST_CASE(a_repeated_request_is_not_applied_again_and_gets_the_first_answer) {
  auto first = request("c1", 7, put("k", "1"));
  BOOST_TEST(!first.repeated());
  apply({{put("k", "of another")}});
  auto again = request("c1", 7, put("k", "1"));
  BOOST_TEST(again.repeated());
  BOOST_TEST(value("k") == "of another");
  auto answer = answer_of(again);
  BOOST_TEST(answer->version == v(1));
  BOOST_TEST(answer->repeated);
  BOOST_TEST(!answer_of(first)->repeated);
}

BOOST_AUTO_TEST_CASE(a_request_that_failed_stays_failed_when_repeated) {
  write_condition absent{condition_kind::absent, {"k"}, {}};
  apply({{put("k", "1")}});
  auto first = request("c1", 1, put("k", "2"), {absent});
  BOOST_CHECK(first.verdict == entry_verdict::condition_failed);
  apply({{erase("k")}});
  auto again = request("c1", 1, put("k", "2"), {absent});
  BOOST_CHECK(again.verdict == entry_verdict::condition_failed);
  BOOST_TEST(again.key == "k");
  BOOST_TEST(again.decided == v(2));
  BOOST_TEST(value("k") == "(none)");
  BOOST_CHECK(request("c1", 2, put("k", "2"), {absent}).verdict == entry_verdict::applied);
}

BOOST_AUTO_TEST_CASE(an_older_request_is_refused_and_gaps_are_not) {
  request("c1", 3, put("k", "3"));
  auto late = request("c1", 2, put("k", "2"));
  BOOST_CHECK(late.verdict == entry_verdict::stale_request);
  BOOST_CHECK(answer_of(late).error().code == errc::stale_request);
  BOOST_TEST(value("k") == "3");
  BOOST_CHECK(request("c1", 90, put("k", "90")).verdict == entry_verdict::applied);
  BOOST_CHECK(request("c2", 1, put("k", "c2")).verdict == entry_verdict::applied);
}

BOOST_AUTO_TEST_CASE(without_a_client_nothing_is_remembered) {
  apply({{put("k", "1")}});
  BOOST_CHECK(!apply({{put("k", "1")}}).repeated());
  BOOST_TEST(records.rows.size() == 1u);
}

BOOST_AUTO_TEST_CASE(when_too_many_clients_come_the_oldest_quarter_is_forgotten_at_once) {
  auto name = [](size_t i) { return "client" + std::to_string(i); };
  for (size_t i = 0; i < sessions_max; ++i) request(name(i), 1, put("k", std::to_string(i)));
  request(name(0), 2, put("k", "the first is the newest now"));
  BOOST_TEST(*count_sessions(records) == sessions_max);
  auto effect = effect_of(records, {v(++seq), {{put("k", "x")}, {}, "one more", 1}});
  BOOST_REQUIRE(effect.has_value());
  size_t forgotten = 0;
  for (const auto& [key, change] : effect->changes)
    forgotten += key.starts_with('\0') && !change.after;
  BOOST_TEST(forgotten == sessions_max / 4);
  request("one more", 1, put("k", "x"));
  BOOST_TEST(*count_sessions(records) == sessions_max * 3 / 4 + 1);
  BOOST_TEST(find_session(records, name(0))->has_value());
  BOOST_TEST(!find_session(records, name(1))->has_value());
  BOOST_TEST(!find_session(records, name(sessions_max / 4))->has_value());
  BOOST_TEST(find_session(records, name(sessions_max / 4 + 1))->has_value());
  BOOST_TEST(find_session(records, "one more")->has_value());
}

BOOST_AUTO_TEST_CASE(equal_records_and_entries_have_equal_effects) {
  partition_fixture other;
  for (auto* p : {static_cast<partition_fixture*>(this), &other})
    for (size_t i = 0; i < 3 * sessions_max; ++i)
      p->request("c" + std::to_string(i * 7919 % 1500), i + 1,
                 i % 5 == 0 ? erase_range("k1", "k5") : put("k" + std::to_string(i % 9), "x"),
                 i % 3 == 0 ? std::vector{write_condition{condition_kind::present, {"k7"}, {}}}
                            : std::vector<write_condition>{});
  BOOST_CHECK(records.rows == other.records.rows);
  BOOST_CHECK(records.digest() == other.records.digest());
}

BOOST_AUTO_TEST_CASE(a_damaged_session_is_an_error_and_not_a_new_client) {
  records.rows[std::string("\0c", 2) + "c1"] = "rubbish";
  auto effect = effect_of(records, {v(1), {{put("k", "1")}, {}, "c1", 1}});
  BOOST_REQUIRE(!effect.has_value());
  BOOST_CHECK(effect.error().code == errc::checksum);
}

BOOST_AUTO_TEST_CASE(an_overlay_reads_as_if_it_were_written) {
  records.rows = {{"a", "1"}, {"c", "3"}, {"e", "5"}};
  record_overlay below(&records);
  record_overlay above(&below);
  BOOST_REQUIRE(below.set("b", "2"));
  BOOST_REQUIRE(below.set("c", std::nullopt));
  BOOST_REQUIRE(above.set("b", "22"));
  BOOST_REQUIRE(above.set("e", std::nullopt));
  BOOST_REQUIRE(above.set("z", "26"));
  auto seen = [](const record_reader& from, std::string_view first, std::string_view end,
                 size_t most) {
    std::string all;
    BOOST_REQUIRE(from.range(first, end, [&](std::string_view key, std::string_view value) {
      all += std::string(key) + '=' + std::string(value) + ' ';
      return --most > 0;
    }));
    return all;
  };
  BOOST_TEST(seen(above, "", "", 99) == "a=1 b=22 z=26 ");
  BOOST_TEST(seen(above, "b", "z", 99) == "b=22 ");
  BOOST_TEST(seen(above, "", "", 1) == "a=1 ");
  BOOST_TEST(seen(above, "", "", 2) == "a=1 b=22 ");
  BOOST_TEST(seen(below, "", "", 99) == "a=1 b=2 e=5 ");
  below.adopt(above.take());
  BOOST_TEST(seen(below, "", "", 99) == "a=1 b=22 z=26 ");
  BOOST_CHECK((below.changes().at("b") == record_change{std::nullopt, "22"}));
  BOOST_CHECK((below.changes().at("e") == record_change{"5", std::nullopt}));
}

BOOST_AUTO_TEST_SUITE_END()
