#pragma once

/// Inside of the demo: one run, stage by stage. For demo*.cpp alone.

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "app/demo_stage.hpp"

namespace harbinger {

class demo_run {
public:
  explicit demo_run(const demo_options& options);
  result<demo_report> run();

private:
  using steady = std::chrono::steady_clock;

  double random(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(engine_);
  }
  void see(const event& e);

  // Until the node is dead: demo.cpp.
  result<> start() { return stage_.start(); }
  result<> fill() { return stage_.fill(report_); }
  result<> begin_trouble();
  result<> live_until_death();
  void watch_victim();
  void hold_trouble();
  void note_death(const moment& death);

  // From then on: demo_recovery.cpp.
  result<> recover();
  void note_recovery();
  result<> compare();
  std::optional<double> drill(const char* method);
  result<> verify() { return stage_.verify(*probe_, report_); }

  bool wait_for_copies_;
  std::mt19937_64 engine_;
  demo_stage stage_;
  demo_report report_;
  std::unique_ptr<trouble_driver> trouble_;
  std::unique_ptr<death_watch> watch_;
  std::unique_ptr<availability_probe> probe_;
  node_id victim_;
  time_point trouble_begun_;
  time_point asked_risk_;
  double said_risk_ = 0.0;
  uint64_t said_ready_ = 0;
  time_point held_until_{}; ///< the trouble is held no longer than this; zero: never yet
  moment death_{};
  std::optional<int64_t> verdict_ms_; ///< wall clock, from the event
  std::vector<partition_id> affected_;
  std::map<std::string, uint64_t> copied_bytes_; ///< by partition
};

} // namespace harbinger
