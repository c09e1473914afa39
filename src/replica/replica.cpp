#include "replica/replica.hpp"

#include "core/ensure.hpp"
#include "wire/codec.hpp"

namespace harbinger::replication {

replica::replica(partition_head head, shared& common, time_point now, bool exists)
    : common_(common),
      head_(std::move(head)),
      exists_(exists),
      role_(head_.role),
      epoch_(head_.epoch),
      revision_(head_.revision),
      handed_(head_.version),
      history_(head_.history),
      failure_(head_.failure),
      rated_at_(now) {
  // What was acknowledged before this start is not known: a lease may still run.
  if (exists) last_append_ = now;
  if (role_ != replica_role::primary) return;
  auto reign = common_.memory.recall(head_.partition);
  auto command = wire::decode<configure_replica>(head_.configuration);
  if (!reign || reign->epoch != epoch_ || !command || command->epoch != epoch_) {
    role_ = replica_role::sealed;
    barred_ = epoch_;
    return;
  }
  become_primary(*command, true, now);
  for (const auto& entry : reign->proposed)
    if (entry.version > head_.version) proposals_.push_back({entry, std::nullopt, false});
}

uint64_t replica::write(store_write item, pending_write pending, actions& out) {
  auto id = ++common_.last_id;
  pending.round = round_;
  item.partition = head_.partition;
  writes_.emplace(id, std::move(pending));
  common_.writes.emplace(id, head_.partition);
  out.push_back(write_store{id, std::move(item)});
  return id;
}

void replica::written(uint64_t id, const result<store_written>& answer, time_point now,
                      actions& out) {
  auto it = writes_.find(id);
  if (it == writes_.end()) return;
  auto pending = std::move(it->second);
  writes_.erase(it);
  if (!answer) {
    write_failed(pending, answer.error(), now, out);
    return;
  }
  head_ = answer->head;
  exists_ = true;
  switch (pending.why) {
  case pending_write::purpose::append:
    if (pending.asker)
      out.push_back(
          answer_append{*pending.asker, append_ok{head_.partition, pending.sender, head_.version}});
    break;
  case pending_write::purpose::commit: committed(answer->outcomes, now, out); break;
  case pending_write::purpose::change:
    if (pending.sealing) {
      auto due = pending.lease_over ? now : last_append_ + common_.bounds.lease;
      sealed_answers_.push_back({*pending.asker, due});
    } else {
      if (role_ == replica_role::primary && head_.role == replica_role::primary
          && head_.epoch == epoch_)
        config_durable_ = true;
      if (pending.asker) out.push_back(answer_report{*pending.asker, report(now)});
    }
    out.push_back(report_now{});
    break;
  }
  tick(now, out);
}

void replica::write_failed(const pending_write& pending, const error& why, time_point now,
                           actions& out) {
  bool first = pending.round == round_;
  if (first && pending.why != pending_write::purpose::change) {
    ++round_; // what was handed over behind it can not follow on it any more
    handed_ = head_.version;
    history_ = head_.history;
  }
  switch (pending.why) {
  case pending_write::purpose::append:
    if (pending.asker) {
      auto told = why.code == errc::gap ? error{errc::gap, to_string(head_.version)} : why;
      out.push_back(answer_append{*pending.asker, tl::unexpected<error>(told)});
    }
    break;
  case pending_write::purpose::commit:
    if (!first) break;
    for (auto& p : proposals_) {
      // Every member has it and it will be committed, or lost with this epoch: the client has to
      // ask.
      if (p.handed && p.client)
        out.push_back(
            answer_put{*std::exchange(p.client, std::nullopt), tl::unexpected<error>(why)});
      p.handed = false;
    }
    // Those of an epoch that is over are lost with it: the centre decided on what the seal's answer
    // said.
    std::erase_if(proposals_, [&](const proposal& p) {
      return role_ != replica_role::primary || p.entry.version.epoch < epoch_;
    });
    if (role_ != replica_role::primary) break;
    store_error_ = why;
    store_retry_at_ = now + common_.bounds.append_timeout;
    refuse_waiting(why, out);
    out.push_back(notice{"store_refused", head_.partition, "commit failed: " + to_string(why)});
    break;
  case pending_write::purpose::change:
    // The epoch stays raised: having promised to refuse is safe, having forgotten it is not.
    // What it had proposed as primary of this epoch is forgotten with the role, and members may
    // hold it: those numbers must not be given again.
    if (role_ == replica_role::primary && config_durable_) barred_ = epoch_;
    if (role_ == replica_role::primary) depose({errc::not_primary, to_string(why)}, out);
    role_ = head_.role == replica_role::primary ? replica_role::sealed : head_.role;
    revision_ = head_.revision;
    if (pending.asker) out.push_back(answer_report{*pending.asker, tl::unexpected<error>(why)});
    break;
  }
}

void replica::configure(token from, const configure_replica& command, time_point now,
                        actions& out) {
  auto refuse = [&](errc code, std::string detail) {
    out.push_back(answer_report{from, fail(code, std::move(detail))});
  };
  if (command.epoch < epoch_)
    return refuse(errc::stale_epoch, "epoch " + std::to_string(epoch_.value) + " is in force");
  if (command.epoch == epoch_ && command.revision <= revision_) {
    out.push_back(answer_report{from, report(now)});
    return;
  }
  bool primary = command.role == replica_role::primary;
  if (primary && (command.epoch == barred_ || (fenced_ && command.epoch == epoch_)))
    return refuse(errc::stale_epoch, "can not go on as primary of epoch "
                                         + std::to_string(command.epoch.value)
                                         + ": needs a newer one");
  if (exists_ && (head_.state == replica_state::copying || head_.state == replica_state::failed))
    return refuse(errc::unavailable, "replica is " + std::string(name_of(head_.state)));
  bool goes_on = primary && role_ == replica_role::primary && command.epoch == epoch_;
  if (!goes_on) depose({errc::not_primary, "another configuration is in force"}, out);
  role_ = command.role;
  epoch_ = command.epoch;
  revision_ = command.revision;
  failure_.clear();
  if (goes_on)
    set_members(command, now);
  else if (primary)
    become_primary(command, false, now);
  store_write item;
  item.epoch = epoch_;
  item.create = !exists_;
  item.change = head_change{command.role, replica_state::following, epoch_,
                            revision_,    wire::encode(command),    std::string{}};
  if (primary) item.committed = handed_.seq; // all that the winner of an epoch holds is committed
  pending_write pending;
  pending.why = pending_write::purpose::change;
  pending.asker = from;
  write(std::move(item), std::move(pending), out);
  tick(now, out);
}

void replica::seal(token from, const seal_replica& command, time_point now, actions& out) {
  if (command.epoch < epoch_ || (command.epoch == epoch_ && role_ != replica_role::sealed)) {
    out.push_back(answer_report{
        from, fail(errc::stale_epoch, "epoch " + std::to_string(epoch_.value) + " is in force")});
    return;
  }
  if (command.hand_over && role_ == replica_role::primary && !fenced_ && under_way()) {
    stop_handing_over({errc::conflict, "asked again"}, out);
    handing_over_ = {from, command, now + common_.bounds.append_timeout};
    refuse_waiting({errc::not_primary, hands_over}, out);
    return;
  }
  seal_now(from, command, now, out);
}

/// Something was proposed that not every member has.
bool replica::under_way() const { return !proposals_.empty() && !proposals_.back().handed; }

void replica::stop_handing_over(const error& why, actions& out) {
  if (auto leaving = std::exchange(handing_over_, std::nullopt))
    out.push_back(answer_report{leaving->asker, tl::unexpected<error>(why)});
}

void replica::seal_now(token from, const seal_replica& command, time_point now, actions& out) {
  depose({errc::not_primary, "sealed for epoch " + std::to_string(command.epoch.value)}, out);
  epoch_ = command.epoch;
  role_ = replica_role::sealed;
  store_write item;
  item.epoch = epoch_;
  item.change = head_change{};
  item.change->epoch = epoch_;
  item.change->role = role_;
  if (head_.state == replica_state::following) item.change->state = replica_state::detached;
  pending_write pending;
  pending.why = pending_write::purpose::change;
  pending.asker = from;
  pending.sealing = true;
  pending.lease_over = command.hand_over;
  write(std::move(item), std::move(pending), out);
  tick(now, out);
}

void replica::give_up(const std::string& why, actions& out) {
  bool complete = head_.state == replica_state::following || head_.state == replica_state::detached;
  if (!exists_ || !complete || role_ == replica_role::primary) return;
  if (role_ != replica_role::copy) failure_ = why;
  store_write item;
  item.epoch = epoch_;
  item.change = head_change{};
  item.change->state = replica_state::failed;
  item.change->failure = why;
  pending_write pending;
  pending.why = pending_write::purpose::change;
  write(std::move(item), std::move(pending), out);
  out.push_back(report_now{});
}

void replica::refuse_waiting(const error& why, actions& out) {
  for (auto& w : waiting_) out.push_back(answer_put{w.client, tl::unexpected<error>(why)});
  waiting_.clear();
}

void replica::depose(const error& why, actions& out) {
  stop_handing_over(why, out);
  refuse_waiting(why, out);
  while (!proposals_.empty()
         && !proposals_.back().handed) { // those on their way into the store still end well
    if (proposals_.back().client)
      out.push_back(answer_put{*proposals_.back().client, tl::unexpected<error>(why)});
    proposals_.pop_back();
  }
  for (auto& [id, m] : members_) quiet(m);
  members_.clear();
  store_error_.reset();
  fenced_ = false;
  config_durable_ = false;
  if (role_ == replica_role::primary) common_.memory.end(head_.partition);
}

void replica::abandon(const error& why, actions& out) {
  for (auto& p : proposals_) p.handed = false;
  depose(why, out);
  for (auto& s : sealed_answers_) out.push_back(answer_report{s.asker, tl::unexpected<error>(why)});
  sealed_answers_.clear();
  for (auto& [id, w] : writes_) {
    common_.writes.erase(id);
    if (!w.asker) continue;
    if (w.why == pending_write::purpose::append)
      out.push_back(answer_append{*w.asker, tl::unexpected<error>(why)});
    else
      out.push_back(answer_report{*w.asker, tl::unexpected<error>(why)});
  }
  writes_.clear();
  common_.memory.end(head_.partition);
}

void replica::tick(time_point now, actions& out) {
  std::erase_if(sealed_answers_, [&](const sealed_answer& s) {
    if (now < s.due) return false;
    out.push_back(answer_report{s.asker, report(now)});
    return true;
  });
  if (role_ != replica_role::primary) return;
  if (now - rated_at_ >= seconds(1)) {
    writes_per_s_ = static_cast<double>(commits_ - commits_before_) / to_seconds(now - rated_at_);
    commits_before_ = commits_;
    rated_at_ = now;
  }
  if (store_error_ && now >= store_retry_at_) store_error_.reset();
  auto patience =
      common_.bounds.append_timeout * 10; // never proposed, so refusing it is a clean refusal
  while (!waiting_.empty() && now - waiting_.front().since >= patience) {
    out.push_back(answer_put{waiting_.front().client,
                             fail(errc::unavailable, "the sync set does not answer")});
    waiting_.pop_front();
  }
  if (handing_over_ && (!under_way() || now >= handing_over_->due)) {
    auto leaving = *std::exchange(handing_over_, std::nullopt);
    return seal_now(leaving.asker, leaving.command, now, out);
  }
  propose(now, out);
}

void replica::refresh(const partition_head& head) {
  if (role_ != replica_role::copy || !writes_.empty()) return;
  head_ = head;
  handed_ = head.version;
  history_ = head.history;
  epoch_ = std::max(epoch_, head.epoch);
  exists_ = true;
}

bool replica::same(version v) const {
  if (v.seq.value == 0) return true;
  if (v.seq > handed_.seq) {
    for (const auto& p : proposals_)
      if (p.entry.version.seq == v.seq) return p.entry.version == v;
    return false;
  }
  if (v == handed_) return true;
  if (history_.empty() || v.seq < history_.front().first_seq)
    return true; // older than the history tells
  return epoch_at(history_, v.seq) == v.epoch;
}

version replica::tail() const {
  return proposals_.empty() ? handed_ : std::max(handed_, proposals_.back().entry.version);
}

replica_report replica::report(time_point now) const {
  replica_report r;
  r.partition = head_.partition;
  r.role = role();
  r.state = head_.state;
  r.epoch = epoch_;
  r.revision = revision_;
  r.version = head_.version;
  r.digest = head_.digest.total();
  r.records = head_.records;
  r.size_bytes = head_.size_bytes;
  r.copy = head_.copy;
  r.failure = failure_;
  if (!failure_.empty() && r.role != replica_role::primary) r.state = replica_state::failed;
  if (r.role == replica_role::sealed && r.state == replica_state::following)
    r.state = replica_state::detached;
  if (r.role == replica_role::secondary) r.lag_ms = to_ms(now - last_append_);
  if (r.role == replica_role::primary) {
    r.writes_per_s = writes_per_s_;
    r.batch_bytes = batch_bytes_;
    r.first_read_ms = first_read_ms_;
    r.first_write_ms = first_write_ms_;
  }
  for (const auto& [id, m] : members_) {
    // Only in a configuration that a restart would find again: the centre acts on this.
    if (m.joiner && m.caught_up && head_.revision == revision_) r.caught_up.push_back(id);
    if (m.trouble && r.failure.empty()) r.failure = id.value + ": " + to_string(*m.trouble);
  }
  return r;
}

} // namespace harbinger::replication
