#include "history/csv.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <memory>

#include "core/listed.hpp"

namespace harbinger {
namespace {
constexpr size_t piece_bytes = 256 * 1024;

/// So much of a text as an error may hold.
std::string shortened(const std::string& text) {
  constexpr size_t bytes_max = 400;
  return text.size() <= bytes_max ? text : text.substr(0, bytes_max) + " ...";
}

template <class Number>
void append_number(std::string& out, Number value) {
  std::array<char, 40> text;
  auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  out.append(text.data(), end);
}

template <class Number>
bool read_whole(std::string_view text, Number& out) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  auto end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, out);
  return error == std::errc{} && stop == end && !text.empty();
}
} // namespace

result<byte_source> read_from_file(const std::string& path) {
  auto in = std::make_shared<std::ifstream>(path, std::ios::binary);
  if (!*in) return fail(errc::not_found, path);
  return [in, path](char* to, size_t size) -> result<size_t> {
    in->read(to, static_cast<std::streamsize>(size));
    if (in->bad()) return fail(errc::io, "cannot read " + path);
    return static_cast<size_t>(in->gcount());
  };
}

error csv_reader::at_line(errc code, const std::string& detail) const {
  return {code, name_ + ':' + std::to_string(record_line_) + ": " + detail};
}

result<csv_reader> csv_reader::open(std::string name, byte_source source) {
  csv_reader out(std::move(name), std::move(source));
  std::vector<std::string_view> fields;
  auto more = out.record(fields);
  if (!more) return tl::unexpected(more.error());
  if (!*more)
    return tl::unexpected(error{errc::malformed, out.name_ + ": empty, not even a header line"});
  out.columns_.assign(fields.begin(), fields.end());
  auto sorted = out.columns_;
  std::sort(sorted.begin(), sorted.end());
  auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end())
    return tl::unexpected(out.at_line(errc::malformed, "two columns are named '" + *twice + "'"));
  return out;
}

result<size_t> csv_reader::column(std::string_view name) const {
  auto found = std::find(columns_.begin(), columns_.end(), name);
  if (found == columns_.end())
    return fail(errc::invalid_argument, "column '" + std::string(name) + "' is not in " + name_
                                            + ", which has " + shortened(listed(columns_)));
  return static_cast<size_t>(found - columns_.begin());
}

result<bool> csv_reader::fill() {
  if (ended_) return false;
  buffer_.erase(0, from_);
  from_ = 0;
  auto old = buffer_.size();
  buffer_.resize(old + piece_bytes);
  auto got = source_(buffer_.data() + old, piece_bytes);
  buffer_.resize(old + (got ? *got : 0));
  if (!got) return tl::unexpected(got.error());
  bytes_ += *got;
  ended_ = *got == 0;
  return !ended_;
}

/// A quote elsewhere than at the front of a field (or behind another quote, which makes it one
/// character) is text like any other.
bool csv_reader::opens_field(size_t at) const {
  if (at == 0) return true;
  char before = buffer_[from_ + at - 1];
  return before == ',' || before == '"' || before == '\n'
         || (line_ == 0 && at == 3 && before == '\xBF');
}

/// `end`: of the record that begins at from_, its line end not included. False: nothing is left.
result<bool> csv_reader::find_end(size_t& end) {
  size_t looked = 0; // behind from_, which fill() moves
  bool quoted = false;
  record_line_ = line_ + 1;
  for (;;) {
    while (from_ + looked < buffer_.size()) {
      char c = buffer_[from_ + looked];
      if (c == '\n') {
        ++line_;
        if (!quoted) {
          end = from_ + looked;
          return true;
        }
      } else if (c == '"') {
        quoted = !quoted && opens_field(looked);
      }
      ++looked;
    }
    if (looked > record_bytes_max)
      return tl::unexpected(at_line(errc::oversize, quoted ? "a quote is not closed"
                                                           : "a record of more than 1 MiB"));
    auto more = fill();
    if (!more) return more;
    if (*more) continue;
    if (quoted) return tl::unexpected(at_line(errc::malformed, "a quote is not closed"));
    end = from_ + looked;
    if (looked > 0) ++line_;
    return looked > 0;
  }
}

result<> csv_reader::split(std::string_view text, std::vector<std::string_view>& fields) {
  fields.clear();
  unquoted_.clear();
  unquoted_.reserve(text.size()); // so that views into it stay
  size_t at = 0;
  for (;;) {
    if (fields.size() == columns_max)
      return tl::unexpected(at_line(errc::oversize, "more than 4096 columns"));
    if (at < text.size() && text[at] == '"') {
      auto begin = unquoted_.size();
      for (++at; at < text.size(); ++at) {
        if (text[at] == '"' && (at + 1 >= text.size() || text[at + 1] != '"')) break;
        if (text[at] == '"') ++at;
        unquoted_ += text[at];
      }
      ++at;
      if (at < text.size() && text[at] != ',')
        return tl::unexpected(at_line(errc::malformed, "text behind a closing quote"));
      fields.push_back(std::string_view(unquoted_).substr(begin));
    } else {
      auto stop = std::min(text.find(',', at), text.size());
      fields.push_back(text.substr(at, stop - at));
      at = stop;
    }
    if (at >= text.size()) return {};
    ++at;
  }
}

result<bool> csv_reader::record(std::vector<std::string_view>& fields) {
  for (;;) {
    size_t end = 0;
    auto more = find_end(end);
    if (!more || !*more) return more;
    std::string_view text(buffer_.data() + from_, end - from_);
    from_ = std::min(end + 1, buffer_.size());
    if (record_line_ == 1 && text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
    if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
    if (text.empty()) continue;
    if (auto done = split(text, fields); !done) return tl::unexpected(done.error());
    return true;
  }
}

result<bool> csv_reader::next(std::vector<std::string_view>& fields) {
  auto more = record(fields);
  if (!more || !*more || fields.size() == columns_.size()) return more;
  return tl::unexpected(at_line(errc::malformed, std::to_string(fields.size())
                                                     + " fields, where the header has "
                                                     + std::to_string(columns_.size())));
}

void append_csv(std::string& out, std::string_view field) {
  if (field.find_first_of(",\"\r\n") == std::string_view::npos) {
    out += field;
    return;
  }
  out += '"';
  for (char c : field) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}
void append_csv(std::string& out, double value) {
  if (!std::isnan(value)) append_number(out, value);
}
void append_csv(std::string& out, int64_t value) { append_number(out, value); }

bool read_number(std::string_view text, double& out) { return read_whole(text, out); }
bool read_number(std::string_view text, int64_t& out) { return read_whole(text, out); }

} // namespace harbinger
