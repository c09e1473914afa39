#pragma once

/// What the prefetch coordinator knows and does next. Pure: the plan says which copies shall exist,
/// the catalog's rows which do; the board closes the difference. It is driven by state, not by
/// history: after a restart, a lost message or a lost compare-and-swap the next step comes to the
/// same actions again.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "catalog/catalog_view.hpp"
#include "core/settings.hpp"
#include "messages/local.hpp"
#include "prefetch/protection_plan.hpp"

namespace harbinger {

/// A copy in the catalog, by where it is.
struct copy_key {
  partition_id partition;
  node_id node;
  friend auto operator<=>(const copy_key&, const copy_key&) = default;
};

struct drop_order {
  node_id node;
  drop_replica command;
};

struct board_actions {
  std::vector<placement_query> ask;    ///< answer with placed()
  std::vector<change_partition> swap;  ///< answer with swapped(); at most one a partition under way
  std::vector<prefetch_order> begin;   ///< spawn a prefetcher; at most one a copy_key
  std::vector<prefetch_order> sources; ///< tell that copy's prefetcher
  std::vector<copy_key> cancel;        ///< end that copy's prefetcher
  std::vector<drop_order>
      drop; ///< after the row no longer lists it; recovery repeats what gets lost
  std::vector<event> events;
};

class protection_board {
public:
  static constexpr auto held_at_most = seconds(120); ///< longer than a drill has patience
  static constexpr size_t restores_max =
      65536; ///< partitions waiting for a restore; beyond it refused and counted
  static constexpr seconds avoid_target_for{
      60}; ///< a target that failed is not chosen again for so long
  static constexpr seconds answer_within{15}; ///< a question nobody answered is asked again
  static constexpr milliseconds no_candidate_pause{1000};
  static constexpr milliseconds swap_pause{
      300}; ///< after a compare-and-swap that did not take effect
  static constexpr seconds adopt_after{
      3}; ///< a copy row of another maker gets a prefetcher when it has not begun by then

  /// `copies_begun`: how many copy ids this term has given out already (grows over restarts of the
  /// carrier).
  protection_board(harbinger::term term, uint64_t copies_begun)
      : term_(term), copies_begun_(copies_begun) {}

  void zones(zone_map zones) { zones_ = std::move(zones); }
  void replicas(const std::vector<replica_status>& statuses);
  void restore(const copy_wanted& wanted);
  /// Nothing is begun or removed for these until the next hold, or for held_at_most.
  void hold(const copies_held& held, time_point now);
  /// From a prefetcher; one that gave up has ended.
  board_actions progress(const prefetch_progress& progress, const catalog_view& catalog,
                         time_point now);
  /// The prefetcher ended, whatever the reason.
  void prefetcher_ended(const copy_key& key) { lives_.erase(key); }

  board_actions step(const catalog_view& catalog, const settings& config, time_point now);
  board_actions placed(partition_id partition, const placement& answer, const catalog_view& catalog,
                       time_point now);
  board_actions swapped(partition_id partition, const result<partition_row>& row,
                        const catalog_view& catalog, const settings& config, time_point now);

  const replica_status* status(const copy_key& key) const;
  const protection_plan& plan() const { return plan_; }
  uint64_t copies_begun() const { return copies_begun_; }
  uint64_t refused_total() const { return refused_; }

  /// For show "plan".
  struct line {
    partition_id partition;
    std::string state; ///< "wanted", "choosing a target", "starting", "copying", "ready", "surplus"
    node_id source;
    node_id target;
    copy_id copy;
    uint64_t bytes = 0;
    std::string why;
  };
  std::vector<line> lines(const catalog_view& catalog) const;

private:
  enum class step_kind : uint8_t { placing, adding, removing, marking };
  struct deciding {
    step_kind kind = step_kind::placing;
    wanted_copy wanted;
    copy_row copy; ///< adding, removing, marking
    std::string reason;
    std::string rejected;   ///< placing and adding: who was rejected and why
    bool node_dead = false; ///< removing
    revision wait_for;      ///< non-zero: done, until the catalog view shows this revision
    time_point until;
  };
  struct life {
    copy_id copy;
    std::vector<node_address> sources;
    time_point begun;
    uint64_t copied_bytes = 0;
    bool ready = false;
    std::string why;
    std::string detail;
  };
  struct refusal {
    time_point again_at;
    std::string text;
    uint32_t times = 0;
  };

  std::vector<plan_subject> subjects(const catalog_view& catalog) const;
  uint64_t size_of(const partition_row& row) const;
  bool useless(const partition_row& row, const copy_row& copy) const;
  void forget_old(const catalog_view& catalog, time_point now);

  // the catalog's rows
  void begin_copies(const catalog_view& catalog, const settings& config, time_point now,
                    board_actions& out);
  std::vector<copy_under_way> copies_under_way(const catalog_view& catalog) const;
  void ask_for_target(wanted_copy w, time_point now, board_actions& out);
  void note_refusal(const deciding& d, const error& why, time_point now, board_actions& out);
  copy_id next_copy(const partition_row& row);
  void remove_surplus(const catalog_view& catalog, time_point now, board_actions& out);
  void mark_ready(const catalog_view& catalog, time_point now, board_actions& out);
  void ask_for_change(const partition_row& old, partition_row changed, deciding d, time_point now,
                      board_actions& out);
  void on_removed(partition_id partition, const partition_row& row, const deciding& d,
                  board_actions& out);
  void on_marked(partition_id partition, const deciding& d, time_point now, board_actions& out);

  // prefetchers
  void start_life(const partition_row& row, const copy_row& copy, restore_method method,
                  std::string why, const catalog_view& catalog, const settings& config,
                  time_point now, board_actions& out);
  void tend_prefetchers(const catalog_view& catalog, const settings& config, board_actions& out);
  void adopt_copies(const catalog_view& catalog, const settings& config, time_point now,
                    board_actions& out);
  static std::string first_source(const life& l); ///< "nobody" when there is none

  line line_of(const wanted_copy& w) const;
  line line_of(partition_id id, const copy_row& copy) const;

  harbinger::term term_;
  uint64_t copies_begun_;
  zone_map zones_;
  std::map<partition_id, std::map<node_id, replica_status>> statuses_;
  std::map<partition_id, restore_method> restores_;
  std::set<partition_id> held_;
  time_point held_until_{};
  std::map<copy_key, life> lives_;
  std::map<copy_key, time_point> first_seen_; ///< copy rows without a prefetcher
  std::map<partition_id, deciding> deciding_;
  std::map<copy_key, time_point> avoid_;     ///< targets that failed, until when
  std::map<copy_key, copy_id> given_up_;     ///< copies that are of no use
  std::map<partition_id, refusal> refusals_; ///< placement found nobody
  protection_planner planner_;
  protection_plan plan_;
  uint64_t refused_ = 0;
};

} // namespace harbinger
