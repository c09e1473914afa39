#include <boost/test/unit_test.hpp>

#include "app/trouble_driver.hpp"
#include "app/trouble_plan.hpp"

using namespace harbinger;

namespace {

constexpr uint64_t room = 800ull << 20;
constexpr double long_after_s = 60.0;
const time_point begin{};

} // namespace

BOOST_AUTO_TEST_CASE(one_seed_gives_one_trouble_and_another_seed_another) {
  trouble_plan a(trouble_kind::memory_leak, 7, room), same(trouble_kind::memory_leak, 7, room),
      other(trouble_kind::memory_leak, 8, room);
  BOOST_TEST(a.describe_numbers() == same.describe_numbers());
  BOOST_TEST(a.describe_numbers() != other.describe_numbers());
  BOOST_TEST(a.at(5).hold_bytes == same.at(5).hold_bytes);
  BOOST_TEST(a.log_line(3) == same.log_line(3));
}

BOOST_AUTO_TEST_CASE(a_leak_only_grows_and_takes_more_than_there_is_room_for) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      trouble_plan plan(trouble_kind::memory_leak, seed, room);
      uint64_t before = 0;
      for (double t = 0; t < long_after_s; t += 0.25) {
        BOOST_TEST(plan.at(t).hold_bytes >= before);
        before = plan.at(t).hold_bytes;
      }
      BOOST_TEST(before > room);
      BOOST_TEST(plan.at(1).hold_bytes < room / 4);
    }
  }
}

BOOST_AUTO_TEST_CASE(look_alikes_pass_and_never_take_all_the_room) {
  for (auto kind : {trouble_kind::load_burst, trouble_kind::memory_plateau,
                    trouble_kind::short_stalls, trouble_kind::few_errors}) {
    for (uint64_t seed = 1; seed <= 50; ++seed) {
      BOOST_TEST_CONTEXT(name_of(kind) << " seed " << seed) {
        trouble_plan plan(kind, seed, room);
        for (double t = 0; t < long_after_s; t += 0.25) {
          auto effect = plan.at(t);
          BOOST_TEST(!effect.kill);
          BOOST_TEST(effect.hold_bytes < room * 6 / 10);
          BOOST_TEST(effect.stopped_share < 0.7);
        }
        BOOST_TEST(plan.at(long_after_s).over);
        BOOST_TEST(plan.at(long_after_s).hold_bytes == 0u);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(an_error_storm_ends_in_a_kill_after_a_growing_number_of_errors) {
  trouble_plan plan(trouble_kind::error_storm, 3, room);
  BOOST_TEST(plan.at(2).log_lines_per_s < plan.at(12).log_lines_per_s);
  BOOST_TEST(!plan.at(2).kill);
  BOOST_TEST(plan.at(long_after_s).kill);
}

BOOST_AUTO_TEST_CASE(no_trouble_does_nothing) {
  trouble_plan plan(trouble_kind::none, 1, room);
  auto effect = plan.at(10);
  BOOST_TEST(effect.hold_bytes == 0u);
  BOOST_TEST(effect.stopped_share == 0.0);
  BOOST_TEST(!effect.kill);
}

BOOST_AUTO_TEST_CASE(a_watchdog_is_content_with_prompt_answers) {
  watchdog dog;
  for (int ms = 0; ms < 10'000; ms += 100) {
    auto now = begin + milliseconds(ms);
    dog.sent(now);
    dog.answered(now, now + milliseconds(5));
    BOOST_TEST(!dog.gives_up(now + milliseconds(50)));
  }
}

BOOST_AUTO_TEST_CASE(a_watchdog_gives_up_a_silent_node_but_not_before_a_full_window) {
  watchdog dog;
  for (int ms = 0; ms < 2900; ms += 100) {
    dog.sent(begin + milliseconds(ms));
    BOOST_TEST(!dog.gives_up(begin + milliseconds(ms)));
  }
  dog.sent(begin + milliseconds(3100));
  BOOST_TEST(dog.gives_up(begin + milliseconds(3200)));
}

BOOST_AUTO_TEST_CASE(late_answers_do_not_count_for_a_watchdog) {
  watchdog dog;
  bool gave_up = false;
  for (int ms = 0; ms < 5000; ms += 100) {
    auto now = begin + milliseconds(ms);
    dog.sent(now);
    dog.answered(now, now + milliseconds(200));
    gave_up = gave_up || dog.gives_up(now + milliseconds(50));
  }
  BOOST_TEST(gave_up);
}
