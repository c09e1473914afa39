#pragma once

/// All replicas of a node: finds the one an event is for, makes and drops them.
///
/// Pure: events in, actions out; the carrier (actors/node/replica_server) talks to clients,
/// members, centre and store. Every token that comes in with an event is answered exactly once,
/// unless the host itself is gone.

#include <map>
#include <memory>

#include "replica/replica.hpp"

namespace harbinger::replication {

class replica_host {
public:
  /// `memory` outlives the host; `first_id` is larger than any id used by an earlier host of this
  /// process.
  replica_host(node_id self, limits bounds, proposal_memory& memory, uint64_t first_id);

  /// At the start: everything the store holds. Copies wait until somebody asks for them.
  void load(const std::vector<partition_head>& heads, time_point now);

  // Events. `stored` is what the store says of the partition now, nothing when it has none: a copy
  // is also written by its copier.
  using stored = std::optional<partition_head>;
  /// Why the replica's records are known to be damaged; nothing: they are not. A damaged replica is
  /// not promoted: its seal is refused with checksum, and it does not become primary
  /// (stale_epoch: the centre is to choose another). Both may be tried again.
  using damage = std::optional<std::string>;
  actions put(token from, put_request request, time_point now);
  /// The same for all that came in together: one append takes them all.
  using put_requests = std::vector<std::pair<token, put_request>>;
  actions put(put_requests requests, time_point now);
  actions append(token from, const append_request& request, const stored& head, time_point now);
  actions append_answered(uint64_t request, const result<append_ok>& answer, time_point now);
  /// Renews what can be renewed of a primary's leases.
  result<lease_ok> lease(const lease_request& request, time_point now);
  actions lease_answered(uint64_t request, const result<lease_ok>& answer, time_point now);
  actions log_read(partition_id partition, const node_id& member, version after,
                   result<std::vector<log_entry>> entries, time_point now);
  actions written(uint64_t id, const result<store_written>& answer, time_point now);
  actions dropped(uint64_t id, const result<uint64_t>& journalled, time_point now);
  actions rewound(uint64_t id, const result<store_rewound>& outcome, time_point now);
  actions configure(token from, const configure_replica& command, const stored& head,
                    time_point now, const damage& known = {});
  actions seal(token from, const seal_replica& command, const stored& head, time_point now,
               const damage& known = {});
  /// Its records are damaged and could not be mended: it becomes failed. A primary stays what it
  /// is.
  actions give_up(partition_id partition, const std::string& why, const stored& head,
                  time_point now);
  actions drop(token from, const drop_replica& command, const stored& head, time_point now);
  actions rewind(token from, const rewind_replica& command, const stored& head, time_point now);
  actions tick(time_point now);

  /// Whether a client may be told what was read before `now`: unknown_partition, not_primary,
  /// lease_expired.
  result<void> readable(partition_id partition, time_point now) const;
  /// A client got what was read; `readable` held.
  void note_read(partition_id partition, time_point now);
  /// Up to where clients may be told what was written: unknown_partition, not_primary.
  result<seq_no> committed(partition_id partition) const;
  /// Reports of all replicas known here; copies that nobody wrote through the host are not among
  /// them.
  std::map<partition_id, replica_report> reports(time_point now) const;
  const replica* find(partition_id partition) const;

private:
  struct pending_task {
    partition_id partition;
    token from = 0;
  };
  struct sent_leases {
    node_id to;
    time_point at;
    std::vector<lease_item> items;
  };
  void send_leases(time_point now, actions& out);
  bool busy(partition_id partition) const;
  replica* get(partition_id partition, const stored& head, time_point now);

  shared common_;
  std::map<partition_id, std::unique_ptr<replica>> replicas_;
  std::map<uint64_t, sent_leases> leases_; ///< without an answer; after append_timeout they count
                                           ///< for nothing
  std::map<uint64_t, pending_task> drops_, rewinds_; ///< nothing else is done with these partitions
};

} // namespace harbinger::replication
