#include "store/mass_file.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "core/crash_points.hpp"
#include "core/digest.hpp"
#include "wire/codec.hpp"

namespace harbinger {
namespace {

constexpr std::string_view magic = "HBMASS02";
constexpr std::string_view trailer_word = "END:"; // no msgpack map or array begins with 'E'
constexpr size_t block_head_bytes = 12;
constexpr size_t write_buffer_bytes = 1 << 20;
constexpr int names_max = 1000; // that may be taken

tl::unexpected<error> refused(const std::string& path, const char* doing) {
  auto code = errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? errc::no_space : errc::io;
  return fail(code, path + ": " + doing + ": " + std::strerror(errno));
}

void put_little_endian(std::string& out, uint64_t value, int width) {
  for (int i = 0; i < width; ++i) out.push_back(static_cast<char>(value >> 8 * i & 0xff));
}

uint64_t little_endian(const char* from, int width) {
  uint64_t value = 0;
  for (int i = width - 1; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(from[i]);
  return value;
}

std::string folder_of(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

} // namespace

mass_file_writer::mass_file_writer(int fd, std::string path, std::string temporary)
    : fd_(fd), path_(std::move(path)), temporary_(std::move(temporary)) {}

mass_file_writer::mass_file_writer(mass_file_writer&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      buffer_(std::move(other.buffer_)),
      blocks_(other.blocks_) {}

mass_file_writer::~mass_file_writer() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

result<mass_file_writer> mass_file_writer::create(const std::string& path,
                                                  const mass_file_header& header) {
  // Two threads may write the same segment after a restart of an actor; and a process that was
  // killed may have left a file of our number.
  static std::atomic<uint64_t> unique{0};
  std::string temporary;
  int fd = -1;
  for (int attempt = 0; fd < 0; ++attempt) {
    temporary = path + '.' + std::to_string(::getpid()) + '-' + std::to_string(++unique)
                + std::string(mass_temporary_suffix);
    fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 && (errno != EEXIST || attempt >= names_max)) return refused(temporary, "create");
  }
  mass_file_writer out(fd, path, temporary);
  out.buffer_ = magic;
  if (auto put = out.put_block(wire::encode(header)); !put)
    return tl::unexpected<error>(put.error());
  return out;
}

result<void> mass_file_writer::put(std::string_view bytes) {
  while (!bytes.empty()) {
    auto written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return refused(temporary_, "write");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

result<void> mass_file_writer::put_block(std::string_view payload) {
  if (payload.size() > mass_block_bytes_max) return fail(errc::oversize, temporary_ + ": block");
  put_little_endian(buffer_, payload.size(), 4);
  put_little_endian(buffer_, checksum64(payload), 8);
  buffer_ += payload;
  if (buffer_.size() < write_buffer_bytes) return {};
  auto done = put(buffer_);
  buffer_.clear();
  return done;
}

result<void> mass_file_writer::add_block(std::string_view payload) {
  ++blocks_;
  return put_block(payload);
}

result<void> mass_file_writer::commit() {
  if (auto put_trailer = put_block(std::string(trailer_word) + std::to_string(blocks_));
      !put_trailer)
    return put_trailer;
  if (auto flushed = put(buffer_); !flushed) return flushed;
  buffer_.clear();
  reach(crash_point::mass_file_written);
  if (::fsync(fd_) != 0) return refused(temporary_, "fsync");
  reach(crash_point::mass_file_synced);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return refused(path_, "rename");
  reach(crash_point::mass_file_renamed);
  ::close(std::exchange(fd_, -1));
  int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return refused(path_, "open the directory");
  int synced = ::fsync(folder);
  ::close(folder);
  if (synced != 0) return refused(path_, "fsync the directory");
  return {};
}

mass_file_reader::mass_file_reader(mass_file_reader&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      header_(std::move(other.header_)),
      blocks_(other.blocks_),
      bytes_read_(other.bytes_read_) {}

mass_file_reader::~mass_file_reader() {
  if (fd_ >= 0) ::close(fd_);
}

tl::unexpected<error> mass_file_reader::damaged(const char* what) const {
  return fail(errc::checksum, path_ + ": " + what);
}

result<void> mass_file_reader::take(char* to, size_t count) {
  while (count > 0) {
    auto got = ::read(fd_, to, count);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refused(path_, "read");
    if (got == 0) return damaged("ends too early");
    to += got;
    count -= static_cast<size_t>(got);
    bytes_read_ += static_cast<uint64_t>(got);
  }
  return {};
}

result<std::string> mass_file_reader::block() {
  char head[block_head_bytes];
  if (auto got = take(head, sizeof head); !got) return tl::unexpected<error>(got.error());
  auto size = little_endian(head, 4);
  if (size > mass_block_bytes_max) return damaged("a block is too large");
  std::string payload(size, '\0');
  if (auto got = take(payload.data(), payload.size()); !got)
    return tl::unexpected<error>(got.error());
  if (checksum64(payload) != little_endian(head + 4, 8))
    return damaged("a block's checksum differs");
  return payload;
}

result<mass_file_reader> mass_file_reader::open(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return fail(errc::not_found, path);
  if (fd < 0) return refused(path, "open");
  mass_file_reader in(fd, path);
  std::string word(magic.size(), '\0');
  if (auto got = in.take(word.data(), word.size()); !got) return tl::unexpected<error>(got.error());
  if (word != magic) return in.damaged("not a file of mass storage");
  auto first = in.block();
  if (!first) return tl::unexpected<error>(first.error());
  auto header = wire::decode<mass_file_header>(*first);
  if (!header) return in.damaged("the header does not parse");
  if (header->format != 1)
    return fail(errc::unsupported, path + ": format " + std::to_string(header->format));
  in.header_ = std::move(*header);
  return in;
}

result<std::optional<std::string>> mass_file_reader::next() {
  auto payload = block();
  if (!payload) return tl::unexpected<error>(payload.error());
  if (!payload->starts_with(trailer_word)) {
    ++blocks_;
    return std::optional(std::move(*payload));
  }
  if (payload->substr(trailer_word.size()) != std::to_string(blocks_))
    return damaged("blocks are missing");
  return std::optional<std::string>{};
}

} // namespace harbinger
