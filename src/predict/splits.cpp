#include "predict/splits.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "core/digest.hpp"
#include "core/ensure.hpp"

namespace harbinger::predict {
namespace {

bool sensible(split_shares s) {
  return s.validation >= 0 && s.test >= 0 && s.validation + s.test < 1; // false for NaN
}
tl::unexpected<error> bad_shares() {
  return fail(errc::invalid_argument,
              "shares of validation and test must be at least 0 and leave some for training");
}

uint64_t hash_of(std::string_view machine, uint64_t seed) {
  std::string text = std::to_string(seed);
  return checksum64(text.append("/").append(machine));
}

/// A horizon that would reach beyond the end of time reaches over every cut.
bool reaches(int64_t time_ms, int64_t horizon_ms, int64_t cut_ms) {
  return time_ms >= cut_ms || horizon_ms > cut_ms - time_ms;
}

part part_in_time(int64_t time_ms, time_cuts cuts, int64_t horizon_ms) {
  if (time_ms >= cuts.test_from_ms) return part::test;
  if (time_ms >= cuts.validation_from_ms)
    return reaches(time_ms, horizon_ms, cuts.test_from_ms) ? part::left_out : part::validation;
  return reaches(time_ms, horizon_ms, cuts.validation_from_ms) ? part::left_out : part::train;
}

/// Machines of each group, both by name.
result<std::map<std::string_view, std::set<std::string_view>>>
machines_by_group(std::span<const split_row> rows) {
  std::map<std::string_view, std::set<std::string_view>> out;
  std::unordered_map<std::string_view, std::string_view> group_of;
  for (const auto& r : rows) {
    auto [known, fresh] = group_of.emplace(r.machine, r.group);
    if (known->second != r.group)
      return fail(errc::invalid_argument, "machine " + std::string(r.machine) + " is in group "
                                              + std::string(known->second) + " and in "
                                              + std::string(r.group));
    if (fresh) out[r.group].insert(r.machine);
  }
  return out;
}

/// The machines that validate: those with the smallest hashes.
std::unordered_set<std::string_view> first_by_hash(const std::vector<std::string_view>& machines,
                                                   double share, uint64_t seed) {
  std::vector<std::pair<uint64_t, std::string_view>> order;
  for (auto m : machines) order.emplace_back(hash_of(m, seed), m);
  std::sort(order.begin(), order.end());
  auto wanted = std::max(1.0, std::round(share * static_cast<double>(machines.size())));
  order.resize(std::min(order.size(), static_cast<size_t>(wanted)));
  std::unordered_set<std::string_view> out;
  for (const auto& [hash, name] : order) out.insert(name);
  return out;
}

} // namespace

result<time_cuts> cuts_by_share(std::span<const split_row> rows, split_shares shares) {
  if (!sensible(shares)) return bad_shares();
  if (rows.empty()) return fail(errc::invalid_argument, "no rows to split");
  std::vector<int64_t> times(rows.size());
  std::transform(rows.begin(), rows.end(), times.begin(), [](const auto& r) { return r.time_ms; });
  auto quantile = [&](double q) {
    auto at =
        std::min(times.size() - 1, static_cast<size_t>(q * static_cast<double>(times.size())));
    std::nth_element(times.begin(), times.begin() + static_cast<ptrdiff_t>(at), times.end());
    return times[at];
  };
  time_cuts out{quantile(1 - shares.validation - shares.test), quantile(1 - shares.test)};
  if (shares.test == 0) out.test_from_ms = std::numeric_limits<int64_t>::max();
  if (shares.validation == 0) out.validation_from_ms = out.test_from_ms;
  auto first = *std::min_element(times.begin(), times.end());
  if (out.validation_from_ms <= first
      || (shares.validation > 0 && out.test_from_ms <= out.validation_from_ms))
    return fail(errc::invalid_argument, "the rows' times are too alike to be cut into parts");
  return out;
}

result<std::vector<part>> split_by_time(std::span<const split_row> rows, time_cuts cuts,
                                        int64_t horizon_ms) {
  if (horizon_ms < 0) return fail(errc::invalid_argument, "a negative horizon");
  if (cuts.test_from_ms < cuts.validation_from_ms)
    return fail(errc::invalid_argument, "the test would begin before the validation");
  std::vector<part> out(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) out[i] = part_in_time(rows[i].time_ms, cuts, horizon_ms);
  return out;
}

part side_of(std::string_view machine, split_shares shares, uint64_t seed) {
  double at = static_cast<double>(hash_of(machine, seed) >> 11) * 0x1p-53; // [0, 1)
  if (at < shares.test) return part::test;
  return at < shares.test + shares.validation ? part::validation : part::train;
}

result<std::vector<part>> split_by_machine(std::span<const split_row> rows, split_shares shares,
                                           uint64_t seed) {
  if (!sensible(shares)) return bad_shares();
  std::unordered_map<std::string_view, part> sides;
  std::vector<part> out(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    auto [known, fresh] = sides.try_emplace(rows[i].machine);
    if (fresh) known->second = side_of(rows[i].machine, shares, seed);
    out[i] = known->second;
  }
  return out;
}

result<std::vector<part>> split_by_time_and_machine(std::span<const split_row> rows, time_cuts cuts,
                                                    int64_t horizon_ms, split_shares machines,
                                                    uint64_t seed) {
  auto out = split_by_time(rows, cuts, horizon_ms);
  if (!out) return out;
  auto sides = split_by_machine(rows, machines, seed);
  if (!sides) return sides;
  for (size_t i = 0; i < rows.size(); ++i) {
    part in_time = (*out)[i], side = (*sides)[i];
    bool borrowed = machines.validation == 0 && in_time == part::validation && side == part::train;
    if (in_time != side && !borrowed) (*out)[i] = part::left_out;
  }
  return out;
}

result<std::vector<group_fold>> leave_one_group_out(std::span<const split_row> rows,
                                                    double validation_share, uint64_t seed) {
  if (!sensible({validation_share, 0})) return bad_shares();
  auto groups = machines_by_group(rows);
  if (!groups) return tl::make_unexpected(groups.error());
  if (groups->size() < 2)
    return fail(errc::invalid_argument, "leaving one group out needs two groups or more");
  if (groups->size() > group_folds_max)
    return fail(errc::oversize, std::to_string(groups->size()) + " groups; at most "
                                    + std::to_string(group_folds_max));
  std::vector<group_fold> out;
  for (const auto& [held, unused] : *groups) {
    std::vector<std::string_view> others;
    for (const auto& [name, machines] : *groups)
      if (name != held) others.insert(others.end(), machines.begin(), machines.end());
    auto validating = first_by_hash(others, validation_share, seed);
    if (validating.size() == others.size())
      return fail(errc::invalid_argument,
                  "without group " + std::string(held) + " there is no machine left to train on");
    group_fold fold{std::string(held), std::vector<part>(rows.size(), part::train)};
    for (size_t i = 0; i < rows.size(); ++i)
      if (rows[i].group == held)
        fold.parts[i] = part::test;
      else if (validating.contains(rows[i].machine))
        fold.parts[i] = part::validation;
    out.push_back(std::move(fold));
  }
  return out;
}

std::array<part_summary, 4> summarize(std::span<const split_row> rows,
                                      std::span<const part> parts) {
  ENSURE(rows.size() == parts.size());
  std::array<part_summary, 4> out;
  std::array<std::unordered_set<std::string_view>, 4> machines;
  for (size_t i = 0; i < rows.size(); ++i) {
    auto p = static_cast<size_t>(parts[i]);
    ++out[p].rows;
    machines[p].insert(rows[i].machine);
    out[p].first_ms = std::min(out[p].first_ms, rows[i].time_ms);
    out[p].last_ms = std::max(out[p].last_ms, rows[i].time_ms);
  }
  for (size_t p = 0; p < out.size(); ++p) out[p].machines = machines[p].size();
  return out;
}

} // namespace harbinger::predict
