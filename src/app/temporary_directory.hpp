#pragma once

#include <string>

#include "core/result.hpp"

namespace harbinger {

/// A new, empty directory under $TMPDIR or /tmp, which goes with its owner, whatever is in it by
/// then.
class temporary_directory {
public:
  /// Named `prefix` and six letters. io.
  static result<temporary_directory> make(const std::string& prefix);
  ~temporary_directory();
  temporary_directory(temporary_directory&& other) noexcept;
  temporary_directory& operator=(temporary_directory&& other) noexcept;

  const std::string& path() const { return path_; }
  /// It stays behind.
  void keep() { kept_ = true; }

private:
  explicit temporary_directory(std::string path) : path_(std::move(path)) {}

  std::string path_; ///< empty: moved from
  bool kept_ = false;
};

} // namespace harbinger
