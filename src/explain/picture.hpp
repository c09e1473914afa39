#pragma once

/// What the service knew and had decided at a time, folded from its journals: events of the
/// publisher, and changes of the catalog (kind "catalog_change"). Pure: events in, picture out.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/ids.hpp"
#include "messages/events.hpp"

namespace harbinger::explain {

using topic = std::variant<node_id, zone_id, partition_id>;
struct question {
  topic about;
  int64_t at_ms = 0; ///< unix time
};
/// "node n1", "zone 3", "partition 1.17".
std::string to_string(const topic& about);

/// Whether a line of the journal of events may matter to the question; most do not, and need not be
/// parsed. Never false for one that does.
bool may_concern(const topic& about, std::string_view line);

struct node_then {
  std::string state = "up"; ///< up, suspect, dead
  uint64_t life = 0;        ///< newest known
  int64_t since_ms = 0;     ///< of that state
  std::string text;         ///< of the event that told it
};

struct zone_then {
  zone_id id;
  std::string domain;
  std::vector<node_id> members, exposed; ///< sorted
  double probability = 0.0, joint_probability = 0.0;
  std::string reasons;
  int64_t formed_ms = 0, changed_ms = 0; ///< changed: the newest word of it while it stood
  size_t changes = 0;
  std::string formed_text;
  int64_t ended_ms = 0; ///< 0: it stood at the asked time
  std::string ended_text;
  bool doubtful = false; ///< zone_manager was restarted since it was told of last
};

enum class copy_state : uint8_t { under_way, ready, ended };
constexpr auto enum_names(copy_state) { return std::array{"under way", "ready", "ended"}; }

struct copy_then {
  std::string target, source, copy, purpose, method, reason, rejected;
  copy_state state = copy_state::under_way;
  int64_t began_ms = 0, ready_ms = 0, ended_ms = 0; ///< 0: not, or before the journal begins
  std::string ended_text;
};

class picture {
public:
  static constexpr size_t ended_max = 20;   ///< zones and copies that are over, the newest
  static constexpr size_t told_max = 10;    ///< events about the topic, the newest
  static constexpr size_t copies_max = 256; ///< copies of a partition that are told apart

  explicit picture(question asked) : asked_(std::move(asked)) {}

  /// In the order of the journal. What is later than the asked time is passed over, but for saying
  /// that a zone came later.
  void take(const event& e);

  const question& asked() const { return asked_; }
  /// Of all nodes that events named.
  const std::map<node_id, node_then>& nodes() const { return nodes_; }
  /// That stood then, by id.
  const std::map<zone_id, zone_then>& zones() const { return zones_; }
  /// That were over by then and concern the topic, oldest first.
  const std::deque<zone_then>& ended_zones() const { return ended_zones_; }
  /// The asked zone: standing, else over; null: it was not formed by then.
  const zone_then* zone() const;
  std::optional<int64_t> zone_formed_later_ms() const { return formed_later_ms_; }
  /// Nodes that the brake left out then.
  const std::vector<node_id>& left_out() const { return left_out_; }

  /// The newest change of the catalog's row of the topic by then.
  const std::optional<event>& row() const { return row_; }
  /// There were changes of it later.
  bool row_changed_later() const { return row_changed_later_; }
  /// Copies of the asked partition by then, by target; those that are over apart, oldest first.
  const std::map<std::string, copy_then>& copies() const { return copies_; }
  const std::deque<copy_then>& ended_copies() const { return ended_copies_; }

  /// The newest decision about the topic by then, with its inputs and what was rejected.
  const std::optional<event>& decision() const { return decision_; }
  /// The newest events about the topic by then, oldest first, the decision among them.
  const std::deque<event>& told() const { return told_; }
  /// The newest start of the centre by then.
  const std::optional<event>& centre() const { return centre_; }

  /// What was done because of the asked zone, by then.
  struct zone_work {
    size_t copies_begun = 0, copies_ready = 0, copies_failed = 0, escalated = 0;
    size_t handed_over = 0, left = 0; ///< primaries, and members, before a node failed
    std::vector<event> deaths; ///< of its members, while it stood and after; the first ended_max
  };
  const zone_work& done_for_zone() const { return work_; }

private:
  void take_node(const event& e);
  void take_zone(const event& e);
  void take_copy(const event& e);
  void take_zone_work(const event& e);
  void end_zone(std::map<zone_id, zone_then>::iterator it, const event& e, std::string text);
  void end_all_zones(const event& e);
  bool is_about(const event& e) const;
  bool zone_concerns(const zone_then& z) const;

  question asked_;
  std::map<node_id, node_then> nodes_;
  std::map<zone_id, zone_then> zones_;
  std::deque<zone_then> ended_zones_;
  std::vector<node_id> left_out_;
  std::optional<int64_t> formed_later_ms_;
  std::optional<event> row_, decision_, centre_;
  bool row_changed_later_ = false;
  std::map<std::string, copy_then> copies_;
  std::deque<copy_then> ended_copies_;
  std::deque<event> told_;
  zone_work work_;
  std::set<std::string> begun_for_zone_; ///< "1.17@n3": not ready yet
};

/// A list of an event's field: words between commas or blanks.
std::vector<node_id> node_list(const std::string& text);
/// The field, or nothing.
std::string field(const event& e, const std::string& name);

} // namespace harbinger::explain
