#pragma once

/// One of several independent streams of chance that one seed gives: what draws from one never
/// changes what another gives. Same seed, same numbers, on every machine.

#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>

namespace harbinger::simulate {

enum class chance : uint64_t { layout = 1, sizes, failures, record, predictor, false_alarms };

class random_stream {
public:
  random_stream(uint64_t seed, chance which)
      : engine_(seed * 0x9e3779b97f4a7c15ull
                + static_cast<uint64_t>(which) * 0xbf58476d1ce4e5b9ull) {}

  double uniform() { return static_cast<double>(engine_() >> 11) * 0x1.0p-53; } ///< [0, 1)
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// 0 .. below-1; precondition: below > 0.
  uint64_t below(uint64_t below) { return engine_() % below; }
  bool chance_of(double probability) { return uniform() < probability; }
  double exponential(double mean) { return -mean * std::log1p(-uniform()); }
  double normal() {
    double radius = std::sqrt(-2.0 * std::log1p(-uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }
  double lognormal(double median, double sigma) { return median * std::exp(sigma * normal()); }
  /// The whole part, and one more with the probability of the rest.
  uint64_t rounded(double x) {
    auto whole = std::floor(x);
    return static_cast<uint64_t>(whole) + (chance_of(x - whole) ? 1 : 0);
  }

private:
  std::mt19937_64 engine_;
};

} // namespace harbinger::simulate
