#include "history/journal_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "core/digest.hpp"
#include "history/check.hpp"
#include "history/csv.hpp"

namespace harbinger::journal_text {
namespace {
constexpr std::string_view magic = "harbinger-journal";

bool has_control(std::string_view text) {
  for (char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return true;
  return false;
}

/// Fits into a field: control characters become spaces, and a character that the limit would cut
/// is left out.
std::string field_of(std::string_view text) {
  auto end = std::min(text.size(), text_bytes_max);
  if (end < text.size())
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  std::string out(text.substr(0, end));
  for (auto& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  return out;
}

std::string_view cut(std::string_view& text, char at) {
  auto end = text.find(at);
  auto out = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return out;
}

template <class T>
bool read_whole(std::string_view text, T& out) {
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
  return problem == std::errc{} && end == text.data() + text.size() && !text.empty();
}

bool read_time(std::string_view text, int64_t& out) {
  return read_whole(text, out) && out >= -history_limits::time_ms_max
         && out <= history_limits::time_ms_max;
}

class segment_parser {
public:
  result<segment> read(std::string_view text) {
    if (auto ok = begin(cut(text, '\n')); !ok) return tl::unexpected(ok.error());
    while (!text.empty()) {
      bool whole = text.find('\n') != std::string_view::npos;
      auto line = cut(text, '\n');
      if (!whole || !take(line)) ++out_.lines_lost;
    }
    return std::move(out_);
  }

private:
  result<> begin(std::string_view line) {
    int stated = 0;
    if (cut(line, '\t') != magic || !read_whole(cut(line, '\t'), stated))
      return fail(errc::malformed, "no journal");
    if (stated != version)
      return fail(errc::unsupported, "version " + std::to_string(stated) + " of the journal; this "
                                         + "program reads version " + std::to_string(version));
    if (!read_time(cut(line, '\t'), out_.opened_ms) || !read_whole(line, out_.session))
      return fail(errc::malformed, "the first line of the journal");
    return {};
  }

  bool take(std::string_view line) {
    if (is_row(line)) return row(line);
    if (auto m = read_mark(line)) {
      out_.marks.push_back({out_.rows.size(), std::move(*m)});
      return true;
    }
    auto what = cut(line, '\t');
    if (what == "metrics") return metrics(line);
    return what == "life" && life(line);
  }

  bool metrics(std::string_view line) {
    size_t list = 0;
    if (!read_whole(cut(line, '\t'), list) || list != out_.lists.size() || list >= lists_max)
      return false;
    std::vector<metric_spec> specs;
    while (!line.empty()) {
      auto name = cut(line, '\t');
      auto kind = parse_enum<metric_kind>(cut(name, ':'));
      if (!kind || !usable_metric(name) || specs.size() >= history_limits::metrics_max)
        return false;
      specs.push_back({std::string(name), *kind});
    }
    out_.lists.push_back(std::move(specs));
    return true;
  }

  bool life(std::string_view line) {
    size_t number = 0;
    segment::life one;
    if (!read_whole(cut(line, '\t'), number) || number >= lives_max) return false;
    one.node.value = cut(line, '\t');
    if (!valid_node_id(one.node.value) || !read_whole(cut(line, '\t'), one.id.value)
        || !read_whole(line, one.list) || one.list >= out_.lists.size())
      return false;
    if (number >= current_.size()) current_.resize(number + 1, none);
    current_[number] = out_.lives.size();
    out_.lives.push_back(std::move(one));
    return true;
  }

  bool row(std::string_view line) {
    size_t number = 0;
    segment::row one;
    auto tabs = static_cast<size_t>(std::count(line.begin(), line.end(), '\t'));
    if (!read_whole(cut(line, '\t'), number) || number >= current_.size()
        || current_[number] == none)
      return false;
    one.life = current_[number];
    if (!read_time(cut(line, '\t'), one.time_ms) || !read_time(cut(line, '\t'), one.arrived_ms))
      return false;
    auto width = out_.lists[out_.lives[one.life].list].size();
    if (tabs != width + 2) return false;
    one.values.reserve(width);
    for (size_t i = 0; i < width; ++i) {
      auto text = cut(line, '\t');
      double value = std::numeric_limits<double>::quiet_NaN();
      if (!text.empty() && (!read_number(text, value) || !std::isfinite(value))) return false;
      one.values.push_back(value);
    }
    out_.rows.push_back(std::move(one));
    return true;
  }

  static constexpr size_t none = SIZE_MAX;
  segment out_;
  std::vector<size_t> current_; ///< number of a life to index
};
} // namespace

bool usable_metric(std::string_view name) {
  return !name.empty() && name.size() <= history_limits::name_bytes_max && !has_control(name)
         && name != "node" && name != "time_ms" && name != "arrived_ms";
}

std::string format_line(int64_t opened_ms, uint64_t session) {
  return std::string(magic) + '\t' + std::to_string(version) + '\t' + std::to_string(opened_ms)
         + '\t' + std::to_string(session) + '\n';
}

std::string metrics_line(size_t list, const std::vector<metric_spec>& metrics) {
  auto out = "metrics\t" + std::to_string(list);
  for (const auto& m : metrics) out += '\t' + std::string(name_of(m.kind)) + ':' + m.name;
  return out + '\n';
}

std::string life_line(size_t number, const node_id& node, incarnation life, size_t list) {
  return "life\t" + std::to_string(number) + '\t' + node.value + '\t' + std::to_string(life.value)
         + '\t' + std::to_string(list) + '\n';
}

void append_row(std::string& out, size_t life, int64_t time_ms, int64_t arrived_ms,
                std::span<const double> row, std::span<const size_t> columns) {
  append_csv(out, static_cast<int64_t>(life));
  out += '\t';
  append_csv(out, time_ms);
  out += '\t';
  append_csv(out, arrived_ms);
  for (auto column : columns) {
    out += '\t';
    if (std::isfinite(row[column])) append_csv(out, row[column]);
  }
  out += '\n';
}

std::string mark_line(const mark& m) {
  auto out = std::string(name_of(m.what)) + '\t';
  if (m.what != mark_kind::until) out += m.node.value + '\t' + std::to_string(m.life.value) + '\t';
  out += std::to_string(m.time_ms);
  if (m.what == mark_kind::failed || m.what == mark_kind::note) out += '\t' + field_of(m.text);
  return out + '\n';
}

std::string end_line(std::string_view text) { return "end\t" + hex64(checksum64(text)) + '\n'; }

std::optional<mark> read_mark(std::string_view line) {
  mark out;
  auto kind = parse_enum<mark_kind>(cut(line, '\t'));
  if (!kind) return std::nullopt;
  out.what = *kind;
  if (out.what != mark_kind::until) {
    out.node.value = cut(line, '\t');
    if (!valid_node_id(out.node.value) || !read_whole(cut(line, '\t'), out.life.value))
      return std::nullopt;
  }
  if (!read_time(cut(line, '\t'), out.time_ms) || has_control(line)) return std::nullopt;
  out.text = line.substr(0, text_bytes_max);
  return out;
}

result<segment> read_segment(std::string_view text) { return segment_parser().read(text); }

result<std::string_view> verified(std::string_view text) {
  auto begin = text.size() < 2 ? std::string_view::npos : text.rfind('\n', text.size() - 2);
  if (begin == std::string_view::npos) return fail(errc::checksum, "it has no end");
  auto body = text.substr(0, begin + 1);
  if (text.substr(begin + 1) != end_line(body)) return fail(errc::checksum, "damaged");
  return body;
}

} // namespace harbinger::journal_text
