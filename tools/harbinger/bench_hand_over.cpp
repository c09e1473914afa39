#include "bench_hand_over.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

#include <csignal>

#include "app/client.hpp"
#include "app/cluster.hpp"
#include "app/observers.hpp"
#include "bench_promotion.hpp"

namespace harbinger {

namespace {

using steady = std::chrono::steady_clock;
constexpr auto settle_max = seconds(60);
constexpr size_t writers_max = 4; ///< more would measure the machine
const char* const volume = "handed";

/// Writes without pause, and notes the longest time between two answers.
class write_gap {
public:
  write_gap(const std::string& control, partition_id partition) {
    thread_ = std::thread([this, control, partition] {
      auto connection = client::connect(control, sharp_client());
      if (!connection) return;
      time_point last{};
      while (!stop_) {
        if (!connection->put(partition, {{op_kind::put, {"probe"}, {"x"}}})) continue;
        auto now = steady::now();
        if (reset_.exchange(false)) {
          longest_ = 0;
          last = now;
        }
        if (last != time_point{}) longest_ = std::max(longest_.load(), to_ms(now - last));
        last = now;
      }
    });
  }
  ~write_gap() {
    stop_ = true;
    thread_.join();
  }
  void reset() { reset_ = true; }
  double longest_ms() const { return longest_; }

private:
  std::atomic<bool> stop_{false}, reset_{false};
  std::atomic<double> longest_{0.0};
  std::thread thread_;
};

std::vector<partition_id> led_by(const partition_map& map, const node_id& node) {
  std::vector<partition_id> led;
  for (const auto& row : map.partitions)
    if (row.primary == node && led.size() < writers_max) led.push_back(row.id);
  return led;
}

bool holds_nothing(const partition_map& map, const node_id& node) {
  return std::all_of(map.partitions.begin(), map.partitions.end(), [&](const partition_row& row) {
    return !std::binary_search(row.sync_set.begin(), row.sync_set.end(), node);
  });
}

/// Who leads most now: somebody always does.
result<node_id> leader(cluster& c) {
  auto map = c.map();
  if (!map) return tl::unexpected<error>(map.error());
  std::pair<size_t, node_id> most;
  for (const auto& node : c.nodes())
    most = std::max(most, {led_by(*map, node_id{node.name}).size(), node_id{node.name}});
  return most.second;
}

/// Gaps of the writers while `what` happens to the node, until `over` holds and a second longer.
template <class What, class Over>
result<> while_writing(cluster& c, What what, Over over, std::vector<double>& gaps,
                       std::vector<double>& before) {
  auto node = leader(c);
  if (!node) return tl::unexpected<error>(node.error());
  auto map = c.map();
  if (!map) return tl::unexpected<error>(map.error());
  std::vector<std::unique_ptr<write_gap>> writers;
  for (auto id : led_by(*map, *node))
    writers.push_back(std::make_unique<write_gap>(c.control_endpoint(), id));
  pause_for(seconds(1));
  for (auto& w : writers) w->reset();
  pause_for(seconds(2));
  for (auto& w : writers) before.push_back(w->longest_ms());
  for (auto& w : writers) w->reset();
  pause_for(milliseconds(100));
  if (auto done = what(*node); !done) return done;
  if (!c.wait_for_map([&](const partition_map& m) { return over(m, *node); }, settle_max))
    return fail(errc::timeout, "what happened to " + node->value + " does not end");
  pause_for(seconds(1));
  for (auto& w : writers) gaps.push_back(w->longest_ms());
  return {};
}

result<> one_round(cluster& c, hand_over_figures& out) {
  node_id emptied;
  auto plan = [&](const node_id& node) -> result<> {
    emptied = node;
    auto said = c.console({"maintenance", "start", node.value, "--in", "1h"});
    return said ? result<>{} : tl::unexpected<error>(said.error());
  };
  if (auto done = while_writing(c, plan, holds_nothing, out.planned, out.before); !done)
    return done;
  if (auto said = c.console({"maintenance", "end", emptied.value}); !said)
    return tl::unexpected<error>(said.error());
  process* killed = nullptr;
  size_t index = 0;
  auto kill = [&](const node_id& node) -> result<> {
    auto* victim = c.find(node.value);
    index = static_cast<size_t>(victim - c.nodes().data());
    killed = &victim->daemon;
    killed->signal(SIGKILL);
    return {};
  };
  auto served = [](const partition_map& m, const node_id& node) {
    return std::none_of(m.partitions.begin(), m.partitions.end(),
                        [&](const partition_row& row) { return row.primary == node; });
  };
  if (auto done = while_writing(c, kill, served, out.deaths, out.before); !done) return done;
  killed->wait(seconds(5));
  if (auto started = c.start_node(index); !started) return started;
  if (!c.wait_for_map(fully_replicated, seconds(120)))
    return fail(errc::timeout, "not all replicas came back");
  return {};
}

} // namespace

result<hand_over_figures> measure_hand_over(uint32_t rounds,
                                            const std::function<void(const std::string&)>& say) {
  cluster_options options;
  options.nodes = 4;
  options.central["zones.minimum_stay_s"] = "0.0";
  auto made = cluster::prepare(options);
  if (!made) return tl::unexpected<error>(made.error());
  auto& c = **made;
  if (auto started = c.start(seconds(20)); !started) return tl::unexpected<error>(started.error());
  if (auto volumed = c.create_volume(volume, 16, 2, seconds(10)); !volumed)
    return tl::unexpected<error>(volumed.error());
  if (!c.wait_for_map(fully_replicated, seconds(20)))
    return fail(errc::timeout, "the volume did not get its replicas");
  hand_over_figures out;
  for (uint32_t i = 0; i < rounds; ++i) {
    if (auto done = one_round(c, out); !done) return tl::unexpected<error>(done.error());
    if (say) say("hand-over " + std::to_string(i + 1) + '/' + std::to_string(rounds));
  }
  for (auto* list : {&out.planned, &out.deaths, &out.before}) std::sort(list->begin(), list->end());
  return out;
}

} // namespace harbinger
