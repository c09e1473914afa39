#pragma once

#include <array>
#include <string>

#include "core/ids.hpp"

/// Directory names of the actors: what `harbinger tree` shows and `harbinger kill` takes.
namespace harbinger::names {

// central
inline constexpr auto telemetry_bridge = "telemetry_bridge";
inline constexpr auto telemetry_ingestor = "telemetry_ingestor";
inline constexpr auto history_keeper = "history_keeper";
inline constexpr auto failure_predictor = "failure_predictor";
inline constexpr auto model_keeper = "model_keeper";
inline constexpr auto model_trainer = "model_trainer";
inline constexpr auto zone_manager = "zone_manager";
inline constexpr auto prefetch_coordinator = "prefetch_coordinator";
inline constexpr auto version_synchronizer = "version_synchronizer";
inline constexpr auto recovery_coordinator = "recovery_coordinator";
inline constexpr auto catalog_keeper = "catalog_keeper";
inline constexpr auto head_node_bridge = "head_node_bridge";
// node
inline constexpr auto data_bridge = "data_bridge";
inline constexpr auto node_link = "node_link";
inline constexpr auto replica_server = "replica_server";
inline constexpr auto snapshot_server = "snapshot_server";
inline constexpr auto copy_receiver = "copy_receiver";
inline constexpr auto scrubber = "scrubber";
inline constexpr auto mass_flusher = "mass_flusher";
inline constexpr auto telemetry_publisher = "telemetry_publisher";
// both
inline constexpr auto event_publisher = "event_publisher";
inline constexpr auto config_keeper = "config_keeper";
inline constexpr auto console = "console";
inline constexpr auto metrics_exporter = "metrics_exporter";

/// One for each copy that is made or followed: "partition_prefetcher/1.3@n4".
inline std::string prefetcher_of(partition_id partition, const node_id& target) {
  return "partition_prefetcher/" + to_string(partition) + "@" + target.value;
}

/// Who gets every catalog_changed.
inline constexpr std::array catalog_followers{
    telemetry_ingestor,   history_keeper,       failure_predictor,
    zone_manager,         prefetch_coordinator, version_synchronizer,
    recovery_coordinator, head_node_bridge,     event_publisher};

} // namespace harbinger::names
