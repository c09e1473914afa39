#include "bench_promotion.hpp"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include <csignal>

#include <nlohmann/json.hpp>

#include "app/client.hpp"
#include "app/cluster.hpp"
#include "app/load.hpp"
#include "app/observers.hpp"

namespace harbinger {

namespace {

using steady = std::chrono::steady_clock;
/// Two replicas with records, some log and what compaction needs for a while, and the log in mass
/// storage; then two checkpoints there and a third being written, if there are any.
constexpr uint64_t room_factor = 5, room_factor_checkpoints = 8;
constexpr auto verdict_max = seconds(30);
constexpr auto served_max = seconds(30);
const char* const volume = "sized";
const std::string probe_key = "probe";

/// Calls `once` from `begin()` on until it succeeds, and notes when.
class first_success {
public:
  template <class Once>
  first_success(const std::string& control, Once once) {
    thread_ = std::thread([this, control, once] {
      auto connection = client::connect(control, sharp_client());
      if (!connection) return;
      (void)once(*connection); // a client at work has its connections open
      while (!begun_ && !stop_) std::this_thread::sleep_for(milliseconds(1));
      while (!stop_ && !once(*connection)) {
      }
      if (!stop_) at_ = steady::now().time_since_epoch().count();
    });
  }
  ~first_success() {
    stop_ = true;
    thread_.join();
  }
  void begin() { begun_ = true; }
  std::optional<time_point> seen() const {
    auto at = at_.load();
    return at == 0 ? std::nullopt : std::optional(time_point(duration(at)));
  }

private:
  std::atomic<bool> begun_{false}, stop_{false};
  std::atomic<int64_t> at_{0};
  std::thread thread_;
};

result<> room_for(const std::string& directory, uint64_t bytes) {
  std::error_code code;
  auto space = std::filesystem::space(directory, code);
  if (code || space.available >= bytes) return {};
  return fail(errc::no_space, std::to_string(bytes >> 20) + " MiB are needed in " + directory + ", "
                                  + std::to_string(space.available >> 20) + " are there");
}

result<> fill(cluster& c, uint64_t bytes) {
  if (auto made = c.create_volume(volume, 1, 2, seconds(10)); !made) return made;
  if (!c.wait_for_map(fully_replicated, seconds(20)))
    return fail(errc::timeout, "the volume did not get its replicas");
  preload_options p;
  p.control_endpoint = c.control_endpoint();
  p.volume = volume;
  p.bytes_per_partition = bytes;
  p.value_bytes = bytes >= 64 << 20 ? 16384 : 4096;
  auto filled = preload(p);
  return filled ? result<>{} : tl::unexpected<error>(filled.error());
}

/// The verdict on the node that died at `death`: when, by this process's clock.
result<time_point> verdict_on(event_watch& events, const std::string& node, moment death) {
  for (auto until = steady::now() + verdict_max; steady::now() < until;) {
    for (auto& e : events.take())
      if (e.kind == "node_dead" && e.subject == node)
        return death.at + milliseconds(e.time.value - death.wall_time.value);
    if (!pause_for(milliseconds(1))) return fail(errc::cancelled, "interrupted");
  }
  return fail(errc::timeout, "no verdict on " + node);
}

result<> die_once(cluster& c, event_watch& events, partition_id partition, promotion_figures& out) {
  auto map = c.map();
  if (!map) return tl::unexpected<error>(map.error());
  auto name = map->partitions.at(0).primary.value;
  auto* victim = c.find(name);
  if (!victim) return fail(errc::internal, "no primary");
  first_success read(c.control_endpoint(),
                     [=](client& k) { return k.get(partition, probe_key).has_value(); });
  first_success write(c.control_endpoint(), [=](client& k) {
    return k.put(partition, {{op_kind::put, {probe_key}, {"x"}}}).has_value();
  });
  pause_for(milliseconds(300));
  events.take();
  victim->daemon.signal(SIGKILL);
  auto death = moment_now();
  read.begin();
  write.begin();
  auto verdict = verdict_on(events, name, death);
  if (!verdict) return tl::unexpected<error>(verdict.error());
  for (auto until = steady::now() + served_max; !read.seen() || !write.seen();)
    if (!pause_for(milliseconds(1)) || steady::now() > until)
      return fail(errc::timeout, "not served again after " + name + " died");
  out.reads.push_back(to_ms(*read.seen() - *verdict));
  out.writes.push_back(to_ms(*write.seen() - *verdict));
  victim->daemon.wait(seconds(5));
  auto index = static_cast<size_t>(victim - c.nodes().data());
  if (auto started = c.start_node(index); !started) return started;
  if (!c.wait_for_map(fully_replicated, seconds(120)))
    return fail(errc::timeout, name + " did not come back as a replica");
  return {};
}

result<double> rebuild_ms(cluster& c, partition_id partition) {
  auto document = c.console({"drill", "full_rebuild", to_string(partition)}, seconds(115));
  if (!document) return tl::unexpected<error>(document.error());
  auto json = nlohmann::json::parse(*document, nullptr, false);
  bool whole = json.is_object() && json.contains("total_ms") && json.contains("each")
               && !json["each"].empty() && !json["each"][0].contains("failure");
  if (!whole) return fail(errc::unavailable, "drill: " + *document);
  return json["total_ms"].get<double>();
}

} // namespace

client_options sharp_client() {
  client_options options;
  options.attempt = milliseconds(20);
  options.backoff = milliseconds(1);
  options.backoff_max = milliseconds(2);
  options.deadline = served_max;
  return options;
}

result<promotion_figures> measure_promotion(uint64_t bytes, uint32_t deaths, uint32_t rebuilds,
                                            const std::function<void(const std::string&)>& say) {
  cluster_options options;
  options.nodes = 2;
  bool checkpoints = rebuilds > 0;
  if (!checkpoints) options.node["mass_storage.checkpoint_s"] = "86400"; // they take only room here
  auto made = cluster::prepare(options);
  if (!made) return tl::unexpected<error>(made.error());
  auto& c = **made;
  if (auto room =
          room_for(c.directory(), bytes * (checkpoints ? room_factor_checkpoints : room_factor));
      !room)
    return tl::unexpected<error>(room.error());
  event_watch events(c.events_endpoint());
  if (auto started = c.start(seconds(20)); !started) return tl::unexpected<error>(started.error());
  if (auto filled = fill(c, bytes); !filled) return tl::unexpected<error>(filled.error());
  auto map = c.map();
  if (!map || map->partitions.empty()) return fail(errc::internal, "no map");
  auto partition = map->partitions[0].id;
  promotion_figures out;
  for (uint32_t i = 0; i < deaths; ++i) {
    if (auto died = die_once(c, events, partition, out); !died)
      return tl::unexpected<error>(died.error());
    if (say && (i + 1) % 5 == 0)
      say("promotion at " + std::to_string(bytes >> 20) + " MiB " + std::to_string(i + 1) + '/'
          + std::to_string(deaths));
  }
  for (uint32_t i = 0; i < rebuilds; ++i) {
    auto ms = rebuild_ms(c, partition);
    if (!ms) return tl::unexpected<error>(ms.error());
    out.rebuilds.push_back(*ms);
  }
  for (auto* list : {&out.reads, &out.writes, &out.rebuilds}) std::sort(list->begin(), list->end());
  return out;
}

} // namespace harbinger
