#include "wire/rows.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <zstd.h>

#include "core/digest.hpp"

namespace harbinger::wire {
namespace {

constexpr size_t array_head_bytes = 5;
constexpr int zstd_level = 1; // the fastest: a link is rarely slower than a core
constexpr size_t zstd_trial_bytes =
    16 << 10; // a sample this large decides whether the rest is worth it

void put_big_endian(std::string& out, uint64_t value, int width) {
  for (int shift = 8 * (width - 1); shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(value >> shift & 0xff));
}

void put_bin(std::string& out, std::string_view bytes) {
  if (bytes.size() <= 0xff) {
    out.push_back(static_cast<char>(0xc4));
    put_big_endian(out, bytes.size(), 1);
  } else if (bytes.size() <= 0xffff) {
    out.push_back(static_cast<char>(0xc5));
    put_big_endian(out, bytes.size(), 2);
  } else {
    out.push_back(static_cast<char>(0xc6));
    put_big_endian(out, bytes.size(), 4);
  }
  out.append(bytes);
}

/// The longest form, so that room for it can be kept in front of rows that are not counted yet.
std::string long_array_head(uint64_t count) {
  std::string out(1, static_cast<char>(0xdd));
  put_big_endian(out, count, 4);
  return out;
}

std::string array_head(uint64_t count) {
  if (count < 16) return std::string(1, static_cast<char>(0x90 | count));
  if (count > 0xffff) return long_array_head(count);
  std::string out(1, static_cast<char>(0xdc));
  put_big_endian(out, count, 2);
  return out;
}

void put_row(std::string& out, std::string_view key, std::string_view value) {
  out.push_back(static_cast<char>(0x92));
  put_bin(out, key);
  put_bin(out, value);
}

/// Reads forward; every step says whether the bytes were there.
struct row_reader {
  std::string_view rest;

  std::optional<uint64_t> number(size_t width) {
    if (rest.size() < width) return std::nullopt;
    uint64_t value = 0;
    for (size_t i = 0; i < width; ++i) value = value << 8 | static_cast<unsigned char>(rest[i]);
    rest.remove_prefix(width);
    return value;
  }
  std::optional<uint64_t> array() {
    auto head = number(1);
    if (!head) return std::nullopt;
    if (*head >= 0x90 && *head <= 0x9f) return *head & 0x0f;
    if (*head == 0xdc) return number(2);
    if (*head == 0xdd) return number(4);
    return std::nullopt;
  }
  std::optional<std::string_view> bin() {
    auto head = number(1);
    if (!head || *head < 0xc4 || *head > 0xc6) return std::nullopt;
    auto size = number(size_t{1} << (*head - 0xc4));
    if (!size || *size > rest.size()) return std::nullopt;
    auto bytes = rest.substr(0, *size);
    rest.remove_prefix(*size);
    return bytes;
  }
};

result<std::vector<record_view>> view_rows(std::string_view body) {
  if (body.size() > bulk_body_max) return fail(errc::oversize, "rows of a chunk");
  row_reader in{body};
  auto count = in.array();
  if (!count || *count > body.size() / 5) return fail(errc::malformed, "rows: not an array");
  std::vector<record_view> rows;
  rows.reserve(*count);
  for (uint64_t i = 0; i < *count; ++i) {
    auto pair = in.array();
    auto key = pair == 2 ? in.bin() : std::nullopt;
    auto value = key ? in.bin() : std::nullopt;
    if (!value) return fail(errc::malformed, "rows: not [key bin, value bin]");
    if (key->empty() || key->size() > key_bytes_max || value->size() > value_bytes_max)
      return fail(errc::malformed, "rows: a key or value out of its limits");
    rows.push_back({*key, *value});
  }
  if (!in.rest.empty()) return fail(errc::malformed, "rows: bytes after the end");
  return rows;
}

/// Making a context costs more than a trial.
struct compressor {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ~compressor() { ZSTD_freeCCtx(context); }
};

std::optional<std::string> compress(std::string_view raw) {
  thread_local compressor own;
  std::string out(ZSTD_compressBound(raw.size()), '\0');
  auto size =
      ZSTD_compressCCtx(own.context, out.data(), out.size(), raw.data(), raw.size(), zstd_level);
  if (ZSTD_isError(size) || size + size / 9 >= raw.size()) return std::nullopt;
  out.resize(size);
  return out;
}

} // namespace

void row_packer::add(std::string_view key, std::string_view value) {
  if (body_.empty()) body_.append(long_array_head(0));
  put_row(body_, key, value);
  ++count_;
}

std::string row_packer::finish() {
  body_.replace(0, std::min(body_.size(), array_head_bytes), long_array_head(count_));
  count_ = 0;
  return std::exchange(body_, {});
}

std::string pack_rows(const std::vector<record_row>& rows) {
  auto body = array_head(rows.size());
  for (const auto& row : rows) put_row(body, row.key.data, row.value.data);
  return body;
}

result<packed_rows> packed_rows::parse(blob body) {
  packed_rows out;
  out.body_ = std::move(body);
  auto rows = view_rows(out.body_.view());
  if (!rows) return tl::unexpected<error>(rows.error());
  out.rows_ = std::move(*rows);
  return out;
}

result<std::vector<record_row>> unpack_rows(std::string_view body) {
  auto views = view_rows(body);
  if (!views) return tl::unexpected<error>(views.error());
  std::vector<record_row> rows;
  rows.reserve(views->size());
  for (const auto& row : *views)
    rows.push_back({bytes{std::string(row.key)}, bytes{std::string(row.value)}});
  return rows;
}

snapshot_chunk make_chunk(std::string snapshot, uint64_t index, bool last, std::string rows) {
  snapshot_chunk chunk;
  chunk.snapshot = std::move(snapshot);
  chunk.index = index;
  chunk.last = last;
  chunk.raw_bytes = rows.size();
  auto sample = std::string_view(rows).substr(0, zstd_trial_bytes);
  auto smaller = compress(sample);
  if (smaller && sample.size() < rows.size()) smaller = compress(rows);
  chunk.zstd = smaller.has_value();
  chunk.rows = blob(smaller ? std::move(*smaller) : std::move(rows));
  chunk.checksum = checksum64(chunk.rows.view());
  return chunk;
}

result<packed_rows> open_chunk(snapshot_chunk chunk) {
  if (checksum64(chunk.rows.view()) != chunk.checksum)
    return fail(errc::checksum, "chunk " + std::to_string(chunk.index));
  if (chunk.raw_bytes > bulk_body_max) return fail(errc::oversize, "rows of a chunk");
  if (!chunk.zstd) return packed_rows::parse(std::move(chunk.rows));
  std::string raw(chunk.raw_bytes, '\0');
  auto size = ZSTD_decompress(raw.data(), raw.size(), chunk.rows.view().data(), chunk.rows.size());
  if (ZSTD_isError(size) || size != raw.size()) return fail(errc::malformed, "chunk: Zstandard");
  return packed_rows::parse(blob(std::move(raw)));
}

} // namespace harbinger::wire
