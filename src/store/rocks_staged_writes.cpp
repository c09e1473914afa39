#include "store/rocks_staged_writes.hpp"

#include <algorithm>

#include "store/head_codec.hpp"
#include "store/keys.hpp"
#include "store/rocks_bridge.hpp"
#include "wire/codec.hpp"

namespace harbinger::rocks {
namespace {

constexpr size_t history_max = 64;

void note_epoch(epoch_history& history, version v) {
  if (!history.empty() && history.back().epoch == v.epoch) return;
  history.push_back({v.epoch, v.seq});
  if (history.size() > history_max) history.erase(history.begin());
}

/// Whether the entries from `first` on follow directly on the head, and those before are in it.
result<void> follows(const partition_head& h, const store_write& w,
                     std::vector<log_entry>::const_iterator first) {
  if (w.entries.empty()) return {};
  for (auto e = w.entries.begin(); e != first; ++e) // already in: they must be the same ones
    if (e->version.seq > h.log_start.seq && epoch_at(h.history, e->version.seq) != e->version.epoch)
      return fail(errc::diverged, to_string(h.version));
  if (first == w.entries.end()) return {};
  auto before = first == w.entries.begin() ? w.previous : std::prev(first)->version;
  if (before != h.version) return fail(errc::gap, to_string(h.version));
  auto last = h.version;
  for (auto e = first; e != w.entries.end(); last = e->version, ++e)
    if (e->version.seq.value != last.seq.value + 1 || e->version.epoch < last.epoch)
      return fail(errc::invalid_argument, to_string(e->version) + " after " + to_string(last));
  return {};
}

void change(partition_head& h, const head_change& c) {
  if (c.role) h.role = *c.role;
  if (c.state) h.state = *c.state;
  if (c.epoch) h.epoch = std::max(h.epoch, *c.epoch);
  if (c.revision) h.revision = *c.revision;
  if (c.configuration) h.configuration = *c.configuration;
  if (c.failure) h.failure = *c.failure;
}

} // namespace

rocksdb::Status staged_records::read(const std::string& key, std::optional<std::string>& value) {
  if (auto it = pending_.find(key); it != pending_.end()) {
    value = it->second;
    return rocksdb::Status::OK();
  }
  std::string found;
  auto s = db_.Get(rocksdb::ReadOptions(), slice(key), &found);
  if (s.IsNotFound()) {
    value.reset();
    return rocksdb::Status::OK();
  }
  if (s.ok()) value = std::move(found);
  return s;
}

result<partition_head> staged_writes::apply(const store_write& w) {
  auto current = head_of(w);
  if (!current) return current;
  auto h = *current;
  if (w.epoch < h.epoch)
    return fail(errc::stale_epoch, "epoch " + std::to_string(h.epoch.value) + " is in force");
  auto first = std::find_if(w.entries.begin(), w.entries.end(),
                            [&](const log_entry& e) { return e.version.seq > h.version.seq; });
  if (auto ok = follows(h, w, first); !ok) return tl::unexpected<error>(ok.error());
  h.epoch = std::max(h.epoch, w.epoch);
  if (w.change) change(h, *w.change);
  batch_.SetSavePoint();
  undo_list undo;
  int64_t grown = 0;
  for (auto e = first; e != w.entries.end(); ++e)
    if (auto ok = append(h, *e, undo, grown); !ok) return roll_back(undo, ok.error());
  if (grown > 0) {
    auto more = static_cast<uint64_t>(std::max<int64_t>(growth_ + grown, 0));
    if (auto room = slots_.room_for(more); !room) return roll_back(undo, room.error());
  }
  h.committed = std::max(h.committed, std::min(w.committed, h.version.seq));
  bool lasting = first != w.entries.end() || w.change || h.epoch != current->epoch || w.create;
  if (lasting) {
    durable_ = true;
    batch_.Put(slice(keys::head(w.partition)), slice(encode_head(h)));
  }
  batch_.PopSavePoint();
  growth_ += grown;
  heads_[w.partition] = h;
  return h;
}

result<partition_head> staged_writes::head_of(const store_write& w) {
  if (auto it = heads_.find(w.partition); it != heads_.end()) return it->second;
  const auto& s = held_.at(w.partition);
  if (!s || s->gone) return fail(errc::unknown_partition, to_string(w.partition));
  auto h = s->get();
  if (s->born) return h;
  if (!w.create) return fail(errc::unknown_partition, to_string(w.partition));
  h = {};
  h.partition = w.partition;
  return h;
}

result<void> staged_writes::append(partition_head& h, const log_entry& e, undo_list& undo,
                                   int64_t& grown) {
  for (const auto& op : e.ops) {
    auto key = keys::record(h.partition, op.key.data);
    std::optional<std::string> old;
    if (auto s = records_.read(key, old); !s.ok()) return failed(s);
    if (old) {
      h.digest.remove(op.key.data, *old);
      --h.records;
      grown -= static_cast<int64_t>(op.key.data.size() + old->size());
      h.size_bytes -= op.key.data.size() + old->size();
    }
    undo.emplace_back(key, old);
    if (op.kind == op_kind::put) {
      batch_.Put(slice(key), slice(op.value.data));
      h.digest.add(op.key.data, op.value.data);
      ++h.records;
      grown += static_cast<int64_t>(op.key.data.size() + op.value.data.size());
      h.size_bytes += op.key.data.size() + op.value.data.size();
      records_.set(std::move(key), op.value.data);
    } else {
      if (old) batch_.Delete(slice(key));
      records_.set(std::move(key), std::nullopt);
    }
  }
  batch_.Put(slice(keys::entry('l', h.partition, e.version)), slice(wire::encode(e)));
  h.version = e.version;
  note_epoch(h.history, e.version);
  return {};
}

result<partition_head> staged_writes::roll_back(undo_list& undo, error why) {
  batch_.RollbackToSavePoint();
  for (auto it = undo.rbegin(); it != undo.rend(); ++it) records_.set(it->first, it->second);
  return tl::unexpected<error>(std::move(why));
}

} // namespace harbinger::rocks
