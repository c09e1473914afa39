#include "app/shipped.hpp"

#include <filesystem>

#include "app/process.hpp"

namespace harbinger {

namespace fs = std::filesystem;

result<std::string> shipped_directory(const std::string& name) {
  const fs::path programs = own_directory(); // TREE/build/PRESET/bin, or PREFIX/bin
  for (const auto& place : {programs / "../../.." / name,
                            programs / "../share/harbinger" / fs::path(name).filename()}) {
    std::error_code code;
    if (fs::is_directory(place, code)) return fs::canonical(place, code).string();
  }
  return fail(errc::not_found, name
                                   + ": neither in the source tree of this program nor installed "
                                     "beside it");
}

} // namespace harbinger
