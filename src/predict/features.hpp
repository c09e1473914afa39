#pragma once

/// From samples to feature rows. The same code serves live scoring and training, so equal samples
/// give equal bits. Work a sample is constant; memory a node is constant (about 7 KB).

#include <array>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "core/ids.hpp"
#include "messages/telemetry.hpp"
#include "predict/schema.hpp"
#include "predict/windows.hpp"

namespace harbinger::predict {

/// One row a node, by node id; NaN where a feature is not known (yet).
struct feature_table {
  std::vector<node_id> nodes;
  std::vector<double> ages_s; ///< of the newest sample; infinite: none ever came
  std::vector<double> values; ///< row after row, features().size() each
  std::span<const double> row(size_t i) const {
    auto width = features().size();
    return {values.data() + i * width, width};
  }
};

class feature_engine {
public:
  static constexpr size_t nodes_max = 100'000; ///< more are passed over and counted
  static constexpr size_t schemas_max =
      64; ///< metric lists remembered; beyond it all are forgotten and learnt anew

  explicit feature_engine(time_scales scales);

  /// Rows the gate accepted. `received_ms`: the centre's clock at arrival, any origin, the same as
  /// in table(). Rows of a new incarnation start the node afresh.
  void add(const telemetry_rows& rows, int64_t received_ms);
  void forget(const node_id& node) { nodes_.erase(node); }
  /// Nodes without a sample do not appear.
  void table(int64_t now_ms, feature_table& out) const;

  const time_scales& scales() const { return scales_; }
  uint64_t passed_over() const { return passed_over_; }
  size_t nodes() const { return nodes_.size(); }

private:
  struct one_series {
    std::array<decayed_moments, 3> windows;
    recent_peak peak;
    double last = std::numeric_limits<double>::quiet_NaN();
    double counter = std::numeric_limits<double>::quiet_NaN(); ///< newest total, of counters
    int64_t counter_ms = 0;
  };
  struct one_event {
    double total = std::numeric_limits<double>::quiet_NaN();
    std::array<double, 3> counts{}; ///< decayed, one a window
  };
  struct node_state {
    incarnation life;
    int64_t first_ms = 0, newest_ms = 0, received_ms = 0;
    int64_t last_event_ms = INT64_MIN;
    std::vector<one_series> series;
    std::vector<one_event> events;
    decayed_moments gap_short, gap_long, missing_share;
  };
  /// Where the series and events are in a metric list; npos: not there.
  struct schema_map {
    std::shared_ptr<const std::vector<metric_spec>> metrics;
    std::vector<size_t> series, events;
    std::vector<bool> counter;
  };
  const schema_map& map_of(const std::shared_ptr<const std::vector<metric_spec>>& metrics);
  void add_row(node_state& node, const schema_map& map, std::span<const double> row,
               int64_t time_ms);
  void add_series(one_series& s, double value, bool is_counter, int64_t time_ms, double dt_s,
                  const std::array<double, 3>& decay);
  void write_row(const node_state& node, int64_t now_ms, std::span<double> out) const;
  double series_feature(const node_state& node, const feature_spec& f) const;
  double event_feature(const node_state& node, const feature_spec& f) const;
  void compare_peers(const std::vector<const node_state*>& nodes, const std::vector<bool>& fresh,
                     feature_table& out) const;

  time_scales scales_;
  std::map<node_id, node_state> nodes_;
  std::vector<schema_map> schemas_;
  uint64_t passed_over_ = 0;
};

} // namespace harbinger::predict
