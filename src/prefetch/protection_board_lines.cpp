#include "prefetch/protection_board.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

/// What the board says of its plan.

namespace harbinger {

namespace {

std::string number(double x, const char* format) {
  char text[48];
  std::snprintf(text, sizeof text, format, x);
  return text;
}

} // namespace

protection_board::line protection_board::line_of(const planned_copy& copy) const {
  auto w = wanted_of(copy);
  line l;
  l.partition = w.partition;
  l.state = deciding_.contains(w.partition) ? "beginning" : "wanted";
  if (copy.source != no_number) l.source = cluster_.nodes()[copy.source].id;
  if (copy.target != no_number) l.target = cluster_.nodes()[copy.target].id;
  l.bytes = w.size_bytes;
  l.worth = copy.worth;
  l.finish_s = copy.finish_s;
  if (std::isfinite(copy.deadline_s)) l.deadline_s = copy.deadline_s;
  l.why = w.reason;
  if (copy.late()) l.why += "; will be late";
  auto refused = refusals_.find(w.partition);
  if (copy.target == no_number && refused != refusals_.end()) l.why += "; " + refused->second.text;
  return l;
}

protection_board::line protection_board::line_of(partition_id id, const copy_row& copy) const {
  auto life = lives_.find({id, copy.node});
  const auto* s = status({id, copy.node});
  bool reported = s && s->report.copy == copy.copy && s->report.role == replica_role::copy;
  line l;
  l.partition = id;
  l.state = copy.ready ? "ready" : "starting";
  l.target = copy.node;
  l.copy = copy.copy;
  if (reported) l.bytes = s->report.copied_bytes;
  if (reported) l.source = s->report.source;
  if (reported && !copy.ready) l.state = std::string(name_of(s->report.state));
  if (life != lives_.end())
    l.why = life->second.why + (life->second.detail.empty() ? "" : "; " + life->second.detail);
  return l;
}

std::vector<protection_board::line> protection_board::lines(const catalog_view& catalog,
                                                            time_point now) const {
  std::vector<line> list;
  for (const auto& copy : plan_.copies()) list.push_back(line_of(copy));
  std::map<copy_key, std::string> going;
  for (const auto& gone : plan_.surplus(now))
    going[{cluster_.partition(gone.partition).id, cluster_.nodes()[gone.node].id}] = gone.reason;
  for (const auto& [id, row] : catalog.partitions())
    for (const auto& copy : row.copies) {
      list.push_back(line_of(id, copy));
      auto gone = going.find({id, copy.node});
      if (gone == going.end()) continue;
      list.back().state = "surplus";
      list.back().why = gone->second;
    }
  return list;
}

std::string protection_board::holders_in_words(partition_number p) const {
  static constexpr const char* names[] = {"primary", "secondary",  "joining",
                                          "copying", "ready copy", "useless copy"};
  std::string text;
  for (const auto& h : cluster_.partition(p).holders.get()) {
    const auto& node = cluster_.nodes()[h.node];
    text += (text.empty() ? "" : ", ") + node.id.value + " (" + names[static_cast<size_t>(h.kind)];
    if (node.state != node_state::up) text += ", " + std::string(name_of(node.state));
    const auto& standing = plan_.zones().of(h.node);
    if (standing.zone != no_number)
      text += ", in zone " + std::to_string(plan_.zones().id(standing.zone).value)
              + number(standing.risk, " with P = %.2f");
    else if (standing.exposed_by != no_number)
      text += ", exposed by zone " + std::to_string(plan_.zones().id(standing.exposed_by).value);
    text += ")";
  }
  return text.empty() ? "nobody" : text;
}

std::string protection_board::wish_in_words(partition_number p) const {
  auto need = plan_.need(p);
  auto method = restore_method::pull;
  if (auto wanted = restores_.find(cluster_.partition(p).id); wanted != restores_.end())
    method = wanted->second;
  auto why = in_words(need, cluster_, p, plan_.zones(), method, plan_.rules().prefetch);
  if (need.missing == 0)
    return why.empty() ? "It needs no copy: no replica is in a zone, and none is missing."
                       : "It needs no further copy: " + why + ".";
  return "It needs " + std::to_string(need.missing) + " more: " + why + ".";
}

result<protection_board::explanation> protection_board::explain(partition_id id) const {
  auto p = cluster_.find(id);
  if (!p) return fail(errc::unknown_partition, to_string(id));
  const auto& part = cluster_.partition(*p);
  explanation e;
  e.lines.push_back("Partition " + to_string(id) + " is held by " + holders_in_words(*p) + ".");
  e.lines.push_back("It has " + std::to_string(part.size_bytes) + " bytes, and "
                    + number(static_cast<double>(part.change_bytes_per_s), "%.0f")
                    + " of them change in a second.");
  e.lines.push_back(wish_in_words(*p));
  for (const auto& copy : plan_.copies()) {
    if (copy.partition != *p) continue;
    auto to = copy.target == no_number ? std::string("nobody yet")
                                       : cluster_.nodes()[copy.target].id.value;
    e.lines.push_back("A copy shall go to " + to + ", worth "
                      + number(copy.worth, "%.3g s of recovery a MiB, done in about ")
                      + number(copy.finish_s, "%.0f s")
                      + (copy.late() ? ", too late for its deadline." : "."));
  }
  for (const auto& [key, l] : lives_)
    if (key.partition == id)
      e.lines.push_back("The copy on " + key.node.value + " was made because " + l.why + ".");
  if (held_.contains(id)) e.lines.push_back("A drill holds it: no copy begins meanwhile.");
  // Those chosen stand in the way of nobody: the question is who could take the next one.
  auto next = plan_.query_of(*p);
  next.query.chosen = {};
  e.nodes = plan_.places().explain(next.query);
  return e;
}

std::vector<std::string>
protection_board::nodes_in_words(const std::vector<placer::opinion>& nodes) const {
  constexpr size_t best_told = 5;
  std::vector<std::string> lines;
  std::map<std::string, std::string> rejected;
  size_t candidates = 0;
  for (const auto& o : nodes) {
    const auto& name = cluster_.nodes()[o.node].id.value;
    if (!o.candidate) {
      auto& names = rejected[o.text];
      names += (names.empty() ? "" : ", ") + name;
    } else if (++candidates <= best_told) {
      lines.push_back(std::to_string(candidates) + ". " + name + number(o.score, ", score %.3f: ")
                      + o.text);
    }
  }
  lines.insert(lines.begin(), std::to_string(candidates) + " of " + std::to_string(nodes.size())
                                  + " nodes could take a copy now"
                                  + (candidates > best_told ? "; the best are:" : ":"));
  for (const auto& [reason, names] : rejected)
    lines.push_back("Rejected, " + reason + ": " + names + ".");
  return lines;
}

plan_preview protection_board::preview(const settings& other, time_point now) const {
  std::set<partition_number> restores;
  for (const auto& [id, method] : restores_)
    if (auto p = cluster_.find(id)) restores.insert(*p);
  return harbinger::preview(cluster_, zones_, plan_.rules(), rules_of(other), restores, now);
}

} // namespace harbinger
