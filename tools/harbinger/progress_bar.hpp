#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include <unistd.h>

namespace harbinger {

/// A bar on a terminal; nothing in a log.
class progress_bar {
public:
  ~progress_bar() {
    if (shown_ >= 0) std::fprintf(stderr, "\r\033[K");
  }
  void show(const std::string& what, uint64_t done, uint64_t all) {
    auto percent = all == 0 ? 100 : static_cast<int>(done * 100 / all);
    if (!terminal_ || (percent == shown_ && what == what_)) return;
    shown_ = percent;
    what_ = what;
    std::string bar(static_cast<size_t>(percent * 3 / 10), '#');
    std::fprintf(stderr, "\r\033[K[%-30s] %3d %%  %s", bar.c_str(), percent, what.c_str());
    std::fflush(stderr);
  }

private:
  bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  int shown_ = -1;
  std::string what_;
};

} // namespace harbinger
