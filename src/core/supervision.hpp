#pragma once

/// OTP's supervision as a pure state machine: which children to start, stop, restart, when, and
/// when to give up. Model: Erlang/OTP `supervisor` (strategies, restart kinds, intensity and
/// period, ordered start, reverse stop), with exponential backoff and jitter between restarts.

#include <deque>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/time.hpp"

namespace harbinger::supervision {

enum class restart_kind : uint8_t {
  permanent, ///< always restarted
  transient, ///< restarted after an abnormal end only
  temporary, ///< never restarted
};
enum class strategy : uint8_t {
  one_for_one,  ///< only the child that ended is restarted
  rest_for_one, ///< it and those that were started after it
  one_for_all,  ///< all
};
std::string_view name_of(restart_kind kind);
std::string_view name_of(strategy kind);

struct child_spec {
  std::string name; ///< unique within the supervisor
  restart_kind kind = restart_kind::permanent;
};

struct policy {
  strategy how = strategy::one_for_one;
  uint32_t restarts_max = 10; ///< within `within`; one more escalates
  duration within = seconds(10);
  duration backoff = milliseconds(10); ///< delay of the second restart of a child within `within`;
                                       ///< doubles; the first is at once
  duration backoff_max = seconds(5);
  duration stop_timeout =
      seconds(1); ///< then kill; after as much again the child is given up as lost
};

enum class child_state : uint8_t {
  stopped, ///< not running, and not meant to
  running,
  waiting,  ///< for its restart
  stopping, ///< asked to stop
};
std::string_view name_of(child_state state);

struct child_view {
  child_spec spec;
  child_state state = child_state::stopped;
  uint64_t restarts = 0;
  std::string last_reason; ///< of the last end; empty: never ended
  time_point started;      ///< meaningful while running
};

/// What the carrier has to do, in this order.
struct action {
  enum class kind : uint8_t {
    start,    ///< `child`
    stop,     ///< ask `child` to end
    kill,     ///< end `child` whatever it does
    abandon,  ///< `child` did not even die when killed; forget it, nothing may wait for it
    wake,     ///< call step(woken{}) no later than `at`
    escalate, ///< more restarts than allowed, all children are stopped: end abnormally with `text`
    finished, ///< stop_all is through
  };
  kind what = kind::start;
  std::string child = {};
  time_point at = {};
  std::string text = {};
};
using actions = std::vector<action>;

struct start_all {};
struct stop_all {};
struct woken {}; ///< a time that was asked for, or any other: early and late wakes are harmless
struct child_down {
  std::string name; ///< the current incarnation of that child ended (the carrier drops older ones)
  bool abnormal = true;
  std::string reason;
  bool ordered =
      false; ///< killed by an operator: restarted at once, and no sign that something is wrong
};

class supervisor {
public:
  /// The children in order of start. Jitter comes from `engine`, seeded by the caller.
  supervisor(policy how, std::vector<child_spec> children, uint64_t seed);

  actions step(const start_all&, time_point now);
  actions step(const stop_all&, time_point now);
  actions step(const child_down& down, time_point now);
  actions step(const woken&, time_point now);

  const std::vector<child_view>& children() const { return views_; }
  const policy& rules() const { return policy_; }

private:
  enum class phase : uint8_t { idle, running, ending, ended };
  struct child_times {
    std::deque<time_point> ends;        ///< recent abnormal or unwanted ends, for the backoff
    std::optional<time_point> start_at; ///< waiting
    std::optional<time_point> kill_at;  ///< stopping
    bool killed = false;
    bool again = false; ///< to be started when all of the group have stopped
  };

  size_t index_of(const std::string& name) const;
  void start(size_t i, time_point now, actions& out);
  void stop(size_t i, time_point now, actions& out);
  void stop_next(time_point now, actions& out); ///< the last of those that have to stop
  void restart_group(size_t failed, bool ordered, time_point now, actions& out);
  void gone(size_t i, time_point now, actions& out);
  bool too_many(time_point now);
  duration delay_of(size_t i, time_point now);
  void ask_to_wake(actions& out) const;
  void end_if_all_stopped(actions& out);

  policy policy_;
  std::vector<child_view> views_;
  std::vector<child_times> times_;
  std::deque<time_point> restarts_;
  phase phase_ = phase::idle;
  std::string escalation_; ///< why we are ending; empty: because we were told
  std::mt19937_64 engine_;
};

} // namespace harbinger::supervision
