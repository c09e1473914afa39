/// The scheduler of the other actor tests, while threads that it knows nothing of send to its
/// actors.

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>

#include "tests/support/stepped_scheduler.hpp"

using harbinger::testing::stepped_scheduler;

namespace {

constexpr int threads = 4, sends = 20'000;

struct with_threads {
  caf::actor_system_config cfg;
  caf::actor_system sys{cfg.load<stepped_scheduler>()};
  stepped_scheduler& sched = stepped_scheduler::of(sys);
  caf::scoped_actor self{sys, true};
  size_t heard = 0; // by actors, which run on this thread alone
  std::vector<std::thread> senders;

  ~with_threads() { join(); }
  void join() {
    for (auto& each : senders) each.join();
    senders.clear();
  }
  caf::actor listener() {
    return sys.spawn(
        [this](caf::event_based_actor*) -> caf::behavior { return {[this](int) { ++heard; }}; });
  }
  template <class Send>
  void from_threads(Send send) {
    for (int t = 0; t < threads; ++t)
      senders.emplace_back([send] {
        for (int i = 0; i < sends; ++i) send(i);
      });
  }
};

/// Wakes an actor as a thread does that the machine stops between its two steps.
struct slow_sender : caf::execution_unit {
  explicit slow_sender(caf::actor_system& sys) : execution_unit(&sys) {}
  void exec_later(caf::resumable* job) override { kept = job; }
  void second_step() {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (kept) system().scheduler().enqueue(std::exchange(kept, nullptr));
  }
  caf::resumable* kept = nullptr;
};

} // namespace

BOOST_FIXTURE_TEST_CASE(nothing_that_other_threads_send_is_lost, with_threads) {
  // Each waits until its listeners have nothing more to do, so that every message wakes one.
  constexpr int rounds = 2000, own = 8;
  std::array<std::atomic<int>, threads> heard_of{};
  std::atomic<bool> lost{false};
  for (auto& answered : heard_of)
    senders.emplace_back([&] {
      std::vector<caf::actor> listeners;
      for (int i = 0; i < own; ++i)
        listeners.push_back(sys.spawn([&answered](caf::event_based_actor*) -> caf::behavior {
          return {[&answered](int) { ++answered; }};
        }));
      for (int round = 0; round < rounds; ++round) {
        for (auto& each : listeners) caf::anon_send(each, round);
        while (answered < (round + 1) * own && !lost) std::this_thread::yield();
      }
    });
  auto all = [&](int count) { return count == rounds * own; };
  lost = !sched.run_until([&] { return std::all_of(heard_of.begin(), heard_of.end(), all); });
  BOOST_TEST(!lost);
  join();
}

BOOST_FIXTURE_TEST_CASE(no_timer_that_other_threads_set_is_lost, with_threads) {
  auto target = listener();
  from_threads([&](int i) { caf::delayed_anon_send(target, std::chrono::milliseconds(i % 7), i); });
  BOOST_TEST(sched.run_until([&] {
    sched.advance_time(std::chrono::milliseconds(1));
    return heard == size_t{threads} * sends;
  }));
  BOOST_TEST(!sched.has_pending_timeout());
}

BOOST_FIXTURE_TEST_CASE(a_thread_between_its_two_steps_is_waited_for, with_threads) {
  slow_sender unit{sys};
  auto owned = std::make_shared<int>();
  auto target = sys.spawn([owned](caf::event_based_actor*) -> caf::behavior {
    return {[owned](int x) { return x + 1; }};
  });
  sched.run();
  auto send_slowly = [&] {
    target->enqueue(caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, 1), &unit);
    senders.emplace_back([&] { unit.second_step(); });
  };
  send_slowly();
  auto pending = self->request(target, std::chrono::seconds(1), 1);
  BOOST_TEST(sched.run_until_mail(self));
  int answer = 0;
  pending.receive([&](int x) { answer = x; }, [](const caf::error&) {});
  BOOST_TEST(answer == 2);
  join();
  send_slowly();
  BOOST_TEST(sched.kill(target));
  BOOST_TEST(owned.use_count() == 1); // and what it owned is gone
  BOOST_TEST(sched.kill(target));     // again: it has ended already
}

BOOST_FIXTURE_TEST_CASE(a_killed_actor_has_ended_whoever_else_sends_to_it, with_threads) {
  auto target = listener();
  from_threads([&](int i) { caf::anon_send(target, i); });
  BOOST_TEST(sched.kill(target));
  auto before = heard;
  join();
  sched.run();
  BOOST_TEST(heard == before);
}

BOOST_FIXTURE_TEST_CASE(what_never_comes_is_given_up, with_threads) {
  BOOST_TEST(!sched.run_until_mail(self, 3));
  self->send(self, 1);
  BOOST_TEST(sched.run_until_mail(self, 1));
  self->receive([](int) {});
}

BOOST_FIXTURE_TEST_CASE(a_message_that_nobody_expects_is_an_error_to_its_sender, with_threads) {
  auto pending = self->request(listener(), std::chrono::seconds(1), std::string{"not a number"});
  BOOST_REQUIRE(sched.run_until_mail(self));
  bool refused = false;
  pending.receive([](int) {}, [&](caf::error& e) { refused = e == caf::sec::unexpected_message; });
  BOOST_TEST(refused);
}

BOOST_FIXTURE_TEST_CASE(timers_fire_at_their_time_and_not_before, with_threads) {
  auto target = listener();
  auto began = sched.clock().now();
  for (int s : {30, 10, 20}) caf::delayed_anon_send(target, std::chrono::seconds(s), s);
  BOOST_TEST(sched.advance_time(std::chrono::seconds(9)) == 0u);
  BOOST_TEST(sched.advance_time(std::chrono::seconds(1)) == 1u);
  BOOST_TEST(sched.run() == 1u);
  BOOST_TEST(heard == 1u);
  BOOST_TEST(sched.trigger_timeouts() == 2u);
  BOOST_TEST((sched.clock().now() - began == std::chrono::seconds(30)));
  sched.run();
  BOOST_TEST(heard == 3u);
}
