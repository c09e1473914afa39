#include "app/observers.hpp"

#include <algorithm>
#include <cerrno>

#include <poll.h>
#include <unistd.h>

#include "app/client.hpp"
#include "app/process.hpp"
#include "net/reactor.hpp"
#include "net/requester.hpp"
#include "wire/codec.hpp"

namespace harbinger {

namespace {

using steady = std::chrono::steady_clock;
constexpr auto map_period = milliseconds(10);
constexpr auto map_memory = seconds(2);
constexpr size_t events_max = 100'000;
const std::string probe_key = "probe";

/// Asks again sooner than a client at work would: it is there to see when service comes back.
client_options eager() {
  client_options options;
  options.attempt = milliseconds(100);
  options.backoff_max = milliseconds(20);
  return options;
}

} // namespace

moment moment_now() {
  auto wall = std::chrono::system_clock::now().time_since_epoch();
  return {steady::now(), unix_ms{std::chrono::duration_cast<milliseconds>(wall).count()}};
}

death_watch::death_watch(pid_t pid) {
  int descriptor = open_handle(pid);
  if (descriptor < 0) { // gone already
    seen_ = moment_now();
    return;
  }
  thread_ = std::thread([this, descriptor] {
    while (!stop_) {
      pollfd wait{descriptor, POLLIN, 0};
      if (::poll(&wait, 1, 50) <= 0) continue;
      std::lock_guard lock(mutex_);
      seen_ = moment_now();
      break;
    }
    ::close(descriptor);
  });
}

death_watch::~death_watch() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

std::optional<moment> death_watch::seen() const {
  std::lock_guard lock(mutex_);
  return seen_;
}

map_watch::map_watch(std::string control_endpoint)
    : endpoint_(std::move(control_endpoint)), thread_([this] { run(); }) {}

map_watch::~map_watch() {
  stop_ = true;
  thread_.join();
}

void map_watch::run() {
  auto socket = net::requester::connect(endpoint_);
  if (!socket) return;
  while (!stop_) {
    auto begun = steady::now();
    auto answer = socket->call<partition_map>(map_request{}, milliseconds(300));
    auto now = moment_now();
    if (answer) {
      std::lock_guard lock(mutex_);
      judge(*answer, now);
      recent_.emplace_back(now.at, std::make_shared<const partition_map>(std::move(*answer)));
      std::erase_if(recent_, [&](const auto& old) { return now.at - old.first > map_memory; });
    }
    std::this_thread::sleep_until(begun + map_period);
  }
}

void map_watch::judge(const partition_map& map, moment now) {
  if (expected_.empty() || restored_) return;
  size_t served = 0, restored = 0;
  for (const auto& row : map.partitions) {
    if (!std::binary_search(expected_.begin(), expected_.end(), row.id)) continue;
    if (row.primary.value.empty() || row.primary == lost_) continue;
    ++served;
    bool without_lost =
        std::find(row.sync_set.begin(), row.sync_set.end(), lost_) == row.sync_set.end();
    if (without_lost && row.sync_set.size() >= row.replicas_wanted) ++restored;
  }
  if (!served_ && served == expected_.size()) served_ = now;
  if (restored == expected_.size()) restored_ = now;
}

std::shared_ptr<const partition_map> map_watch::latest() const {
  std::lock_guard lock(mutex_);
  return recent_.empty() ? nullptr : recent_.back().second;
}

std::shared_ptr<const partition_map> map_watch::latest_before(time_point when) const {
  std::lock_guard lock(mutex_);
  std::shared_ptr<const partition_map> found;
  for (const auto& [at, map] : recent_)
    if (at <= when || !found) found = map;
  return found;
}

void map_watch::expect_recovery(std::vector<partition_id> partitions, node_id lost) {
  std::lock_guard lock(mutex_);
  std::sort(partitions.begin(), partitions.end());
  expected_ = std::move(partitions);
  lost_ = std::move(lost);
  served_.reset();
  restored_.reset();
}

std::optional<moment> map_watch::all_served() const {
  std::lock_guard lock(mutex_);
  return served_;
}

std::optional<moment> map_watch::all_restored() const {
  std::lock_guard lock(mutex_);
  return restored_;
}

struct event_watch::impl {
  mutable std::mutex mutex;
  std::vector<event> fresh;
  std::map<node_id, moment> in_zone;
  std::map<node_id, moment> ever;
  net::reactor reactor; // last: its thread ends before the rest goes

  void hear(const net::incoming& in) {
    std::lock_guard lock(mutex);
    if (auto e = wire::read_frame<event>(in.message); e && fresh.size() < events_max)
      fresh.push_back(std::move(*e));
    auto zones = wire::read_frame<zone_map>(in.message);
    if (!zones) return;
    std::map<node_id, moment> members;
    auto now = moment_now();
    for (const auto& zone : zones->zones)
      for (const auto& node : zone.members) {
        auto known = in_zone.find(node);
        members.emplace(node, known == in_zone.end() ? now : known->second);
        ever.emplace(node, now);
      }
    in_zone = std::move(members);
  }
};

event_watch::event_watch(const std::string& events_endpoint) : impl_(std::make_unique<impl>()) {
  net::socket_options options;
  options.kind = net::socket_kind::subscriber;
  options.endpoint = events_endpoint;
  options.topics = {"event", "zones"};
  if (impl_->reactor.add(options))
    impl_->reactor.start([this](net::incoming&& in) { impl_->hear(in); });
}

event_watch::~event_watch() = default;

std::vector<event> event_watch::take() {
  std::lock_guard lock(impl_->mutex);
  return std::exchange(impl_->fresh, {});
}

std::optional<moment> event_watch::in_zone_since(const node_id& node) const {
  std::lock_guard lock(impl_->mutex);
  auto it = impl_->in_zone.find(node);
  return it == impl_->in_zone.end() ? std::nullopt : std::optional{it->second};
}

std::vector<node_id> event_watch::ever_in_zone() const {
  std::lock_guard lock(impl_->mutex);
  std::vector<node_id> nodes;
  for (const auto& [node, when] : impl_->ever) nodes.push_back(node);
  return nodes;
}

availability_probe::availability_probe(std::string control_endpoint,
                                       const std::vector<partition_id>& partitions)
    : endpoint_(std::move(control_endpoint)) {
  for (auto partition : partitions) probes_.push_back({partition, {}, {}});
  for (size_t i = 0; i < probes_.size(); ++i) {
    threads_.emplace_back([this, i] { read_loop(i); });
    threads_.emplace_back([this, i] { write_loop(i); });
  }
}

availability_probe::~availability_probe() { stop(); }

void availability_probe::stop() {
  stop_ = true;
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void availability_probe::begin(time_point when) {
  std::lock_guard lock(mutex_);
  begin_ = when;
}

void availability_probe::read_loop(size_t index) {
  auto connection = client::connect(endpoint_, eager());
  if (!connection) return;
  auto partition = probes_[index].partition;
  bool known = false; // a first read makes the connection warm, as a client's is
  while (!stop_) {
    std::optional<time_point> since;
    {
      std::lock_guard lock(mutex_);
      since = begin_;
    }
    if (!since && known) {
      std::this_thread::sleep_for(milliseconds(2));
      continue;
    }
    auto found = connection->get(partition, probe_key);
    known = true;
    if (!found || !since) continue;
    std::lock_guard lock(mutex_);
    probes_[index].read_ms = to_ms(steady::now() - *since);
    return;
  }
}

void availability_probe::write_loop(size_t index) {
  auto connection = client::connect(endpoint_, eager());
  if (!connection) return;
  auto partition = probes_[index].partition;
  for (uint64_t number = 1; !stop_;) {
    std::optional<time_point> since;
    {
      std::lock_guard lock(mutex_);
      since = begin_;
    }
    if (!since && number > 1) {
      std::this_thread::sleep_for(milliseconds(2));
      continue;
    }
    {
      std::lock_guard lock(mutex_);
      probes_[index].tried = number;
    }
    auto done = connection->put(partition,
                                {record_op{op_kind::put, {probe_key}, {std::to_string(number)}}});
    std::lock_guard lock(mutex_);
    if (done) probes_[index].acknowledged = number;
    ++number;
    if (!done || !since) continue;
    probes_[index].write_ms = to_ms(steady::now() - *since);
    return;
  }
}

availability_probe::times availability_probe::times_of(std::optional<double> one::*member) const {
  std::lock_guard lock(mutex_);
  times result;
  bool all = !probes_.empty();
  double last = 0.0;
  for (const auto& probe : probes_) {
    const auto& ms = probe.*member;
    all = all && ms.has_value();
    if (!ms) continue;
    result.first_ms = std::min(result.first_ms.value_or(*ms), *ms);
    last = std::max(last, *ms);
  }
  if (all) result.all_ms = last;
  return result;
}

availability_probe::times availability_probe::reads() const { return times_of(&one::read_ms); }
availability_probe::times availability_probe::writes() const { return times_of(&one::write_ms); }

availability_probe::outcome availability_probe::finish() {
  stop();
  outcome result;
  auto connection = client::connect(endpoint_, eager());
  for (const auto& probe : probes_) {
    if (probe.acknowledged == 0) continue;
    ++result.acknowledged;
    auto found = connection ? connection->get(probe.partition, probe_key) : fail(errc::unavailable);
    uint64_t number = found && found->found ? std::stoull(found->value.data) : 0;
    if (number < probe.acknowledged || number > probe.tried) ++result.lost;
  }
  return result;
}

} // namespace harbinger
