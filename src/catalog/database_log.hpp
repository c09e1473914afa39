#pragma once

/// Where RocksDB's own messages go: warnings and errors to the service's log, the rest nowhere.
/// RocksDB's own log files are not written: on a full disk the second line to one ends the process
/// by an assertion (7.8, file/writable_file_writer.h), just when the service has to go on.

#include <memory>

namespace rocksdb {
class Logger;
}

namespace harbinger {

/// `database` names it in each line ("store", "catalog").
std::shared_ptr<rocksdb::Logger> make_database_log(const char* database);

} // namespace harbinger
