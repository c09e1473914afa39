#include "prefetch/copy_need.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace harbinger {

namespace {

std::string scientific(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", x);
  return text;
}

/// More holders of one partition than the catalog lists are looked at as if they were not there.
constexpr size_t holders_max = 32;

} // namespace

copy_need need_of(const fleet& cluster, partition_number p, const zone_picture& zones, bool restore,
                  const prefetch_settings& rules) {
  const auto& part = cluster.partition(p);
  copy_need n;
  std::array<node_number, holders_max> living;
  uint32_t replicas_outside = 0, copies = 0, copies_outside = 0;
  for (const auto& h : part.holders.get()) {
    if (!cluster.nodes().alive(h.node) || h.kind == holding_kind::useless) continue;
    if (n.alive < holders_max) living[n.alive++] = h.node;
    const auto& standing = zones.of(h.node);
    bool outside = standing.zone == no_number;
    if (!is_replica(h.kind)) {
      ++copies;
      copies_outside += outside;
      continue;
    }
    ++n.replicas;
    replicas_outside += outside;
    if (outside) continue;
    bool primary = h.kind == holding_kind::primary;
    n.at_risk = true;
    n.primary_at_risk |= primary;
    n.probability = std::max(n.probability, static_cast<float>(standing.risk));
    n.expected_losses += static_cast<float>(standing.risk * (primary ? 2.0 : 1.0));
  }
  uint32_t wanted = part.replicas_wanted;
  auto extra = n.replicas > wanted ? n.replicas - wanted : 0;
  copies += extra;
  copies_outside += std::min(extra, replicas_outside);
  n.short_of_replicas = n.replicas < wanted;
  n.all_at_risk = n.at_risk && replicas_outside + copies_outside == 0;
  if (!n.at_risk && !(restore && n.short_of_replicas)) return n;
  n.none_alive_now = none_alive({living.data(), n.alive}, zones);
  uint32_t for_risk = 0;
  double then = n.none_alive_now;
  bool enough_outside = replicas_outside >= wanted;
  while (
      n.at_risk && copies + for_risk < rules.copies_max
      && ((copies_outside + for_risk == 0 && !enough_outside) || then > rules.none_alive_target)) {
    ++for_risk;
    then *= base_failure_probability;
  }
  uint32_t for_restore = 0;
  if (restore && n.short_of_replicas && wanted > n.replicas + copies)
    for_restore = wanted - n.replicas - copies;
  n.restore = for_restore > 0;
  n.missing = static_cast<uint8_t>(std::max(for_risk, for_restore));
  n.none_alive_then = n.none_alive_now * std::pow(base_failure_probability, n.missing);
  return n;
}

double seconds_saved(const copy_need& need, uint32_t number, uint64_t size_bytes,
                     const recovery_speeds& speeds) {
  double gone_now = need.none_alive_now * std::pow(base_failure_probability, number);
  double saved = gone_now * (1.0 - base_failure_probability) * speeds.outage_s;
  if (number > 0) return saved;
  double rebuild = speeds.rebuild_fixed_s
                   + static_cast<double>(size_bytes) / std::max(1.0, speeds.rebuild_bytes_per_s);
  return saved + need.expected_losses * std::max(0.0, rebuild - speeds.promote_s);
}

double cost_bytes(const fleet_partition& partition, double deadline_s) {
  return static_cast<double>(partition.size_bytes)
         + static_cast<double>(partition.change_bytes_per_s) * deadline_s;
}

std::string in_words(const copy_need& need, const fleet& cluster, partition_number p,
                     const zone_picture& zones, restore_method method,
                     const prefetch_settings& rules) {
  if (need.restore)
    return std::to_string(need.replicas) + " of "
           + std::to_string(cluster.partition(p).replicas_wanted) + " replicas live; restore by "
           + std::string(name_of(method));
  std::string text;
  for (const auto& h : cluster.partition(p).holders.get()) {
    const auto& standing = zones.of(h.node);
    if (!is_replica(h.kind) || standing.zone == no_number || !cluster.nodes().alive(h.node))
      continue;
    text += (text.empty() ? "" : ", ") + cluster.nodes()[h.node].id.value
            + (h.kind == holding_kind::primary ? " (primary)" : " (secondary)") + " in zone "
            + std::to_string(zones.id(standing.zone).value)
            + " with P = " + scientific(standing.risk);
  }
  if (text.empty() || need.missing == 0) return text;
  text += "; P(none alive) " + scientific(need.none_alive_now) + " -> "
          + scientific(need.none_alive_then) + " with " + std::to_string(need.missing) + " more";
  if (need.none_alive_then > rules.none_alive_target)
    text += "; the target is out of reach with copies_max";
  return text;
}

} // namespace harbinger
