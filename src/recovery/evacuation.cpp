#include "recovery/evacuation.hpp"

#include <cstdio>

#include "recovery/redundancy.hpp"

namespace harbinger::recovery {

namespace {

/// "before it fails, n1 in zone 4, risk 0.91"
std::string before_what(const node_id& node, const threats::threat& t) {
  auto zone = node.value + " in zone " + std::to_string(t.zone.value);
  if (t.planned) return "before it is taken down, " + zone;
  char risk[32];
  std::snprintf(risk, sizeof risk, ", risk %.2f", t.risk);
  return "before it fails, " + zone + risk;
}

} // namespace

std::optional<std::string> endangered_member(const partition_row& row, const surroundings& around,
                                             const threats& danger) {
  std::optional<std::string> words;
  for (auto& id : around.live_members(row))
    if (auto threat = danger.endangers(id); threat && (!words || id == row.primary))
      words = before_what(id, *threat);
  return words;
}

std::optional<std::string> hand_over_due(const partition_row& row, const surroundings& around,
                                         const threats& danger) {
  auto threat = danger.endangers(row.primary);
  if (!threat || !row.joiners.empty() || !available(row, around)) return std::nullopt;
  for (auto& id : row.sync_set)
    if (id != row.primary && !danger.in_zone(id) && serves(row, id, around))
      return "handed over " + before_what(row.primary, *threat);
  return std::nullopt;
}

escalation_step evacuate(const partition_row& row, const surroundings& around,
                         const threats& danger) {
  escalation_step out{row, {}};
  if (!escalated(row) || !row.joiners.empty() || !available(row, around)) return out;
  const threats::threat* worst = nullptr;
  const node_id* leaver = nullptr;
  for (auto& id : row.sync_set) {
    auto threat = danger.endangers(id);
    if (!threat || id == row.primary) continue;
    if (others_that_serve(row, id, around) < row.replicas_wanted) continue;
    if (worst && threat->risk <= worst->risk) continue;
    worst = threat;
    leaver = &id;
  }
  if (!leaver) return out;
  std::erase(out.row.sync_set, *leaver);
  out.reason = leaver->value + " leaves " + before_what(*leaver, *worst);
  return out;
}

} // namespace harbinger::recovery
