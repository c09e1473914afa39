#pragma once

/// What the prefetch coordinator knows and does next. Pure: the plan says which copies shall exist
/// and where, the catalog's rows which do; the board closes the difference. It is driven by state,
/// not by history: after a restart, a lost message or a lost compare-and-swap the next step comes
/// to the same actions again.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "catalog/catalog_view.hpp"
#include "core/settings.hpp"
#include "messages/local.hpp"
#include "prefetch/plan_preview.hpp"
#include "prefetch/protection_plan.hpp"

namespace harbinger {

/// A copy that is to be made, and all that is said of it (P9).
struct wanted_copy {
  partition_id partition;
  bool restore = false; ///< a replica is missing now; else it is only at risk
  restore_method method = restore_method::pull;
  uint64_t size_bytes = 0;
  uint64_t rate_bytes_per_s = 0; ///< what it was given; 0: without limit
  copy_need need;
  double worth = 0.0;
  std::string reason;
  std::string zones;    ///< "4, 9": those that its replicas are in
  std::string terms;    ///< of the chosen node's score
  std::string rejected; ///< who else was looked at, and why not
};

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
  std::vector<change_partition> swap;  ///< answer with swapped(); at most one a partition under way
  std::vector<prefetch_order> begin;   ///< spawn a prefetcher; at most one a copy_key
  std::vector<prefetch_order> sources; ///< tell that copy's prefetcher
  std::vector<copy_key> cancel;        ///< end that copy's prefetcher
  std::vector<drop_order>
      drop; ///< after the row no longer lists it, if it is a copy and the partition is served;
            ///< else, or when it gets lost, recovery sees to it
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
  /// Copies without a target whose reasons are looked at in a step; each nodes' worth of work.
  static constexpr size_t refusals_each_step = 8;
  static constexpr milliseconds no_candidate_pause{1000};
  static constexpr milliseconds swap_pause{
      300}; ///< after a compare-and-swap that did not take effect
  static constexpr seconds adopt_after{
      3}; ///< a copy row of another maker gets a prefetcher when it has not begun by then

  /// `copies_begun`: how many copy ids this term has given out already (grows over restarts of the
  /// carrier).
  protection_board(harbinger::term term, uint64_t copies_begun)
      : term_(term), copies_begun_(copies_begun), plan_(cluster_) {}
  protection_board(const protection_board&) = delete; ///< the plan looks at this one's fleet

  /// No copy is begun before the first: nobody could say who is safe (P6).
  void zones(zone_map zones);
  /// What a node says of its usage, its round-trip times and its primaries' sizes; of an older life
  /// than the catalog's, or of an unknown node, nothing.
  void report(const node_report& report, const catalog_view& catalog);
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
  board_actions swapped(partition_id partition, const result<partition_row>& row,
                        const catalog_view& catalog, time_point now);

  const replica_status* status(const copy_key& key) const;
  const protection_plan& plan() const { return plan_; }
  const fleet& cluster() const { return cluster_; }
  const zone_map& zones() const { return zones_; }
  uint64_t copies_begun() const { return copies_begun_; }
  uint64_t refused_total() const { return refused_; }

  /// For show "plan".
  struct line {
    partition_id partition;
    std::string state; ///< "wanted", "beginning", "starting", "copying", "ready", "surplus" ...
    node_id source;
    node_id target;
    copy_id copy;
    uint64_t bytes = 0;
    std::optional<double> worth; ///< of those wanted: seconds of recovery saved per MiB
    std::optional<double> finish_s, deadline_s;
    std::string why;
  };
  /// Those wanted, in the order in which they shall be made; then those in the catalog, by
  /// partition.
  std::vector<line> lines(const catalog_view& catalog, time_point now) const;
  /// Who holds it, what it needs and why, and what each node is as a target. unknown_partition.
  struct explanation {
    std::vector<std::string> lines; ///< sentences
    std::vector<placer::opinion> nodes;
  };
  result<explanation> explain(partition_id id) const;
  /// Sentences: the best candidates with their terms; who is rejected, by reason.
  std::vector<std::string> nodes_in_words(const std::vector<placer::opinion>& nodes) const;
  /// What this configuration would change. Zones are taken as they are.
  plan_preview preview(const settings& other, time_point now) const;

private:
  enum class step_kind : uint8_t { adding, removing, marking };
  struct deciding {
    step_kind kind = step_kind::adding;
    copy_row copy;
    std::string reason;
    wanted_copy wanted;     ///< adding
    bool node_dead = false; ///< removing
    revision wait_for;      ///< non-zero: done, until the catalog view shows this revision
    time_point until;
  };
  struct life {
    copy_id copy;
    uint64_t rate_bytes_per_s = 0;
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
  };

  uint64_t size_of(const partition_row& row) const;
  bool useless(const partition_row& row, const copy_row& copy) const;
  void forget_old(const catalog_view& catalog, time_point now);
  /// Brings the fleet up to the catalog's rows.
  void follow(const catalog_view& catalog);
  void follow_partition(const partition_row& row);
  void keep_away(const copy_key& key, bool away);
  plan_rules rules_of(const settings& config) const;
  void step_plan(const catalog_view& catalog, const settings& config, time_point now);

  // the catalog's rows
  void begin_copies(const catalog_view& catalog, time_point now, board_actions& out);
  void begin_copy(const copy_to_begin& begun, const catalog_view& catalog, time_point now,
                  board_actions& out);
  wanted_copy wanted_of(const planned_copy& copy) const;
  std::string zones_of(partition_number p) const;
  std::vector<copy_in_flight> in_flight(const catalog_view& catalog) const;
  /// Partitions of which no copy may begin, or go, now.
  std::set<partition_number> not_now(const catalog_view& catalog) const;
  void note_refusals(time_point now, board_actions& out);
  void note_refusal(partition_number p, time_point now, board_actions& out);
  /// Adds the chosen one's score, and who was rejected.
  void explain_choice(const planned_copy& copy, wanted_copy& w) const;
  copy_id next_copy(const partition_row& row);
  void remove_surplus(const catalog_view& catalog, time_point now, board_actions& out);
  void remove(const surplus_copy& gone, const catalog_view& catalog, time_point now,
              board_actions& out);
  void mark_ready(const catalog_view& catalog, time_point now, board_actions& out);
  void ask_for_change(const partition_row& old, partition_row changed, deciding d, time_point now,
                      board_actions& out);
  void on_removed(partition_id partition, const partition_row& row, const deciding& d, bool served,
                  board_actions& out);
  void on_marked(partition_id partition, const deciding& d, time_point now, board_actions& out);

  // prefetchers
  void start_life(const partition_row& row, const copy_row& copy, const wanted_copy& wanted,
                  const catalog_view& catalog, time_point now, board_actions& out);
  void tend_prefetchers(const catalog_view& catalog, board_actions& out);
  void adopt_copies(const catalog_view& catalog, const settings& config, time_point now,
                    board_actions& out);
  static std::string first_source(const life& l); ///< "nobody" when there is none

  void measure_copy(const life& l, const replica_report& report, time_point now);
  line line_of(const planned_copy& copy) const;
  std::string holders_in_words(partition_number p) const;
  std::string wish_in_words(partition_number p) const;
  line line_of(partition_id id, const copy_row& copy) const;

  harbinger::term term_;
  uint64_t copies_begun_;
  fleet cluster_;
  protection_plan plan_;
  zone_map zones_;
  bool zones_known_ = false;
  recovery_speeds speeds_;
  double speeds_measured_ = 0.0;            ///< bytes/s of copies without a limit; 0: none yet
  std::vector<revision> seen_nodes_;        ///< by node number
  std::vector<revision> seen_partitions_;   ///< by partition number
  std::map<node_id, incarnation> reported_; ///< life of the newest report
  std::map<partition_id, std::map<node_id, replica_status>> statuses_;
  std::map<partition_id, restore_method> restores_;
  std::set<partition_id> restores_told_; ///< those that the plan knows of
  std::set<partition_id> held_;
  time_point held_until_{};
  std::map<copy_key, life> lives_;
  std::map<copy_key, time_point> first_seen_; ///< copy rows without a prefetcher
  std::map<partition_id, deciding> deciding_;
  std::map<copy_key, time_point> avoid_;     ///< targets that failed, until when
  std::map<copy_key, copy_id> given_up_;     ///< copies that are of no use
  std::map<partition_id, refusal> refusals_; ///< placement found nobody
  uint64_t refused_ = 0;
};

} // namespace harbinger
