#pragma once

/// Carries copy_source and delta_reader as actors/node/snapshot_server does.

#include <deque>
#include <memory>

#include "prefetch/copy_source.hpp"
#include "store/delta_reader.hpp"
#include "tests/support/sim_parts.hpp"
#include "wire/rows.hpp"

namespace harbinger::sim {

class snapshot_server {
public:
  using message = std::variant<error, snapshot_opened, snapshot_chunk, delta_batch>;
  using reply = std::function<void(message)>;
  static constexpr auto waiter_period = milliseconds(10);

  snapshot_server(parts& all, process& in, std::shared_ptr<memory_store> disk)
      : all_(all), in_(in), disk_(std::move(disk)), alive_(std::make_shared<bool>(true)) {
    copy_source_limits limits;
    limits.chunk_bytes = all.config.prefetch.chunk_bytes;
    limits.idle_max = seconds(5);
    source_ = std::make_unique<copy_source>(std::to_string(all.world.next_id()), limits);
  }
  ~snapshot_server() { *alive_ = false; }
  snapshot_server(const snapshot_server&) = delete;

  void open(const snapshot_open& ask, const reply& to) {
    auto now = all_.world.clock(in_);
    if (!ask.resume.empty()) return answer(source_->resume(ask.partition, ask.resume, now), to);
    auto snapshot = open_for_copy(*disk_, ask.partition);
    if (!snapshot) return to(snapshot.error());
    answer(source_->open(ask.partition, describe_snapshot((*snapshot)->head()),
                         std::make_unique<stored_rows>(*snapshot), now),
           to);
  }
  void pull(const snapshot_pull& ask, const reply& to) {
    answer(source_->pull(ask, all_.world.clock(in_)), to);
  }
  void deltas(const delta_pull& ask, reply to) {
    if (served(ask, to, ask.wait_ms > 0)) return;
    if (waiters_.empty()) tick_soon();
    auto until = all_.world.clock(in_) + milliseconds(std::min(ask.wait_ms, 1000u));
    waiters_.push_back({ask, std::move(to), until});
  }

private:
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
  struct waiter {
    delta_pull ask;
    reply to;
    time_point until;
  };

  template <class T>
  static void answer(const result<T>& made, const reply& to) {
    if (made)
      to(*made);
    else
      to(made.error());
  }
  bool served(const delta_pull& ask, const reply& to, bool may_wait) {
    auto batch = read_deltas(*disk_, ask);
    if (!batch) {
      to(batch.error());
      return true;
    }
    if (*batch) {
      to(std::move(**batch));
      return true;
    }
    if (may_wait) return false;
    answer(no_deltas(*disk_, ask), to);
    return true;
  }
  void tick_soon() {
    all_.world.after(waiter_period, in_, [this, alive = alive_] {
      if (!*alive) return;
      auto now = all_.world.clock(in_);
      auto waiting = std::exchange(waiters_, {});
      for (auto& w : waiting)
        if (!served(w.ask, w.to, now < w.until)) waiters_.push_back(std::move(w));
      if (!waiters_.empty()) tick_soon();
    });
  }

  parts& all_;
  process& in_;
  std::shared_ptr<memory_store> disk_;
  std::shared_ptr<bool> alive_;
  std::unique_ptr<copy_source> source_;
  std::deque<waiter> waiters_;
};

} // namespace harbinger::sim
