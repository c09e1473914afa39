#pragma once

/// zstd streams in memory, a piece at a time.

#include <memory>
#include <string>
#include <string_view>

#include "history/csv.hpp"

namespace harbinger {

/// Compresses what it is given. Equal bytes in, in whatever pieces, give equal bytes out.
class packer {
public:
  packer();
  packer(packer&&) noexcept;
  ~packer();
  void add(std::string_view bytes);
  /// All of it, compressed; nothing may be added after.
  std::string finish();
  uint64_t bytes_in() const;

private:
  struct state;
  std::unique_ptr<state> state_;
};

/// The text behind `packed`, which must outlive the source. The source fails with malformed, naming
/// `name`, where the bytes are no zstd stream or end too early.
byte_source unpack(std::string_view packed, std::string name);

} // namespace harbinger
