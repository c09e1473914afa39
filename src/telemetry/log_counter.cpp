#include "telemetry/log_counter.hpp"

#include <algorithm>
#include <cctype>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace harbinger::telemetry {
namespace {
struct pattern {
  std::string_view text; ///< lower case
  log_class meaning;
};

// errno names count at any level: nobody prints them by chance.
constexpr std::array errno_names{
    pattern{"enospc", log_class::no_space},
    pattern{"edquot", log_class::no_space},
    pattern{"etimedout", log_class::timeout},
    pattern{"enomem", log_class::memory},
    pattern{"econnreset", log_class::connection},
    pattern{"econnrefused", log_class::connection},
    pattern{"epipe", log_class::connection},
    pattern{"ehostunreach", log_class::connection},
    pattern{"eio", log_class::io},
    pattern{"erofs", log_class::io},
    pattern{"ebadmsg", log_class::checksum},
};

constexpr std::array words{
    pattern{"no space left", log_class::no_space},
    pattern{"disk full", log_class::no_space},
    pattern{"out of memory", log_class::memory},
    pattern{"bad_alloc", log_class::memory},
    pattern{"cannot allocate memory", log_class::memory},
    pattern{"oom-kill", log_class::memory},
    pattern{"checksum", log_class::checksum},
    pattern{"crc mismatch", log_class::checksum},
    pattern{"crc error", log_class::checksum},
    pattern{"corrupt", log_class::checksum},
    pattern{"i/o error", log_class::io},
    pattern{"input/output error", log_class::io},
    pattern{"medium error", log_class::io},
    pattern{"read-only file system", log_class::io},
    pattern{"timed out", log_class::timeout},
    pattern{"timeout", log_class::timeout},
    pattern{"connection reset", log_class::connection},
    pattern{"connection refused", log_class::connection},
    pattern{"broken pipe", log_class::connection},
    pattern{"unreachable", log_class::connection},
};

bool is_word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

bool has_word(std::string_view line, std::string_view word) {
  for (auto at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
    bool starts = at == 0 || !is_word_char(line[at - 1]);
    auto after = at + word.size();
    if (starts && (after == line.size() || !is_word_char(line[after]))) return true;
  }
  return false;
}

bool has_any_word(std::string_view line, std::initializer_list<std::string_view> all) {
  return std::any_of(all.begin(), all.end(), [&](auto w) { return has_word(line, w); });
}
} // namespace

std::optional<log_class> classify_log_line(std::string_view raw) {
  std::string line(raw);
  std::transform(line.begin(), line.end(), line.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const auto& p : errno_names)
    if (has_word(line, p.text)) return p.meaning;
  bool error =
      has_any_word(line, {"error", "err", "fatal", "critical", "crit", "panic", "emerg", "alert"});
  bool warning = has_any_word(line, {"warning", "warn"});
  if (!error && !warning && has_any_word(line, {"info", "debug", "trace", "notice"}))
    return std::nullopt;
  for (const auto& p : words)
    if (line.find(p.text) != std::string::npos) return p.meaning;
  if (error) return log_class::other;
  if (warning) return log_class::warning;
  return std::nullopt;
}

void line_counter::count(std::string_view line) {
  if (auto what = classify_log_line(line.substr(0, line_bytes_max)))
    ++counts_[static_cast<size_t>(*what)];
}

void line_counter::feed(std::string_view piece) {
  while (!piece.empty()) {
    auto end = piece.find('\n');
    auto part = piece.substr(0, end);
    if (end == std::string_view::npos) {
      // Bounded: what a line has beyond line_bytes_max is not looked at anyway.
      partial_.append(part.substr(0, line_bytes_max - std::min(partial_.size(), line_bytes_max)));
      return;
    }
    if (partial_.empty()) {
      count(part);
    } else {
      partial_.append(part.substr(0, line_bytes_max - std::min(partial_.size(), line_bytes_max)));
      count(partial_);
      partial_.clear();
    }
    piece.remove_prefix(end + 1);
  }
}

log_follower::log_follower(std::vector<std::string> files) {
  for (auto& path : files) files_.push_back({std::move(path), 0, 0, false, {}});
}

void log_follower::poll() {
  for (auto& f : files_) read(f);
  first_poll_ = false;
}

void log_follower::read(file& f) {
  int fd = ::open(f.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return;
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    return;
  }
  auto size = static_cast<uint64_t>(info.st_size);
  auto inode = static_cast<uint64_t>(info.st_ino);
  if (!f.seen) {
    f.offset = first_poll_ ? size : 0;
  } else if (inode != f.inode || size < f.offset) {
    f.offset = 0;
    f.lines.forget_partial();
  }
  f.seen = true;
  f.inode = inode;
  if (size - f.offset > backlog_max) {
    skipped_bytes_ += size - f.offset - backlog_max;
    f.offset = size - backlog_max;
    f.lines.forget_partial();
  }
  std::string buffer(std::min<uint64_t>(size - f.offset, poll_bytes_max), '\0');
  auto got = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(f.offset));
  ::close(fd);
  if (got <= 0) return;
  f.offset += static_cast<uint64_t>(got);
  f.lines.feed(std::string_view(buffer).substr(0, static_cast<size_t>(got)));
}

std::array<uint64_t, log_classes> log_follower::counts() const {
  std::array<uint64_t, log_classes> out{};
  for (const auto& f : files_)
    for (size_t i = 0; i < log_classes; ++i) out[i] += f.lines.counts()[i];
  return out;
}

} // namespace harbinger::telemetry
