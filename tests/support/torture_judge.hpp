#pragma once

/// What the clients of a tortured cluster noted, and what can be said of it without looking into
/// the cluster. Every rule answers with its complaints in words; none is well.

#include <map>
#include <string>
#include <vector>

#include "core/version.hpp"
#include "messages/data.hpp"
#include "store/partition_head.hpp"
#include "tests/support/history_checker.hpp"

namespace harbinger::torture {

/// A version that a client was told.
struct told_version {
  partition_id partition;
  harbinger::version version;
  int64_t asked = 0, answered = 0;
  bool write = false;
  std::string what; ///< for people; of a write: different for each
};

/// An acknowledged write.
struct acknowledged {
  partition_id partition;
  harbinger::version version;
  record_op op;
};

/// A counter that several clients raise by one with compare-and-set.
struct raised {
  uint64_t acknowledged = 0;
  uint64_t unknown = 0; ///< outcomes that the client could not learn
};

/// What one client did. Not thread-safe: each has its own.
struct record {
  std::map<std::string, std::vector<sim::operation>> history; ///< by key
  std::vector<told_version> versions;
  std::vector<acknowledged> writes;
  std::map<std::string, raised> counters;   ///< by key
  std::map<std::string, uint64_t> failures; ///< by reason

  void add(const record& other) {
    for (const auto& [key, ops] : other.history)
      history[key].insert(history[key].end(), ops.begin(), ops.end());
    versions.insert(versions.end(), other.versions.begin(), other.versions.end());
    writes.insert(writes.end(), other.writes.begin(), other.writes.end());
    for (const auto& [key, count] : other.counters) {
      counters[key].acknowledged += count.acknowledged;
      counters[key].unknown += count.unknown;
    }
    for (const auto& [why, count] : other.failures) failures[why] += count;
  }
};

inline std::string text_of(const sim::register_value& value) { return value ? *value : "nothing"; }

/// P1, P2: no two acknowledged writes share a version, and none is told a version that is not
/// beyond every version told before it was asked; nor does a read see an older state.
inline std::vector<std::string> judge_versions(const std::vector<told_version>& all) {
  std::map<partition_id, std::vector<const told_version*>> by_partition;
  for (const auto& v : all) by_partition[v.partition].push_back(&v);
  std::vector<std::string> out;
  for (auto& [partition, told] : by_partition) {
    auto place = [&, id = partition](const told_version& v) {
      return v.what + " at " + to_string(id) + " " + to_string(v.version);
    };
    std::map<uint64_t, const told_version*> writes;
    for (const auto* v : told)
      if (v->write)
        if (auto [it, first] = writes.emplace(v->version.seq.value, v); !first)
          out.push_back(place(*v) + ": the same place as " + place(*it->second));
    auto answered = told;
    auto by = [](auto member) {
      return [member](const told_version* a, const told_version* b) {
        return a->*member < b->*member;
      };
    };
    std::sort(told.begin(), told.end(), by(&told_version::asked));
    std::sort(answered.begin(), answered.end(), by(&told_version::answered));
    const told_version* newest = nullptr;
    auto next = answered.begin();
    for (const auto* v : told) {
      for (; next != answered.end() && (*next)->answered < v->asked; ++next)
        if (!newest || newest->version < (*next)->version) newest = *next;
      if (!newest) continue;
      bool older = v->version < newest->version || v->version.seq < newest->version.seq;
      if (older || (v->write && v->version.seq == newest->version.seq))
        out.push_back(place(*v) + ": asked for when " + place(*newest) + " was answered");
    }
  }
  return out;
}

/// Each key was a register.
inline std::vector<std::string>
judge_histories(const std::map<std::string, std::vector<sim::operation>>& histories) {
  std::vector<std::string> out;
  for (const auto& [key, ops] : histories) {
    auto verdict = sim::check_history(ops);
    if (verdict == sim::history_verdict::linearizable) continue;
    bool gave_up = verdict == sim::history_verdict::undecided;
    out.push_back(key + (gave_up ? ": undecided" : ": not linearizable") + ", "
                  + std::to_string(ops.size()) + " operations");
  }
  return out;
}

/// No increment is lost, none counted twice. `found`: the values at the end.
inline std::vector<std::string> judge_counters(const std::map<std::string, raised>& counters,
                                               const std::map<std::string, uint64_t>& found) {
  std::vector<std::string> out;
  for (const auto& [key, count] : counters) {
    auto it = found.find(key);
    auto value = it == found.end() ? 0 : it->second;
    if (value < count.acknowledged || value > count.acknowledged + count.unknown)
      out.push_back(key + " is " + std::to_string(value) + " after "
                    + std::to_string(count.acknowledged) + " acknowledged increments and "
                    + std::to_string(count.unknown) + " of unknown outcome");
  }
  return out;
}

/// P2: every acknowledged write is on the history of its partition. A history tells the newest 64
/// epochs only; what is older is not judged.
inline std::vector<std::string>
judge_history(const std::vector<acknowledged>& writes,
              const std::map<partition_id, epoch_history>& histories) {
  std::vector<std::string> out;
  for (const auto& w : writes) {
    auto it = histories.find(w.partition);
    if (it == histories.end() || it->second.empty() || w.version.seq < it->second.front().first_seq)
      continue;
    auto owner = epoch_at(it->second, w.version.seq);
    if (owner != w.version.epoch)
      out.push_back(w.op.key.data + " was acknowledged at " + to_string(w.partition) + " "
                    + to_string(w.version) + ", which is epoch " + std::to_string(owner.value)
                    + "'s");
  }
  return out;
}

} // namespace harbinger::torture
