#include "zones/maintenance_book.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "history/time_text.hpp"

namespace harbinger {
namespace {

constexpr int file_format = 1;
constexpr auto start_usage = "usage: maintenance start NODE --in TIME [--for TIME] [--reason TEXT]";

/// "30m" is what people write; elsewhere it is "30min".
result<int64_t> parse_span_ms(const std::string& option, const std::string& word) {
  bool minutes = word.size() > 1 && word.ends_with('m');
  auto span = parse_duration_ms(minutes ? word + "in" : word);
  if (!span)
    return fail(errc::invalid_argument,
                option + " \"" + word + "\" is not a time such as 90s, 30m, 2h, 1d");
  if (static_cast<double>(*span) > 1000 * maintenance_book::ahead_max_s)
    return fail(errc::invalid_argument, option + " \"" + word + "\" is more than 30 days");
  return *span;
}

/// In the largest unit that leaves two or more of it.
std::string about(int64_t ms) {
  struct unit {
    int64_t ms;
    const char* name;
  };
  for (auto u : {unit{86'400'000, "d"}, unit{3'600'000, "h"}, unit{60'000, "min"}})
    if (ms >= 2 * u.ms) return std::to_string((ms + u.ms / 2) / u.ms) + ' ' + u.name;
  return std::to_string((ms + 500) / 1000) + " s";
}

std::string share_text(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g %%", 100 * share);
  return text;
}

bool printable(const std::string& text) {
  return std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

} // namespace

result<maintenance> parse_maintenance(const std::vector<std::string>& words, unix_ms now) {
  if (words.empty()) return fail(errc::invalid_argument, start_usage);
  if (!valid_node_id(words[0]))
    return fail(errc::invalid_argument, '"' + words[0] + "\" is not a node's name; " + start_usage);
  std::map<std::string, std::string> options;
  for (size_t i = 1; i < words.size();) {
    auto option = words[i++];
    bool known = option == "--in" || option == "--for" || option == "--reason";
    if (!known || i == words.size() || options.contains(option))
      return fail(errc::invalid_argument, '"' + option + "\" makes no sense here; " + start_usage);
    auto& value = options[option] = words[i++];
    while (option == "--reason" && i < words.size() && !words[i].starts_with("--"))
      value += ' ' + words[i++];
  }
  if (!options.contains("--in")) return fail(errc::invalid_argument, start_usage);
  maintenance out{node_id{words[0]}, now, {}, options["--reason"]};
  auto ahead = parse_span_ms("--in", options["--in"]);
  if (!ahead) return tl::unexpected<error>(ahead.error());
  out.begin.value += *ahead;
  if (options.contains("--for")) {
    auto length = parse_span_ms("--for", options["--for"]);
    if (!length) return tl::unexpected<error>(length.error());
    if (*length == 0) return fail(errc::invalid_argument, "--for must be longer than nothing");
    out.end = unix_ms{out.begin.value + *length};
  }
  if (out.reason.size() > maintenance_book::reason_bytes_max || !printable(out.reason))
    return fail(errc::invalid_argument, "the reason must be one line of at most 200 bytes");
  return out;
}

result<> within_brake(const std::vector<node_id>& planned, const std::map<node_id, node_row>& nodes,
                      const zone_settings& rules) {
  double alive = 0, capacity = 0, taken = 0, taken_capacity = 0;
  for (const auto& [id, row] : nodes) {
    if (row.state == node_state::dead) continue;
    alive += 1;
    capacity += static_cast<double>(row.capacity_bytes);
  }
  for (const auto& id : planned) {
    auto found = nodes.find(id);
    if (found == nodes.end() || found->second.state == node_state::dead) continue;
    taken += 1;
    taken_capacity += static_cast<double>(found->second.capacity_bytes);
  }
  if (taken <= 1) return {}; // one is always let through
  auto refused = [&](double share, const char* of, const char* key, double most) {
    return fail(errc::condition_failed, "planned maintenance would take " + share_text(share)
                                            + " of " + of + ", and " + key + " allows "
                                            + share_text(most) + ": end another one first");
  };
  if (taken > std::floor(rules.share_max * alive + 1e-9))
    return refused(taken / alive, "the nodes up", "zones.share_max", rules.share_max);
  if (taken_capacity > rules.capacity_share_max * capacity * (1 + 1e-9))
    return refused(taken_capacity / capacity, "their capacity", "zones.capacity_share_max",
                   rules.capacity_share_max);
  return {};
}

result<bool> maintenance_book::start(const maintenance& entry,
                                     const std::map<node_id, node_row>& nodes,
                                     const zone_settings& rules) {
  auto row = nodes.find(entry.node);
  if (row == nodes.end())
    return fail(errc::unknown_node, "no node " + entry.node.value + " in the catalog");
  if (row->second.state == node_state::dead)
    return fail(errc::condition_failed,
                "node " + entry.node.value + " is dead: there is nothing left to prepare for");
  bool changes = entries_.contains(entry.node);
  if (!changes && entries_.size() >= entries_max)
    return fail(errc::overloaded, "maintenance of 10000 nodes is planned already");
  std::vector<node_id> planned{entry.node};
  for (const auto& [id, other] : entries_)
    if (id != entry.node) planned.push_back(id);
  if (auto fits = within_brake(planned, nodes, rules); !fits)
    return tl::unexpected<error>(fits.error());
  entries_[entry.node] = entry;
  return changes;
}

result<maintenance> maintenance_book::end(const node_id& node) {
  auto found = entries_.find(node);
  if (found == entries_.end())
    return fail(errc::not_found, "no maintenance is planned for node " + node.value);
  auto out = found->second;
  entries_.erase(found);
  return out;
}

std::vector<maintenance> maintenance_book::take_over(unix_ms now) {
  std::vector<maintenance> out;
  for (const auto& [id, entry] : entries_)
    if (entry.end.value != 0 && entry.end <= now) out.push_back(entry);
  for (const auto& entry : out) entries_.erase(entry.node);
  return out;
}

std::vector<planned_event> maintenance_book::events(unix_ms now) const {
  std::vector<planned_event> out;
  for (const auto& [id, entry] : entries_)
    out.push_back({id, static_cast<double>(entry.begin.value - now.value) / 1000.0,
                   maintenance_text(entry, now)});
  return out;
}

std::string maintenance_text(const maintenance& entry, unix_ms now) {
  auto ahead = entry.begin.value - now.value;
  auto text = ahead > 0    ? "maintenance in " + about(ahead)
              : ahead == 0 ? std::string("maintenance now")
                           : "maintenance for the last " + about(-ahead);
  return entry.reason.empty() ? text : text + ": " + entry.reason;
}

std::string maintenance_book::to_json() const {
  nlohmann::ordered_json out{{"format", file_format}, {"maintenance", nlohmann::json::array()}};
  for (const auto& [id, entry] : entries_)
    out["maintenance"].push_back({{"node", id.value},
                                  {"begin_ms", entry.begin.value},
                                  {"end_ms", entry.end.value},
                                  {"reason", entry.reason}});
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

result<maintenance_book> maintenance_book::parse(const std::string& text) {
  maintenance_book out;
  try {
    auto in = nlohmann::json::parse(text);
    if (in.at("format").get<int>() != file_format)
      return fail(errc::unsupported, "planned maintenance in a format of another version");
    if (in.at("maintenance").size() > entries_max)
      return fail(errc::oversize, "planned maintenance of more than 10000 nodes");
    for (const auto& x : in.at("maintenance")) {
      maintenance entry{node_id{x.at("node").get<std::string>()},
                        unix_ms{x.at("begin_ms").get<int64_t>()},
                        unix_ms{x.at("end_ms").get<int64_t>()}, x.at("reason").get<std::string>()};
      bool sound = valid_node_id(entry.node.value) && entry.reason.size() <= reason_bytes_max
                   && entry.begin.value >= 0 && (entry.end.value == 0 || entry.end > entry.begin);
      if (!sound || !out.entries_.emplace(entry.node, entry).second)
        return fail(errc::malformed, "planned maintenance: an entry that makes no sense, or twice");
    }
  } catch (const nlohmann::json::exception& e) {
    return fail(errc::malformed, std::string("planned maintenance: ") + e.what());
  }
  return out;
}

} // namespace harbinger
