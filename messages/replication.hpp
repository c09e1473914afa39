#pragma once

/// The data plane between replicas: primary to secondary (and joiner). DEALER to the node's ROUTER;
/// every request gets one reply with its id, either the named type or error_reply.

#include "messages/records.hpp"

namespace harbinger {

/// One committed, or about to be committed, write batch. What it changes is decided when it is
/// applied, by every replica alike (store/entry_effect.hpp).
struct log_entry {
  harbinger::version version;
  write_batch batch;
  friend auto operator<=>(const log_entry&, const log_entry&) = default;
};
template <class V>
void describe(V& v, log_entry& m) {
  v("version", m.version);
  describe(v, m.batch);
}

/// Append these, which follow directly on `previous`. Empty `entries`: lease renewal and news of
/// the commit point. Reply: append_ok once they are durable; gap (with the receiver's version in
/// the detail), stale_epoch or diverged.
struct append_request {
  static constexpr std::string_view wire_name = "replica.append";
  static constexpr size_t max_bytes = bulk_body_max;
  partition_id partition;
  harbinger::epoch epoch; ///< of the sender
  node_id from;
  harbinger::version previous;
  std::vector<log_entry> entries;
  seq_no committed; ///< the primary has committed everything up to here
};
template <class V>
void describe(V& v, append_request& m) {
  v("partition", m.partition);
  v("epoch", m.epoch);
  v("from", m.from);
  v("previous", m.previous);
  v("entries", m.entries);
  v("committed", m.committed);
}

struct append_ok {
  static constexpr std::string_view wire_name = "replica.append_ok";
  static constexpr size_t max_bytes = control_body_max;
  partition_id partition;
  harbinger::epoch epoch;
  harbinger::version version; ///< newest durable entry of the receiver
};
template <class V>
void describe(V& v, append_ok& m) {
  v("partition", m.partition);
  v("epoch", m.epoch);
  v("version", m.version);
}

/// Renews the read leases of partitions whose primary is `from` and that have had no write since
/// the receiver acknowledged the newest one. Counts for each as an empty replica.append does.
/// Reply: lease_ok.
struct lease_request {
  static constexpr std::string_view wire_name = "replica.lease";
  static constexpr size_t max_bytes = bulk_body_max;
  node_id from;
  bytes leases; ///< 32 bytes each: partition, epoch, newest entry's epoch and seq, little-endian
};
template <class V>
void describe(V& v, lease_request& m) {
  v("from", m.from);
  v("leases", m.leases);
}

/// Every lease of the request is renewed but those of `refused`: for these a replica.append finds
/// out why.
struct lease_ok {
  static constexpr std::string_view wire_name = "replica.lease_ok";
  static constexpr size_t max_bytes = bulk_body_max;
  bytes refused; ///< 8 bytes each: the partition, little-endian
};
template <class V>
void describe(V& v, lease_ok& m) {
  v("refused", m.refused);
}

} // namespace harbinger
