#include "recovery/copy_speed.hpp"

#include <set>

namespace harbinger::recovery {

void copy_speed::take(const node_id& node, const std::vector<replica_report>& replicas,
                      time_point now) {
  std::set<partition_id> copying;
  for (const auto& r : replicas) {
    auto it = under_way_.find({node, r.partition});
    bool known = it != under_way_.end() && it->second.copy == r.copy;
    if (r.state == replica_state::copying && r.copy.value > 0) {
      copying.insert(r.partition);
      if (!known && (it != under_way_.end() || under_way_.size() < under_way_max))
        under_way_[{node, r.partition}] = {r.copy, now, r.copied_bytes};
    } else if (known && r.state == replica_state::following && now > it->second.at
               && r.copied_bytes >= it->second.bytes + telling_bytes) {
      done_.push_back({r.copied_bytes - it->second.bytes, to_seconds(now - it->second.at)});
      if (done_.size() > kept_max) done_.pop_front();
    }
  }
  std::erase_if(under_way_, [&](const auto& each) {
    return each.first.first == node && !copying.contains(each.first.second);
  });
}

std::optional<double> copy_speed::bytes_per_s() const {
  double bytes = 0.0, seconds = 0.0;
  for (const auto& each : done_) {
    bytes += static_cast<double>(each.bytes);
    seconds += each.seconds;
  }
  if (seconds <= 0.0) return std::nullopt;
  return bytes / seconds;
}

} // namespace harbinger::recovery
