#include "prefetch/token_bucket.hpp"

#include <algorithm>

namespace harbinger {

void token_bucket::set_rate(uint64_t bytes_per_s) {
  rate_ = bytes_per_s;
  tokens_ = std::min(tokens_, static_cast<double>(rate_) * burst_s);
}

void token_bucket::refill(time_point now) {
  if (now <= refilled_) return;
  auto rate = static_cast<double>(rate_);
  tokens_ = std::min(rate * burst_s, tokens_ + rate * to_seconds(now - refilled_));
  refilled_ = now;
}

bool token_bucket::ready(time_point now) {
  if (rate_ == 0) return true;
  refill(now);
  return tokens_ >= 0.0;
}

void token_bucket::spend(uint64_t bytes, time_point now) {
  if (rate_ == 0) return;
  refill(now);
  tokens_ -= static_cast<double>(bytes);
}

void token_bucket::give_back(uint64_t bytes, time_point now) {
  if (rate_ == 0) return;
  refill(now);
  tokens_ = std::min(static_cast<double>(rate_) * burst_s, tokens_ + static_cast<double>(bytes));
}

} // namespace harbinger
