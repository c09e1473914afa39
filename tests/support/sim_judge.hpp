#pragma once

/// What clients saw against the true history: every value at the version that came with it, and
/// each key as one register (history_checker.hpp).

#include "tests/support/sim_client.hpp"

namespace harbinger::sim {

inline std::string text_of(const register_value& value) { return value ? *value : "nothing"; }

/// The value of a key after `seq`.
inline register_value value_at(const std::vector<ledger::change>& changes, seq_no seq) {
  register_value found;
  for (const auto& c : changes) {
    if (c.seq > seq) break;
    found = c.value;
  }
  return found;
}

inline void judge_versions(const ledger& book, const record_book& record) {
  std::map<partition_id, ledger::timeline> truth;
  auto of = [&](partition_id partition) -> const ledger::timeline& {
    auto it = truth.find(partition);
    if (it == truth.end()) it = truth.emplace(partition, book.changes(partition)).first;
    return it->second;
  };
  auto value_of = [&](partition_id partition, const std::string& key, seq_no seq) {
    auto changes = of(partition).find(key);
    return changes == of(partition).end() ? register_value{} : value_at(changes->second, seq);
  };
  for (const auto& s : record.versions) {
    if (book.excused(s.partition)) continue;
    auto what = s.write ? "written" : "read";
    require(book.on_truth(s.partition, s.version), std::string("P2: ") + what
                                                       + " at a version that was taken back, "
                                                       + at(s.partition, s.version));
    auto value = value_of(s.partition, s.key, s.version.seq);
    require(value == s.value, s.key + " was " + what + " as " + text_of(s.value) + ", but is "
                                  + text_of(value) + " in " + at(s.partition, s.version));
  }
  for (const auto& s : record.scans) {
    if (book.excused(s.partition)) continue;
    std::map<std::string, std::string> rows;
    for (const auto& row : s.rows) rows[row.key.data] = row.value.data;
    for (const auto& [key, changes] : of(s.partition)) {
      auto value = value_at(changes, s.version.seq);
      auto row = rows.find(key);
      auto found = row == rows.end() ? register_value{} : register_value(row->second);
      require(found == value, "a scan is no state: " + key + " as " + text_of(found)
                                  + " instead of " + text_of(value) + " in "
                                  + at(s.partition, s.version));
    }
  }
}

inline void judge_what_clients_saw(const ledger& book, const record_book& record) {
  judge_versions(book, record);
  for (const auto& [key, history] : record.history) {
    if (book.excused(key.first)) continue;
    auto verdict = check_history(history);
    auto name = key.second + " of partition " + to_string(key.first);
    require(verdict != history_verdict::not_linearizable, "not linearizable: " + name);
    require(verdict == history_verdict::linearizable, "the checker gave up: " + name);
  }
}

} // namespace harbinger::sim
