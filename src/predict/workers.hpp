#pragma once

/// Work in numbered pieces by several threads. What each piece does may depend on its number, never
/// on the thread, so that results are the same for any number of threads.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace harbinger::predict {

inline constexpr unsigned workers_max = 64;

/// Calls piece(0) .. piece(count - 1), each once, and returns when all are done. The first
/// exception is thrown again here; pieces not yet begun are left out then.
template <class F>
void run_pieces(size_t count, unsigned threads, F&& piece) {
  threads = static_cast<unsigned>(std::min<size_t>({threads, count, workers_max}));
  if (threads <= 1) {
    for (size_t i = 0; i < count; ++i) piece(i);
    return;
  }
  std::atomic<size_t> next{0};
  std::exception_ptr failed;
  std::mutex mutex;
  auto work = [&] {
    try {
      for (size_t i = next++; i < count; i = next++) piece(i);
    } catch (...) {
      next = count;
      std::lock_guard lock(mutex);
      if (!failed) failed = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    for (unsigned t = 1; t < threads; ++t) others.emplace_back(work);
    work();
  }
  if (failed) std::rethrow_exception(failed);
}

} // namespace harbinger::predict
