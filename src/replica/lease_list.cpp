#include "replica/lease_list.hpp"

namespace harbinger::replication {

namespace {

constexpr size_t word_bytes = 8;
constexpr size_t item_bytes = 4 * word_bytes;

void put_word(std::string& out, uint64_t value) {
  for (size_t i = 0; i < word_bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

uint64_t word_at(std::string_view text, size_t place) {
  uint64_t value = 0;
  for (size_t i = word_bytes; i > 0; --i)
    value = value << 8 | static_cast<uint8_t>(text[place + i - 1]);
  return value;
}

result<void> check_size(std::string_view packed, size_t row_bytes) {
  if (packed.size() % row_bytes != 0)
    return fail(errc::malformed, "a list of " + std::to_string(packed.size()) + " bytes");
  if (packed.size() / row_bytes > lease_items_max)
    return fail(errc::oversize, std::to_string(packed.size() / row_bytes) + " leases");
  return {};
}

} // namespace

bytes pack(const std::vector<lease_item>& items) {
  bytes out;
  out.data.reserve(items.size() * item_bytes);
  for (const auto& item : items) {
    put_word(out.data, item.partition.value);
    put_word(out.data, item.epoch.value);
    put_word(out.data, item.newest.epoch.value);
    put_word(out.data, item.newest.seq.value);
  }
  return out;
}

result<std::vector<lease_item>> unpack_leases(std::string_view packed) {
  if (auto ok = check_size(packed, item_bytes); !ok) return tl::unexpected<error>(ok.error());
  std::vector<lease_item> items;
  items.reserve(packed.size() / item_bytes);
  for (size_t at = 0; at < packed.size(); at += item_bytes)
    items.push_back({partition_id{word_at(packed, at)},
                     epoch{word_at(packed, at + word_bytes)},
                     {epoch{word_at(packed, at + 2 * word_bytes)},
                      seq_no{word_at(packed, at + 3 * word_bytes)}}});
  return items;
}

bytes pack(const std::vector<partition_id>& partitions) {
  bytes out;
  out.data.reserve(partitions.size() * word_bytes);
  for (auto id : partitions) put_word(out.data, id.value);
  return out;
}

result<std::vector<partition_id>> unpack_partitions(std::string_view packed) {
  if (auto ok = check_size(packed, word_bytes); !ok) return tl::unexpected<error>(ok.error());
  std::vector<partition_id> out;
  for (size_t at = 0; at < packed.size(); at += word_bytes)
    out.push_back(partition_id{word_at(packed, at)});
  return out;
}

} // namespace harbinger::replication
