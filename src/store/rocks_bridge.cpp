#include "store/rocks_bridge.hpp"

#include <string>

namespace harbinger::rocks {
namespace {

error from_status(const rocksdb::Status& s) {
  if (s.IsNoSpace()) return {errc::no_space, s.ToString()};
  if (s.IsNotFound()) return {errc::not_found, s.ToString()};
  if (s.IsCorruption()) return {errc::checksum, s.ToString()};
  auto text = s.ToString();
  // The system's own words reach us as text when a write to a file is cut off.
  if (text.find("No space left") != std::string::npos
      || text.find("File too large") != std::string::npos
      || text.find("quota exceeded") != std::string::npos)
    return {errc::no_space, text};
  return {errc::io, text};
}

} // namespace

tl::unexpected<error> failed(const rocksdb::Status& status) {
  return tl::unexpected<error>(from_status(status));
}

} // namespace harbinger::rocks
