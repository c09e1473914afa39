#pragma once

/// Virtual time for a whole cluster: events in order of time, one seeded engine for everything that
/// is random, processes that crash, stand still and have clocks of their own, and a trace of what
/// happened last.

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <algorithm>
#include <stdexcept>
#include <random>
#include <string>
#include <vector>

#include "core/time.hpp"

namespace harbinger::sim {

/// Something that runs on a machine. `up` and `life` are changed by its owner only.
struct process {
  std::string name;
  bool up = false;
  uint64_t life = 0;       ///< grows with each start; what an earlier life had planned never runs
  duration clock_offset{}; ///< clocks tick alike and show different times
  time_point stopped_until{}; ///< SIGSTOP: what is due meanwhile happens then, in order
};

class engine {
public:
  /// Events kept of a run; HARBINGER_TRACE=5000 keeps more.
  static constexpr size_t trace_usual = 60;

  explicit engine(uint64_t seed) : random(seed) {
    if (const char* text = std::getenv("HARBINGER_TRACE")) trace_max_ = std::stoull(text);
  }

  std::mt19937_64 random;
  time_point now{std::chrono::hours(1)};

  uint64_t pick(uint64_t below) { return random() % below; }
  bool chance(double p) { return static_cast<double>(random() >> 11) * 0x1.0p-53 < p; }
  duration between(duration least, duration most) {
    auto span = static_cast<uint64_t>((most - least).count());
    return least + duration(static_cast<int64_t>(random() % (span + 1)));
  }
  /// The clock of a process.
  time_point clock(const process& p) const { return now + p.clock_offset; }

  /// Runs `what` in this life of the process.
  void after(duration delay, process& in, std::function<void()> what) {
    push({now + delay, ++last_, &in, in.life, std::move(what)});
  }
  /// Runs `what` whenever the time has come, whoever lives.
  void after(duration delay, std::function<void()> what) {
    push({now + delay, ++last_, nullptr, 0, std::move(what)});
  }
  /// Runs `what` in whatever life of the process is up then; nobody is told when none is.
  void at_any_life(time_point when, process& in, std::function<void()> what) {
    push({when, ++last_, &in, any_life, std::move(what)});
  }

  /// False: nothing is left to happen before `end`.
  bool step(time_point end) {
    if (heap_.empty() || heap_.front().when > end) {
      now = std::max(now, end);
      return false;
    }
    std::pop_heap(heap_.begin(), heap_.end());
    auto e = std::move(heap_.back());
    heap_.pop_back();
    now = std::max(now, e.when);
    if (e.in) {
      if (!e.in->up || (e.life != any_life && e.life != e.in->life)) return true;
      if (e.in->stopped_until > now) {
        e.when = e.in->stopped_until;
        e.order = ++last_;
        push(std::move(e));
        return true;
      }
    }
    ++events_;
    e.what();
    return true;
  }
  uint64_t events() const { return events_; }
  /// Unique in the whole run.
  uint64_t next_id() { return ++last_id_; }

  /// Remembers what happened, for a run that fails.
  void note(std::string what) {
    if (trace_.size() >= trace_max_) trace_.pop_front();
    trace_.emplace_back(now, std::move(what));
  }
  std::string trace() const {
    std::string out;
    for (const auto& [when, what] : trace_) {
      auto ms = to_ms(when - time_point{std::chrono::hours(1)});
      out += "  " + std::to_string(ms / 1000).substr(0, 9) + " s  " + what + '\n';
    }
    return out;
  }

private:
  static constexpr uint64_t any_life = ~uint64_t{0};
  struct event {
    time_point when;
    uint64_t order;
    process* in;
    uint64_t life;
    std::function<void()> what;
    bool operator<(const event& other) const { // the earliest on top
      return when != other.when ? when > other.when : order > other.order;
    }
  };
  void push(event e) {
    heap_.push_back(std::move(e));
    std::push_heap(heap_.begin(), heap_.end());
  }

  std::vector<event> heap_;
  uint64_t last_ = 0, last_id_ = 0, events_ = 0;
  size_t trace_max_ = trace_usual;
  std::deque<std::pair<time_point, std::string>> trace_;
};

/// A promise that did not hold.
struct broken_promise : std::runtime_error {
  using std::runtime_error::runtime_error;
};
inline void require(bool holds, const std::string& what) {
  if (!holds) throw broken_promise(what);
}

} // namespace harbinger::sim
