#include "app/partition_sweep.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <random>

#include "app/process.hpp"
#include "messages/catalog.hpp"
#include "messages/client.hpp"
#include "net/reactor.hpp"
#include "net/requester.hpp"
#include "wire/codec.hpp"

namespace harbinger {

namespace {

using steady = std::chrono::steady_clock;
constexpr auto look_period = milliseconds(2);

class sweep {
public:
  explicit sweep(const sweep_options& options) : options_(options) {
    std::random_device source;
    client_ = "sweep-" + hex64(uint64_t{source()} << 32 | source());
    for (auto id : options.partitions) open_.emplace(id, target{});
  }

  result<sweep_times> run() {
    auto centre = net::requester::connect(options_.control_endpoint);
    if (!centre) return tl::unexpected<error>(centre.error());
    reactor_.start([this](net::incoming&& in) { hear(std::move(in.message)); });
    times_.begun = steady::now();
    auto until = times_.begun + options_.timeout;
    uint64_t asked = 0;
    auto ask_at = times_.begun;
    for (;;) {
      auto now = steady::now();
      if (interrupted()) return fail(errc::cancelled, "interrupted");
      if (now >= ask_at) {
        asked = centre->send(wire::make_frame(0, map_request{}));
        ask_at = now + std::max(options_.map_period, duration(seconds(1)));
      }
      if (auto reply = centre->receive(look_period); reply && reply->id == asked) {
        if (auto map = wire::read_frame<partition_map>(*reply)) take(*map);
        ask_at = steady::now() + options_.map_period;
      }
      if (send_due(steady::now()) || now >= until) break;
    }
    reactor_.stop();
    if (!mapped_) return fail(errc::io, "the centre gives no partition map");
    times_.unserved = open_.size();
    std::sort(times_.ms.begin(), times_.ms.end());
    return std::move(times_);
  }

private:
  struct target {
    std::string endpoint; ///< of the primary; empty: not known, or dead
    uint64_t request = 0; ///< under way; 0: none
    time_point not_before{};
    time_point patience{};
  };

  void take(const partition_map& map) {
    std::map<node_id, std::string> endpoints;
    for (const auto& node : map.nodes)
      if (node.state != node_state::dead) endpoints[node.id] = node.data_endpoint;
    std::lock_guard lock(mutex_);
    mapped_ = true;
    for (const auto& row : map.partitions) {
      auto it = open_.find(row.id);
      if (it == open_.end()) continue;
      auto found = endpoints.find(row.primary);
      auto endpoint = found == endpoints.end() ? std::string{} : found->second;
      if (endpoint == it->second.endpoint) continue;
      forget(it->second); // whoever was asked is not the primary any more
      it->second.endpoint = std::move(endpoint);
      it->second.not_before = {};
    }
  }

  wire::frame request_for(partition_id id, uint64_t number) const {
    if (options_.reads) return wire::make_frame(number, get_request{id, {options_.key}});
    put_request put{id, {}};
    put.batch.ops.push_back({op_kind::put, {options_.key}, {options_.value}});
    put.batch.client = client_;
    put.batch.request = 1;
    return wire::make_frame(number, put);
  }

  void forget(target& t) {
    if (t.request != 0) under_way_.erase(t.request);
    t.request = 0;
  }

  /// True when nothing is left to ask for.
  bool send_due(time_point now) {
    std::lock_guard lock(mutex_);
    for (auto& [id, t] : open_) {
      if (t.request != 0 && now >= t.patience) forget(t);
      if (t.request != 0 || t.endpoint.empty() || now < t.not_before) continue;
      if (under_way_.size() >= options_.in_flight_max) break;
      t.request = ++last_;
      t.patience = now + options_.patience;
      under_way_.emplace(t.request, id);
      reactor_.send_to_endpoint(t.endpoint, request_for(id, t.request));
    }
    return mapped_ && open_.empty();
  }

  void hear(wire::frame&& message) {
    auto now = steady::now();
    std::lock_guard lock(mutex_);
    auto it = under_way_.find(message.id);
    if (it == under_way_.end()) return;
    auto id = it->second;
    under_way_.erase(it);
    if (options_.reads ? wire::read_frame<value_reply>(message).has_value()
                       : wire::read_frame<put_ok>(message).has_value()) {
      times_.ms.push_back(to_ms(now - times_.begun));
      open_.erase(id);
      return;
    }
    auto& t = open_.at(id);
    t.request = 0;
    t.not_before = now + options_.rest;
  }

  const sweep_options& options_;
  std::string client_;
  std::mutex mutex_;
  std::map<partition_id, target> open_;
  std::map<uint64_t, partition_id> under_way_;
  uint64_t last_ = 0;
  bool mapped_ = false;
  sweep_times times_;
  net::reactor reactor_; // last: its thread ends before the rest goes
};

} // namespace

result<sweep_times> sweep_partitions(const sweep_options& options) { return sweep(options).run(); }

} // namespace harbinger
