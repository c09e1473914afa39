#include "explain/when.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "history/time_text.hpp"

namespace harbinger::explain {
namespace {

constexpr int64_t day_ms = 86'400'000;
constexpr size_t digits_of_ms = 12; ///< as seconds that would be the year 5138 or later
constexpr size_t text_max = 64;

bool only_digits(const std::string& text) {
  return !text.empty() && text.size() <= 18
         && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<int64_t> parse_number(const std::string& text) {
  if (!only_digits(text)) return std::nullopt;
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.size() < digits_of_ms) value *= 1000;
  return value;
}

/// "10m ago", "-10m".
std::optional<int64_t> parse_ago(std::string text, int64_t now_ms) {
  constexpr std::string_view ago = " ago";
  if (text.ends_with(ago))
    text.resize(text.size() - ago.size());
  else if (text.starts_with('-'))
    text.erase(0, 1);
  else
    return std::nullopt;
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end()); // "10 min ago"
  if (text.ends_with('m')) text += "in";
  auto duration = parse_duration_ms(text);
  if (!duration) return std::nullopt;
  return now_ms - *duration;
}

/// "03:04", "03:04:05".
std::optional<int64_t> parse_time_of_day(const std::string& text, int64_t now_ms) {
  if (text.size() < 4 || text.size() > 12 || text.find(':') > 2) return std::nullopt;
  auto midnight = now_ms - now_ms % day_ms;
  auto date = time_text(midnight).substr(0, 10);
  auto time = parse_time_ms(date + 'T' + text, "iso8601");
  if (!time) return std::nullopt;
  return *time <= now_ms ? *time : *time - day_ms;
}

} // namespace

result<int64_t> parse_when(std::string text, int64_t now_ms) {
  auto refused = [&](const std::string& why) {
    return fail(errc::invalid_argument, "'" + text.substr(0, text_max) + "' " + why);
  };
  std::optional<int64_t> found;
  if (text == "now") found = now_ms;
  if (!found) found = parse_number(text);
  if (!found && text.size() <= text_max) found = parse_ago(text, now_ms);
  if (!found && text.size() <= text_max) found = parse_time_of_day(text, now_ms);
  if (!found && text.size() <= text_max)
    if (auto date = parse_time_ms(text, "iso8601")) found = *date;
  if (!found)
    return refused("is no time: 2026-11-28T03:04:05Z, 03:04 (UTC), 10m ago, -10m, or seconds or "
                   "milliseconds since 1970");
  if (*found > now_ms) return refused("is in the future");
  return *found;
}

std::string rough_duration(int64_t ms) {
  auto whole = [](int64_t value, const char* unit) { return std::to_string(value) + unit; };
  if (ms < 0) return "-" + rough_duration(-ms);
  if (ms < 1000) return whole(ms, " ms");
  if (ms < 120'000) return whole(ms / 1000, " s");
  if (ms < 7'200'000) return whole(ms / 60'000, " min");
  return ms < 2 * day_ms ? whole(ms / 3'600'000, " h") : whole(ms / day_ms, " d");
}

} // namespace harbinger::explain
