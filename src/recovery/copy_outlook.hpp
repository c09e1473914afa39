#pragma once

/// What every copy would give if its partition's primary died now: who would serve, after how long
/// (recovery time), with how much lost (recovery point). Pure.

#include <optional>
#include <string>
#include <vector>

#include "recovery/outages.hpp"
#include "recovery/partition_recovery.hpp"

namespace harbinger::recovery {

/// Medians over the outages that are over; with `outages` 0 nothing was measured yet.
struct measured_times {
  size_t outages = 0;
  double detect_ms = 0.0;     ///< silence to verdict
  double promote_ms = 0.0;    ///< verdict to the last primary at work
  double redundancy_ms = 0.0; ///< verdict to the last replica restored
  double primaries = 0.0;     ///< that were lost at once
};
measured_times measured(const std::vector<outage>& outages);

struct copy_outlook {
  partition_id partition;
  node_id node;
  std::string state;    ///< "ordered" until the node reports it; else the state it reports
  bool joining = false; ///< on its way into the sync set
  bool ready = false;   ///< caught up once, and the catalog knows
  harbinger::version version;
  std::optional<uint64_t> batches_behind; ///< nothing: the primary is not known
  std::optional<uint64_t> bytes_behind;   ///< estimated: batches by the primary's mean batch
  double lag_ms = 0.0;                    ///< since it last knew that it had everything
  bool digest_ok = true;
  uint64_t size_bytes = 0;
  uint64_t copied_bytes = 0;
  node_id source;
  std::string failure;

  // if the primary died now
  node_id heir;                    ///< who would serve; empty: nobody, until a member comes back
  std::optional<double> served_ms; ///< recovery time; nothing: nobody would serve, or not measured
  std::optional<double> whole_ms;  ///< until this copy has replaced the lost replica; the same
  std::optional<uint64_t>
      lost_batches;    ///< recovery point: 0 with an heir, else what the copy lacks
  std::string outlook; ///< the same in words
};

/// One for each copy row whose node lives, by partition, then node. A copy that differs from its
/// primary or failed restores nothing (`whole_ms` empty).
std::vector<copy_outlook> copy_outlooks(const surroundings& around, const measured_times& times);

} // namespace harbinger::recovery
