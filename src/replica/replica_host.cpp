#include "replica/replica_host.hpp"

#include <algorithm>
#include <set>

namespace harbinger::replication {

replica_host::replica_host(node_id self, limits bounds, proposal_memory& memory, uint64_t first_id)
    : common_{std::move(self), bounds, memory, first_id} {}

void replica_host::load(const std::vector<partition_head>& heads, time_point now) {
  for (const auto& head : heads)
    if (head.role != replica_role::copy)
      replicas_[head.partition] = std::make_unique<replica>(head, common_, now);
}

bool replica_host::busy(partition_id partition) const {
  auto of_it = [&](const auto& task) { return task.second.partition == partition; };
  return std::any_of(drops_.begin(), drops_.end(), of_it)
         || std::any_of(rewinds_.begin(), rewinds_.end(), of_it);
}

replica* replica_host::get(partition_id partition, const stored& head, time_point now) {
  if (busy(partition)) return nullptr;
  auto it = replicas_.find(partition);
  if (it != replicas_.end()) {
    // A copy can vanish, or be begun anew, without the host.
    if (head)
      it->second->refresh(*head);
    else if (it->second->role() == replica_role::copy)
      replicas_.erase(it), it = replicas_.end();
  }
  if (it == replicas_.end()) {
    if (!head) return nullptr;
    it = replicas_.emplace(partition, std::make_unique<replica>(*head, common_, now)).first;
  }
  return it->second.get();
}

const replica* replica_host::find(partition_id partition) const {
  auto it = replicas_.find(partition);
  return it == replicas_.end() ? nullptr : it->second.get();
}

actions replica_host::put(token from, put_request request, time_point now) {
  put_requests one;
  one.emplace_back(from, std::move(request));
  return put(std::move(one), now);
}

actions replica_host::put(put_requests requests, time_point now) {
  actions out;
  std::map<partition_id, replica*> taken; // ordered: it reaches the actions
  for (auto& [from, request] : requests) {
    auto it = replicas_.find(request.partition);
    if (it == replicas_.end()) {
      out.push_back(answer_put{from, fail(errc::unknown_partition, to_string(request.partition))});
      continue;
    }
    it->second->put(from, std::move(request.batch), now, out);
    taken.emplace(it->first, it->second.get());
  }
  for (auto& [id, r] : taken) r->propose(now, out);
  return out;
}

void replica_host::note_read(partition_id partition, time_point now) {
  if (auto it = replicas_.find(partition); it != replicas_.end()) it->second->note_read(now);
}

result<void> replica_host::readable(partition_id partition, time_point now) const {
  const auto* r = find(partition);
  if (!r) return fail(errc::unknown_partition, to_string(partition));
  return r->readable(now);
}

result<seq_no> replica_host::committed(partition_id partition) const {
  const auto* r = find(partition);
  if (!r) return fail(errc::unknown_partition, to_string(partition));
  return r->committed();
}

actions replica_host::append(token from, const append_request& request, const stored& head,
                             time_point now) {
  actions out;
  if (auto* r = get(request.partition, head, now))
    r->append(from, request, now, out);
  else
    out.push_back(answer_append{from, fail(errc::unknown_partition, to_string(request.partition))});
  return out;
}

actions replica_host::append_answered(uint64_t request, const result<append_ok>& answer,
                                      time_point now) {
  actions out;
  auto node = common_.requests.extract(request);
  if (node.empty()) return out;
  if (auto it = replicas_.find(node.mapped()); it != replicas_.end())
    it->second->append_answered(request, answer, now, out);
  return out;
}

actions replica_host::log_read(partition_id partition, const node_id& member, version after,
                               result<std::vector<log_entry>> entries, time_point now) {
  actions out;
  if (auto it = replicas_.find(partition); it != replicas_.end())
    it->second->log_read(member, after, std::move(entries), now, out);
  return out;
}

actions replica_host::written(uint64_t id, const result<store_written>& answer, time_point now) {
  actions out;
  auto node = common_.writes.extract(id);
  if (node.empty()) return out;
  auto it = replicas_.find(node.mapped());
  if (it == replicas_.end()) return out;
  it->second->written(id, answer, now, out);
  if (!it->second->exists()) replicas_.erase(it); // could not be created
  return out;
}

actions replica_host::configure(token from, const configure_replica& command, const stored& head,
                                time_point now, const damage& known) {
  actions out;
  auto* r = get(command.partition, head, now);
  if (known && command.role == replica_role::primary && r && r->role() != replica_role::primary) {
    out.push_back(
        answer_report{from, fail(errc::stale_epoch, "its records are damaged: " + *known)});
    return out;
  }
  // Only in its first epoch is a partition made empty: later it has a past, and who does not hold
  // it can not take part.
  if (!r && !busy(command.partition) && command.epoch.value <= 1
      && command.role != replica_role::copy) {
    partition_head empty;
    empty.partition = command.partition;
    empty.role = replica_role::secondary;
    empty.state = replica_state::following;
    auto& made = replicas_[command.partition];
    made = std::make_unique<replica>(std::move(empty), common_, now, false);
    r = made.get();
  }
  if (r)
    r->configure(from, command, now, out);
  else
    out.push_back(answer_report{from, fail(errc::unknown_partition, to_string(command.partition))});
  return out;
}

actions replica_host::seal(token from, const seal_replica& command, const stored& head,
                           time_point now, const damage& known) {
  actions out;
  if (known)
    out.push_back(answer_report{from, fail(errc::checksum, "its records are damaged: " + *known)});
  else if (auto* r = get(command.partition, head, now))
    r->seal(from, command, now, out);
  else
    out.push_back(answer_report{from, fail(errc::unknown_partition, to_string(command.partition))});
  return out;
}

actions replica_host::give_up(partition_id partition, const std::string& why, const stored& head,
                              time_point now) {
  actions out;
  if (auto* r = get(partition, head, now)) r->give_up(why, out);
  return out;
}

actions replica_host::drop(token from, const drop_replica& command, const stored& head,
                           time_point now) {
  actions out;
  auto* r = get(command.partition, head, now);
  if (!r) {
    if (busy(command.partition))
      out.push_back(answer_drop{from, fail(errc::unavailable, "is being dropped or rewound")});
    else
      out.push_back(answer_drop{from, uint64_t{0}});
    return out;
  }
  if (r->revision() > command.revision) {
    out.push_back(
        answer_drop{from, fail(errc::stale_epoch,
                               "configured by revision " + std::to_string(r->revision().value))});
    return out;
  }
  r->abandon({errc::unknown_partition, "dropped"}, out);
  replicas_.erase(command.partition);
  auto id = ++common_.last_id;
  drops_.emplace(id, pending_task{command.partition, from});
  out.push_back(drop_store{id, command.partition, command.history});
  return out;
}

actions replica_host::dropped(uint64_t id, const result<uint64_t>& journalled, time_point) {
  actions out;
  auto node = drops_.extract(id);
  if (node.empty()) return out;
  out.push_back(answer_drop{node.mapped().from, journalled});
  if (journalled && *journalled > 0)
    out.push_back(notice{"conflict_journalled", node.mapped().partition,
                         std::to_string(*journalled)
                             + " entries are not part of the true history and were kept aside"});
  out.push_back(report_now{});
  return out;
}

actions replica_host::rewind(token from, const rewind_replica& command, const stored& head,
                             time_point now) {
  actions out;
  auto refuse = [&](errc code, std::string detail) {
    out.push_back(answer_report{from, fail(code, std::move(detail))});
  };
  auto* r = get(command.partition, head, now);
  if (!r && busy(command.partition))
    refuse(errc::unavailable, "is being dropped or rewound");
  else if (!r)
    refuse(errc::unknown_partition, to_string(command.partition));
  else if (r->revision() > command.revision)
    refuse(errc::stale_epoch, "configured by revision " + std::to_string(r->revision().value));
  else if (r->role() == replica_role::primary)
    refuse(errc::conflict, "is primary");
  if (!out.empty()) return out;
  r->abandon({errc::unavailable, "a tail is being taken back"}, out);
  replicas_.erase(command.partition);
  auto id = ++common_.last_id;
  rewinds_.emplace(id, pending_task{command.partition, from});
  out.push_back(rewind_store{id, command.partition, command.history});
  return out;
}

actions replica_host::rewound(uint64_t id, const result<store_rewound>& outcome, time_point now) {
  actions out;
  auto node = rewinds_.extract(id);
  if (node.empty()) return out;
  const auto& task = node.mapped();
  if (!outcome) {
    out.push_back(answer_report{task.from, tl::unexpected<error>(outcome.error())});
    return out;
  }
  auto* r = get(task.partition, outcome->head, now);
  out.push_back(answer_report{task.from, r->report(now)});
  if (outcome->undone > 0)
    out.push_back(notice{"replica_rewound", task.partition,
                         std::to_string(outcome->undone) + " entries after "
                             + to_string(outcome->fork) + " lost a failover and were taken back; "
                             + std::to_string(outcome->journalled)
                             + " of them were put into the conflict journal"});
  out.push_back(report_now{});
  return out;
}

actions replica_host::tick(time_point now) {
  actions out;
  for (auto& [id, r] : replicas_) r->tick(now, out);
  send_leases(now, out);
  return out;
}

void replica_host::send_leases(time_point now, actions& out) {
  std::erase_if(leases_,
                [&](const auto& l) { return now - l.second.at >= common_.bounds.append_timeout; });
  for (auto& [node, due] : std::exchange(common_.leases, {}))
    for (size_t from = 0; from < due.items.size(); from += lease_items_max) {
      auto begin = due.items.begin() + static_cast<std::ptrdiff_t>(from);
      auto count = std::min(lease_items_max, due.items.size() - from);
      std::vector<lease_item> items(begin, begin + static_cast<std::ptrdiff_t>(count));
      auto id = ++common_.last_id;
      out.push_back(send_lease{id, due.to, {common_.self, pack(items)}});
      leases_.emplace(id, sent_leases{node, now, std::move(items)});
    }
}

result<lease_ok> replica_host::lease(const lease_request& request, time_point now) {
  auto items = unpack_leases(request.leases.data);
  if (!items) return tl::unexpected<error>(items.error());
  std::vector<partition_id> refused;
  for (const auto& item : *items) {
    auto it = replicas_.find(item.partition);
    if (it == replicas_.end() || busy(item.partition) || !it->second->renew(item, now))
      refused.push_back(item.partition);
  }
  return lease_ok{pack(refused)};
}

actions replica_host::lease_answered(uint64_t request, const result<lease_ok>& answer, time_point) {
  actions out;
  auto node = leases_.extract(request);
  if (node.empty()) return out;
  auto& sent = node.mapped();
  auto refused = answer ? unpack_partitions(answer->refused.data)
                        : result<std::vector<partition_id>>(tl::unexpected(answer.error()));
  std::set<partition_id> open;
  if (refused) open.insert(refused->begin(), refused->end());
  for (const auto& item : sent.items)
    if (auto it = replicas_.find(item.partition); it != replicas_.end())
      it->second->lease_answered(sent.to, item, sent.at, refused && !open.contains(item.partition));
  return out;
}

std::map<partition_id, replica_report> replica_host::reports(time_point now) const {
  std::map<partition_id, replica_report> out;
  for (const auto& [id, r] : replicas_)
    if (r->exists() && r->role() != replica_role::copy) out.emplace(id, r->report(now));
  return out;
}

} // namespace harbinger::replication
