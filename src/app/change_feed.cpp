#include "app/change_feed.hpp"

#include <algorithm>
#include <chrono>

namespace harbinger {
namespace {

using steady = std::chrono::steady_clock;

constexpr auto poll_wait = milliseconds(1000);    // the primary keeps a question so long
constexpr auto poll_patience = milliseconds(500); // beyond it the primary counts as lost
constexpr auto pause_first = milliseconds(5), pause_max = milliseconds(200);
constexpr auto refresh_wait = milliseconds(500), refresh_pause = milliseconds(100);

/// Where one partition is.
struct feed_place {
  version after;
  uint64_t request = 0; ///< open at `endpoint`; 0: none is
  std::string endpoint;
  time_point until{};  ///< of the open request
  time_point ask_at{}; ///< not before
  duration pause = pause_first;
  bool troubled = false; ///< nothing good was heard since it was last put off
  std::optional<error> lost;
};

} // namespace

struct change_feed::impl {
  client& cluster;
  std::map<partition_id, feed_place> places;
  std::map<std::string, net::requester> nodes;
  std::map<std::pair<std::string, uint64_t>, partition_id> open;
  time_point refreshed_at{};

  explicit impl(client& c) : cluster(c) {}

  net::requester* connected(const std::string& endpoint) {
    auto it = nodes.find(endpoint);
    if (it == nodes.end()) {
      auto made = net::requester::connect(endpoint);
      if (!made) return nullptr;
      it = nodes.emplace(endpoint, std::move(*made)).first;
    }
    return &it->second;
  }

  void ask(partition_id partition, feed_place& p, time_point now) {
    auto endpoint = cluster.primary_endpoint(partition);
    auto* node = endpoint ? connected(*endpoint) : nullptr;
    if (!node) return put_off(p, now);
    p.endpoint = *endpoint;
    watch_request request{partition, p.after, 0,
                          static_cast<uint32_t>(std::chrono::milliseconds(poll_wait).count())};
    p.request = node->send({std::string{watch_request::wire_name}, 0, wire::encode(request)});
    p.until = now + poll_wait + poll_patience;
    open[{p.endpoint, p.request}] = partition;
  }

  /// Asked again after a pause, by a newer map.
  void put_off(feed_place& p, time_point now) {
    p.troubled = true;
    p.ask_at = now + p.pause;
    p.pause = std::min<duration>(p.pause * 2, pause_max);
  }

  void forget(feed_place& p) {
    open.erase({p.endpoint, p.request});
    p.request = 0;
  }

  bool troubled() const {
    return std::any_of(places.begin(), places.end(),
                       [](const auto& p) { return p.second.troubled && !p.second.lost; });
  }

  /// Looks where primaries are now, and asks nobody any longer who is none.
  void refresh(time_point now) {
    if (!troubled() || now < refreshed_at + refresh_pause) return;
    (void)cluster.refresh(refresh_wait);
    refreshed_at = steady::now();
    for (auto& [partition, p] : places) {
      if (p.request == 0) continue;
      auto primary = cluster.primary_endpoint(partition);
      if (!primary || *primary == p.endpoint) continue;
      forget(p);
      p.ask_at = now;
    }
  }

  void ask_all(time_point now) {
    refresh(now);
    for (auto& [partition, p] : places) {
      if (p.lost) continue;
      if (p.request != 0 && now >= p.until) {
        forget(p);
        put_off(p, now);
      }
      if (p.request == 0 && now >= p.ask_at) ask(partition, p, now);
    }
  }

  void take(const std::string& endpoint, const wire::frame& frame, time_point now,
            std::vector<feed_change>& out) {
    auto asked = open.extract({endpoint, frame.id});
    if (asked.empty()) return; // given up meanwhile: it was asked again
    auto partition = asked.mapped();
    auto& p = places.at(partition);
    p.request = 0;
    auto reply = wire::read_frame<changes_reply>(frame);
    if (reply) {
      p.after = reply->next;
      p.pause = pause_first;
      p.troubled = false;
      for (auto& batch : reply->changes) out.push_back({partition, std::move(batch)});
    } else if (worth_repeating(reply.error().code)) {
      put_off(p, now);
    } else {
      p.lost = error{reply.error().code, to_string(partition) + ": " + reply.error().detail};
    }
  }

  /// Waits for answers until `until`, and takes those that are there.
  void receive(time_point until, std::vector<feed_change>& out) {
    std::vector<net::requester*> asked;
    for (auto& [endpoint, node] : nodes) asked.push_back(&node);
    net::requester::wait_any(asked, until - steady::now());
    for (auto& [endpoint, node] : nodes)
      while (auto frame = node.receive(duration::zero()))
        take(endpoint, *frame, steady::now(), out);
  }

  /// When something is due without an answer.
  time_point due() const {
    auto at = troubled() ? refreshed_at + refresh_pause : time_point::max();
    for (const auto& [partition, p] : places)
      if (!p.lost) at = std::min(at, p.request != 0 ? p.until : p.ask_at);
    return at;
  }
};

change_feed::change_feed(std::unique_ptr<impl> impl) : impl_(std::move(impl)) {}
change_feed::change_feed(change_feed&&) noexcept = default;
change_feed& change_feed::operator=(change_feed&&) noexcept = default;
change_feed::~change_feed() = default;

result<change_feed> change_feed::open(client& cluster, const std::vector<partition_id>& partitions,
                                      const std::map<partition_id, version>& from) {
  auto made = std::make_unique<impl>(cluster);
  for (auto partition : partitions) {
    auto& place = made->places[partition];
    if (auto it = from.find(partition); it != from.end()) {
      place.after = it->second;
      continue;
    }
    auto now = cluster.scan(partition, {}, 1);
    if (!now) return tl::unexpected<error>(now.error());
    place.after = now->version;
  }
  return change_feed(std::move(made));
}

result<change_feed> change_feed::open(client& cluster, const std::string& volume,
                                      const std::map<partition_id, version>& from) {
  auto row = cluster.volume(volume);
  if (!row) return tl::unexpected<error>(row.error());
  std::vector<partition_id> all;
  for (uint32_t i = 0; i < row->partitions; ++i) all.push_back(make_partition_id(row->number, i));
  return open(cluster, all, from);
}

result<std::vector<feed_change>> change_feed::next(duration wait) {
  auto until = steady::now() + wait;
  std::vector<feed_change> out;
  if (auto partition = lost()) return tl::unexpected<error>(*impl_->places.at(*partition).lost);
  do {
    impl_->ask_all(steady::now());
    impl_->receive(std::min(until, impl_->due()), out);
  } while (out.empty() && !lost() && steady::now() < until);
  if (out.empty() && lost()) return next(duration::zero());
  impl_->ask_all(steady::now()); // the next answers come while the caller works
  return out;
}

std::optional<partition_id> change_feed::lost() const {
  for (const auto& [partition, p] : impl_->places)
    if (p.lost) return partition;
  return std::nullopt;
}

void change_feed::go_on(partition_id partition, version after) {
  auto it = impl_->places.find(partition);
  if (it == impl_->places.end()) return;
  impl_->forget(it->second);
  it->second = {};
  it->second.after = after;
}

std::map<partition_id, version> change_feed::positions() const {
  std::map<partition_id, version> out;
  for (const auto& [partition, p] : impl_->places) out[partition] = p.after;
  return out;
}

} // namespace harbinger
