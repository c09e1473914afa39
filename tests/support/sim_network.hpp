#pragma once

/// The network between simulated processes: loses, repeats, delays, reorders, cuts (also one way).

#include <map>
#include <set>
#include <string>
#include <utility>

#include "tests/support/sim_engine.hpp"

namespace harbinger::sim {

struct network_trouble {
  double loss = 0.0;
  double repeat = 0.0;
  double late = 0.0; ///< share of messages that take up to `late_max`
  duration late_max = seconds(2);
  bool reorder = false; ///< a message may overtake another of the same link
};

class network {
public:
  explicit network(engine& e) : engine_(e) {}

  network_trouble trouble;

  void cut(const std::string& from, const std::string& to) { cuts_.insert({from, to}); }
  void cut_both(const std::string& a, const std::string& b) {
    cut(a, b);
    cut(b, a);
  }
  void mend() { cuts_.clear(); }
  bool is_cut(const std::string& from, const std::string& to) const {
    return cuts_.contains({from, to});
  }

  /// Delivers to whatever life of `to` is up when it arrives. `may_repeat`: the receiver promises
  /// that a repeated message does no harm.
  void send(const process& from, process& to, std::function<void()> deliver,
            bool may_repeat = true) {
    if (is_cut(from.name, to.name) || engine_.chance(trouble.loss)) return;
    if (may_repeat && engine_.chance(trouble.repeat))
      engine_.at_any_life(arrival(from, to), to, deliver);
    engine_.at_any_life(arrival(from, to), to, std::move(deliver));
  }

private:
  time_point arrival(const process& from, const process& to) {
    auto delay = engine_.between(std::chrono::microseconds(100), milliseconds(3));
    if (engine_.chance(trouble.late)) delay = engine_.between(milliseconds(5), trouble.late_max);
    auto when = engine_.now + delay;
    if (trouble.reorder) return when;
    auto& newest = newest_[{&from, &to}];
    return newest = std::max(newest, when);
  }

  engine& engine_;
  std::set<std::pair<std::string, std::string>> cuts_;
  std::map<std::pair<const process*, const process*>, time_point> newest_;
};

} // namespace harbinger::sim
