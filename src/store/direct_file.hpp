#pragma once

/// A new file that is written once, from front to back, past the page cache: while one buffer goes
/// to disk, on a thread of the file's own, the next is filled. So the data never lies dirty in
/// memory, where an fsync of somebody else's would have to wait for it.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "core/result.hpp"
#include "core/time.hpp"

namespace harbinger {

class direct_file {
public:
  static constexpr size_t buffer_bytes = 1 << 20; ///< two of them are held
  /// A buffer that took longer than slow_fill to fill goes to disk in so large pieces: there is
  /// time, and what others write waits for no more than one of them. (A piece costs processor time
  /// of its own.)
  static constexpr size_t piece_bytes = 128 << 10;
  static constexpr auto slow_fill = milliseconds(4);

  /// exists: in_use. unsupported: this file system writes through its cache only. no_space, io.
  static result<std::unique_ptr<direct_file>> create(const std::string& path);
  /// Waits until nothing is under way. What was not finished is of no use.
  ~direct_file();
  direct_file(const direct_file&) = delete;
  direct_file& operator=(const direct_file&) = delete;

  /// no_space, io: of this or of an earlier append; every later call fails alike.
  result<void> append(std::string_view bytes);
  /// Everything appended is on disk, and the file is as long as that. May be called again after
  /// more was appended.
  result<void> sync();
  uint64_t size() const { return size_; }

private:
  struct aligned_free {
    void operator()(char* p) const;
  };
  using buffer = std::unique_ptr<char[], aligned_free>;

  direct_file(int descriptor, std::string path);
  void write_buffers();
  /// One handed-over buffer. Lets go of the lock while it writes.
  result<void> write_buffer(std::unique_lock<std::mutex>& lock);
  result<void> write_at(const char* bytes, size_t count, uint64_t offset) const;
  /// Hands the full buffer over; waits for the one before it.
  result<void> hand_over();
  result<void> wait_idle();
  result<void> outcome() const;

  const int descriptor_;
  const std::string path_;
  buffer filling_, writing_;
  size_t filled_ = 0;
  uint64_t size_ = 0;
  uint64_t written_ = 0; ///< offset of what is in filling_
  time_point filling_since_ = std::chrono::steady_clock::now();

  std::mutex mutex_;
  std::condition_variable changed_;
  bool busy_ = false, over_ = false; ///< busy_: writing_ belongs to the thread
  bool in_pieces_ = false;           ///< writing_ has time; not once somebody waits for it
  uint64_t writing_at_ = 0;
  std::optional<error> failure_;
  std::thread thread_; ///< last: uses all of the above
};

} // namespace harbinger
