#pragma once

/// The whole way in, in one object: decode, gate, features. What `bench ingest` measures; the
/// actors run the same pieces.

#include "predict/features.hpp"
#include "telemetry/gate.hpp"
#include "wire/telemetry_codec.hpp"

namespace harbinger::predict {

class ingest_pipeline {
public:
  explicit ingest_pipeline(time_scales scales) : features_(std::move(scales)) {}

  void set_nodes(const std::vector<node_row>& nodes) { gate_.set_nodes(nodes, true); }
  /// The body of one telemetry.batch. Returns how many rows went into the features; malformed
  /// bodies and refused batches are 0 and counted.
  size_t ingest(std::string_view body, time_point received, unix_ms wall_now) {
    auto batch = reader_.read(body);
    if (!batch) {
      ++malformed_;
      return 0;
    }
    auto rows = gate_.admit(std::move(*batch), wall_now);
    if (!rows) return 0;
    features_.add(*rows, to_millis(received));
    return rows->times.size();
  }

  uint64_t malformed() const { return malformed_; }
  const telemetry::gate_counters& counters() const { return gate_.counters(); }
  const feature_engine& features() const { return features_; }

private:
  wire::telemetry_reader reader_;
  telemetry::gate gate_;
  feature_engine features_;
  uint64_t malformed_ = 0;
};

} // namespace harbinger::predict
