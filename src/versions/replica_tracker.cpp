#include "versions/replica_tracker.hpp"

#include <algorithm>
#include <set>

namespace harbinger {

namespace {

/// Whether anybody has to hear of it.
bool same_story(const replica_report& a, const replica_report& b) {
  return a.role == b.role && a.state == b.state && a.epoch == b.epoch && a.revision == b.revision
         && a.version == b.version && a.digest == b.digest && a.copy == b.copy
         && a.copied_bytes == b.copied_bytes && a.source == b.source && a.size_bytes == b.size_bytes
         && a.caught_up == b.caught_up && a.failure == b.failure;
}

bool complete(const replica_report& r) {
  return r.state == replica_state::following || r.state == replica_state::detached;
}

} // namespace

const replica_status* replica_tracker::find(partition_id partition, const node_id& node) const {
  auto rows = replicas_.find(partition);
  if (rows == replicas_.end()) return nullptr;
  auto found = rows->second.find(node);
  return found == rows->second.end() ? nullptr : &found->second.status;
}

const replica_status* replica_tracker::primary_of(partition_id partition,
                                                  const catalog_view& catalog) const {
  const auto* row = catalog.partition(partition);
  if (!row || row->primary.value.empty()) return nullptr;
  const auto* node = catalog.node(row->primary);
  const auto* status = find(partition, row->primary);
  bool speaks = node && node->state != node_state::dead && status
                && status->report.role == replica_role::primary
                && status->report.epoch == row->epoch;
  return speaks ? status : nullptr;
}

void replica_tracker::judge(partition_id partition, const catalog_view& catalog,
                            const version_settings& rules, outcome& out) {
  auto rows = replicas_.find(partition);
  if (rows == replicas_.end()) return;
  const auto* primary = primary_of(partition, catalog);
  for (auto& [node, e] : rows->second) {
    auto& s = e.status;
    bool caught_up = s.caught_up;
    bool differs = s.digest_differs;
    const auto& mine = s.report;
    if (!complete(mine)) {
      caught_up = false;
      if (mine.state == replica_state::copying) differs = false; // it starts over
    } else if (primary == &s) {
      caught_up = true;
      differs = false;
    } else if (primary) {
      const auto& theirs = primary->report;
      // Reports are taken at different moments, so that a replica may seem to be ahead of an older
      // report of its primary.
      bool at_head = mine.version >= theirs.version && mine.version.epoch == theirs.version.epoch;
      caught_up =
          mine.state == replica_state::following && (at_head || mine.lag_ms <= rules.ready_lag_ms);
      if (mine.version == theirs.version) differs = mine.digest != theirs.digest;
    }
    if (differs) caught_up = false;
    if (differs && !s.digest_differs) {
      out.newly_different.push_back(s);
      out.newly_different.back().digest_differs = true;
    }
    e.news = e.news || caught_up != s.caught_up || differs != s.digest_differs;
    s.caught_up = caught_up;
    s.digest_differs = differs;
    if (e.news) out.changed.push_back(s);
    e.news = false;
  }
}

replica_tracker::outcome replica_tracker::report(const node_id& node, incarnation life,
                                                 const std::vector<replica_report>& replicas,
                                                 const catalog_view& catalog,
                                                 const version_settings& rules, time_point now) {
  outcome out;
  const auto* row = catalog.node(node);
  auto& known = lives_[node];
  if (!row || life < known || life < row->life) {
    if (!row) lives_.erase(node);
    ++refused_;
    return out;
  }
  bool new_life = known < life;
  known = life;
  std::set<partition_id> reported;
  for (const auto& r : replicas) {
    if (reported.size() >= replicas_per_node_max || !catalog.partition(r.partition)
        || !reported.insert(r.partition).second) {
      ++refused_;
      continue;
    }
    auto [place, fresh] = replicas_[r.partition].try_emplace(node);
    auto& e = place->second;
    if (!fresh && !new_life && r.epoch < e.status.report.epoch) {
      ++refused_;
      continue;
    }
    if (fresh || new_life || !same_story(e.status.report, r)) e.news = true;
    e.status.node = node;
    e.status.life = life;
    e.status.received = now;
    e.status.report = r;
  }
  for (auto rows = replicas_.begin(); rows != replicas_.end();) {
    auto mine = rows->second.find(node);
    if (mine != rows->second.end() && !reported.contains(rows->first)) {
      auto gone = mine->second.status;
      gone.life = life;
      gone.received = now;
      gone.caught_up = false;
      gone.report.state = replica_state::failed;
      gone.report.failure = "not_found: the node no longer reports it";
      out.changed.push_back(std::move(gone));
      rows->second.erase(mine);
    }
    rows = rows->second.empty() ? replicas_.erase(rows) : std::next(rows);
  }
  for (auto partition : reported) judge(partition, catalog, rules, out);
  std::sort(out.changed.begin(), out.changed.end(),
            [](const replica_status& a, const replica_status& b) {
              return std::tie(a.report.partition, a.node) < std::tie(b.report.partition, b.node);
            });
  return out;
}

replica_tracker::outcome replica_tracker::refresh(const catalog_view& catalog,
                                                  const partition_map& news,
                                                  const version_settings& rules) {
  outcome out;
  std::set<partition_id> concerned;
  if (news.whole) { // rows are removed by nothing else
    std::erase_if(replicas_, [&](const auto& rows) { return !catalog.partition(rows.first); });
    std::erase_if(lives_, [&](const auto& life) { return !catalog.node(life.first); });
    for (const auto& [partition, rows] : replicas_) concerned.insert(partition);
  }
  for (const auto& row : news.partitions) concerned.insert(row.id);
  for (const auto& node : news.nodes) {
    const auto& held = catalog.partitions_of(node.id);
    concerned.insert(held.begin(), held.end());
  }
  for (auto partition : concerned) judge(partition, catalog, rules, out);
  return out;
}

std::vector<replica_status> replica_tracker::all() const {
  std::vector<replica_status> list;
  for (const auto& [partition, rows] : replicas_)
    for (const auto& [node, e] : rows) list.push_back(e.status);
  return list;
}

std::optional<uint64_t> replica_tracker::batches_behind(const replica_status& status,
                                                        const catalog_view& catalog) const {
  const auto* primary = primary_of(status.report.partition, catalog);
  if (!primary) return std::nullopt;
  auto head = primary->report.version.seq.value, mine = status.report.version.seq.value;
  return head > mine ? head - mine : 0;
}

} // namespace harbinger
