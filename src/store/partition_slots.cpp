#include "store/partition_slots.hpp"

#include <string>
#include <utility>

namespace harbinger {

void partition_slots::load(partition_head head) {
  used_ += head.size_bytes;
  auto id = head.partition;
  auto s = std::make_shared<partition_slot>();
  s->head = std::move(head);
  s->born = true;
  slots_.emplace(id, std::move(s));
}

slot_ptr partition_slots::find(partition_id partition) const {
  std::shared_lock guard(mutex_);
  auto it = slots_.find(partition);
  return it == slots_.end() ? nullptr : it->second;
}

slot_ptr partition_slots::find_or_make(partition_id partition) {
  std::unique_lock guard(mutex_);
  if (auto it = slots_.find(partition); it != slots_.end()) return it->second;
  if (auto it = unborn_.find(partition); it != unborn_.end()) return it->second;
  return unborn_.emplace(partition, std::make_shared<partition_slot>()).first->second;
}

std::vector<partition_head> partition_slots::heads() const {
  std::shared_lock guard(mutex_);
  std::vector<partition_head> out;
  out.reserve(slots_.size());
  for (const auto& [id, s] : slots_) out.push_back(s->get());
  return out;
}

void partition_slots::publish(partition_slot& s, const partition_head& head) {
  {
    std::lock_guard guard(s.reading);
    used_ += head.size_bytes - s.head.size_bytes; // modulo 2^64: also when it shrinks
    s.head = head;
  }
  if (std::exchange(s.born, true)) return;
  std::unique_lock guard(mutex_);
  if (auto it = unborn_.find(head.partition); it != unborn_.end() && it->second.get() == &s) {
    slots_.emplace(head.partition, it->second);
    unborn_.erase(it);
  }
}

void partition_slots::forget(partition_slot& s) {
  auto head = s.get();
  used_ -= head.size_bytes;
  s.gone = true;
  std::unique_lock guard(mutex_);
  slots_.erase(head.partition);
}

result<void> partition_slots::room_for(uint64_t more_bytes) const {
  if (quota_bytes_ != 0 && used_ + more_bytes > quota_bytes_)
    return fail(errc::no_space, "quota of " + std::to_string(quota_bytes_) + " bytes");
  return {};
}

} // namespace harbinger
