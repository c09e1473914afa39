#pragma once

/// Every partition's recovery and redundancy: compares what the catalog says with what nodes
/// report, and asks for the steps that bring the two together. It holds nothing that could not be
/// derived again: after a restart it starts from the catalog and the next reports. Pure:
/// `step(event, now) -> actions`.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "core/result.hpp"
#include "core/settings.hpp"
#include "messages/local.hpp"
#include "recovery/copy_outlook.hpp"
#include "recovery/copy_speed.hpp"
#include "recovery/drill.hpp"
#include "recovery/escalation.hpp"
#include "recovery/last_resort.hpp"
#include "recovery/outages.hpp"
#include "recovery/redundancy.hpp"
#include "recovery/what_if.hpp"

namespace harbinger::recovery {

// --- what to do ---

using command = std::variant<configure_replica, seal_replica, drop_replica, rewind_replica,
                             start_copy, replay_log>;
/// Send to the node; answer with command_ended. The term is filled in.
struct send_command {
  uint64_t op = 0;
  node_id node;
  command what;
};
/// Ask the catalog; answer with swap_ended.
struct swap_row {
  uint64_t op = 0;
  change_partition change;
};
struct want_copy {
  copy_wanted what;
};
struct hold_copies {
  copies_held what;
};
struct raise {
  severity level = severity::info;
  std::string kind, subject, text;
  std::map<std::string, std::string> fields;
};
/// The drill with this number is over.
struct drill_ended {
  uint64_t drill = 0;
  drill_report report;
};
/// The rebuild that was asked for with this number is over, or refused; number 0: nobody asked.
struct rebuild_ended {
  uint64_t number = 0;
  result<rebuild_report> report;
};
using action =
    std::variant<send_command, swap_row, want_copy, hold_copies, raise, drill_ended, rebuild_ended>;
using actions = std::vector<action>;

// --- what happens (besides partition_map, node_report, node_hello, replicas_changed, zone_map) ---

/// The detector's verdict, or the end of a life by a new one; the catalog says the same, now or
/// soon.
struct node_lost {
  node_id node;
  incarnation life;
  double silence_ms = 0.0;
  std::string reason;
};
struct command_ended {
  uint64_t op = 0;
  result<std::optional<replica_report>> reply; ///< nothing for `done`
};
struct swap_ended {
  uint64_t op = 0;
  result<partition_row> row;
};
struct begin_drill {
  uint64_t drill = 0;
  recovery_drill what;
};
struct begin_rebuild {
  uint64_t number = 0;
  rebuild_partition what;
};
/// Often: patience, retries and the regular comparison are driven by it.
struct look {};

class recovery_desk {
public:
  static constexpr size_t operations_max =
      4096; ///< commands and swaps under way; more wait for the next look
  static constexpr uint32_t sweep_ms = 1000; ///< all partitions are compared so often, whatever was
                                             ///< reported; each look takes its share
  static constexpr uint32_t stray_patience_ms =
      3000; ///< before a replica that no row mentions is dropped
  static constexpr uint32_t join_poll_ms = 100; ///< a primary with joiners is asked so often

  recovery_desk(const recovery_settings& settings, uint32_t command_timeout_ms);
  void configure(const recovery_settings& settings) { settings_ = settings; }
  /// Without it nothing is escalated, and nothing but planned events evacuates.
  void configure(escalation_rules rules);

  actions step(const partition_map& map, time_point now);
  actions step(const node_report& report, time_point now);
  actions step(const node_hello& hello, time_point now);
  actions step(const replicas_changed& statuses, time_point now);
  actions step(const zone_map& zones, time_point now);
  actions step(const node_lost& lost, time_point now);
  actions step(const command_ended& ended, time_point now);
  actions step(const swap_ended& ended, time_point now);
  actions step(const begin_drill& drill, time_point now);
  actions step(const begin_rebuild& rebuild, time_point now);
  actions step(const look&, time_point now);

  /// The catalog's map had a hole: ask for the whole.
  bool need_whole() const { return need_whole_; }
  const catalog_view& view() const { return view_; }

  struct row {
    partition_id partition;
    std::string phase; ///< "sealing", "swapping", "configuring", "joining", "escalating", "waiting
                       ///< for a copy", "unavailable", "waiting"
    std::string detail;
    double since_ms = 0.0;
  };
  /// Partitions that are not complete, for `harbinger recovery`.
  std::vector<row> rows(time_point now) const;
  std::vector<outage> outages() const { return outages_.rows(); }
  /// For `harbinger copies`.
  std::vector<copy_outlook> copies(time_point now) const {
    return copy_outlooks(around(now), measured(outages_.rows()));
  }
  /// For `harbinger whatif kill`.
  kill_forecast what_if(const std::set<node_id>& nodes, const kill_assumptions& assumed,
                        time_point now) const {
    return what_if_killed(around(now), nodes, measured(outages_.rows()), copy_speed_.bytes_per_s(),
                          assumed);
  }
  /// Partitions that are escalated, or on the way to it, as of the last look.
  size_t escalated_now() const { return budget_.standing; }

private:
  struct sent_configuration {
    harbinger::revision revision;
    time_point at;
    bool under_way = false;
  };
  struct work {
    std::optional<failover> change;
    bool swapping = false;
    time_point swap_not_before{};
    std::string refusal; ///< the catalog's last; empty since a change went in
    std::optional<failover::promotion> promotion; ///< the swap under way is this
    std::map<node_id, sent_configuration> configured;
    std::map<node_id, time_point> joining_since;
    epoch refused; ///< the primary said that it can not go on in this epoch
    time_point want_not_before{};
    std::set<node_id> rewinding;
    std::map<node_id, incarnation> turned_away; ///< came back in that life, could not be caught up
    bool announced_unavailable = false;
    bool stuck = false; ///< nobody answers: takes no place among those under recovery
    bool was_available = false;
    time_point unsettled_since{};
    time_point nobody_left_since{};              ///< zero: somebody is
    std::optional<time_point> calm_since;        ///< escalated, and no zone threatens it any more
    time_point escalate_not_before{};            ///< a joiner failed
    time_point hand_over_not_before{};           ///< it was tried
    std::string hand_over_refusal;               ///< the newest that was told; empty since it went
    std::string escalation_reason;               ///< of the last step, for the event
    std::optional<std::vector<node_id>> members; ///< of the sync set, when it was last looked at
  };
  struct operation {
    partition_id partition;
    node_id node;
    incarnation life;
    enum class kind : uint8_t { seal, configure, drop, rewind, copy, swap, replay } what;
    harbinger::revision revision; ///< configure
  };
  struct rebuild {
    last_resort plan;
    uint64_t number = 0; ///< whom to answer; 0: nobody
    bool asked = false;  ///< a command of it is under way
    time_point not_before{};
  };
  struct stray {
    time_point since;
    time_point not_before{};
  };

  surroundings around(time_point now) const { return {view_, book_, in_zones_, now}; }
  bool room() const { return operations_.size() < operations_max; }
  void command_node(operation::kind kind, partition_id partition, const node_id& node, command what,
                    actions& out);
  void swap(work& w, partition_row row, harbinger::revision expected, std::string why,
            actions& out);

  // recovery_returning.cpp
  void drop_strays(time_point now, actions& out);
  bool take_back(const partition_row& row, const node_id& id, const replica_report& report,
                 bool digest_differs, time_point now, actions& out);
  void note_turned_away(const partition_row& row, const partition_row& next, work& w);
  void rewind_ended(const node_id& id, work& w, const error* why);

  // recovery_steps.cpp, escalation_steps.cpp
  std::optional<std::string> failover_cause(const partition_row& row, const work& w,
                                            time_point now) const;
  std::optional<std::string> cause_for(const partition_row& row, const work& w,
                                       time_point now) const;
  void work_off(time_point now, actions& out);
  void settle_at(partition_id id, const partition_row& row, work& w, time_point now, actions& out);
  void begin_next(time_point now, actions& out);
  void note_change(partition_id id, const work& w);
  std::tuple<size_t, double, partition_id> urgency(const partition_row& row) const;
  void wait_in_line(const partition_row& row);
  void leave_line(partition_id id);
  void sweep(time_point now);
  bool settle(const partition_row& row, work& w, time_point now, actions& out);
  bool begin_change(const partition_row& row, work& w, epoch target, time_point now);
  bool change_primary(const partition_row& row, work& w, time_point now, actions& out);
  void propose_promotion(const partition_row& row, work& w, time_point now, actions& out);
  void give_up_primary(const partition_row& row, work& w, actions& out);
  void judge_escalation(time_point now, actions& out);
  bool escalate_or_back(const partition_row& row, work& w, time_point now, actions& out);
  void note_escalation(const partition_row& row, work& w, actions& out);
  bool repair_row(const partition_row& row, work& w, time_point now, actions& out);
  bool configure_members(const partition_row& row, work& w, time_point now, actions& out);
  void note_progress(const partition_row& row, work& w, time_point now, actions& out);
  void announce_promotion(const partition_row& row, work& w, time_point now, actions& out);
  void note_refusal(partition_id id, work& w, std::string why, actions& out);
  void note_clients(const node_id& node, const replica_report& report);
  void run_drill(time_point now, actions& out);

  // evacuation_steps.cpp
  void begin_hand_overs(time_point now, actions& out);
  bool was_silent(const node_id& giver, time_point now) const;
  std::optional<std::string> hand_over_cause(const partition_row& row, const work& w,
                                             time_point now) const;
  void give_up_hand_over(const partition_row& row, work& w, time_point now, actions& out);

  // recovery_rebuild.cpp
  void consider_rebuild(const partition_row& row, work& w, time_point now, actions& out);
  void run_rebuild(const partition_row& row, work& w, rebuild& r, time_point now, actions& out);
  void end_rebuild(const rebuild_report& report, uint64_t number, actions& out);
  void rebuild_answered(const operation& op, const command_ended& ended, time_point now);

  recovery_settings settings_;
  uint32_t command_timeout_ms_;
  catalog_view view_;
  replica_book book_;
  std::set<node_id> in_zones_;
  escalation_rules escalation_{1.0, 0, {}};
  threats danger_;
  escalation_budget budget_;
  bool said_limit_ = false;               ///< an alert stands: the budget of escalations is used up
  std::map<node_id, uint64_t> conflicts_; ///< last told size of each node's conflict journal
  std::map<partition_id, work> work_;
  std::set<partition_id> dirty_;                ///< something happened: looked at in this step
  std::set<partition_id> later_;                ///< not at rest: looked at again with the next look
  std::set<partition_id> changing_;             ///< change their primary, and are not stuck
  std::set<partition_id> handing_over_;         ///< in order; they take no place among those
  std::set<partition_id> hand_overs_waiting_;   ///< are due, and find no place
  std::map<node_id, time_point> silent_givers_; ///< did not answer: nothing of them until then
  /// Must change their primary once there is room, most urgent first; and where each stands.
  std::set<std::tuple<size_t, double, partition_id>> line_;
  std::map<partition_id, std::tuple<size_t, double, partition_id>> in_line_;
  std::map<std::pair<node_id, partition_id>, stray> strays_;
  std::map<uint64_t, operation> operations_;
  outage_log outages_;
  copy_speed copy_speed_;
  std::map<node_id, incarnation> lost_; ///< newest life of each that is over, also before the
                                        ///< catalog says so
  std::optional<drill> drill_;
  std::map<partition_id, rebuild> rebuilds_;
  uint64_t next_op_ = 1;
  time_point next_sweep_{};
  time_point swept_at_{};
  partition_id swept_to_; ///< the next look's share of the sweep begins behind it
  bool need_whole_ = false;
};

} // namespace harbinger::recovery
