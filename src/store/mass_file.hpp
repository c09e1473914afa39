#pragma once

/// One file of mass storage: blocks with checksums between a magic and a trailer (layout:
/// store/mass_storage.hpp).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.hpp"
#include "messages/storage.hpp"

namespace harbinger {

inline constexpr size_t mass_block_bytes_max = 16 << 20;
inline constexpr std::string_view mass_temporary_suffix = ".tmp";

/// Writes under "<path>.<unique>.tmp"; nothing is at `path` before commit(). Without commit the
/// temporary file is removed; a process that is killed leaves it (mass_storage removes it later).
class mass_file_writer {
public:
  static result<mass_file_writer> create(const std::string& path, const mass_file_header& header);
  mass_file_writer(mass_file_writer&& other) noexcept;
  mass_file_writer& operator=(mass_file_writer&&) = delete;
  ~mass_file_writer();

  result<void> add_block(std::string_view payload);
  /// Trailer, fsync, rename, fsync of the directory. no_space or io.
  result<void> commit();

private:
  mass_file_writer(int fd, std::string path, std::string temporary);
  result<void> put(std::string_view bytes);
  result<void> put_block(std::string_view payload);

  int fd_ = -1;
  std::string path_, temporary_, buffer_;
  uint64_t blocks_ = 0;
};

/// Reads forward. Everything that does not match is errc::checksum with the path in the detail.
class mass_file_reader {
public:
  static result<mass_file_reader> open(const std::string& path);
  mass_file_reader(mass_file_reader&& other) noexcept;
  mass_file_reader& operator=(mass_file_reader&&) = delete;
  ~mass_file_reader();

  const mass_file_header& header() const { return header_; }
  /// The next content block; nothing once the trailer was reached and its count is right.
  result<std::optional<std::string>> next();
  uint64_t bytes_read() const { return bytes_read_; }

private:
  mass_file_reader(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  result<std::string> block();
  tl::unexpected<error> damaged(const char* what) const;
  result<void> take(char* to, size_t count);

  int fd_ = -1;
  std::string path_;
  mass_file_header header_;
  uint64_t blocks_ = 0, bytes_read_ = 0;
};

} // namespace harbinger
