#include "app/copy_throughput.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <random>

#include "net/reactor.hpp"
#include "prefetch/copy_pull.hpp"
#include "prefetch/copy_source.hpp"
#include "store/delta_reader.hpp"
#include "wire/codec.hpp"
#include "wire/rows.hpp"

namespace harbinger {
namespace {

const partition_id measured = make_partition_id(1, 0);
constexpr size_t fill_group_bytes = 2 << 20;

class snapshot_pages final : public snapshot_reader {
public:
  explicit snapshot_pages(std::shared_ptr<partition_snapshot> from) : from_(std::move(from)) {}
  result<slice> read(const std::string& from, size_t bytes_max) override {
    auto page = from_->read(from, false, bytes_max, 16'384);
    if (!page) return tl::unexpected<error>(page.error());
    slice out{wire::pack_rows(page->rows), {}, !page->more};
    if (page->more) out.next = page->rows.back().key.data + '\0';
    return out;
  }

private:
  std::shared_ptr<partition_snapshot> from_;
};

result<void> fill(partition_store& store, const copy_throughput_options& options) {
  std::mt19937_64 random(options.seed);
  uint64_t keys = options.bytes / std::max(options.value_bytes, 1u), key = 0;
  version at;
  for (uint64_t seq = 1; key < keys; ++seq) {
    store_write item;
    item.partition = measured;
    item.epoch = epoch{1};
    item.previous = at;
    item.create = true;
    item.change.emplace().role = replica_role::primary;
    item.change->state = replica_state::following;
    log_entry entry{{epoch{1}, seq_no{seq}}, {}};
    for (size_t size = 0; key < keys && size < fill_group_bytes;
         ++key, size += options.value_bytes) {
      std::string value(options.value_bytes, '\0');
      for (auto& c : value) c = static_cast<char>(random());
      entry.batch.ops.push_back(
          {op_kind::put, bytes{"key" + std::to_string(random())}, bytes{std::move(value)}});
    }
    item.entries.push_back(std::move(entry));
    item.committed = seq_no{seq};
    auto head = store.write_one(std::move(item));
    if (!head) return tl::unexpected<error>(head.error());
    at = head->version;
  }
  return {};
}

/// Serves on its reactor's thread.
struct source_side {
  std::shared_ptr<partition_store> store;
  copy_source sessions{"bench", {}};
  net::reactor reactor;
  std::atomic<uint64_t> wire_bytes{0};

  result<std::string> start() {
    auto socket = reactor.add(
        {.kind = net::socket_kind::router, .endpoint = "tcp://127.0.0.1:*", .bind = true});
    if (!socket) return tl::unexpected<error>(socket.error());
    reactor.start(
        [this](net::incoming&& in) { reactor.send(in.socket, in.peer, answer(in.message)); });
    return reactor.bound_endpoint(*socket);
  }
  wire::frame answer(const wire::frame& m) {
    auto now = std::chrono::steady_clock::now();
    if (m.type == snapshot_pull::wire_name) {
      auto chunk = sessions.pull(*wire::decode<snapshot_pull>(m.body), now);
      if (!chunk) return wire::make_error(m.id, chunk.error());
      wire_bytes += chunk->rows.data.size();
      return wire::make_frame(m.id, *chunk);
    }
    if (m.type != snapshot_open::wire_name)
      return wire::make_error(m.id, {errc::unavailable, m.type});
    auto snapshot = open_for_copy(*store, measured);
    if (!snapshot) return wire::make_error(m.id, snapshot.error());
    auto opened = sessions.open(measured, describe_snapshot((*snapshot)->head()),
                                std::make_unique<snapshot_pages>(*snapshot), now);
    return opened ? wire::make_frame(m.id, *opened) : wire::make_error(m.id, opened.error());
  }
};

/// Replies queue up here for the thread that writes the store.
struct target_side {
  std::shared_ptr<partition_store> store;
  net::reactor reactor;
  std::mutex mutex;
  std::condition_variable arrived;
  std::deque<wire::frame> inbox;
  copy_pull pull{measured, {}, std::make_shared<token_bucket>()};

  local_replica local() const {
    auto head = store->head(measured);
    if (!head) return {};
    return {true,          head->role,           head->state,  head->copy,
            head->version, head->digest.total(), head->chunks, head->cursor};
  }
  result<void> store_one(const copy_action& action) {
    result<partition_head> head;
    if (const auto* a = std::get_if<begin_copy>(&action))
      head = store->begin_copy(measured, pull.copy(), a->cursor);
    if (const auto* a = std::get_if<ingest_chunk>(&action))
      head = store->ingest_rows(measured, pull.copy(), a->index, a->rows);
    if (const auto* a = std::get_if<finish_copy>(&action))
      head = store->finish_copy(measured, pull.copy(), a->version, digest::from_sums(a->digest),
                                a->history, replica_state::following);
    if (!head) return tl::unexpected<error>(head.error());
    return {};
  }
  result<void> run(const copy_actions& actions) {
    for (const auto& action : actions) {
      if (const auto* send = std::get_if<send_to_source>(&action)) {
        reactor.send_to_endpoint(
            send->endpoint, std::visit([&](const auto& m) { return wire::make_frame(send->id, m); },
                                       send->message));
      } else if (auto done = store_one(action); !done) {
        return done;
      }
    }
    return {};
  }
  static copy_reply read(const wire::frame& m) {
    copy_reply out{m.id, error{errc::unsupported, m.type}};
    auto take = [&](auto message) {
      if (message)
        out.message = std::move(*message);
      else
        out.message = message.error();
    };
    if (m.type == snapshot_opened::wire_name)
      take(wire::read_frame<snapshot_opened>(m));
    else
      take(wire::read_frame<snapshot_chunk>(m));
    return out;
  }
  std::optional<wire::frame> next(time_point until) {
    std::unique_lock lock(mutex);
    arrived.wait_until(lock, until, [&] { return !inbox.empty(); });
    if (inbox.empty()) return std::nullopt;
    auto out = std::move(inbox.front());
    inbox.pop_front();
    return out;
  }
};

bool finished(const target_side& target) {
  auto head = target.store->head(measured);
  return head && head->state == replica_state::following;
}

} // namespace

result<copy_throughput> measure_copy(const copy_throughput_options& options) {
  source_side source;
  target_side target;
  for (auto [store, name] :
       {std::pair{&source.store, "/source"}, std::pair{&target.store, "/target"}}) {
    auto opened = partition_store::open({options.directory + name, options.sync_writes, 0});
    if (!opened) return tl::unexpected<error>(opened.error());
    *store = *opened;
  }
  if (auto filled = fill(*source.store, options); !filled)
    return tl::unexpected<error>(filled.error());
  auto endpoint = source.start();
  if (!endpoint) return tl::unexpected<error>(endpoint.error());
  target.reactor.start([&](net::incoming&& in) {
    std::lock_guard guard(target.mutex);
    target.inbox.push_back(std::move(in.message));
    target.arrived.notify_one();
  });
  auto begun = std::chrono::steady_clock::now();
  auto until = begun + from_seconds(options.timeout_s);
  start_copy command{
      {}, measured, copy_id{1}, restore_method::pull, {{node_id{"source"}, *endpoint}}, 0};
  auto actions = target.pull.begin(command, {}, begun);
  if (!actions) return tl::unexpected<error>(actions.error());
  if (auto sent = target.run(*actions); !sent) return tl::unexpected<error>(sent.error());
  while (!finished(target)) {
    auto now = std::chrono::steady_clock::now();
    if (now > until)
      return fail(errc::timeout,
                  "the copy took longer than " + std::to_string(options.timeout_s) + " s");
    auto frame = target.next(now + milliseconds(20));
    copy_event event = copy_tick{};
    if (frame) event = target_side::read(*frame);
    auto step = target.pull.step(event, target.local(), std::chrono::steady_clock::now());
    if (auto ran = target.run(step); !ran) return tl::unexpected<error>(ran.error());
    if (target.pull.progress().state == replica_state::failed)
      return fail(errc::internal, target.pull.progress().failure);
  }
  auto seconds = to_seconds(std::chrono::steady_clock::now() - begun);
  target.reactor.stop();
  source.reactor.stop();
  return copy_throughput{target.store->used_bytes(), seconds, source.wire_bytes};
}

} // namespace harbinger
