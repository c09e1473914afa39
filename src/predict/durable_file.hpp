#pragma once

/// Files that a kill or a full disk leaves whole: the old content or the new, never half of one.

#include <cstddef>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace harbinger::predict {

/// Writes NAME.part, fsyncs it, renames it over NAME and fsyncs the directory. no_space or io: NAME
/// is as it was and no part is left. False: NAME has the new bytes, but the directory could not be
/// fsynced, so that they may be gone after a power failure.
result<bool> write_durably(const std::string& directory, const std::string& name,
                           std::string_view bytes);

/// not_found; oversize: more than `bytes_max`; checksum: the disk can not give its bytes back
/// (EIO); io: anything else that keeps us from reading it.
result<std::string> read_whole(const std::string& path, size_t bytes_max);

/// False: what was renamed in it may come back after a power failure.
bool sync_directory(const std::string& path);

/// So many files of one name are put aside; more is refused as overloaded.
inline constexpr unsigned put_aside_max = 64;
/// Renames NAME to NAME.damaged-N with the first N from 1 that is free, and gives that name.
result<std::string> put_aside(const std::string& directory, const std::string& name);

/// Held by one object at a time, in this process or any other; let go with its end, also by a kill.
class directory_lock {
public:
  /// Makes DIRECTORY/lock. in_use: somebody else holds it; io.
  static result<directory_lock> take(const std::string& directory);
  directory_lock(directory_lock&& other) noexcept;
  directory_lock& operator=(directory_lock&& other) noexcept;
  ~directory_lock();

private:
  explicit directory_lock(int file) : file_(file) {}
  int file_;
};

} // namespace harbinger::predict
