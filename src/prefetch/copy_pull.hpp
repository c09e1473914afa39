#pragma once

/// Target side of one copy of one partition: snapshot, then deltas for as long as it is wanted
/// (docs/ARCHITECTURE.md, "Copies"). Pure: what to send and what to store are actions, replies and
/// results of storing are events.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "core/result.hpp"
#include "core/time.hpp"
#include "messages/control.hpp"
#include "messages/copying.hpp"
#include "prefetch/token_bucket.hpp"
#include "wire/packed_rows.hpp"

namespace harbinger {

struct copy_limits {
  uint32_t credits = 8;     ///< chunks asked for and not yet there
  uint32_t retries_max = 5; ///< failures in a row before the next source is tried
  duration retry = milliseconds(500);
  duration reply_timeout = milliseconds(2000); ///< on top of the time the source may wait
  uint32_t delta_bytes = 1 << 20;
  uint32_t delta_wait_ms = 500; ///< how long the source may hold an answer when nothing is new
};

/// What this node's store says of the partition now. Given to every step, so that another actor's
/// writes are seen.
struct local_replica {
  bool present = false;
  replica_role role = replica_role::copy;
  replica_state state = replica_state::copying;
  copy_id copy;
  harbinger::version version;
  uint64_t digest = 0;
  uint64_t chunks = 0; ///< chunks of this attempt that are in
  std::string cursor;  ///< as in begin_copy: the id of the snapshot they came from
};

// --- events ---

struct copy_reply {
  uint64_t id = 0; ///< of the request
  std::variant<error, snapshot_opened, snapshot_chunk, delta_batch> message;
};
/// The result of a store action that answers: finish_copy, apply_deltas, restore_copy. Failures of
/// any store action.
struct copy_stored {
  result<void> outcome;
};
struct copy_tick {};
using copy_event = std::variant<copy_reply, copy_stored, copy_tick>;

// --- actions, to be done in this order; when a store action fails the later store actions of the
// same list are left out ---

struct send_to_source {
  std::string endpoint;
  uint64_t id = 0; ///< unique within this copy_pull
  std::variant<snapshot_open, snapshot_pull, delta_pull> message;
};
/// Empty the partition and mark it copying. What a former replica has beyond `history`, which ends
/// with the snapshot, is journalled first (P4).
struct begin_copy {
  epoch_history history;
  std::string cursor; ///< kept with the partition
};
/// Store the rows of this chunk; its number is kept in the same write.
struct ingest_chunk {
  uint64_t index = 0;
  wire::packed_rows rows;
};
/// All rows are there: check the digest, and say following. Answer with copy_stored.
struct finish_copy {
  harbinger::version version;
  std::array<uint64_t, harbinger::digest::buckets> digest{};
  epoch_history history;
};
/// Apply in order; the first follows directly on the local version. Answer with copy_stored.
struct apply_deltas {
  std::vector<log_entry> entries;
  epoch_history history;
};
/// Fill the partition from mass storage. Answer with copy_stored, when it is done.
struct restore_copy {
  restore_method method = restore_method::full_rebuild;
};
/// The store's state of this copy is to be this (following after a pause, or detached).
struct mark_copy {
  replica_state state = replica_state::following;
};
using copy_action = std::variant<send_to_source, begin_copy, ingest_chunk, finish_copy,
                                 apply_deltas, restore_copy, mark_copy>;
using copy_actions = std::vector<copy_action>;

/// How far it is; for reports.
struct copy_progress {
  replica_state state = replica_state::copying;
  node_id source; ///< empty: nobody
  uint64_t copied_bytes = 0;
  uint64_t checksum_errors = 0;
  uint64_t restarts = 0; ///< snapshots begun after the first
  uint64_t retries = 0;  ///< requests sent again
  std::string failure;   ///< why, when failed
  bool ended = false;    ///< the partition is no longer ours to copy: forget this object
};

class copy_pull {
public:
  /// `bucket` limits the bytes of all copies of this node together, as commands say. `yielding`
  /// too, whatever they say: whoever owns it sets its rate as the foreground needs. A copy that
  /// keeps up with its source spends from it, but does not wait for it.
  copy_pull(partition_id partition, copy_limits limits, std::shared_ptr<token_bucket> bucket,
            std::shared_ptr<token_bucket> yielding = std::make_shared<token_bucket>());

  /// A command from the centre. The same copy id replaces the sources (and takes up a copy that
  /// failed or lost its source); a larger one starts over; a smaller one is stale_term. conflict
  /// when this node holds the partition in another role; invalid_argument for a pull without a
  /// source (a copy restored from mass storage may have none: it is then detached). What the store
  /// holds of this very copy is used: a complete copy goes on with deltas, a partial one with its
  /// snapshot.
  result<copy_actions> begin(const start_copy& command, const local_replica& local, time_point now);
  copy_actions step(copy_event event, const local_replica& local, time_point now);

  const copy_progress& progress() const { return progress_; }
  copy_id copy() const { return copy_; }
  /// Time since it last knew that it had everything its source had; zero before the first time.
  duration lag(time_point now) const;

private:
  enum class phase : uint8_t {
    idle,
    opening,
    pulling,
    finishing,
    restoring,
    following,
    applying,
    failed
  };
  struct request {
    uint64_t id = 0;
    time_point sent{};
    uint64_t spent_bytes = 0; ///< when it was sent
  };

  bool may_ask(time_point now);
  bool may_follow(time_point now);
  void spend(uint64_t bytes, time_point now);
  /// What a chunk has, of which `spent` were spent when it was asked for.
  void settle(uint64_t spent, uint64_t bytes, time_point now);
  uint64_t slowest_rate() const; ///< that holds this copy back; 0: none
  /// Of the chunks that are asked for now; 0: as the source likes.
  uint64_t chunk_bytes_max() const;
  uint64_t in_advance() const; ///< to be spent when a chunk is asked for
  bool lost_ownership(const local_replica& local) const;
  bool expired(const request& r, duration wait, time_point now) const;
  void restart_for(const start_copy& command);
  void replace_sources(const std::vector<node_address>& sources, copy_actions& out, time_point now);

  void on_reply(copy_reply& reply, copy_actions& out, time_point now);
  void on_stored(const result<void>& outcome, const local_replica& local, copy_actions& out,
                 time_point now);
  void on_tick(copy_actions& out, time_point now);
  void watch_single(copy_actions& out, time_point now);
  void resume_phase(copy_actions& out, time_point now);

  // the snapshot
  void open(copy_actions& out, time_point now);
  void on_opened(const snapshot_opened& m, copy_actions& out, time_point now);
  void fill(copy_actions& out, time_point now);
  void on_chunk(snapshot_chunk& m, copy_actions& out, time_point now);
  void ingest_in_order(copy_actions& out);
  void watch_chunks(copy_actions& out, time_point now);
  void forget_snapshot();

  // deltas
  void follow_from(const local_replica& local);
  void pull_deltas(copy_actions& out, time_point now);
  void on_batch(const delta_batch& m, copy_actions& out, time_point now);
  void on_not_applied(const error& why, const local_replica& local, copy_actions& out,
                      time_point now);

  // trouble
  void on_error(const error& why, copy_actions& out, time_point now);
  void trouble(copy_actions& out, const error& why, time_point now);
  void detach(copy_actions& out);
  void next_source(copy_actions& out, const error& why, time_point now);
  void start_over(copy_actions& out, time_point now);
  void give_up(copy_actions& out, const error& why);

  partition_id partition_;
  copy_limits limits_;
  std::shared_ptr<token_bucket> bucket_, yielding_;
  token_bucket source_gives_; ///< what the source's chunks say
  copy_progress progress_;
  copy_id copy_;
  std::vector<node_address> sources_;
  size_t source_ = 0;        ///< index into sources_
  size_t sources_tried_ = 0; ///< one after another without progress
  uint32_t failures_ = 0;    ///< in a row at this source
  std::optional<time_point> retry_at_;
  bool unlimited_ = false; ///< the command named no rate
  bool begun_ = false;     ///< the store has a partition that belongs to this copy
  phase phase_ = phase::idle;
  uint64_t next_id_ = 1;

  std::optional<request> single_;            ///< outstanding open or delta pull
  std::map<uint64_t, request> chunks_asked_; ///< by index
  std::map<uint64_t, wire::packed_rows> chunks_waiting_;
  std::set<uint64_t> chunks_again_; ///< to be asked for once more
  snapshot_opened snapshot_;
  std::string resuming_;     ///< snapshot of a partial copy that we try to go on with
  uint64_t resume_from_ = 0; ///< its first chunk that is not in yet
  uint64_t next_ask_ = 0, next_ingest_ = 0;
  uint64_t usual_bytes_ = 1 << 20; ///< of a chunk: as the last one
  std::optional<uint64_t> last_chunk_;

  harbinger::version version_;    ///< what the store holds, in following and applying
  harbinger::version asked_from_; ///< what it held when the open delta request was sent
  uint64_t digest_ = 0;
  std::optional<harbinger::version> expected_head_; ///< of the batch being applied
  uint64_t expected_digest_ = 0;
  std::optional<time_point> had_all_at_;
  /// With its last batch it had everything its source had. Then `yielding` does not hold it back:
  /// it takes no more than clients write, and late it is worth nothing.
  bool keeps_up_ = false;
};

} // namespace harbinger
