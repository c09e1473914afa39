#pragma once

/// Group commit: one thread that takes all writes that have come in while the last group was being
/// fsynced, and writes them as the next group. Writes, drops and rewinds take effect in the order
/// they were given.

#include <atomic>
#include <functional>
#include <memory>

#include "core/time.hpp"
#include "store/commit_meter.hpp"
#include "store/partition_store.hpp"

namespace harbinger {

enum class store_task : uint8_t { write, drop, rewind };

class store_writer {
public:
  static constexpr size_t group_writes_max = 512;
  static constexpr size_t group_bytes_max = 8 << 20;
  static constexpr size_t queued_max = 65'536; ///< beyond it submit refuses with overloaded

  struct outcome {
    uint64_t id = 0;
    store_task what = store_task::write; ///< which of the results is there
    result<store_written> written = fail(errc::cancelled);
    result<uint64_t> journalled = fail(errc::cancelled);
    result<store_rewound> rewound = fail(errc::cancelled);
  };
  /// `on_outcomes` is called on the writer's thread whenever outcomes wait to be taken; it must not
  /// block. `write_ms`, `queued` and `commits` (groups with entries, by their oldest) are kept up
  /// to date; they must outlive the writer.
  store_writer(std::shared_ptr<partition_store> store, std::function<void()> on_outcomes,
               std::atomic<double>& write_ms, std::atomic<uint64_t>& queued, commit_meter& commits);
  /// Finishes the group under way; what is still queued is not written.
  ~store_writer();
  store_writer(const store_writer&) = delete;
  store_writer& operator=(const store_writer&) = delete;

  void submit(uint64_t id, store_write write);
  void submit_drop(uint64_t id, partition_id partition, epoch_history truth);
  void submit_rewind(uint64_t id, partition_id partition, epoch_history truth);
  std::vector<outcome> take_outcomes();

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace harbinger
