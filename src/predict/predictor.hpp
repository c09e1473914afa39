#pragma once

/// Risk of every node: features, model (or heuristic), staleness, history. Pure: time is an
/// argument.

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "messages/catalog.hpp"
#include "messages/risk.hpp"
#include "predict/features.hpp"
#include "predict/model.hpp"

namespace harbinger::predict {

struct predictor_options {
  time_scales scales;
  size_t history_max = 120; ///< probabilities kept a node
  size_t reasons_max = 5;
  double explain_at = 0.1; ///< probability from which reasons are given in each round
  size_t explained_max =
      64; ///< nodes explained a round, riskiest first: explaining costs more than scoring
};

class predictor {
public:
  explicit predictor(predictor_options options);

  /// Nodes as the catalog has them. Dead ones and those that are gone are forgotten, those with a
  /// new life start over.
  void set_nodes(const std::vector<node_row>& nodes, bool whole);
  /// Rows of nodes or lives that set_nodes does not know are ignored.
  void add(const telemetry_rows& rows, time_point received);
  /// unsupported when it was trained with other windows, horizon or features; the one in use stays.
  result<void> use(model m);

  /// Risks of all nodes that are not dead, by id.
  /// Input older than stale_after_s: the probability is held (it may rise, never fall) and the
  /// uncertainty widens to 0.5 within four more such times. Without any input ever: probability
  /// 0.05, uncertainty 0.5.
  const std::vector<node_risk>& score(time_point now);
  /// The risks of the last score().
  const std::vector<node_risk>& risks() const { return risks_; }

  struct point {
    time_point time;
    double probability = 0;
  };
  /// Oldest first; null: unknown node.
  const std::deque<point>* history(const node_id& node) const;
  /// The risk of the last score() with reasons whatever its height; nothing for an unknown node.
  std::optional<node_risk> explain(const node_id& node) const;

  const model* current_model() const { return model_ ? &*model_ : nullptr; }
  std::string model_version() const { return model_ ? model_->version() : "heuristic"; }
  const feature_engine& engine() const { return engine_; }

private:
  struct followed_node {
    incarnation life;
    double held = 0; ///< probability when input was last fresh
    std::deque<point> history;
  };
  node_risk risk_of(const node_id& id, followed_node& state, std::optional<size_t> row) const;
  std::vector<risk_reason> reasons_of(const node_risk& risk, size_t row) const;

  predictor_options options_;
  feature_engine engine_;
  std::optional<model> model_;
  std::map<node_id, followed_node> nodes_;
  feature_table table_;
  std::vector<node_risk> risks_;
};

} // namespace harbinger::predict
