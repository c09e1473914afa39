#include "replica/replica.hpp"

#include <algorithm>
#include <set>

#include "core/ensure.hpp"
#include "core/version_text.hpp"
#include "replica/check_batch.hpp"

namespace harbinger::replication {
namespace {

size_t size_of(const log_entry& e) {
  return payload_bytes(e.batch) + 32 * (1 + e.batch.ops.size() + e.batch.conditions.size());
}

constexpr auto retry_soon = milliseconds(100);
constexpr double first_ms_min = 0.001;      // 0 means none yet
constexpr double batch_bytes_weight = 0.01; // of the newest batch in the mean

} // namespace

void replica::become_primary(const configure_replica& command, bool durable, time_point now) {
  common_.memory.begin(head_.partition, command.epoch);
  config_durable_ = durable;
  inherited_ = handed_;
  fenced_ = false;
  members_.clear();
  in_office_since_ = now;
  first_read_ms_ = first_write_ms_ = 0.0;
  set_members(command, now);
}

void replica::note_first(double& ms, time_point now) const {
  if (ms == 0.0) ms = std::max(to_ms(now - in_office_since_), first_ms_min);
}

void replica::note_read(time_point now) { note_first(first_read_ms_, now); }

void replica::set_members(const configure_replica& command, time_point now) {
  std::map<node_id, member> next;
  std::set<node_id> caught_up;
  auto take = [&](const node_address& address, bool joiner) {
    if (address.node == common_.self || next.contains(address.node)) return;
    auto it = members_.find(address.node);
    member m;
    // A joiner that turns member keeps its place; a member never turns joiner without being asked
    // anew.
    if (it != members_.end() && (it->second.joiner || !joiner)) m = std::move(it->second);
    m.address = address;
    m.joiner = joiner;
    m.caught_up |= joiner && common_.memory.has_caught_up(head_.partition, address.node);
    if (joiner && m.caught_up) caught_up.insert(address.node);
    m.retry_at = std::min(m.retry_at, now);
    next.emplace(address.node, std::move(m));
  };
  for (const auto& a : command.sync_set) take(a, false);
  for (const auto& a : command.joiners) take(a, true);
  for (auto& [id, m] : members_)
    if (!next.contains(id)) quiet(m);
  members_ = std::move(next);
  common_.memory.keep_caught_up(head_.partition, std::move(caught_up));
}

void replica::put(token from, write_batch batch, time_point now, actions& out) {
  auto refuse = [&](error why) {
    out.push_back(answer_put{from, tl::unexpected<error>(std::move(why))});
  };
  if (auto ok = check_batch(batch); !ok) return refuse(ok.error());
  if (role() != replica_role::primary)
    return refuse({errc::not_primary, std::string(name_of(role()))});
  if (handing_over_) return refuse({errc::not_primary, hands_over});
  if (store_error_) return refuse(*store_error_);
  if (auto full = member_full()) return refuse(*full);
  if (waiting_.size() >= common_.bounds.queued_max)
    return refuse({errc::overloaded, std::to_string(waiting_.size()) + " batches wait"});
  waiting_.push_back({from, std::move(batch), now});
}

result<void> replica::readable(time_point now) const {
  if (role() != replica_role::primary || !config_durable_)
    return fail(errc::not_primary, std::string(name_of(role())));
  for (const auto& [id, m] : members_)
    if (m.blocks()
        && (!m.answered || m.acked.seq < inherited_.seq
            || now >= m.lease_from + common_.bounds.lease))
      return fail(errc::lease_expired, id.value);
  return {};
}

result<seq_no> replica::committed() const {
  if (role() != replica_role::primary || !config_durable_)
    return fail(errc::not_primary, std::string(name_of(role())));
  auto floor = head_.version.seq;
  for (const auto& [id, m] : members_)
    if (m.blocks()) floor = std::min(floor, m.acked.seq);
  return floor;
}

bool replica::ready() const {
  if (role_ != replica_role::primary || fenced_ || !config_durable_ || store_error_) return false;
  for (const auto& [id, m] : members_)
    if (!m.joiner && !m.answered) return false;
  return true;
}

void replica::propose(time_point now, actions& out) {
  while (ready() && !waiting_.empty() && proposals_.size() < common_.bounds.in_flight_max) {
    auto& w = waiting_.front();
    log_entry entry{{epoch_, seq_no{tail().seq.value + 1}}, std::move(w.batch)};
    common_.memory.remember(head_.partition, entry);
    proposals_.push_back({std::move(entry), w.client, false});
    waiting_.pop_front();
  }
  pump(now, out);
  advance(now, out);
}

void replica::advance(time_point, actions& out) {
  if (!ready()) return;
  auto floor = tail().seq;
  for (const auto& [id, m] : members_)
    if (m.blocks()) floor = std::min(floor, m.acked.seq);
  store_write item;
  item.epoch = epoch_;
  item.previous = handed_;
  for (auto& p : proposals_) {
    if (p.entry.version.seq > floor) break;
    if (p.handed) continue;
    p.handed = true;
    if (history_.empty() || history_.back().epoch != epoch_)
      history_.push_back({epoch_, p.entry.version.seq});
    handed_ = p.entry.version;
    item.entries.push_back(p.entry);
  }
  if (item.entries.empty()) return;
  item.committed = handed_.seq;
  pending_write pending;
  pending.why = pending_write::purpose::commit;
  write(std::move(item), std::move(pending), out);
}

void replica::committed(const std::vector<entry_outcome>& outcomes, time_point now, actions& out) {
  while (!proposals_.empty() && proposals_.front().entry.version <= head_.version) {
    auto& p = proposals_.front();
    auto size = static_cast<double>(size_of(p.entry));
    batch_bytes_ += (size - batch_bytes_) * (commits_ == 0 ? 1.0 : batch_bytes_weight);
    if (p.client) { // an entry without an outcome was in already, and its client has an answer
      auto outcome = std::find_if(outcomes.begin(), outcomes.end(),
                                  [&](const auto& o) { return o.entry == p.entry.version; });
      ENSURE(outcome != outcomes.end());
      out.push_back(answer_put{*p.client, answer_of(*outcome)});
      note_first(first_write_ms_, now);
    }
    proposals_.pop_front();
    ++commits_;
  }
  common_.memory.forget(head_.partition, head_.version.seq);
}

void replica::pump(time_point now, actions& out) {
  if (role_ != replica_role::primary || fenced_ || !config_durable_) return;
  for (auto& [id, m] : members_) pump_member(id, m, now, out);
}

void replica::pump_member(const node_id& id, member& m, time_point now, actions& out) {
  if (!m.open.empty() && now - m.open.front().sent_at >= common_.bounds.append_timeout) {
    quiet(m);
    m.active = false;
    m.retry_at = now;
  }
  if (!m.active) {
    if (!m.open.empty() || now < m.retry_at) return;
    m.retry_at = now + common_.bounds.append_timeout;
    send(m, tail(), {}, now, out);
    return;
  }
  while (m.sent.seq < tail().seq && m.open.size() < common_.bounds.appends_max && !m.reading) {
    if (m.sent.seq < head_.version.seq) {
      m.reading = true;
      out.push_back(read_log{head_.partition, id, m.sent, head_.version.seq,
                             common_.bounds.append_bytes_max});
      break;
    }
    std::vector<log_entry> entries;
    size_t size = 0;
    for (const auto& p : proposals_) {
      if (p.entry.version.seq <= m.sent.seq) continue;
      size += size_of(p.entry);
      if (!entries.empty() && size > common_.bounds.append_bytes_max) break;
      entries.push_back(p.entry);
    }
    if (entries.empty()) break; // committed a moment ago; the log has it
    auto previous = m.sent;
    m.sent = entries.back().version;
    send(m, previous, std::move(entries), now, out);
  }
  bool news = m.told < head_.committed && now - m.last_sent >= common_.bounds.lease / 12;
  if (!m.open.empty() || m.reading) return;
  if (!news && now - m.last_sent < common_.bounds.lease / 3) return;
  if (!idle(m)) return send(m, m.sent, {}, now, out);
  auto& due = common_.leases[id];
  due.to = m.address;
  due.items.push_back({head_.partition, epoch_, tail()});
  m.last_sent = now;
}

/// It has everything and knows it; only its lease has to be renewed.
bool replica::idle(const member& m) const {
  return !m.joiner && m.answered && !m.doubted && !m.trouble && m.acked == tail()
         && m.told == head_.committed;
}

void replica::lease_answered(const node_id& id, const lease_item& item, time_point sent_at,
                             bool renewed) {
  bool in_force = role_ == replica_role::primary && !fenced_ && epoch_ == item.epoch;
  auto it = members_.find(id);
  if (!in_force || it == members_.end() || it->second.joiner) return;
  auto& m = it->second;
  if (renewed) {
    m.lease_from = std::max(m.lease_from, sent_at);
    return;
  }
  m.doubted = true;
  m.last_sent = {};
}

void replica::send(member& m, version previous, std::vector<log_entry> entries, time_point now,
                   actions& out) {
  auto request = ++common_.last_id;
  common_.requests.emplace(request, head_.partition);
  m.open.push_back({request, now});
  m.last_sent = now;
  m.told = head_.committed;
  out.push_back(send_append{
      request,
      m.address,
      {head_.partition, epoch_, common_.self, previous, std::move(entries), head_.committed}});
}

/// Nothing that was sent to it is waited for any more.
void replica::quiet(member& m) {
  for (const auto& o : m.open) common_.requests.erase(o.request);
  m.open.clear();
}

void replica::append_answered(uint64_t request, const result<append_ok>& answer, time_point now,
                              actions& out) {
  for (auto& [id, m] : members_) {
    auto it = std::find_if(m.open.begin(), m.open.end(),
                           [&](const auto& o) { return o.request == request; });
    if (it == m.open.end()) continue;
    auto sent = *it;
    m.open.erase(it);
    if (answer)
      acknowledged(m, sent, answer->version, out);
    else
      refused(id, m, answer.error(), now, out);
    break;
  }
  propose(now, out);
}

void replica::acknowledged(member& m, const outstanding& sent, version durable, actions& out) {
  if (durable.seq > tail().seq && !m.blocks()) {
    // A joiner is no witness: its tail is of an older epoch and was never acknowledged to anybody.
    m.trouble = error{errc::diverged, to_string(durable)};
    m.active = false;
    return;
  }
  if (durable.seq > tail().seq) {
    fence(m.address.node.value + " holds " + to_string(durable) + ", more than this primary's "
              + to_string(tail()),
          out);
    return;
  }
  if (!same(durable)) {
    m.trouble = error{errc::diverged, to_string(durable)};
    m.active = false;
    return;
  }
  m.trouble.reset();
  m.doubted = false;
  m.acked = std::max(m.acked, durable);
  if (!m.active) {
    m.active = true;
    m.sent = durable;
  }
  m.sent = std::max(m.sent, durable);
  m.answered = true;
  m.lease_from = std::max(m.lease_from, sent.sent_at);
  if (m.joiner && !m.caught_up && m.acked.seq >= handed_.seq) {
    m.caught_up = true;
    common_.memory.mark_caught_up(head_.partition, m.address.node);
    out.push_back(report_now{});
  }
}

void replica::refused(const node_id& id, member& m, const error& why, time_point now,
                      actions& out) {
  quiet(m);
  switch (why.code) {
  case errc::gap:
    if (auto v = parse_version(why.detail); v && v->seq <= tail().seq && same(*v)) {
      m.sent = *v;
      m.active = true;
      return;
    }
    m.trouble = error{errc::diverged, why.detail};
    break;
  case errc::stale_epoch: fence(id.value + " refuses: " + why.detail, out); return;
  default: m.trouble = why; break;
  }
  m.active = false;
  m.retry_at = now + std::min<duration>(retry_soon, common_.bounds.append_timeout);
  if (auto full = member_full()) refuse_waiting(*full, out);
}

void replica::log_read(const node_id& id, version after, result<std::vector<log_entry>> entries,
                       time_point now, actions& out) {
  auto it = members_.find(id);
  if (it == members_.end() || !it->second.reading) return;
  auto& m = it->second;
  m.reading = false;
  if (!entries) { // too far behind for the log: only a new copy helps, and the centre sees it in
                  // the report
    m.trouble = entries.error();
    m.active = false;
    m.retry_at = now + common_.bounds.append_timeout;
    quiet(m);
    return;
  }
  if (m.active && m.sent == after && !entries->empty()) {
    m.sent = entries->back().version;
    send(m, after, std::move(*entries), now, out);
  }
  propose(now, out);
}

std::optional<error> replica::member_full() const {
  for (const auto& [id, m] : members_)
    if (m.blocks() && m.trouble && m.trouble->code == errc::no_space)
      return error{errc::no_space, id.value + ": " + m.trouble->detail};
  return std::nullopt;
}

void replica::fence(std::string why, actions& out) {
  if (fenced_) return;
  depose({errc::not_primary, why}, out);
  fenced_ = true;
  out.push_back(notice{"primary_fenced", head_.partition, std::move(why)});
  out.push_back(report_now{});
}

} // namespace harbinger::replication
