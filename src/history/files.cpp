#include "history/files.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <unistd.h>

namespace harbinger {

tl::unexpected<error> os_error(const std::string& what) {
  return fail(errno == ENOSPC || errno == EDQUOT ? errc::no_space : errc::io,
              what + ": " + std::strerror(errno));
}

result<> write_file(const std::string& path, std::string_view bytes) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return os_error(path);
  bool ok = true;
  while (ok && !bytes.empty()) {
    auto n = ::write(fd, bytes.data(), bytes.size());
    ok = n > 0 || (n < 0 && errno == EINTR);
    if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
  }
  ok = ok && ::fsync(fd) == 0;
  auto why = errno;
  ::close(fd);
  errno = why;
  if (!ok) return os_error(path);
  return {};
}

result<std::string> read_whole_file(const std::string& path, uint64_t bytes_max) {
  std::error_code error;
  auto size = std::filesystem::file_size(path, error);
  if (error) return fail(errc::not_found, path);
  if (size > bytes_max)
    return fail(errc::oversize, path + ": more than " + std::to_string(bytes_max) + " bytes");
  std::string out(size, '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(out.data(), static_cast<std::streamsize>(size));
  if (!in) return fail(errc::io, "cannot read " + path);
  return out;
}

void sync_directory(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd); // what a file system can not do for directories it refuses; nothing to be done then
  ::close(fd);
}

} // namespace harbinger
