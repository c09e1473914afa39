#include "recovery/replica_book.hpp"

namespace harbinger::recovery {

replica_book::shelf* replica_book::open(const node_id& node, incarnation life) {
  auto& held = shelves_[node];
  if (life < held.life) return nullptr;
  if (life > held.life) held = shelf{life, {}, {}, {}};
  return &held;
}

bool replica_book::put(shelf& shelf, const replica_report& report) {
  auto [it, fresh] = shelf.replicas.try_emplace(report.partition, entry{report, false});
  shelf.gone_at.erase(report.partition);
  if (fresh) return true;
  auto& old = it->second.report;
  bool matters = old.role != report.role || old.state != report.state || old.epoch != report.epoch
                 || old.revision != report.revision || old.copy != report.copy
                 || old.caught_up != report.caught_up;
  if (old.copy != report.copy || report.state == replica_state::copying)
    it->second.digest_differs = false; // made anew; a seal changes the state and not the records
  old = report;
  return matters;
}

std::set<partition_id> replica_book::take_all(const node_id& node, incarnation life,
                                              const std::vector<replica_report>& replicas,
                                              time_point now) {
  std::set<partition_id> changed, present;
  auto held = open(node, life);
  if (!held) return changed;
  for (auto& report : replicas) {
    present.insert(report.partition);
    if (put(*held, report)) changed.insert(report.partition);
  }
  for (auto it = held->replicas.begin(); it != held->replicas.end();) {
    if (present.count(it->first)) {
      ++it;
      continue;
    }
    changed.insert(it->first);
    held->gone_at[it->first] = now;
    it = held->replicas.erase(it);
  }
  if (!held->complete_since) held->complete_since = now;
  return changed;
}

bool replica_book::take(const node_id& node, incarnation life, const replica_report& report,
                        time_point) {
  auto held = open(node, life);
  return held && put(*held, report);
}

void replica_book::set_digest_differs(const node_id& node, partition_id partition, bool differs) {
  auto shelf = shelves_.find(node);
  if (shelf == shelves_.end()) return;
  auto it = shelf->second.replicas.find(partition);
  if (it != shelf->second.replicas.end()) it->second.digest_differs = differs;
}

void replica_book::erase(const node_id& node, partition_id partition, time_point now) {
  auto shelf = shelves_.find(node);
  if (shelf == shelves_.end()) return;
  if (shelf->second.replicas.erase(partition)) shelf->second.gone_at[partition] = now;
}

const replica_book::entry* replica_book::find(const node_id& node, incarnation life,
                                              partition_id partition) const {
  auto shelf = shelves_.find(node);
  if (shelf == shelves_.end() || shelf->second.life != life) return nullptr;
  auto it = shelf->second.replicas.find(partition);
  return it == shelf->second.replicas.end() ? nullptr : &it->second;
}

std::optional<time_point> replica_book::missing_since(const node_id& node, incarnation life,
                                                      partition_id partition) const {
  auto shelf = shelves_.find(node);
  if (shelf == shelves_.end() || shelf->second.life != life || !shelf->second.complete_since)
    return std::nullopt;
  if (shelf->second.replicas.count(partition)) return std::nullopt;
  auto gone = shelf->second.gone_at.find(partition);
  return gone == shelf->second.gone_at.end() ? shelf->second.complete_since : gone->second;
}

const std::map<partition_id, replica_book::entry>& replica_book::of(const node_id& node) const {
  static const std::map<partition_id, entry> none;
  auto shelf = shelves_.find(node);
  return shelf == shelves_.end() ? none : shelf->second.replicas;
}

incarnation replica_book::life(const node_id& node) const {
  auto shelf = shelves_.find(node);
  return shelf == shelves_.end() ? incarnation{} : shelf->second.life;
}

bool prefix_of(const epoch_history& history, const version& held) {
  if (held.seq.value == 0) return true;
  for (size_t i = 0; i < history.size(); ++i) {
    if (history[i].epoch != held.epoch) continue;
    return i + 1 == history.size() || held.seq < history[i + 1].first_seq;
  }
  return false;
}

} // namespace harbinger::recovery
