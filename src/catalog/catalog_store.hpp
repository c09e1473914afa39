#pragma once

/// The catalog on disk: RocksDB, every commit synced before it returns, so that what was answered
/// survives kill -9.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "catalog/catalog_view.hpp"
#include "catalog/change_group.hpp"
#include "core/result.hpp"
#include "messages/events.hpp"

namespace harbinger {

/// What is kept of the changes of one row.
struct row_journal {
  std::vector<event> changes; ///< oldest first; fields: row_fields.hpp
  unix_ms since;              ///< of the oldest change that is kept of any row
  bool whole = false;         ///< no change was ever let go
};

/// Not thread-safe, but for what says so; one owner at a time (catalog_keeper).
class catalog_store {
public:
  static constexpr uint64_t journal_max = 100'000; ///< changes kept; the oldest go

  /// Opens or creates the database and begins a new term: the stored one plus one, durable before
  /// this returns. in_use: locked by another process; io; malformed: rows that do not decode.
  static result<std::shared_ptr<catalog_store>> open(const std::string& directory);
  ~catalog_store();
  catalog_store(const catalog_store&) = delete;
  catalog_store& operator=(const catalog_store&) = delete;

  /// The term of this life of the centre.
  harbinger::term term() const;
  /// Everything as stored, at term().
  result<catalog_view> load() const;
  /// Makes the rows of a delta, its revision and a line of the journal durable, all or nothing.
  /// `why` is the reason, `subject` the row's name. no_space or io: nothing is stored.
  result<void> commit(const partition_map& delta, const std::string& subject,
                      const std::string& why);
  /// The same for a group of changes, with a line of the journal for each: one synced write.
  result<void> commit(const partition_map& delta, const std::vector<catalog::change_note>& notes);
  /// The newest changes, newest first: event.kind "catalog_change", id the journal's number.
  result<std::vector<event>> journal(size_t limit) const;
  /// The changes of a partition ("1.17") or a node. From any thread; reads the whole journal.
  result<row_journal> journal_of(const std::string& subject) const;
  /// As it is stored now. From any thread.
  result<std::optional<partition_row>> stored_partition(partition_id id) const;

private:
  struct impl;
  explicit catalog_store(std::unique_ptr<impl> impl);
  std::unique_ptr<impl> impl_;
};

} // namespace harbinger
