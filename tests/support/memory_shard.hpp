#pragma once

/// One partition of memory_store: records, log and head, by the rules of partition_store::write.

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "store/partition_head.hpp"
#include "store/partition_store.hpp"
#include "store/record_overlay.hpp"
#include "versions/fork_point.hpp"
#include "wire/codec.hpp"

namespace harbinger::sim {

using memory_rows = std::map<std::string, std::string>;

class rows_reader final : public record_reader {
public:
  explicit rows_reader(const memory_rows& rows) : rows_(rows) {}
  result<std::optional<std::string>> get(std::string_view key) const override {
    auto it = rows_.find(std::string(key));
    return it == rows_.end() ? std::optional<std::string>{} : it->second;
  }
  result<void> range(std::string_view from, std::string_view to,
                     const visitor& visit) const override {
    for (auto it = rows_.lower_bound(std::string(from));
         it != rows_.end() && (to.empty() || it->first < to); ++it)
      if (!visit(it->first, it->second)) break;
    return {};
  }

private:
  const memory_rows& rows_;
};

/// One record is this from now on, and the head counts it so.
inline void set_record(const std::string& key, const std::optional<std::string>& value,
                       memory_rows& rows, partition_head& h) {
  if (auto old = rows.find(key); old != rows.end()) {
    h.digest.remove(old->first, old->second);
    h.size_bytes -= old->first.size() + old->second.size();
    --h.records;
    rows.erase(old);
  }
  if (!value) return;
  h.digest.add(key, *value);
  h.size_bytes += key.size() + value->size();
  ++h.records;
  rows[key] = *value;
}

/// What an entry does to records.
inline result<entry_effect> apply_entry(const log_entry& e, memory_rows& rows, partition_head& h) {
  auto effect = effect_of(rows_reader(rows), e);
  if (effect)
    for (const auto& [key, change] : effect->changes) set_record(key, change.after, rows, h);
  return effect;
}

struct memory_shard {
  partition_head head;
  seq_no written_committed; ///< as in the head that is on disk
  memory_rows rows;
  std::map<version, log_entry> log;
  std::set<version> idle;                 ///< entries of the log that changed nothing
  std::map<version, record_changes> undo; ///< of entries that are not known to be committed

  struct done {
    bool lasting = false; ///< has to be synced
    std::vector<entry_outcome> outcomes;
  };
  /// Or why it is refused.
  result<done> write(const store_write& w) {
    if (w.epoch < head.epoch)
      return fail(errc::stale_epoch, "epoch " + std::to_string(head.epoch.value) + " is in force");
    auto first = std::find_if(w.entries.begin(), w.entries.end(),
                              [&](const log_entry& e) { return e.version.seq > head.version.seq; });
    if (auto ok = follows(w, first); !ok) return tl::unexpected<error>(ok.error());
    done out;
    out.lasting = first != w.entries.end() || w.change || w.epoch > head.epoch || w.create;
    head.epoch = std::max(head.epoch, w.epoch);
    if (w.change) change(*w.change);
    for (auto e = first; e != w.entries.end(); ++e) {
      auto effect = apply_entry(*e, rows, head);
      if (!effect) return tl::unexpected<error>(effect.error());
      out.outcomes.push_back(effect->outcome);
      if (effect->outcome.idle()) idle.insert(e->version);
      undo[e->version] = std::move(effect->changes);
      log[e->version] = *e;
      head.version = e->version;
      note_epoch(e->version);
    }
    head.committed = std::max(head.committed, std::min(w.committed, head.version.seq));
    if (out.lasting) {
      head.undo_start = head.committed;
      std::erase_if(undo, [&](const auto& u) { return u.first.seq <= head.undo_start; });
    }
    return out;
  }
  /// By the rules of partition_store::rewind, but for the journal.
  result<store_rewound> rewind(const epoch_history& truth) {
    if (head.state == replica_state::copying || head.state == replica_state::failed)
      return fail(errc::conflict, "replica is " + std::string(name_of(head.state)));
    auto fork = fork_point(head.version, head.history, truth);
    if (!fork) return fail(errc::log_trimmed, "the true history does not reach back so far");
    store_rewound out{head, *fork, head.version.seq.value - fork->seq.value, 0};
    if (fork->seq < head.committed) return fail(errc::conflict, "is committed");
    if (fork->seq < head.log_start.seq || fork->seq < head.undo_start)
      return fail(errc::log_trimmed, "no undo information");
    for (auto it = undo.rbegin(); it != undo.rend() && it->first.seq > fork->seq; ++it)
      for (const auto& [key, change] : it->second) set_record(key, change.before, rows, head);
    std::erase_if(undo, [&](const auto& u) { return u.first.seq > fork->seq; });
    std::erase_if(log, [&](const auto& l) { return l.first.seq > fork->seq; });
    std::erase_if(idle, [&](version v) { return v.seq > fork->seq; });
    if (head.version != *fork) {
      head.version = *fork;
      std::erase_if(head.history,
                    [&](const epoch_start& start) { return start.first_seq > fork->seq; });
    }
    out.head = head;
    return out;
  }

  result<std::vector<logged_entry>> logged_after(version after, seq_no up_to,
                                                 size_t bytes_max) const {
    if (after.seq < head.log_start.seq)
      return fail(errc::log_trimmed, "log of " + to_string(head.partition) + " begins after "
                                         + to_string(head.log_start));
    if (after.seq > head.version.seq)
      return fail(after.epoch <= head.version.epoch || head.version.seq.value == 0 ? errc::gap
                                                                                   : errc::diverged,
                  to_string(head.version));
    auto it = log.begin();
    if (after != head.log_start) {
      it = log.find(after);
      if (it == log.end()) return fail(errc::diverged, to_string(after) + " is not in the history");
      ++it;
    }
    std::vector<logged_entry> out;
    size_t size = 0;
    for (; it != log.end() && it->first.seq <= up_to; ++it) {
      auto entry_size = encode_logged(it->second, idle.contains(it->first)).size();
      if (!out.empty() && size + entry_size > bytes_max) break;
      size += entry_size;
      out.push_back({it->second, idle.contains(it->first)});
    }
    return out;
  }

  result<void> is_copying(copy_id copy) const {
    if (head.role != replica_role::copy || head.state != replica_state::copying)
      return fail(errc::conflict, "is " + std::string(name_of(head.role)) + ", "
                                      + std::string(name_of(head.state)));
    if (head.copy != copy)
      return fail(errc::stale_term, "attempt " + std::to_string(head.copy.value) + " is under way");
    return {};
  }
  void ingest(const std::vector<record_row>& chunk) {
    for (const auto& row : chunk) {
      rows[row.key.data] = row.value.data;
      head.digest.add(row.key.data, row.value.data);
      head.size_bytes += row.key.data.size() + row.value.data.size();
    }
    head.records += chunk.size();
    ++head.chunks;
  }
  void finish(version v, const epoch_history& history, replica_state state) {
    head.version = head.log_start = v;
    head.committed = written_committed = head.undo_start = v.seq;
    head.history.clear();
    for (const auto& start : history)
      if (start.first_seq <= v.seq && start.epoch <= v.epoch) head.history.push_back(start);
    head.state = state;
  }

  std::vector<log_entry> lost_entries(const epoch_history& truth) const {
    auto on_it = [&](version v) {
      if (v.seq.value == 0) return true;
      if (!truth.empty() && v.seq < truth.front().first_seq) return true;
      return epoch_at(truth, v.seq) == v.epoch;
    };
    std::vector<log_entry> out;
    for (const auto& [v, e] : log)
      if (truth.empty() ? v.seq > head.committed : !on_it(v)) out.push_back(e);
    return out;
  }
  void trim(seq_no keep_from) {
    seq_no last{std::min(keep_from.value - 1, head.version.seq.value)};
    version start{epoch_at(head.history, last), last};
    if (last == head.version.seq) start = head.version;
    log.erase(log.begin(), log.upper_bound(start));
    head.log_start = start;
  }
  result<void> verify() const {
    harbinger::digest seen;
    uint64_t size = 0;
    for (const auto& [key, value] : rows) {
      seen.add(key, value);
      size += key.size() + value.size();
    }
    if (seen != head.digest || rows.size() != head.records || size != head.size_bytes)
      return fail(errc::checksum, to_string(head.partition));
    return {};
  }

private:
  result<void> follows(const store_write& w, std::vector<log_entry>::const_iterator first) const {
    if (w.entries.empty()) return {};
    for (auto e = w.entries.begin(); e != first; ++e)
      if (e->version.seq > head.log_start.seq
          && epoch_at(head.history, e->version.seq) != e->version.epoch)
        return fail(errc::diverged, to_string(head.version));
    if (first == w.entries.end()) return {};
    auto before = first == w.entries.begin() ? w.previous : std::prev(first)->version;
    if (before != head.version) return fail(errc::gap, to_string(head.version));
    auto last = head.version;
    for (auto e = first; e != w.entries.end(); last = e->version, ++e)
      if (e->version.seq.value != last.seq.value + 1 || e->version.epoch < last.epoch)
        return fail(errc::invalid_argument, to_string(e->version) + " after " + to_string(last));
    return {};
  }
  void change(const head_change& c) {
    if (c.role) head.role = *c.role;
    if (c.state) head.state = *c.state;
    if (c.epoch) head.epoch = std::max(head.epoch, *c.epoch);
    if (c.revision) head.revision = *c.revision;
    if (c.configuration) head.configuration = *c.configuration;
    if (c.failure) head.failure = *c.failure;
  }
  void note_epoch(version v) {
    constexpr size_t history_max = 64;
    if (!head.history.empty() && head.history.back().epoch == v.epoch) return;
    head.history.push_back({v.epoch, v.seq});
    if (head.history.size() > history_max) head.history.erase(head.history.begin());
  }
};

} // namespace harbinger::sim
