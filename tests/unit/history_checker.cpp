/// The checker of simulated histories, against histories whose verdict is known, and against a
/// search that tries every order.

#include <boost/test/unit_test.hpp>

#include <numeric>
#include <random>

#include "tests/support/history_checker.hpp"

using namespace harbinger::sim;

namespace {

constexpr auto forever = operation::forever;
operation write(register_value v, int64_t asked, int64_t answered) {
  return {operation::kind::write, std::move(v), asked, answered};
}
operation read(register_value v, int64_t asked, int64_t answered) {
  return {operation::kind::read, std::move(v), asked, answered};
}
operation swap(register_value expected, std::string v, int64_t asked, int64_t answered) {
  return {operation::kind::swap, std::move(v), asked, answered, std::move(expected)};
}
operation refused(register_value expected, int64_t asked, int64_t answered) {
  return {operation::kind::refused, {}, asked, answered, std::move(expected)};
}
bool fine(const std::vector<operation>& history) {
  return check_history(history) == history_verdict::linearizable;
}

/// Every order of every choice of the writes without an answer.
bool fine_by_force(const std::vector<operation>& history) {
  std::vector<size_t> order(history.size());
  std::iota(order.begin(), order.end(), size_t{0});
  do {
    std::vector<bool> out(history.size(), false);
    for (;;) {
      register_value state;
      bool good = true;
      for (size_t i = 0; i < order.size() && good; ++i) {
        const auto& op = history[order[i]];
        if (out[order[i]]) continue;
        for (size_t j = i + 1; j < order.size(); ++j) // none that ended earlier comes later
          if (!out[order[j]] && history[order[j]].answered < op.asked) good = false;
        auto next = took(op, state);
        good = good && next;
        if (good) state = *next;
      }
      if (good) return true;
      size_t i = 0; // the next choice of those that never happened
      for (; i < history.size(); ++i) {
        if (history[i].answered != forever) continue;
        out[i] = !out[i];
        if (out[i]) break;
      }
      if (i == history.size()) break;
    }
  } while (std::next_permutation(order.begin(), order.end()));
  return false;
}

} // namespace

BOOST_AUTO_TEST_CASE(what_was_written_before_is_what_is_read) {
  BOOST_TEST(fine({}));
  BOOST_TEST(fine({read({}, 1, 2), write("a", 3, 4), read("a", 5, 6)}));
  BOOST_TEST(!fine({write("a", 1, 2), read({}, 3, 4)}));
  BOOST_TEST(!fine({write("a", 1, 2), write("b", 3, 4), read("a", 5, 6)}));
  BOOST_TEST(!fine({read("a", 1, 2), write("a", 3, 4)})); // read before it was written
}

BOOST_AUTO_TEST_CASE(what_overlaps_may_have_come_in_either_order) {
  BOOST_TEST(fine({write("a", 1, 5), read({}, 2, 3), read("a", 3, 4)}));
  BOOST_TEST(fine({write("a", 1, 5), write("b", 1, 5), read("a", 6, 7)}));
  BOOST_TEST(!fine({write("a", 1, 9), read("a", 2, 3), read({}, 4, 5)})); // it went back
  BOOST_TEST(!fine({write("a", 1, 5), write("b", 1, 5), read("a", 6, 7), read("b", 8, 9)}));
}

BOOST_AUTO_TEST_CASE(a_write_without_an_answer_happened_or_not_and_not_both) {
  BOOST_TEST(fine({write("a", 1, forever), read({}, 2, 3), read("a", 8, 9)}));
  BOOST_TEST(fine({write("a", 1, forever), read({}, 2, 3), read({}, 8, 9)}));
  BOOST_TEST(!fine({write("a", 1, forever), read("a", 2, 3), read({}, 8, 9)}));
  BOOST_TEST(!fine({read("a", 1, 2), write("a", 3, forever)}));
  BOOST_TEST(!fine({write("a", 1, forever), write("b", 2, 3), read("a", 4, 5), read("b", 6, 7)}));
}

BOOST_AUTO_TEST_CASE(an_erased_key_is_not_there) {
  BOOST_TEST(fine({write("a", 1, 2), write({}, 3, 4), read({}, 5, 6)}));
  BOOST_TEST(!fine({write("a", 1, 2), write({}, 3, 4), read("a", 5, 6)}));
  BOOST_TEST(fine({write("a", 1, 2), write({}, 3, forever), read("a", 4, 5), read({}, 6, 7)}));
  BOOST_TEST(!fine({write("a", 1, 2), write({}, 3, forever), read({}, 4, 5), read("a", 6, 7)}));
}

BOOST_AUTO_TEST_CASE(a_swap_finds_what_it_expected_and_a_refused_one_something_else) {
  BOOST_TEST(fine({swap({}, "a", 1, 2), swap("a", "b", 3, 4), read("b", 5, 6)}));
  BOOST_TEST(!fine({swap({}, "a", 1, 2), swap({}, "b", 3, 4)}));
  BOOST_TEST(!fine({swap({}, "a", 1, 9), swap({}, "b", 1, 9)})); // one of them has to lose
  BOOST_TEST(fine({swap({}, "a", 1, 9), refused({}, 1, 9), read("a", 10, 11)}));
  BOOST_TEST(!fine({write("a", 1, 2), refused("a", 3, 4)}));
  BOOST_TEST(
      fine({write("a", 1, 2), swap("a", "b", 3, forever), read("a", 4, 5), read("b", 6, 7)}));
  BOOST_TEST(fine({write("a", 1, 2), swap("a", "b", 3, forever), swap("b", "c", 6, 7)}));
  BOOST_TEST(!fine({write("a", 1, 2), swap("x", "b", 3, forever), read("b", 4, 5)}));
}

BOOST_AUTO_TEST_CASE(it_says_the_same_as_a_search_through_every_order) {
  std::mt19937_64 random{7};
  size_t good = 0, bad = 0;
  for (int round = 0; round < 4000; ++round) {
    std::vector<operation> history;
    std::vector<register_value> values{std::nullopt};
    for (int i = 0; i < 6; ++i) {
      auto asked = static_cast<int64_t>(random() % 20);
      auto answered = asked + 1 + static_cast<int64_t>(random() % 8);
      auto any = values[random() % values.size()];
      if (random() % 4 == 0) {
        register_value value("s" + std::to_string(i));
        values.push_back(value);
        if (random() % 3 == 0)
          history.push_back(refused(any, asked, answered));
        else
          history.push_back(swap(any, *value, asked, random() % 4 ? answered : forever));
      } else if (random() % 2) {
        auto value = random() % 5 ? register_value("v" + std::to_string(i)) : std::nullopt;
        values.push_back(value);
        history.push_back(write(value, asked, random() % 4 ? answered : forever));
      } else {
        history.push_back(read(any, asked, answered));
      }
    }
    auto expected = fine_by_force(history);
    BOOST_REQUIRE(fine(history) == expected);
    ++(expected ? good : bad);
  }
  BOOST_TEST(good > 500u);
  BOOST_TEST(bad > 500u);
}
