#pragma once

/// Whole files, and what the operating system says of them.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace harbinger {

/// From errno: no_space (also for a quota), else io; "WHAT: reason".
tl::unexpected<error> os_error(const std::string& what);

/// Makes or replaces the file, through to the disk. no_space, io.
result<> write_file(const std::string& path, std::string_view bytes);
/// not_found, oversize (more than `bytes_max`), io.
result<std::string> read_whole_file(const std::string& path, uint64_t bytes_max);
/// Makes what was created, renamed or removed in the directory durable, as far as it can be.
void sync_directory(const std::string& path);

} // namespace harbinger
