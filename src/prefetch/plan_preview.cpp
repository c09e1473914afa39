#include "prefetch/plan_preview.hpp"

#include <algorithm>
#include <cstdio>
#include <map>

namespace harbinger {

namespace {

using targets_by_partition = std::map<partition_id, std::string>;

struct planned_anew {
  plan_summary summary;
  targets_by_partition targets;
};

planned_anew plan_anew(const fleet& cluster, const zone_map& zones, const plan_rules& rules,
                       const std::set<partition_number>& restores, time_point at) {
  fleet copy = cluster;
  copy.note_all();
  protection_plan plan(copy);
  plan.set_rules(rules);
  plan.set_zones(zones);
  for (auto p : restores) plan.set_restore(p, true);
  plan.step(at);
  planned_anew out{summary_of(plan), {}};
  for (const auto& c : plan.copies()) {
    auto& text = out.targets[copy.partition(c.partition).id];
    auto to = c.target == no_number ? std::string("nobody") : copy.nodes()[c.target].id.value;
    text += (text.empty() ? "to " : ", ") + to;
  }
  return out;
}

std::string bytes_in_words(double bytes) {
  static constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  size_t unit = 0;
  for (; bytes >= 1024.0 && unit + 1 < std::size(units); ++unit) bytes /= 1024.0;
  char text[48];
  std::snprintf(text, sizeof text, "%.3g %s", bytes, units[unit]);
  return text;
}

} // namespace

plan_summary summary_of(const protection_plan& plan) {
  plan_summary s;
  std::set<partition_number> seen;
  for (const auto& c : plan.copies()) {
    ++s.copies;
    seen.insert(c.partition);
    s.late += c.late();
    s.bytes += c.bytes;
    s.saved_s += c.saved_s;
    if (c.target != no_number) s.finish_s = std::max(s.finish_s, c.finish_s);
  }
  s.partitions = seen.size();
  s.without_target = plan.without_target().size();
  s.max_over_mean = plan.places().balance().max_over_mean;
  return s;
}

std::string in_words(const plan_summary& s) {
  char tail[160];
  std::snprintf(tail, sizeof tail,
                ", done in about %.0f s, %.3g s of recovery saved; fullest safe node %.2f times "
                "the mean",
                s.finish_s, s.saved_s, s.max_over_mean);
  auto text = std::to_string(s.copies) + " copies of " + std::to_string(s.partitions)
              + " partitions, " + bytes_in_words(s.bytes) + tail;
  if (s.late > 0) text += "; " + std::to_string(s.late) + " of them too late";
  if (s.without_target > 0)
    text += "; " + std::to_string(s.without_target) + " partitions find no node";
  return text;
}

plan_preview preview(const fleet& cluster, const zone_map& zones, const plan_rules& now,
                     const plan_rules& then, const std::set<partition_number>& restores,
                     time_point at) {
  auto before = plan_anew(cluster, zones, now, restores, at);
  auto after = plan_anew(cluster, zones, then, restores, at);
  plan_preview out{before.summary, after.summary, {}};
  std::set<partition_id> all;
  for (const auto* side : {&before.targets, &after.targets})
    for (const auto& [id, text] : *side) all.insert(id);
  auto of = [](const targets_by_partition& targets, partition_id id) {
    auto found = targets.find(id);
    return found == targets.end() ? std::string("nothing") : found->second;
  };
  for (auto id : all)
    if (auto a = of(before.targets, id), b = of(after.targets, id); a != b)
      out.changes.push_back({id, a, b});
  return out;
}

} // namespace harbinger
