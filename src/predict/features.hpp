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
  size_t width = 0;
  std::vector<node_id> nodes;
  std::vector<double> ages_s; ///< of the newest sample; infinite: none ever came
  std::vector<double> values; ///< row after row, `width` each
  std::span<const double> row(size_t i) const { return {values.data() + i * width, width}; }
};

class feature_engine {
public:
  static constexpr size_t nodes_max = 100'000; ///< more are passed over and counted
  static constexpr size_t schemas_max =
      64; ///< metric lists remembered; beyond it all are forgotten and learnt anew

  explicit feature_engine(time_scales scales, schema_ptr schema = service_schema());

  /// Rows the gate accepted. `received_ms`: the centre's clock at arrival, any origin, the same as
  /// in table(). Rows of a new incarnation start the node afresh.
  void add(const telemetry_rows& rows, int64_t received_ms);
  /// Of histories: a node that is watched from `first_ms` on, with whom it is compared and its
  /// attributes by name. Before its samples and events.
  void add_node(const node_id& node, const std::string& fleet,
                const std::map<std::string, std::string>& attributes, int64_t first_ms);
  /// `code` times an event of schema().events happened. Ignored for a node that is not known.
  void add_event(const node_id& node, size_t code, double count, int64_t time_ms);
  void forget(const node_id& node);
  /// Nodes that are not known (no sample, no add_node) do not appear. `wanted`, ascending: only
  /// these, though all are compared with.
  void table(int64_t now_ms, feature_table& out,
             const std::vector<node_id>* wanted = nullptr) const;
  /// Position in schema().events; npos: none.
  size_t event_index(std::string_view code) const;

  const time_scales& scales() const { return scales_; }
  const predict::schema& schema() const { return *schema_; }
  uint64_t passed_over() const { return passed_over_; }
  size_t nodes() const { return nodes_.size(); }

private:
  struct one_series {
    std::array<decayed_moments, 3> windows;
    recent_peak peak;
    double last = std::numeric_limits<double>::quiet_NaN();
    double counter = std::numeric_limits<double>::quiet_NaN(); ///< newest total, of counters
    int64_t counter_ms = 0;
    double grown = 0;               ///< of counters: growth ever seen, over new starts of it
    int64_t grown_ms = INT64_MIN;   ///< when it last grew
    std::vector<stepped_past> past; ///< a window each, where a feature asks for it
  };
  /// Sums that decay from `at_ms` on.
  struct one_event {
    double total = std::numeric_limits<double>::quiet_NaN(); ///< newest reading of a counter
    bool known = false;
    std::array<double, 3> counts{}; ///< decayed, one a window
    double ever = 0;
    int64_t at_ms = INT64_MIN; ///< of the newest one
  };
  struct node_state {
    incarnation life;
    size_t fleet = 0;
    int64_t first_ms = INT64_MIN, newest_ms = INT64_MIN, received_ms = 0;
    int64_t samples = 0;
    int64_t last_error_ms = INT64_MIN;
    std::vector<one_series> series;
    std::vector<one_event> events;
    std::vector<double> attributes; ///< numbers, then categories as 0 or 1
    decayed_moments gap_short, gap_long, missing_share;
  };
  struct fleet_state {
    std::string name;
    size_t nodes = 0;
    std::vector<one_event> events;
  };
  static constexpr size_t npos = SIZE_MAX;
  int64_t window_ms(size_t window) const {
    return static_cast<int64_t>(scales_.windows_s[window] * 1000);
  }
  struct compared_node {
    const node_state* state;
    size_t row; ///< of the table; npos: only compared with
    bool fresh;
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
  void count_event(one_event& e, double count, int64_t time_ms) const;
  double decayed(const one_event& e, size_t window, int64_t at_ms) const;
  node_state& begin(const node_id& id);
  void write_row(const node_state& node, int64_t now_ms, std::span<double> out) const;
  double series_feature(const node_state& node, const feature_spec& f, int64_t at_ms) const;
  double event_feature(const node_state& node, const feature_spec& f, int64_t at_ms) const;
  double fleet_feature(const node_state& node, const feature_spec& f, int64_t at_ms) const;
  double node_feature(const node_state& node, const feature_spec& f, int64_t now_ms) const;
  double compared_value(const node_state& node, const feature_spec& f) const;
  void compare(const std::vector<compared_node>& nodes, feature_table& out) const;
  void compare_fleet(const std::vector<compared_node>& fleet, size_t column,
                     feature_table& out) const;

  time_scales scales_;
  schema_ptr schema_;
  std::vector<bool> keeps_past_; ///< by series
  std::vector<fleet_state> fleets_;
  std::map<node_id, node_state> nodes_;
  std::vector<schema_map> schemas_;
  uint64_t passed_over_ = 0;
};

} // namespace harbinger::predict
