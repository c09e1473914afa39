#pragma once

/// `harbinger evaluate`: how well each kind of machine would have predicted the failures of a
/// history, on rows that had no part in its making.

#include <string>
#include <vector>

#include "history/history.hpp"
#include "predict/report.hpp"
#include "predict/row_options.hpp"
#include "predict/study.hpp"

namespace harbinger::predict {

enum class split_rule : uint8_t {
  time,              ///< train, then validation, then test, a horizon apart
  machines,          ///< each part has machines of its own
  time_and_machines, ///< the test is later and of other machines
  groups,            ///< each group in turn is the test; all tests together are judged
};
constexpr auto enum_names(split_rule) {
  return std::array{"time", "machines", "time_and_machines", "groups"};
}

struct evaluation_options {
  study_options study;
  std::vector<double> windows_s; ///< empty: a quarter of the horizon, the horizon, seven horizons
  row_options rows;              ///< every_ms 0: the horizon
  split_rule split = split_rule::time;
  split_shares shares;
  /// Rows before this note of a machine's fleet, if given, are also ranked by whether the machine
  /// will be at fault: what is much above 0.5 there knows the machine, not the fault.
  std::string innocent_before;
  std::string command_line; ///< for the report
};

/// The kinds in their order, the one that choose_kind takes marked as chosen. invalid_argument with
/// the reason when the history has too little of something; a kind that can not be learned is left
/// out and a note says why.
result<report> evaluate_history(const history& from, const evaluation_options& options,
                                const study_progress& tell = {});

} // namespace harbinger::predict
