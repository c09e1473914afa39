#pragma once

/// What placement remembers between two answers: reports of the nodes, and what it promised and
/// nobody has reported yet, so that a burst of questions does not all get the same answer. Pure.

#include <optional>

#include "catalog/catalog_view.hpp"
#include "core/time.hpp"
#include "messages/control.hpp"
#include "placement/placement.hpp"

namespace harbinger {

class placement_book {
public:
  static constexpr size_t promises_max = 4096; ///< beyond it the oldest is forgotten
  static constexpr seconds promise_life{10};   ///< a promise nobody took up is forgotten

  /// A node's report; one of an older life than the catalog's, or of an unknown node, changes
  /// nothing.
  void report(const node_report& report, const catalog_view& catalog);
  void set_zones(zone_map zones) { zones_ = std::move(zones); }
  /// Answers a query; with `promise`, a found target is remembered as promised until the catalog
  /// lists the copy or the same partition is asked for again. errc::unknown_partition in the target
  /// when the catalog does not have it; errc::unavailable before the first set_zones: nobody could
  /// say then who is safe.
  placement answer(const placement_query& query, const catalog_view& catalog,
                   const settings& config, bool promise, time_point now);

private:
  struct told {
    incarnation life;
    uint64_t used_bytes = 0;
    double writes_per_s = 0.0;
    std::map<std::string, double> rtt_ms;
  };
  struct pledge {
    partition_id partition;
    node_id node;
    uint64_t size_bytes = 0;
    time_point until;
  };
  placement_world world(const catalog_view& catalog, const settings& config) const;

  std::map<node_id, told> told_;           ///< nodes of the catalog only
  std::map<partition_id, uint64_t> sizes_; ///< partitions of the catalog only
  std::vector<pledge> promises_;           ///< oldest first
  std::optional<zone_map> zones_;
};

} // namespace harbinger
