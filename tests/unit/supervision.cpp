#include <boost/test/unit_test.hpp>

#include <random>
#include <set>

#include "core/supervision.hpp"

using namespace harbinger;
using namespace harbinger::supervision;

namespace {

/// "start a, stop b": wakes are left out, they are checked by time.
std::string told(const actions& out) {
  static const char* words[] = {"start", "stop", "kill", "abandon", "wake", "escalate", "finished"};
  std::string text;
  for (const auto& a : out) {
    if (a.what == action::kind::wake) continue;
    text += (text.empty() ? "" : ", ") + std::string{words[static_cast<size_t>(a.what)]};
    if (!a.child.empty()) text += ' ' + a.child;
  }
  return text;
}

time_point wake_of(const actions& out) {
  for (const auto& a : out)
    if (a.what == action::kind::wake) return a.at;
  return {};
}

struct family {
  policy rules;
  std::vector<child_spec> specs{{"a"}, {"b"}, {"c"}};
  time_point now{seconds(1000)};
  std::optional<supervisor> sup;

  supervisor& begin() {
    sup.emplace(rules, specs, 7);
    sup->step(start_all{}, now);
    return *sup;
  }
  actions down(const std::string& name, bool abnormal = true) {
    return sup->step(child_down{name, abnormal, "test"}, now);
  }
  actions after(duration time) {
    now += time;
    return sup->step(woken{}, now);
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(children_start_in_order_and_stop_in_reverse, family) {
  sup.emplace(rules, specs, 7);
  BOOST_TEST(told(sup->step(start_all{}, now)) == "start a, start b, start c");
  BOOST_TEST(told(sup->step(stop_all{}, now)) == "stop c");
  BOOST_TEST(told(down("c", false)) == "stop b");
  BOOST_TEST(told(down("b", false)) == "stop a");
  BOOST_TEST(told(down("a", false)) == "finished");
}

BOOST_FIXTURE_TEST_CASE(one_for_one_restarts_only_the_child_that_ended, family) {
  begin();
  BOOST_TEST(told(down("b")) == "start b");
  BOOST_TEST(sup->children()[1].restarts == 1u);
  BOOST_TEST(sup->children()[1].last_reason == "test");
}

BOOST_FIXTURE_TEST_CASE(rest_for_one_stops_later_children_in_reverse_then_starts_in_order, family) {
  rules.how = strategy::rest_for_one;
  specs.push_back({"d"});
  begin();
  BOOST_TEST(told(down("b")) == "stop d");
  BOOST_TEST(told(down("d", false)) == "stop c");
  BOOST_TEST(told(down("c", false)) == "start b, start c, start d");
  BOOST_TEST(sup->children()[0].restarts == 0u);
}

BOOST_FIXTURE_TEST_CASE(one_for_all_restarts_everybody, family) {
  rules.how = strategy::one_for_all;
  begin();
  BOOST_TEST(told(down("b")) == "stop c");
  BOOST_TEST(told(down("c")) == "stop a");
  BOOST_TEST(told(down("a")) == "start a, start b, start c");
}

BOOST_FIXTURE_TEST_CASE(a_temporary_child_is_stopped_with_its_group_but_not_started_again, family) {
  rules.how = strategy::one_for_all;
  specs[2].kind = restart_kind::temporary;
  begin();
  BOOST_TEST(told(down("a")) == "stop c");
  BOOST_TEST(told(down("c")) == "stop b");
  BOOST_TEST(told(down("b")) == "start a, start b");
}

BOOST_FIXTURE_TEST_CASE(restart_kinds_decide_who_comes_back, family) {
  specs = {{"p", restart_kind::permanent},
           {"t", restart_kind::transient},
           {"x", restart_kind::temporary}};
  begin();
  BOOST_TEST(told(down("p", false)) == "start p");
  BOOST_TEST(told(down("t", true)) == "start t");
  BOOST_TEST(told(down("t", false)) == "");
  BOOST_TEST(told(down("x", true)) == "");
}

BOOST_FIXTURE_TEST_CASE(the_first_restart_is_at_once_and_later_ones_wait_longer_and_longer,
                        family) {
  rules.restarts_max = 100;
  begin();
  BOOST_TEST(told(down("a")) == "start a");
  duration expected = rules.backoff;
  for (int i = 0; i < 12; ++i) {
    auto out = down("a");
    BOOST_TEST(told(out) == "");
    auto delay = wake_of(out) - now;
    BOOST_TEST((delay >= expected / 2 && delay <= expected));
    BOOST_TEST(told(after(delay - milliseconds(1))) == "");
    BOOST_TEST(told(after(milliseconds(1))) == "start a");
    expected = std::min(expected * 2, rules.backoff_max);
  }
}

BOOST_FIXTURE_TEST_CASE(after_a_calm_time_the_restart_is_at_once_again, family) {
  begin();
  down("a");
  after(wake_of(down("a")) - now);
  after(rules.within + 2 * rules.backoff_max + seconds(1));
  BOOST_TEST(told(down("a")) == "start a");
}

BOOST_FIXTURE_TEST_CASE(one_restart_more_than_allowed_stops_all_and_escalates, family) {
  rules.restarts_max = 2;
  rules.backoff = duration::zero();
  begin();
  down("a");
  down("b");
  BOOST_TEST(told(down("a")) == "stop c");
  BOOST_TEST(told(down("c")) == "stop b");
  auto last = down("b");
  BOOST_TEST(told(last) == "escalate");
  BOOST_TEST(last.back().text.find("more than 2 restarts within 10 s; last: a ended: test") == 0u);
}

BOOST_FIXTURE_TEST_CASE(what_an_operator_kills_comes_back_at_once_and_never_escalates, family) {
  rules.restarts_max = 2;
  begin();
  for (int i = 0; i < 50; ++i)
    BOOST_TEST(told(sup->step(child_down{"a", true, "kill", true}, now)) == "start a");
}

BOOST_FIXTURE_TEST_CASE(restarts_far_apart_never_escalate, family) {
  rules.restarts_max = 2;
  begin();
  for (int i = 0; i < 50; ++i) {
    after(seconds(6));
    BOOST_TEST(told(down("a")) != "stop c");
    after(seconds(5));
  }
}

BOOST_FIXTURE_TEST_CASE(a_child_that_does_not_stop_is_killed_and_then_abandoned, family) {
  begin();
  auto out = sup->step(stop_all{}, now);
  BOOST_TEST((wake_of(out) - now == rules.stop_timeout));
  BOOST_TEST(told(after(rules.stop_timeout)) == "kill c");
  BOOST_TEST(told(after(rules.stop_timeout)) == "abandon c, stop b");
  BOOST_TEST(told(down("c")) == "");
}

BOOST_FIXTURE_TEST_CASE(stopping_while_a_restart_waits_does_not_start_the_child, family) {
  begin();
  down("a");
  auto wake = wake_of(down("a"));
  BOOST_TEST(told(sup->step(stop_all{}, now)) == "stop c");
  down("c"), down("b");
  BOOST_TEST(told(after(wake - now + seconds(1))) == "");
}

BOOST_FIXTURE_TEST_CASE(a_second_failure_while_the_group_stops_is_part_of_the_same_restart,
                        family) {
  rules.how = strategy::one_for_all;
  begin();
  BOOST_TEST(told(down("a")) == "stop c");
  BOOST_TEST(told(down("b")) == "");
  BOOST_TEST(told(down("c")) == "start a, start b, start c");
}

/// Whatever happens, a child is started only when it is not running, stopped only when it is, and
/// nothing hangs.
BOOST_AUTO_TEST_CASE(random_ends_never_double_a_child_and_never_hang) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      std::mt19937_64 engine(seed);
      policy rules;
      rules.how = static_cast<strategy>(engine() % 3);
      rules.restarts_max = 5 + static_cast<uint32_t>(engine() % 50);
      supervisor sup(rules,
                     {{"a"}, {"b", restart_kind::transient}, {"c"}, {"d", restart_kind::temporary}},
                     seed);
      std::set<std::string> alive;
      std::vector<std::string> asked;
      bool over = false;
      time_point now{seconds(10)}, wake{};
      auto obey = [&](const actions& out) {
        for (const auto& a : out) switch (a.what) {
          case action::kind::start: BOOST_REQUIRE(alive.insert(a.child).second); break;
          case action::kind::stop:
            BOOST_REQUIRE(alive.contains(a.child));
            asked.push_back(a.child);
            break;
          case action::kind::kill: break;
          case action::kind::abandon: alive.erase(a.child), std::erase(asked, a.child); break;
          case action::kind::wake: wake = a.at; break;
          case action::kind::escalate:
          case action::kind::finished: BOOST_REQUIRE(alive.empty()); over = true;
          }
      };
      auto end = [&](std::string name, bool abnormal) {
        alive.erase(name), std::erase(asked, name);
        obey(sup.step(child_down{std::move(name), abnormal, "x"}, now));
      };
      obey(sup.step(start_all{}, now));
      for (int i = 0; i < 400 && !over; ++i) {
        now += milliseconds(engine() % 300);
        if (wake <= now) obey(sup.step(woken{}, now));
        if (i == 300) obey(sup.step(stop_all{}, now));
        if (!asked.empty() && engine() % 3)
          end(asked.front(), engine() % 2);
        else if (!alive.empty() && engine() % 4 == 0 && i < 300)
          end(*std::next(alive.begin(), static_cast<long>(engine() % alive.size())), engine() % 2);
      }
      BOOST_TEST(over);
    }
  }
}
