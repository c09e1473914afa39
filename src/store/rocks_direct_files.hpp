#pragma once

/// RocksDB writes its new files as direct_files do. Internal, like every rocks_*.hpp.

#include <memory>

#include <rocksdb/env.h>

namespace harbinger::rocks {

/// An environment like `base`, which must outlive it, except that every file made new is a
/// direct_file where the file system can have one.
std::unique_ptr<rocksdb::Env> make_direct_env(rocksdb::Env& base);

} // namespace harbinger::rocks
