#include "bench_foreground.hpp"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <thread>

#include "app/copy_throughput.hpp"
#include "app/process.hpp"
#include "core/settings.hpp"
#include "prefetch/foreground_yield.hpp"
#include "store/store_writer.hpp"

namespace harbinger {

namespace {

namespace fs = std::filesystem;
using steady = std::chrono::steady_clock;
constexpr partition_id written = make_partition_id(2, 0);
constexpr auto write_every = milliseconds(5); ///< whatever the last one took
constexpr auto part_of_a_round = seconds(5);
constexpr size_t value_bytes = 1024;
constexpr uint64_t keys = 1000;

/// Writes to one partition at a steady pace, as the node's replica_server would: by store_writer.
class steady_writes {
public:
  explicit steady_writes(std::shared_ptr<partition_store> store)
      : store_(std::move(store)),
        writer_(
            store_, [this] { collect(); }, write_ms_, queued_, meter_) {}

  result<void> prepare() {
    store_write made;
    made.partition = written;
    made.epoch = epoch{1};
    made.create = true;
    made.change.emplace().role = replica_role::primary;
    made.change->state = replica_state::following;
    auto head = store_->write_one(std::move(made));
    if (!head) return tl::unexpected<error>(head.error());
    return {};
  }
  /// Latencies in ms of what was begun within `span`, all of them ended.
  result<std::vector<double>> run(duration span) {
    auto next = steady::now();
    for (auto until = next + span; next < until; next += write_every) {
      if (interrupted()) return fail(errc::cancelled, "interrupted");
      std::this_thread::sleep_until(next);
      submit(next);
    }
    std::unique_lock lock(mutex_);
    if (!ended_.wait_for(lock, seconds(30), [this] { return under_way_.empty(); }))
      return fail(errc::timeout, "writes did not end");
    if (failure_) return tl::unexpected<error>(*failure_);
    return std::exchange(taken_ms_, {});
  }
  commit_totals totals() const { return meter_.totals(); }
  uint64_t waiting() const { return queued_; }

private:
  void submit(time_point due) {
    store_write w;
    w.partition = written;
    w.epoch = epoch{1};
    w.previous = at_;
    at_ = {epoch{1}, seq_no{at_.seq.value + 1}};
    auto key = "key" + std::to_string(at_.seq.value % keys);
    w.entries.push_back({at_, {{{op_kind::put, {key}, {std::string(value_bytes, 'v')}}}}});
    w.committed = at_.seq;
    {
      std::lock_guard lock(mutex_);
      under_way_.push_back(due);
    }
    writer_.submit(at_.seq.value, std::move(w));
  }
  void collect() { // on the writer's thread; they end in order
    auto now = steady::now();
    auto outcomes = writer_.take_outcomes();
    std::lock_guard lock(mutex_);
    for (const auto& outcome : outcomes) {
      if (!outcome.written) failure_ = outcome.written.error();
      taken_ms_.push_back(to_ms(now - under_way_.front()));
      under_way_.pop_front();
    }
    ended_.notify_one();
  }

  std::shared_ptr<partition_store> store_;
  version at_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::deque<time_point> under_way_;
  std::vector<double> taken_ms_;
  std::optional<error> failure_;
  std::atomic<double> write_ms_{0};
  std::atomic<uint64_t> queued_{0};
  commit_meter meter_;
  store_writer writer_; ///< ends first
};

double p99(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, values.size() * 99 / 100)];
}

/// Copies again and again while it lives, each time into a directory of its own. What copies before
/// left is removed first: a copy does not delete files.
class copies_beside {
public:
  copies_beside(partition_store& source, foreground_yield& yield, const steady_writes& writes,
                const std::string& directory) {
    fs::remove_all(directory);
    options_.rate_bytes_per_s = prefetch_settings{}.rate_bytes_per_s;
    options_.stop = [this] { return stop_.load(); };
    options_.allowed = [&, this](uint64_t more) {
      copied_bytes_ += more;
      yield.count(more);
      return yield.rate(writes.totals(), writes.waiting(), steady::now());
    };
    thread_ = std::thread([&source, directory, this] {
      for (int i = 0; !stop_ && !failure_; ++i) {
        options_.directory = directory + '/' + std::to_string(i);
        if (auto done = measure_copy(source, options_);
            !done && done.error().code != errc::cancelled)
          failure_ = done.error();
      }
    });
  }
  ~copies_beside() { stop(); }
  result<uint64_t> stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    if (failure_) return tl::unexpected<error>(*failure_);
    return copied_bytes_;
  }

private:
  copy_throughput_options options_;
  std::atomic<bool> stop_{false};
  uint64_t copied_bytes_ = 0; // of thread_, as failure_
  std::optional<error> failure_;
  std::thread thread_;
};

} // namespace

result<bench_row> measure_foreground(const bench_options& options, const std::string& directory) {
  auto source = partition_store::open({directory + "/served", true, 0});
  if (!source) return tl::unexpected<error>(source.error());
  if (auto filled = fill_for_copy(**source, {}); !filled)
    return tl::unexpected<error>(filled.error());
  steady_writes writes(*source);
  if (auto ready = writes.prepare(); !ready) return tl::unexpected<error>(ready.error());
  foreground_yield yield({.rise = prefetch_settings{}.yield_rise,
                          .floor_bytes_per_s = prefetch_settings{}.floor_bytes_per_s});
  auto look = [&] { (void)yield.rate(writes.totals(), writes.waiting(), steady::now()); };
  std::vector<double> beside, alone, speeds;
  for (uint32_t run = 0; run < 2 * options.runs; ++run) {
    bool copying = (run % 4 == 1 || run % 4 == 2); // alone, beside, beside, alone: drift cancels
    std::optional<copies_beside> copies;
    std::atomic<bool> over{false};
    std::thread quiet; // a node looks while nothing is copied, too
    if (copying)
      copies.emplace(**source, yield, writes, directory + "/beside");
    else
      quiet = std::thread([&] {
        for (; !over; std::this_thread::sleep_for(milliseconds(100))) look();
      });
    auto taken = writes.run(part_of_a_round);
    over = true;
    if (quiet.joinable()) quiet.join();
    if (!taken) return tl::unexpected<error>(taken.error());
    (copying ? beside : alone).push_back(p99(*taken));
    if (copies) {
      auto copied = copies->stop();
      if (!copied) return tl::unexpected<error>(copied.error());
      speeds.push_back(static_cast<double>(*copied) / to_seconds(part_of_a_round) / (1 << 20));
    }
    if (options.say && run % 2 == 1)
      options.say("foreground " + std::to_string(run / 2 + 1) + '/' + std::to_string(options.runs));
  }
  auto row = make_row("prefetch", "p99 of writes beside a copy", "ms", better::less, beside,
                      "the same writes without a copy", alone, 0.95);
  std::sort(speeds.begin(), speeds.end());
  row.figures = {{"copied, MiB/s, median", speeds[speeds.size() / 2]},
                 {"times the copy gave way", static_cast<double>(yield.backoffs())},
                 {"quiet write, ms", yield.quiet_ms().value_or(NAN)}};
  return row;
}

} // namespace harbinger
