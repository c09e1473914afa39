#include <condition_variable>
#include <cstring>
#include <deque>
#include <filesystem>
#include <mutex>
#include <random>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/process.hpp"
#include "bench.hpp"
#include "net/reactor.hpp"
#include "prefetch/copy_pull.hpp"
#include "prefetch/copy_source.hpp"
#include "store/delta_reader.hpp"
#include "store/partition_store.hpp"
#include "wire/codec.hpp"
#include "wire/rows.hpp"

namespace harbinger {

namespace {

namespace fs = std::filesystem;
using steady = std::chrono::steady_clock;
constexpr size_t copied_bytes = 256 << 20;
constexpr size_t value_bytes = 4096;
constexpr size_t block_bytes = 1 << 20;
constexpr partition_id the_partition = make_partition_id(1, 0);

std::string random_bytes(size_t count, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::string text(count, '\0');
  for (size_t i = 0; i + 8 <= count; i += 8) {
    auto word = engine();
    std::memcpy(text.data() + i, &word, 8);
  }
  return text;
}

// --- opponents ---

result<double> disk_bytes_per_s(const std::string& directory) {
  auto block = random_bytes(block_bytes, 7);
  auto file = directory + "/raw";
  auto begun = steady::now();
  int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (descriptor < 0) return fail(errc::io, file);
  bool good = true;
  for (size_t done = 0; good && done < copied_bytes; done += block.size())
    good = ::write(descriptor, block.data(), block.size()) == static_cast<ssize_t>(block.size());
  good = good && ::fdatasync(descriptor) == 0;
  double seconds = to_seconds(steady::now() - begun);
  ::close(descriptor);
  fs::remove(file);
  if (!good) return fail(errc::io, "can not write " + file);
  return static_cast<double>(copied_bytes) / seconds;
}

result<double> socket_bytes_per_s() {
  int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener, generic, size) != 0 || ::listen(listener, 1) != 0
      || ::getsockname(listener, generic, &size) != 0)
    return fail(errc::io, "no loopback socket");
  std::thread sender([address] {
    auto block = random_bytes(block_bytes, 8);
    int out = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(out, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
      for (size_t sent = 0; sent < copied_bytes;) {
        auto n =
            ::send(out, block.data(), std::min(block.size(), copied_bytes - sent), MSG_NOSIGNAL);
        if (n <= 0) break;
        sent += static_cast<size_t>(n);
      }
    ::close(out);
  });
  int in = ::accept(listener, nullptr, nullptr);
  std::string buffer(block_bytes, '\0');
  size_t got = 0;
  auto begun = steady::now();
  for (ssize_t n = 0; (n = ::recv(in, buffer.data(), buffer.size(), 0)) > 0;)
    got += static_cast<size_t>(n);
  double seconds = to_seconds(steady::now() - begun);
  sender.join();
  ::close(in);
  ::close(listener);
  if (got != copied_bytes) return fail(errc::io, "the loopback socket broke");
  return static_cast<double>(got) / seconds;
}

// --- the copy ---

/// From a reactor's thread to a worker; as an actor's mailbox.
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

class stored_rows final : public snapshot_reader {
public:
  explicit stored_rows(std::shared_ptr<partition_snapshot> from) : from_(std::move(from)) {}
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

/// A node's snapshot server without its actor.
class source_side {
public:
  explicit source_side(partition_store& store) : store_(store), source_("bench", {}) {
    net::socket_options options;
    options.endpoint = "tcp://127.0.0.1:*";
    options.bind = true;
    socket_ = reactor_.add(options).value();
    reactor_.start([this](net::incoming&& in) { mailbox_.put(std::move(in)); });
    worker_ = std::thread([this] { serve(); });
  }
  ~source_side() {
    stop_ = true;
    worker_.join();
    reactor_.stop();
  }
  std::string endpoint() const { return reactor_.bound_endpoint(socket_); }

private:
  void serve() {
    while (!stop_) {
      auto in = mailbox_.take(milliseconds(50));
      if (!in) continue;
      const auto& m = in->message;
      if (m.type == snapshot_open::wire_name) reply(*in, open());
      if (auto pull = wire::read_frame<snapshot_pull>(m))
        reply(*in, source_.pull(*pull, steady::now()));
      if (auto pull = wire::read_frame<delta_pull>(m)) reply(*in, no_deltas(store_, *pull));
    }
  }
  result<snapshot_opened> open() {
    auto snapshot = open_for_copy(store_, the_partition);
    if (!snapshot) return tl::unexpected<error>(snapshot.error());
    return source_.open(the_partition, describe_snapshot((*snapshot)->head()),
                        std::make_unique<stored_rows>(*snapshot), steady::now());
  }
  template <class T>
  void reply(const net::incoming& in, const result<T>& answer) {
    reactor_.send(socket_, in.peer,
                  answer ? wire::make_frame(in.message.id, *answer)
                         : wire::make_error(in.message.id, answer.error()));
  }

  partition_store& store_;
  copy_source source_;
  mailbox mailbox_;
  net::reactor reactor_;
  size_t socket_ = 0;
  std::atomic<bool> stop_{false};
  std::thread worker_;
};

/// A node's copy receiver without its actor.
class target_side {
public:
  explicit target_side(partition_store& store)
      : store_(store), pull_(the_partition, {}, std::make_shared<token_bucket>()) {
    reactor_.start([this](net::incoming&& in) { mailbox_.put(std::move(in)); });
  }
  ~target_side() { reactor_.stop(); }

  /// Seconds until the copy is complete and checked.
  result<double> copy_from(const std::string& endpoint) {
    auto begun = steady::now();
    start_copy command;
    command.partition = the_partition;
    command.copy = copy_id{1};
    command.sources = {{node_id{"source"}, endpoint}};
    auto first = pull_.begin(command, local(), begun);
    if (!first) return tl::unexpected<error>(first.error());
    carry(std::move(*first));
    while (pull_.progress().state == replica_state::copying) {
      if (interrupted() || steady::now() - begun > seconds(120))
        return fail(errc::timeout, "the copy did not end");
      auto in = mailbox_.take(milliseconds(20));
      carry(pull_.step(in ? copy_event{copy_reply{in->message.id, message_of(in->message)}}
                          : copy_event{copy_tick{}},
                       local(), steady::now()));
    }
    if (pull_.progress().state != replica_state::following)
      return fail(errc::internal, pull_.progress().failure);
    return to_seconds(steady::now() - begun);
  }

private:
  static std::variant<error, snapshot_opened, snapshot_chunk, delta_batch>
  message_of(const wire::frame& m) {
    if (auto opened = wire::read_frame<snapshot_opened>(m)) return std::move(*opened);
    if (auto chunk = wire::read_frame<snapshot_chunk>(m)) return std::move(*chunk);
    auto batch = wire::read_frame<delta_batch>(m);
    if (batch) return std::move(*batch);
    return batch.error();
  }
  local_replica local() const {
    auto head = store_.head(the_partition);
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
        note(store_.begin_copy(the_partition, copy_id{1}, begin->cursor));
      } else if (auto* chunk = std::get_if<ingest_chunk>(&action)) {
        note(store_.ingest_rows(the_partition, copy_id{1}, chunk->index, chunk->rows));
      } else if (auto* finish = std::get_if<finish_copy>(&action)) {
        auto done = store_.finish_copy(the_partition, copy_id{1}, finish->version,
                                       digest::from_sums(finish->digest), finish->history,
                                       replica_state::following);
        carry(pull_.step(
            copy_stored{done ? result<>{} : result<>{tl::unexpected<error>(done.error())}}, local(),
            steady::now()));
      }
    }
  }
  void note(const result<partition_head>& done) {
    if (!done)
      carry(pull_.step(copy_stored{tl::unexpected<error>(done.error())}, local(), steady::now()));
  }

  partition_store& store_;
  copy_pull pull_;
  mailbox mailbox_;
  net::reactor reactor_;
};

result<> fill(partition_store& store) {
  version at;
  uint64_t n = 0;
  for (size_t done = 0; done < copied_bytes;) {
    log_entry entry{{epoch{1}, seq_no{at.seq.value + 1}}, {}};
    for (size_t i = 0; i < block_bytes / value_bytes; ++i, ++n, done += value_bytes) {
      char key[32];
      std::snprintf(key, sizeof key, "key/%012llu", static_cast<unsigned long long>(n));
      entry.batch.ops.push_back({op_kind::put, {key}, {random_bytes(value_bytes, n + 1)}});
    }
    store_write item;
    item.partition = the_partition;
    item.epoch = epoch{1};
    item.create = at == version{};
    if (item.create)
      item.change =
          head_change{replica_role::primary, replica_state::following, epoch{1}, {}, {}, {}};
    item.previous = at;
    item.committed = entry.version.seq;
    at = entry.version;
    item.entries.push_back(std::move(entry));
    if (auto written = store.write_one(std::move(item)); !written)
      return tl::unexpected<error>(written.error());
  }
  return {};
}

result<double> copy_bytes_per_s(partition_store& source, const std::string& directory) {
  fs::remove_all(directory);
  auto target = partition_store::open({directory, true, 0});
  if (!target) return tl::unexpected<error>(target.error());
  source_side from(source);
  target_side to(**target);
  auto seconds = to.copy_from(from.endpoint());
  if (!seconds) return seconds;
  auto head = (*target)->head(the_partition);
  if (!head || head->size_bytes < copied_bytes)
    return fail(errc::internal, "the copy is not whole");
  return static_cast<double>(head->size_bytes) / *seconds;
}

} // namespace

result<bench_rows> bench_prefetch(const bench_options& options) {
  std::string pattern = (fs::temp_directory_path() / "harbinger-bench-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) return fail(errc::io, pattern);
  struct cleaner {
    std::string directory;
    ~cleaner() {
      std::error_code code;
      fs::remove_all(directory, code);
    }
  } clean{pattern};
  auto source = partition_store::open({pattern + "/source", false, 0});
  if (!source) return tl::unexpected<error>(source.error());
  if (auto filled = fill(**source); !filled) return tl::unexpected<error>(filled.error());
  std::vector<double> ours, slower;
  for (uint32_t run = 0; run < options.runs; ++run) {
    if (interrupted()) return fail(errc::cancelled, "interrupted");
    auto copied = copy_bytes_per_s(**source, pattern + "/target");
    if (!copied) return tl::unexpected<error>(copied.error());
    auto disk = disk_bytes_per_s(pattern);
    auto socket = socket_bytes_per_s();
    if (!disk) return tl::unexpected<error>(disk.error());
    if (!socket) return tl::unexpected<error>(socket.error());
    constexpr double mib = 1 << 20;
    ours.push_back(*copied / mib);
    slower.push_back(std::min(*disk, *socket) / mib);
    if (options.say)
      options.say("prefetch " + std::to_string(run + 1) + '/' + std::to_string(options.runs));
  }
  return bench_rows{make_row("prefetch", "store to store over loopback", "MiB/s", better::more,
                             ours, "slower of raw disk and raw socket", slower, 0.9)};
}

} // namespace harbinger
