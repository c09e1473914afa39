#pragma once

/// Risk of every node: features, model (or heuristic), staleness, history. Pure: time is an
/// argument.

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "messages/catalog.hpp"
#include "messages/risk.hpp"
#include "predict/features.hpp"
#include "predict/cases.hpp"
#include "predict/model.hpp"
#include "predict/model_watch.hpp"
#include "predict/movement.hpp"

namespace harbinger::predict {

struct predictor_options {
  time_scales scales;
  /// Beside the one of the scales; a model without one of them is refused.
  std::vector<double> more_horizons_s = {};
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
  /// new life start over. The watch on the model hears of deaths; a node that is gone, or comes
  /// back without having been dead, left on purpose.
  void set_nodes(const std::vector<node_row>& nodes, bool whole, time_point now);
  /// Rows of nodes or lives that set_nodes does not know are ignored.
  void add(const telemetry_rows& rows, time_point received);
  /// Whether use() would take it: unsupported when it was trained with other windows or features,
  /// or lacks a horizon.
  result<void> accepts(const model& m) const;
  /// The one in use stays when it is refused. The watch begins anew.
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

  struct horizon_risk {
    double horizon_s = 0, probability = 0, uncertainty = 0;
  };
  /// Of the last score(), ascending in both; held like the risk when input is late. Empty for an
  /// unknown node or one without any input. Without a model only the horizon of the scales.
  std::vector<horizon_risk> horizons(const node_id& node) const;
  /// Past cases that were like the node is at the last score(), nearest first; with their words.
  struct similar {
    past_case found;
    double similarity = 0;
    std::string text;
  };
  std::vector<similar> similar_cases(const node_id& node, size_t count) const;
  /// Null without a model.
  const model_watch* watch() const { return watch_.get(); }

  const model* current_model() const { return model_ ? &*model_ : nullptr; }
  std::string model_version() const { return model_ ? model_->version() : "heuristic"; }
  const feature_engine& engine() const { return engine_; }

private:
  struct followed_node {
    incarnation life;
    std::vector<horizon_risk> held; ///< when input was last fresh
    std::deque<point> history;
  };
  node_risk risk_of(const node_id& id, followed_node& state, std::optional<size_t> row) const;
  void score_rows();
  std::vector<horizon_risk> scored(size_t row) const;
  std::optional<size_t> row_of(const node_id& node) const;
  void drop(const node_id& node, bool failed, time_point now);
  std::vector<risk_reason> reasons_of(const node_risk& risk, size_t row) const;

  predictor_options options_;
  feature_engine engine_;
  std::optional<model> model_;
  std::unique_ptr<model_watch> watch_;
  std::optional<case_base> cases_;
  movement_reader movement_{*service_schema()};
  std::map<node_id, followed_node> nodes_;
  feature_table table_;
  std::vector<prediction> predictions_; ///< rows of table_, each at all horizons of the model
  std::vector<node_risk> risks_;
};

} // namespace harbinger::predict
