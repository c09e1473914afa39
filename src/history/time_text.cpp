#include "history/time_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace harbinger {
namespace {
constexpr std::array<std::pair<std::string_view, int64_t>, 5> units{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"min", 60'000}, {"s", 1000}, {"ms", 1}}};
constexpr std::array<std::string_view, 12> months{"jan", "feb", "mar", "apr", "may", "jun",
                                                  "jul", "aug", "sep", "oct", "nov", "dec"};

struct clock_fields {
  int year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0, millisecond = 0;
  int offset_min = 0;
};

/// Takes what it understands off the front of a text; false and nothing taken otherwise.
class scanner {
public:
  explicit scanner(std::string_view text) : rest_(text) {}
  bool done() const { return rest_.empty(); }
  bool literal(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool number(int& out, size_t digits_max, int from, int to) {
    size_t n = 0;
    int value = 0;
    while (n < rest_.size() && n < digits_max && rest_[n] >= '0' && rest_[n] <= '9')
      value = value * 10 + (rest_[n++] - '0');
    if (n == 0 || value < from || value > to) return false;
    out = value;
    rest_.remove_prefix(n);
    return true;
  }
  bool month_name(int& out) {
    if (rest_.size() < 3) return false;
    std::string name(rest_.substr(0, 3));
    for (auto& c : name)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    auto found = std::find(months.begin(), months.end(), name);
    if (found == months.end()) return false;
    out = static_cast<int>(found - months.begin()) + 1;
    rest_.remove_prefix(3);
    return true;
  }
  /// ".123456": digits past the third are dropped.
  void fraction(int& millisecond) {
    if (rest_.size() < 2 || rest_[0] != '.' || rest_[1] < '0' || rest_[1] > '9') return;
    rest_.remove_prefix(1);
    millisecond = 0;
    int weight = 100;
    while (!rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9') {
      millisecond += (rest_[0] - '0') * weight;
      weight /= 10;
      rest_.remove_prefix(1);
    }
  }

private:
  std::string_view rest_;
};

bool scan_field(scanner& in, char what, clock_fields& out) {
  switch (what) {
  case 'Y': return in.number(out.year, 4, 1000, 9999);
  case 'y':
    if (!in.number(out.year, 2, 0, 99)) return false;
    out.year += out.year >= 69 ? 1900 : 2000;
    return true;
  case 'm': return in.number(out.month, 2, 1, 12);
  case 'b': return in.month_name(out.month);
  case 'd': return in.number(out.day, 2, 1, 31);
  case 'H': return in.number(out.hour, 2, 0, 23);
  case 'M': return in.number(out.minute, 2, 0, 59);
  case 'S':
    if (!in.number(out.second, 2, 0, 59)) return false;
    in.fraction(out.millisecond);
    return true;
  case '%': return in.literal('%');
  default: return false;
  }
}

bool scan_format(scanner& in, std::string_view format, clock_fields& out) {
  for (size_t i = 0; i < format.size(); ++i) {
    bool field = format[i] == '%' && i + 1 < format.size();
    if (field ? !scan_field(in, format[++i], out) : !in.literal(format[i])) return false;
  }
  return true;
}

bool scan_iso(scanner& in, clock_fields& out) {
  if (!scan_format(in, "%Y-%m-%d", out)) return false;
  if (in.done()) return true;
  if (!in.literal('T') && !in.literal(' ')) return false;
  if (!scan_format(in, "%H:%M", out)) return false;
  if (in.literal(':') && !scan_field(in, 'S', out)) return false;
  if (in.done() || in.literal('Z')) return true;
  int sign = in.literal('+') ? 1 : in.literal('-') ? -1 : 0;
  int hours = 0, minutes = 0;
  if (sign == 0 || !in.number(hours, 2, 0, 14)) return false;
  in.literal(':');
  if (!in.done() && !in.number(minutes, 2, 0, 59)) return false;
  out.offset_min = sign * (hours * 60 + minutes);
  return true;
}
} // namespace

int64_t unit_ms(std::string_view unit) {
  for (const auto& [name, ms] : units)
    if (name == unit) return ms;
  return 0;
}

result<int64_t> parse_duration_ms(std::string_view text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  auto unit = unit_ms(text.substr(static_cast<size_t>(end - text.data())));
  double ms = value * static_cast<double>(unit);
  if (error != std::errc{} || unit == 0 || !(ms >= 0 && ms < 1e15))
    return fail(errc::invalid_argument, "'" + std::string(text)
                                            + "' is no duration: a number and ms, s, min, h or d, "
                                              "such as 30min");
  return static_cast<int64_t>(std::llround(ms));
}

std::string duration_text(int64_t ms) {
  if (ms == 0) return "0s";
  for (const auto& [name, length] : units)
    if (ms % length == 0) return std::to_string(ms / length) + std::string(name);
  return std::to_string(ms) + "ms";
}

result<int64_t> parse_time_ms(std::string_view text, std::string_view format) {
  scanner in(text);
  clock_fields f;
  bool fits = format == "iso8601" ? scan_iso(in, f) : scan_format(in, format, f);
  std::chrono::year_month_day day{std::chrono::year{f.year},
                                  std::chrono::month{static_cast<unsigned>(f.month)},
                                  std::chrono::day{static_cast<unsigned>(f.day)}};
  if (!fits || !in.done() || !day.ok())
    return fail(errc::invalid_argument,
                "'" + std::string(text) + "' is no time of the form " + std::string(format));
  int64_t days = std::chrono::sys_days{day}.time_since_epoch().count();
  int64_t minutes = (days * 24 + f.hour) * 60 + f.minute - f.offset_min;
  return (minutes * 60 + f.second) * 1000 + f.millisecond;
}

std::string time_text(int64_t time_ms) {
  using namespace std::chrono;
  auto at = sys_time<milliseconds>{milliseconds{time_ms}};
  auto midnight = floor<days>(at);
  year_month_day day{midnight};
  auto rest = (at - midnight).count();
  std::array<char, 80> out{};
  int n = std::snprintf(out.data(), out.size(), "%04d-%02u-%02uT%02d:%02d:%02d",
                        static_cast<int>(day.year()), static_cast<unsigned>(day.month()),
                        static_cast<unsigned>(day.day()), static_cast<int>(rest / 3'600'000),
                        static_cast<int>(rest / 60'000 % 60), static_cast<int>(rest / 1000 % 60));
  std::string text(out.data(), static_cast<size_t>(n));
  if (rest % 1000 != 0) {
    n = std::snprintf(out.data(), out.size(), ".%03d", static_cast<int>(rest % 1000));
    text.append(out.data(), static_cast<size_t>(n));
  }
  return text + 'Z';
}

} // namespace harbinger
