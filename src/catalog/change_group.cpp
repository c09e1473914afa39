#include "catalog/change_group.hpp"

#include <set>

#include "catalog/catalog.hpp"
#include "catalog/row_fields.hpp"
#include "core/ensure.hpp"

namespace harbinger::catalog {

result<partition_row> change_group::add(catalog_view& view, const change_partition& command) {
  ENSURE(!full());
  auto delta = change(view, command);
  if (!delta) return tl::unexpected<error>(delta.error());
  auto& row = delta->partitions.front();
  if (empty()) previous_ = delta->previous;
  before_.push_back(*view.partition(row.id));
  notes_.push_back({delta->revision, to_string(row.id), command.reason, row_fields(row)});
  view.apply(*delta);
  return std::move(row);
}

partition_map change_group::delta(const catalog_view& view) const {
  partition_map map;
  map.term = view.term();
  map.previous = previous_;
  map.revision = view.revision();
  std::set<partition_id> changed;
  for (auto& row : before_) changed.insert(row.id);
  for (auto id : changed) map.partitions.push_back(*view.partition(id));
  return map;
}

void change_group::take_back(catalog_view& view) {
  for (auto row = before_.rbegin(); row != before_.rend(); ++row) view.put(std::move(*row));
  view.set_revision(view.term(), previous_);
  clear();
}

} // namespace harbinger::catalog
