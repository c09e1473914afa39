#include "versions/fork_point.hpp"

#include <algorithm>
#include <limits>

namespace harbinger {

namespace {

/// The last sequence number that epoch number `i` of the history can have.
uint64_t last_seq(const epoch_history& history, size_t i, uint64_t open_end) {
  if (i + 1 >= history.size()) return open_end;
  auto next = history[i + 1].first_seq.value;
  return next > 0 ? next - 1 : 0;
}

constexpr auto endless = std::numeric_limits<uint64_t>::max();

} // namespace

bool on_history(const version& v, const epoch_history& truth) {
  if (v == version{}) return true;
  for (size_t i = 0; i < truth.size(); ++i)
    if (truth[i].epoch == v.epoch)
      return truth[i].first_seq <= v.seq && v.seq.value <= last_seq(truth, i, endless);
  return false;
}

std::optional<version> fork_point(const version& head, const epoch_history& own,
                                  const epoch_history& truth) {
  if (head == version{}) return version{};
  epoch_history mine = own;
  // An epoch that this log only knows by name has no entry in it.
  std::erase_if(
      mine, [&](const epoch_start& e) { return e.first_seq > head.seq || e.epoch > head.epoch; });
  if (mine.empty()) mine.push_back({head.epoch, seq_no{1}});
  for (size_t i = mine.size(); i-- > 0;) {
    auto found = std::find_if(truth.begin(), truth.end(),
                              [&](const epoch_start& e) { return e.epoch == mine[i].epoch; });
    if (found == truth.end()) continue;
    auto at = static_cast<size_t>(found - truth.begin());
    auto end = std::min(last_seq(mine, i, head.seq.value), last_seq(truth, at, endless));
    if (end >= std::max(mine[i].first_seq.value, found->first_seq.value))
      return version{mine[i].epoch, seq_no{end}};
  }
  bool reaches_back = !truth.empty() && truth.front().first_seq.value <= 1;
  if (reaches_back) return version{};
  return std::nullopt;
}

epoch epoch_of(seq_no seq, const epoch_history& truth) {
  epoch found{};
  for (const auto& start : truth)
    if (start.first_seq <= seq) found = start.epoch;
  return found;
}

} // namespace harbinger
