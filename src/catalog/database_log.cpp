#include "catalog/database_log.hpp"

#include <array>
#include <cstdarg>
#include <cstdio>

#include <rocksdb/env.h>
#include <spdlog/spdlog.h>

namespace harbinger {
namespace {

class database_log : public rocksdb::Logger {
public:
  explicit database_log(const char* database)
      : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL), database_(database) {}

  using rocksdb::Logger::Logv;
  void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    if (level >= GetInfoLogLevel()) write(level, format, arguments);
  }
  void Logv(const char*, va_list) override {} // header lines

private:
  void write(rocksdb::InfoLogLevel level, const char* format, va_list arguments) {
    std::array<char, 512> text{};
    std::vsnprintf(text.data(), text.size(), format, arguments);
    bool warning = level == rocksdb::InfoLogLevel::WARN_LEVEL;
    spdlog::log(warning ? spdlog::level::warn : spdlog::level::err,
                "database_says database={} text=\"{}\"", database_, text.data());
  }

  const char* database_;
};

} // namespace

std::shared_ptr<rocksdb::Logger> make_database_log(const char* database) {
  return std::make_shared<database_log>(database);
}

} // namespace harbinger
