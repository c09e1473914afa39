#include "bench_fleet.hpp"

#include <algorithm>
#include <cmath>

#include <csignal>

#include "app/cluster.hpp"
#include "app/observers.hpp"
#include "app/partition_sweep.hpp"

namespace harbinger {

namespace {

using steady = std::chrono::steady_clock;
constexpr auto fill_max = seconds(300);
constexpr auto recovery_max = seconds(120);
const char* const volume = "fleet";

std::vector<partition_id> with_replica_on(const partition_map& map, const node_id& node,
                                          size_t& primaries) {
  std::vector<partition_id> found;
  for (const auto& row : map.partitions) {
    if (!std::binary_search(row.sync_set.begin(), row.sync_set.end(), node)) continue;
    found.push_back(row.id);
    primaries += row.primary == node;
  }
  return found;
}

result<> fill(cluster& c, uint32_t partitions, const std::function<void(const std::string&)>& say) {
  if (auto made = c.create_volume(volume, partitions, 2, seconds(30)); !made) return made;
  if (!c.wait_for_map(fully_replicated, fill_max))
    return fail(errc::timeout, "the volume did not get its replicas");
  if (say) say("fleet: " + std::to_string(partitions) + " partitions have their replicas");
  auto map = c.map(seconds(5));
  if (!map) return tl::unexpected<error>(map.error());
  sweep_options first{.control_endpoint = c.control_endpoint(), .value = "first"};
  first.timeout = fill_max;
  for (const auto& row : map->partitions) first.partitions.push_back(row.id);
  auto written = sweep_partitions(first);
  if (!written) return tl::unexpected<error>(written.error());
  if (written->unserved > 0)
    return fail(errc::timeout, std::to_string(written->unserved) + " partitions took no write");
  if (say)
    say("fleet: a record in each, " + std::to_string(std::lround(written->ms.back())) + " ms");
  return {};
}

/// Until the event comes; nothing at the timeout.
std::optional<event> wait_for(event_watch& events, const std::string& kind, duration timeout) {
  for (auto until = steady::now() + timeout; steady::now() < until;) {
    for (auto& e : events.take())
      if (e.kind == kind) return e;
    if (!pause_for(milliseconds(2))) return std::nullopt;
  }
  return std::nullopt;
}

double promoted_ms(cluster& c) {
  auto document = c.console({"recovery"});
  auto at = document ? document->find("\"promote_ms\":") : std::string::npos;
  return at == std::string::npos ? 0.0 : std::strtod(document->c_str() + at + 13, nullptr);
}

} // namespace

result<fleet_figures> measure_fleet(uint32_t on_a_node, fleet_probe how,
                                    const std::function<void(const std::string&)>& say) {
  cluster_options options;
  options.nodes = 3;
  auto made = cluster::prepare(options);
  if (!made) return tl::unexpected<error>(made.error());
  auto& c = **made;
  event_watch events(c.events_endpoint());
  if (auto started = c.start(seconds(20)); !started) return tl::unexpected<error>(started.error());
  if (auto filled = fill(c, on_a_node * 3 / 2, say); !filled)
    return tl::unexpected<error>(filled.error());
  pause_for(seconds(5)); // mass storage takes what was written
  auto map = c.map(seconds(5));
  if (!map) return tl::unexpected<error>(map.error());
  fleet_figures out;
  sweep_options probe{.control_endpoint = c.control_endpoint(), .value = "after"};
  probe.partitions = with_replica_on(*map, node_id{"n1"}, out.primaries);
  probe.timeout = recovery_max;
  probe.reads = how == fleet_probe::read;
  out.partitions = probe.partitions.size();
  if (say) say("fleet: kill");
  events.take();
  c.nodes()[0].daemon.signal(SIGKILL);
  auto death = moment_now();
  auto verdict = wait_for(events, "node_dead", seconds(30));
  if (!verdict) return fail(errc::timeout, "no verdict on n1");
  out.detect_ms = static_cast<double>(verdict->time.value - death.wall_time.value);
  auto served = sweep_partitions(probe);
  if (!served) return tl::unexpected<error>(served.error());
  if (served->unserved > 0)
    return fail(errc::timeout, std::to_string(served->unserved) + " of "
                                   + std::to_string(out.partitions) + " partitions not served");
  auto begun_ms = to_ms(served->begun - death.at) - out.detect_ms;
  out.served_ms = begun_ms + served->ms.back();
  out.half_ms = begun_ms + served->ms[served->ms.size() / 2];
  out.promoted_ms = promoted_ms(c);
  return out;
}

} // namespace harbinger
