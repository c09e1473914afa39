#include "store/mass_restore.hpp"

#include <map>

#include "core/crash_points.hpp"
#include "versions/fork_point.hpp"

namespace harbinger {
namespace {

constexpr size_t group_bytes = 1 << 20; // rows or log entries given to the store in one write

/// History of the entries replayed, or of a checkpoint, up to and including `last`.
epoch_history until(epoch_history history, version last) {
  std::erase_if(history, [&](const epoch_start& start) { return start.first_seq > last.seq; });
  return history;
}

/// The state of a partition as a log makes it.
class folded_log : public record_reader {
public:
  std::map<std::string, std::string, std::less<>> rows;
  epoch_history history;
  uint64_t size_bytes = 0, entries = 0;

  explicit folded_log(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  result<void> take(const std::vector<record_row>& checkpoint_rows) {
    for (const auto& row : checkpoint_rows) {
      size_bytes += row.key.data.size() + row.value.data.size();
      rows.insert_or_assign(row.key.data, row.value.data);
    }
    return fits();
  }
  result<void> apply(const log_entry& entry) {
    if (history.empty() || history.back().epoch != entry.version.epoch)
      history.push_back({entry.version.epoch, entry.version.seq});
    auto effect = effect_of(*this, entry);
    if (!effect) return tl::unexpected<error>(effect.error());
    for (auto& [key, change] : effect->changes) apply(key, change);
    ++entries;
    return fits();
  }
  result<void> fits() const {
    return size_bytes > bytes_max_ ? fail(errc::oversize, "too large to fold") : result<void>{};
  }

  result<std::optional<std::string>> get(std::string_view key) const override {
    auto it = rows.find(key);
    return it == rows.end() ? std::optional<std::string>{} : it->second;
  }
  result<void> range(std::string_view from, std::string_view to,
                     const visitor& visit) const override {
    auto end = to.empty() ? rows.end() : rows.lower_bound(to);
    for (auto it = rows.lower_bound(from); it != end && visit(it->first, it->second); ++it) {
    }
    return {};
  }

private:
  void apply(const std::string& key, record_change& change) {
    if (change.before) size_bytes -= key.size() + change.before->size();
    if (!change.after) {
      rows.erase(key);
      return;
    }
    size_bytes += key.size() + change.after->size();
    rows[key] = std::move(*change.after);
  }

  uint64_t bytes_max_;
};

/// Gives rows to the store in chunks numbered from 0.
class chunk_writer {
public:
  chunk_writer(partition_store& store, partition_id partition, copy_id copy)
      : store_(store), partition_(partition), copy_(copy) {}

  result<void> begin() {
    next_ = 0;
    rows_ = 0;
    auto begun = store_.begin_copy(partition_, copy_, {});
    if (!begun) return tl::unexpected<error>(begun.error());
    return {};
  }
  result<void> add(const std::vector<record_row>& rows) {
    auto stored = store_.ingest_rows(partition_, copy_, next_++, rows);
    if (!stored) return tl::unexpected<error>(stored.error());
    rows_ += rows.size();
    return {};
  }
  uint64_t rows() const { return rows_; }

private:
  partition_store& store_;
  partition_id partition_;
  copy_id copy_;
  uint64_t next_ = 0, rows_ = 0;
};

/// Replays log entries onto a copy, in groups.
class tail_writer {
public:
  tail_writer(partition_store& store, partition_id partition, version from)
      : store_(store), partition_(partition), at_(from) {}

  result<void> add(const log_entry& entry) {
    bytes_ += payload_bytes(entry.batch);
    group_.push_back(entry);
    ++entries_;
    return bytes_ < group_bytes && group_.size() < 1024 ? result<void>{} : flush();
  }
  result<void> flush(std::optional<replica_state> state = std::nullopt) {
    store_write item;
    item.partition = partition_;
    item.epoch = group_.empty() ? epoch{} : group_.back().version.epoch;
    item.previous = at_;
    if (state) item.change.emplace().state = *state;
    if (!group_.empty()) item.committed = group_.back().version.seq;
    item.entries = std::exchange(group_, {});
    bytes_ = 0;
    auto head = store_.head(partition_);
    if (head) item.epoch = std::max(item.epoch, head->epoch);
    auto stored = store_.write_one(std::move(item));
    if (!stored) return tl::unexpected<error>(stored.error());
    at_ = stored->version;
    return {};
  }
  uint64_t entries() const { return entries_; }

private:
  partition_store& store_;
  partition_id partition_;
  version at_;
  std::vector<log_entry> group_;
  size_t bytes_ = 0;
  uint64_t entries_ = 0;
};

/// oversize: the partition has more than `fold_max` bytes, nothing was done.
result<mass_restored> fold_and_store(const mass_storage& mass, partition_store& store,
                                     partition_id partition, copy_id copy,
                                     const std::atomic<bool>& stop, uint64_t fold_max) {
  folded_log folded(fold_max);
  auto fold = [&](const log_entry& entry) -> result<void> {
    if (stop) return fail(errc::cancelled);
    return folded.apply(entry);
  };
  version base;
  auto end = mass.read_log(partition, version{}, fold);
  if (!end && end.error().code == errc::gap) { // its beginning was trimmed, or has a hole
    auto point = mass.read_checkpoint(
        partition, [&] { return folded = folded_log(fold_max), result<void>{}; },
        [&](const std::vector<record_row>& rows) -> result<void> {
          if (stop) return fail(errc::cancelled);
          return folded.take(rows);
        },
        mass_storage::order::oldest_first);
    if (!point)
      return tl::unexpected<error>(point.error().code == errc::oversize ? point.error()
                                                                        : end.error());
    base = point->last;
    folded.history = until(point->history, base);
    end = mass.read_log(partition, base, fold);
    if (end) end->bytes_read += point->size_bytes;
  }
  if (!end) return tl::unexpected<error>(end.error());
  digest sum;
  for (const auto& [key, value] : folded.rows) sum.add(key, value);
  if (end->digest && *end->digest != sum)
    return fail(errc::checksum,
                to_string(partition) + ": the log's digest differs at " + to_string(end->version));
  chunk_writer out(store, partition, copy);
  if (auto begun = out.begin(); !begun) return tl::unexpected<error>(begun.error());
  std::vector<record_row> chunk;
  size_t chunk_bytes = 0;
  for (auto it = folded.rows.begin(); it != folded.rows.end();) {
    auto row = folded.rows.extract(it++);
    chunk_bytes += row.key().size() + row.mapped().size();
    chunk.push_back({bytes{std::move(row.key())}, bytes{std::move(row.mapped())}});
    if (chunk_bytes < group_bytes && it != folded.rows.end()) continue;
    if (stop) return fail(errc::cancelled);
    if (auto added = out.add(chunk); !added) return tl::unexpected<error>(added.error());
    chunk.clear();
    chunk_bytes = 0;
  }
  auto done = store.finish_copy(partition, copy, end->version, sum, folded.history,
                                replica_state::following);
  if (!done) return tl::unexpected<error>(done.error());
  return mass_restored{end->version, base, folded.entries, 0, end->bytes_read};
}

/// Appends what the log has after `at`, and compares digests at its end.
result<mass_restored> replay_tail(const mass_storage& mass, partition_store& store,
                                  partition_id partition, version at,
                                  const std::atomic<bool>& stop) {
  auto truth = mass.history(partition);
  if (epoch_of(at.seq, truth) != epoch{} && !on_history(at, truth))
    return fail(errc::diverged,
                to_string(partition) + ": the log does not contain " + to_string(at));
  tail_writer tail(store, partition, at);
  auto end = mass.read_log(partition, at, [&](const log_entry& entry) -> result<void> {
    if (stop) return fail(errc::cancelled);
    return tail.add(entry);
  });
  if (!end) return tl::unexpected<error>(end.error());
  if (auto flushed = tail.flush(); !flushed) return tl::unexpected<error>(flushed.error());
  auto head = store.head(partition);
  if (!head) return tl::unexpected<error>(head.error());
  if (end->digest && end->version == head->version && *end->digest != head->digest)
    return fail(errc::checksum,
                to_string(partition) + ": the log's digest differs at " + to_string(end->version));
  return mass_restored{end->version, at, tail.entries(), 0, end->bytes_read};
}

/// The last step of a replay: the copy is complete.
result<mass_restored> follow(partition_store& store, partition_id partition, mass_restored done) {
  tail_writer last(store, partition, done.version);
  if (auto stated = last.flush(replica_state::following); !stated)
    return tl::unexpected<error>(stated.error());
  return done;
}

/// Every entry of the log, one after the other, onto an empty copy.
result<mass_restored> log_from_nothing(const mass_storage& mass, partition_store& store,
                                       partition_id partition, copy_id copy,
                                       const std::atomic<bool>& stop) {
  chunk_writer out(store, partition, copy);
  if (auto begun = out.begin(); !begun) return tl::unexpected<error>(begun.error());
  auto base = store.finish_copy(partition, copy, version{}, digest{}, {}, replica_state::copying);
  if (!base) return tl::unexpected<error>(base.error());
  auto done = replay_tail(mass, store, partition, version{}, stop);
  return done ? follow(store, partition, *done) : done;
}

/// not_found: there is no checkpoint.
result<mass_restored> checkpoint_and_tail(const mass_storage& mass, partition_store& store,
                                          partition_id partition, copy_id copy,
                                          const std::atomic<bool>& stop,
                                          mass_storage::order which) {
  chunk_writer out(store, partition, copy);
  auto point = mass.read_checkpoint(
      partition, [&] { return out.begin(); },
      [&](const std::vector<record_row>& rows) -> result<void> {
        if (stop) return fail(errc::cancelled);
        return out.add(rows);
      },
      which);
  if (!point) return tl::unexpected<error>(point.error());
  auto base = store.finish_copy(partition, copy, point->last, digest::from_sums(point->digest),
                                until(point->history, point->last), replica_state::copying);
  if (!base) return tl::unexpected<error>(base.error());
  reach(crash_point::restore_rows_in);
  auto done = replay_tail(mass, store, partition, point->last, stop);
  if (!done) return done;
  done->rows = out.rows();
  done->bytes_read += point->size_bytes;
  return follow(store, partition, *done);
}

result<mass_restored> rebuild(const mass_storage& mass, partition_store& store,
                              partition_id partition, copy_id copy, const std::atomic<bool>& stop,
                              uint64_t fold_max) {
  auto folded = fold_and_store(mass, store, partition, copy, stop, fold_max);
  if (folded || folded.error().code != errc::oversize) return folded;
  auto replayed = log_from_nothing(mass, store, partition, copy, stop);
  if (replayed || replayed.error().code != errc::gap) return replayed;
  return checkpoint_and_tail(mass, store, partition, copy, stop, mass_storage::order::oldest_first);
}

} // namespace

result<mass_restored> replay_from_mass(const mass_storage& mass, partition_store& store,
                                       partition_id partition, copy_id copy,
                                       const std::atomic<bool>& stop) {
  auto head = store.head(partition);
  if (!head) return fail(errc::not_found, to_string(partition) + " is not here");
  bool complete =
      head->role == replica_role::copy
      && (head->state == replica_state::following || head->state == replica_state::detached);
  if (!complete || head->copy != copy)
    return fail(errc::conflict, to_string(partition) + " is " + std::string(name_of(head->role))
                                    + ", " + std::string(name_of(head->state)) + ", copy "
                                    + std::to_string(head->copy.value));
  return replay_tail(mass, store, partition, head->version, stop);
}

result<mass_restored> restore_from_mass(const mass_storage& mass, partition_store& store,
                                        partition_id partition, copy_id copy, restore_method method,
                                        const std::atomic<bool>& stop, uint64_t fold_max) {
  if (method == restore_method::pull)
    return fail(errc::invalid_argument, "pull is no method of mass storage");
  if (method == restore_method::checkpoint_tail) {
    auto done =
        checkpoint_and_tail(mass, store, partition, copy, stop, mass_storage::order::newest_first);
    if (done || done.error().code != errc::not_found) return done;
  }
  return rebuild(mass, store, partition, copy, stop, fold_max);
}

} // namespace harbinger
