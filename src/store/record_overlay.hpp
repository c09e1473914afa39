#pragma once

/// Records with changes that are not written yet laid over them. Overlays may lie on overlays.

#include <map>
#include <utility>

#include "store/record_reader.hpp"

namespace harbinger {

/// What becomes of one record; absent: no record.
struct record_change {
  std::optional<std::string> before, after;
  friend bool operator==(const record_change&, const record_change&) = default;
};
/// By key, each key once.
using record_changes = std::map<std::string, record_change, std::less<>>;

class record_overlay : public record_reader {
public:
  /// `base` outlives it and does not change meanwhile.
  explicit record_overlay(const record_reader* base) : base_(*base) {}
  record_overlay(const record_overlay&) = delete;
  record_overlay& operator=(const record_overlay&) = delete;

  result<std::optional<std::string>> get(std::string_view key) const override;
  result<void> range(std::string_view from, std::string_view to,
                     const visitor& visit) const override;

  /// Fails as reading the base does; nothing is changed then.
  result<void> set(std::string_view key, std::optional<std::string> value);
  /// The same for who has just read it: `before` is what get() says of the base.
  void replace(std::string_view key, std::optional<std::string> before,
               std::optional<std::string> after);
  /// Lays further changes over these; `changes` begin where this overlay is.
  void adopt(record_changes changes);

  const record_changes& changes() const { return changes_; }
  record_changes take() { return std::exchange(changes_, {}); }

private:
  const record_reader& base_;
  record_changes changes_;
};

} // namespace harbinger
