#pragma once

/// partition_store in memory, for simulated nodes: the same answers as the real one
/// (property.memory_store_answers_as_the_real_one), and a crash that keeps what was synced and a
/// part of what was not. One thread.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "store/partition_store.hpp"
#include "tests/support/memory_shard.hpp"

namespace harbinger::sim {

/// A partition frozen: a copy of its records.
class memory_snapshot final : public partition_snapshot {
public:
  memory_snapshot(partition_head head, std::map<std::string, std::string> rows)
      : head_(std::move(head)), rows_(std::move(rows)) {}
  const partition_head& head() const override { return head_; }
  result<page> read(std::string_view from, bool after, size_t bytes_max,
                    size_t rows_max) const override {
    page out;
    size_t size = 0;
    auto it = rows_.lower_bound(std::string(from));
    if (after && it != rows_.end() && it->first == from) ++it;
    for (; it != rows_.end(); ++it) {
      auto row_bytes = it->first.size() + it->second.size();
      if (!out.rows.empty() && (size + row_bytes > bytes_max || out.rows.size() >= rows_max)) {
        out.more = true;
        break;
      }
      size += row_bytes;
      out.rows.push_back({{it->first}, {it->second}});
    }
    return out;
  }

  std::unique_ptr<packed_reader> read_through() const override { return nullptr; }

private:
  partition_head head_;
  std::map<std::string, std::string> rows_;
};

class memory_store final : public partition_store {
public:
  explicit memory_store(uint64_t quota_bytes = 0) : quota_bytes_(quota_bytes) {}

  // --- what happens to a disk ---
  bool full = false; ///< every write is refused with no_space
  /// Power is lost: of what was written and not synced only a prefix, chosen by `random`, is left;
  /// what was never written (news of the commit point) is gone.
  void crash(std::mt19937_64& random) {
    auto lost = unsynced_.empty() ? 0 : random() % (unsynced_.size() + 1);
    for (; lost > 0; --lost) {
      unsynced_.back()();
      unsynced_.pop_back();
    }
    reopen();
  }
  /// The process ends and another one opens the store; the machine stays up.
  void reopen() {
    unsynced_.clear();
    for (auto& [id, s] : shards_) s.head.committed = s.written_committed;
  }
  /// The disk is replaced by an empty one.
  void wipe() {
    shards_.clear();
    journal_.clear();
    unsynced_.clear();
  }
  /// Every entry in the log and in the conflict journal, for those who check.
  const memory_shard* shard(partition_id partition) const {
    auto it = shards_.find(partition);
    return it == shards_.end() ? nullptr : &it->second;
  }
  const std::map<std::pair<partition_id, version>, log_entry>& journal() const { return journal_; }

  // --- heads ---
  std::vector<partition_head> heads() const override {
    std::vector<partition_head> out;
    for (const auto& [id, s] : shards_) out.push_back(s.head);
    return out;
  }
  result<partition_head> head(partition_id partition) const override {
    auto s = shard(partition);
    if (!s) return unknown(partition);
    return s->head;
  }
  uint64_t used_bytes() const override {
    uint64_t sum = 0;
    for (const auto& [id, s] : shards_) sum += s.head.size_bytes;
    return sum;
  }
  uint64_t conflict_count() const override { return journal_.size(); }
  uint64_t log_bytes(partition_id) const override { return 0; }

  // --- writing ---
  std::vector<result<store_written>> write(const std::vector<store_write>& group) override {
    std::vector<result<store_written>> answers;
    std::map<partition_id, std::optional<memory_shard>> before; // kept only when it may be needed
    bool durable = false;
    for (const auto& w : group) {
      if (full) remember(before, w.partition);
      answers.push_back(write_one_of(w, durable));
    }
    if (full && durable) {
      for (auto& [id, old] : before) restore(id, std::move(old));
      for (auto& answer : answers)
        if (answer) answer = fail(errc::no_space, "disk full");
    } else if (durable) {
      unsynced_.clear();
    }
    return answers;
  }

  // --- reading ---
  result<value> get(partition_id partition, std::string_view key) const override {
    auto s = shard(partition);
    if (!s) return unknown(partition);
    value out;
    out.version = s->head.version;
    if (auto it = s->rows.find(std::string(key)); it != s->rows.end()) {
      out.found = true;
      out.bytes = it->second;
    }
    return out;
  }
  result<rows_reply> scan(partition_id partition, std::string_view from, uint32_t limit,
                          size_t bytes_max) const override {
    if (limit == 0 || limit > scan_rows_max)
      return fail(errc::invalid_argument, "limit must be 1.." + std::to_string(scan_rows_max));
    auto at = open_snapshot(partition);
    if (!at) return tl::unexpected<error>(at.error());
    auto page = (*at)->read(std::max(from, first_user_key), false, bytes_max, limit);
    rows_reply out;
    out.version = (*at)->head().version;
    out.rows = std::move(page->rows);
    out.more = page->more;
    if (out.more) out.next.data = out.rows.back().key.data + '\0';
    return out;
  }
  result<std::vector<logged_entry>> logged_after(partition_id partition, version after,
                                                 seq_no up_to, size_t bytes_max) const override {
    auto s = shard(partition);
    if (!s) return unknown(partition);
    return s->logged_after(after, up_to, bytes_max);
  }
  result<std::shared_ptr<partition_snapshot>> open_snapshot(partition_id partition) const override {
    auto s = shard(partition);
    if (!s) return unknown(partition);
    auto h = s->head;
    h.committed = s->written_committed; // news of the commit point is not written with the data
    return std::shared_ptr<partition_snapshot>(std::make_shared<memory_snapshot>(h, s->rows));
  }
  result<void> verify(partition_id partition) const override {
    auto s = shard(partition);
    if (!s) return unknown(partition);
    return s->verify();
  }

  // --- copying ---
  result<partition_head> begin_copy(partition_id partition, copy_id copy,
                                    std::string cursor) override {
    auto s = find(partition);
    if (s && s->head.role != replica_role::copy)
      return fail(errc::conflict, "is " + std::string(name_of(s->head.role)));
    if (s && copy < s->head.copy)
      return fail(errc::stale_term, "attempt " + std::to_string(s->head.copy.value) + " is newer");
    if (full) return fail(errc::no_space, "disk full");
    memory_shard fresh;
    fresh.head.partition = partition;
    fresh.head.copy = copy;
    fresh.head.cursor = std::move(cursor);
    if (s) fresh.head.epoch = s->head.epoch;
    shards_[partition] = std::move(fresh);
    unsynced_.clear();
    return shards_[partition].head;
  }
  result<partition_head> ingest(partition_id partition, copy_id copy, uint64_t chunk,
                                record_views views) override {
    std::vector<record_row> rows;
    for (const auto& [key, value] : views)
      rows.push_back({{std::string(key)}, {std::string(value)}});
    auto s = find(partition);
    if (!s) return unknown(partition);
    if (auto ok = s->is_copying(copy); !ok) return tl::unexpected<error>(ok.error());
    if (chunk < s->head.chunks) return s->head;
    if (chunk > s->head.chunks)
      return fail(errc::gap, "next is chunk " + std::to_string(s->head.chunks));
    uint64_t size = 0;
    for (const auto& row : rows) size += row.key.data.size() + row.value.data.size();
    if (auto room = room_for(size); !room) return tl::unexpected<error>(room.error());
    if (full) return fail(errc::no_space, "disk full");
    undo_by_restoring(partition, *s);
    s->ingest(rows);
    s->written_committed = s->head.committed;
    return s->head;
  }
  result<partition_head> finish_copy(partition_id partition, copy_id copy, version v,
                                     const harbinger::digest& expected,
                                     const epoch_history& history, replica_state state) override {
    auto s = find(partition);
    if (!s) return unknown(partition);
    if (auto ok = s->is_copying(copy); !ok) return tl::unexpected<error>(ok.error());
    if (s->head.digest != expected)
      return fail(errc::checksum, "digest " + hex64(s->head.digest.total()) + " instead of "
                                      + hex64(expected.total()));
    if (full) return fail(errc::no_space, "disk full");
    s->finish(v, history, state);
    unsynced_.clear();
    return s->head;
  }

  // --- mending ---
  result<repair_outcome> repair(partition_id, version, bucket_set,
                                const std::vector<record_row>&) override {
    return fail(errc::unsupported, "nothing is ever damaged here");
  }

  // --- giving up ---
  result<store_rewound> rewind(partition_id partition, const epoch_history& truth) override {
    auto s = find(partition);
    if (!s) return unknown(partition);
    if (full) return fail(errc::no_space, "disk full");
    auto lost = s->lost_entries(truth);
    auto done = s->rewind(truth);
    if (!done || done->undone == 0) return done;
    for (const auto& e : lost)
      done->journalled += journal_.insert_or_assign({partition, e.version}, e).second ? 1 : 0;
    s->written_committed = s->head.committed;
    unsynced_.clear();
    return done;
  }
  result<uint64_t> drop(partition_id partition, const epoch_history& truth) override {
    auto s = find(partition);
    if (!s) return uint64_t{0};
    auto lost = s->lost_entries(truth);
    if (full) return fail(errc::no_space, "disk full");
    uint64_t fresh = 0;
    for (const auto& e : lost)
      fresh += journal_.insert_or_assign({partition, e.version}, e).second ? 1 : 0;
    shards_.erase(partition);
    unsynced_.clear();
    return fresh;
  }
  result<std::vector<conflict_entry>> conflicts(size_t entries_max) const override {
    std::vector<conflict_entry> out;
    for (const auto& [key, entry] : journal_)
      if (out.size() < entries_max) out.push_back({key.first, entry});
    return out;
  }
  result<void> trim_log(partition_id partition, seq_no keep_from) override {
    auto s = find(partition);
    if (!s) return unknown(partition);
    if (s->head.log_start.seq.value + 1 >= keep_from.value) return {};
    if (full) return fail(errc::no_space, "disk full");
    undo_by_restoring(partition, *s);
    s->trim(keep_from);
    s->written_committed = s->head.committed;
    return {};
  }

private:
  static tl::unexpected<error> unknown(partition_id partition) {
    return fail(errc::unknown_partition, to_string(partition));
  }
  memory_shard* find(partition_id partition) {
    auto it = shards_.find(partition);
    return it == shards_.end() ? nullptr : &it->second;
  }
  result<void> room_for(uint64_t more_bytes) const {
    if (quota_bytes_ != 0 && used_bytes() + more_bytes > quota_bytes_)
      return fail(errc::no_space, "quota of " + std::to_string(quota_bytes_) + " bytes");
    return {};
  }
  void remember(std::map<partition_id, std::optional<memory_shard>>& before,
                partition_id partition) const {
    auto s = shard(partition);
    before.try_emplace(partition, s ? std::optional(*s) : std::nullopt);
  }
  void restore(partition_id partition, std::optional<memory_shard> old) {
    if (old)
      shards_[partition] = std::move(*old);
    else
      shards_.erase(partition);
  }
  void undo_by_restoring(partition_id partition, const memory_shard& s) {
    unsynced_.push_back([this, partition, old = s] { shards_[partition] = old; });
  }

  result<store_written> write_one_of(const store_write& w, bool& durable) {
    auto s = find(w.partition);
    if (!s && !w.create) return unknown(w.partition);
    memory_shard fresh;
    fresh.head.partition = w.partition;
    auto& target = s ? *s : fresh;
    std::optional<memory_shard> before; // only a quota refuses a write that is under way
    if (quota_bytes_ != 0) before = target;
    auto used = used_bytes();
    auto done = target.write(w);
    if (!done) return tl::unexpected<error>(done.error());
    if (before && target.head.size_bytes > before->head.size_bytes) {
      auto grown = target.head.size_bytes - before->head.size_bytes;
      if (used + grown > quota_bytes_) {
        target = std::move(*before);
        return fail(errc::no_space, "quota of " + std::to_string(quota_bytes_) + " bytes");
      }
    }
    if (done->lasting) {
      target.written_committed = target.head.committed;
      durable = true;
    }
    store_written out{target.head, std::move(done->outcomes)};
    if (!s) shards_[w.partition] = std::move(fresh);
    return out;
  }

  uint64_t quota_bytes_;
  std::map<partition_id, memory_shard> shards_;
  std::map<std::pair<partition_id, version>, log_entry> journal_;
  std::deque<std::function<void()>> unsynced_; ///< each takes the newest of them back
};

} // namespace harbinger::sim
