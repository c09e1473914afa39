#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace harbinger {

/// Bytes that never change and are never copied: a copy of a blob shares them, and they live as
/// long as one of its copies.
class blob {
public:
  blob() = default;
  explicit blob(std::string bytes) {
    auto owned = std::make_shared<const std::string>(std::move(bytes));
    bytes_ = *owned;
    owner_ = std::move(owned);
  }
  /// `bytes` lie in something that `owner` keeps.
  blob(std::shared_ptr<const void> owner, std::string_view bytes)
      : owner_(std::move(owner)), bytes_(bytes) {}

  std::string_view view() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

  friend bool operator==(const blob& a, const blob& b) { return a.bytes_ == b.bytes_; }

private:
  std::shared_ptr<const void> owner_;
  std::string_view bytes_;
};

} // namespace harbinger
