#pragma once

/// Carries replica_host as actors/node/replica_server does, with store_writer's groups: while one
/// group is being synced the next gathers.

#include <deque>
#include <memory>

#include "actors/node/resources.hpp"
#include "replica/node_reports.hpp"
#include "replica/replica_host.hpp"
#include "store/change_reader.hpp"
#include "tests/support/sim_parts.hpp"

namespace harbinger::sim {

class replica_server {
public:
  static constexpr auto tick_period = milliseconds(25);
  template <class T>
  using answer = std::function<void(const result<T>&)>;
  using append_sender = std::function<void(const replication::send_append&)>;

  /// All of the same process; `disk` and `copies` outlive it.
  replica_server(parts& all, process& in, node_id self, std::shared_ptr<memory_store> disk,
                 proposal_memory& memory, copy_table& copies)
      : all_(all),
        in_(in),
        self_(std::move(self)),
        disk_(std::move(disk)),
        copies_(copies),
        alive_(std::make_shared<bool>(true)) {
    replication::limits bounds;
    bounds.lease = milliseconds(all.config.replica.lease_ms);
    bounds.append_timeout = milliseconds(all.config.replica.append_timeout_ms);
    bounds.in_flight_max = 8;
    bounds.append_bytes_max = all.append_bytes_max;
    bounds.appends_max = 2;
    host_ = std::make_unique<replication::replica_host>(self_, bounds, memory,
                                                        all.world.next_id() << 32);
    host_->load(disk_->heads(), now());
    later(duration::zero(), [this] { tick(); });
  }
  ~replica_server() { *alive_ = false; }
  replica_server(const replica_server&) = delete;

  // --- wired by the node ---
  append_sender send_append;
  std::function<void(const replication::send_lease&)> send_lease;
  std::function<void(std::vector<replica_report>)> report;
  double slow_disk = 0.0; ///< share of groups that take long to sync

  // --- requests ---
  void put(put_request request, answer<version> to) {
    auto token = all_.world.next_id();
    puts_[token] = {request.partition, std::move(to)};
    carry(host_->put(token, std::move(request), now()));
  }
  /// What a reader gets; the lease is looked at after reading, which `check` does.
  result<void> check(partition_id partition) { return host_->readable(partition, now()); }
  void append(const append_request& request, answer<append_ok> to) {
    auto token = all_.world.next_id();
    appends_[token] = std::move(to);
    carry(host_->append(token, request, stored(request.partition), now()));
  }
  void append_answered(uint64_t request, const result<append_ok>& answer) {
    carry(host_->append_answered(request, answer, now()));
  }

  result<lease_ok> lease(const lease_request& request) { return host_->lease(request, now()); }
  void lease_answered(uint64_t request, const result<lease_ok>& answer) {
    carry(host_->lease_answered(request, answer, now()));
  }

  // --- commands ---
  void configure(const configure_replica& command, answer<replica_report> to) {
    auto token = all_.world.next_id();
    reports_[token] = std::move(to);
    carry(host_->configure(token, command, stored(command.partition), now()));
  }
  void seal(const seal_replica& command, answer<replica_report> to) {
    auto token = all_.world.next_id();
    reports_[token] = std::move(to);
    carry(host_->seal(token, command, stored(command.partition), now()));
  }
  void drop(const drop_replica& command, answer<uint64_t> to) {
    auto token = all_.world.next_id();
    drops_[token] = std::move(to);
    carry(host_->drop(token, command, stored(command.partition), now()));
  }

  void rewind(const rewind_replica& command, answer<replica_report> to) {
    auto token = all_.world.next_id();
    reports_[token] = std::move(to);
    carry(host_->rewind(token, command, stored(command.partition), now()));
  }

  /// The group under way gets to the disk now, though nobody has heard of it yet: what another
  /// thread of the process may see at any moment.
  void finish_group() {
    if (!group_.empty() && outcomes_.empty()) write_group();
  }

  std::vector<replica_report> all_reports() const {
    return node_reports({disk_->heads(), host_->reports(now()), copies_.all(), {}}, now());
  }

private:
  struct job {
    uint64_t id;
    std::optional<store_write> write; // else a drop, or a rewind
    partition_id partition;
    epoch_history truth;
    bool rewinds = false;
  };
  struct asked_put {
    partition_id partition;
    answer<version> to;
  };

  time_point now() const { return all_.world.clock(in_); }
  void later(duration delay, std::function<void()> what) {
    all_.world.after(delay, in_, [alive = alive_, what = std::move(what)] {
      if (*alive) what();
    });
  }
  replication::replica_host::stored stored(partition_id partition) const {
    auto head = disk_->head(partition);
    return head ? std::optional(std::move(*head)) : std::nullopt;
  }

  void tick() {
    carry(host_->tick(now()));
    for (const auto& h : disk_->heads())
      if (auto committed = host_->committed(h.partition))
        all_.book.watch(h.partition, [&](version after) {
          return read_changes(*disk_, {h.partition, after, 4096, 0}, *committed,
                              host_->readable(h.partition, now()).has_value());
        });
    bool due = now() >= report_due_;
    if (due || report_wanted_ || copies_seen_ != copies_.changes()) {
      report_wanted_ = false;
      copies_seen_ = copies_.changes();
      report_due_ = now() + milliseconds(all_.config.control.report_ms);
      report(all_reports());
    }
    later(tick_period, [this] { tick(); });
  }

  void carry(replication::actions todo) {
    for (auto& a : todo) std::visit([&](auto& x) { act(x); }, a);
  }
  void act(replication::write_store& a) { submit({a.id, std::move(a.write), {}, {}}); }
  void act(replication::drop_store& a) {
    submit({a.id, std::nullopt, a.partition, std::move(a.truth)});
  }
  void act(replication::rewind_store& a) {
    submit({a.id, std::nullopt, a.partition, std::move(a.truth), true});
  }
  void act(replication::read_log& a) {
    auto entries = disk_->log_after(a.partition, a.after, a.up_to, a.bytes_max);
    carry(host_->log_read(a.partition, a.member, a.after, std::move(entries), now()));
  }
  void act(replication::send_append& a) { send_append(a); }
  void act(replication::send_lease& a) { send_lease(a); }
  void act(replication::answer_append& a) { tell(appends_, a.to, a.answer); }
  void act(replication::answer_put& a) {
    auto asked = puts_.extract(a.to);
    if (asked.empty()) return;
    if (!a.answer) return asked.mapped().to(tl::unexpected<error>(a.answer.error()));
    all_.book.acknowledged(asked.mapped().partition, a.answer->version);
    asked.mapped().to(a.answer->version);
  }
  void act(replication::answer_report& a) { tell(reports_, a.to, a.answer); }
  void act(replication::answer_drop& a) { tell(drops_, a.to, a.journalled); }
  void act(replication::report_now&) { report_wanted_ = true; }
  void act(replication::notice& a) {
    all_.world.note(self_.value + ": " + a.kind + " " + to_string(a.partition) + " " + a.text);
  }
  template <class T>
  static void tell(std::map<replication::token, answer<T>>& askers, replication::token to,
                   const result<T>& what) {
    auto asker = askers.extract(to);
    if (!asker.empty()) asker.mapped()(what);
  }

  // --- the writer ---
  void submit(job j) {
    jobs_.push_back(std::move(j));
    if (group_.empty()) begin_group();
  }
  void begin_group() {
    bool alone = !jobs_.front().write;
    while (!jobs_.empty() && (group_.empty() || (!alone && jobs_.front().write))) {
      group_.push_back(std::move(jobs_.front()));
      jobs_.pop_front();
    }
    auto sync = all_.world.between(std::chrono::microseconds(200), milliseconds(2));
    if (all_.world.chance(slow_disk)) sync = all_.world.between(milliseconds(20), seconds(1));
    later(sync, [this] {
      finish_group();
      for (auto& o : outcomes_) to_hear_.push_back(std::move(o));
      outcomes_.clear();
      group_.clear();
      auto wake = all_.world.between(duration::zero(), milliseconds(1));
      later(wake, [this] { hear(); });
      if (!jobs_.empty()) begin_group();
    });
  }
  using outcome = std::function<replication::actions()>;
  void write_group() {
    if (!group_.front().write) {
      auto& j = group_.front();
      if (j.rewinds)
        outcomes_.push_back([this, id = j.id, done = disk_->rewind(j.partition, j.truth)] {
          return host_->rewound(id, done, now());
        });
      else
        outcomes_.push_back([this, id = j.id, done = disk_->drop(j.partition, j.truth)] {
          return host_->dropped(id, done, now());
        });
      return;
    }
    std::vector<store_write> writes;
    for (auto& j : group_) writes.push_back(*j.write);
    auto answers = disk_->write(writes);
    for (size_t i = 0; i < answers.size(); ++i) {
      if (answers[i] && !writes[i].entries.empty()) {
        const auto& head = answers[i]->head;
        all_.book.wrote(self_, writes[i].entries, head);
        if (head.role == replica_role::primary && writes[i].committed >= head.version.seq)
          all_.book.committed(self_, head.partition, head.epoch);
      }
      outcomes_.push_back([this, id = group_[i].id, done = std::move(answers[i])] {
        return host_->written(id, done, now());
      });
    }
  }
  /// Everything that was written meanwhile, in order.
  void hear() {
    for (auto& o : std::exchange(to_hear_, {})) carry(o());
  }

  parts& all_;
  process& in_;
  node_id self_;
  std::shared_ptr<memory_store> disk_;
  copy_table& copies_;
  std::shared_ptr<bool> alive_;
  std::unique_ptr<replication::replica_host> host_;
  std::map<replication::token, asked_put> puts_;
  std::map<replication::token, answer<append_ok>> appends_;
  std::map<replication::token, answer<replica_report>> reports_;
  std::map<replication::token, answer<uint64_t>> drops_;
  std::deque<job> jobs_;
  std::vector<job> group_;        // on its way to the disk
  std::vector<outcome> outcomes_; // of the group
  std::deque<outcome> to_hear_;
  bool report_wanted_ = false;
  time_point report_due_{};
  uint64_t copies_seen_ = 0;
};

} // namespace harbinger::sim
