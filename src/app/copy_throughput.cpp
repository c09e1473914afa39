#include "app/copy_throughput.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <deque>
#include <mutex>
#include <random>
#include <thread>

#include "net/reactor.hpp"
#include "prefetch/copy_source.hpp"
#include "store/delta_reader.hpp"
#include "store/stored_rows.hpp"
#include "wire/codec.hpp"
#include "wire/rows.hpp"

namespace harbinger {
namespace {

using steady = std::chrono::steady_clock;
constexpr partition_id measured = make_partition_id(1, 0);
constexpr copy_id the_copy{1};
constexpr size_t fill_group_bytes = 1 << 20;

std::string random_value(size_t bytes, std::mt19937_64& engine) {
  std::string out(bytes, '\0');
  for (size_t i = 0; i < bytes; i += 8) {
    auto word = engine();
    std::memcpy(out.data() + i, &word, std::min<size_t>(8, bytes - i));
  }
  return out;
}

/// From a reactor's thread to a working thread, as an actor's mailbox.
class mailbox {
public:
  void put(net::incoming&& message) {
    std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(message));
    ready_.notify_one();
  }
  std::optional<net::incoming> take(duration patience) {
    std::unique_lock lock(mutex_);
    if (!ready_.wait_for(lock, patience, [this] { return !waiting_.empty(); })) return std::nullopt;
    auto message = std::move(waiting_.front());
    waiting_.pop_front();
    return message;
  }

private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<net::incoming> waiting_;
};

/// A node's snapshot_server without its actor.
class source_side {
public:
  explicit source_side(partition_store& store) : store_(store) {}
  ~source_side() {
    stop_ = true;
    if (worker_.joinable()) worker_.join();
    reactor_.stop();
  }
  /// Where it listens.
  result<std::string> start() {
    auto socket = reactor_.add(
        {.kind = net::socket_kind::router, .endpoint = "tcp://127.0.0.1:*", .bind = true});
    if (!socket) return tl::unexpected<error>(socket.error());
    socket_ = *socket;
    reactor_.start([this](net::incoming&& in) { mailbox_.put(std::move(in)); });
    worker_ = std::thread([this] {
      ::pthread_setname_np(::pthread_self(), "source");
      serve();
    });
    return reactor_.bound_endpoint(socket_);
  }
  uint64_t wire_bytes() const { return wire_bytes_; }

private:
  void serve() {
    while (!stop_)
      if (auto in = mailbox_.take(milliseconds(50)))
        reactor_.send(socket_, in->peer, answer(in->message));
  }
  wire::frame answer(const wire::frame& m) {
    if (m.type == snapshot_open::wire_name) return reply(m.id, open());
    if (m.type == snapshot_pull::wire_name) {
      auto pull = wire::decode<snapshot_pull>(m.body);
      if (!pull) return wire::make_error(m.id, pull.error());
      auto chunk = sessions_.pull(*pull, steady::now());
      if (chunk) wire_bytes_ += chunk->rows.size();
      return reply(m.id, chunk);
    }
    if (auto pull = wire::read_frame<delta_pull>(m)) return reply(m.id, no_deltas(store_, *pull));
    return wire::make_error(m.id, {errc::unsupported, m.type});
  }
  result<snapshot_opened> open() {
    auto snapshot = open_for_copy(store_, measured);
    if (!snapshot) return tl::unexpected<error>(snapshot.error());
    return sessions_.open(measured, describe_snapshot((*snapshot)->head()),
                          std::make_unique<stored_rows>(*snapshot), steady::now());
  }
  template <class T>
  static wire::frame reply(uint64_t id, const result<T>& answer) {
    return answer ? wire::make_frame(id, *answer) : wire::make_error(id, answer.error());
  }

  partition_store& store_;
  copy_source sessions_{"bench", {}};
  mailbox mailbox_;
  net::reactor reactor_;
  size_t socket_ = 0;
  std::atomic<uint64_t> wire_bytes_{0};
  std::atomic<bool> stop_{false};
  std::thread worker_;
};

/// A node's copy_receiver without its actor.
class target_side {
public:
  target_side(partition_store& store, const copy_throughput_options& options)
      : store_(store),
        options_(options),
        pull_(measured, options.limits, std::make_shared<token_bucket>(), yielding_) {
    reactor_.start([this](net::incoming&& in) { mailbox_.put(std::move(in)); });
  }
  ~target_side() { reactor_.stop(); }

  /// Seconds until the copy is complete, checked and durable.
  result<double> copy_from(const std::string& endpoint) {
    auto begun = steady::now();
    start_copy command;
    command.partition = measured;
    command.copy = the_copy;
    command.sources = {{node_id{"source"}, endpoint}};
    command.rate_bytes_per_s = options_.rate_bytes_per_s;
    auto first = pull_.begin(command, local(), begun);
    if (!first) return tl::unexpected<error>(first.error());
    carry(std::move(*first));
    while (pull_.progress().state == replica_state::copying) {
      if (options_.stop && options_.stop()) return fail(errc::cancelled, "stopped");
      if (steady::now() - begun > from_seconds(options_.timeout_s))
        return fail(errc::timeout, "the copy did not end");
      yield();
      auto in = mailbox_.take(milliseconds(5));
      carry(pull_.step(in ? copy_event{copy_reply{in->message.id, message_of(in->message)}}
                          : copy_event{copy_tick{}},
                       local(), steady::now()));
    }
    if (pull_.progress().state != replica_state::following)
      return fail(errc::internal, pull_.progress().failure);
    return to_seconds(steady::now() - begun);
  }

private:
  void yield() {
    if (!options_.allowed) return;
    auto copied = pull_.progress().copied_bytes;
    yielding_->set_rate(options_.allowed(copied - counted_bytes_));
    counted_bytes_ = copied;
  }
  static std::variant<error, snapshot_opened, snapshot_chunk, delta_batch>
  message_of(const wire::frame& m) {
    auto either = [](auto message) -> decltype(message_of(m)) {
      if (!message) return message.error();
      return std::move(*message);
    };
    if (m.type == snapshot_opened::wire_name) return either(wire::read_frame<snapshot_opened>(m));
    if (m.type == delta_batch::wire_name) return either(wire::read_frame<delta_batch>(m));
    return either(wire::read_frame<snapshot_chunk>(m));
  }
  local_replica local() const {
    auto head = store_.head(measured);
    if (!head) return {};
    return {true,          head->role,           head->state,  head->copy,
            head->version, head->digest.total(), head->chunks, head->cursor};
  }
  void carry(copy_actions actions) {
    for (auto& action : actions) {
      if (auto* send = std::get_if<send_to_source>(&action)) {
        auto frame =
            std::visit([&](const auto& m) { return wire::make_frame(send->id, m); }, send->message);
        reactor_.send_to_endpoint(send->endpoint, std::move(frame));
      } else if (auto* begin = std::get_if<begin_copy>(&action)) {
        note(store_.begin_copy(measured, the_copy, begin->cursor), false);
      } else if (auto* chunk = std::get_if<ingest_chunk>(&action)) {
        note(store_.ingest(measured, the_copy, chunk->index, chunk->rows.rows()), false);
      } else if (auto* finish = std::get_if<finish_copy>(&action)) {
        note(store_.finish_copy(measured, the_copy, finish->version,
                                digest::from_sums(finish->digest), finish->history,
                                replica_state::following),
             true);
      }
    }
  }
  void note(const result<partition_head>& done, bool answers) {
    if (done && !answers) return;
    result<void> outcome;
    if (!done) outcome = tl::unexpected<error>(done.error());
    carry(pull_.step(copy_stored{outcome}, local(), steady::now()));
  }

  partition_store& store_;
  const copy_throughput_options& options_;
  std::shared_ptr<token_bucket> yielding_ = std::make_shared<token_bucket>();
  copy_pull pull_;
  mailbox mailbox_;
  net::reactor reactor_;
  uint64_t counted_bytes_ = 0;
};

} // namespace

result<void> fill_for_copy(partition_store& store, const copy_fill& fill) {
  std::mt19937_64 engine(fill.seed);
  version at;
  uint64_t key = 0;
  for (uint64_t done = 0; done < fill.bytes;) {
    log_entry entry{{epoch{1}, seq_no{at.seq.value + 1}}, {}};
    for (size_t size = 0; done < fill.bytes && size < fill_group_bytes;
         size += fill.value_bytes, done += fill.value_bytes) {
      char name[32];
      std::snprintf(name, sizeof name, "key/%012llu", static_cast<unsigned long long>(key++));
      entry.batch.ops.push_back(
          {op_kind::put, bytes{name}, bytes{random_value(fill.value_bytes, engine)}});
    }
    store_write item;
    item.partition = measured;
    item.epoch = epoch{1};
    item.create = at == version{};
    if (item.create) {
      item.change.emplace().role = replica_role::primary;
      item.change->state = replica_state::following;
      item.change->epoch = epoch{1};
    }
    item.previous = at;
    item.committed = entry.version.seq;
    at = entry.version;
    item.entries.push_back(std::move(entry));
    if (auto written = store.write_one(std::move(item)); !written)
      return tl::unexpected<error>(written.error());
  }
  return {};
}

result<copy_throughput> measure_copy(partition_store& source,
                                     const copy_throughput_options& options) {
  auto target = partition_store::open({options.directory, options.sync_writes, 0});
  if (!target) return tl::unexpected<error>(target.error());
  source_side from(source);
  auto endpoint = from.start();
  if (!endpoint) return tl::unexpected<error>(endpoint.error());
  target_side to(**target, options);
  auto seconds = to.copy_from(*endpoint);
  if (!seconds) return tl::unexpected<error>(seconds.error());
  auto sent = source.head(measured), arrived = (*target)->head(measured);
  if (!sent || !arrived || arrived->size_bytes != sent->size_bytes)
    return fail(errc::internal, "the copy is not whole");
  return copy_throughput{arrived->size_bytes, *seconds, from.wire_bytes()};
}

} // namespace harbinger
