#pragma once

/// Checks the records of this node's replicas one after the other, and has damaged buckets mended
/// from other replicas (docs/ARCHITECTURE.md, "Checking what is stored"). Pure: reading, asking and
/// writing are actions, what came of them are events.
///
/// Promises:
/// * The replica whose last check is longest ago goes first; one that is being copied, or failed,
/// is
///   passed over. One at a time; not faster than the rate, except on demand and after a repair.
/// * From the moment damage is found until a later check finds none, the replica is held (action
///   `hold`): it is not promoted.
/// * A secondary is mended from its primary, else from another member of the sync set; a copy from
///   its sources; a primary from another member. Rows count only when they add up to the sums their
///   source gave with them.
/// * What could not be mended twice, can not be read, or finds no source for source_patience, is
///   given up: a secondary or copy is to be marked failed (said again until it is), for a primary
///   an alert says what to do.

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "messages/copying.hpp"
#include "messages/events.hpp"
#include "prefetch/token_bucket.hpp"
#include "store/bucket_check.hpp"

namespace harbinger::scrubbing {

struct limits {
  uint64_t rate_bytes_per_s = 4 << 20; ///< 0: only on demand
  duration pause = seconds(3600);      ///< between two checks of a replica
  size_t page_bytes = 256 << 10;       ///< read at a time
  duration retry = milliseconds(250);  ///< after a source or the store said no
  duration reply_timeout = milliseconds(3000);
  duration source_patience = seconds(30); ///< without getting on with a repair
  uint64_t mend_bytes = 32 << 20;         ///< of the buckets that are mended together, about
  uint64_t bucket_bytes_max = 256 << 20;  ///< a bucket that is larger is given up
  uint32_t repairs_max = 2;
};

/// A replica of this node as it is now. Given with every event, so that what others write is seen.
struct replica {
  partition_id partition;
  replica_role role = replica_role::copy;
  replica_state state = replica_state::copying;
  harbinger::version version;
  uint64_t size_bytes = 0;
  std::vector<node_address> sources; ///< who holds the same, in order of preference
};

// --- events ---

struct clock_tick {};
/// After list_replicas; their sources need not be filled in.
struct listing {
  std::vector<replica> replicas;
};
/// After check_more.
struct page_checked {
  result<bucket_check::progress> read;
  bucket_findings findings; ///< when done
};
/// After ask.
struct answered {
  uint64_t id = 0;
  std::variant<error, snapshot_opened, snapshot_chunk> message;
};
/// After mend.
struct mended {
  result<repair_outcome> outcome;
};
using event = std::variant<clock_tick, listing, page_checked, answered, mended>;

// --- actions, to be carried out in order ---

struct list_replicas {};
/// Read on in the snapshot of the partition; `begin`: in a new one.
struct check_more {
  partition_id partition;
  bool begin = false;
  size_t bytes_max = 0;
};
struct ask {
  std::string endpoint;
  uint64_t id = 0; ///< grows
  std::variant<snapshot_open, snapshot_pull> message;
};
/// partition_store::repair.
struct mend {
  partition_id partition;
  harbinger::version from;
  bucket_set buckets = 0;
  std::vector<record_row> rows;
};
/// Known to be damaged: not to be promoted. Again with other words while it lasts.
struct hold {
  partition_id partition;
  std::string why;
};
struct release {
  partition_id partition;
};
/// Mark the replica failed.
struct give_up {
  partition_id partition;
  std::string why;
};
struct raise {
  severity level = severity::info;
  std::string kind;
  partition_id partition;
  std::string text;
  std::map<std::string, std::string> fields;
};
/// A check that began with the replica's turn is over, whatever came of it.
struct finished {
  partition_id partition;
};
using action =
    std::variant<list_replicas, check_more, ask, mend, hold, release, give_up, raise, finished>;
using actions = std::vector<action>;

/// What is known of a replica; for listings.
struct row {
  replica_role role = replica_role::copy;
  harbinger::version version; ///< that was checked
  uint64_t records = 0;
  uint64_t size_bytes = 0;
  std::string result = "not checked"; ///< sound, damaged, mended, failed, or why not checked
  bucket_set damaged = 0;             ///< as last found
  uint64_t mended_records = 0;        ///< in this life of the process
  std::optional<time_point> checked_at;
};

struct totals {
  uint64_t checks = 0;          ///< that came to an end
  uint64_t bytes = 0;           ///< read
  uint64_t damaged_buckets = 0; ///< found
  uint64_t mended_buckets = 0;  ///< found sound after a repair
  uint64_t mended_records = 0;
  uint64_t given_up = 0; ///< replicas
};

class scrubber {
public:
  explicit scrubber(limits bounds);

  /// `now_held`: the replica that busy_with() names; nothing: it is gone, or there is none.
  actions step(const event& what, const std::optional<replica>& now_held, time_point now);
  std::optional<partition_id> busy_with() const;
  /// After a restart of the carrier: what is held since before is checked first.
  void resume(const std::map<partition_id, std::string>& held);
  /// Checks these next, at once and without pausing. `finished` follows for each that is there.
  void demand(const std::vector<partition_id>& partitions);
  /// How long nothing happens unless something comes in.
  duration rest(time_point now);

  const std::map<partition_id, row>& rows() const { return rows_; }
  const totals& sums() const { return totals_; }
  /// Known to be damaged now.
  size_t held_count() const { return held_.size(); }

private:
  enum class phase : uint8_t { checking, opening, pulling, mending };
  struct job {
    partition_id partition;
    phase now = phase::checking;
    bool hurried = false; ///< no pausing
    bool begun = false;   ///< the check under way has read something
    bool waiting = false; ///< for an event that follows an action of ours
    uint32_t repairs = 0; ///< whole ones; each is followed by a check
    bucket_set left = 0;  ///< damaged and not mended in this repair yet
    bucket_set slice = 0; ///< being mended
    bucket_set found = 0; ///< at first
    uint64_t records = 0; ///< mended
    size_t source = 0;
    uint64_t asked = 0; ///< id of the open request; 0: none
    time_point asked_at{};
    time_point again_at{};
    time_point since{}; ///< of the last progress in mending
    snapshot_opened snapshot;
    uint64_t next_chunk = 0;
    uint64_t bytes = 0; ///< of `rows`
    std::vector<record_row> rows;
    std::string trouble;
    node_id donor; ///< whose rows were taken last
  };

  void on_tick(const replica& held, time_point now, actions& out);
  void on_listing(const std::vector<replica>& replicas, time_point now, actions& out);
  void on_checked(const page_checked& page, const replica& held, time_point now, actions& out);
  void on_answer(const answered& answer, const replica& held, time_point now, actions& out);
  void on_mended(const mended& done, const replica& held, time_point now, actions& out);

  void let_go(const std::map<partition_id, const replica*>& here, actions& out);
  void note_damage(const std::string& what, const replica& held, actions& out);
  void tend_repair(const replica& held, time_point now, actions& out);
  bool may_check(const replica& r, time_point now) const;
  void begin(partition_id partition, bool hurried, actions& out);
  void check(actions& out);
  void judge(const bucket_findings& found, const replica& held, time_point now, actions& out);
  void begin_repair(const bucket_findings& found, const replica& held, time_point now,
                    actions& out);
  void open_source(const replica& held, time_point now, actions& out);
  void pull(const replica& held, time_point now, actions& out);
  void take_chunk(const snapshot_chunk& chunk, const replica& held, time_point now, actions& out);
  void try_mending(actions& out);
  void setback(const error& why, bool other_source, const replica& held, time_point now,
               actions& out);
  void surrender(const std::string& why, const replica& held, time_point now, actions& out);
  void end(const std::string& result, time_point now, actions& out);

  limits limits_;
  token_bucket bucket_;
  std::map<partition_id, row> rows_;
  std::map<partition_id, std::string> held_;
  std::map<partition_id, std::string> given_up_;
  std::deque<partition_id> demanded_;
  std::optional<job> job_;
  time_point list_at_{};
  uint64_t last_id_ = 0;
  totals totals_;
};

/// "2 of 16 buckets".
std::string buckets_text(bucket_set buckets);

} // namespace harbinger::scrubbing
