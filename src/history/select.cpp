#include "history/select.hpp"

#include <algorithm>

namespace harbinger {

history keep_nodes(history from, const std::function<bool(const history_node&)>& wanted) {
  std::vector<uint32_t> place(from.nodes.size(), UINT32_MAX);
  uint32_t kept = 0;
  for (size_t i = 0; i < place.size(); ++i)
    if (wanted(from.nodes[i])) place[i] = kept++;
  size_t at = 0;
  std::erase_if(from.nodes, [&](const auto&) { return place[at++] == UINT32_MAX; });
  auto gone = [&](auto& x) {
    x.node = place[x.node];
    return x.node == UINT32_MAX;
  };
  std::erase_if(from.samples, gone);
  std::erase_if(from.events, gone);
  return from;
}

history cut_history(history from, int64_t until_ms) {
  auto out = keep_nodes(std::move(from), [&](const auto& n) { return n.first_ms <= until_ms; });
  for (auto& n : out.nodes) {
    if (std::max(n.known_ms, n.last_ms) > until_ms) n.known_ms = 0;
    n.last_ms = std::min(n.last_ms, until_ms);
  }
  std::erase_if(out.samples,
                [&](const auto& s) { return std::max(s.time_ms, s.arrived_ms) > until_ms; });
  std::erase_if(out.events, [&](const auto& e) { return e.time_ms > until_ms; });
  for (auto& e : out.events)
    if (e.back_ms > until_ms) e.back_ms = 0;
  return out;
}

} // namespace harbinger
