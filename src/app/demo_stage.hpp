#pragma once

/// What the demos are played on: a cluster with two volumes under load, watched from outside, and a
/// time line of what happens there. For demo*.cpp alone.

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/cluster.hpp"
#include "app/demo.hpp"
#include "app/load.hpp"
#include "app/observers.hpp"
#include "app/trouble_driver.hpp"

namespace harbinger {

class demo_stage {
public:
  /// `see` gets every event that tell_events() takes.
  demo_stage(const demo_options& options, std::function<void(const event&)> see);

  /// A line of the time line.
  void say(const std::string& text) const;
  static std::string formatted(const char* format, double a, double b = 0);
  double seconds_on() const; ///< since the stage was made

  /// Starts central, with `central` over the quick settings, and the nodes.
  result<> start(const std::map<std::string, std::string>& central = {});
  /// Makes the volumes, fills them, puts them under load. What was filled in counts in `writes`.
  result<> fill(demo_writes& writes);
  /// Waits so long under load, and longer while the model is not settled.
  result<> warm_up(duration at_least);
  /// Takes the events that came, and says what people want to know of.
  void tell_events();
  /// An error when central has ended.
  result<> central_runs();
  /// Begins the trouble of the options on this node; it ends with what is returned.
  std::unique_ptr<trouble_driver> trouble_on(const cluster_node& node) const;
  /// Ends load and probe, reads back all that was acknowledged, and says what is lost.
  result<> verify(availability_probe& probe, demo_writes& writes);

  static tl::unexpected<error> interrupted_error() { return fail(errc::cancelled, "interrupted"); }

  cluster& processes() const { return *cluster_; }
  event_watch& events() const { return *events_; }
  map_watch& maps() const { return *maps_; }
  load& traffic() const { return *load_; }

private:
  void ask_for_model();

  demo_options options_;
  std::function<void(const event&)> see_;
  time_point begun_ = std::chrono::steady_clock::now();
  std::unique_ptr<cluster> cluster_;
  std::unique_ptr<event_watch> events_;
  std::unique_ptr<map_watch> maps_;
  std::unique_ptr<load> load_;
  std::vector<preload_options> preloads_;
  time_point asked_model_;
  bool model_settled_ = false; ///< trained, loaded, or known to be impossible
};

} // namespace harbinger
