#pragma once

/// Evaluations side by side: what `harbinger evaluate --json` said of several tasks, as one table.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "predict/judgement.hpp"

namespace harbinger {

/// One kind of machine on one task.
struct judged_kind {
  std::string task;
  std::string kind;
  bool chosen = false;                            ///< the kind that validation chose
  std::map<std::string, predict::figure> figures; ///< by the document's own names
  /// NaN throughout when the document has no such figure.
  predict::figure of(const std::string& figure) const;
};

/// The kinds in the document's order. malformed: no such document, or a kind without the figures
/// that the table needs.
result<std::vector<judged_kind>> read_judged(const std::string& task, std::string_view report_json);

/// {"columns", "rows"} for table.hpp: a row a kind. PR-AUC and Brier score stand beside what one
/// gets without a model, who always says the base rate. The last column is left out by table.hpp
/// where no task asked for a ranking before the fault.
std::string judged_table(const std::vector<judged_kind>& all);

} // namespace harbinger
