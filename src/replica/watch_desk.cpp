#include "replica/watch_desk.hpp"

#include <algorithm>

namespace harbinger::replication {

std::optional<result<changes_reply>> watch_desk::look(waiter& w, time_point now,
                                                      const reader& read) {
  auto found = read(w.ask);
  if (!found || !found->changes.empty() || now >= w.until) return found;
  w.ask.after = found->next;
  return std::nullopt;
}

void watch_desk::look_all(std::vector<waiter>& waiters, time_point now, const reader& read,
                          answers& out) {
  std::erase_if(waiters, [&](waiter& w) {
    auto found = look(w, now, read);
    if (found) out.push_back({w.asker, std::move(*found)});
    return found.has_value();
  });
}

watch_desk::answers watch_desk::ask(token from, watch_request request, time_point now,
                                    const reader& read) {
  auto wait = milliseconds(std::min(request.wait_ms, watch_wait_ms_max));
  waiter w{from, std::move(request), now + wait};
  answers out;
  if (auto found = look(w, now, read)) {
    out.push_back({from, std::move(*found)});
  } else if (waiting_ >= waiting_max) {
    out.push_back({from, fail(errc::overloaded, std::to_string(waiting_) + " wait for changes")});
  } else {
    waiters_[w.ask.partition].push_back(std::move(w));
    ++waiting_;
  }
  return out;
}

watch_desk::answers watch_desk::committed(partition_id partition, time_point now,
                                          const reader& read) {
  answers out;
  auto it = waiters_.find(partition);
  if (it == waiters_.end()) return out;
  look_all(it->second, now, read, out);
  if (it->second.empty()) waiters_.erase(it);
  waiting_ -= out.size();
  return out;
}

watch_desk::answers watch_desk::tick(time_point now, const reader& read) {
  answers out;
  if (now < look_at_) return out;
  look_at_ = now + look_period;
  for (auto& [partition, waiters] : waiters_) look_all(waiters, now, read, out);
  std::erase_if(waiters_, [](const auto& w) { return w.second.empty(); });
  waiting_ -= out.size();
  return out;
}

} // namespace harbinger::replication
