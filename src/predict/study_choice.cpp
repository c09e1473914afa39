#include "predict/study_choice.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "predict/bootstrap.hpp"
#include "predict/ranking.hpp"
#include "predict/tuning.hpp"

namespace harbinger::predict {
namespace {
/// With which to compare: a verdict needs no machine as steady as the one that serves.
hyper_values lighter(hyper_values h) {
  constexpr double trees = 30, bags = 1;
  if (h.contains("trees")) h["trees"] = std::min(h["trees"], trees);
  if (h.contains("bags")) h["bags"] = bags;
  return h;
}

/// NaN could not be learned.
bool better(double one, double than) {
  return !std::isnan(one) && (std::isnan(than) || one > than);
}

/// One kind's settings, chosen by average precision on the validation rows.
class choosing {
public:
  choosing(const examples& from, const study_split& split, const std::vector<size_t>& validation,
           const truth& known, const std::string& kind, const study_options& options,
           const study_progress& tell)
      : from_(from),
        split_(split),
        validation_(validation),
        known_(known),
        kind_(kind),
        options_(options),
        tell_(tell),
        sets_(sets_of(*from.schema)) {}

  result<chosen_settings> run() {
    auto usual = complete_hyper(kind_, {});
    if (!usual) return tl::unexpected<error>(usual.error());
    out_.hyper = *usual;
    if (options_.evaluations <= 1 && sets_.size() == 1) return out_; // nothing to choose
    auto light = lighter(*usual);
    double reached = choose_features(light);
    if (options_.evaluations <= 1) return out_;
    hyper_values fixed;
    for (const char* name : {"trees", "bags"})
      if (light.contains(name)) fixed[name] = light[name];
    auto folds = gather_folds(from_, split_, options_, options_.tuning_rows, out_.features);
    auto found = tune(
        kind_,
        [&](const hyper_values& h) { return h == light ? reached : try_with(folds, h).precision; },
        {options_.evaluations, options_.seed}, fixed);
    if (!found) return tl::unexpected<error>(found.error());
    out_.hyper = found->best;
    for (const auto& one : fixed) out_.hyper[one.first] = usual->at(one.first);
    return out_;
  }

private:
  struct trial {
    std::vector<double> scores;   ///< empty: could not be learned
    double precision = undefined; ///< average precision of the scores
  };

  /// Of those that the best leads by no more than a standard error the one with the fewest
  /// features. Its precision.
  double choose_features(const hyper_values& light) {
    std::vector<trial> tried;
    size_t best = 0;
    for (auto name : sets_) {
      tried.push_back(
          try_with(gather_folds(from_, split_, options_, options_.tuning_rows, name), light));
      if (better(tried.back().precision, tried[best].precision)) best = tried.size() - 1;
    }
    if (sets_.size() == 1 || std::isnan(tried[best].precision)) return tried[best].precision;
    size_t chosen = sets_.size() - 1;
    while (chosen > best && !as_good(tried[chosen], tried[best])) --chosen;
    out_.features = sets_[chosen];
    return tried[chosen].precision;
  }
  bool as_good(const trial& one, const trial& best) const {
    if (one.scores.empty()) return false;
    return best.precision - one.precision
           <= lead_error(said_of(from_, validation_, known_, best.scores),
                         said_of(from_, validation_, known_, one.scores));
  }
  trial try_with(const std::vector<fold_rows>& folds, const hyper_values& h) {
    auto trials = options_.evaluations - 1 + sets_.size();
    if (tell_)
      tell_(kind_ + ": searching", static_cast<double>(trials_++) / static_cast<double>(trials));
    auto tried = try_out(from_, split_, folds, kind_, h, options_);
    if (!tried || tried->scores.empty()) return {};
    auto precision = average_precision(tried->scores, known_.labels, known_.weights);
    return {std::move(tried->scores), precision};
  }

  const examples& from_;
  const study_split& split_;
  const std::vector<size_t>& validation_;
  const truth& known_;
  const std::string& kind_;
  const study_options& options_;
  const study_progress& tell_;
  std::vector<std::string_view> sets_;
  size_t trials_ = 0;
  chosen_settings out_;
};

} // namespace

result<tried_machine> try_out(const examples& from, const study_split& split,
                              const std::vector<fold_rows>& folds, const std::string& kind,
                              const hyper_values& hyper, const study_options& options) {
  tried_machine out;
  for (size_t f = 0; f < folds.size(); ++f) {
    auto trained = train_scorer(kind, folds[f].train, hyper, &folds[f].validation, options.seed,
                                options.threads);
    if (!trained) return tl::unexpected<error>(trained.error());
    auto scores = raw_scores(from, split.folds[f].validation, *trained->machine);
    out.scores.insert(out.scores.end(), scores.begin(), scores.end());
    out.used.push_back(std::move(trained->used));
  }
  return out;
}

judged_rows said_of(const examples& from, const std::vector<size_t>& validation, const truth& known,
                    const std::vector<double>& scores) {
  judged_rows out;
  for (size_t k = 0; k < scores.size(); ++k) {
    auto i = validation[k];
    judged row;
    row.machine = from.node[i];
    row.label = known.labels[k];
    row.time_ms = from.time_ms[i];
    row.probability = row.score = scores[k];
    row.failure_in_ms = from.failure_in_ms[i];
    row.weight = known.weights[k];
    out.rows.push_back(row);
    for (auto n = out.machines.size(); n <= row.machine; ++n)
      out.machines.push_back({"", std::to_string(n), ""});
  }
  return out;
}

result<chosen_settings> choose(const examples& from, const study_split& split,
                               const std::vector<size_t>& validation, const truth& known,
                               const std::string& kind, const study_options& options,
                               const study_progress& tell) {
  return choosing(from, split, validation, known, kind, options, tell).run();
}

double lead_error(const judged_rows& best, const judged_rows& other) {
  constexpr uint32_t replicates = 200;
  constexpr double interval_widths = 2 * 1.96; // of a 95 % interval, in standard errors
  const auto units = units_of(best, resampling::groups, counted_machines::all);
  const ranking one(best, units.of, ranking::by::score, 1);
  const ranking two(other, units.of, ranking::by::score, 1);
  auto precision = [](const ranking& of, std::span<const double> multiplicity) {
    return of.measure(0.5, 0.5, multiplicity).pr_auc;
  };
  auto lead = bootstrap(units.count, replicates, 1, [&](std::span<const double> multiplicity) {
    return std::vector{precision(one, multiplicity) - precision(two, multiplicity)};
  });
  return (lead.at(0).high - lead.at(0).low) / interval_widths;
}

kind_verdict choose_kind(const std::vector<contestant>& all) {
  auto rank = [](const contestant& x) {
    auto kinds = scorer_kinds();
    return std::find(kinds.begin(), kinds.end(), x.kind) - kinds.begin();
  };
  size_t best = 0;
  for (size_t i = 1; i < all.size(); ++i)
    if (better(all[i].pr_auc, all[best].pr_auc)) best = i;
  kind_verdict out{best, ""};
  double error = undefined;
  for (size_t i = 0; i < all.size(); ++i) {
    if (rank(all[i]) >= rank(all[out.chosen])) continue;
    double of_lead = lead_error(*all[best].validation, *all[i].validation);
    if (!(all[best].pr_auc - all[i].pr_auc <= of_lead)) continue;
    out.chosen = i;
    error = of_lead;
  }
  char text[200];
  if (out.chosen == best)
    std::snprintf(text, sizeof text, "%s has the highest PR-AUC on validation, %.3f",
                  all[best].kind.c_str(), all[best].pr_auc);
  else
    std::snprintf(text, sizeof text,
                  "%s is the simplest that the highest PR-AUC on validation, %.3f of %s, leads by "
                  "no more than a standard error (%.3f)",
                  all[out.chosen].kind.c_str(), all[best].pr_auc, all[best].kind.c_str(), error);
  out.why = text;
  return out;
}

} // namespace harbinger::predict
