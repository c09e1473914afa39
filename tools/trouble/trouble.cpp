/// libharbinger_trouble.so: real trouble inside a process that knows nothing of it. Loaded with
/// LD_PRELOAD by the demo, the campaign and tests; never part of the product. Does nothing until
/// the file named by HARBINGER_TROUBLE_FILE exists:
///   hold_bytes N      keep N bytes of touched memory allocated (a leak when it grows; freed again
///                     when it falls)
///   sync_delay_ms M   every fsync and fdatasync takes M milliseconds longer (a sick disk)
///   disk_full 0|1     writes to regular files, but for standard output and error, fail with ENOSPC
/// Memory is allocated with `new` and nobody catches: at the process's limit it ends like any
/// program that leaks, by std::bad_alloc here or in whichever of its own threads asks next.

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

constexpr size_t block_bytes = 256 << 10;
std::atomic<uint32_t> sync_delay_ms{0};
std::atomic<bool> disk_full{false};

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
    std::string word;
    uint64_t value = 0;
    while (file >> word >> value) {
      if (word == "hold_bytes") hold(blocks, value);
      if (word == "sync_delay_ms") sync_delay_ms = static_cast<uint32_t>(value);
      if (word == "disk_full") disk_full = value != 0;
    }
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

} // namespace

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
