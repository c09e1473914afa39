#include "store/rocks_staged_writes.hpp"

#include <algorithm>

#include "store/entry_effect.hpp"
#include "store/head_codec.hpp"
#include "store/keys.hpp"
#include "store/rocks_bridge.hpp"
#include "store/undo.hpp"
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

result<store_written> staged_writes::apply(const store_write& w) {
  auto current = head_of(w);
  if (!current) return tl::unexpected<error>(current.error());
  auto h = *current;
  if (w.epoch < h.epoch)
    return fail(errc::stale_epoch, "epoch " + std::to_string(h.epoch.value) + " is in force");
  auto first = std::find_if(w.entries.begin(), w.entries.end(),
                            [&](const log_entry& e) { return e.version.seq > h.version.seq; });
  if (auto ok = follows(h, w, first); !ok) return tl::unexpected<error>(ok.error());
  h.epoch = std::max(h.epoch, w.epoch);
  if (w.change) change(h, *w.change);
  batch_.SetSavePoint();
  auto& group = records_.try_emplace(w.partition, db_, w.partition).first->second.staged;
  record_overlay records(&group);
  store_written out;
  int64_t grown = 0;
  auto newest =
      w.entries.empty() ? h.version.seq : std::max(h.version.seq, w.entries.back().version.seq);
  auto committed = std::max(h.committed, std::min(w.committed, newest));
  for (auto e = first; e != w.entries.end(); ++e) {
    auto outcome = append(h, *e, committed, records, grown);
    if (!outcome) return roll_back(outcome.error());
    out.outcomes.push_back(std::move(*outcome));
  }
  if (grown > 0) {
    auto more = static_cast<uint64_t>(std::max<int64_t>(growth_ + grown, 0));
    if (auto room = slots_.room_for(more); !room) return roll_back(room.error());
  }
  h.committed = committed;
  bool lasting = first != w.entries.end() || w.change || h.epoch != current->epoch || w.create;
  if (lasting) {
    lasting_.insert(w.partition);
    forget_undo(h, current->version.seq);
  }
  batch_.PopSavePoint();
  group.adopt(records.take());
  growth_ += grown;
  heads_[w.partition] = h;
  out.head = std::move(h);
  return out;
}

void staged_writes::finish() {
  for (auto partition : lasting_)
    batch_.Put(slice(keys::head(partition)), slice(encode_head(heads_.at(partition))));
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

result<entry_outcome> staged_writes::append(partition_head& h, const log_entry& e, seq_no committed,
                                            record_overlay& records, int64_t& grown) {
  auto effect = effect_of(records, e);
  if (!effect) return tl::unexpected<error>(effect.error());
  grown += stage_changes(batch_, h, effect->changes);
  if (e.version.seq > committed)
    batch_.Put(slice(keys::entry('u', h.partition, e.version)),
               slice(encode_undo(effect->changes)));
  records.adopt(std::move(effect->changes));
  batch_.Put(slice(keys::entry('l', h.partition, e.version)),
             slice(encode_logged(e, effect->outcome.idle())));
  h.version = e.version;
  note_epoch(h.history, e.version);
  return std::move(effect->outcome);
}

/// What is committed is never taken back. `before`: the newest entry before this write.
void staged_writes::forget_undo(partition_head& h, seq_no before) {
  for (auto seq = h.undo_start; seq < std::min(h.committed, before);) {
    ++seq.value;
    batch_.Delete(slice(keys::entry('u', h.partition, {epoch_at(h.history, seq), seq})));
  }
  h.undo_start = h.committed;
}

result<store_written> staged_writes::roll_back(error why) {
  batch_.RollbackToSavePoint();
  return tl::unexpected<error>(std::move(why));
}

} // namespace harbinger::rocks
