#include <boost/test/unit_test.hpp>

#include <cmath>
#include <random>

#include "prefetch/foreground_yield.hpp"

using namespace harbinger;

namespace {

constexpr double mib = 1 << 20;

/// A node whose writes take longer the more is copied beside them.
struct shared_disk {
  yield_limits limits{.rise = 1.25, .floor_bytes_per_s = 4 << 20, .ceiling_bytes_per_s = 512 << 20};
  foreground_yield yield{limits};
  time_point now = time_point{} + seconds(100);
  commit_totals totals;
  double quiet_ms = 4.0;
  double ms_per_mib_per_s = 0.02; ///< 50 MiB/s cost a millisecond
  double commits_per_s = 200;
  double wanted_per_s = 0; ///< what copies would take if they could
  uint64_t rate = 0;
  std::mt19937_64 random{7};
  double noise = 0.0;
  double hit_per_gib_per_s = 0.0; ///< share of commits that take three times as long

  double copied_per_s() const {
    return rate == 0 ? wanted_per_s : std::min(wanted_per_s, double(rate));
  }
  double write_ms() { // of one commit now
    std::uniform_real_distribution<double> around(-noise, noise);
    return (quiet_ms + ms_per_mib_per_s * copied_per_s() / mib) * (1 + around(random));
  }
  void run(duration span) {
    for (auto until = now + span; now < until;) {
      now += milliseconds(50);
      yield.count(static_cast<uint64_t>(copied_per_s() / 20));
      for (int i = 0; i < int(commits_per_s / 20); ++i) {
        bool hit = std::uniform_real_distribution<double>()(random) * 1e3 * mib
                   < hit_per_gib_per_s * copied_per_s();
        totals.add(write_ms() * (hit ? 3.0 : 1.0));
      }
      rate = yield.rate(totals, 0, now);
    }
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(without_foreground_there_is_nobody_to_give_way_to, shared_disk) {
  commits_per_s = 0;
  wanted_per_s = 400 * mib;
  run(seconds(1));
  BOOST_TEST(rate == limits.ceiling_bytes_per_s);
}

BOOST_FIXTURE_TEST_CASE(it_comes_down_while_writes_are_slowed, shared_disk) {
  run(seconds(2));
  wanted_per_s = 400 * mib; // would make 4 ms 12 ms
  run(seconds(3));
  BOOST_TEST(double(rate) < 110 * mib);
  BOOST_TEST(rate >= limits.floor_bytes_per_s);
  BOOST_TEST(*yield.quiet_ms() < 4.2);
  BOOST_TEST(yield.backoffs() > 0u);
}

BOOST_FIXTURE_TEST_CASE(writes_stay_near_their_quiet_time, shared_disk) {
  noise = 0.3;
  run(seconds(2));
  wanted_per_s = 400 * mib;
  run(seconds(2));
  auto before = totals;
  run(seconds(20));
  auto mean = (totals.total_ms - before.total_ms) / double(totals.commits - before.commits);
  BOOST_TEST(mean < quiet_ms * 1.35);
  BOOST_TEST(mean > quiet_ms * 1.02); // and the copies are not starved
}

BOOST_FIXTURE_TEST_CASE(what_harms_nobody_is_not_held_back, shared_disk) {
  ms_per_mib_per_s = 0.0;
  run(seconds(2));
  wanted_per_s = 400 * mib;
  run(seconds(60));
  BOOST_TEST(double(rate) > 399 * mib);
}

BOOST_FIXTURE_TEST_CASE(it_goes_back_up_when_the_writes_end, shared_disk) {
  run(seconds(2));
  wanted_per_s = 400 * mib;
  run(seconds(3));
  commits_per_s = 0;
  run(milliseconds(1200));
  BOOST_TEST(rate == limits.ceiling_bytes_per_s);
}

BOOST_FIXTURE_TEST_CASE(a_copy_gets_the_floor_however_slow_writes_are, shared_disk) {
  run(seconds(2));
  wanted_per_s = 400 * mib;
  ms_per_mib_per_s = 100;
  run(seconds(5));
  BOOST_TEST(rate >= limits.floor_bytes_per_s);
}

BOOST_FIXTURE_TEST_CASE(writes_that_slowed_for_another_reason_become_the_new_quiet, shared_disk) {
  run(seconds(2));
  wanted_per_s = 100 * mib;
  ms_per_mib_per_s = 0.0;
  quiet_ms = 9.0; // a larger load, not the copies
  run(seconds(30));
  BOOST_TEST(*yield.quiet_ms() > 7.0);
  BOOST_TEST(double(rate) > 80 * mib);
}

BOOST_FIXTURE_TEST_CASE(a_node_that_begins_with_a_copy_learns_at_the_floor, shared_disk) {
  wanted_per_s = 400 * mib;
  ms_per_mib_per_s = 1.0;
  run(milliseconds(200));
  BOOST_TEST(rate == limits.floor_bytes_per_s);
  run(seconds(5));
  BOOST_TEST(*yield.quiet_ms() < 20.0); // 4 ms, and what the floor costs
}

BOOST_FIXTURE_TEST_CASE(writes_that_wait_and_never_end_count_as_slow, shared_disk) {
  run(seconds(2));
  wanted_per_s = 400 * mib;
  run(milliseconds(100));
  for (int i = 0; i < 40; ++i) {
    now += milliseconds(100);
    yield.count(40 << 20);
    rate = yield.rate(totals, 3, now);
  }
  BOOST_TEST(rate == limits.floor_bytes_per_s);
}

BOOST_FIXTURE_TEST_CASE(a_few_writes_that_take_long_count_though_the_mean_hardly_moves,
                        shared_disk) {
  ms_per_mib_per_s = 0.0;
  noise = 0.1;
  hit_per_gib_per_s = 1.0; // one in ten at 100 MiB/s: a fifth more in the mean
  run(seconds(10));
  wanted_per_s = 100 * mib;
  run(seconds(10));
  auto before = totals;
  run(seconds(60));
  auto beyond = commit_totals::step_of(2 * quiet_ms);
  double hit = 0.0, all = double(totals.commits - before.commits);
  for (auto i = beyond; i < commit_totals::steps; ++i)
    hit += double(totals.by_time[i] - before.by_time[i]);
  BOOST_TEST(hit / all < 0.05); // near tail_share, and not 0.1
  BOOST_TEST(hit / all > 0.01); // and the copies are not starved
}

BOOST_FIXTURE_TEST_CASE(chance_alone_does_not_hold_copies_back, shared_disk) {
  ms_per_mib_per_s = 0.0;
  noise = 0.3;
  for (double pace : {20.0, 200.0, 2000.0}) {
    commits_per_s = pace;
    run(seconds(10));
    wanted_per_s = 100 * mib;
    run(seconds(30));
    auto backoffs = yield.backoffs();
    double copied = 0.0;
    for (int i = 0; i < 600; ++i) {
      run(milliseconds(100));
      copied += copied_per_s() / 600;
    }
    BOOST_TEST(copied > 90 * mib, pace << " commits a second: " << copied / mib << " MiB/s, "
                                       << yield.backoffs() - backoffs << " times back");
    wanted_per_s = 0;
  }
}

BOOST_AUTO_TEST_CASE(times_are_remembered_newest_heaviest) {
  commit_times times(10.0);
  commit_totals before, after;
  for (int i = 1; i <= 100; ++i) after.add(i * 0.1); // 0.1 to 10 ms
  times.add(before, after);
  BOOST_TEST(std::abs(times.slowest_ms(0.02) - 9.8) < 1.0);
  BOOST_TEST(std::abs(times.slowest_ms(0.5) - 5.0) < 0.5);
  BOOST_TEST(std::abs(times.beyond(5.0) - 50.0) < 5.0);
  BOOST_TEST(times.beyond(100.0) == 0.0);
  BOOST_TEST(times.beyond(0.01) == 100.0);
  for (int period = 0; period < 60; ++period) {
    before = after;
    for (int i = 0; i < 100; ++i) after.add(1.0);
    times.add(before, after);
  }
  BOOST_TEST(times.slowest_ms(0.02) < 1.3);
  BOOST_TEST(std::abs(times.weight() - 1000.0) < 10.0);
}

BOOST_AUTO_TEST_CASE(every_time_has_a_step) {
  for (double ms : {-1.0, 0.0, 0.04, 0.05, 1.0, 17.0, 1e9}) {
    auto step = commit_totals::step_of(ms);
    BOOST_TEST_REQUIRE(step < commit_totals::steps);
    if (step > 0) BOOST_TEST(commit_totals::begin_ms(step) <= ms * 1.000001);
    if (ms > 0.05 && ms < 1e3) BOOST_TEST(commit_totals::begin_ms(step + 1) > ms);
  }
  commit_totals nan;
  nan.add(std::nan(""));
  BOOST_TEST(nan.by_time[0] == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_rise_of_nothing_switches_it_off, shared_disk) {
  limits.rise = 0;
  yield = foreground_yield(limits);
  run(seconds(2));
  BOOST_TEST(rate == 0u);
}
