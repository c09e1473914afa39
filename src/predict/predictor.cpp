#include "predict/predictor.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <set>

#include "history/time_text.hpp"
#include "predict/heuristic.hpp"
#include "predict/profile.hpp"

namespace harbinger::predict {
namespace {
constexpr double unknown_probability = 0.05; ///< of a node that never sent anything
} // namespace

predictor::predictor(predictor_options options)
    : options_(std::move(options)), engine_(options_.scales) {}

void predictor::drop(const node_id& node, bool failed, time_point now) {
  engine_.forget(node);
  if (!watch_) return;
  if (failed)
    watch_->failed(node, to_millis(now));
  else
    watch_->left(node, to_millis(now));
}

void predictor::set_nodes(const std::vector<node_row>& nodes, bool whole, time_point now) {
  std::set<node_id> alive;
  for (const auto& n : nodes) {
    if (n.state == node_state::dead) {
      if (nodes_.erase(n.id) > 0) drop(n.id, true, now);
      continue;
    }
    alive.insert(n.id);
    auto [it, fresh] = nodes_.try_emplace(n.id);
    if (fresh || it->second.life != n.life) {
      if (!fresh) drop(n.id, false, now);
      it->second = followed_node{n.life, {}, {}};
    }
  }
  if (!whole) return;
  std::erase_if(nodes_, [&](const auto& n) {
    if (alive.contains(n.first)) return false;
    drop(n.first, false, now);
    return true;
  });
}

void predictor::add(const telemetry_rows& rows, time_point received) {
  auto found = nodes_.find(rows.node);
  if (found != nodes_.end() && found->second.life == rows.life)
    engine_.add(rows, to_millis(received));
}

result<void> predictor::accepts(const model& m) const {
  if (m.scales() != options_.scales)
    return fail(errc::unsupported,
                "the model " + m.version() + " was trained with other windows or another horizon");
  if (schema_hash(m.schema(), m.scales()) != schema_hash(*service_schema(), m.scales()))
    return fail(errc::unsupported, "the model " + m.version()
                                       + " was trained with other features than this program has");
  for (double wanted : options_.more_horizons_s)
    if (std::none_of(m.horizons().begin(), m.horizons().end(),
                     [&](const auto& h) { return h.horizon_s == wanted; }))
      return fail(errc::unsupported, "the model " + m.version() + " does not know the horizon "
                                         + duration_text(std::llround(1000 * wanted)));
  return {};
}

result<void> predictor::use(model m) {
  if (auto good = accepts(m); !good) return good;
  model_ = std::move(m);
  watch_ = std::make_unique<model_watch>(*model_);
  cases_.reset();
  const auto *profile_bytes = model_->part(model_part::profile),
             *case_bytes = model_->part(model_part::cases);
  if (!profile_bytes || !case_bytes) return {};
  auto profile = feature_profile::parse(*profile_bytes);
  if (!profile) return {};
  auto cases =
      case_base::parse(*case_bytes, std::make_shared<const feature_profile>(std::move(*profile)));
  if (cases) cases_.emplace(std::move(*cases));
  return {};
}

void predictor::score_rows() {
  auto rows = table_.nodes.size();
  if (model_) return model_->predict(table_.values, rows, predictions_);
  predictions_.resize(rows);
  for (size_t i = 0; i < rows; ++i) predictions_[i] = heuristic_risk(table_.row(i));
}

std::vector<predictor::horizon_risk> predictor::scored(size_t row) const {
  if (!model_)
    return {
        {options_.scales.horizon_s, predictions_[row].probability, predictions_[row].uncertainty}};
  std::vector<horizon_risk> out;
  auto width = model_->horizons().size();
  for (size_t h = 0; h < width; ++h) {
    const auto& p = predictions_[row * width + h];
    out.push_back({model_->horizons()[h].horizon_s, p.probability, p.uncertainty});
  }
  return out;
}

std::optional<size_t> predictor::row_of(const node_id& node) const {
  auto it = std::lower_bound(table_.nodes.begin(), table_.nodes.end(), node);
  if (it == table_.nodes.end() || *it != node) return std::nullopt;
  return static_cast<size_t>(it - table_.nodes.begin());
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
  auto now = scored(*row);
  auto at = model_ ? model_->primary_index() : 0;
  double late_s = out.input_age_s - options_.scales.stale_after_s;
  double widened = late_s <= 0 ? 0.0 : std::min(1.0, late_s / (4 * options_.scales.stale_after_s));
  for (size_t h = 0; h < now.size(); ++h) {
    if (late_s > 0 && h < state.held.size())
      now[h].probability = std::max(now[h].probability, state.held[h].probability);
    now[h].uncertainty += std::max(0.0, 0.5 - now[h].uncertainty) * widened;
  }
  state.held = std::move(now);
  out.probability = state.held[at].probability;
  out.uncertainty = state.held[at].uncertainty;
  if (late_s <= 0) return out;
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
  score_rows();
  risks_.clear();
  std::vector<std::pair<double, std::pair<size_t, size_t>>> to_explain; // probability, (risk, row)
  size_t row = 0;
  for (auto& [id, state] : nodes_) { // both are sorted by node
    while (row < table_.nodes.size() && table_.nodes[row] < id) ++row;
    bool known = row < table_.nodes.size() && table_.nodes[row] == id;
    risks_.push_back(risk_of(id, state, known ? std::optional(row) : std::nullopt));
    auto& risk = risks_.back();
    bool fresh = known && risk.input_age_s <= options_.scales.stale_after_s;
    if (fresh) risk.deviations = movement_.read(table_.row(row));
    if (watch_ && fresh) watch_->scored(id, table_.row(row), risk.probability, to_millis(now));
    if (known && risk.probability >= options_.explain_at)
      to_explain.push_back({risk.probability, {risks_.size() - 1, row}});
    state.history.push_back({now, risk.probability});
    if (state.history.size() > options_.history_max) state.history.pop_front();
  }
  if (watch_) watch_->advance(to_millis(now));
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
  auto out = *risk;
  bool explained = out.probability >= options_.explain_at && out.reasons.size() > 1;
  if (auto row = row_of(node); row && !explained) {
    if (out.input_age_s <= options_.scales.stale_after_s)
      out.reasons.clear(); // else the word on staleness stays
    out.reasons = reasons_of(out, *row);
  }
  return out;
}

std::vector<predictor::horizon_risk> predictor::horizons(const node_id& node) const {
  auto found = nodes_.find(node);
  return found == nodes_.end() ? std::vector<horizon_risk>{} : found->second.held;
}

std::vector<predictor::similar> predictor::similar_cases(const node_id& node, size_t count) const {
  std::vector<similar> out;
  auto row = row_of(node);
  if (!cases_ || !row) return out;
  for (const auto& c : cases_->nearest(table_.row(*row), count))
    out.push_back({*c.found, c.similarity, describe_case(*c.found, c.similarity)});
  return out;
}

} // namespace harbinger::predict
