#include "simulate/recorded_failures.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "history/time_text.hpp"

namespace harbinger::simulate {

namespace {

constexpr double day_ms = 86'400'000;
constexpr double together_s = 120;

failure_cause cause_of(std::string_view category) {
  if (category == "Facilities") return failure_cause::power;
  if (category == "Network") return failure_cause::rack;
  if (category == "Software") return failure_cause::firmware;
  return failure_cause::node;
}

/// "49", "49.0"; 0 for anything else.
uint32_t whole_number(std::string_view text) {
  uint32_t number = 0;
  auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return parsed.ec == std::errc{} ? number : 0;
}

struct columns {
  size_t system = 0, node = 0, start = 0, end = 0;
  std::optional<size_t> category, count;
};

result<columns> columns_of(const csv_reader& table) {
  columns c;
  for (auto [name, place] : std::initializer_list<std::pair<const char*, size_t*>>{
           {"system", &c.system}, {"node", &c.node}, {"start", &c.start}, {"end", &c.end}}) {
    auto found = table.column(name);
    if (!found) return tl::unexpected<error>(found.error());
    *place = *found;
  }
  auto optional = [&](const char* name) -> std::optional<size_t> {
    auto found = std::find(table.columns().begin(), table.columns().end(), name);
    if (found == table.columns().end()) return std::nullopt;
    return static_cast<size_t>(found - table.columns().begin());
  };
  c.category = optional("category");
  c.count = optional("n_nodes");
  return c;
}

struct window {
  const recorded_system* system = nullptr;
  int64_t from_ms = 0;
};

std::vector<window> windows_of(const failure_record& record, double days) {
  std::vector<window> all;
  auto length = static_cast<int64_t>(days * day_ms);
  for (const auto& s : record.systems)
    for (auto from = s.failures.front().start_ms; from + length <= s.failures.back().start_ms;
         from += length)
      all.push_back({&s, from});
  return all;
}

void take(const window& w, double days, uint32_t first, uint32_t nodes, uint32_t& event,
          std::vector<failure>& to) {
  auto until = w.from_ms + static_cast<int64_t>(days * day_ms);
  double last_s = -2 * together_s;
  for (const auto& f : w.system->failures) {
    if (f.start_ms < w.from_ms || f.start_ms >= until) continue;
    double at_s = static_cast<double>(f.start_ms - w.from_ms) / 1000;
    if (at_s - last_s > together_s) ++event;
    last_s = at_s;
    if (first + f.node >= nodes) continue;
    double down_s = std::max(60.0, static_cast<double>(f.end_ms - f.start_ms) / 1000);
    to.push_back({at_s, down_s, first + f.node, f.cause, event});
  }
}

} // namespace

result<failure_record> read_failure_record(const std::string& name, byte_source source) {
  auto table = csv_reader::open(name, std::move(source));
  if (!table) return tl::unexpected<error>(table.error());
  auto at = columns_of(*table);
  if (!at) return tl::unexpected<error>(at.error());
  std::map<std::string, recorded_system> systems;
  failure_record record;
  std::vector<std::string_view> fields;
  for (;;) {
    auto more = table->next(fields);
    if (!more) return tl::unexpected<error>(more.error());
    if (!*more) break;
    if (++record.rows > record_rows_most)
      return tl::unexpected<error>(table->at_line(errc::oversize, "too many rows"));
    auto start = parse_time_ms(fields[at->start], "iso8601");
    auto end = parse_time_ms(fields[at->end], "iso8601");
    auto node = whole_number(fields[at->node]);
    if (!start || !end || *end < *start || node >= 1'000'000) {
      ++record.refused;
      continue;
    }
    auto& s = systems[std::string(fields[at->system])];
    s.nodes = std::max({s.nodes, node + 1, at->count ? whole_number(fields[*at->count]) : 0});
    auto cause = at->category ? cause_of(fields[*at->category]) : failure_cause::node;
    s.failures.push_back({*start, *end, node, cause});
  }
  for (auto& [id, s] : systems) {
    s.name = id;
    std::stable_sort(s.failures.begin(), s.failures.end(),
                     [](const auto& a, const auto& b) { return a.start_ms < b.start_ms; });
    record.systems.push_back(std::move(s));
  }
  if (record.systems.empty())
    return fail(errc::invalid_argument, name + ": no failure with a start and an end");
  return record;
}

result<std::vector<failure>> failures_of(const failure_record& record, uint32_t nodes, double days,
                                         uint64_t seed) {
  auto windows = windows_of(record, days);
  if (windows.empty())
    return fail(errc::invalid_argument,
                "no system was recorded for as long as is to be simulated: fewer days");
  random_stream random(seed, chance::record);
  std::vector<failure> failures;
  uint32_t event = 0;
  size_t used = windows.size();
  for (uint32_t first = 0; first < nodes;) {
    if (used == windows.size()) {
      for (auto i = windows.size() - 1; i > 0; --i)
        std::swap(windows[i], windows[random.below(i + 1)]);
      used = 0;
    }
    const auto& w = windows[used++];
    take(w, days, first, nodes, event, failures);
    first += w.system->nodes;
    ++event;
  }
  settle(failures);
  return failures;
}

} // namespace harbinger::simulate
