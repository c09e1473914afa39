#include "predict/model_evaluation.hpp"

#include <algorithm>
#include <set>
#include <span>

#include <nlohmann/json.hpp>

#include "core/listed.hpp"
#include "history/time_text.hpp"
#include "predict/dealing.hpp"
#include "predict/history_events.hpp"
#include "predict/judged_examples.hpp"

namespace harbinger::predict {
namespace {
using json = nlohmann::json;
constexpr size_t rows_at_once = 4096;
constexpr size_t names_told = 10;

/// What the trainer wrote; empty for anything else.
json report_of(const model& with) {
  auto told = json::parse(with.report(), nullptr, false);
  return told.is_object() ? told : json::object();
}

int64_t horizon_ms_of(const horizon_machine& machine) {
  return static_cast<int64_t>(machine.horizon_s * 1000);
}

/// Metrics and event codes of a model.
struct model_inputs {
  size_t count = 0;
  std::vector<std::string> lacking; ///< those that the history has nothing of
};

model_inputs compare_inputs(const schema& of, const history& from) {
  std::set<std::string> there;
  for (const auto& m : from.metrics) there.insert(m.name);
  for (const auto& e : from.events)
    for (const auto& code : event_codes(e)) there.insert(code);
  model_inputs out;
  auto look_for = [&](const std::string& name) {
    ++out.count;
    if (!there.contains(name)) out.lacking.push_back(name);
  };
  for (const auto& s : of.series) look_for(s.metric);
  for (const auto& e : of.events) look_for(e.code);
  return out;
}

/// "3 of the model's 20 inputs: a, b, c"
std::string text_of_lacking(const model_inputs& inputs) {
  const auto& names = inputs.lacking;
  auto out = std::to_string(names.size()) + " of the model's " + std::to_string(inputs.count)
             + " inputs: " + listed(std::span(names).first(std::min(names.size(), names_told)));
  if (names.size() > names_told) out += ", " + std::to_string(names.size() - names_told) + " more";
  return out;
}

/// One for each moment that may be judged.
result<examples> rows_of(const model& with, const history& from, const row_options& options,
                         const study_progress& tell) {
  return make_examples(from, with.shared_schema(), with.scales(),
                       {options.every_ms, options.phase_ms, options.healthy_share,
                        horizon_ms_of(with.horizons().back())},
                       [&](double done) {
                         if (tell) tell("features", done);
                       });
}

/// Probabilities by horizon, parallel to `wanted`.
std::vector<std::vector<double>> probabilities(const model& with, const examples& rows,
                                               const std::vector<size_t>& wanted,
                                               const study_progress& tell) {
  auto horizons = with.horizons().size();
  std::vector<std::vector<double>> out(horizons);
  std::vector<double> values;
  std::vector<prediction> said;
  for (size_t begin = 0; begin < wanted.size(); begin += rows_at_once) {
    if (tell) tell("scoring", static_cast<double>(begin) / static_cast<double>(wanted.size()));
    auto count = std::min(rows_at_once, wanted.size() - begin);
    values.clear();
    for (size_t k = 0; k < count; ++k)
      for (float x : rows.row(wanted[begin + k])) values.push_back(static_cast<double>(x));
    with.predict(values, count, said);
    for (size_t k = 0; k < count * horizons; ++k) out[k % horizons].push_back(said[k].probability);
  }
  return out;
}

/// Of the wanted rows those whose outcome within the horizon is known. `said`: parallel to
/// `wanted`. invalid_argument: none is before a failure.
result<judged_examples> known_rows(judged_examples out, const examples& rows,
                                   const std::vector<size_t>& wanted,
                                   const std::vector<double>& said, int64_t horizon_ms) {
  for (size_t k = 0; k < wanted.size(); ++k)
    if (rows.label(wanted[k], horizon_ms)) out.add(rows, wanted[k], horizon_ms, said[k], said[k]);
  const auto& known = out.rows.rows;
  if (std::none_of(known.begin(), known.end(), [](const auto& r) { return r.label; }))
    return fail(errc::invalid_argument, "nothing to judge by: of " + std::to_string(known.size())
                                            + " rows whose outcome within "
                                            + duration_text(horizon_ms)
                                            + " is known none is before a failure");
  return out;
}

result<report_model> judge_horizon(const model& with, size_t h, const history& from,
                                   const examples& rows, const judged_examples& given,
                                   const json& learned, const model_evaluation_options& options) {
  const auto& machine = with.horizons()[h];
  report_model out;
  question q;
  q.horizon_ms = horizon_ms_of(machine);
  q.threshold = machine.threshold;
  q.step_ms = options.rows.every_ms;
  q.bootstrap.seed = options.seed;
  out.name = std::string(machine.machine->kind()) + ' ' + duration_text(q.horizon_ms);
  out.chosen = h == with.primary_index();
  out.why = "model " + with.version() + (out.chosen ? ", the horizon that zones go by" : "");
  auto judged = judge(given.rows, q);
  if (!judged)
    return fail(judged.error().code, duration_text(q.horizon_ms) + ": " + judged.error().detail);
  out.judged = std::move(*judged);
  if (!options.innocent_before.empty())
    out.more.push_back(innocent_figure(from, rows, given, options.innocent_before));
  if (!out.chosen) return out;
  for (const auto& one : learned.value("importances", json::array()))
    out.importances.push_back({one.value("metric", ""), one.value("pr_auc_lost", 0.0)});
  add_cases(from, rows, given.rows, out);
  return out;
}

/// Inputs that are not there, and rows of the time that it learned from, when it was of this
/// history.
std::vector<std::string> notes_of(const model_inputs& inputs, const history& from,
                                  const examples& rows, const std::vector<size_t>& judged,
                                  const json& learned) {
  std::vector<std::string> out;
  if (!inputs.lacking.empty())
    out.push_back("the history has nothing of " + text_of_lacking(inputs));
  if (learned.value("history", "") != from.name) return out;
  auto until_ms = learned.value("until_ms", int64_t{0});
  auto known = std::count_if(judged.begin(), judged.end(),
                             [&](size_t i) { return rows.time_ms[i] <= until_ms; });
  if (known > 0)
    out.push_back(
        std::to_string(known) + " of the " + std::to_string(judged.size())
        + " judged rows are of the time that the model learned from, in a history of this "
          "name; --from "
        + time_text(until_ms + 1, true) + " leaves them out");
  return out;
}

report begin_report(const model& with, const history& from, const examples& rows,
                    const model_evaluation_options& options, size_t judged) {
  report out;
  out.title = from.name;
  out.command_line = options.command_line;
  out.seed = options.seed;
  out.data = data_fields(from, rows);
  out.split = {{"rule", "a given model, " + with.version()}};
  if (options.from_ms != INT64_MIN) out.split.push_back({"from", time_text(options.from_ms, true)});
  out.split.push_back(
      {"judged", std::to_string(judged) + " of " + std::to_string(rows.size()) + " rows"});
  return out;
}
} // namespace

result<report> evaluate_model(const model& with, const history& from,
                              const model_evaluation_options& given, const study_progress& tell) {
  auto options = given;
  auto learned = report_of(with);
  if (options.rows.every_ms == 0)
    options.rows.every_ms = learned.value("every_ms", horizon_ms_of(with.primary()));
  auto inputs = compare_inputs(with.schema(), from);
  if (2 * inputs.lacking.size() > inputs.count)
    return fail(errc::unsupported, "the history lacks " + text_of_lacking(inputs));
  auto rows = rows_of(with, from, options.rows, tell);
  if (!rows) return tl::unexpected<error>(rows.error());
  std::vector<size_t> wanted;
  for (size_t i = 0; i < rows->size(); ++i)
    if (rows->time_ms[i] >= options.from_ms) wanted.push_back(i);
  if (wanted.empty()) return fail(errc::invalid_argument, "no rows from that time on");
  auto said = probabilities(with, *rows, wanted, tell);
  auto d = deal(from, *rows, options.rows.machine, options.rows.group);
  auto out = begin_report(with, from, *rows, options, wanted.size());
  out.notes = notes_of(inputs, from, *rows, wanted, learned);
  for (size_t h = 0; h < with.horizons().size(); ++h) {
    auto judged = known_rows(judged_examples(from, d), *rows, wanted, said[h],
                             horizon_ms_of(with.horizons()[h]));
    if (!judged) return tl::unexpected<error>(judged.error());
    if (tell) tell("judging", static_cast<double>(h) / static_cast<double>(with.horizons().size()));
    auto one = judge_horizon(with, h, from, *rows, *judged, learned, options);
    if (!one) return tl::unexpected<error>(one.error());
    out.models.push_back(std::move(*one));
  }
  return out;
}

} // namespace harbinger::predict
