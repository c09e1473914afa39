#include "store/direct_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

namespace harbinger {
namespace {

constexpr size_t alignment = 4096; // of memory, offset and length; no disk wants more

error from_errno(const std::string& path, int number) {
  auto code = errc::io;
  if (number == ENOSPC || number == EDQUOT) code = errc::no_space;
  if (number == EEXIST) code = errc::in_use;
  if (number == EINVAL || number == EOPNOTSUPP) code = errc::unsupported;
  return {code, path + ": " + std::strerror(number)};
}

} // namespace

void direct_file::aligned_free::operator()(char* p) const { std::free(p); }

result<std::unique_ptr<direct_file>> direct_file::create(const std::string& path) {
  int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_DIRECT, 0644);
  if (descriptor < 0) { // some file systems make the file before they refuse
    auto why = from_errno(path, errno);
    if (why.code == errc::unsupported) ::unlink(path.c_str());
    return tl::unexpected<error>(why);
  }
  return std::unique_ptr<direct_file>(new direct_file(descriptor, path));
}

direct_file::direct_file(int descriptor, std::string path)
    : descriptor_(descriptor), path_(std::move(path)) {
  for (auto* b : {&filling_, &writing_}) {
    b->reset(static_cast<char*>(std::aligned_alloc(alignment, buffer_bytes)));
    if (!*b) throw std::bad_alloc();
  }
  thread_ = std::thread([this] { write_buffers(); });
}

direct_file::~direct_file() {
  {
    std::lock_guard guard(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  thread_.join();
  ::close(descriptor_);
}

void direct_file::write_buffers() {
  ::pthread_setname_np(::pthread_self(), "copy_file");
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return busy_ || over_; });
    if (!busy_) return;
    if (auto written = write_buffer(lock); !written) failure_ = written.error();
    busy_ = false;
    changed_.notify_all();
  }
}

result<void> direct_file::write_buffer(std::unique_lock<std::mutex>& lock) {
  result<void> written;
  for (size_t at = 0, size = 0; written && at < buffer_bytes; at += size) {
    size = in_pieces_ ? std::min(piece_bytes, buffer_bytes - at) : buffer_bytes - at;
    lock.unlock();
    written = write_at(writing_.get() + at, size, writing_at_ + at);
    lock.lock();
  }
  return written;
}

result<void> direct_file::write_at(const char* bytes, size_t count, uint64_t offset) const {
  while (count > 0) {
    auto n = ::pwrite(descriptor_, bytes, count, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return tl::unexpected<error>(from_errno(path_, errno));
    // A disk that is nearly full takes a part; what follows need not be aligned: it then says so.
    if (n == 0) return fail(errc::no_space, path_);
    bytes += n;
    count -= static_cast<size_t>(n);
    offset += static_cast<uint64_t>(n);
  }
  return {};
}

result<void> direct_file::outcome() const {
  if (failure_) return tl::unexpected<error>(*failure_);
  return {};
}

result<void> direct_file::wait_idle() {
  std::unique_lock lock(mutex_);
  in_pieces_ = false;
  changed_.wait(lock, [this] { return !busy_; });
  return outcome();
}

result<void> direct_file::hand_over() {
  if (auto idle = wait_idle(); !idle) return idle;
  std::swap(filling_, writing_);
  auto now = std::chrono::steady_clock::now();
  {
    std::lock_guard guard(mutex_);
    writing_at_ = written_;
    in_pieces_ = now - filling_since_ > slow_fill;
    busy_ = true;
  }
  changed_.notify_all();
  filling_since_ = now;
  written_ += buffer_bytes;
  filled_ = 0;
  return {};
}

result<void> direct_file::append(std::string_view bytes) {
  {
    std::lock_guard guard(mutex_);
    if (failure_) return outcome();
  }
  while (!bytes.empty()) {
    if (filled_ == buffer_bytes)
      if (auto done = hand_over(); !done) return done;
    auto part = bytes.substr(0, buffer_bytes - filled_);
    std::memcpy(filling_.get() + filled_, part.data(), part.size());
    filled_ += part.size();
    size_ += part.size();
    bytes.remove_prefix(part.size());
  }
  return {};
}

result<void> direct_file::sync() {
  if (auto idle = wait_idle(); !idle) return idle;
  auto padded = (filled_ + alignment - 1) / alignment * alignment;
  std::memset(filling_.get() + filled_, 0, padded - filled_);
  auto done = write_at(filling_.get(), padded, written_);
  if (done && ::ftruncate(descriptor_, static_cast<off_t>(size_)) != 0)
    done = tl::unexpected<error>(from_errno(path_, errno));
  if (done && ::fdatasync(descriptor_) != 0) done = tl::unexpected<error>(from_errno(path_, errno));
  if (!done) {
    std::lock_guard guard(mutex_);
    failure_ = done.error();
  }
  return done;
}

} // namespace harbinger
