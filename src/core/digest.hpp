#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace harbinger {

/// Some of the buckets of a digest: bit i stands for bucket i.
using bucket_set = uint32_t;

/// Incremental digest of an ordered map: the sum (mod 2^64) of one hash a record, kept in buckets
/// by key hash. Independent of the order of insertion; two replicas at one version have equal
/// digests; a difference names the buckets to repair. Not cryptographic: it finds faults, not
/// forgers.
class digest {
public:
  static constexpr size_t buckets = 16;
  static constexpr bucket_set all_buckets = (bucket_set{1} << buckets) - 1;

  void add(std::string_view key, std::string_view value);
  void remove(std::string_view key, std::string_view value);

  /// Buckets in order; what is stored and sent.
  const std::array<uint64_t, buckets>& sums() const { return sums_; }
  static digest from_sums(const std::array<uint64_t, buckets>& sums);
  /// One number over all buckets, for listings and quick comparison.
  uint64_t total() const;
  /// The bucket of a key.
  static size_t bucket_of(std::string_view key);
  static bool holds(bucket_set some, std::string_view key) { return some >> bucket_of(key) & 1; }
  /// This digest, with the sums of `some` taken from `other`.
  digest with(bucket_set some, const digest& other) const;
  /// Indices of the buckets in which the two differ.
  std::vector<size_t> differing(const digest& other) const;

  friend bool operator==(const digest&, const digest&) = default;

private:
  std::array<uint64_t, buckets> sums_{};
};

/// xxh3, 64 bits: the checksum of chunks, segments and files.
uint64_t checksum64(std::string_view bytes);
/// 16 hexadecimal digits.
std::string hex64(uint64_t value);

} // namespace harbinger
