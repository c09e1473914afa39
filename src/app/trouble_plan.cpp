#include "app/trouble_plan.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <sstream>

namespace harbinger {

namespace {

double between(std::mt19937_64& engine, double low, double high) {
  return low + (high - low) * static_cast<double>(engine() >> 11) * 0x1p-53;
}

uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

} // namespace

trouble_plan::trouble_plan(trouble_kind kind, uint64_t seed, uint64_t room_bytes)
    : kind_(kind), seed_(seed), room_bytes_(static_cast<double>(room_bytes)) {
  std::mt19937_64 engine(mix(seed) ^ static_cast<uint64_t>(kind));
  duration_s_ = between(engine, 14, 26);
  curve_ = between(engine, 0.8, 1.6);
  noise_ = between(engine, 0.02, 0.15);
  phase_ = between(engine, 0, 100);
  switch (kind_) {
  case trouble_kind::none:
  case trouble_kind::bulk_load: duration_s_ = 0; break;
  case trouble_kind::memory_leak:
    peak_ = room_bytes_ * 1.05;
    break; // reaches the limit at about the nominal time
  case trouble_kind::cpu_starvation: peak_ = between(engine, 0.9, 0.97); break;
  case trouble_kind::error_storm: peak_ = between(engine, 60, 200); break;
  case trouble_kind::load_burst: peak_ = between(engine, 2, 4); break;
  case trouble_kind::memory_plateau: peak_ = room_bytes_ * between(engine, 0.2, 0.55); break;
  case trouble_kind::short_stalls: peak_ = between(engine, 0.3, 0.6); break;
  case trouble_kind::few_errors: peak_ = between(engine, 0.5, 4); break;
  }
}

double trouble_plan::noise(double t_s) const {
  double x = t_s + phase_;
  return 0.5 * std::sin(x * 1.7) + 0.3 * std::sin(x * 4.3 + 1.0) + 0.2 * std::sin(x * 11.0 + 2.0);
}

trouble_effect trouble_plan::at(double t_s) const {
  trouble_effect effect;
  if (duration_s_ <= 0 || t_s < 0) return effect;
  double progress = t_s / duration_s_;
  double wobble = 1.0 + noise_ * noise(t_s);
  double grown = std::pow(progress, curve_) * wobble;
  switch (kind_) {
  case trouble_kind::none:
  case trouble_kind::bulk_load: break;
  case trouble_kind::memory_leak: // a leak never gives anything back: no noise that could fall
    effect.hold_bytes = static_cast<uint64_t>(peak_ * std::pow(progress, curve_));
    break;
  case trouble_kind::cpu_starvation:
    effect.stopped_share = std::clamp(peak_ * grown, 0.0, 0.97);
    break;
  case trouble_kind::error_storm:
    effect.log_lines_per_s = std::max(0.0, peak_ * grown);
    effect.sync_delay_ms = static_cast<uint32_t>(std::clamp(40.0 * grown, 0.0, 60.0));
    effect.kill = progress >= 1.0;
    break;
  case trouble_kind::load_burst: effect.load_factor = peak_; break;
  case trouble_kind::memory_plateau:
    effect.hold_bytes = static_cast<uint64_t>(peak_ * std::min(1.0, progress * 2.5));
    break;
  case trouble_kind::short_stalls: // about a second out of five
    effect.stopped_share = std::fmod(t_s + phase_, 5.0) < 1.0 ? peak_ : 0.0;
    break;
  case trouble_kind::few_errors: effect.log_lines_per_s = std::max(0.0, peak_ * wobble); break;
  }
  if (!is_fatal(kind_) && progress >= 1.0) {
    effect = {};
    effect.over = true;
  }
  return effect;
}

std::string trouble_plan::log_line(uint64_t n) const {
  static constexpr std::array lines{
      "ERROR storage: write failed on /dev/sdb: Input/output error (EIO)",
      "ERROR storage: request timed out after 2000 ms (ETIMEDOUT)",
      "ERROR storage: checksum mismatch in block {}",
      "WARN storage: slow request {} took 1480 ms",
      "ERROR storage: read failed on /dev/sdb sector {}: Input/output error (EIO)",
      "ERROR kernel: blk_update_request: I/O error, dev sdb, sector {}",
  };
  uint64_t draw = mix(seed_ ^ (n * 2 + 1));
  std::string text = lines[draw % lines.size()];
  if (auto hole = text.find("{}"); hole != std::string::npos)
    text.replace(hole, 2, std::to_string(draw >> 40));
  return text;
}

std::string trouble_plan::describe_numbers() const {
  std::ostringstream out;
  out.precision(4);
  out << "duration_s=" << duration_s_ << " curve=" << curve_ << " peak=" << peak_
      << " noise=" << noise_;
  return out.str();
}

} // namespace harbinger
