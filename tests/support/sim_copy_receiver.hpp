#pragma once

/// Carries copy_pull as actors/node/copy_receiver does: it writes to the store by itself, beside
/// the writer of replica_server.

#include <memory>

#include "actors/node/resources.hpp"
#include "prefetch/copy_pull.hpp"
#include "tests/support/sim_parts.hpp"

namespace harbinger::sim {

class copy_receiver {
public:
  static constexpr auto tick_period = milliseconds(25);

  copy_receiver(parts& all, process& in, node_id self, std::shared_ptr<memory_store> disk,
                copy_table& copies)
      : all_(all),
        in_(in),
        self_(std::move(self)),
        disk_(std::move(disk)),
        copies_(copies),
        alive_(std::make_shared<bool>(true)) {
    for (const auto& [partition, row] : copies_.all()) copies_.erase(partition);
    tick_soon();
  }
  ~copy_receiver() { *alive_ = false; }
  copy_receiver(const copy_receiver&) = delete;

  // --- wired by the node ---
  /// The reply comes back to `reply` with the same partition and id.
  std::function<void(partition_id, const send_to_source&)> send;
  /// Another thread of the node may get so far just now.
  std::function<void()> meanwhile;

  result<void> begin(const start_copy& command) {
    auto it = pulls_.find(command.partition);
    bool is_new = it == pulls_.end();
    if (is_new)
      it = pulls_
               .emplace(command.partition,
                        std::make_unique<copy_pull>(command.partition, limits(), bucket_))
               .first;
    auto actions = it->second->begin(command, local(command.partition), now());
    if (!actions) {
      if (is_new) pulls_.erase(it);
      return tl::unexpected<error>(actions.error());
    }
    run(command.partition, *it->second, std::move(*actions));
    if (!publish(command.partition, *it->second)) pulls_.erase(command.partition);
    return {};
  }
  void reply(partition_id partition, const copy_reply& what) { step(partition, what); }

private:
  time_point now() const { return all_.world.clock(in_); }
  copy_limits limits() const {
    copy_limits out;
    out.credits = 3;
    out.retries_max = all_.config.prefetch.retries_max;
    out.retry = milliseconds(all_.config.prefetch.retry_ms);
    out.delta_wait_ms = 200;
    return out;
  }
  local_replica local(partition_id partition) const {
    auto head = disk_->head(partition);
    if (!head) return {};
    return {true,          head->role,           head->state,  head->copy,
            head->version, head->digest.total(), head->chunks, head->cursor};
  }
  void tick_soon() {
    all_.world.after(tick_period, in_, [this, alive = alive_] {
      if (!*alive) return;
      std::vector<partition_id> all;
      for (const auto& [partition, pull] : pulls_) all.push_back(partition);
      for (auto partition : all) step(partition, copy_tick{});
      tick_soon();
    });
  }
  void step(partition_id partition, const copy_event& event) {
    auto it = pulls_.find(partition);
    if (it == pulls_.end()) return;
    run(partition, *it->second, it->second->step(event, local(partition), now()));
    if (!publish(partition, *it->second)) pulls_.erase(partition);
  }
  void run(partition_id partition, copy_pull& pull, copy_actions actions) {
    while (!actions.empty()) {
      copy_actions next;
      bool store_refused = false;
      for (const auto& action : actions) {
        if (const auto* a = std::get_if<send_to_source>(&action)) {
          send(partition, *a);
        } else if (!store_refused) {
          if (all_.world.chance(0.3)) meanwhile();
          auto outcome = store(partition, pull, action);
          if (!outcome) continue;
          store_refused = !*outcome;
          auto more = pull.step(copy_stored{*outcome}, local(partition), now());
          next.insert(next.end(), more.begin(), more.end());
        }
      }
      actions = std::move(next);
    }
  }
  bool publish(partition_id partition, const copy_pull& pull) {
    const auto& p = pull.progress();
    if (p.ended) {
      copies_.erase(partition);
      return false;
    }
    copies_.set(partition, {pull.copy(),
                            p.copied_bytes,
                            p.source,
                            to_ms(pull.lag(now())),
                            now(),
                            p.failure,
                            p.state == replica_state::following,
                            {}});
    return true;
  }

  std::optional<result<void>> store(partition_id partition, const copy_pull& pull,
                                    const copy_action& action) {
    if (const auto* a = std::get_if<finish_copy>(&action))
      return complete(disk_->finish_copy(partition, pull.copy(), a->version,
                                         digest::from_sums(a->digest), a->history,
                                         replica_state::following));
    if (const auto* a = std::get_if<apply_deltas>(&action)) return apply(partition, *a);
    if (std::get_if<restore_copy>(&action)) return fail(errc::unavailable, "no mass storage");
    result<void> done;
    if (const auto* a = std::get_if<begin_copy>(&action)) done = begin_store(partition, pull, *a);
    if (const auto* a = std::get_if<ingest_chunk>(&action))
      done = plain(disk_->ingest(partition, pull.copy(), a->index, a->rows.rows()));
    if (const auto* a = std::get_if<mark_copy>(&action)) mark(partition, pull, *a);
    return done ? std::nullopt : std::optional(done);
  }
  static result<void> plain(const result<partition_head>& stored) {
    if (!stored) return tl::unexpected<error>(stored.error());
    return {};
  }
  result<void> complete(const result<partition_head>& stored) {
    if (stored) all_.book.complete(self_, *stored);
    return plain(stored);
  }
  result<void> begin_store(partition_id partition, const copy_pull& pull, const begin_copy& a) {
    auto head = disk_->head(partition);
    if (head && head->role == replica_role::copy && head->state != replica_state::copying) {
      if (all_.world.chance(0.3)) meanwhile();
      if (auto dropped = disk_->drop(partition, a.history); !dropped)
        return tl::unexpected<error>(dropped.error());
    }
    return plain(disk_->begin_copy(partition, pull.copy(), a.cursor));
  }
  result<void> apply(partition_id partition, const apply_deltas& a) {
    auto head = disk_->head(partition);
    if (!head) return tl::unexpected<error>(head.error());
    store_write item;
    item.partition = partition;
    item.epoch = std::max(head->epoch, a.entries.back().version.epoch);
    item.previous = head->version;
    item.entries = a.entries;
    item.committed = a.entries.back().version.seq;
    if (all_.world.chance(0.3)) meanwhile();
    auto stored = disk_->write_one(item);
    if (stored) all_.book.wrote(self_, item.entries, *stored);
    return plain(stored);
  }
  void mark(partition_id partition, const copy_pull& pull, const mark_copy& a) {
    auto head = disk_->head(partition);
    if (!head || head->role != replica_role::copy || head->copy != pull.copy()) return;
    store_write item;
    item.partition = partition;
    item.epoch = head->epoch;
    item.previous = head->version;
    item.change.emplace().state = a.state;
    item.change->failure = pull.progress().failure;
    if (all_.world.chance(0.3)) meanwhile();
    (void)disk_->write_one(std::move(item));
  }

  parts& all_;
  process& in_;
  node_id self_;
  std::shared_ptr<memory_store> disk_;
  copy_table& copies_;
  std::shared_ptr<bool> alive_;
  std::shared_ptr<token_bucket> bucket_ = std::make_shared<token_bucket>();
  std::map<partition_id, std::unique_ptr<copy_pull>> pulls_;
};

} // namespace harbinger::sim
