#pragma once

/// The power goes: a child process of a test ends by SIGKILL, and what it had written to files and
/// not synced is taken away, as if the page cache had been lost. What is kept of a file is what an
/// fsync or fdatasync of it had covered; renames over nothing are taken back unless their directory
/// was synced since. Not taken away: new files and directories as such, removed files.
///
/// Include it in one source file of a test: it stands in for fsync, fdatasync and rename, for the
/// libraries too.

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>

#include <dlfcn.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace harbinger::testing {

/// Shared by the child that writes and the parent that takes away.
class synced_files {
public:
  struct file {
    std::atomic<uint64_t> inode;
    std::atomic<uint64_t> bytes;
  };
  struct renamed {
    std::atomic<bool> open;
    std::array<char, 512> from, to;
  };
  std::array<file, 4096> files;
  std::array<renamed, 256> renames;
  std::atomic<size_t> renames_made;

  void synced(uint64_t inode, uint64_t bytes) {
    for (auto& f : files) {
      uint64_t free = 0;
      if (f.inode.load() == inode || f.inode.compare_exchange_strong(free, inode)) {
        f.bytes = bytes;
        return;
      }
    }
    ::_exit(99); // a test that is too large for the table must not look as if all were well
  }
  uint64_t bytes_of(uint64_t inode) const {
    for (const auto& f : files) {
      if (f.inode == inode) return f.bytes;
      if (f.inode == 0) break;
    }
    return 0;
  }
  void directory_synced(const std::string& directory) {
    for (auto& r : renames)
      if (r.open && std::filesystem::path(r.to.data()).parent_path() == directory) r.open = false;
  }
  void rename(const char* from, const char* to) {
    auto place = renames_made++;
    if (place >= renames.size() || std::strlen(from) >= 512 || std::strlen(to) >= 512) ::_exit(99);
    std::strcpy(renames[place].from.data(), from);
    std::strcpy(renames[place].to.data(), to);
    renames[place].open = true;
  }

  /// What the power cut takes of everything below `directory`.
  void take_away(const std::string& directory) {
    namespace fs = std::filesystem;
    for (auto it = renames.rbegin(); it != renames.rend(); ++it)
      if (it->open && fs::exists(it->to.data())) fs::rename(it->to.data(), it->from.data());
    for (const auto& entry : fs::recursive_directory_iterator(directory)) {
      struct stat about {};
      if (!entry.is_regular_file() || ::stat(entry.path().c_str(), &about) != 0) continue;
      auto kept = std::min<uint64_t>(bytes_of(about.st_ino), entry.file_size());
      if (kept < entry.file_size()) fs::resize_file(entry.path(), kept);
    }
  }

  static synced_files* make() {
    auto* room = ::mmap(nullptr, sizeof(synced_files), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return room == MAP_FAILED ? nullptr : new (room) synced_files;
  }
  void forget() {
    this->~synced_files();
    std::memset(static_cast<void*>(this), 0, sizeof *this);
    new (this) synced_files;
  }
};

/// Null: nobody watches.
inline synced_files* watched_files = nullptr;

template <class Function>
Function* libc_function(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

inline int sync_and_note(int descriptor, int (*real)(int)) {
  struct stat about {};
  bool known = watched_files != nullptr && ::fstat(descriptor, &about) == 0;
  int outcome = real(descriptor);
  if (outcome != 0 || !known) return outcome;
  if (S_ISREG(about.st_mode))
    watched_files->synced(about.st_ino, static_cast<uint64_t>(about.st_size));
  if (S_ISDIR(about.st_mode)) {
    std::error_code code;
    auto path = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(descriptor), code);
    if (!code) watched_files->directory_synced(path.string());
  }
  return outcome;
}

} // namespace harbinger::testing

extern "C" __attribute__((visibility("default"))) int fsync(int descriptor) {
  static auto* real = harbinger::testing::libc_function<int(int)>("fsync");
  return harbinger::testing::sync_and_note(descriptor, real);
}

extern "C" __attribute__((visibility("default"))) int fdatasync(int descriptor) {
  static auto* real = harbinger::testing::libc_function<int(int)>("fdatasync");
  return harbinger::testing::sync_and_note(descriptor, real);
}

extern "C" __attribute__((visibility("default"))) int rename(const char* from,
                                                             const char* to) noexcept {
  static auto* real = harbinger::testing::libc_function<int(const char*, const char*)>("rename");
  struct stat about {};
  bool over_nothing = ::stat(to, &about) != 0;
  int outcome = real(from, to);
  if (outcome == 0 && over_nothing && harbinger::testing::watched_files != nullptr)
    harbinger::testing::watched_files->rename(from, to);
  return outcome;
}
