#pragma once

/// Changes of partitions that are made durable together, by one synced write. Pure.

#include <map>
#include <string>
#include <vector>

#include "catalog/catalog_view.hpp"
#include "core/result.hpp"
#include "messages/local.hpp"

namespace harbinger::catalog {

/// What the journal says of one change.
struct change_note {
  harbinger::revision revision;
  std::string subject, why;
  std::map<std::string, std::string> row = {}; ///< as it is now (row_fields.hpp)
};

class change_group {
public:
  static constexpr size_t changes_max = 512;

  bool empty() const { return notes_.empty(); }
  bool full() const { return notes_.size() >= changes_max; }
  size_t size() const { return notes_.size(); }

  /// Checks the change (catalog::change) against the view, in which those before it are already,
  /// and puts its row there too. A refused one changes nothing. Precondition: not full.
  result<partition_row> add(catalog_view& view, const change_partition& command);
  /// From before the first change to after the last: each row once, as it is now. For the store and
  /// the followers.
  partition_map delta(const catalog_view& view) const;
  const std::vector<change_note>& notes() const { return notes_; }
  /// They could not be made durable: the view is again as before the first.
  void take_back(catalog_view& view);
  /// They are durable; the next group begins.
  void clear() { *this = {}; }

private:
  revision previous_;
  std::vector<partition_row> before_; ///< of each change, in order
  std::vector<change_note> notes_;
};

} // namespace harbinger::catalog
