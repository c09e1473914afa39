#pragma once

/// What everybody did to every partition, as an observer sees it who is everywhere at once; knows
/// the true history and says at once when a promise breaks (docs/TESTING.md, P1 to P5).

#include <map>
#include <set>

#include "messages/catalog.hpp"
#include "store/partition_head.hpp"
#include "tests/support/memory_shard.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/support/sim_engine.hpp"
#include "versions/fork_point.hpp"

namespace harbinger::sim {

inline std::string at(partition_id partition, const version& v) {
  return "partition " + to_string(partition) + " at " + to_string(v);
}

class ledger {
public:
  /// Entries became durable in a log. `committed`: by a primary, which commits last.
  void wrote(const node_id& node, const std::vector<log_entry>& entries, const partition_head& h) {
    auto& p = partitions_[h.partition];
    for (const auto& e : entries) {
      auto [known, fresh] = p.entries.emplace(e.version, e);
      require(known->second == e, "P1: two batches are " + at(h.partition, e.version)
                                      + ", the second on " + node.value);
    }
    same_state(p, node, h);
  }
  /// A primary commits on its own: only one may do so in an epoch.
  void committed(const node_id& node, partition_id partition, epoch e) {
    auto [who, fresh] = partitions_[partition].committer.emplace(e, node);
    require(who->second == node, "P1: " + who->second.value + " and " + node.value
                                     + " both commit in epoch " + std::to_string(e.value)
                                     + " of partition " + to_string(partition));
  }
  /// A replica that calls itself complete: at one version there is one state (P3).
  void complete(const node_id& node, const partition_head& h) {
    if (h.state == replica_state::following || h.state == replica_state::detached)
      same_state(partitions_[h.partition], node, h);
  }
  void acknowledged(partition_id partition, const version& v) {
    auto& p = partitions_[partition];
    ++acknowledged_;
    require(p.entries.contains(v), "P2: acknowledged and nowhere durable: " + at(partition, v));
    if (p.excused) return;
    p.acknowledged.insert(v);
    require(on_truth(partition, v),
            "P2: acknowledged after its epoch was over: " + at(partition, v));
  }

  /// One who watches the partition, and goes on wherever somebody calls itself primary: `read` is
  /// that one's answer to who has everything up to a version. Nothing may be told that is not, or
  /// will not stay, in the true history; close() says whether anything was left out.
  template <class Read>
  void watch(partition_id partition, Read read) {
    auto& p = partitions_[partition];
    if (p.excused || p.watched_over) return;
    auto reply = read(p.watched);
    if (!reply) {
      auto code = reply.error().code;
      require(code == errc::unavailable || code == errc::log_trimmed,
              "watching: " + to_string(reply.error()));
      p.watched_over |= code == errc::log_trimmed;
      return;
    }
    for (const auto& change : reply->changes) {
      require(on_truth(partition, change.version),
              "P2: told to watchers after its epoch was over: " + at(partition, change.version));
      p.told.push_back(change.version);
      p.acknowledged.insert(change.version); // it must stay
    }
    p.watched = reply->next;
    told_ += reply->changes.size();
  }

  /// The catalog has this row now. `answers`: what sealed members said to the centre that decided.
  void row_changed(const partition_row& row, const std::map<node_id, version>& answers) {
    auto& p = partitions_[row.id];
    if (row.history.empty() || (!p.truth.empty() && row.history.back() == p.truth.back())) return;
    p.truth.push_back(row.history.back());
    ++promotions_;
    auto first = row.history.back().first_seq;
    if (auto winner = answers.find(row.primary); winner != answers.end())
      for (const auto& [node, v] : answers)
        require(v <= winner->second, "P5: " + node.value + " was reachable at " + to_string(v)
                                         + ", chosen was " + row.primary.value + " at "
                                         + to_string(winner->second));
    if (p.excused || p.acknowledged.empty()) return;
    auto newest = *p.acknowledged.rbegin(); // of all; they lie on one line
    require(newest.seq < first, "P2: acknowledged and lost by the change of primary to "
                                    + row.primary.value + ": " + at(row.id, newest));
  }
  /// From now on the loss of this partition is nobody's fault: no sync member's disk is left.
  void excuse(partition_id partition) { partitions_[partition].excused = true; }
  bool excused(partition_id partition) const {
    auto it = partitions_.find(partition);
    return it != partitions_.end() && it->second.excused;
  }
  /// Its disk is gone, with everything that was only there.
  void wiped(const memory_store& disk) {
    for (const auto& head : disk.heads())
      for (const auto& [v, e] : disk.shard(head.partition)->log)
        partitions_[head.partition].gone.insert(v);
    for (const auto& [key, e] : disk.journal()) partitions_[key.first].gone.insert(key.second);
  }

  bool on_truth(partition_id partition, const version& v) const {
    auto it = partitions_.find(partition);
    return it != partitions_.end() && on_history(v, it->second.truth);
  }
  /// The value of a key in the state after `v`; entries of the true history only.
  struct change {
    seq_no seq;
    std::optional<std::string> value;
  };
  using timeline = std::map<std::string, std::vector<change>>;
  timeline changes(partition_id partition) const {
    timeline out;
    std::map<std::string, std::string> rows;
    partition_head unused;
    for (const auto& [seq, e] : true_log(partition)) {
      auto before = rows;
      apply_entry(*e, rows, unused);
      for (const auto& [key, value] : rows)
        if (auto old = before.find(key); old == before.end() || old->second != value)
          out[key].push_back({seq, value});
      for (const auto& [key, value] : before)
        if (!rows.contains(key)) out[key].push_back({seq, std::nullopt});
    }
    return out;
  }

  /// At the end: the disks of all nodes, and the newest version of the primary.
  void close(partition_id partition, const version& head, const digest& sum,
             const std::vector<const memory_store*>& disks) const {
    auto it = partitions_.find(partition);
    if (it == partitions_.end()) return;
    const auto& p = it->second;
    if (p.excused) return;
    auto log = true_log(partition);
    std::map<std::string, std::string> rows;
    partition_head folded;
    std::vector<version> effective;
    for (const auto& [seq, e] : log) {
      if (seq > head.seq) break;
      auto effect = apply_entry(*e, rows, folded);
      if (!effect->outcome.idle() && seq <= p.watched.seq) effective.push_back(e->version);
    }
    require(p.told == effective, "watchers were not told each change of partition "
                                     + to_string(partition)
                                     + " once and in order: " + std::to_string(p.told.size())
                                     + " instead of " + std::to_string(effective.size()));
    require(folded.digest == sum,
            "P3: the primary is not the sum of the true history, " + at(partition, head));
    for (const auto& v : p.acknowledged)
      require(on_history(v, p.truth) && v.seq <= head.seq,
              "P2: acknowledged and lost: " + at(partition, v));
    for (const auto& [v, e] : p.entries) {
      if ((on_history(v, p.truth) && v.seq <= head.seq) || p.gone.contains(v)) continue;
      bool kept = std::any_of(disks.begin(), disks.end(), [&](const memory_store* disk) {
        auto shard = disk->shard(partition);
        return disk->journal().contains({partition, v}) || (shard && shard->log.contains(v));
      });
      require(kept, "P4: durable once, not in the true history and in no conflict journal: "
                        + at(partition, v));
    }
  }

  uint64_t acknowledged_count() const { return acknowledged_; }
  uint64_t promotions() const { return promotions_; }
  /// What the centre did before a node in a zone failed.
  void note_evacuation(bool handed_over, bool left) {
    handed_over_ += handed_over;
    left_ += left;
  }
  uint64_t handed_over() const { return handed_over_; }
  uint64_t left() const { return left_; }
  uint64_t told_count() const { return told_; } ///< changes, to watchers

private:
  struct partition {
    std::map<version, log_entry> entries; ///< everything that was ever durable in a log
    std::map<version, uint64_t> state;    ///< digest of the records at each version
    std::map<epoch, node_id> committer;
    epoch_history truth; ///< all of it; rows keep the newest 64 epochs
    std::set<version> acknowledged;
    std::set<version> gone; ///< were on a disk that is gone
    bool excused = false;
    version watched; ///< up to where the watcher is
    std::vector<version> told;
    bool watched_over = false; ///< the log did not reach back to where it was
  };

  static void same_state(partition& p, const node_id& node, const partition_head& h) {
    auto [known, fresh] = p.state.emplace(h.version, h.digest.total());
    require(known->second == h.digest.total(),
            "P3: two states are " + at(h.partition, h.version) + ", one of them on " + node.value);
  }
  /// By sequence number; up to the first hole.
  std::vector<std::pair<seq_no, const log_entry*>> true_log(partition_id partition) const {
    std::vector<std::pair<seq_no, const log_entry*>> out;
    auto it = partitions_.find(partition);
    if (it == partitions_.end()) return out;
    const auto& p = it->second;
    for (uint64_t seq = 1;; ++seq) {
      auto e = p.entries.find({epoch_of(seq_no{seq}, p.truth), seq_no{seq}});
      if (e == p.entries.end()) return out;
      out.emplace_back(seq_no{seq}, &e->second);
    }
  }

  std::map<partition_id, partition> partitions_;
  uint64_t acknowledged_ = 0, promotions_ = 0, told_ = 0, handed_over_ = 0, left_ = 0;
};

} // namespace harbinger::sim
