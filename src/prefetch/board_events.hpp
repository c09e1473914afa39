#pragma once

/// What the protection board says of its decisions (P9).

#include <optional>
#include <string>

#include "core/time.hpp"
#include "messages/catalog.hpp"
#include "messages/local.hpp"
#include "prefetch/protection_board.hpp"

namespace harbinger::board_events {

/// prefetch_failed: nobody passes the filters.
event no_candidate(const wanted_copy& wanted, const error& why);
/// prefetch_started.
event started(const wanted_copy& wanted, const copy_row& copy, const std::string& source);
/// prefetch_ready. `report` null: none came; `took` absent: unknown.
event ready(partition_id partition, const copy_row& copy, const std::string& source,
            const replica_report* report, std::optional<duration> took);
/// prefetch_evicted.
event evicted(partition_id partition, const copy_row& copy, const std::string& reason);
/// prefetch_fell_back: no replica could be read, the copy is made from mass storage.
event fell_back(const prefetch_progress& progress, const node_id& target,
                const std::string& source);
/// prefetch_failed: the prefetcher gave up.
event gave_up(const prefetch_progress& progress, const node_id& target, const std::string& source);

} // namespace harbinger::board_events
