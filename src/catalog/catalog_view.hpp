#pragma once

/// A follower's picture of the catalog, kept up to date from catalog_changed maps. Pure, one owner,
/// no locks.

#include <map>
#include <set>
#include <string>

#include "messages/catalog.hpp"

namespace harbinger {

class catalog_view {
public:
  enum class outcome : uint8_t {
    applied,    ///< the view now shows the map's revision
    unchanged,  ///< nothing new: the map is older than, or the same as, what is shown
    need_whole, ///< rows are missing in between (or the term changed): ask the keeper with
                ///< follow_catalog
  };

  /// Takes a whole map, or the next delta. A delta of another term, or one that starts after what
  /// is shown, changes nothing and is need_whole; a delta that overlaps what is shown is applied
  /// (rows carry their newest state). A whole map of an older term, or of the same term and an
  /// older revision, is `unchanged`. Rows are never removed by a delta; a whole map replaces
  /// everything.
  outcome apply(const partition_map& map);

  /// False until the first whole map came.
  bool ready() const { return ready_; }
  harbinger::term term() const { return term_; }
  harbinger::revision revision() const { return revision_; }

  const std::map<node_id, node_row>& nodes() const { return nodes_; }
  const std::map<partition_id, partition_row>& partitions() const { return partitions_; }
  const std::map<std::string, volume_row>& volumes() const { return volumes_; }

  /// Null when there is no such row. Valid until the next apply.
  const node_row* node(const node_id& id) const;
  const partition_row* partition(partition_id id) const;
  /// The partition's copy on that node, ready or not.
  const copy_row* copy(partition_id partition, const node_id& node) const;

  /// Partitions whose row names the node as primary, sync member, joiner or copy. Kept up to date,
  /// so O(log n) to get.
  const std::set<partition_id>& partitions_of(const node_id& id) const;

  /// Of how many partitions the row names it as primary. Kept up to date.
  size_t primaries_of(const node_id& id) const;

  /// Name and data endpoint; an unknown node has an empty endpoint.
  node_address address_of(const node_id& id) const;
  /// In the sync set, a joiner or a copy.
  static bool mentions(const partition_row& row, const node_id& id);
  /// A map with every row, `whole`, for passing on.
  partition_map whole() const;

  /// Stores one row as it is (for the owner of the catalog and for tests); keeps the index.
  void put(node_row row);
  void put(volume_row row);
  void put(partition_row row);
  void set_revision(harbinger::term term, harbinger::revision revision);

private:
  void index(const partition_row& row, bool present);

  bool ready_ = false;
  harbinger::term term_;
  harbinger::revision revision_;
  std::map<node_id, node_row> nodes_;
  std::map<std::string, volume_row> volumes_;
  std::map<partition_id, partition_row> partitions_;
  std::map<node_id, std::set<partition_id>> by_node_;
  std::map<node_id, size_t> primaries_;
};

} // namespace harbinger
