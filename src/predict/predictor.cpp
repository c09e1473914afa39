#include "predict/predictor.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <set>

#include "predict/heuristic.hpp"

namespace harbinger::predict {
namespace {
constexpr double unknown_probability = 0.05; ///< of a node that never sent anything

int64_t to_millis(time_point t) {
  return std::chrono::duration_cast<milliseconds>(t.time_since_epoch()).count();
}
} // namespace

predictor::predictor(predictor_options options)
    : options_(std::move(options)), engine_(options_.scales) {}

void predictor::set_nodes(const std::vector<node_row>& nodes, bool whole) {
  std::set<node_id> alive;
  for (const auto& n : nodes) {
    if (n.state == node_state::dead) {
      nodes_.erase(n.id);
      engine_.forget(n.id);
      continue;
    }
    alive.insert(n.id);
    auto [it, fresh] = nodes_.try_emplace(n.id);
    if (fresh || it->second.life != n.life) {
      it->second = followed_node{n.life, 0, {}};
      engine_.forget(n.id);
    }
  }
  if (!whole) return;
  std::erase_if(nodes_, [&](const auto& n) {
    if (alive.contains(n.first)) return false;
    engine_.forget(n.first);
    return true;
  });
}

void predictor::add(const telemetry_rows& rows, time_point received) {
  auto found = nodes_.find(rows.node);
  if (found != nodes_.end() && found->second.life == rows.life)
    engine_.add(rows, to_millis(received));
}

result<void> predictor::use(model m) {
  if (m.scales() != options_.scales)
    return fail(errc::unsupported,
                "the model " + m.version() + " was trained with other windows or another horizon");
  if (schema_hash(m.schema(), m.scales()) != schema_hash(*service_schema(), m.scales()))
    return fail(errc::unsupported, "the model " + m.version()
                                       + " was trained with other features than this program has");
  model_ = std::move(m);
  return {};
}

node_risk predictor::risk_of(const node_id& id, followed_node& state,
                             std::optional<size_t> row) const {
  node_risk out;
  out.node = id;
  out.horizon_s = options_.scales.horizon_s;
  out.model = model_version();
  out.calibrated = model_ && model_->calibrated();
  if (!row) {
    out.probability = unknown_probability;
    out.uncertainty = 0.5;
    out.calibrated = false;
    out.input_age_s = std::numeric_limits<double>::infinity();
    out.reasons = {{"input", "no telemetry has come from this life of the node yet", 0.0}};
    return out;
  }
  out.input_age_s = table_.ages_s[*row];
  auto now = model_ ? model_->predict(table_.row(*row)) : heuristic_risk(table_.row(*row));
  out.probability = now.probability;
  out.uncertainty = now.uncertainty;
  double late_s = out.input_age_s - options_.scales.stale_after_s;
  if (late_s <= 0) {
    state.held = now.probability;
    return out;
  }
  out.probability = state.held = std::max(state.held, now.probability);
  double widened = std::min(1.0, late_s / (4 * options_.scales.stale_after_s));
  out.uncertainty += std::max(0.0, 0.5 - out.uncertainty) * widened;
  char text[120];
  std::snprintf(text, sizeof text, "no telemetry for %.1f s: the risk is held, not renewed",
                out.input_age_s);
  out.reasons = {{"input", text, 0.0}};
  return out;
}

std::vector<risk_reason> predictor::reasons_of(const node_risk& risk, size_t row) const {
  auto out = model_ ? model_->explain(table_.row(row), options_.reasons_max)
                    : heuristic_reasons(table_.row(row), options_.scales);
  out.insert(out.begin(), risk.reasons.begin(), risk.reasons.end()); // staleness is said first
  if (out.size() > options_.reasons_max) out.resize(options_.reasons_max);
  return out;
}

const std::vector<node_risk>& predictor::score(time_point now) {
  engine_.table(to_millis(now), table_);
  risks_.clear();
  std::vector<std::pair<double, std::pair<size_t, size_t>>> to_explain; // probability, (risk, row)
  size_t row = 0;
  for (auto& [id, state] : nodes_) { // both are sorted by node
    while (row < table_.nodes.size() && table_.nodes[row] < id) ++row;
    bool known = row < table_.nodes.size() && table_.nodes[row] == id;
    risks_.push_back(risk_of(id, state, known ? std::optional(row) : std::nullopt));
    const auto& risk = risks_.back();
    if (known && risk.probability >= options_.explain_at)
      to_explain.push_back({risk.probability, {risks_.size() - 1, row}});
    state.history.push_back({now, risk.probability});
    if (state.history.size() > options_.history_max) state.history.pop_front();
  }
  std::stable_sort(to_explain.begin(), to_explain.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  if (to_explain.size() > options_.explained_max) to_explain.resize(options_.explained_max);
  for (const auto& [p, at] : to_explain)
    risks_[at.first].reasons = reasons_of(risks_[at.first], at.second);
  return risks_;
}

const std::deque<predictor::point>* predictor::history(const node_id& node) const {
  auto found = nodes_.find(node);
  return found == nodes_.end() ? nullptr : &found->second.history;
}

std::optional<node_risk> predictor::explain(const node_id& node) const {
  auto risk = std::lower_bound(risks_.begin(), risks_.end(), node,
                               [](const auto& r, const auto& id) { return r.node < id; });
  if (risk == risks_.end() || risk->node != node) return std::nullopt;
  auto row = std::lower_bound(table_.nodes.begin(), table_.nodes.end(), node);
  auto out = *risk;
  bool explained = out.probability >= options_.explain_at && out.reasons.size() > 1;
  if (!explained && row != table_.nodes.end() && *row == node) {
    if (out.input_age_s <= options_.scales.stale_after_s)
      out.reasons.clear(); // else the word on staleness stays
    out.reasons = reasons_of(out, static_cast<size_t>(row - table_.nodes.begin()));
  }
  return out;
}

} // namespace harbinger::predict
