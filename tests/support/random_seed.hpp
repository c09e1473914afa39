#pragma once

/// The seed of a random test: HARBINGER_SEED when set, else a new one; said with every failure of
/// the test that drew it.

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

namespace harbinger {

inline unsigned random_seed() {
  const char* given = std::getenv("HARBINGER_SEED");
  auto seed = given ? static_cast<unsigned>(std::stoul(given)) : std::random_device{}();
  std::cout << "HARBINGER_SEED=" << seed << std::endl;
  return seed;
}

} // namespace harbinger
