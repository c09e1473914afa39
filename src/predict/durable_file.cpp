#include "predict/durable_file.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace harbinger::predict {
namespace {

tl::unexpected<error> refused(const std::string& path, int why) {
  bool full = why == ENOSPC || why == EDQUOT || why == EFBIG;
  return fail(full ? errc::no_space : errc::io, path + ": " + std::strerror(why));
}

/// 0, or errno.
int write_and_sync(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    auto n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : EIO;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return ::fsync(fd) == 0 ? 0 : errno;
}

/// 0, or errno.
int read_all(int fd, std::string& into) {
  for (size_t have = 0; have < into.size();) {
    auto n = ::read(fd, into.data() + have, into.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) into.resize(have); // it became shorter meanwhile
    have += static_cast<size_t>(n);
  }
  return 0;
}

} // namespace

bool sync_directory(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  bool synced = ::fsync(fd) == 0 || errno == EINVAL; // EINVAL: this file system has no need of it
  ::close(fd);
  return synced;
}

result<bool> write_durably(const std::string& directory, const std::string& name,
                           std::string_view bytes) {
  auto path = directory + '/' + name, part = path + ".part";
  int fd = ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return refused(part, errno);
  int why = write_and_sync(fd, bytes);
  if (::close(fd) != 0 && why == 0) why = errno;
  if (why == 0 && ::rename(part.c_str(), path.c_str()) != 0) why = errno;
  if (why != 0) {
    ::unlink(part.c_str());
    return refused(path, why);
  }
  return sync_directory(directory);
}

result<std::string> read_whole(const std::string& path, size_t bytes_max) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return fail(errno == ENOENT ? errc::not_found : errc::io, path + ": " + std::strerror(errno));
  struct stat info {};
  int why = ::fstat(fd, &info) == 0 ? 0 : errno;
  std::string out;
  if (why == 0 && !S_ISREG(info.st_mode)) why = EINVAL;
  bool large = why == 0 && static_cast<size_t>(info.st_size) > bytes_max;
  if (why == 0 && !large) {
    out.resize(static_cast<size_t>(info.st_size));
    why = read_all(fd, out);
  }
  ::close(fd);
  if (large)
    return fail(errc::oversize, path + ": more than " + std::to_string(bytes_max) + " bytes");
  if (why != 0)
    return fail(why == EIO ? errc::checksum : errc::io, path + ": " + std::strerror(why));
  return out;
}

result<std::string> put_aside(const std::string& directory, const std::string& name) {
  auto path = directory + '/' + name;
  for (unsigned n = 1; n <= put_aside_max; ++n) {
    auto aside = name + ".damaged-" + std::to_string(n);
    struct stat info {};
    if (::lstat((directory + '/' + aside).c_str(), &info) == 0) continue;
    if (errno != ENOENT) return refused(directory + '/' + aside, errno);
    if (::rename(path.c_str(), (directory + '/' + aside).c_str()) != 0) return refused(path, errno);
    return aside;
  }
  return fail(errc::overloaded, path + " is damaged, and " + std::to_string(put_aside_max)
                                    + " such files were put aside already; remove some");
}

result<directory_lock> directory_lock::take(const std::string& directory) {
  auto path = directory + "/lock";
  int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) return refused(path, errno);
  if (::flock(file, LOCK_EX | LOCK_NB) == 0) return directory_lock(file);
  int why = errno;
  ::close(file);
  if (why == EWOULDBLOCK) return fail(errc::in_use, directory + " is in use by another");
  return refused(path, why);
}

directory_lock::directory_lock(directory_lock&& other) noexcept
    : file_(std::exchange(other.file_, -1)) {}

directory_lock& directory_lock::operator=(directory_lock&& other) noexcept {
  std::swap(file_, other.file_);
  return *this;
}

directory_lock::~directory_lock() {
  if (file_ >= 0) ::close(file_);
}

} // namespace harbinger::predict
