#include <algorithm>
#include <cmath>
#include <cstdio>

#include "history/time_text.hpp"
#include "zones/zone_tracker.hpp"

/// What a zone_tracker says about its zones in words.

namespace harbinger {
namespace {

constexpr size_t members_told = 50;
constexpr size_t left_told = 12;

std::string with(const char* format, double number) {
  char text[32];
  std::snprintf(text, sizeof text, format, number);
  return text;
}
std::string probability(double p) { return "P = " + with("%.2g", p); }
std::string percent(double share) { return with("%.3g", 100 * share) + " %"; }
std::string count_of(size_t n, const char* one, const char* many) {
  return std::to_string(n) + ' ' + (n == 1 ? one : many);
}

std::string corrected(double chance, size_t looked_at) {
  return with("%.2g", std::min(1.0, chance * static_cast<double>(looked_at)));
}

std::string concentration_text(const std::string& name, const domain_evidence& e) {
  auto text = std::to_string(e.seen.hits) + " of " + count_of(e.seen.draws, "node", "nodes")
              + " of " + name + " are at risk: by chance " + probability(e.chance);
  if (e.looked_at > 1)
    text += ", in any of " + std::to_string(e.looked_at) + " domains "
            + corrected(e.chance, e.looked_at);
  return e.proven ? text : text + "; it was one zone and stays one";
}

std::string movement_text(const zone_nodes& nodes, const movement_evidence& e) {
  auto pair = nodes.name(e.one) + " and " + nodes.name(e.other);
  if (e.correlation <= 0)
    return pair + " moved together; there is not enough telemetry to say whether they still do";
  return std::string(name_of(e.what)) + " metrics of " + pair + " move together: correlation "
         + with("%.2f", e.correlation) + " over " + std::to_string(comovement::rounds)
         + " scorings, by chance " + probability(e.chance) + ", in any of "
         + std::to_string(e.looked_at) + " comparisons " + corrected(e.chance, e.looked_at);
}

std::string reasons_of(const node_risk& risk) {
  std::string text;
  for (const auto& r : risk.reasons) text += (text.empty() ? ": " : "; ") + r.text;
  return text;
}

std::string names_of(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

} // namespace

/// Why the members are one zone, in one sentence; nothing for a node of its own.
std::vector<std::string> zone_tracker::why_one(const zone_group& group) const {
  if (group.cause == zone_cause::domain)
    return {concentration_text(nodes_.name(group.domain), group.concentrated)};
  if (group.cause == zone_cause::comovement) return {movement_text(nodes_, group.moving)};
  return {};
}

std::vector<std::string> zone_tracker::why_in_words(const zone_group& group,
                                                    const zone_settings& rules) const {
  switch (group.cause) {
  case zone_cause::planned:
    return {"It is planned, not predicted: the node is a zone of its own and exposes nobody."};
  case zone_cause::domain: {
    const auto& seen = group.concentrated.seen;
    return {"One zone because " + concentration_text(nodes_.name(group.domain), group.concentrated)
                + " (zones.concentration_p = " + with("%.2g", rules.concentration_p) + ").",
            "That is the hypergeometric tail: " + std::to_string(seen.marked) + " of "
                + std::to_string(seen.population) + " nodes up were at risk and not yet explained; "
                + std::to_string(group.concentrated.looked_at)
                + " domains could have stood out, each was given its share (Bonferroni)."};
  }
  case zone_cause::comovement:
    return {"One zone because " + movement_text(nodes_, group.moving)
            + "; what the whole fleet did was taken off first (zones.comovement_min = "
            + with("%.2g", rules.comovement_min) + ")."};
  case zone_cause::single: break;
  }
  return {"A zone of its own: no domain holds more nodes at risk than chance explains, and its "
          "telemetry moves with nobody else's at risk."};
}

std::vector<std::string> zone_tracker::exposed_in_words(const zone_group& group,
                                                        const zone_settings& rules) const {
  std::vector<std::string> out;
  auto attributes = nodes_.attributes(rules.domains);
  for (auto d : exposing_domains(nodes_, group, attributes, exposure_.exposing)) {
    std::vector<node_number> by_it;
    std::copy_if(group.exposed.begin(), group.exposed.end(), std::back_inserter(by_it),
                 [&](node_number n) { return nodes_.domain_of(n, d.attribute) == d; });
    if (!by_it.empty())
      out.push_back(nodes_.name(d) + " exposes " + count_of(by_it.size(), "node: ", "nodes: ")
                    + few_names(nodes_, by_it) + '.');
  }
  for (auto d : exposing_domains(nodes_, group, attributes, exposure_.unexposing))
    out.push_back(nodes_.name(d) + " exposes nobody: with its "
                  + count_of(nodes_.living_with(d), "node", "nodes") + " more than "
                  + percent(rules.exposed_share_max)
                  + " of the nodes up would be exposed (zones.exposed_share_max).");
  if (out.empty()) out.push_back("Nobody is exposed.");
  return out;
}

result<std::vector<std::string>> zone_tracker::explain(zone_id id, const zone_settings& rules,
                                                       time_point now) const {
  auto found =
      std::find_if(groups_.begin(), groups_.end(), [&](const zone_group& g) { return g.id == id; });
  if (found == groups_.end())
    return fail(errc::not_found, "no zone " + std::to_string(id.value) + " stands now");
  const auto& z = map_.zones[static_cast<size_t>(found - groups_.begin())];
  auto age_ms = static_cast<int64_t>(std::floor(to_seconds(now - found->since))) * 1000;
  std::vector<std::string> lines{"Zone " + std::to_string(id.value) + " on " + z.domain + " stands "
                                 + "for " + (age_ms > 0 ? duration_text(age_ms) : "less than 1s")
                                 + " with " + count_of(z.members.size(), "member", "members") + ": "
                                 + few_names(nodes_, found->members) + '.'};
  auto add = [&](std::vector<std::string> more) {
    lines.insert(lines.end(), more.begin(), more.end());
  };
  if (z.within_s > 0)
    lines.push_back(z.within_s <= 1 ? "The planned event has begun."
                                    : "The planned event begins in " + with("%.0f", z.within_s)
                                          + " s: copies must be there by then.");
  add(why_in_words(*found, rules));
  for (size_t i = 0; i < std::min(found->members.size(), members_told); ++i) {
    auto risk = risk_of(found->members[i]);
    if (found->cause == zone_cause::planned)
      lines.push_back(risk.node.value + ": " + risk.reasons.front().text + '.');
    else
      lines.push_back(risk.node.value + " is likely to fail, P = " + with("%.2f", risk.probability)
                      + " ± " + with("%.2f", risk.uncertainty) + " by "
                      + (risk.model.empty() ? "an unnamed model" : risk.model) + reasons_of(risk)
                      + '.');
  }
  if (found->members.size() > members_told)
    lines.push_back("... and " + std::to_string(found->members.size() - members_told) + " more.");
  if (found->members.size() > 1)
    lines.push_back("At least one member fails with " + probability(z.probability) + ", all with "
                    + probability(z.joint_probability) + ", of which "
                    + with("%.2g", z.common_cause)
                    + " is one common event: half of the smallest risk (beta-factor model).");
  add(exposed_in_words(*found, rules));
  if (map_.braked)
    lines.push_back("The brake leaves out " + left_in_words() + " in this and other zones.");
  return lines;
}

std::string zone_tracker::left_in_words() const {
  std::vector<std::string> names;
  for (const auto& id : map_.left_out) {
    if (names.size() == left_told) break;
    names.push_back(id.value);
  }
  auto text = count_of(left_.nodes, "node", "nodes") + " at risk (" + percent(left_.share)
              + " of the nodes up, " + percent(left_.capacity_share) + " of their capacity)";
  if (!names.empty()) text += ": " + names_of(names);
  if (left_.nodes > names.size())
    text += " and " + std::to_string(left_.nodes - names.size()) + " more";
  return text;
}

std::string zone_tracker::held_back_in_words() const {
  std::string text;
  if (map_.braked)
    text = "more nodes look at risk than the brake allows: planned and riskiest ones were taken, "
           "left out are "
           + left_in_words();
  if (!map_.unexposed_domains.empty())
    text += std::string(text.empty() ? "" : "; ") + "these domains of members expose nobody, so "
            + "that safe nodes are left: " + names_of(map_.unexposed_domains);
  return text;
}

} // namespace harbinger
