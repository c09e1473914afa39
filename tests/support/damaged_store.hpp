#pragma once

/// Damage behind a store's back: its database, closed, is opened by RocksDB itself and a record is
/// changed without the head's knowledge.

#include <memory>
#include <optional>
#include <string>

#include <boost/test/unit_test.hpp>
#include <rocksdb/db.h>

#include "core/ids.hpp"
#include "store/keys.hpp"

namespace harbinger::testing {

/// Sets, or without `value` removes, a record of a store that nobody has open.
inline void damage_record(const std::string& directory, partition_id partition,
                          const std::string& key, const std::optional<std::string>& value) {
  rocksdb::DB* raw = nullptr;
  auto opened = rocksdb::DB::Open(rocksdb::Options{}, directory, &raw);
  BOOST_REQUIRE_MESSAGE(opened.ok(), opened.ToString());
  std::unique_ptr<rocksdb::DB> db(raw);
  auto place = keys::record(partition, key);
  auto done = value ? db->Put(rocksdb::WriteOptions{}, place, *value)
                    : db->Delete(rocksdb::WriteOptions{}, place);
  BOOST_REQUIRE_MESSAGE(done.ok(), done.ToString());
}

} // namespace harbinger::testing
