#include "catalog/catalog.hpp"

#include <algorithm>
#include <tuple>

namespace harbinger::catalog {

namespace {

bool sorted_unique(const std::vector<node_id>& ids) {
  return std::adjacent_find(ids.begin(), ids.end(), std::greater_equal<>{}) == ids.end();
}

bool holds(const std::vector<node_id>& ids, const node_id& id) {
  return std::binary_search(ids.begin(), ids.end(), id);
}

const copy_row* copy_on(const partition_row& row, const node_id& id) {
  for (auto& copy : row.copies)
    if (copy.node == id) return &copy;
  return nullptr;
}

tl::unexpected<error> broken(const partition_row& row, std::string rule) {
  return fail(errc::invalid_argument, "partition " + to_string(row.id) + ": " + std::move(rule));
}

result<void> check_members(const catalog_view& view, const partition_row& now,
                           const partition_row& next) {
  if (next.sync_set.empty() || !sorted_unique(next.sync_set))
    return broken(next, "sync_set must be sorted, unique and not empty");
  if (!next.primary.value.empty() && !holds(next.sync_set, next.primary))
    return broken(next, "the primary is not in the sync_set");
  for (auto& id : next.sync_set)
    if (!view.node(id)) return broken(next, "unknown node " + id.value);
  for (size_t i = 0; i < next.copies.size(); ++i) {
    auto& copy = next.copies[i];
    if (!view.node(copy.node)) return broken(next, "unknown node " + copy.node.value);
    if (i > 0 && !(next.copies[i - 1].node < copy.node))
      return broken(next, "copies must be sorted by node and unique");
    if (holds(next.sync_set, copy.node))
      return broken(next, copy.node.value + " is a copy and in the sync_set");
    auto before = copy_on(now, copy.node);
    if (before && copy.copy < before->copy)
      return broken(next, "the copy id on " + copy.node.value + " falls");
  }
  if (!sorted_unique(next.joiners)) return broken(next, "joiners must be sorted and unique");
  for (auto& id : next.joiners) {
    bool was_behind = next.epoch > now.epoch && holds(now.sync_set, id);
    bool is_back = next.epoch == now.epoch
                   && next.sync_set.size() + next.joiners.size() <= next.replicas_wanted;
    if (!copy_on(next, id) && !holds(now.joiners, id) && !was_behind && !is_back)
      return broken(next, "joiner " + id.value + " is no copy");
    if (holds(next.sync_set, id))
      return broken(next, id.value + " is a joiner and in the sync_set");
  }
  return {};
}

result<void> check_epoch(const partition_row& now, const partition_row& next) {
  if (next.epoch < now.epoch) return broken(next, "the epoch falls");
  if (next.epoch == now.epoch) {
    bool takes_over = !next.primary.value.empty()
                      && (next.primary != now.primary || next.primary_life != now.primary_life);
    if (takes_over) return broken(next, "another primary, or life of it, without a new epoch");
    if (next.history != now.history) return broken(next, "the history changes without the epoch");
    for (auto& id : next.sync_set)
      if (!holds(now.sync_set, id) && !holds(now.joiners, id))
        return broken(next, id.value + " enters the sync_set without having been a joiner");
    return {};
  }
  if (next.primary.value.empty()) return broken(next, "a new epoch without a primary");
  if (next.history.empty() || next.history.back().epoch != next.epoch
      || next.history != grown(now.history, next.history.back()))
    return broken(next, "the history must grow by the new epoch");
  if (!now.history.empty() && next.history.back().first_seq < now.history.back().first_seq)
    return broken(next, "the history's sequence numbers fall");
  for (auto& id : next.sync_set)
    if (!holds(now.sync_set, id))
      return broken(next, id.value + " enters the sync_set with a new epoch");
  return {};
}

/// A delta with the next revision and no rows yet.
partition_map next_delta(const catalog_view& view) {
  partition_map delta;
  delta.term = view.term();
  delta.previous = view.revision();
  delta.revision = revision{view.revision().value + 1};
  return delta;
}

partition_map no_delta(const catalog_view& view) {
  auto delta = next_delta(view);
  delta.revision = delta.previous;
  return delta;
}

result<void> check_hello(const node_hello& hello) {
  if (!valid_node_id(hello.node.value))
    return fail(errc::invalid_argument, "node id: 1 to 64 of [A-Za-z0-9._-]");
  if (hello.life.value == 0) return fail(errc::invalid_argument, "incarnation 0");
  if (hello.data_endpoint.empty() || hello.data_endpoint.size() > 256)
    return fail(errc::invalid_argument, "data_endpoint: 1 to 256 bytes");
  if (hello.attributes.size() > 64) return fail(errc::invalid_argument, "more than 64 attributes");
  for (auto& [key, value] : hello.attributes)
    if (key.size() > 256 || value.size() > 256)
      return fail(errc::invalid_argument, "an attribute of more than 256 bytes");
  return {};
}

/// Places the replicas of one partition after the other.
class spreader {
public:
  spreader(const catalog_view& view, const std::vector<std::string>& spread) : spread_(spread) {
    for (auto& [id, row] : view.nodes())
      if (row.state == node_state::up) nodes_.push_back(&row);
    for (auto& [id, row] : view.partitions()) count(row.primary, row.sync_set);
  }

  size_t nodes() const { return nodes_.size(); }

  partition_row place(partition_id id, uint32_t replicas) {
    partition_row row;
    row.id = id;
    row.epoch = epoch{1};
    row.replicas_wanted = replicas;
    std::vector<const node_row*> chosen;
    while (chosen.size() < replicas) chosen.push_back(best(chosen));
    row.primary = chosen.front()->id;
    row.primary_life = chosen.front()->life;
    for (auto node : chosen) row.sync_set.push_back(node->id);
    std::sort(row.sync_set.begin(), row.sync_set.end());
    count(row.primary, row.sync_set);
    return row;
  }

private:
  using rank = std::tuple<size_t, size_t, size_t, size_t>;

  const node_row* best(const std::vector<const node_row*>& chosen) const {
    const node_row* found = nullptr;
    rank lowest{};
    for (auto node : nodes_) {
      if (std::find(chosen.begin(), chosen.end(), node) != chosen.end()) continue;
      auto next = chosen.empty() ? as_primary(*node) : as_secondary(*node, chosen);
      if (!found || next < lowest) found = node, lowest = next;
    }
    return found;
  }
  rank as_primary(const node_row& node) const {
    return {get(primaries_, node.id), get(replicas_, node.id), 0, 0};
  }
  rank as_secondary(const node_row& node, const std::vector<const node_row*>& chosen) const {
    size_t shared = 0;
    for (auto& key : spread_) {
      auto mine = node.attributes.find(key);
      if (mine == node.attributes.end()) continue;
      for (auto other : chosen) {
        auto its = other->attributes.find(key);
        shared += its != other->attributes.end() && its->second == mine->second;
      }
    }
    return {shared, get(replicas_, node.id), get(pairs_, {chosen.front()->id, node.id}),
            get(primaries_, node.id)};
  }
  void count(const node_id& primary, const std::vector<node_id>& members) {
    ++primaries_[primary];
    for (auto& id : members) {
      ++replicas_[id];
      ++pairs_[{primary, id}];
    }
  }
  template <class Map>
  static size_t get(const Map& map, const typename Map::key_type& key) {
    auto it = map.find(key);
    return it == map.end() ? 0 : it->second;
  }

  const std::vector<std::string>& spread_;
  std::vector<const node_row*> nodes_;
  std::map<node_id, size_t> primaries_, replicas_;
  std::map<std::pair<node_id, node_id>, size_t> pairs_;
};

result<void> check_volume(const catalog_view& view, const harbinger::create_volume& command) {
  if (!valid_node_id(command.name))
    return fail(errc::invalid_argument, "volume name: 1 to 64 of [A-Za-z0-9._-]");
  if (command.partitions < 1 || command.partitions > 65'536)
    return fail(errc::invalid_argument, "partitions: 1 to 65536");
  if (command.replicas < 1 || command.replicas > replicas_max)
    return fail(errc::invalid_argument, "replicas: 1 to 5");
  if (view.volumes().count(command.name))
    return fail(errc::in_use, "volume " + command.name + " exists");
  if (view.volumes().size() >= volumes_max)
    return fail(errc::overloaded, "limit of " + std::to_string(volumes_max) + " volumes");
  if (view.partitions().size() + command.partitions > partitions_max)
    return fail(errc::overloaded,
                "limit of " + std::to_string(partitions_max) + " partitions in all volumes");
  return {};
}

} // namespace

epoch_history grown(epoch_history history, epoch_start next) {
  history.push_back(next);
  if (history.size() > history_max)
    history.erase(history.begin(), history.end() - static_cast<ptrdiff_t>(history_max));
  return history;
}

result<void> check_row(const catalog_view& view, const partition_row& now,
                       const partition_row& next) {
  if (next.id != now.id || next.replicas_wanted != now.replicas_wanted)
    return broken(now, "id and replicas_wanted can not be changed");
  if (auto ok = check_members(view, now, next); !ok) return ok;
  return check_epoch(now, next);
}

result<void> check_last_resort(const catalog_view& view, const partition_row& now,
                               const partition_row& next) {
  if (next.id != now.id || next.replicas_wanted != now.replicas_wanted)
    return broken(now, "id and replicas_wanted can not be changed");
  if (auto ok = check_members(view, now, next); !ok) return ok;
  if (next.epoch <= now.epoch) return broken(next, "the last resort needs a new epoch");
  if (!copy_on(now, next.primary)) return broken(next, "the primary of the last resort is no copy");
  if (next.sync_set.size() != 1 || !next.joiners.empty())
    return broken(next, "the primary of the last resort is alone");
  if (next.history.empty() || next.history.back().epoch != next.epoch)
    return broken(next, "the history must end with the new epoch");
  auto kept = now.history;
  std::erase_if(kept, [&](auto& e) { return e.first_seq >= next.history.back().first_seq; });
  if (next.history != grown(kept, next.history.back()))
    return broken(next, "the history is not the one before the new epoch");
  return {};
}

result<partition_map> change(const catalog_view& view, const change_partition& command) {
  auto now = view.partition(command.row.id);
  if (!now) return fail(errc::unknown_partition, to_string(command.row.id));
  if (now->revision != command.expected)
    return fail(errc::conflict, "partition " + to_string(now->id) + " is at revision "
                                    + std::to_string(now->revision.value));
  auto allowed = command.last_resort ? check_last_resort(view, *now, command.row)
                                     : check_row(view, *now, command.row);
  if (!allowed) return tl::unexpected<error>(allowed.error());
  auto delta = next_delta(view);
  delta.partitions.push_back(command.row);
  delta.partitions.back().revision = delta.revision;
  return delta;
}

result<partition_map> register_node(const catalog_view& view, const node_hello& hello) {
  if (auto ok = check_hello(hello); !ok) return tl::unexpected<error>(ok.error());
  node_row row{
      hello.node,           hello.life, node_state::up, hello.data_endpoint, hello.attributes,
      hello.capacity_bytes, {}};
  if (auto now = view.node(hello.node)) {
    if (hello.life < now->life)
      return fail(errc::stale_epoch,
                  hello.node.value + " has a newer life, " + std::to_string(now->life.value));
    bool same = now->life == row.life && now->state == row.state
                && now->data_endpoint == row.data_endpoint && now->attributes == row.attributes
                && now->capacity_bytes == row.capacity_bytes;
    if (same) return no_delta(view);
  } else if (view.nodes().size() >= nodes_max) {
    return fail(errc::overloaded, "limit of " + std::to_string(nodes_max) + " nodes");
  }
  auto delta = next_delta(view);
  row.revision = delta.revision;
  delta.nodes.push_back(std::move(row));
  return delta;
}

result<partition_map> set_state(const catalog_view& view, const set_node_state& command) {
  auto now = view.node(command.node);
  if (!now) return fail(errc::unknown_node, command.node.value);
  if (now->life != command.life)
    return fail(errc::stale_epoch,
                command.node.value + " has another life, " + std::to_string(now->life.value));
  if (now->state == command.state) return no_delta(view);
  if (now->state == node_state::dead)
    return fail(errc::invalid_argument,
                command.node.value + " is dead: only a hello brings it back");
  auto delta = next_delta(view);
  delta.nodes.push_back(*now);
  delta.nodes.back().state = command.state;
  delta.nodes.back().revision = delta.revision;
  return delta;
}

result<partition_map> create_volume(const catalog_view& view,
                                    const harbinger::create_volume& command,
                                    const std::vector<std::string>& spread) {
  if (auto ok = check_volume(view, command); !ok) return tl::unexpected<error>(ok.error());
  spreader place{view, spread};
  if (place.nodes() < command.replicas)
    return fail(errc::no_candidate, std::to_string(command.replicas)
                                        + " replicas need as many nodes, "
                                        + std::to_string(place.nodes()) + " are up");
  uint32_t number = 0;
  for (auto& [name, row] : view.volumes()) number = std::max(number, row.number);
  auto delta = next_delta(view);
  delta.volumes.push_back({command.name, ++number, command.partitions, command.replicas});
  for (uint32_t i = 0; i < command.partitions; ++i) {
    delta.partitions.push_back(place.place(make_partition_id(number, i), command.replicas));
    delta.partitions.back().revision = delta.revision;
  }
  return delta;
}

} // namespace harbinger::catalog
