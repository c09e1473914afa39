#include "telemetry/peer_pings.hpp"

#include <algorithm>
#include <cmath>

namespace harbinger::telemetry {

void peer_pings::set_peers(const std::vector<node_address>& peers) {
  std::map<node_id, peer> next;
  for (const auto& p : peers) {
    if (next.size() >= peers_max) break;
    auto known = peers_.find(p.node);
    if (known != peers_.end() && known->second.endpoint == p.endpoint)
      next[p.node] = known->second;
    else
      next[p.node].endpoint = p.endpoint;
  }
  peers_ = std::move(next);
  waiting_.clear();
  for (const auto& [node, p] : peers_)
    if (p.id != 0) waiting_[p.id] = node;
}

std::vector<peer_pings::ping> peer_pings::step(time_point now) {
  std::vector<std::pair<time_point, peer*>> idle;
  std::vector<node_id> names;
  for (auto& [node, p] : peers_) {
    if (p.id != 0 && now - p.sent >= timeout_) {
      waiting_.erase(p.id);
      p.id = 0;
      p.unanswered = p.completed = true;
    }
    if (p.id == 0) idle.emplace_back(p.sent, &p);
  }
  std::stable_sort(idle.begin(), idle.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  if (idle.size() > at_once_max) idle.resize(at_once_max);
  std::vector<ping> out;
  for (auto& [sent, p] : idle) {
    p->id = next_id_++;
    p->sent = now;
    out.push_back({p->endpoint, p->id});
  }
  for (const auto& [node, p] : peers_)
    if (p.id != 0) waiting_[p.id] = node;
  return out;
}

std::optional<peer_pings::answer> peer_pings::answered(uint64_t id, time_point now) {
  auto found = waiting_.find(id);
  if (found == waiting_.end()) return std::nullopt;
  auto node = found->second;
  waiting_.erase(found);
  auto& p = peers_[node];
  p.id = 0;
  p.rtt_ms = to_ms(now - p.sent);
  p.unanswered = false;
  p.completed = true;
  return answer{node, *p.rtt_ms};
}

void peer_pings::read(outside_readings& out) const {
  double sum = 0, highest = missing, lowest = missing;
  size_t answers = 0, completed = 0, unanswered = 0;
  for (const auto& [node, p] : peers_) {
    completed += p.completed;
    unanswered += p.unanswered;
    if (!p.rtt_ms || p.unanswered) continue;
    ++answers;
    sum += *p.rtt_ms;
    highest = std::fmax(highest, *p.rtt_ms);
    lowest = std::fmin(lowest, *p.rtt_ms);
  }
  out.rtt_ms_mean = answers ? sum / static_cast<double>(answers) : missing;
  out.rtt_ms_max = highest;
  out.rtt_ms_min = lowest;
  out.unanswered_ratio =
      completed ? static_cast<double>(unanswered) / static_cast<double>(completed) : missing;
}

} // namespace harbinger::telemetry
