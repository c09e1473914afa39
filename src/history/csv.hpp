#pragma once

/// Comma-separated values as of RFC 4180: quoted fields with doubled quotes, line ends \n or \r\n,
/// a byte order mark passed over, empty lines passed over, the last line with or without its end.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace harbinger {

/// Puts up to `size` bytes at `to` and says how many; 0: the end.
using byte_source = std::function<result<size_t>(char* to, size_t size)>;
/// The bytes of a file. not_found; errors of reading come as io.
result<byte_source> read_from_file(const std::string& path);

/// Reads a table with a header line, record after record, whatever its size; holds one buffer.
/// Every error names the file and the line (`name:line: ...`).
class csv_reader {
public:
  static constexpr size_t record_bytes_max = 1 << 20; ///< longer: oversize
  static constexpr size_t columns_max = 4096;         ///< more: oversize

  /// Takes the header line. malformed: there is none, or a name stands there twice.
  static result<csv_reader> open(std::string name, byte_source source);

  const std::vector<std::string>& columns() const { return columns_; }
  /// Where the column of this name is; invalid_argument naming it, the file and what there is.
  result<size_t> column(std::string_view name) const;
  /// The next record, valid until the next call; false at the end. malformed: another number of
  /// fields than the header has (a line that was cut), a quote that is not closed or has text
  /// behind it.
  result<bool> next(std::vector<std::string_view>& fields);
  /// Of the newest record; the header is line 1.
  uint64_t line() const { return record_line_; }
  uint64_t bytes() const { return bytes_; } ///< taken from the source so far
  /// "name:line: " and the detail.
  error at_line(errc code, const std::string& detail) const;

private:
  csv_reader(std::string name, byte_source source)
      : name_(std::move(name)), source_(std::move(source)) {}
  result<bool> fill();
  result<bool> find_end(size_t& end);
  bool opens_field(size_t at) const;
  result<bool> record(std::vector<std::string_view>& fields);
  result<> split(std::string_view text, std::vector<std::string_view>& fields);

  std::string name_;
  byte_source source_;
  std::vector<std::string> columns_;
  std::string buffer_, unquoted_;
  size_t from_ = 0;
  bool ended_ = false;
  uint64_t line_ = 0, record_line_ = 0, bytes_ = 0;
};

/// Appends one field, quoted when it has to be.
void append_csv(std::string& out, std::string_view field);
/// Appends the shortest text that reads back as the same number; nothing for NaN.
void append_csv(std::string& out, double value);
void append_csv(std::string& out, int64_t value);

/// The whole text as a number, a leading + allowed; false otherwise. "nan" and "inf" are numbers.
bool read_number(std::string_view text, double& out);
bool read_number(std::string_view text, int64_t& out);

} // namespace harbinger
