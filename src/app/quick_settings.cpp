#include "app/quick_settings.hpp"

#include "app/config.hpp"

namespace harbinger {

std::map<std::string, std::string> quick_central_settings() {
  return {
      {"control.heartbeat_ms", "100"},        {"control.report_ms", "200"},
      {"prediction.horizon_s", "20.0"},       {"prediction.scoring_ms", "500"},
      {"prediction.stale_after_s", "3.0"},    {"prediction.windows_s", "[3.0, 10.0, 40.0]"},
      {"zones.minimum_stay_s", "8.0"},        {"zones.share_max", "0.34"},
      {"zones.capacity_share_max", "0.34"},   {"zones.domains", "[\"rack\"]"},
      {"prefetch.keep_after_zone_s", "60.0"},
  };
}

std::map<std::string, std::string> quick_node_settings() {
  return {
      {"telemetry.sample_ms", "200"},
      {"telemetry.publish_ms", "200"},
      {"mass_storage.flush_ms", "500"},
      {"mass_storage.checkpoint_s", "10"},
  };
}

result<settings> parsed_quick_settings() {
  std::vector<config_change> changes;
  for (const auto& [key, value] : quick_central_settings()) changes.push_back({key, value});
  return parse_settings(daemon_role::central, "", "", changes);
}

} // namespace harbinger
