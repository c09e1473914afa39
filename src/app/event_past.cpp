#include "app/event_past.hpp"

#include <charconv>

#include <nlohmann/json.hpp>

#include "app/event_files.hpp"
#include "app/event_log.hpp"
#include "explain/when.hpp"
#include "history/time_text.hpp"

namespace harbinger::event_past {
namespace {

using json = nlohmann::ordered_json;

constexpr const char* usage = "usage: explain node NODE | zone ID | partition PARTITION --at TIME";

std::optional<explain::topic> parse_topic(const std::string& kind, const std::string& name) {
  if (kind == "node" && valid_node_id(name)) return node_id{name};
  if (kind == "partition") {
    auto id = parse_partition_id(name);
    return id ? std::optional<explain::topic>(*id) : std::nullopt;
  }
  uint64_t number = 0;
  auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), number);
  bool whole = problem == std::errc{} && end == name.data() + name.size();
  if (kind == "zone" && whole) return zone_id{number};
  return std::nullopt;
}

/// Both journals in the order of time, and how far the one of events reaches.
void fold(const std::string& state_dir, const catalog_part& catalog, explain::picture& into,
          explain::known_bounds& bounds) {
  auto change = catalog.changes.begin();
  auto take_changes = [&](int64_t until_ms) {
    for (; change != catalog.changes.end() && change->time.value <= until_ms; ++change)
      into.take(*change);
  };
  uint64_t last_id = 0;
  bool first = true;
  bounds.segments_lost = event_files::each_line(state_dir, 0, [&](std::string_view line) {
    if (!first && !explain::may_concern(into.asked().about, line)) return true;
    auto e = event_files::parse_line(line);
    if (!e || e->id <= last_id) return true; // cut by a crash, or read twice
    if (first) {
      bounds.events_since_ms = e->time.value;
      bounds.events_whole = e->id == 1;
    }
    first = false;
    last_id = e->id;
    take_changes(e->time.value);
    into.take(*e);
    return true;
  });
  take_changes(std::numeric_limits<int64_t>::max());
}

json json_of(const event& e) {
  return {{"id", e.id},           {"time", e.time.value}, {"kind", e.kind},
          {"subject", e.subject}, {"text", e.text},       {"fields", e.fields}};
}

json names_of(const std::vector<node_id>& ids) {
  json list = json::array();
  for (const auto& id : ids) list.push_back(id.value);
  return list;
}

json json_of(const explain::zone_then& z) {
  return {{"zone", z.id.value},
          {"domain", z.domain},
          {"members", names_of(z.members)},
          {"exposed", names_of(z.exposed)},
          {"probability", z.probability},
          {"joint_probability", z.joint_probability},
          {"reasons", z.reasons},
          {"formed", z.formed_ms},
          {"ended", z.ended_ms},
          {"doubtful", z.doubtful}};
}

json json_of(const explain::copy_then& c) {
  return {{"target", c.target},  {"source", c.source},    {"state", name_of(c.state)},
          {"begun", c.began_ms}, {"ready", c.ready_ms},   {"ended", c.ended_ms},
          {"reason", c.reason},  {"rejected", c.rejected}};
}

template <class List>
json listed(const List& list) {
  json out = json::array();
  for (const auto& each : list) out.push_back(json_of(each));
  return out;
}

json document(const explain::picture& then, const explain::known_bounds& bounds,
              const explain::account& account) {
  json zones = json::array(), copies = listed(then.ended_copies());
  for (const auto& [id, z] : then.zones()) zones.push_back(json_of(z));
  for (const auto& [target, c] : then.copies()) copies.push_back(json_of(c));
  json out{{"about", explain::to_string(then.asked().about)},
           {"at", then.asked().at_ms},
           {"journal_begins", bounds.events_since_ms},
           {"row", account.row},
           {"zones", std::move(zones)},
           {"ended_zones", listed(then.ended_zones())},
           {"copies", std::move(copies)},
           {"events", listed(then.told())},
           {"not_known", account.not_known},
           {"lines", account.lines}};
  if (then.decision()) out["decision"] = json_of(*then.decision());
  return out;
}

} // namespace

result<explain::question> parse_question(const std::vector<std::string>& words, int64_t now_ms) {
  if (words.size() < 4 || words[2] != "--at") return fail(errc::invalid_argument, usage);
  auto about = parse_topic(words[0], words[1]);
  if (!about)
    return fail(errc::invalid_argument,
                "\"" + words[0] + " " + words[1] + "\" is no topic; " + usage);
  std::string time;
  for (size_t i = 3; i < words.size(); ++i) time += (time.empty() ? "" : " ") + words[i];
  auto at_ms = explain::parse_when(time, now_ms);
  if (!at_ms) return tl::unexpected<error>(at_ms.error());
  return explain::question{*about, *at_ms};
}

result<std::string> explain_at(const std::string& state_dir, const explain::question& asked,
                               const catalog_part& catalog, int64_t now_ms) {
  explain::picture then(asked);
  explain::known_bounds bounds;
  bounds.now_ms = now_ms;
  bounds.catalog_since_ms = catalog.since_ms;
  bounds.catalog_whole = catalog.whole;
  bounds.row_now = catalog.row_now;
  fold(state_dir, catalog, then, bounds);
  auto account = explain::in_words(then, bounds);
  if (!account) return tl::unexpected<error>(account.error());
  return document(then, bounds, *account).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string list_between(const std::string& state_dir, uint64_t since, size_t limit,
                         int64_t from_ms, int64_t to_ms) {
  limit = std::min(limit, event_log::listed_max);
  std::vector<event> found;
  uint64_t last_id = since;
  event_files::each_line(state_dir, from_ms, [&](std::string_view line) {
    auto e = event_files::parse_line(line);
    if (!e || e->id <= last_id || e->time.value < from_ms || e->time.value > to_ms) return true;
    last_id = e->id;
    found.push_back(std::move(*e));
    return found.size() < limit;
  });
  std::vector<const event*> rows;
  for (const auto& e : found) rows.push_back(&e);
  return events_document(rows);
}

} // namespace harbinger::event_past
