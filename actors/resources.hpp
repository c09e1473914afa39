#pragma once

/// What the central role owns outside of its actors, so that an actor can die and find it again.

#include <memory>

#include "catalog/catalog_store.hpp"
#include "core/settings.hpp"

namespace harbinger {

struct central_resources {
  /// Never null. The catalog's database; used by catalog_keeper, and by others for what it lets
  /// any thread do. Its term() is the term of
  /// this life of the centre.
  std::shared_ptr<catalog_store> catalog;
};

/// Opens what lies under settings.state_dir: <state_dir>/catalog. Call once at start, then set
/// context::central and context::term = central->catalog->term(). in_use: another process has it;
/// io; checksum or malformed: the database is damaged, and nothing was changed.
result<std::shared_ptr<central_resources>> open_central_resources(const settings& config);

} // namespace harbinger
