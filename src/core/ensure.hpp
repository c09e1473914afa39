#pragma once

#include <stdexcept>
#include <string>

namespace harbinger {

/// A broken invariant: never caught by the one who broke it. The actor dies of it and its
/// supervisor acts.
struct invariant_broken : std::logic_error {
  using std::logic_error::logic_error;
};

} // namespace harbinger

/// Checks an invariant, in release builds too.
#define ENSURE(condition)                                                                          \
  do {                                                                                             \
    if (!(condition))                                                                              \
      throw ::harbinger::invariant_broken(std::string(__FILE__ ":") + std::to_string(__LINE__)     \
                                          + ": " #condition);                                      \
  } while (false)
