#pragma once

/// CAF's scheduler for tests: actors run on the test's thread and only when told, timers fire only
/// when virtual time is moved. As caf::scheduler::test_coordinator, but other threads (sockets,
/// writers, detached actors) may send to the actors and set timers meanwhile; there they would be
/// lost, for its queue and its clock have no locks.
///
///   caf::actor_system_config cfg;
///   caf::actor_system sys{cfg.load<testing::stepped_scheduler>()};
///   testing::stepped_scheduler& sched = testing::stepped_scheduler::of(sys);
///
/// What a thread sends is queued in two steps: into the mailbox, then the actor into the
/// scheduler's queue. Between them run() does not see the actor, nor does it get there by what the
/// test itself sends it. Where other threads send, wait for an effect with run_until,
/// run_until_mail or kill, and only then look at it or block in a receive (whose timeout waits for
/// virtual time).

#include <algorithm>
#include <atomic>
#include <deque>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <caf/all.hpp>
#include <caf/detail/test_actor_clock.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

namespace harbinger::testing {

/// Virtual time, for any thread. `current_time` itself only before the first actor is spawned.
class stepped_clock : public caf::detail::test_actor_clock {
public:
  using base = caf::detail::test_actor_clock;

  bool has_pending_timeout() const {
    std::lock_guard guard(mutex_);
    return !schedule_.empty();
  }
  /// Moves time on and fires what is due. Returns how many fired.
  size_t advance_time(duration_type by) {
    std::unique_lock guard(mutex_);
    auto until = current_time += by;
    guard.unlock();
    size_t fired = 0;
    while (fire_first(until)) ++fired;
    return fired;
  }
  /// Fires all there are, early; time moves on to the last of them. Returns how many fired.
  size_t trigger_timeouts() {
    size_t fired = 0;
    while (fire_first(time_point::max())) ++fired;
    return fired;
  }

  time_point now() const noexcept override {
    std::lock_guard guard(mutex_);
    return base::now();
  }
  void set_ordinary_timeout(time_point t, caf::abstract_actor* self, caf::atom_value type,
                            uint64_t id) override {
    std::lock_guard guard(mutex_);
    base::set_ordinary_timeout(t, self, type, id);
  }
  void set_multi_timeout(time_point t, caf::abstract_actor* self, caf::atom_value type,
                         uint64_t id) override {
    std::lock_guard guard(mutex_);
    base::set_multi_timeout(t, self, type, id);
  }
  void set_request_timeout(time_point t, caf::abstract_actor* self, caf::message_id id) override {
    std::lock_guard guard(mutex_);
    base::set_request_timeout(t, self, id);
  }
  void cancel_ordinary_timeout(caf::abstract_actor* self, caf::atom_value type) override {
    std::lock_guard guard(mutex_);
    base::cancel_ordinary_timeout(self, type);
  }
  void cancel_request_timeout(caf::abstract_actor* self, caf::message_id id) override {
    std::lock_guard guard(mutex_);
    base::cancel_request_timeout(self, id);
  }
  void cancel_timeouts(caf::abstract_actor* self) override {
    std::lock_guard guard(mutex_);
    base::cancel_timeouts(self);
  }
  void schedule_message(time_point t, caf::strong_actor_ptr receiver,
                        caf::mailbox_element_ptr content) override {
    std::lock_guard guard(mutex_);
    base::schedule_message(t, std::move(receiver), std::move(content));
  }
  void schedule_message(time_point t, caf::group target, caf::strong_actor_ptr sender,
                        caf::message content) override {
    std::lock_guard guard(mutex_);
    base::schedule_message(t, std::move(target), std::move(sender), std::move(content));
  }
  void cancel_all() override {
    schedule_map dropped; // outside the lock: with an event its actor may go, and ask the clock
    std::lock_guard guard(mutex_);
    actor_lookup_.clear();
    dropped.swap(schedule_);
  }

private:
  /// The event leaves the schedule under the lock and is shipped without it, for the same reason.
  bool fire_first(time_point until) {
    std::unique_lock guard(mutex_);
    if (schedule_.empty() || schedule_.begin()->first > until) return false;
    auto first = schedule_.begin();
    current_time = std::max(current_time, first->first);
    auto event = std::move(first->second);
    if (event->backlink != actor_lookup_.end()) actor_lookup_.erase(event->backlink);
    schedule_.erase(first);
    guard.unlock();
    ship(*event);
    return true;
  }

  mutable std::mutex mutex_;
};

class stepped_scheduler : public caf::scheduler::abstract_coordinator {
public:
  /// Of run_until: turns without success, each with a pause of 2 ms. More than ten seconds: only
  /// what will never come is given up.
  static constexpr size_t turns_max = 5000;

  explicit stepped_scheduler(caf::actor_system& sys) : abstract_coordinator(sys) {}
  /// For caf::actor_system_config::load.
  static caf::actor_system::module* make(caf::actor_system& sys, caf::detail::type_list<>) {
    return new stepped_scheduler(sys);
  }
  /// Throws std::bad_cast when the system was not configured with it.
  static stepped_scheduler& of(caf::actor_system& sys) {
    return dynamic_cast<stepped_scheduler&>(sys.scheduler());
  }

  /// Runs whoever has messages, until nobody has. Returns the number of turns.
  size_t run() {
    size_t turns = 0;
    while (run_one()) ++turns;
    return turns;
  }
  /// Runs the actors and gives the other threads time, until the condition holds. False when it
  /// does not after so many turns.
  template <class Condition>
  bool run_until(Condition condition, size_t turns = turns_max) {
    for (size_t i = 0; i < turns; ++i) {
      run();
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
  }
  /// Until there is something that `self` can receive.
  bool run_until_mail(caf::scoped_actor& self, size_t turns = turns_max) {
    return run_until([&] { return self->has_next_message(); }, turns);
  }
  /// Kills the actor and runs until it has ended: its state is gone then, with sockets and threads.
  bool kill(const caf::actor& target, size_t turns = turns_max) {
    auto ended = std::make_shared<std::atomic<bool>>(false); // outlives a kill that is given up
    target->attach_functor([ended](const caf::error&) { *ended = true; });
    caf::anon_send_exit(target, caf::exit_reason::kill);
    return run_until([&] { return ended->load(); }, turns);
  }

  /// Moves virtual time; whom its timers wake waits for run().
  size_t advance_time(caf::timespan by) { return clock_.advance_time(by); }
  bool has_pending_timeout() const { return clock_.has_pending_timeout(); }
  size_t trigger_timeouts() { return clock_.trigger_timeouts(); }

  stepped_clock& clock() noexcept override { return clock_; }
  bool detaches_utility_actors() const override { return false; }

protected:
  void start() override {
    worker unit{*this};
    caf::actor_config printer_config{&unit};
    utility_actors_[printer_id] = caf::make_actor<printer, caf::actor>(
        system().next_actor_id(), system().node(), &system(), printer_config);
  }
  void stop() override {
    while (run() > 0) trigger_timeouts();
  }
  void enqueue(caf::resumable* job) override {
    std::lock_guard guard(mutex_);
    jobs_.push_back(job);
  }

private:
  /// Of one turn: actors that it wakes queue up behind the others.
  struct worker : caf::execution_unit {
    explicit worker(stepped_scheduler& parent)
        : execution_unit(&parent.system()), parent_(parent) {}
    void exec_later(caf::resumable* job) override { parent_.enqueue(job); }
    stepped_scheduler& parent_;
  };

  /// Behind caf::aout, into which CAF itself writes of messages that nobody expected.
  struct printer : caf::monitorable_actor {
    explicit printer(caf::actor_config& config) : monitorable_actor(config) {}
    void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
      const auto& content = what->content();
      if (content.match_elements<caf::add_atom, caf::actor_id, std::string>())
        std::cout << content.get_as<std::string>(2);
    }
  };

  caf::resumable* next_job() {
    std::lock_guard guard(mutex_);
    if (jobs_.empty()) return nullptr;
    auto job = jobs_.front();
    jobs_.pop_front();
    return job;
  }
  /// One message of the actor that waits longest. Who has more stays in front.
  bool run_one() {
    auto job = next_job();
    if (!job) return false;
    worker unit{*this};
    switch (job->resume(&unit, 1)) {
    case caf::resumable::resume_later: {
      std::lock_guard guard(mutex_);
      jobs_.push_front(job);
      break;
    }
    case caf::resumable::done:
    case caf::resumable::awaiting_message: caf::intrusive_ptr_release(job); break;
    case caf::resumable::shutdown_execution_unit: break;
    }
    return true;
  }

  stepped_clock clock_;
  std::mutex mutex_;
  std::deque<caf::resumable*> jobs_;
};

} // namespace harbinger::testing
