#pragma once

/// One replica of one partition: primary, secondary, or fenced (docs/ARCHITECTURE.md, "How data
/// stays safe").
///
/// As primary it gives each client batch the next sequence number, has it made durable by every
/// other member of the sync set (and by joiners that have caught up), commits it to its own store,
/// and only then answers, with what the entry's effect came to (store/entry_effect.hpp). It
/// proposes nothing before every member has once answered in this configuration, and never goes on
/// in an epoch that an earlier life of the process was primary of (proposal_memory.hpp). As a
/// member it makes what it is sent durable before it acknowledges, and refuses older epochs.
///
/// Pure: time is an argument, effects are actions. Owned by replica_host.

#include <deque>
#include <map>
#include <optional>

#include "replica/actions.hpp"
#include "replica/lease_list.hpp"
#include "replica/proposal_memory.hpp"
#include "store/store_written.hpp"

namespace harbinger::replication {

/// What all replicas of a node share.
struct shared {
  node_id self;
  limits bounds;
  proposal_memory& memory;
  uint64_t last_id = 0;                           ///< requests and writes are numbered from here
  std::map<uint64_t, partition_id> requests = {}; ///< appends without an answer
  std::map<uint64_t, partition_id> writes = {};   ///< writes and drops under way
  /// Leases of idle partitions that are to be renewed with the next tick, by member.
  struct due_leases {
    node_address to;
    std::vector<lease_item> items;
  };
  std::map<node_id, due_leases> leases = {};
};

class replica {
public:
  /// From the stored head. `exists` false: the partition is about to be created.
  replica(partition_head head, shared& common, time_point now, bool exists = true);

  // --- client ---
  /// Refuses, or keeps it for the next propose().
  void put(token from, write_batch batch, time_point now, actions& out);
  /// What may be under way now goes to the members; what all of them have goes to the store.
  void propose(time_point now, actions& out);
  /// not_primary or lease_expired, also before every member has what this one became primary with.
  /// Ask after reading: then what was read was current while it was read.
  result<void> readable(time_point now) const;
  /// A client got what was read.
  void note_read(time_point now);
  /// Up to where everything is durable here and on every member that is waited for, and so is part
  /// of every later primary's log. not_primary.
  result<seq_no> committed() const;

  // --- member ---
  void append(token from, const append_request& request, time_point now, actions& out);

  /// Whether the primary's lease is renewed: it has nothing that is not durable here. Else an
  /// append tells what is wrong.
  bool renew(const lease_item& item, time_point now);

  // --- answers ---
  /// What a member said to a lease that was sent at `sent_at`.
  void lease_answered(const node_id& member, const lease_item& item, time_point sent_at,
                      bool renewed);
  void append_answered(uint64_t request, const result<append_ok>& answer, time_point now,
                       actions& out);
  void log_read(const node_id& member, version after, result<std::vector<log_entry>> entries,
                time_point now, actions& out);
  void written(uint64_t write, const result<store_written>& answer, time_point now, actions& out);

  // --- centre ---
  void configure(token from, const configure_replica& command, time_point now, actions& out);
  /// With hand_over a primary refuses new batches (not_primary), answers reads while it finishes,
  /// and is sealed when every member has all it had proposed.
  void seal(token from, const seal_replica& command, time_point now, actions& out);

  void tick(time_point now, actions& out);
  /// Becomes failed, for good: only a new copy helps. A primary, and what is not complete, stays.
  void give_up(const std::string& why, actions& out);
  /// Answers everybody who waits with `why`; for a replica that is being dropped.
  void abandon(const error& why, actions& out);
  /// A copy is also written by its copier: what the store says now.
  void refresh(const partition_head& head);

  replica_report report(time_point now) const;
  replica_role role() const {
    return fenced_ && role_ == replica_role::primary ? replica_role::sealed : role_;
  }
  harbinger::epoch epoch() const { return epoch_; }
  harbinger::revision revision() const { return revision_; }
  const partition_head& head() const { return head_; }
  bool exists() const { return exists_; }
  size_t queued() const { return waiting_.size() + proposals_.size(); }

private:
  static constexpr const char* hands_over = "hands over to another member";
  struct proposal {
    log_entry entry;
    std::optional<token> client;
    bool handed = false; // to the store, because every member has it
  };
  struct waiting_put {
    token client;
    write_batch batch;
    time_point since;
  };
  struct outstanding {
    uint64_t request;
    time_point sent_at;
  };
  struct member {
    node_address address;
    bool joiner = false;
    bool caught_up = false; // joiner: from now on waited for like a member
    bool answered = false;  // ever, in this configuration
    bool active = false;    // streaming; otherwise probed with empty appends
    bool doubted = false;   // refused to renew a lease: an append asks why
    bool reading = false;   // its entries are being read from the log
    version acked;          // durable there
    version sent;
    seq_no told; // newest commit point sent
    std::deque<outstanding> open;
    time_point last_sent{};
    time_point lease_from{}; // when the newest acknowledged append was sent
    time_point retry_at{};
    std::optional<error> trouble;
    bool blocks() const { return !joiner || caught_up; }
  };
  struct pending_write {
    enum class purpose : uint8_t { append, commit, change } why = purpose::append;
    uint64_t round =
        0; // of the sequence of writes: those after a failed one fail too, and count for nothing
    std::optional<token> asker;
    bool sealing = false;
    bool lease_over = false; // sealing: the primary is sealed, so nobody reads under its lease
    harbinger::epoch sender;
  };
  struct hand_over {
    token asker;
    seal_replica command;
    time_point due; // what is under way then is given up
  };
  struct sealed_answer {
    token asker;
    time_point due;
  };

  // replica.cpp
  uint64_t write(store_write item, pending_write pending, actions& out);
  void write_failed(const pending_write& pending, const error& why, time_point now, actions& out);
  void refuse_waiting(const error& why, actions& out);
  void depose(const error& why, actions& out);
  void seal_now(token from, const seal_replica& command, time_point now, actions& out);
  void stop_handing_over(const error& why, actions& out);
  bool under_way() const;
  bool same(version v) const;
  version tail() const;

  // replica_primary.cpp
  void become_primary(const configure_replica& command, bool durable, time_point now);
  void set_members(const configure_replica& command, time_point now);
  bool ready() const;
  void advance(time_point now, actions& out);
  void pump(time_point now, actions& out);
  void pump_member(const node_id& id, member& m, time_point now, actions& out);
  void send(member& m, version previous, std::vector<log_entry> entries, time_point now,
            actions& out);
  void committed(const std::vector<entry_outcome>& outcomes, time_point now, actions& out);
  void note_first(double& ms, time_point now) const;
  void quiet(member& m);
  bool idle(const member& m) const;
  void acknowledged(member& m, const outstanding& sent, version durable, actions& out);
  void refused(const node_id& id, member& m, const error& why, time_point now, actions& out);
  void fence(std::string why, actions& out);
  std::optional<error> member_full() const;

  // replica_member.cpp
  void accept(token from, const append_request& request, std::vector<log_entry> fresh,
              actions& out);

  shared& common_;
  partition_head head_; // as in the store
  bool exists_;
  replica_role role_; // in force; may be ahead of the store while a change is being written
  harbinger::epoch epoch_;
  harbinger::revision revision_;
  version handed_;        // newest entry given to the store
  epoch_history history_; // up to handed_
  uint64_t round_ = 0;
  std::map<uint64_t, pending_write> writes_;
  std::string failure_;

  // primary
  bool fenced_ =
      false; // a member refused us as deposed, or knows more than we: only a newer epoch helps
  bool config_durable_ = false;
  version inherited_; // what it held when it became primary; nobody else may have all of it yet
  harbinger::epoch barred_; // was primary in this epoch and has forgotten what it had proposed
  std::map<node_id, member> members_;
  std::deque<proposal> proposals_; // after head_.version
  std::deque<waiting_put> waiting_;
  std::optional<hand_over> handing_over_;
  std::optional<error> store_error_;
  time_point store_retry_at_{};
  uint64_t commits_ = 0;
  uint64_t commits_before_ = 0;
  time_point rated_at_{};
  double writes_per_s_ = 0.0;
  double batch_bytes_ = 0.0; // mean, the last hundred or so weigh most
  time_point in_office_since_{};
  double first_read_ms_ = 0.0, first_write_ms_ = 0.0;

  // member
  time_point last_append_{};
  std::vector<sealed_answer> sealed_answers_;
};

} // namespace harbinger::replication
