#include "store/store_writer.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include <pthread.h>

namespace harbinger {
namespace {

struct job {
  uint64_t id = 0;
  store_task what = store_task::write;
  std::optional<store_write> write{}; // else a drop or a rewind of
  partition_id partition{};
  epoch_history truth{};
  time_point submitted = std::chrono::steady_clock::now();
};

size_t size_of(const store_write& w) {
  size_t size = 64;
  for (const auto& e : w.entries) size += payload_bytes(e.batch);
  return size;
}

} // namespace

struct store_writer::impl {
  std::shared_ptr<partition_store> store;
  std::function<void()> on_outcomes;
  std::atomic<double>& write_ms;
  std::atomic<uint64_t>& queued;
  commit_meter& commits;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<job> jobs;
  std::vector<outcome> outcomes;
  bool stopping = false;
  std::thread thread;

  impl(std::shared_ptr<partition_store> s, std::function<void()> f, std::atomic<double>& ms,
       std::atomic<uint64_t>& q, commit_meter& c)
      : store(std::move(s)), on_outcomes(std::move(f)), write_ms(ms), queued(q), commits(c) {}

  void submit(job j) {
    std::optional<outcome> refused;
    {
      std::lock_guard guard(mutex);
      if (jobs.size() >= queued_max) {
        auto why = fail(errc::overloaded, std::to_string(queued_max) + " writes wait");
        outcomes.push_back({j.id, j.what, why, why, why});
        refused = outcomes.back();
      } else {
        jobs.push_back(std::move(j));
        queued = jobs.size();
      }
    }
    if (refused)
      on_outcomes();
    else
      wake.notify_one();
  }

  /// The next drop or rewind alone, or as many writes as may go together; empty when stopping.
  std::vector<job> next_group() {
    std::unique_lock guard(mutex);
    wake.wait(guard, [&] { return stopping || !jobs.empty(); });
    std::vector<job> group;
    if (stopping) return group;
    size_t size = 0;
    while (!jobs.empty() && group.size() < group_writes_max) {
      auto& j = jobs.front();
      if (!group.empty() && (!j.write || size + size_of(*j.write) > group_bytes_max)) break;
      if (j.write) size += size_of(*j.write);
      bool alone = !j.write;
      group.push_back(std::move(j));
      jobs.pop_front();
      if (alone) break;
    }
    queued = jobs.size();
    return group;
  }

  std::vector<outcome> carry_out(std::vector<job> group) {
    std::vector<outcome> done;
    if (!group.front().write) {
      auto& j = group.front();
      auto& out = done.emplace_back();
      out.id = j.id;
      out.what = j.what;
      if (j.what == store_task::drop)
        out.journalled = store->drop(j.partition, j.truth);
      else
        out.rewound = store->rewind(j.partition, j.truth);
      return done;
    }
    std::vector<store_write> writes;
    writes.reserve(group.size());
    auto oldest = std::find_if(group.begin(), group.end(),
                               [](const job& j) { return !j.write->entries.empty(); });
    auto submitted = oldest == group.end() ? std::optional<time_point>{} : oldest->submitted;
    for (auto& j : group) writes.push_back(std::move(*j.write));
    auto begun = std::chrono::steady_clock::now();
    auto answers = store->write(writes);
    auto ended = std::chrono::steady_clock::now();
    write_ms = to_ms(ended - begun);
    if (submitted) commits.add(to_ms(ended - *submitted));
    for (size_t i = 0; i < group.size(); ++i) {
      done.emplace_back().id = group[i].id;
      done.back().written = std::move(answers[i]);
    }
    return done;
  }

  void run() {
    ::pthread_setname_np(::pthread_self(), "store_writer");
    for (;;) {
      auto group = next_group();
      if (group.empty()) return;
      auto done = carry_out(std::move(group));
      {
        std::lock_guard guard(mutex);
        for (auto& o : done) outcomes.push_back(std::move(o));
      }
      on_outcomes();
    }
  }
};

store_writer::store_writer(std::shared_ptr<partition_store> store,
                           std::function<void()> on_outcomes, std::atomic<double>& write_ms,
                           std::atomic<uint64_t>& queued, commit_meter& commits)
    : impl_(std::make_unique<impl>(std::move(store), std::move(on_outcomes), write_ms, queued,
                                   commits)) {
  impl_->thread = std::thread([this] { impl_->run(); });
}

store_writer::~store_writer() {
  {
    std::lock_guard guard(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_one();
  impl_->thread.join();
}

void store_writer::submit(uint64_t id, store_write write) {
  impl_->submit({.id = id, .write = std::move(write)});
}

void store_writer::submit_drop(uint64_t id, partition_id partition, epoch_history truth) {
  impl_->submit(
      {.id = id, .what = store_task::drop, .partition = partition, .truth = std::move(truth)});
}

void store_writer::submit_rewind(uint64_t id, partition_id partition, epoch_history truth) {
  impl_->submit(
      {.id = id, .what = store_task::rewind, .partition = partition, .truth = std::move(truth)});
}

std::vector<store_writer::outcome> store_writer::take_outcomes() {
  std::lock_guard guard(impl_->mutex);
  return std::exchange(impl_->outcomes, {});
}

} // namespace harbinger
