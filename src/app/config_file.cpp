#include "app/config.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

#include <toml++/toml.h>

#include "predict/scorer.hpp"

namespace harbinger {
namespace {

constexpr size_t config_bytes_max = 1 << 20;

template <class T>
std::optional<std::vector<T>> all_of(const toml::array& array) {
  std::vector<T> values;
  for (const auto& item : array) {
    auto value = item.value<T>();
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

/// A leaf of the file as a config_value; nothing for types that no key has (dates, nested tables,
/// mixed arrays).
std::optional<config_value> to_value(const toml::node& node) {
  if (const auto* b = node.as_boolean()) return config_value{b->get()};
  if (const auto* i = node.as_integer()) return config_value{i->get()};
  if (const auto* d = node.as_floating_point()) return config_value{d->get()};
  if (const auto* s = node.as_string()) return config_value{s->get()};
  if (const auto* array = node.as_array()) {
    if (array->empty()) return config_value{std::vector<std::string>{}};
    if (auto texts = all_of<std::string>(*array)) return config_value{*texts};
    if (auto numbers = all_of<double>(*array)) return config_value{*numbers};
  }
  if (const auto* table = node.as_table()) {
    std::map<std::string, std::string> entries;
    for (const auto& [key, value] : *table) {
      auto text = value.value<std::string>();
      if (!text) return std::nullopt;
      entries.emplace(key.str(), *text);
    }
    return config_value{entries};
  }
  return std::nullopt;
}

struct place {
  std::string key;
  std::string where; ///< "file:line: "
};

/// Rules that no single key can check. `where` finds the place to name.
result<> check_together(daemon_role role, const settings& s) {
  auto bad = [](const char* key, const std::string& reason) {
    return fail(errc::invalid_argument, std::string{key} + ": " + reason);
  };
  if (s.zones.leave_at >= s.zones.enter_at)
    return bad("zones.leave_at", "must be less than zones.enter_at");
  if (s.supervision.backoff_ms > s.supervision.backoff_max_ms)
    return bad("supervision.backoff_ms", "must not exceed supervision.backoff_max_ms");
  if (s.prefetch.concurrent_per_node_max > s.prefetch.concurrent_max)
    return bad("prefetch.concurrent_per_node_max", "must not exceed prefetch.concurrent_max");
  for (size_t i = 1; i < s.prediction.windows_s.size(); ++i)
    if (s.prediction.windows_s[i - 1] >= s.prediction.windows_s[i])
      return bad("prediction.windows_s", "must grow from one to the next");
  auto kinds = predict::scorer_kinds();
  for (const auto& kind : s.prediction.models)
    if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end())
      return bad("prediction.models", '"' + kind + "\" is no kind of model");
  auto horizons = s.prediction.more_horizons_s;
  horizons.push_back(s.prediction.horizon_s);
  std::sort(horizons.begin(), horizons.end());
  if (std::adjacent_find(horizons.begin(), horizons.end()) != horizons.end())
    return bad("prediction.more_horizons_s", "names a horizon twice, or prediction.horizon_s");
  const auto& p = s.placement;
  if (p.weight_free + p.weight_load + p.weight_risk + p.weight_rtt + p.weight_balance <= 0.0)
    return bad("placement.weight_free", "at least one weight must be greater than 0");
  if (role == daemon_role::central && s.recovery.silence_min_ms < s.control.heartbeat_ms)
    return bad("recovery.silence_min_ms", "must be at least control.heartbeat_ms");
  if (role == daemon_role::node) {
    if (s.node.id.value.empty()) return bad("node.id", "is required");
    if (s.mass_storage.directory.empty()) return bad("mass_storage.directory", "is required");
  }
  return {};
}

class file_reader {
public:
  file_reader(daemon_role role, std::string file, settings& out)
      : role_(role), file_(std::move(file)), out_(out) {}

  result<> read(const toml::table& table, const std::string& prefix = {}) {
    for (const auto& [key, node] : table) {
      auto name = prefix.empty() ? std::string{key.str()} : prefix + '.' + std::string{key.str()};
      if (auto taken = take(name, node); !taken) return taken;
    }
    return {};
  }

  /// "file:line: " of a key that was in the file, else "file: ".
  std::string where(const std::string& key) const {
    auto it = lines_.find(key);
    return it == lines_.end() ? file_ + ": " : file_ + ':' + std::to_string(it->second) + ": ";
  }

private:
  result<> take(const std::string& name, const toml::node& node) {
    lines_[name] = node.source().begin.line;
    const auto* key = find_config_key(name);
    if (!key) {
      if (const auto* inner = node.as_table()) return read(*inner, name);
      return refuse(name, "unknown key");
    }
    if (!key->belongs_to(role_))
      return refuse(name, "is not a key of this role (" + std::string{name_of(role_)} + ")");
    auto value = to_value(node);
    if (!value) return refuse(name, "wrong type, wanted " + key->type);
    if (auto set = key->set(out_, *value); !set) return refuse(name, set.error().detail);
    return {};
  }

  result<> refuse(const std::string& name, const std::string& reason) const {
    return fail(errc::invalid_argument, where(name) + name + ": " + reason);
  }

  daemon_role role_;
  std::string file_;
  settings& out_;
  std::map<std::string, uint32_t> lines_;
};

result<toml::table> parse_toml(std::string_view text, const std::string& file) {
  try {
    return toml::parse(text, file);
  } catch (const toml::parse_error& e) {
    return fail(errc::invalid_argument, file + ':' + std::to_string(e.source().begin.line) + ": "
                                            + std::string{e.description()});
  }
}

/// The right side of "key = value"; bare words are text, so that shells need no double quoting.
result<config_value> parse_value(const config_key& key, const std::string& text) {
  if (key.type == "text" && (text.empty() || text[0] != '"')) return config_value{text};
  auto table = parse_toml("v = " + text, key.name);
  if (!table)
    return fail(errc::invalid_argument, key.name + ": \"" + text + "\" is not a TOML value");
  auto value = table->size() == 1 ? to_value(*table->get("v")) : std::nullopt;
  if (!value) return fail(errc::invalid_argument, key.name + ": wrong type, wanted " + key.type);
  return *value;
}

result<> apply(daemon_role role, settings& target, const config_change& change) {
  const auto* key = find_config_key(change.key);
  if (!key) return fail(errc::invalid_argument, change.key + ": unknown key");
  if (!key->belongs_to(role))
    return fail(errc::invalid_argument, change.key + ": is not a key of this role");
  auto value = parse_value(*key, change.value);
  if (!value) return tl::unexpected<error>(value.error());
  if (auto set = key->set(target, *value); !set)
    return fail(errc::invalid_argument, change.key + ": " + set.error().detail);
  return {};
}

} // namespace

result<config_change> parse_config_change(std::string_view text) {
  auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0)
    return fail(errc::invalid_argument, "\"" + std::string{text} + "\": wanted key=value");
  auto trim = [](std::string_view part) {
    auto first = part.find_first_not_of(' '), last = part.find_last_not_of(' ');
    return first == std::string_view::npos ? std::string{}
                                           : std::string{part.substr(first, last - first + 1)};
  };
  return config_change{trim(text.substr(0, equals)), trim(text.substr(equals + 1))};
}

result<settings> parse_settings(daemon_role role, std::string_view text, const std::string& file,
                                const std::vector<config_change>& changes) {
  if (text.size() > config_bytes_max) return fail(errc::oversize, file + ": larger than 1 MiB");
  auto table = parse_toml(text, file);
  if (!table) return tl::unexpected<error>(table.error());
  settings out;
  file_reader reader{role, file, out};
  if (auto read = reader.read(*table); !read) return tl::unexpected<error>(read.error());
  for (const auto& change : changes)
    if (auto applied = apply(role, out, change); !applied)
      return tl::unexpected<error>(applied.error());
  if (auto together = check_together(role, out); !together) {
    const auto& detail = together.error().detail;
    return fail(errc::invalid_argument, reader.where(detail.substr(0, detail.find(':'))) + detail);
  }
  return out;
}

result<std::string> read_text_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    return fail(errno == ENOENT ? errc::not_found : errc::io, path + ": " + std::strerror(errno));
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad() || text.fail()) return fail(errc::io, path + ": can not be read");
  return text.str();
}

result<settings> load_settings(daemon_role role, const std::string& file,
                               const std::vector<config_change>& changes) {
  auto text = read_text_file(file);
  if (!text) return tl::unexpected<error>(text.error());
  return parse_settings(role, *text, file, changes);
}

result<settings> with_change(daemon_role role, const settings& base, const config_change& change) {
  settings out = base;
  if (auto applied = apply(role, out, change); !applied)
    return tl::unexpected<error>(applied.error());
  if (auto together = check_together(role, out); !together)
    return tl::unexpected<error>(together.error());
  return out;
}

} // namespace harbinger
