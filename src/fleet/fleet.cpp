#include "fleet/fleet.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace harbinger {

namespace {
bool earlier(const fleet::measured_rtt& r, node_number from) { return r.from < from; }
} // namespace

void holder_list::assign(std::span<const holder> holders) {
  std::vector<holder> sorted;
  std::array<holder, inside> few;
  std::span<holder> list(few.data(), std::min(holders.size(), inside));
  if (holders.size() > inside) {
    sorted.resize(holders.size());
    list = sorted;
  }
  std::copy(holders.begin(), holders.end(), list.begin());
  std::sort(list.begin(), list.end(), [](const holder& a, const holder& b) {
    return a.node != b.node ? a.node < b.node : a.kind < b.kind;
  });
  auto end = std::unique(list.begin(), list.end(),
                         [](const holder& a, const holder& b) { return a.node == b.node; });
  count_ = static_cast<uint32_t>(end - list.begin());
  many_.clear();
  if (count_ > inside)
    many_.assign(list.begin(), end);
  else
    std::copy(list.begin(), end, few_.begin());
}

std::span<const holder> holder_list::get() const {
  return count_ <= inside ? std::span<const holder>(few_.data(), count_)
                          : std::span<const holder>(many_);
}

const holder* holder_list::find(node_number n) const {
  for (const auto& h : get())
    if (h.node == n) return &h;
  return nullptr;
}

void fleet::grow(node_number n) {
  if (loads_.size() > n) return;
  loads_.resize(n + 1);
  held_.resize(n + 1);
  rtts_.resize(n + 1);
}

node_number fleet::put(const node_row& row) {
  auto n = nodes_.put(row);
  grow(n);
  note(n);
  return n;
}

partition_number fleet::put(const partition_row& row) {
  std::array<holder, 32> buffer;
  size_t count = 0;
  auto add = [&](const node_id& id, holding_kind kind) {
    auto n = nodes_.find(id);
    if (!n) {
      node_row unknown;
      unknown.id = id;
      unknown.state = node_state::dead;
      n = put(unknown);
    }
    auto same = std::find_if(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(count),
                             [&](const holder& h) { return h.node == *n; });
    if (same != buffer.begin() + static_cast<std::ptrdiff_t>(count)) {
      // A joiner is listed among the copies as well.
      same->kind = std::min(same->kind, kind);
    } else if (count < buffer.size()) {
      buffer[count++] = {*n, kind};
    }
  };
  if (!row.primary.value.empty()) add(row.primary, holding_kind::primary);
  for (const auto& id : row.sync_set)
    add(id, id == row.primary ? holding_kind::primary : holding_kind::member);
  for (const auto& id : row.joiners) add(id, holding_kind::joiner);
  for (const auto& c : row.copies)
    add(c.node, c.ready ? holding_kind::ready : holding_kind::copying);
  return put(row.id, {buffer.data(), count},
             static_cast<uint8_t>(std::min(row.replicas_wanted, 255u)));
}

partition_number fleet::put(partition_id id, std::span<const holder> holders,
                            uint8_t replicas_wanted) {
  auto [place, is_new] =
      by_id_.try_emplace(id.value, static_cast<partition_number>(partitions_.size()));
  auto p = place->second;
  if (is_new) partitions_.push_back({id, 0, 0.0f, 0, {}});
  partitions_[p].replicas_wanted = replicas_wanted;
  replace(p, holders);
  return p;
}

void fleet::remove(partition_id id) {
  auto p = find(id);
  if (!p) return;
  partitions_[*p].replicas_wanted = 0;
  replace(*p, {});
}

void fleet::count(partition_number p, int sign) {
  const auto& part = partitions_[p];
  auto step = static_cast<uint32_t>(sign);
  for (const auto& h : part.holders.get()) {
    auto& l = loads_[h.node];
    if (is_replica(h.kind)) l.replicas += step;
    auto bytes = part.size_bytes * static_cast<uint64_t>(static_cast<int64_t>(sign));
    if (is_copy(h.kind)) l.copies += step, l.copies_bytes += bytes;
    if (h.kind == holding_kind::copying) l.copying += step, l.copying_bytes += bytes;
  }
}

void fleet::replace(partition_number p, std::span<const holder> holders) {
  count(p, -1);
  auto& part = partitions_[p];
  auto old = part.holders;
  part.holders.assign(holders);
  count(p, +1);
  for (const auto& h : old.get()) {
    if (part.holders.find(h.node)) continue;
    auto& held = held_[h.node];
    auto place = std::find(held.begin(), held.end(), p);
    *place = held.back();
    held.pop_back();
  }
  for (const auto& h : part.holders.get())
    if (!old.find(h.node)) held_[h.node].push_back(p);
  for (const auto& h : old.get()) note(h.node);
  for (const auto& h : part.holders.get()) note(h.node);
  note_partition(p);
}

void fleet::set_size(partition_number p, uint64_t size_bytes) {
  if (partitions_[p].size_bytes == size_bytes) return;
  count(p, -1);
  partitions_[p].size_bytes = size_bytes;
  count(p, +1);
  for (const auto& h : partitions_[p].holders.get())
    if (is_copy(h.kind)) note(h.node);
  note_partition(p);
}

void fleet::set_change_rate(partition_number p, double bytes_per_s) {
  constexpr double step = 0.25;
  auto known = static_cast<double>(partitions_[p].change_bytes_per_s);
  double news = std::isfinite(bytes_per_s) ? std::max(0.0, bytes_per_s) : 0.0;
  if (std::abs(news - known) <= step * std::max(news, known)) return;
  partitions_[p].change_bytes_per_s = static_cast<float>(news);
  note_partition(p);
}

void fleet::set_usage(node_number n, uint64_t used_bytes, double writes_per_s) {
  loads_[n].used_bytes = used_bytes;
  loads_[n].writes_per_s = std::isfinite(writes_per_s) ? std::max(0.0, writes_per_s) : 0.0;
  note(n);
}

void fleet::set_rtt(node_number from, node_number to, double ms) {
  auto& list = rtts_[to];
  auto place = std::lower_bound(list.begin(), list.end(), from, earlier);
  bool known = place != list.end() && place->from == from;
  bool measured = std::isfinite(ms) && ms >= 0.0;
  if (known && measured)
    place->ms = static_cast<float>(ms);
  else if (known)
    list.erase(place);
  else if (measured)
    list.insert(place, {from, static_cast<float>(ms)});
}

std::optional<double> fleet::rtt_ms(node_number from, node_number to) const {
  const auto& list = rtts_[to];
  auto place = std::lower_bound(list.begin(), list.end(), from, earlier);
  if (place == list.end() || place->from != from) return std::nullopt;
  return static_cast<double>(place->ms);
}

void fleet::note(node_number n) {
  if (node_noted_.size() <= n) node_noted_.resize(n + 1);
  if (node_noted_[n]) return;
  node_noted_[n] = true;
  changes_.nodes.push_back(n);
}

void fleet::note_partition(partition_number p) {
  if (partition_noted_.size() <= p) partition_noted_.resize(p + 1);
  if (partition_noted_[p]) return;
  partition_noted_[p] = true;
  changes_.partitions.push_back(p);
}

void fleet::note_all() {
  for (node_number n = 0; n < nodes_.size(); ++n) note(n);
  for (partition_number p = 0; p < partitions_.size(); ++p) note_partition(p);
}

fleet::changes fleet::take_changes() {
  for (auto n : changes_.nodes) node_noted_[n] = false;
  for (auto p : changes_.partitions) partition_noted_[p] = false;
  return std::exchange(changes_, {});
}

void fleet::mark_useless(partition_number p, node_number n) {
  const auto* known = partitions_[p].holders.find(n);
  if (!known || !is_copy(known->kind) || known->kind == holding_kind::joiner) return;
  auto list = partitions_[p].holders.get();
  std::vector<holder> changed(list.begin(), list.end());
  for (auto& h : changed)
    if (h.node == n) h.kind = holding_kind::useless;
  replace(p, changed);
}

std::optional<partition_number> fleet::find(partition_id id) const {
  auto found = by_id_.find(id.value);
  return found == by_id_.end() ? std::nullopt : std::optional(found->second);
}

node_number fleet::primary_of(partition_number p) const {
  for (const auto& h : partitions_[p].holders.get())
    if (h.kind == holding_kind::primary) return h.node;
  return no_number;
}

size_t fleet::memory_bytes() const {
  size_t bytes = partitions_.capacity() * sizeof(fleet_partition)
                 + by_id_.size() * (sizeof(void*) * 2 + 16) + by_id_.bucket_count() * sizeof(void*);
  for (const auto& p : partitions_)
    if (p.holders.get().size() > holder_list::inside)
      bytes += p.holders.get().size() * sizeof(holder);
  for (const auto& held : held_) bytes += sizeof(held) + held.capacity() * sizeof(partition_number);
  for (const auto& r : rtts_) bytes += sizeof(r) + r.capacity() * sizeof(measured_rtt);
  return bytes + loads_.capacity() * sizeof(fleet_load) + nodes_.size() * sizeof(topology::node);
}

} // namespace harbinger
