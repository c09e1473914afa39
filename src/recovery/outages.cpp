#include "recovery/outages.hpp"

#include <algorithm>

namespace harbinger::recovery {

bool outage_log::open(outage what) {
  auto same = [&](const outage& o) { return o.node == what.node && o.life == what.life; };
  if (std::any_of(open_.begin(), open_.end(), same)) return false;
  if (open_.size() >= open_max) open_.erase(open_.begin());
  (what.over() ? finished_ : open_).push_back(std::move(what));
  return true;
}

std::vector<outage_log::progress> outage_log::settle(partition_id partition, time_point now,
                                                     std::set<partition_id> outage::*which,
                                                     double outage::*total) {
  std::vector<progress> out;
  for (auto& o : open_) {
    if (!(o.*which).erase(partition)) continue;
    double ms = to_ms(now - o.began);
    if ((o.*which).empty()) o.*total = ms;
    out.push_back({&o, o.over(), ms});
  }
  return out;
}

std::vector<outage_log::progress> outage_log::served(partition_id partition, time_point now) {
  return settle(partition, now, &outage::unserved, &outage::promote_ms);
}

std::vector<outage_log::progress> outage_log::restored(partition_id partition, time_point now) {
  return settle(partition, now, &outage::thin, &outage::redundancy_ms);
}

void outage_log::tidy() {
  for (auto& o : open_)
    if (o.over()) finished_.push_back(o);
  std::erase_if(open_, [](const outage& o) { return o.over(); });
  while (finished_.size() > finished_max) finished_.erase(finished_.begin());
}

std::vector<outage> outage_log::rows() const {
  std::vector<outage> out(open_.rbegin(), open_.rend());
  out.insert(out.end(), finished_.rbegin(), finished_.rend());
  return out;
}

} // namespace harbinger::recovery
