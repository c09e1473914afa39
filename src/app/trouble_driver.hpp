#pragma once

/// Carries a trouble_plan out on a running node process, from outside: a control file for the
/// preloaded trouble library, stop and continue signals, lines in the watched log, a watchdog that
/// kills when the node no longer answers. One thread; the process it works on may end at any time.

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "app/cluster.hpp"
#include "app/trouble_plan.hpp"

namespace harbinger {

/// Gives a node up when too few of its pings were answered in time, like systemd's WatchdogSec with
/// several chances.
class watchdog {
public:
  static constexpr auto answer_within = milliseconds(40);
  static constexpr auto window = seconds(3);
  static constexpr double answered_min = 0.4;

  void sent(time_point now) { pings_.push_back({now, false}); }
  void answered(time_point sent_at, time_point now);
  /// True when a full window has too few answers.
  bool gives_up(time_point now);

private:
  struct ping {
    time_point at;
    bool in_time;
  };
  std::vector<ping> pings_;
};

class trouble_driver {
public:
  /// Begins at once. `node` is only read during the call.
  trouble_driver(trouble_plan plan, const cluster_node& node);
  ~trouble_driver(); ///< ends the trouble: a stopped process runs on, held memory is freed
  trouble_driver(const trouble_driver&) = delete;
  trouble_driver& operator=(const trouble_driver&) = delete;

  /// While held the trouble stays as bad as it is, and gets no worse.
  void hold(bool held) { held_ = held; }
  double load_factor() const { return load_factor_; }
  bool over() const { return over_; } ///< a look-alike has passed

private:
  struct target;
  void run(const std::shared_ptr<target>& target);

  trouble_plan plan_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> over_{false};
  std::atomic<bool> held_{false};
  std::atomic<double> load_factor_{1.0};
  std::thread thread_;
};

} // namespace harbinger
