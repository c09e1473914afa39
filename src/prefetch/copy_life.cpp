#include "prefetch/copy_life.hpp"

#include <algorithm>

namespace harbinger {

std::string_view name_of(copy_life::phase phase) {
  switch (phase) {
  case copy_life::phase::starting: return "starting";
  case copy_life::phase::copying: return "copying";
  case copy_life::phase::following: return "following";
  case copy_life::phase::gave_up: return "gave up";
  case copy_life::phase::finished: return "finished";
  }
  return "?";
}

std::vector<node_address> copy_sources(const partition_row& row,
                                       const std::map<node_id, node_row>& nodes,
                                       const node_id& target) {
  std::vector<node_id> order;
  if (!row.primary.value.empty()) order.push_back(row.primary);
  for (const auto& id : row.sync_set)
    if (id != row.primary) order.push_back(id);
  std::vector<node_address> sources;
  for (auto wanted : {node_state::up, node_state::suspect})
    for (const auto& id : order) {
      auto node = nodes.find(id);
      if (id != target && node != nodes.end() && node->second.state == wanted
          && !node->second.data_endpoint.empty())
        sources.push_back({id, node->second.data_endpoint});
    }
  return sources;
}

std::vector<node_address> copy_life::sources() const {
  auto list = order_.sources;
  if (!list.empty())
    std::rotate(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(rotation_ % list.size()),
                list.end());
  return list;
}

uint32_t copy_life::attempts_max() const {
  return std::max<uint32_t>(1, rules_.retries_max)
         * std::max<uint32_t>(1, static_cast<uint32_t>(order_.sources.size()));
}

bool copy_life::silent(time_point now) const {
  auto wait = milliseconds(rules_.retry_ms)
              * (1u << std::min<uint32_t>(attempts_ > 0 ? attempts_ - 1 : 0, 4));
  return now - last_sign_ >= wait;
}

copy_life_actions copy_life::send(time_point now) {
  last_sign_ = now;
  // Without a source there is nothing to ask for yet: recovery is choosing a primary,
  // sources_changed will come. What mass storage holds can be read without one.
  if (order_.sources.empty() && order_.method == restore_method::pull) return {};
  ++attempts_;
  copy_life_actions out;
  out.send_start = true;
  return out;
}

copy_life_actions copy_life::give_up(std::string why) {
  phase_ = phase::gave_up;
  copy_life_actions out;
  out.report = out.gave_up = true;
  out.detail = std::move(why);
  return out;
}

copy_life_actions copy_life::sources_used_up(std::string why, time_point now) {
  bool full = last_trouble_.starts_with(to_string(errc::no_space));
  if (order_.method != restore_method::pull || !seen_ || full) return give_up(std::move(why));
  order_.method = restore_method::checkpoint_tail;
  attempts_ = failures_ = 0;
  auto out = send(now);
  out.report = out.fell_back = true;
  out.detail = std::move(why);
  return out;
}

copy_life_actions copy_life::begin(const replica_status* already, time_point now) {
  last_sign_ = now;
  copy_life_actions out;
  if (already) out = status(*already, now);
  // A copy that lives already needs no command; if it stands still, tick will see it.
  if (seen_ && state_ != replica_state::detached && state_ != replica_state::failed) return out;
  if (phase_ == phase::finished || phase_ == phase::gave_up) return out;
  auto more = send(now);
  out.send_start = more.send_start;
  return out;
}

copy_life_actions copy_life::sources_changed(std::vector<node_address> sources, time_point now) {
  if (phase_ == phase::gave_up || phase_ == phase::finished || sources == order_.sources) return {};
  auto in_use = copy_life::sources();
  order_.sources = std::move(sources);
  rotation_ = 0;
  bool same_first =
      !in_use.empty() && !order_.sources.empty() && in_use.front() == order_.sources.front();
  if (same_first && seen_ && state_ != replica_state::detached) return {};
  attempts_ = 0;
  return send(now);
}

copy_life_actions copy_life::started(time_point now) {
  last_sign_ = now;
  if (phase_ == phase::starting) phase_ = phase::copying;
  return {};
}

copy_life_actions copy_life::start_failed(const std::string& why, time_point now) {
  if (phase_ == phase::gave_up || phase_ == phase::finished) return {};
  last_sign_ = now;
  last_trouble_ = why;
  if (!was_complete_ && attempts_ >= attempts_max())
    return give_up(order_.target.node.value + " did not begin after " + std::to_string(attempts_)
                   + " attempts: " + why);
  return {};
}

copy_life_actions copy_life::status(const replica_status& s, time_point now) {
  const auto& r = s.report;
  if (phase_ == phase::gave_up || phase_ == phase::finished) return {};
  if (s.node != order_.target.node || r.partition != order_.partition || s.life < life_) return {};
  copy_life_actions out;
  if (r.role != replica_role::copy) {
    if (r.state == replica_state::failed) return {}; // an old replica of that name that was dropped
    if (r.revision < order_.revision) {
      last_trouble_ = order_.target.node.value + " still holds an old replica of it";
      return {};
    }
    phase_ = phase::finished;
    out.finished = true;
    out.detail = "joined the replicas";
    return out;
  }
  if (r.copy != order_.copy) return {};
  bool progress = !seen_ || r.copied_bytes > copied_bytes_ || r.version > version_
                  || r.state != state_ || s.life > life_;
  bool failed_again =
      r.state == replica_state::failed && (state_ != replica_state::failed || !seen_);
  life_ = s.life;
  seen_ = true;
  copied_bytes_ = std::max(copied_bytes_, r.copied_bytes);
  version_ = r.version;
  state_ = r.state;
  if (progress && r.state != replica_state::failed) {
    last_sign_ = now;
    attempts_ = 0;
  }
  if (r.state == replica_state::following || r.state == replica_state::detached)
    was_complete_ = true;
  if (r.state == replica_state::following && !s.digest_differs) phase_ = phase::following;
  if (r.state == replica_state::copying) phase_ = phase::copying;
  if (r.state == replica_state::following) failures_ = 0;
  if (failed_again) {
    last_trouble_ = r.failure;
    if (++failures_ >= attempts_max())
      return sources_used_up(order_.target.node.value + " failed " + std::to_string(failures_)
                                 + " times: " + r.failure,
                             now);
  }
  bool ready = s.caught_up && !s.digest_differs && r.state == replica_state::following;
  out.report = (ready && !ready_) || (progress && r.state != replica_state::following);
  out.ready = ready;
  ready_ = ready;
  return out;
}

copy_life_actions copy_life::tick(time_point now) {
  if (phase_ == phase::gave_up || phase_ == phase::finished) return {};
  if (seen_ && state_ == replica_state::following)
    return {}; // an idle primary has nothing to send: no news is fine
  if (!silent(now)) return {};
  if (!was_complete_ && attempts_ >= attempts_max()) {
    auto why = last_trouble_.empty() ? "no progress" : last_trouble_;
    return sources_used_up("gave up after " + std::to_string(attempts_) + " attempts: " + why, now);
  }
  if (attempts_ > 0) ++rotation_;
  return send(now);
}

} // namespace harbinger
