#include "catalog/catalog_view.hpp"

#include <algorithm>

namespace harbinger {

catalog_view::outcome catalog_view::apply(const partition_map& map) {
  if (map.whole) {
    if (ready_ && (map.term < term_ || (map.term == term_ && map.revision <= revision_)))
      return outcome::unchanged;
    nodes_.clear();
    volumes_.clear();
    partitions_.clear();
    by_node_.clear();
    primaries_.clear();
  } else {
    if (!ready_ || map.term > term_) return outcome::need_whole;
    if (map.term < term_ || map.revision <= revision_) return outcome::unchanged;
    if (map.previous > revision_) return outcome::need_whole;
  }
  for (auto& row : map.nodes)
    if (auto held = node(row.id); !held || held->revision <= row.revision) put(row);
  for (auto& row : map.volumes) put(row);
  for (auto& row : map.partitions)
    if (auto held = partition(row.id); !held || held->revision <= row.revision) put(row);
  set_revision(map.term, map.revision);
  return outcome::applied;
}

const node_row* catalog_view::node(const node_id& id) const {
  auto it = nodes_.find(id);
  return it == nodes_.end() ? nullptr : &it->second;
}

const partition_row* catalog_view::partition(partition_id id) const {
  auto it = partitions_.find(id);
  return it == partitions_.end() ? nullptr : &it->second;
}

const copy_row* catalog_view::copy(partition_id partition, const node_id& node) const {
  const auto* row = this->partition(partition);
  if (!row) return nullptr;
  auto found = std::find_if(row->copies.begin(), row->copies.end(),
                            [&](const copy_row& c) { return c.node == node; });
  return found == row->copies.end() ? nullptr : &*found;
}

const std::set<partition_id>& catalog_view::partitions_of(const node_id& id) const {
  static const std::set<partition_id> none;
  auto it = by_node_.find(id);
  return it == by_node_.end() ? none : it->second;
}

size_t catalog_view::primaries_of(const node_id& id) const {
  auto it = primaries_.find(id);
  return it == primaries_.end() ? 0 : it->second;
}

node_address catalog_view::address_of(const node_id& id) const {
  auto row = node(id);
  return {id, row ? row->data_endpoint : std::string{}};
}

bool catalog_view::mentions(const partition_row& row, const node_id& id) {
  auto holds = [&](const std::vector<node_id>& ids) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  return row.primary == id || holds(row.sync_set) || holds(row.joiners)
         || std::any_of(row.copies.begin(), row.copies.end(),
                        [&](const copy_row& copy) { return copy.node == id; });
}

partition_map catalog_view::whole() const {
  partition_map map;
  map.term = term_;
  map.revision = revision_;
  map.whole = true;
  for (auto& [id, row] : nodes_) map.nodes.push_back(row);
  for (auto& [name, row] : volumes_) map.volumes.push_back(row);
  for (auto& [id, row] : partitions_) map.partitions.push_back(row);
  return map;
}

void catalog_view::put(node_row row) {
  auto id = row.id;
  nodes_.insert_or_assign(std::move(id), std::move(row));
}

void catalog_view::put(volume_row row) {
  auto name = row.name;
  volumes_.insert_or_assign(std::move(name), std::move(row));
}

void catalog_view::put(partition_row row) {
  if (auto old = partitions_.find(row.id); old != partitions_.end()) index(old->second, false);
  index(row, true);
  auto id = row.id;
  partitions_.insert_or_assign(id, std::move(row));
}

void catalog_view::set_revision(harbinger::term term, harbinger::revision revision) {
  ready_ = true;
  term_ = term;
  revision_ = revision;
}

void catalog_view::index(const partition_row& row, bool present) {
  auto mark = [&](const node_id& id) {
    if (id.value.empty()) return;
    if (present) {
      by_node_[id].insert(row.id);
    } else {
      by_node_[id].erase(row.id);
    }
  };
  mark(row.primary);
  if (!row.primary.value.empty()) present ? ++primaries_[row.primary] : --primaries_[row.primary];
  for (auto& id : row.sync_set) mark(id);
  for (auto& id : row.joiners) mark(id);
  for (auto& copy : row.copies) mark(copy.node);
}

} // namespace harbinger
