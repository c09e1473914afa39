#pragma once

/// Was the history of one key that of a register that one client after the other used?
///
/// Method: the search of Wing and Gong ("Testing and Verifying Concurrent Objects", JPDC 1993) with
/// Lowe's memory of states that led nowhere ("Testing for linearizability", CCPE 2017), as in
/// Porcupine. Linearizability is local (Herlihy and Wing 1990): each key is judged by itself.
/// Writes without an answer may have taken effect at any time after they were asked for, or never.
/// One whose value nobody read can be left out (it may have come last, and values are unique); one
/// whose value was read took effect before the first such read ended.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

namespace harbinger::sim {

using register_value = std::optional<std::string>; ///< nothing: there is no such key

/// One operation of one client on one key. Another kind needs a line in `took`.
struct operation {
  enum class kind : uint8_t {
    read,
    write,
    swap,   ///< a compare-and-set that found `expected`, or that has no answer
    refused ///< one that did not find it
  } what = kind::read;
  /// read: what was found; write, swap: what is to be there (nothing: erased; not of a swap)
  register_value value;
  int64_t asked = 0;          ///< any unit of time
  int64_t answered = forever; ///< `forever`: no answer; a read without an answer is not listed
  register_value expected{};  ///< of swap and refused
  static constexpr int64_t forever = std::numeric_limits<int64_t>::max();
};

/// The state after an operation, or nothing when it can not have answered so in that state.
inline std::optional<register_value> took(const operation& op, const register_value& state) {
  switch (op.what) {
  case operation::kind::write: return op.value;
  case operation::kind::read: break;
  case operation::kind::swap:
    if (op.expected == state) return op.value;
    return std::nullopt;
  case operation::kind::refused:
    if (op.expected != state) return state;
    return std::nullopt;
  }
  if (op.value == state) return state;
  return std::nullopt;
}

enum class history_verdict : uint8_t { linearizable, not_linearizable, undecided };

namespace history_detail {

inline std::vector<operation> settled(const std::vector<operation>& all) {
  std::map<std::string, int64_t> first_read; // value -> end of the first read that found it
  auto found = [&](const register_value& value, int64_t when) {
    if (!value) return;
    auto& end = first_read.try_emplace(*value, when).first->second;
    end = std::min(end, when);
  };
  for (const auto& op : all) {
    if (op.what == operation::kind::read) found(op.value, op.answered);
    if (op.what == operation::kind::swap) found(op.expected, op.answered);
  }
  bool refusals = std::any_of(all.begin(), all.end(), [](const operation& op) {
    return op.what == operation::kind::refused;
  }); // which may be owed to a value that nobody read
  std::vector<operation> out;
  for (auto op : all) {
    bool writes = op.what == operation::kind::write || op.what == operation::kind::swap;
    if (writes && op.value && op.answered == operation::forever) {
      auto seen = first_read.find(*op.value);
      if (seen != first_read.end())
        op.answered = seen->second;
      else if (!refusals)
        continue;
    }
    out.push_back(std::move(op));
  }
  return out;
}

/// For each erase without an answer the one before it, else itself: one is as good as another, so
/// the earliest is taken first.
inline std::vector<size_t> erased_before(const std::vector<operation>& ops) {
  std::vector<size_t> out(ops.size()), pending;
  for (size_t i = 0; i < ops.size(); ++i) {
    out[i] = i;
    if (ops[i].what == operation::kind::write && !ops[i].value
        && ops[i].answered == operation::forever)
      pending.push_back(i);
  }
  std::stable_sort(pending.begin(), pending.end(),
                   [&](size_t a, size_t b) { return ops[a].asked < ops[b].asked; });
  for (size_t i = 1; i < pending.size(); ++i) out[pending[i]] = pending[i - 1];
  return out;
}

/// Which operations are done, and what they led to: a place in the search.
struct place {
  std::vector<uint64_t> done;
  register_value state;
  friend bool operator==(const place&, const place&) = default;
};
struct place_hash {
  size_t operator()(const place& p) const {
    uint64_t h = 1469598103934665603ull;
    for (auto word : p.done) h = (h ^ word) * 1099511628211ull;
    return h ^ std::hash<std::string>{}(p.state.value_or("\x01none"));
  }
};

/// The moments of a history in order of time, as a list from which operations are taken and put
/// back.
class moments {
public:
  struct moment {
    int64_t when;
    bool end;
    size_t op;
    size_t before = 0, after = 0;
  };
  explicit moments(const std::vector<operation>& ops) {
    list_.push_back({std::numeric_limits<int64_t>::min(), false, ops.size()});
    for (size_t i = 0; i < ops.size(); ++i) {
      list_.push_back({ops[i].asked, false, i});
      list_.push_back({ops[i].answered, true, i});
    }
    // What begins when another ends overlaps it.
    std::stable_sort(list_.begin() + 1, list_.end(), [](const moment& a, const moment& b) {
      return a.when != b.when ? a.when < b.when : a.end < b.end;
    });
    begin_of_.resize(ops.size() + 1);
    end_of_.resize(ops.size() + 1);
    for (size_t i = 0; i < list_.size(); ++i) {
      list_[i].before = i == 0 ? 0 : i - 1;
      list_[i].after = i + 1 == list_.size() ? 0 : i + 1;
      (list_[i].end ? end_of_ : begin_of_)[list_[i].op] = i;
    }
  }
  size_t first() const { return list_[0].after; } ///< 0: none is left
  size_t next(size_t i) const { return list_[i].after; }
  const moment& operator[](size_t i) const { return list_[i]; }
  size_t begin_of(size_t op) const { return begin_of_[op]; }
  void take(size_t op) {
    unlink(begin_of_[op]);
    unlink(end_of_[op]);
  }
  void put_back(size_t op) {
    link(end_of_[op]);
    link(begin_of_[op]);
  }

private:
  void unlink(size_t i) {
    list_[list_[i].before].after = list_[i].after;
    list_[list_[i].after].before = list_[i].before;
  }
  void link(size_t i) {
    list_[list_[i].before].after = i;
    list_[list_[i].after].before = i;
  }
  std::vector<moment> list_; // [0] is the anchor
  std::vector<size_t> begin_of_, end_of_;
};

} // namespace history_detail

/// `steps_max`: beyond it the search gives up.
inline history_verdict check_history(const std::vector<operation>& all,
                                     uint64_t steps_max = 5'000'000) {
  using namespace history_detail;
  auto ops = settled(all);
  moments line(ops);
  std::unordered_set<place, place_hash> seen;
  place here{std::vector<uint64_t>((ops.size() + 63) / 64), std::nullopt};
  std::vector<std::pair<size_t, register_value>> taken; // and the state before it
  auto earlier = erased_before(ops);
  auto in_turn = [&](size_t op) {
    auto before = earlier[op];
    return before == op || here.done[before / 64] >> (before % 64) & 1;
  };
  auto pending = [&](size_t i) { return line[i].when == operation::forever; };
  auto i = line.first();
  for (uint64_t steps = 0;; ++steps) {
    if (line.first() == 0 || (line[line.first()].end && pending(line.first())))
      return history_verdict::linearizable;
    if (steps >= steps_max) return history_verdict::undecided;
    if (i != 0 && !line[i].end) {
      auto op = line[i].op;
      if (auto state = took(ops[op], here.state); state && in_turn(op)) {
        auto there = here;
        there.done[op / 64] |= uint64_t{1} << (op % 64);
        there.state = *state;
        if (seen.insert(there).second) {
          taken.emplace_back(op, std::move(here.state));
          here = std::move(there);
          line.take(op);
          i = line.first();
          continue;
        }
      }
      i = line.next(i);
      continue;
    }
    // An answer is due that nothing explains, or the end of the list: take the last one back.
    if (i != 0 && pending(i)) return history_verdict::linearizable;
    if (taken.empty()) return history_verdict::not_linearizable;
    auto [op, state] = std::move(taken.back());
    taken.pop_back();
    here.done[op / 64] &= ~(uint64_t{1} << (op % 64));
    here.state = std::move(state);
    line.put_back(op);
    i = line.next(line.begin_of(op));
  }
}

} // namespace harbinger::sim
