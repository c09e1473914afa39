#include "app/config.hpp"

#include <algorithm>

#include "app/config_builders.hpp"

namespace harbinger {
namespace {

using namespace config_builders;

using enum where_used;
constexpr uint64_t hour_s = 3600;

void process_keys(std::vector<config_key>& k) {
  k.push_back(text({"state_dir", both, restart, "",
                    "directory of the catalog or the store, of the console's socket, of events and "
                    "changes; one daemon each"},
                   "not empty", some_text, FIELD(state_dir)));
  k.push_back(text({"log_level", both, live, "", "least severe lines that are logged to stderr"},
                   "debug, info, warning, error", check_level, FIELD(log_level)));
  k.push_back(
      integer({"threads", both, restart, "", "workers that run actors"}, 1, 64, FIELD(threads)));
  k.push_back(integer({"events.limit_mib", both, restart, "MiB",
                       "most room that events take in the state directory; past it the oldest go"},
                      1, 1 << 20, FIELD(events.limit_mib)));
}

void central_keys(std::vector<config_key>& k) {
  k.push_back(text(
      {"endpoints.control", central, restart, "", "where nodes and clients reach this service"},
      "tcp://HOST:PORT", check_endpoint, FIELD(endpoints.control)));
  k.push_back(
      text({"endpoints.telemetry", central, restart, "", "where nodes publish telemetry to"},
           "tcp://HOST:PORT", check_endpoint, FIELD(endpoints.telemetry)));
  k.push_back(text({"endpoints.events", central, restart, "",
                    "where events, zones and map changes are published"},
                   "tcp://HOST:PORT", check_endpoint, FIELD(endpoints.events)));
  k.push_back(
      text({"endpoints.metrics", central, restart, "", "where /metrics is served; empty: off"},
           "HOST:PORT or empty", check_http, FIELD(endpoints.metrics)));

  k.push_back(integer({"control.heartbeat_ms", central, restart, "ms",
                       "how often nodes say that they live; what detection is fed with"},
                      10, minute_ms, FIELD(control.heartbeat_ms)));
  k.push_back(integer(
      {"control.report_ms", central, restart, "ms", "how often nodes report all their replicas"},
      10, minute_ms, FIELD(control.report_ms)));
  k.push_back(integer({"control.command_timeout_ms", central, restart, "ms",
                       "a command to a node that has no answer by then failed, and is sent again"},
                      50, minute_ms, FIELD(control.command_timeout_ms)));

  k.push_back(texts({"prediction.histories", central, restart, "",
                     "directories of recorded histories that every model learns from, beside what "
                     "the service itself has kept"},
                    FIELD(prediction.histories)));
  k.push_back(texts({"prediction.exclude_fleets", central, restart, "",
                     "fleets of these histories that are never trained on"},
                    FIELD(prediction.exclude_fleets)));
  k.push_back(number(
      {"prediction.horizon_s", central, restart, "s", "how far ahead a failure is predicted"}, 1,
      30 * day_s, FIELD(prediction.horizon_s)));
  k.push_back(numbers({"prediction.more_horizons_s", central, restart, "s",
                       "risks within these times are shown too"},
                      1, 30 * day_s, 0, 7, FIELD(prediction.more_horizons_s)));
  k.push_back(integer(
      {"prediction.scoring_ms", central, restart, "ms", "how often every node gets a new risk"}, 50,
      10 * minute_ms, FIELD(prediction.scoring_ms)));
  k.push_back(number({"prediction.stale_after_s", central, restart, "s",
                      "input older than this widens the uncertainty of a risk"},
                     0.1, day_s, FIELD(prediction.stale_after_s)));
  k.push_back(numbers(
      {"prediction.windows_s", central, restart, "s", "lengths of the feature windows, growing"},
      0.1, 30 * day_s, 1, 8, FIELD(prediction.windows_s)));
  k.push_back(texts({"prediction.models", central, restart, "",
                     "kinds that compete when training: logistic, forest, network, boosting"},
                    FIELD(prediction.models)));
  k.push_back(integer({"prediction.search", central, restart, "",
                       "tries of hyper-parameters a kind; 1: the usual ones"},
                      1, 1000, FIELD(prediction.search)));
  k.push_back(integer(
      {"prediction.train_rows_max", central, restart, "rows", "most rows that a training uses"},
      100, 1'000'000, FIELD(prediction.train_rows_max)));
  k.push_back(number({"prediction.retrain_every_s", central, restart, "s",
                      "a challenger to the model in use is trained so often; 0: never"},
                     0, 365 * day_s, FIELD(prediction.retrain_every_s)));
  k.push_back(integer({"prediction.retrain_after_failures", central, restart, "",
                       "and when so many nodes have failed since; 0: never"},
                      0, 1'000'000, FIELD(prediction.retrain_after_failures)));
  k.push_back(number({"prediction.retrain_pause_s", central, restart, "s",
                      "at least so long between two trainings that nobody asked for"},
                     0, 365 * day_s, FIELD(prediction.retrain_pause_s)));

  k.push_back(boolean({"history.keep", central, restart, "",
                       "whether the measurements of nodes, and how their lives ended, are kept in "
                       "<state_dir>/history"},
                      FIELD(history.keep)));
  k.push_back(integer(
      {"history.limit_mib", central, restart, "MiB", "most room it takes; past it the oldest goes"},
      1, 1 << 20, FIELD(history.limit_mib)));
  k.push_back(integer({"history.segment_mib", central, restart, "MiB",
                       "a part of this size is closed and compressed; at most a quarter of "
                       "limit_mib counts"},
                      1, 128, FIELD(history.segment_mib)));
  k.push_back(integer({"history.every_ms", central, restart, "ms",
                       "at least so long between two kept measurements of a node; 0: all are kept"},
                      0, 60 * minute_ms, FIELD(history.every_ms)));
}

void recovery_keys(std::vector<config_key>& k) {
  k.push_back(number({"versions.ready_lag_ms", central, restart, "ms",
                      "a copy within this of its source is caught up"},
                     1, minute_ms, FIELD(versions.ready_lag_ms)));

  k.push_back(number(
      {"recovery.phi_dead", central, live, "",
       "suspicion (-log10 of the chance that the node lives) at which other nodes are asked"},
      1, 30, FIELD(recovery.phi_dead)));
  k.push_back(integer({"recovery.silence_min_ms", central, live, "ms",
                       "nobody is suspected before so much silence; at least control.heartbeat_ms"},
                      20, 10 * minute_ms, FIELD(recovery.silence_min_ms)));
  k.push_back(integer({"recovery.probes", central, live, "nodes",
                       "how many other nodes are asked before a verdict"},
                      0, 10, FIELD(recovery.probes)));
  k.push_back(integer({"recovery.probe_timeout_ms", central, live, "ms", "how long they may take"},
                      10, minute_ms, FIELD(recovery.probe_timeout_ms)));
  k.push_back(integer({"recovery.concurrent_max", central, live, "partitions",
                       "most partitions under recovery at once"},
                      1, 100'000, FIELD(recovery.concurrent_max)));
  k.push_back(integer({"recovery.retry_ms", central, live, "ms",
                       "pause before a step of a recovery is tried again"},
                      10, minute_ms, FIELD(recovery.retry_ms)));
  k.push_back(
      integer({"recovery.rebuild_after_s", central, live, "s",
               "a partition whose whole sync set is gone for so long is served again from a "
               "copy and mass storage, which may lose acknowledged writes; 0: only by "
               "harbinger rebuild"},
              0, 365 * 24 * hour_s, FIELD(recovery.rebuild_after_s)));
}

void node_keys(std::vector<config_key>& k) {
  auto id = text({"node.id", node, restart, "", "the node's name, unique in the cluster; required"},
                 "1 to 64 of A-Z a-z 0-9 . _ -", check_node_id, FIELD(node.id));
  id.required = true;
  k.push_back(std::move(id));
  k.push_back(text({"node.data", node, restart, "",
                    "where clients and other nodes reach this node; published as it stands here"},
                   "tcp://HOST:PORT", check_endpoint, FIELD(node.data)));
  k.push_back(text({"node.metrics", node, restart, "", "where /metrics is served; empty: off"},
                   "HOST:PORT or empty", check_http, FIELD(node.metrics)));
  k.push_back(
      text({"node.central_control", node, restart, "", "endpoints.control of the central service"},
           "tcp://HOST:PORT", check_endpoint, FIELD(node.central_control)));
  k.push_back(text(
      {"node.central_telemetry", node, restart, "", "endpoints.telemetry of the central service"},
      "tcp://HOST:PORT", check_endpoint, FIELD(node.central_telemetry)));
  k.push_back(table_of_text({"node.attributes", node, restart, "",
                             "topology and hardware: rack, power, host, firmware, version ..."},
                            FIELD(node.attributes)));
  k.push_back(integer(
      {"node.capacity_bytes", node, restart, "bytes", "room it offers for replicas and copies"},
      1 << 20, bytes_most, FIELD(node.capacity_bytes)));

  k.push_back(integer({"replica.lease_ms", node, restart, "ms",
                       "a primary serves reads so long after the last word of its sync set; "
                       "failover waits as long; alike on all nodes"},
                      20, minute_ms, FIELD(replica.lease_ms)));
  k.push_back(integer({"replica.append_timeout_ms", node, restart, "ms",
                       "an unacknowledged batch is sent again after"},
                      20, minute_ms, FIELD(replica.append_timeout_ms)));
  k.push_back(integer({"replica.in_flight_max", node, restart, "batches",
                       "sent and not acknowledged, per partition"},
                      1, 10'000, FIELD(replica.in_flight_max)));
  k.push_back(integer({"replica.queued_max", node, restart, "batches",
                       "waiting, per partition; beyond it clients get 'overloaded'"},
                      1, 1'000'000, FIELD(replica.queued_max)));
  k.push_back(boolean({"replica.sync_writes", node, restart, "",
                       "fsync before acknowledging; false loses writes at power failure"},
                      FIELD(replica.sync_writes)));
  k.push_back(integer({"replica.log_keep_entries", node, restart, "entries",
                       "log entries kept for deltas beyond what mass storage has"},
                      100, 100'000'000, FIELD(replica.log_keep_entries)));
  k.push_back(integer({"replica.log_keep_bytes", node, restart, "bytes",
                       "and at most about so many bytes of them, per partition"},
                      1 << 20, 1ull << 40, FIELD(replica.log_keep_bytes)));

  auto directory =
      text({"mass_storage.directory", node, restart, "",
            "slow, durable, shared by all nodes: log segments and checkpoints; required"},
           "not empty", some_text, FIELD(mass_storage.directory));
  directory.required = true;
  k.push_back(std::move(directory));
  k.push_back(integer({"mass_storage.flush_ms", node, restart, "ms",
                       "how often a primary writes its new log entries there"},
                      50, 10 * minute_ms, FIELD(mass_storage.flush_ms)));
  k.push_back(integer({"mass_storage.checkpoint_s", node, restart, "s",
                       "how often changed partitions get a checkpoint there"},
                      1, 24 * hour_s, FIELD(mass_storage.checkpoint_s)));
  k.push_back(integer({"mass_storage.log_keep_s", node, restart, "s",
                       "age at which log segments go that two whole checkpoints cover; 0: never"},
                      0, 3650 * 24 * hour_s, FIELD(mass_storage.log_keep_s)));

  k.push_back(integer({"scrub.rate_bytes_per_s", node, restart, "bytes/s",
                       "how fast records are checked against their digests; 0: only on demand"},
                      0, bytes_most, FIELD(scrub.rate_bytes_per_s)));
  k.push_back(integer({"scrub.pause_s", node, restart, "s",
                       "a partition is checked again at the earliest so long after its last check"},
                      1, 365 * 24 * hour_s, FIELD(scrub.pause_s)));

  k.push_back(
      integer({"telemetry.sample_ms", node, restart, "ms", "how often the node is measured"}, 20,
              10 * minute_ms, FIELD(telemetry.sample_ms)));
  k.push_back(
      integer({"telemetry.publish_ms", node, restart, "ms", "how often the measurements are sent"},
              20, 10 * minute_ms, FIELD(telemetry.publish_ms)));
  k.push_back(texts({"telemetry.log_files", node, restart, "",
                     "error logs of the storage software, whose error codes are counted"},
                    FIELD(telemetry.log_files)));
  k.push_back(integer(
      {"telemetry.memory_limit_bytes", node, restart, "bytes",
       "what memory in use is compared with; 0: the process's own limit, else the host's memory"},
      0, bytes_most, FIELD(telemetry.memory_limit_bytes)));
}

void supervision_keys(std::vector<config_key>& k) {
  k.push_back(integer({"supervision.restarts_max", both, restart, "",
                       "restarts of one supervisor's children within within_s; one more and it "
                       "gives up, and its own supervisor acts"},
                      0, 10'000, FIELD(supervision.restarts_max)));
  k.push_back(number({"supervision.within_s", both, restart, "s", "the period of restarts_max"},
                     0.1, hour_s, FIELD(supervision.within_s)));
  k.push_back(
      integer({"supervision.backoff_ms", both, restart, "ms",
               "delay of the second restart within within_s (the first is at once); doubles"},
              0, minute_ms, FIELD(supervision.backoff_ms)));
  k.push_back(integer({"supervision.backoff_max_ms", both, restart, "ms", "largest delay"}, 0,
                      10 * minute_ms, FIELD(supervision.backoff_max_ms)));
  k.push_back(integer({"supervision.stop_timeout_ms", both, restart, "ms",
                       "how long a child may take to stop before it is killed"},
                      10, minute_ms, FIELD(supervision.stop_timeout_ms)));
}

std::string section_of(const std::string& name) {
  auto point = name.find('.');
  return point == std::string::npos ? std::string{} : name.substr(0, point);
}

} // namespace

const std::vector<config_key>& config_keys() {
  static const auto keys = [] {
    std::vector<config_key> all;
    process_keys(all);
    central_keys(all);
    protection_keys(all);
    recovery_keys(all);
    node_keys(all);
    supervision_keys(all);
    return all;
  }();
  return keys;
}

const config_key* find_config_key(std::string_view name) {
  const auto& keys = config_keys();
  auto it =
      std::find_if(keys.begin(), keys.end(), [&](const auto& key) { return key.name == name; });
  return it == keys.end() ? nullptr : &*it;
}

std::vector<config_difference> differences(const settings& from, const settings& to) {
  std::vector<config_difference> found;
  for (const auto& key : config_keys())
    if (auto before = key.get(from), after = key.get(to); before != after)
      found.push_back({key.name, before, after, key.when});
  return found;
}

std::string documented_config(daemon_role role) {
  std::string out = "# harbingerd " + std::string{name_of(role)}
                    + ": every key with its unit, range, default and effect.\n"
                      "# A file is taken whole or refused whole. [live]: a change counts at once "
                      "(SIGHUP, `harbinger config set`).\n";
  const settings defaults;
  std::string section;
  for (const auto& key : config_keys()) {
    if (!key.belongs_to(role)) continue;
    if (auto now = section_of(key.name); now != section) {
      section = now;
      out += "\n[" + section + "]\n";
    }
    out += "\n# " + key.effect + (key.when == takes_effect::at_once ? " [live]\n" : "\n");
    out += "# " + key.type + (key.unit.empty() ? "" : ", " + key.unit)
           + (key.range.empty() ? "" : "; " + key.range);
    out += key.required ? "; required\n" : "; default " + key.get(defaults) + '\n';
    auto bare = key.name.substr(section.empty() ? 0 : section.size() + 1);
    auto value = key.name == "node.id"                  ? quoted("n1")
                 : key.name == "mass_storage.directory" ? quoted("/var/lib/harbinger-mass")
                                                        : key.get(defaults);
    out += bare + " = " + value + '\n';
  }
  return out;
}

} // namespace harbinger
