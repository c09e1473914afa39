#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/ids.hpp"
#include "messages/common.hpp"

namespace harbinger {

/// All tunables, valid by construction: src/app/config.cpp parses TOML into this and refuses the
/// whole file otherwise. Names, units, ranges, defaults and effects are documented in
/// config/central.toml and config/node.toml.

struct central_endpoints {
  std::string control = "tcp://127.0.0.1:7400";   ///< ROUTER: node control, map.get, volume.create
  std::string telemetry = "tcp://127.0.0.1:7401"; ///< SUB
  std::string events = "tcp://127.0.0.1:7402";    ///< PUB: topics "event", "zones", "map"
  std::string metrics = "127.0.0.1:7403";         ///< HTTP; empty: off
};

struct control_settings {
  uint32_t heartbeat_ms = 500;
  uint32_t report_ms = 1000;
  uint32_t command_timeout_ms = 2000;
};

struct prediction_settings {
  /// Directories of recorded histories that every model learns from; empty: only from its own
  std::vector<std::string> histories;
  std::vector<std::string> exclude_fleets; ///< of these histories, never trained on
  double horizon_s = 3600;
  std::vector<double> more_horizons_s; ///< risks within these are shown too
  uint32_t scoring_ms = 1000;
  double stale_after_s = 10;                       ///< input older than this widens the uncertainty
  std::vector<double> windows_s = {60, 600, 3600}; ///< feature windows
  std::vector<std::string> models = {"logistic", "forest", "boosting"}; ///< kinds that compete
  uint32_t search = 1;                 ///< tries of hyper-parameters a kind; 1: the usual ones
  uint32_t train_rows_max = 4000;      ///< rows that a machine learns from
  double retrain_every_s = 86400;      ///< 0: not by schedule
  uint32_t retrain_after_failures = 1; ///< 0: not because of failures
  double retrain_pause_s = 600;        ///< at least, between two trainings nobody asked for
};

/// Of what the centre keeps of its nodes in <state_dir>/history (src/history/journal.hpp).
struct history_settings {
  bool keep = true;
  uint32_t limit_mib = 256;
  uint32_t segment_mib = 8;
  uint32_t every_ms = 0; ///< at least so long between two kept rows of a node; 0: every row
};

struct zone_settings {
  double enter_at = 0.5; ///< probability at which a node enters a zone
  double leave_at = 0.2; ///< and below which it may leave
  /// Probability of a zone at which copies of partitions that lie in it whole join the sync set
  double escalate_at = 0.9;
  uint32_t escalated_max = 1024; ///< partitions with a joined copy at once; 0: none
  /// A node's probability at which primaries and members move off it, if there is where; 1: never
  /// for a prediction. Planned events always do.
  double evacuate_at = 0.9;
  uint32_t enter_rounds = 2; ///< consecutive scorings above enter_at
  double minimum_stay_s = 60;
  double share_max = 0.3;          ///< brake: largest share of the up nodes in zones
  double capacity_share_max = 0.3; ///< brake: and of their capacity
  /// A domain is condemned when so many risky members would be rarer than this by chance
  double concentration_p = 0.01;
  /// Attributes that make nodes fail together
  std::vector<std::string> domains = {"rack", "power"};
  double exposed_share_max = 0.5; ///< past it the widest domains expose nobody
  double comovement_min =
      0.8; ///< correlation at which risky nodes count as moving together; 1: never
};

struct prefetch_settings {
  double none_alive_target = 1e-3;      ///< P(no live replica or copy) a partition may have
  uint32_t copies_max = 2;              ///< per partition
  uint32_t concurrent_max = 16;         ///< copies under way in all
  uint32_t concurrent_per_node_max = 4; ///< as source or as target
  uint64_t rate_bytes_per_s = 64 << 20; ///< of one copy; 0: none
  uint64_t total_bytes_per_s = 0;       ///< all copies under way; 0: no limit
  uint64_t node_bytes_per_s = 0;        ///< from, and to, one node; 0: no limit
  std::string link_attribute;           ///< copies between two of its values share a link
  uint64_t link_bytes_per_s = 0;        ///< into, and out of, one value of it; 0: no limit
  double space_max = 0.5;               ///< largest share of a node's capacity that copies take
  double preempt_factor = 16;           ///< a copy gives way to one worth so many times as much
  uint32_t retry_ms = 500;
  uint32_t retries_max = 5;       ///< per source
  double keep_after_zone_s = 600; ///< copies outlive their zone so long
  uint32_t chunk_bytes = 1 << 20;
  uint32_t credits = 8;     ///< chunks outstanding
  double yield_rise = 1.25; ///< copies slow down when writes take so many times their quiet time
  uint64_t floor_bytes_per_s = 4 << 20; ///< and never below this; 0 for the former: never
  friend bool operator==(const prefetch_settings&, const prefetch_settings&) = default;
};

struct placement_settings {
  double quota = 0.9; ///< largest share of a node's capacity that may be used
  /// Attributes that replicas of a partition must not share
  std::vector<std::string> spread = {"rack"};
  /// Attributes that a node shares with those near it; a copy near the primary is near its clients
  std::vector<std::string> near;
  double weight_free = 0.35, weight_load = 0.25, weight_risk = 0.2, weight_rtt = 0.1,
         weight_near = 0.1, weight_balance = 0.1;
  double imbalance = 1.02;           ///< a node may have so many times its fair share of copies
  std::string strategy = "weighted"; ///< or random, power_of_two, rendezvous: for comparison
  friend bool operator==(const placement_settings&, const placement_settings&) = default;
};

struct version_settings {
  double ready_lag_ms = 500; ///< a copy is caught up within this
};

struct recovery_settings {
  double phi_dead = 8.0;         ///< suspicion at which probes start
  uint32_t silence_min_ms = 600; ///< never suspect before this much silence
  uint32_t probes = 2;           ///< other nodes asked
  uint32_t probe_timeout_ms = 300;
  uint32_t concurrent_max = 256; ///< partitions under recovery at once
  uint32_t retry_ms = 300;
  uint32_t rebuild_after_s = 0; ///< last resort without being asked; 0: never
};

struct replica_settings {
  uint32_t lease_ms = 400; ///< primary reads are served so long after the last word of the sync set
  uint32_t append_timeout_ms = 500; ///< resend after
  uint32_t in_flight_max = 64;      ///< batches of a partition sent and not acknowledged
  uint32_t queued_max = 1024; ///< client batches waiting per partition; beyond it errc::overloaded
  bool sync_writes = true;    ///< fsync before acknowledging
  uint64_t log_keep_entries = 50'000;  ///< log entries kept for deltas beyond what mass storage has
  uint64_t log_keep_bytes = 256 << 20; ///< and at most about so many bytes of them, per partition
};

struct mass_storage_settings {
  std::string directory;    ///< shared by all nodes
  uint32_t flush_ms = 1000; ///< log segments
  uint32_t checkpoint_s = 60;
  uint32_t log_keep_s = 7 * 24 * 3600; ///< segments that checkpoints cover; 0: kept for ever
};

struct scrub_settings {
  uint64_t rate_bytes_per_s = 4 << 20; ///< keys and values checked; 0: no checking by itself
  uint32_t pause_s = 3600; ///< a partition is checked again so long after its last check
};

struct telemetry_settings {
  uint32_t sample_ms = 1000;
  uint32_t publish_ms = 1000;
  std::vector<std::string> log_files; ///< error logs to count codes in
  /// 0: taken from the process's own limits (cgroup, RLIMIT_AS), else the host's memory
  uint64_t memory_limit_bytes = 0;
};

struct node_settings {
  node_id id;
  std::string data = "tcp://127.0.0.1:7500"; ///< ROUTER: clients and peers
  std::string metrics;                       ///< HTTP; empty: off
  std::string central_control = "tcp://127.0.0.1:7400";
  std::string central_telemetry = "tcp://127.0.0.1:7401";
  harbinger::attributes attributes;
  uint64_t capacity_bytes = 64ull << 30;
};

struct event_settings {
  uint32_t limit_mib = 64; ///< of events.jsonl and what it was before
};

struct supervision_settings {
  uint32_t restarts_max = 10; ///< intensity
  double within_s = 10;       ///< period
  uint32_t backoff_ms = 10;   ///< delay of the second restart (the first is at once); doubles
  uint32_t backoff_max_ms = 5000;
  uint32_t stop_timeout_ms = 1000; ///< then a child that does not stop is killed
};

struct settings {
  std::string state_dir = "/var/lib/harbinger";
  std::string log_level = "info";
  uint32_t threads = 2; ///< CAF workers
  central_endpoints endpoints;
  control_settings control;
  prediction_settings prediction;
  history_settings history;
  zone_settings zones;
  prefetch_settings prefetch;
  placement_settings placement;
  version_settings versions;
  recovery_settings recovery;
  node_settings node;
  replica_settings replica;
  mass_storage_settings mass_storage;
  scrub_settings scrub;
  telemetry_settings telemetry;
  event_settings events;
  supervision_settings supervision;
};

} // namespace harbinger
