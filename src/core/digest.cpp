#include "core/digest.hpp"

#include <cstdio>

#include <xxhash.h>
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h> // the same functions, by the vectors that this machine has: twice as fast
#endif

namespace harbinger {
namespace {
uint64_t record_hash(std::string_view key, std::string_view value) {
  // The key's hash seeds the value's, so that moving bytes from key to value changes the sum.
  return XXH3_64bits_withSeed(value.data(), value.size(), XXH3_64bits(key.data(), key.size()));
}
} // namespace

size_t digest::bucket_of(std::string_view key) {
  return static_cast<size_t>(XXH3_64bits(key.data(), key.size()) >> 60) % buckets;
}

void digest::add(std::string_view key, std::string_view value) {
  sums_[bucket_of(key)] += record_hash(key, value);
}

void digest::remove(std::string_view key, std::string_view value) {
  sums_[bucket_of(key)] -= record_hash(key, value);
}

digest digest::from_sums(const std::array<uint64_t, buckets>& sums) {
  digest d;
  d.sums_ = sums;
  return d;
}

uint64_t digest::total() const { return XXH3_64bits(sums_.data(), sizeof(sums_)); }

digest digest::with(bucket_set some, const digest& other) const {
  auto out = *this;
  for (size_t i = 0; i < buckets; ++i)
    if (some >> i & 1) out.sums_[i] = other.sums_[i];
  return out;
}

std::vector<size_t> digest::differing(const digest& other) const {
  std::vector<size_t> out;
  for (size_t i = 0; i < buckets; ++i)
    if (sums_[i] != other.sums_[i]) out.push_back(i);
  return out;
}

uint64_t checksum64(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::string hex64(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

} // namespace harbinger
