#pragma once

/// Between examples and the report of how they were judged: what `harbinger evaluate` does alike
/// for machines it makes itself and for a model that is given.

#include <string>
#include <vector>

#include "history/history.hpp"
#include "predict/dealing.hpp"
#include "predict/examples.hpp"
#include "predict/report.hpp"

namespace harbinger::predict {

/// Rows to be judged, and which examples they are.
struct judged_examples {
  judged_rows rows;
  std::vector<size_t> example; ///< parallel to rows.rows
  judged_examples() = default;
  /// None yet, of these machines.
  judged_examples(const history& from, const dealing& d);
  /// The outcome within the horizon must be known.
  void add(const examples& of, size_t i, int64_t horizon_ms, double probability, double score);
};

/// History, source and counts.
std::vector<report_field> data_fields(const history& from, const examples& rows);

/// Area under ROC of "will be at fault" on rows before the note came to the row's fleet: what is
/// much above 0.5 there knows the machine, not the fault.
named_figure innocent_figure(const history& from, const examples& rows, const judged_examples& of,
                             const std::string& note);

/// The worst misses and false alarms of `out.judged`, with the course of a feature each of the
/// metrics that `out.importances` names first.
void add_cases(const history& from, const examples& rows, const judged_rows& given,
               report_model& out);

} // namespace harbinger::predict
