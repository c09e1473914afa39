#pragma once

/// What every replica holds, by (epoch, seq) and digest, as the nodes report it. Pure.

#include <map>
#include <string>
#include <vector>

#include "catalog/catalog_view.hpp"
#include "core/settings.hpp"
#include "messages/local.hpp"

namespace harbinger {

/// Promises:
/// * A replica's epoch never moves backwards within a life of its node: such a report changes
/// nothing and is counted.
/// * `caught_up`: complete (following) and at the primary's version or past it, or its own lag is
/// at most ready_lag_ms.
///   While the primary is not known (dead, not reported yet), it stays as it was; a replica that is
///   not complete never is.
/// * `digest_differs`: at the primary's version with another digest. It stays until the two are
/// equal at one version.
/// * Only what differs from what was said before is returned. Lags and write rates alone are no
/// difference.
/// * A replica that its node no longer reports is returned once more, state failed, failure
/// "not_found: ...", and forgotten.
class replica_tracker {
public:
  static constexpr size_t replicas_per_node_max =
      65536; ///< beyond it a report's rest is refused and counted

  struct outcome {
    std::vector<replica_status> changed; ///< by partition, then node
    std::vector<replica_status>
        newly_different; ///< digest_differs that was not before: worth an alert
  };

  /// A report, or the replicas in a hello.
  outcome report(const node_id& node, incarnation life, const std::vector<replica_report>& replicas,
                 const catalog_view& catalog, const version_settings& rules, time_point now);
  /// The catalog changed, by `news`, which is in it already: primaries may be others now. Costs
  /// what changed; everything after a whole map.
  outcome refresh(const catalog_view& catalog, const partition_map& news,
                  const version_settings& rules);

  /// All statuses, by partition, then node.
  std::vector<replica_status> all() const;
  const replica_status* find(partition_id partition, const node_id& node) const;
  uint64_t refused_total() const { return refused_; }

  /// How many batches a status is behind the primary's; nothing when that can't be said (no
  /// primary, other epoch).
  std::optional<uint64_t> batches_behind(const replica_status& status,
                                         const catalog_view& catalog) const;

private:
  const replica_status* primary_of(partition_id partition, const catalog_view& catalog) const;
  void judge(partition_id partition, const catalog_view& catalog, const version_settings& rules,
             outcome& out);

  struct entry {
    replica_status status;
    bool news = false;
  };
  std::map<partition_id, std::map<node_id, entry>> replicas_;
  std::map<node_id, incarnation> lives_;
  uint64_t refused_ = 0;
};

} // namespace harbinger
