#include "prefetch/protection_board.hpp"

#include <algorithm>

namespace harbinger {

protection_board::line protection_board::line_of(const wanted_copy& w) const {
  line l{w.partition, "wanted", {}, {}, {}, w.size_bytes, w.reason};
  auto refused = refusals_.find(w.partition);
  if (deciding_.contains(w.partition))
    l.state = "choosing a target";
  else if (refused != refusals_.end())
    l.why += "; " + refused->second.text;
  return l;
}

protection_board::line protection_board::line_of(partition_id id, const copy_row& copy) const {
  auto life = lives_.find({id, copy.node});
  const auto* s = status({id, copy.node});
  bool reported = s && s->report.copy == copy.copy && s->report.role == replica_role::copy;
  line l{id, copy.ready ? "ready" : "starting", {}, copy.node, copy.copy, 0, {}};
  if (reported) l.bytes = s->report.copied_bytes;
  if (reported) l.source = s->report.source;
  if (reported && !copy.ready) l.state = std::string(name_of(s->report.state));
  if (life != lives_.end())
    l.why = life->second.why + (life->second.detail.empty() ? "" : "; " + life->second.detail);
  for (const auto& gone : plan_.surplus)
    if (gone.partition == id && gone.node == copy.node) {
      l.state = "surplus";
      l.why = gone.reason;
    }
  return l;
}

std::vector<protection_board::line> protection_board::lines(const catalog_view& catalog) const {
  std::vector<line> list;
  for (const auto& w : plan_.wanted) list.push_back(line_of(w));
  for (const auto& [id, row] : catalog.partitions())
    for (const auto& copy : row.copies) list.push_back(line_of(id, copy));
  std::stable_sort(list.begin(), list.end(),
                   [](const line& a, const line& b) { return a.partition < b.partition; });
  return list;
}

} // namespace harbinger
