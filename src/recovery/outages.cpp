#include "recovery/outages.hpp"

#include <algorithm>

namespace harbinger::recovery {

bool outage_log::open(outage what) {
  auto same = [&](const outage& o) { return o.node == what.node && o.life == what.life; };
  if (std::any_of(open_.begin(), open_.end(), same)) return false;
  for (auto* list : {&open_, &finished_}) // who serves these next has nothing to do with those
    for (auto& o : *list)
      for (auto id : what.unserved) o.waits_for_clients.erase(id);
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

void outage_log::note(partition_id partition, time_point now, double outage::*phase) {
  for (auto& o : open_)
    if (o.unserved.contains(partition)) o.*phase = to_ms(now - o.began);
}

void outage_log::sealed(partition_id partition, time_point now) {
  note(partition, now, &outage::seal_ms);
}

void outage_log::decided(partition_id partition, time_point now) {
  note(partition, now, &outage::decide_ms);
}

void outage_log::used(partition_id partition, double first_read_ms, double first_write_ms) {
  auto take = [](std::optional<double>& first, double before, double ms) {
    if (ms > 0) first = std::min(first.value_or(before + ms), before + ms);
  };
  for (auto* list : {&open_, &finished_})
    for (auto& o : *list) {
      auto it = o.waits_for_clients.find(partition);
      if (it == o.waits_for_clients.end()) continue;
      auto before = to_ms(it->second - o.began);
      take(o.first_read_ms, before, first_read_ms);
      take(o.first_write_ms, before, first_write_ms);
      if (first_read_ms > 0 && first_write_ms > 0) o.waits_for_clients.erase(it);
    }
}

std::vector<outage_log::progress> outage_log::served(partition_id partition, time_point now) {
  for (auto& o : open_)
    if (o.unserved.contains(partition)) o.waits_for_clients.emplace(partition, now);
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
