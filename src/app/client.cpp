#include "app/client.hpp"

#include <algorithm>
#include <set>
#include <thread>

#include "app/risk_book.hpp"

namespace harbinger {
namespace {

constexpr auto look_again =
    milliseconds(50); // after so long without an answer the map is looked at

/// Whether an attempt that ended so may have taken effect all the same.
bool may_have_happened(errc code) {
  return code == errc::timeout || code == errc::not_primary || code == errc::cancelled
         || code == errc::io || code == errc::no_space || code == errc::unknown_partition;
}

/// Whether the service has decided on the write: what earlier attempts came to does not matter.
bool decided(errc code) { return code == errc::condition_failed || code == errc::oversize; }

/// 128 bits that no other client has, whatever seed the jitter has.
std::string unique_name() {
  std::random_device source;
  auto half = [&] { return hex64(uint64_t{source()} << 32 | source()); };
  return half() + half();
}

} // namespace

bool worth_repeating(errc code) {
  switch (code) {
  case errc::not_primary:
  case errc::timeout:
  case errc::unavailable:
  case errc::lease_expired:
  case errc::unknown_partition:
  case errc::overloaded:
  case errc::cancelled:
  case errc::unknown_node: return true;
  default: return false;
  }
}

struct client::impl {
  client_options options;
  net::requester centre;
  std::string central;
  std::optional<net::requester> risk_source; // of its own: answers are taken when they are there
  risk_book risks;
  std::map<std::string, net::requester> nodes;
  partition_map map;
  std::map<partition_id, size_t> places; // in map.partitions
  std::map<std::string, uint64_t> retries;
  std::mt19937_64 random;
  const std::string name = unique_name();
  uint64_t last_request = 0;

  impl(net::requester c, std::string at, client_options o)
      : options(o),
        centre(std::move(c)),
        central(std::move(at)),
        random(o.seed != 0 ? o.seed : std::random_device{}()) {}

  result<void> refresh(duration timeout) {
    auto whole = centre.call<partition_map>(map_request{}, timeout);
    if (!whole) return tl::unexpected<error>(whole.error());
    take(std::move(*whole));
    return {};
  }

  void take(partition_map whole) {
    // An older map can come late, after a restart of the centre it has a newer term.
    if (std::pair(whole.term, whole.revision) < std::pair(map.term, map.revision)) return;
    map = std::move(whole);
    places.clear();
    for (size_t i = 0; i < map.partitions.size(); ++i) places[map.partitions[i].id] = i;
  }

  /// Takes what came within `wait`, and asks again when it is time.
  result<void> follow_risks(duration wait) {
    if (!risk_source) {
      auto made = net::requester::connect(central);
      if (!made) return tl::unexpected<error>(made.error());
      risk_source = std::move(*made);
    }
    auto now = std::chrono::steady_clock::now();
    if (risks.due(now) || wait > duration::zero()) {
      risk_source->send({std::string{risk_request::wire_name}, 0, wire::encode(risk_request{})});
      risks.asked(now);
    }
    auto answer = risk_source->receive(wait);
    if (!answer) return fail(errc::timeout, central + " did not answer");
    auto news = wire::read_frame<nodes_at_risk>(*answer);
    if (!news) return tl::unexpected<error>(news.error());
    risks.heard(std::move(*news), std::chrono::steady_clock::now());
    return {};
  }

  /// The primary's answer, if it comes soon enough for somebody who could ask a copy.
  std::optional<value_reply> ask_quickly(partition_id partition, const get_request& request) {
    (void)follow_risks(duration::zero());
    auto id = primary_id(partition);
    if (!id) return std::nullopt;
    auto node = connected(*id);
    if (!node) return std::nullopt;
    bool at_risk = risks.at_risk(*id, std::chrono::steady_clock::now());
    auto reply = attempt<value_reply>(**node, partition, request,
                                      at_risk ? options.slow_at_risk : options.slow);
    if (reply) return std::move(*reply);
    if (at_risk) ++retries["primary at risk"];
    return std::nullopt;
  }

  result<std::string> endpoint_of(const node_id& id) const {
    auto node =
        std::find_if(map.nodes.begin(), map.nodes.end(), [&](const auto& n) { return n.id == id; });
    if (node == map.nodes.end()) return fail(errc::unknown_node, id.value);
    return node->data_endpoint;
  }

  result<node_id> primary_id(partition_id partition) const {
    auto place = places.find(partition);
    if (place == places.end()) return fail(errc::unknown_partition, to_string(partition));
    const auto& row = map.partitions[place->second];
    if (row.primary.value.empty())
      return fail(errc::unavailable, "partition " + to_string(partition) + " has no primary");
    return row.primary;
  }

  result<net::requester*> primary_of(partition_id partition) {
    auto id = primary_id(partition);
    if (!id) return tl::unexpected<error>(id.error());
    return connected(*id);
  }

  result<net::requester*> connected(const node_id& id) {
    auto endpoint = endpoint_of(id);
    if (!endpoint) return tl::unexpected<error>(endpoint.error());
    auto it = nodes.find(*endpoint);
    if (it == nodes.end()) {
      auto made = net::requester::connect(*endpoint);
      if (!made) return tl::unexpected<error>(made.error());
      it = nodes.emplace(*endpoint, std::move(*made)).first;
    }
    return &it->second;
  }

  /// The ready copies of the partition, one after the other from a random one on.
  template <class Reply, class Request>
  result<Reply> ask_copies(partition_id partition, const Request& request) {
    auto place = places.find(partition);
    if (place == places.end()) return fail(errc::unknown_partition, to_string(partition));
    std::vector<node_id> holders;
    for (const auto& copy : map.partitions[place->second].copies)
      if (copy.ready) holders.push_back(copy.node);
    std::shuffle(holders.begin(), holders.end(), random);
    error last{errc::unavailable, "no ready copy of " + to_string(partition)};
    for (const auto& id : holders) {
      auto node = connected(id);
      auto reply = node ? attempt<Reply>(**node, partition, request, options.attempt)
                        : result<Reply>(tl::unexpected<error>(node.error()));
      if (reply) return reply;
      last = reply.error();
    }
    return tl::unexpected<error>(std::move(last));
  }

  /// `unknown`: an attempt was made that may have taken effect.
  template <class Reply, class Request>
  result<Reply> ask(partition_id partition, const Request& request, bool writes,
                    bool unknown = false) {
    auto begun = std::chrono::steady_clock::now();
    auto until = begun + options.deadline;
    auto pause = options.backoff;
    error last{errc::timeout, {}};
    for (;;) {
      auto left = until - std::chrono::steady_clock::now();
      if (left <= duration::zero()) break;
      if (auto node = primary_of(partition)) {
        auto reply = attempt<Reply>(**node, partition, request, std::min(options.attempt, left));
        if (reply) return reply;
        last = reply.error();
        unknown |= writes && may_have_happened(last.code);
      } else {
        last = node.error();
      }
      if (!worth_repeating(last.code)) return give_up(last, unknown && !decided(last.code));
      ++retries[std::string(to_string(last.code))];
      wait(pause, until);
      pause = std::min(pause * 2, options.backoff_max);
      if (last.code != errc::overloaded)
        (void)refresh(std::min<duration>(options.attempt, milliseconds(500)));
    }
    return give_up({errc::timeout, to_string(last)}, unknown);
  }

  /// One attempt; looks now and then whether the partition has moved meanwhile, which ends it.
  template <class Reply, class Request>
  result<Reply> attempt(net::requester& node, partition_id partition, const Request& request,
                        duration timeout) {
    auto until = std::chrono::steady_clock::now() + timeout;
    auto id = node.send(wire::frame{std::string{Request::wire_name}, 0, wire::encode(request)});
    auto asked_in = epoch_of(partition);
    for (;;) {
      auto left = until - std::chrono::steady_clock::now();
      if (left <= duration::zero()) return fail(errc::timeout, "no answer");
      auto reply = node.receive_id(id, std::min<duration>(left, look_again));
      if (reply) return wire::read_frame<Reply>(*reply);
      (void)refresh(std::min<duration>(left, look_again));
      if (epoch_of(partition) != asked_in) return fail(errc::timeout, "the partition has moved");
    }
  }

  epoch epoch_of(partition_id partition) const {
    auto place = places.find(partition);
    return place == places.end() ? epoch{} : map.partitions[place->second].epoch;
  }

  /// A put that was sent and has no answer yet.
  struct open_put {
    size_t index;
    epoch asked_in;
  };

  /// One attempt at all of them side by side; what has no answer that ends it stays empty, with
  /// `unknown` as ask() takes it.
  std::vector<std::optional<result<put_ok>>> attempt_each(const std::vector<put_request>& requests,
                                                          std::vector<bool>& unknown) {
    std::vector<std::optional<result<put_ok>>> out(requests.size());
    std::map<net::requester*, std::map<uint64_t, open_put>> open;
    for (size_t i = 0; i < requests.size(); ++i) {
      auto node = primary_of(requests[i].partition);
      if (!node) continue;
      auto id = (*node)->send(
          wire::frame{std::string{put_request::wire_name}, 0, wire::encode(requests[i])});
      open[*node].emplace(id, open_put{i, epoch_of(requests[i].partition)});
      unknown[i] = true;
    }
    auto until = std::chrono::steady_clock::now() + options.attempt;
    for (auto& [node, puts] : open) {
      while (!puts.empty()) {
        auto left = until - std::chrono::steady_clock::now();
        if (left <= duration::zero()) break;
        auto reply = node->receive(std::min<duration>(left, look_again));
        if (!reply) {
          (void)refresh(std::min<duration>(left, look_again));
          std::erase_if(puts, [&](const auto& p) { // ask() finds where it is now
            return epoch_of(requests[p.second.index].partition) != p.second.asked_in;
          });
          continue;
        }
        auto it = puts.find(reply->id);
        if (it == puts.end()) continue; // of an earlier attempt
        auto index = it->second.index;
        puts.erase(it);
        auto answer = wire::read_frame<put_ok>(*reply);
        if (!answer) unknown[index] = may_have_happened(answer.error().code);
        if (answer || !worth_repeating(answer.error().code)) out[index] = std::move(answer);
      }
    }
    return out;
  }

  static tl::unexpected<error> give_up(error last, bool unknown) {
    if (unknown) return fail(errc::timeout, "outcome unknown; last: " + to_string(last));
    return tl::unexpected<error>(std::move(last));
  }

  /// Jitter, so that the clients of a lost node do not come back in step.
  void wait(duration pause, time_point until) {
    auto jittered =
        from_seconds(to_seconds(pause) * std::uniform_real_distribution<>(0.5, 1.0)(random));
    auto left = until - std::chrono::steady_clock::now();
    if (left > duration::zero()) std::this_thread::sleep_for(std::min(jittered, left));
  }

  const volume_row* find_volume(const std::string& name) const {
    for (const auto& v : map.volumes)
      if (v.name == name) return &v;
    return nullptr;
  }
};

client::client(std::unique_ptr<impl> impl) : impl_(std::move(impl)) {}
client::client(client&&) noexcept = default;
client& client::operator=(client&&) noexcept = default;
client::~client() = default;

result<client> client::connect(const std::string& central, client_options options) {
  auto centre = net::requester::connect(central);
  if (!centre) return tl::unexpected<error>(centre.error());
  auto made = std::make_unique<impl>(std::move(*centre), central, options);
  if (auto fetched = made->refresh(options.deadline); !fetched)
    return tl::unexpected<error>(fetched.error());
  return client(std::move(made));
}

const partition_map& client::map() const { return impl_->map; }

result<void> client::refresh() { return impl_->refresh(impl_->options.deadline); }

result<void> client::refresh(duration timeout) { return impl_->refresh(timeout); }

result<void> client::refresh_risks(duration timeout) { return impl_->follow_risks(timeout); }

result<std::string> client::primary_endpoint(partition_id partition) const {
  auto id = impl_->primary_id(partition);
  if (!id) return tl::unexpected<error>(id.error());
  return impl_->endpoint_of(*id);
}

result<volume_row> client::create_volume(const std::string& name, uint32_t partitions,
                                         uint32_t replicas) {
  auto whole = impl_->centre.call<partition_map>(
      harbinger::create_volume{name, partitions, replicas}, impl_->options.deadline);
  if (whole)
    impl_->take(std::move(*whole));
  else if (auto again = refresh(); !again || !impl_->find_volume(name))
    return tl::unexpected<error>(whole.error());
  const auto* found = impl_->find_volume(name);
  if (!found) return fail(errc::internal, "the new volume is not in the map");
  if (found->partitions != partitions || found->replicas != replicas)
    return fail(errc::invalid_argument, name + " exists with " + std::to_string(found->partitions)
                                            + " partitions and " + std::to_string(found->replicas)
                                            + " replicas");
  return *found;
}

result<volume_row> client::volume(const std::string& name) {
  if (!impl_->find_volume(name))
    if (auto fetched = refresh(); !fetched) return tl::unexpected<error>(fetched.error());
  const auto* found = impl_->find_volume(name);
  if (!found) return fail(errc::not_found, "volume " + name);
  return *found;
}

result<partition_id> client::partition_of(const std::string& name, std::string_view key) {
  auto row = volume(name);
  if (!row) return tl::unexpected<error>(row.error());
  if (row->partitions == 0) return fail(errc::malformed, "volume " + name + " without partitions");
  return make_partition_id(row->number, static_cast<uint32_t>(checksum64(key) % row->partitions));
}

result<version> client::put(partition_id partition, std::vector<record_op> ops,
                            std::vector<write_condition> conditions) {
  put_request request{partition,
                      {std::move(ops), std::move(conditions), impl_->name, ++impl_->last_request}};
  auto done = impl_->ask<put_ok>(partition, request, true);
  if (!done) return tl::unexpected<error>(done.error());
  return done->version;
}

std::vector<result<version>> client::put_each(std::vector<partition_write> writes) {
  std::vector<put_request> requests;
  std::vector<size_t> places; // in the answers
  std::set<partition_id> seen;
  std::vector<result<version>> out(writes.size(),
                                   fail(errc::invalid_argument, "the partition comes twice"));
  for (size_t i = 0; i < writes.size(); ++i) {
    auto& w = writes[i];
    if (!seen.insert(w.partition).second) continue;
    requests.push_back(
        {w.partition,
         {std::move(w.ops), std::move(w.conditions), impl_->name, ++impl_->last_request}});
    places.push_back(i);
  }
  std::vector<bool> unknown(requests.size(), false);
  auto answers = impl_->attempt_each(requests, unknown);
  for (size_t i = 0; i < requests.size(); ++i) {
    auto answer = answers[i]
                      ? std::move(*answers[i])
                      : impl_->ask<put_ok>(requests[i].partition, requests[i], true, unknown[i]);
    auto& told = out[places[i]];
    if (answer)
      told = answer->version;
    else if (answers[i])
      told = impl::give_up(answer.error(), unknown[i] && !decided(answer.error().code));
    else
      told = tl::unexpected<error>(answer.error());
  }
  return out;
}

result<version> client::put(const std::string& volume, std::string key, std::string value) {
  auto partition = partition_of(volume, key);
  if (!partition) return tl::unexpected<error>(partition.error());
  return put(*partition, {record_op{op_kind::put, {std::move(key)}, {std::move(value)}}});
}

result<version> client::erase(const std::string& volume, std::string key) {
  auto partition = partition_of(volume, key);
  if (!partition) return tl::unexpected<error>(partition.error());
  return put(*partition, {record_op{op_kind::erase, {std::move(key)}, {}}});
}

result<version> client::compare_and_set(const std::string& volume, std::string key,
                                        std::optional<std::string> expected, std::string value) {
  auto partition = partition_of(volume, key);
  if (!partition) return tl::unexpected<error>(partition.error());
  write_condition condition{expected ? condition_kind::equals : condition_kind::absent,
                            {key},
                            {std::move(expected).value_or(std::string{})}};
  return put(*partition, {record_op{op_kind::put, {std::move(key)}, {std::move(value)}}},
             {std::move(condition)});
}

result<version> client::erase_range(partition_id partition, std::string from, std::string to) {
  return put(partition, {record_op{op_kind::erase_range, {std::move(from)}, {std::move(to)}}});
}

result<value_reply> client::get(partition_id partition, const std::string& key) {
  get_request request{partition, {key}};
  if (const auto& allowed = impl_->options.stale_reads) {
    if (auto reply = impl_->ask_quickly(partition, request)) return std::move(*reply);
    if (auto reply = get_from_copy(partition, key, *allowed)) return reply;
    ++impl_->retries["no copy"];
  }
  return impl_->ask<value_reply>(partition, request, false);
}

result<value_reply> client::get_from_copy(partition_id partition, const std::string& key,
                                          const staleness& allowed) {
  return impl_->ask_copies<value_reply>(
      partition, harbinger::get_from_copy{partition, {key}, allowed.at_least, allowed.max_lag_ms});
}

result<value_reply> client::get_from_copy(const std::string& volume, const std::string& key,
                                          const staleness& allowed) {
  auto partition = partition_of(volume, key);
  if (!partition) return tl::unexpected<error>(partition.error());
  return get_from_copy(*partition, key, allowed);
}

result<rows_reply> client::scan_from_copy(partition_id partition, const std::string& from,
                                          uint32_t limit, const staleness& allowed) {
  return impl_->ask_copies<rows_reply>(
      partition,
      harbinger::scan_from_copy{partition, {from}, limit, allowed.at_least, allowed.max_lag_ms});
}

result<value_reply> client::get(const std::string& volume, const std::string& key) {
  auto partition = partition_of(volume, key);
  if (!partition) return tl::unexpected<error>(partition.error());
  return get(*partition, key);
}

result<rows_reply> client::scan(partition_id partition, const std::string& from, uint32_t limit) {
  return impl_->ask<rows_reply>(partition, scan_request{partition, {from}, limit}, false);
}

const std::string& client::name() const { return impl_->name; }

const std::map<std::string, uint64_t>& client::retries() const { return impl_->retries; }

} // namespace harbinger
