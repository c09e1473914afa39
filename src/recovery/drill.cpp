#include "recovery/drill.hpp"

#include <algorithm>

namespace harbinger::recovery {
namespace {

/// Members of the sync set, the primary first.
std::vector<node_id> sources_of(const partition_row& row) {
  std::vector<node_id> sources{row.primary};
  for (auto& id : row.sync_set)
    if (id != row.primary) sources.push_back(id);
  return sources;
}

/// The row with that copy, ready, as joiner.
partition_row with_joiner(partition_row row, const node_id& node, copy_id id) {
  std::erase_if(row.copies, [&](auto& copy) { return copy.node == node; });
  row.copies.push_back({node, id, true});
  std::sort(row.copies.begin(), row.copies.end(), [](auto& a, auto& b) { return a.node < b.node; });
  row.joiners.insert(std::lower_bound(row.joiners.begin(), row.joiners.end(), node), node);
  return row;
}

} // namespace

drill::drill(uint64_t number, const recovery_drill& what, time_point now)
    : number_(number), method_(what.method), started_(now) {
  for (auto id : what.partitions) {
    if (parts_.size() >= partitions_max) break;
    parts_[id];
    open_[id] = true;
  }
}

bool drill::owns(partition_id partition) const { return open_.count(partition) > 0; }

bool drill::all_ready() const {
  return std::all_of(parts_.begin(), parts_.end(), [](auto& entry) {
    return entry.second.at != phase::leaving && entry.second.at != phase::dropping;
  });
}

void drill::choose(part& p, const partition_row& row, const surroundings& around) {
  copy_id newest;
  for (auto& id : row.sync_set) {
    if (id == row.primary || !around.alive(id)) continue;
    auto entry = around.replica(id, row.id);
    auto made_by = entry ? entry->report.copy : copy_id{};
    if (p.node.value.empty() || made_by > newest) p.node = id, newest = made_by;
  }
  for (auto& [id, node] : around.view.nodes())
    if (auto entry = around.replica(id, row.id)) newest = std::max(newest, entry->report.copy);
  for (auto& copy : row.copies) newest = std::max(newest, copy.copy);
  p.id = copy_id{std::max(newest.value, around.view.term().value << 32) + 1};
}

drill::wish drill::next(partition_id partition, const surroundings& around) {
  auto& p = parts_.at(partition);
  auto row = around.view.partition(partition);
  if (!row) {
    failed(partition, "unknown partition");
    return {};
  }
  auto member = [&] {
    return std::binary_search(row->sync_set.begin(), row->sync_set.end(), p.node);
  };
  if (p.at == phase::leaving) {
    if (p.node.value.empty()) choose(p, *row, around);
    if (p.node.value.empty()) {
      failed(partition, "it has no living secondary");
      return {};
    }
    if (member()) {
      leave wish{*row};
      std::erase(wish.row.sync_set, p.node);
      return wish;
    }
    p.at = phase::dropping;
  }
  if (p.at == phase::dropping) return give_up{p.node};
  if (p.at == phase::ready) {
    if (!all_ready()) return {};
    if (!copies_from_) copies_from_ = around.now;
    p.copy_from = around.now;
    p.at = phase::copying;
  }
  if (p.at == phase::copying) {
    if (!around.alive(p.node)) failed(partition, p.node.value + " died");
    if (!p.begun) return copy{p.node, p.id, sources_of(*row)};
    auto entry = around.replica(p.node, partition);
    if (!entry || entry->report.copy != p.id) return {};
    p.bytes = std::max({p.bytes, entry->report.copied_bytes, entry->report.size_bytes});
    if (entry->report.state == replica_state::failed) failed(partition, entry->report.failure);
    if (entry->report.state != replica_state::following) return {};
    p.at = phase::joining;
  }
  if (p.at == phase::joining) {
    if (member()) {
      finish(partition, p, around);
      return {};
    }
    if (std::binary_search(row->joiners.begin(), row->joiners.end(), p.node)) return {};
    return join{with_joiner(*row, p.node, p.id)};
  }
  return {};
}

void drill::finish(partition_id partition, part& p, const surroundings& around) {
  auto& row = *around.view.partition(partition);
  auto entry = around.replica(p.node, partition);
  bool configured = entry && entry->report.role == replica_role::secondary
                    && entry->report.epoch == row.epoch && available(row, around);
  if (!configured) return;
  p.at = phase::done;
  p.until = around.now;
  open_.erase(partition);
}

void drill::dropped(partition_id partition) {
  auto it = parts_.find(partition);
  if (it != parts_.end() && it->second.at == phase::dropping) it->second.at = phase::ready;
}

void drill::copy_begun(partition_id partition) {
  if (auto it = parts_.find(partition); it != parts_.end()) it->second.begun = true;
}

void drill::failed(partition_id partition, std::string why) {
  auto it = parts_.find(partition);
  if (it == parts_.end()) return;
  it->second.at = phase::failed;
  it->second.failure = std::move(why);
  open_.erase(partition);
}

bool drill::over(time_point now) const {
  return open_.empty() || now - started_ >= milliseconds(patience_ms);
}

drill_report drill::report(time_point) const {
  drill_report out;
  out.method = method_;
  for (auto& [id, p] : parts_) {
    drill_report::part row{id, p.node, 0.0, p.bytes, p.failure};
    if (p.at == phase::done) {
      row.ms = to_ms(p.until - p.copy_from);
      out.total_ms = std::max(out.total_ms, to_ms(p.until - *copies_from_));
    } else if (row.failure.empty()) {
      row.failure = "not restored in time";
    }
    out.each.push_back(std::move(row));
  }
  return out;
}

} // namespace harbinger::recovery
