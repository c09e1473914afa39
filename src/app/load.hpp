#pragma once

/// Client load on a cluster, and the record of what was acknowledged: the proof that nothing is
/// lost. Every key has one writer, and every value carries the number of the write that made it, so
/// that reading back tells exactly whether an acknowledged write is there: the number read is at
/// least the newest acknowledged and at most the newest tried.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/result.hpp"
#include "core/time.hpp"

namespace harbinger {

struct load_options {
  std::string control_endpoint;
  std::vector<std::string> volumes;
  uint64_t seed = 1;
  uint32_t writers = 3;
  uint32_t readers = 1;
  double writes_per_s = 120; ///< of all writers together, as a wish
  double reads_per_s = 120;
  uint32_t value_bytes = 512;
  double overwrite_share = 0.25; ///< of the writes that go to a key written before
  uint32_t keys_max = 200'000;   ///< of each writer; beyond it everything is overwritten
};

/// The value of write `number` (from 1) of a key: the number, then bytes drawn from it and the key.
std::string load_value(const std::string& key, uint32_t number, size_t bytes);
/// The number of the write that made a value; 0 when no write of this key made it.
uint32_t load_number(const std::string& key, const std::string& value);

/// What one writer did to its keys. Thread-safe: readers check against it while it is written.
class write_record {
public:
  /// The volume index and key are functions of writer and index.
  void tried(size_t index, uint32_t number);
  void acknowledged(size_t index, uint32_t number);
  struct state {
    uint32_t tried = 0;
    uint32_t acknowledged = 0; ///< newest acknowledged number; 0: none
  };
  size_t size() const;
  state at(size_t index) const;

private:
  mutable std::mutex mutex_;
  std::vector<state> states_;
};

struct load_counts {
  uint64_t acknowledged = 0; ///< writes
  uint64_t unknown = 0;      ///< writes whose outcome the client could not learn
  uint64_t refused = 0;      ///< writes that certainly did not happen
  uint64_t reads = 0;
  uint64_t failed_reads = 0;
  uint64_t stale_reads =
      0; ///< reads that did not see a write acknowledged before they began: a broken promise
  double write_p50_ms = 0, write_p99_ms = 0, write_max_ms = 0;
};

struct verify_result {
  uint64_t keys = 0;
  uint64_t lost = 0;                 ///< keys whose newest acknowledged write is gone
  uint64_t unreadable = 0;           ///< keys that nobody served
  std::vector<std::string> examples; ///< at most 10, in words
};

class load {
public:
  explicit load(load_options options);
  ~load(); ///< stops
  load(const load&) = delete;
  load& operator=(const load&) = delete;

  void start();
  void stop(); ///< waits for what is in flight; idempotent
  /// Scales the wished rate from now on.
  void set_factor(double factor) { factor_ = factor; }
  load_counts counts() const;
  /// Reads every acknowledged key back through the client library.
  verify_result verify() const;

private:
  void write_loop(uint32_t writer);
  void read_loop(uint32_t reader);
  std::string volume_of(uint32_t writer, size_t index) const;
  static std::string key_of(uint32_t writer, size_t index);
  void note_latency(double ms);

  load_options options_;
  std::vector<std::unique_ptr<write_record>> records_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_{false};
  std::atomic<double> factor_{1.0};
  std::atomic<uint64_t> acknowledged_{0}, unknown_{0}, refused_{0}, reads_{0}, failed_reads_{0},
      stale_reads_{0};
  mutable std::mutex latency_mutex_;
  std::vector<float> latencies_ms_; ///< of acknowledged writes; at most latencies_max
};

/// Fills every partition of a volume with about `bytes_per_partition` of records, in batches, over
/// several connections.
struct preload_options {
  std::string control_endpoint;
  std::string volume;
  uint64_t seed = 1;
  uint64_t bytes_per_partition = 2 << 20;
  uint32_t value_bytes = 4096;
  uint32_t connections = 2;
};
struct preload_result {
  uint64_t records = 0;
  uint64_t bytes = 0;
  uint64_t batches = 0;
};
result<preload_result> preload(const preload_options& options);
/// Reads the preloaded records of a volume back; lost = records that are missing or differ.
result<verify_result> verify_preload(const preload_options& options);

} // namespace harbinger
