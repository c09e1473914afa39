#include "recovery/partition_recovery.hpp"

#include <algorithm>
#include <tuple>

#include "catalog/catalog.hpp"
#include "core/ensure.hpp"
#include "recovery/redundancy.hpp"

namespace harbinger::recovery {

bool surroundings::alive(const node_id& node) const {
  if (also_dead && also_dead->contains(node)) return false;
  auto row = view.node(node);
  return row && row->state != node_state::dead;
}

incarnation surroundings::life(const node_id& node) const {
  auto row = view.node(node);
  return row ? row->life : incarnation{};
}

const replica_book::entry* surroundings::replica(const node_id& node,
                                                 partition_id partition) const {
  return book.find(node, life(node), partition);
}

bool surroundings::lost(const node_id& node, partition_id partition) const {
  if (!alive(node)) return false;
  if (auto entry = replica(node, partition)) {
    bool is_primary = entry->report.role == replica_role::primary;
    return entry->report.state == replica_state::failed || (entry->digest_differs && !is_primary);
  }
  auto since = book.missing_since(node, life(node), partition);
  return since && now - *since >= milliseconds(missing_patience_ms);
}

std::vector<node_id> surroundings::live_members(const partition_row& row) const {
  std::vector<node_id> members;
  for (auto& id : row.sync_set)
    if (alive(id)) members.push_back(id);
  return members;
}

std::optional<std::string> needs_failover(const partition_row& row, const surroundings& around) {
  if (unopened(row)) {
    auto members = around.live_members(row);
    bool all = !members.empty() && std::all_of(members.begin(), members.end(), [&](auto& id) {
      return around.replica(id, row.id) != nullptr;
    });
    return all ? std::optional<std::string>{"new partition"} : std::nullopt;
  }
  if (row.primary.value.empty()) return "it has no primary";
  if (!around.alive(row.primary)) return row.primary.value + " is dead";
  if (around.life(row.primary) != row.primary_life) return row.primary.value + " has restarted";
  if (around.lost(row.primary, row.id)) return row.primary.value + " has lost its replica";
  if (auto entry = around.replica(row.primary, row.id);
      entry && entry->report.role == replica_role::sealed && entry->report.epoch == row.epoch
      && entry->report.revision == row.revision)
    return row.primary.value + " was fenced";
  for (auto& id : around.live_members(row))
    if (auto entry = around.replica(id, row.id); entry && entry->report.epoch > row.epoch)
      return id.value + " is sealed for epoch " + std::to_string(entry->report.epoch.value);
  return std::nullopt;
}

epoch next_epoch(const partition_row& row, const surroundings& around) {
  uint64_t next = row.epoch.value + 1;
  for (auto& id : around.live_members(row)) {
    auto entry = around.replica(id, row.id);
    if (!entry || entry->report.epoch <= row.epoch) continue;
    bool only_sealed = entry->report.role == replica_role::sealed;
    next = std::max(next, entry->report.epoch.value + (only_sealed ? 0 : 1));
  }
  return epoch{next};
}

failover::failover(epoch target, std::string cause, time_point now, std::optional<node_id> giver)
    : target_(target),
      cause_(std::move(cause)),
      started_(now),
      asked_since_(now),
      giver_(std::move(giver)) {}

bool failover::giver_reigns(const partition_row& row, const surroundings& around) const {
  return giver_ && row.primary == *giver_ && around.alive(*giver_)
         && around.life(*giver_) == row.primary_life;
}

bool failover::hand_over_failed(const partition_row& row, const surroundings& around) const {
  return giver_reigns(row, around) && failures_.contains(*giver_);
}

std::string failover::why_failed(const node_id& node) const {
  auto it = failures_.find(node);
  return it == failures_.end() ? std::string{} : it->second.why;
}

bool failover::in_order(const node_id& node, const partition_row& row,
                        const surroundings& around) const {
  return giver_reigns(row, around) && (node == *giver_ || answered(*giver_, around));
}

bool failover::answered(const node_id& node, const surroundings& around) const {
  auto it = answers_.find(node);
  return it != answers_.end() && it->second.life == around.life(node) && around.alive(node);
}

bool failover::differs(const node_id& node, const surroundings& around) const {
  auto it = answers_.find(node);
  if (it == answers_.end()) return false;
  auto entry = around.replica(node, it->second.report.partition);
  return entry && entry->digest_differs;
}

std::vector<node_id> failover::to_seal(const partition_row& row, const surroundings& around) {
  std::vector<node_id> due;
  for (auto& id : around.live_members(row)) {
    auto life = around.life(id);
    auto asked = asked_.find(id);
    if (answered(id, around) || (asked != asked_.end() && asked->second == life)) continue;
    bool giver_first = giver_reigns(row, around) && !answered(*giver_, around);
    if (giver_first && id != *giver_) continue;
    auto failed = failures_.find(id);
    if (failed != failures_.end() && failed->second.life == life
        && around.now < failed->second.again)
      continue;
    if (failed == failures_.end()) asked_since_ = around.now;
    asked_[id] = life;
    due.push_back(id);
  }
  return due;
}

void failover::on_answer(const node_id& node, incarnation life, const replica_report& report) {
  asked_.erase(node);
  failures_.erase(node);
  bool usable = report.state != replica_state::copying && report.state != replica_state::failed;
  if (usable && report.epoch >= target_) {
    answers_[node] = {life, report};
    return;
  }
  answers_.erase(node);
  failures_[node] = {life, "replica is " + std::string{name_of(report.state)}, time_point::max()};
}

void failover::on_failure(const node_id& node, incarnation life, std::string why, time_point now,
                          duration rest) {
  asked_.erase(node);
  failures_[node] = {life, std::move(why), now + rest};
}

failover::verdict failover::judge(const partition_row& row, const surroundings& around,
                                  duration patience) const {
  auto members = around.live_members(row);
  if (members.empty()) return verdict::nobody;
  size_t answers = 0, failed = 0;
  for (auto& id : members) {
    auto failure = failures_.find(id);
    bool gave_up = answered(id, around)
                   || (failure != failures_.end() && failure->second.life == around.life(id)
                       && !asked_.count(id));
    answers += valid(id, around);
    failed += !valid(id, around) && gave_up;
  }
  if (answers == members.size()) return verdict::decide;
  if (answers == 0) return failed == members.size() ? verdict::nobody : verdict::wait;
  bool patient = around.now - asked_since_ < patience;
  // Nobody waits for a partition that was never opened: a member that is only slow, because
  // thousands are made at once, is not to be left behind.
  if (unopened(row))
    return around.now - started_ < unopened_patience ? verdict::wait : verdict::decide;
  // One that refused will not change its mind; one that was silent gets until the patience is over.
  return answers + failed == members.size() || !patient ? verdict::decide : verdict::wait;
}

failover::promotion failover::decide(const partition_row& row, const surroundings& around) const {
  const std::pair<const node_id, answer>* best = nullptr;
  auto rank = [&](const std::pair<const node_id, answer>& a) {
    return std::tuple(unopened(row) && a.first != row.primary, around.in_zones.count(a.first) > 0,
                      around.view.primaries_of(a.first), a.first);
  };
  for (auto& a : answers_) {
    if (!valid(a.first, around)) continue;
    if (!best || a.second.report.version > best->second.report.version
        || (a.second.report.version == best->second.report.version && rank(a) < rank(*best)))
      best = &a;
  }
  ENSURE(best);
  std::vector<node_id> behind;
  promotion out;
  out.winner = best->first;
  out.winner_version = best->second.report.version;
  out.row = row;
  out.row.epoch = target_;
  out.row.primary = out.winner;
  out.row.primary_life = best->second.life;
  out.row.sync_set.clear();
  for (auto& id : row.sync_set) {
    auto a = answers_.find(id);
    if (!valid(id, around)) {
      auto failure = failures_.find(id);
      out.reasons[id.value] = !around.alive(id)            ? "leaves: dead"
                              : differs(id, around)        ? "leaves: differs from the primary"
                              : failure != failures_.end() ? "leaves: " + failure->second.why
                                                           : "leaves: no answer";
    } else if (a->second.report.version < out.winner_version) {
      out.reasons[id.value] = "leaves: behind at " + to_string(a->second.report.version);
      behind.push_back(id);
    } else if (a->second.report.digest != best->second.report.digest) {
      out.reasons[id.value] = "leaves: other digest at the same version";
    } else {
      out.reasons[id.value] = id == out.winner ? "promoted" : "stays: same version";
      out.row.sync_set.push_back(id);
    }
  }
  out.row.history =
      catalog::grown(row.history, {target_, seq_no{out.winner_version.seq.value + 1}});
  out.row.joiners.clear();
  for (auto& id : behind) {
    if (!prefix_of(out.row.history, answers_.at(id).report.version)
        || out.row.sync_set.size() + out.row.joiners.size() >= row.replicas_wanted)
      continue;
    out.row.joiners.push_back(id); // sorted, as the sync set was
    out.reasons[id.value] += ", joins again";
  }
  add_joiners(out.row, around);
  return out;
}

} // namespace harbinger::recovery
