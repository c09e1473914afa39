#include "predict/explanation.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "history/time_text.hpp"

namespace harbinger::predict {
namespace {
constexpr size_t similar_shown = 5;
constexpr double turn = 0.1; ///< a risk that moved by less is said to be steady

std::string percent(double share) {
  char out[32];
  std::snprintf(out, sizeof out, share < 0.1 && share > 0 ? "%.2g %%" : "%.0f %%", 100 * share);
  return out;
}

std::string within(double horizon_s) { return duration_text(std::llround(1000 * horizon_s)); }

std::string headline(const node_risk& r) {
  auto out = r.node.value + " fails within " + within(r.horizon_s) + " with a probability of "
             + percent(r.probability) + ", give or take " + percent(r.uncertainty);
  if (!r.calibrated) out += " (not calibrated: a rule of thumb, not a frequency)";
  return out + '.';
}

std::string other_horizons(const std::vector<predictor::horizon_risk>& all) {
  std::string out = "Within";
  for (const auto& h : all)
    out += (&h == &all.front() ? " " : ", ") + within(h.horizon_s) + ": " + percent(h.probability);
  return out + '.';
}

std::string input_line(const node_risk& r, double stale_after_s) {
  char out[160];
  if (!std::isfinite(r.input_age_s)) return "No telemetry has ever come from this life of it.";
  std::snprintf(out, sizeof out, "Its newest telemetry is %.1f s old, %s.", r.input_age_s,
                r.input_age_s <= stale_after_s
                    ? "which is fresh"
                    : "which is late: the risk is held, and less sure by the minute");
  return out;
}

/// "It rose from 3 % to 71 % in the last 40 s."
std::string course(const std::deque<predictor::point>& history, time_point now) {
  if (history.size() < 2) return "";
  auto [low, high] =
      std::minmax_element(history.begin(), history.end(), [](const auto& a, const auto& b) {
        return a.probability < b.probability;
      });
  double last = history.back().probability;
  auto since = [&](const predictor::point& p) {
    char text[32];
    std::snprintf(text, sizeof text, "%.0f s", to_seconds(now - p.time));
    return std::string(text);
  };
  if (last - low->probability >= turn && low->time < history.back().time)
    return "It rose from " + percent(low->probability) + " to " + percent(last) + " in the last "
           + since(*low) + '.';
  if (high->probability - last >= turn)
    return "It fell from " + percent(high->probability) + " to " + percent(last) + " in the last "
           + since(*high) + '.';
  return "It has been between " + percent(low->probability) + " and " + percent(high->probability)
         + " for the last " + since(history.front()) + '.';
}

void add_reasons(const node_risk& r, std::vector<std::string>& out) {
  if (r.reasons.empty()) {
    out.push_back("Nothing about it stands out.");
    return;
  }
  out.push_back("Why, by how much of the probability hangs on it:");
  for (const auto& reason : r.reasons)
    out.push_back("  " + (reason.weight > 0 ? percent(reason.weight) + "  " : std::string{})
                  + reason.text);
}

void add_similar(const predictor& of, const node_id& node, std::vector<std::string>& out) {
  auto all = of.similar_cases(node, similar_shown);
  if (all.empty()) return;
  auto failed = std::count_if(all.begin(), all.end(), [](const auto& c) { return c.found.failed; });
  out.push_back("Of the " + std::to_string(all.size()) + " most similar past cases "
                + std::to_string(failed) + " failed within the horizon:");
  for (const auto& c : all) out.push_back("  " + c.text);
}
} // namespace

std::optional<std::vector<std::string>> explain_in_words(const predictor& of, const node_id& node,
                                                         time_point now) {
  auto risk = of.explain(node);
  if (!risk) return std::nullopt;
  std::vector<std::string> out{headline(*risk)};
  if (auto horizons = of.horizons(node); horizons.size() > 1)
    out.push_back(other_horizons(horizons));
  if (const auto* history = of.history(node))
    if (auto line = course(*history, now); !line.empty()) out.push_back(line);
  out.push_back(input_line(*risk, of.engine().scales().stale_after_s));
  add_reasons(*risk, out);
  add_similar(of, node, out);
  if (const auto* watch = of.watch()) {
    auto inputs = watch->inputs(to_millis(now));
    std::string line =
        "Model " + risk->model + "; calibration so far: " + describe(watch->calibration());
    if (inputs && inputs->level == drift_level::much)
      line += "; its inputs are not what it learned from: " + describe(inputs->metrics.front());
    out.push_back(line + '.');
  } else {
    out.push_back("There is no model: this is the stated heuristic.");
  }
  return out;
}

} // namespace harbinger::predict
