#include "actors/show_what_if.hpp"

#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

namespace harbinger {
namespace {

using kill_json = nlohmann::json;

template <class T>
kill_json kill_or_null(const std::optional<T>& value) {
  return value ? kill_json(*value) : kill_json(nullptr);
}

recovery::kill_assumptions assumptions_of(const settings& config) {
  recovery::kill_assumptions out;
  const auto& r = config.recovery;
  out.detect_ms = r.silence_min_ms + r.probe_timeout_ms;
  if (config.prefetch.rate_bytes_per_s > 0)
    out.bytes_per_s = static_cast<double>(config.prefetch.rate_bytes_per_s);
  out.flush_ms = config.mass_storage.flush_ms;
  out.copies_at_once = config.prefetch.concurrent_max;
  out.copies_per_node = config.prefetch.concurrent_per_node_max;
  out.rebuild_after_s = r.rebuild_after_s;
  return out;
}

kill_json kill_table(const recovery::kill_forecast& forecast, size_t limit) {
  auto rows = kill_json::array();
  for (const auto& r : forecast.rows) {
    if (rows.size() >= limit) break;
    rows.push_back({to_string(r.partition), name_of(r.way), r.server.value,
                    kill_or_null(r.served_ms), kill_or_null(r.lost_batches),
                    kill_or_null(r.lost_bytes), kill_or_null(r.lost_ms), kill_or_null(r.whole_ms),
                    r.text});
  }
  return {{"columns",
           {"partition", "way", "serves", "served_ms", "lost_batches", "lost_bytes", "lost_ms",
            "whole_ms", "if_they_die"}},
          {"rows", std::move(rows)}};
}

kill_json kill_document(const recovery::kill_forecast& f, size_t limit) {
  auto killed = kill_json::array(), lines = kill_json::array({f.summary});
  for (const auto& id : f.killed) killed.push_back(id.value);
  for (const auto& note : f.notes) lines.push_back(note);
  if (f.rows.size() > limit)
    lines.push_back("The worst " + std::to_string(limit) + " of " + std::to_string(f.rows.size())
                    + " partitions:");
  return {{"killed", std::move(killed)},
          {"partitions", f.partitions},
          {"at_once", f.at_once},
          {"late", f.late},
          {"late_by_hand", f.late_by_hand},
          {"lost", f.lost},
          {"copies_only", f.copies_only},
          {"worst_served_ms", kill_or_null(f.worst_served_ms)},
          {"worst_lost_ms", kill_or_null(f.worst_lost_ms)},
          {"worst_lost_batches", f.worst_lost_batches},
          {"lines", std::move(lines)},
          {"table", kill_table(f, limit)}};
}

} // namespace

show_reply show_what_if(const recovery::recovery_desk& desk, const settings& config,
                        std::vector<std::string> words, time_point now) {
  constexpr size_t limit_usual = 50, limit_max = 10'000;
  size_t limit = limit_usual;
  if (auto option = std::find(words.begin(), words.end(), "--limit"); option != words.end()) {
    auto value = option + 1 == words.end() ? std::string{} : *(option + 1);
    auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), limit);
    if (problem != std::errc{} || end != value.data() + value.size() || limit > limit_max)
      return {fail(errc::invalid_argument, "--limit: 0 to 10000, not \"" + value + "\"")};
    words.erase(option, option + 2);
  }
  if (words.size() < 2 || words[0] != "kill")
    return {fail(errc::invalid_argument, "usage: whatif kill NODE|ATTRIBUTE=VALUE... [--limit N]")};
  if (!desk.view().ready()) return {fail(errc::unavailable, "the catalog has not come yet")};
  words.erase(words.begin());
  auto nodes = recovery::nodes_named(desk.view(), words);
  if (!nodes) return {tl::unexpected<error>(nodes.error())};
  auto forecast = desk.what_if(*nodes, assumptions_of(config), now);
  return {kill_document(forecast, limit).dump(-1, ' ', false, kill_json::error_handler_t::replace)};
}

} // namespace harbinger
