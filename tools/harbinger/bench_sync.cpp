#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

#include <rocksdb/db.h>
#include <zmq.hpp>

#include "app/temporary_directory.hpp"
#include "app/write_throughput.hpp"
#include "bench.hpp"
#include "wrong_warning.hpp"

namespace harbinger {

namespace {

using steady = std::chrono::steady_clock;
constexpr double sync_records_per_s = 20'000;
constexpr write_shape sync_shape{50, 100, 4096};
constexpr size_t sync_writers = 8;
constexpr auto sync_look_again = std::chrono::microseconds(300);
constexpr auto sync_span = seconds(5);
constexpr double sync_lag_max_ms = 10;

/// The newest write whose way to the copy nobody looks after yet.
class newest_write {
public:
  struct write {
    partition_id partition;
    version at;
    time_point committed;
  };
  void put(const write& w) {
    std::lock_guard guard(mutex_);
    newest_ = w;
    arrived_.notify_one();
  }
  std::optional<write> take(duration timeout) {
    std::unique_lock guard(mutex_);
    arrived_.wait_for(guard, timeout, [&] { return newest_.has_value(); });
    return std::exchange(newest_, std::nullopt);
  }

private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::optional<write> newest_;
};

/// Calls `write` at the wished rate, without catching up more than 100 ms.
void at_a_rate(double per_s, time_point until, const std::function<bool(uint64_t)>& write) {
  auto due = steady::now();
  for (uint64_t number = 0; due < until; ++number) {
    std::this_thread::sleep_until(due);
    if (!write(number)) return;
    due = std::max(due + from_seconds(1 / per_s), steady::now() - milliseconds(100));
  }
}

struct lag_figures {
  std::vector<double> lag_ms, write_ms;
  double records_per_s = 0.0;
  std::optional<error> failure;
};

/// From a write's acknowledgement until a read from the copy has it: what a client sees.
lag_figures measure_lag(const std::string& control, const std::vector<partition_id>& partitions,
                        uint64_t& first) {
  newest_write newest;
  std::atomic<uint64_t> records{0};
  std::atomic<bool> over{false};
  std::mutex mutex;
  lag_figures out;
  auto failed = [&](const error& e) {
    std::lock_guard guard(mutex);
    if (!out.failure) out.failure = e;
    over = true;
  };
  auto until = steady::now() + sync_span;
  std::vector<std::thread> writers;
  for (size_t i = 0; i < sync_writers; ++i)
    writers.emplace_back([&, i] {
      auto one = client::connect(control);
      if (!one) return failed(one.error());
      auto partition = partitions[i % partitions.size()];
      auto rate = sync_records_per_s / static_cast<double>(sync_shape.records * sync_writers);
      at_a_rate(rate, until, [&](uint64_t number) {
        auto begun = steady::now();
        auto done = one->put(partition, shaped_batch(sync_shape, i, first + number));
        if (!done) return failed(done.error()), false;
        auto ended = steady::now();
        newest.put({partition, *done, ended});
        std::lock_guard guard(mutex);
        out.write_ms.push_back(to_ms(ended - begun));
        records += sync_shape.records;
        return !over;
      });
    });
  std::thread reader([&] {
    auto one = client::connect(control);
    if (!one) return failed(one.error());
    while (!over) {
      auto write = newest.take(milliseconds(50));
      while (write && !over) {
        auto seen = one->get_from_copy(write->partition, "dir0/file0", {write->at, 0});
        if (seen) {
          out.lag_ms.push_back(to_ms(steady::now() - write->committed));
          break;
        }
        if (seen.error().code != errc::gap) return failed(seen.error());
        if (steady::now() - write->committed > seconds(5))
          return failed({errc::timeout, "the copy does not follow"});
        std::this_thread::sleep_for(sync_look_again);
      }
    }
  });
  for (auto& w : writers) w.join();
  over = true;
  reader.join();
  first += static_cast<uint64_t>(sync_records_per_s);
  out.records_per_s = static_cast<double>(records) / to_seconds(sync_span);
  return out;
}

/// The opponent: the same batches at the same pace through a pair of ZeroMQ sockets and into a
/// RocksDB, without sync. From sending until it is in.
class bare_shipping {
public:
  result<void> open(const std::string& directory) {
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* made = nullptr;
    if (auto s = rocksdb::DB::Open(options, directory, &made); !s.ok())
      return fail(errc::io, s.ToString());
    db_.reset(made);
    in_.bind("tcp://127.0.0.1:*");
    out_.connect(in_.get(zmq::sockopt::last_endpoint));
    return {};
  }
  std::vector<double> measure() {
    std::vector<double> lag_ms;
    std::thread taker([&] {
      for (;;) {
        zmq::message_t sent_at, body;
        (void)in_.recv(sent_at);
        (void)in_.recv(body);
        if (body.size() == 0) return;
        rocksdb::WriteBatch batch(body.to_string());
        (void)db_->Write({}, &batch);
        lag_ms.push_back(to_ms(steady::now() - *sent_at.data<time_point>()));
      }
    });
    at_a_rate(sync_records_per_s / static_cast<double>(sync_shape.records),
              steady::now() + sync_span, [&](uint64_t number) {
                rocksdb::WriteBatch batch;
                for (const auto& op : shaped_batch(sync_shape, 0, number))
                  batch.Put(op.key.data, op.value.data);
                ship(batch.Data());
                return true;
              });
    ship({});
    taker.join();
    return lag_ms;
  }

private:
  void ship(const std::string& body) {
    auto now = steady::now();
    out_.send(zmq::buffer(&now, sizeof now), zmq::send_flags::sndmore);
    out_.send(zmq::buffer(body), zmq::send_flags::none);
  }
  zmq::context_t context_;
  zmq::socket_t in_{context_, zmq::socket_type::pull}, out_{context_, zmq::socket_type::push};
  std::unique_ptr<rocksdb::DB> db_;
};

} // namespace

result<bench_rows> bench_sync(const bench_options& options) {
  auto directory = temporary_directory::make("harbinger-bench-");
  if (!directory) return tl::unexpected<error>(directory.error());
  bare_shipping bare;
  if (auto ready = bare.open(directory->path() + "/bare"); !ready)
    return tl::unexpected<error>(ready.error());
  auto cluster = wrong_warning::start({.nodes = 3, .partitions = 4});
  if (!cluster) return tl::unexpected<error>(cluster.error());
  (*cluster)->warn();
  if (auto copied = (*cluster)->wait_for_copies(seconds(60)); !copied)
    return tl::unexpected<error>(copied.error());
  auto node = (*cluster)->name_of(wrong_warning::blamed);
  auto partitions = (*cluster)->partitions([&](const auto& row) { return holds(row, node); });
  if (!partitions) return tl::unexpected<error>(partitions.error());
  std::vector<double> p99, bare_p99, p50, rates, write_p99;
  uint64_t first = 0;
  for (uint32_t run = 0; run < options.runs; ++run) {
    if (interrupted()) return fail(errc::cancelled, "interrupted");
    if (run % 2 == 1) bare_p99.push_back(percentile(bare.measure(), 99));
    auto lag = measure_lag((*cluster)->cluster().control_endpoint(), *partitions, first);
    if (lag.failure) return tl::unexpected<error>(*lag.failure);
    if (run % 2 == 0) bare_p99.push_back(percentile(bare.measure(), 99));
    p50.push_back(percentile(lag.lag_ms, 50));
    p99.push_back(percentile(lag.lag_ms, 99));
    rates.push_back(lag.records_per_s);
    write_p99.push_back(percentile(lag.write_ms, 99));
    if (options.say)
      options.say("sync " + std::to_string(run + 1) + '/' + std::to_string(options.runs));
  }
  auto row = make_row("sync", "lag of a following copy, p99", "ms", better::less, p99,
                      "ZeroMQ and RocksDB, not synced, p99", bare_p99, 0);
  row.value_max = sync_lag_max_ms;
  row.figures = {{"lag, p50, ms", percentile(p50, 50)},
                 {"the writes themselves, p99, ms", percentile(write_p99, 50)},
                 {"updates/s", percentile(rates, 50)},
                 {"updates a batch", static_cast<double>(sync_shape.records)},
                 {"copies followed", static_cast<double>(partitions->size())}};
  return bench_rows{row};
}

} // namespace harbinger
