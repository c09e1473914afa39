#pragma once

/// What an evaluation has to say, as one value: made into a page (report_html.hpp), a document for
/// programs and a table for the terminal. Equal reports give equal bytes.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "predict/judgement.hpp"

namespace harbinger::predict {

/// At most so much of each is shown; the rest is dropped, and the page says how much.
constexpr size_t report_cases_max = 10;   ///< misses, and false alarms, of a model
constexpr size_t report_traces_max = 6;   ///< of a case
constexpr size_t report_points_max = 300; ///< of a trace: more are thinned to extremes
constexpr size_t report_importances_max = 25;
constexpr size_t report_lead_times_max = 5000; ///< in the JSON document, evenly thinned

/// Values over time, ascending; NaN: not measured.
struct report_series {
  std::string name;
  std::string unit;
  std::vector<std::pair<int64_t, double>> points; ///< milliseconds of the history, value
};
/// One machine where the model went wrong.
struct report_case {
  judged_machine machine;
  bool failed = false; ///< a miss: `at_ms` is the failure; else a false alarm that began then
  int64_t at_ms = 0;
  double peak_probability = 0;
  report_series probability;
  std::vector<report_series> traces; ///< features, those that mattered first
};
struct report_importance {
  std::string feature;
  double value = 0; ///< in the model's own unit; only the ratio is shown
};
struct report_model {
  std::string name;
  bool chosen = false;
  std::string why; ///< why chosen or not, in words
  judgement judged;
  std::vector<named_figure> more; ///< further figures, e.g. ROC-AUC before any fault
  std::vector<report_importance> importances;
  std::vector<report_case> misses, false_alarms;
};
struct report_field {
  std::string label, value;
};
struct report {
  std::string title;
  std::vector<report_field> data;  ///< what was judged: source, machines, span ...
  std::vector<report_field> split; ///< how rows were dealt
  std::vector<std::string> notes;
  std::vector<report_model> models;
  std::string command_line;
  uint64_t seed = 0;
  std::string version;   ///< of Harbinger
  bool unix_time = true; ///< else times are told as days since the history's origin
};

/// The judgement's worst misses and false alarms with the probability around them; the caller adds
/// the traces. `given` is what was judged.
std::vector<report_case> worst_misses(const judged_rows& given, const judgement& j,
                                      size_t count = report_cases_max);
std::vector<report_case> worst_false_alarms(const judged_rows& given, const judgement& j,
                                            size_t count = report_cases_max);
/// What a case shows: from four horizons before it to the failure, or to two horizons after the
/// beginning of the false alarm.
std::pair<int64_t, int64_t> shown_span(const report_case& c, int64_t horizon_ms);
/// At most report_points_max points: of each stretch the lowest and the highest, and a NaN where
/// all are.
std::vector<std::pair<int64_t, double>>
thinned(const std::vector<std::pair<int64_t, double>>& points);

/// "2016-01-02 03:04" (UTC), or "day 12.3".
std::string time_text(int64_t time_ms, bool unix_time);

/// The page's content for programs; NaN is null. An object, indented by one.
std::string report_json(const report& r);
/// Figures down, models across; lines end in '\n'.
std::string report_text(const report& r);

} // namespace harbinger::predict
