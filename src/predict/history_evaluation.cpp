#include "predict/history_evaluation.hpp"

#include "messages/common.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "predict/dealing.hpp"
#include "predict/judged_examples.hpp"
#include "predict/take_examples.hpp"

namespace harbinger::predict {
namespace {
result<std::vector<group_fold>> folds_of(const dealing& d, const evaluation_options& options) {
  const auto& s = options.study;
  auto one = [](result<std::vector<part>> parts) -> result<std::vector<group_fold>> {
    if (!parts) return tl::unexpected<error>(parts.error());
    std::vector<group_fold> folds;
    folds.push_back({"", std::move(*parts)});
    return folds;
  };
  switch (options.split) {
  case split_rule::groups: return leave_one_group_out(d.rows, options.shares.validation, s.seed);
  case split_rule::machines: return one(split_by_machine(d.rows, options.shares, s.seed));
  default: break;
  }
  auto cuts = cuts_by_share(d.rows, options.shares);
  if (!cuts) return tl::unexpected<error>(cuts.error());
  if (options.split == split_rule::time) return one(split_by_time(d.rows, *cuts, s.horizon_ms));
  return one(
      split_by_time_and_machine(d.rows, *cuts, s.horizon_ms, {0, options.shares.test}, s.seed));
}

/// One kind over all folds.
struct outcome {
  std::string kind;
  double validation_pr_auc = 0, threshold = 0, base_rate = 0;
  hyper_values hyper;
  std::string calibration, features;
  judged_examples test;
  judged_rows validation; ///< of all folds; groups are what must stay together
  study_machine last;     ///< of the last fold: for importances
  std::vector<size_t> last_test;
};

double share_of_positives(const examples& rows, const std::vector<size_t>& of, int64_t horizon_ms) {
  double positive = 0, all = 0;
  for (auto i : of) {
    auto w = static_cast<double>(rows.weight[i]);
    all += w;
    positive += *rows.label(i, horizon_ms) ? w : 0;
  }
  return all > 0 ? positive / all : undefined;
}

void add_test_rows(const examples& rows, const study_split& split, const study_machine& machine,
                   int64_t horizon_ms, outcome& to) {
  auto scores = score_rows(rows, split.test, machine);
  for (size_t k = 0; k < split.test.size(); ++k)
    to.test.add(rows, split.test[k], horizon_ms, scores.probability[k], scores.score[k]);
}

result<outcome> run_kind(const history& from, const examples& rows, const dealing& d,
                         const std::vector<group_fold>& folds, const std::string& kind,
                         const study_options& options, bool by_groups, const study_progress& tell) {
  outcome out;
  out.kind = kind;
  out.test = judged_examples(from, d);
  out.validation.machines = out.test.rows.machines;
  std::vector<double> thresholds;
  for (size_t f = 0; f < folds.size(); ++f) {
    auto split =
        by_groups ? cross_split_of(rows, folds[f].parts, d.rows, options.horizon_ms, options.seed)
                  : split_of(rows, folds[f].parts, options.horizon_ms);
    if (split.test.empty()) continue;
    auto told = [&](const std::string& what, double done) {
      if (tell)
        tell(folds.size() > 1 ? what + ", without " + folds[f].group : what,
             (static_cast<double>(f) + done) / static_cast<double>(folds.size()));
    };
    auto learned = learn(rows, split, kind, options, told);
    if (!learned) return fail(learned.error().code, folds[f].group + ' ' + learned.error().detail);
    add_test_rows(rows, split, *learned, options.horizon_ms, out);
    thresholds.push_back(learned->threshold);
    out.validation_pr_auc += learned->validation_pr_auc;
    const auto& judged_here = learned->validation.rows;
    out.validation.rows.insert(out.validation.rows.end(), judged_here.begin(), judged_here.end());
    out.base_rate += share_of_positives(rows, split.known, options.horizon_ms);
    out.hyper = learned->hyper;
    out.calibration = learned->calibrated.method;
    out.features = learned->features;
    out.last = std::move(*learned);
    out.last_test = std::move(split.test);
  }
  if (thresholds.empty()) return fail(errc::invalid_argument, "no test rows");
  auto n = static_cast<double>(thresholds.size());
  out.validation_pr_auc /= n;
  out.base_rate /= n;
  std::sort(thresholds.begin(), thresholds.end());
  out.threshold = thresholds[thresholds.size() / 2];
  return out;
}

std::string text_of(const hyper_values& hyper) {
  std::string out;
  for (const auto& [name, x] : hyper) {
    char text[64];
    std::snprintf(text, sizeof text, "%s%s %.4g", out.empty() ? "" : ", ", name.c_str(), x);
    out += text;
  }
  return out;
}

result<report_model> model_of(const history& from, const examples& rows, const outcome& o,
                              bool chosen, const evaluation_options& options) {
  report_model out;
  out.name = o.kind;
  out.chosen = chosen;
  char why[200];
  std::snprintf(why, sizeof why, "PR-AUC on validation %.4f; features: %s; calibrated by %s; ",
                o.validation_pr_auc, o.features.c_str(), o.calibration.c_str());
  out.why = why + text_of(o.hyper);
  question q;
  q.horizon_ms = options.study.horizon_ms;
  q.threshold = o.threshold;
  q.base_rate = o.base_rate;
  q.step_ms = options.rows.every_ms;
  q.bootstrap.seed = options.study.seed;
  auto judged = judge(o.test.rows, q);
  if (!judged) return tl::unexpected<error>(judged.error());
  out.judged = std::move(*judged);
  if (!options.innocent_before.empty())
    out.more.push_back(innocent_figure(from, rows, o.test, options.innocent_before));
  auto weights =
      importances(rows, o.last_test, o.last, options.study.horizon_ms, options.study.seed);
  for (const auto& w : weights) out.importances.push_back({w.metric, w.lost});
  if (!chosen) return out;
  add_cases(from, rows, o.test.rows, out);
  return out;
}

void describe_parts(const dealing& d, const std::vector<group_fold>& folds,
                    const evaluation_options& options, report& out) {
  out.split.push_back({"rule", std::string(name_of(options.split))});
  if (folds.size() > 1) out.split.push_back({"folds", std::to_string(folds.size())});
  auto summary = summarize(d.rows, folds.front().parts);
  for (auto p : {part::train, part::validation, part::test, part::left_out}) {
    const auto& s = summary[static_cast<size_t>(p)];
    out.split.push_back(
        {std::string(name_of(p)) + (folds.size() > 1 ? " (first fold)" : ""),
         std::to_string(s.rows) + " rows of " + std::to_string(s.machines) + " machines"});
  }
}
} // namespace

result<report> evaluate_history(const history& from, const evaluation_options& given,
                                const study_progress& tell) {
  auto options = given;
  auto horizon_ms = options.study.horizon_ms;
  if (horizon_ms < 1) return fail(errc::invalid_argument, "the horizon must be above 0");
  if (options.rows.every_ms == 0) options.rows.every_ms = horizon_ms;
  auto rows = take_examples(from, history_schema(from),
                            {horizon_ms, horizon_ms, options.windows_s, 0, options.rows.every_ms,
                             options.rows.phase_ms, options.rows.healthy_share},
                            tell);
  if (!rows) return tl::unexpected<error>(rows.error());
  auto d = deal(from, *rows, options.rows.machine, options.rows.group);
  auto folds = folds_of(d, options);
  if (!folds) return tl::unexpected<error>(folds.error());

  report out;
  out.title = from.name;
  out.command_line = options.command_line;
  out.seed = options.study.seed;
  out.data = data_fields(from, *rows);
  describe_parts(d, *folds, options, out);
  auto kinds = options.study.kinds;
  if (kinds.empty()) kinds.assign(scorer_kinds().begin(), scorer_kinds().end());
  std::vector<outcome> outcomes;
  for (const auto& kind : kinds) {
    auto one = run_kind(from, *rows, d, *folds, kind, options.study,
                        options.split == split_rule::groups, tell);
    if (one)
      outcomes.push_back(std::move(*one));
    else
      out.notes.push_back(kind + " was left out: " + to_string(one.error()));
  }
  if (outcomes.empty()) return fail(errc::invalid_argument, out.notes.front());
  std::vector<contestant> compete;
  for (const auto& o : outcomes) compete.push_back({o.kind, o.validation_pr_auc, &o.validation});
  auto verdict = choose_kind(compete);
  const auto& best = outcomes[verdict.chosen];
  if (outcomes.size() > 1) out.notes.push_back("chosen: " + verdict.why);
  for (const auto& o : outcomes) {
    if (tell) tell(o.kind + ": judging", 0);
    auto model = model_of(from, *rows, o, &o == &best, options);
    if (!model) return tl::unexpected<error>(model.error());
    out.models.push_back(std::move(*model));
  }
  return out;
}

} // namespace harbinger::predict
