#pragma once

/// Planned maintenance of nodes: who, from when, until when, why. Pure; one owner.

#include <map>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "core/settings.hpp"
#include "messages/catalog.hpp"
#include "zones/zone_tracker.hpp"

namespace harbinger {

struct maintenance {
  node_id node;
  unix_ms begin;
  unix_ms end; ///< 0: until somebody says so
  std::string reason;
  friend bool operator==(const maintenance&, const maintenance&) = default;
};

/// What `maintenance start NODE --in TIME [--for TIME] [--reason TEXT...]` asks for. Times are
/// written "90s", "30m" (or "30min"), "2h", "1d". invalid_argument with the usage, or with what is
/// wrong with a word.
result<maintenance> parse_maintenance(const std::vector<std::string>& words, unix_ms now);

/// May the brake of the zones take these nodes, all planned? Dead and unknown ones count nothing.
/// condition_failed names the share that would be passed.
result<> within_brake(const std::vector<node_id>& planned, const std::map<node_id, node_row>& nodes,
                      const zone_settings& rules);

class maintenance_book {
public:
  static constexpr size_t entries_max = 10'000;
  static constexpr size_t reason_bytes_max = 200;
  static constexpr double ahead_max_s = 30 * 86'400.0;

  /// Enters it; a second one for the node changes the first. False: it was entered, true: changed.
  /// unknown_node; condition_failed: the node is dead, or the brake would be passed; overloaded:
  /// the book is full. Nothing is changed then.
  result<bool> start(const maintenance& entry, const std::map<node_id, node_row>& nodes,
                     const zone_settings& rules);
  /// not_found: none is planned for the node.
  result<maintenance> end(const node_id& node);
  /// Takes out what is over by itself.
  std::vector<maintenance> take_over(unix_ms now);

  /// For zone_tracker::plan, by node.
  std::vector<planned_event> events(unix_ms now) const;
  const std::map<node_id, maintenance>& entries() const { return entries_; }

  /// What the file holds. parse: malformed, unsupported (another format), oversize.
  std::string to_json() const;
  static result<maintenance_book> parse(const std::string& text);

private:
  std::map<node_id, maintenance> entries_;
};

/// "maintenance in 30 min: new disks", "maintenance for the last 5 min: new disks".
std::string maintenance_text(const maintenance& entry, unix_ms now);

} // namespace harbinger
