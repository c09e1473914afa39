#pragma once

#include <mutex>

#include "prefetch/foreground_yield.hpp"

namespace harbinger {

/// How long durable writes take, from being handed to store_writer to being on disk. Thread-safe.
class commit_meter {
public:
  void add(double ms) {
    std::lock_guard guard(mutex_);
    totals_.add(ms);
  }
  commit_totals totals() const {
    std::lock_guard guard(mutex_);
    return totals_;
  }

private:
  mutable std::mutex mutex_;
  commit_totals totals_;
};

} // namespace harbinger
