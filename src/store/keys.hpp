#pragma once

/// Keys of the store's database. Numbers are big-endian, so that byte order is their order.
///   'd' pid key        a record
///   'h' pid            the head (head_codec.hpp)
///   'l' pid epoch seq  a log entry (logged_entry.hpp)
///   'u' pid epoch seq  what an entry of the log overwrote, while it is not known to be committed
///   'c' pid epoch seq  an entry that lost a conflict

#include <cstdint>
#include <string>
#include <string_view>

#include "core/ids.hpp"
#include "core/version.hpp"

namespace harbinger::keys {

inline void put_be64(std::string& out, uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}
inline uint64_t get_be64(std::string_view in) {
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<uint8_t>(in[i]);
  return value;
}

inline std::string prefix(char kind, partition_id partition) {
  std::string out(1, kind);
  put_be64(out, partition.value);
  return out;
}
/// The first key after all that begin with `prefix` (which never ends in 0xff for the kinds above).
inline std::string prefix_end(std::string prefix) {
  for (size_t i = prefix.size(); i-- > 0;) {
    if (static_cast<uint8_t>(prefix[i]) != 0xff) {
      prefix[i] = static_cast<char>(static_cast<uint8_t>(prefix[i]) + 1);
      prefix.resize(i + 1);
      return prefix;
    }
  }
  return prefix;
}
inline std::string record(partition_id partition, std::string_view key) {
  return prefix('d', partition).append(key);
}
inline std::string head(partition_id partition) { return prefix('h', partition); }
inline std::string entry(char kind, partition_id partition, version v) {
  auto out = prefix(kind, partition);
  put_be64(out, v.epoch.value);
  put_be64(out, v.seq.value);
  return out;
}
inline constexpr size_t prefix_bytes = 9;
inline constexpr size_t entry_bytes = 25;

inline version entry_version(std::string_view key) {
  return {epoch{get_be64(key.substr(9, 8))}, seq_no{get_be64(key.substr(17, 8))}};
}

} // namespace harbinger::keys
