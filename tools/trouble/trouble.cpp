/// libharbinger_trouble.so: real trouble inside a process that knows nothing of it. Loaded with
/// LD_PRELOAD by the demo, the campaign and tests; never part of the product. Does nothing until
/// the file named by HARBINGER_TROUBLE_FILE exists:
///   hold_bytes N      keep N bytes of touched memory allocated (a leak when it grows; freed again
///                     when it falls)
///   sync_delay_ms M   every fsync and fdatasync takes M milliseconds longer (a sick disk)
///   disk_full 0|1     writes to regular files, but for standard output and error, fail with ENOSPC
///   cut PORT          nothing passes over TCP connections that have this port at either end: they
///                     are reset, and new ones to it are refused. One line a port, at most 16;
///                     a file without such lines ends it
///   crash_at NAME     SIGKILL when the process comes to this place (core/crash_points.hpp);
///                     "nowhere" ends it
/// Memory is allocated with `new` and nobody catches: at the process's limit it ends like any
/// program that leaks, by std::bad_alloc here or in whichever of its own threads asks next.

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

constexpr size_t block_bytes = 256 << 10;
std::atomic<uint32_t> sync_delay_ms{0};
std::atomic<bool> disk_full{false};
std::array<std::atomic<uint16_t>, 16> cut_ports{}; // 0: none; the first are taken first
std::atomic<bool> crashes{false};
std::mutex crash_mutex;
std::string crash_place;

void cut(const std::vector<uint16_t>& ports) {
  for (size_t i = 0; i < cut_ports.size(); ++i) cut_ports[i] = i < ports.size() ? ports[i] : 0;
}

void crash_at(const std::string& place) {
  std::lock_guard guard(crash_mutex);
  crash_place = place;
  crashes = place != "nowhere";
}

void hold(std::vector<std::unique_ptr<char[]>>& blocks, size_t bytes) {
  size_t wanted = bytes / block_bytes;
  if (wanted < blocks.size()) blocks.resize(wanted);
  while (blocks.size() < wanted) {
    blocks.push_back(std::unique_ptr<char[]>(new char[block_bytes]));
    std::memset(blocks.back().get(), 0x5a, block_bytes);
  }
}

void watch(const std::string& path) {
  std::vector<std::unique_ptr<char[]>> blocks;
  blocks.reserve(64 << 10);
  for (;;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    std::ifstream file(path);
    std::vector<uint16_t> ports;
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string word, text;
      words >> word >> text;
      auto value = std::strtoull(text.c_str(), nullptr, 10);
      if (word == "hold_bytes") hold(blocks, value);
      if (word == "sync_delay_ms") sync_delay_ms = static_cast<uint32_t>(value);
      if (word == "disk_full") disk_full = value != 0;
      if (word == "cut") ports.push_back(static_cast<uint16_t>(value));
      if (word == "crash_at") crash_at(text);
    }
    cut(ports);
  }
}

__attribute__((constructor)) void begin() {
  const char* path = std::getenv("HARBINGER_TROUBLE_FILE");
  if (path == nullptr || *path == '\0') return;
  // The program blocks the signals it handles itself before it starts threads; this one must never
  // take them instead.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread(watch, std::string(path)).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

void delay() {
  if (auto ms = sync_delay_ms.load(std::memory_order_relaxed); ms != 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

/// Whether a write there is to fail; sets errno.
bool no_room(int descriptor) {
  if (!disk_full.load(std::memory_order_relaxed) || descriptor <= STDERR_FILENO) return false;
  struct stat about {};
  if (::fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode)) return false;
  errno = ENOSPC;
  return true;
}

bool cut_port(const sockaddr* address) {
  if (address->sa_family != AF_INET) return false;
  auto port = ntohs(reinterpret_cast<const sockaddr_in*>(address)->sin_port);
  for (const auto& one : cut_ports)
    if (one.load(std::memory_order_relaxed) == port) return true;
  return false;
}

/// Whether nothing is to pass over the connection; sets errno.
bool cut_off(int descriptor) {
  if (cut_ports[0].load(std::memory_order_relaxed) == 0) return false;
  auto concerned = [&](auto* end_of) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    return end_of(descriptor, generic, &size) == 0 && cut_port(generic);
  };
  if (!concerned(&::getsockname) && !concerned(&::getpeername)) return false;
  ::shutdown(descriptor, SHUT_RDWR); // both ends notice, as they do when a connection is reset
  errno = ECONNRESET;
  return true;
}

} // namespace

extern "C" void harbinger_crash_point(const char* name) {
  if (!crashes.load(std::memory_order_relaxed)) return;
  std::lock_guard guard(crash_mutex);
  if (crash_place == name) ::raise(SIGKILL);
}

extern "C" int connect(int descriptor, const sockaddr* address, socklen_t size) {
  static auto* real = next<int(int, const sockaddr*, socklen_t)>("connect");
  if (cut_ports[0].load(std::memory_order_relaxed) != 0 && cut_port(address)) {
    errno = ECONNREFUSED;
    return -1;
  }
  return real(descriptor, address, size);
}

extern "C" ssize_t send(int descriptor, const void* data, size_t size, int flags) {
  static auto* real = next<ssize_t(int, const void*, size_t, int)>("send");
  return cut_off(descriptor) ? -1 : real(descriptor, data, size, flags);
}

extern "C" ssize_t recv(int descriptor, void* data, size_t size, int flags) {
  static auto* real = next<ssize_t(int, void*, size_t, int)>("recv");
  return cut_off(descriptor) ? -1 : real(descriptor, data, size, flags);
}

extern "C" int fsync(int descriptor) {
  static auto* real = next<int(int)>("fsync");
  delay();
  return real(descriptor);
}

extern "C" int fdatasync(int descriptor) {
  static auto* real = next<int(int)>("fdatasync");
  delay();
  return real(descriptor);
}

extern "C" ssize_t write(int descriptor, const void* data, size_t size) {
  static auto* real = next<ssize_t(int, const void*, size_t)>("write");
  return no_room(descriptor) ? -1 : real(descriptor, data, size);
}

extern "C" ssize_t pwrite(int descriptor, const void* data, size_t size, off_t at) {
  static auto* real = next<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  return no_room(descriptor) ? -1 : real(descriptor, data, size, at);
}

extern "C" ssize_t pwrite64(int descriptor, const void* data, size_t size, off64_t at) {
  static auto* real = next<ssize_t(int, const void*, size_t, off64_t)>("pwrite64");
  return no_room(descriptor) ? -1 : real(descriptor, data, size, at);
}

extern "C" int fallocate(int descriptor, int mode, off_t from, off_t size) {
  static auto* real = next<int(int, int, off_t, off_t)>("fallocate");
  return no_room(descriptor) ? -1 : real(descriptor, mode, from, size);
}
