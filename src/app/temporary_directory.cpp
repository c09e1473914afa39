#include "app/temporary_directory.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

namespace harbinger {

namespace fs = std::filesystem;

result<temporary_directory> temporary_directory::make(const std::string& prefix) {
  const char* base = std::getenv("TMPDIR");
  auto path = fs::path(base != nullptr && *base != '\0' ? base : "/tmp") / (prefix + "XXXXXX");
  auto pattern = path.string();
  if (::mkdtemp(pattern.data()) == nullptr)
    return fail(errc::io, pattern + ": " + std::strerror(errno));
  return temporary_directory(std::move(pattern));
}

temporary_directory::~temporary_directory() {
  if (path_.empty() || kept_) return;
  std::error_code code;
  fs::remove_all(path_, code);
}

temporary_directory::temporary_directory(temporary_directory&& other) noexcept
    : path_(std::exchange(other.path_, {})), kept_(other.kept_) {}

temporary_directory& temporary_directory::operator=(temporary_directory&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(kept_, other.kept_);
  return *this;
}

} // namespace harbinger
