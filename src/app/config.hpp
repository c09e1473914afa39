#pragma once

/// Configuration: one table of keys serves parsing, `config get`, `config set`, validation and the
/// commented files in config/. A file is taken whole or refused whole.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/result.hpp"
#include "core/settings.hpp"

namespace harbinger {

enum class daemon_role : uint8_t { central, node };
constexpr auto enum_names(daemon_role) { return std::array{"central", "node"}; }

/// A value as TOML has it; integers are accepted where a number is wanted, never the other way.
using config_value = std::variant<bool, int64_t, double, std::string, std::vector<std::string>,
                                  std::vector<double>, std::map<std::string, std::string>>;

/// When a changed value counts.
enum class takes_effect : uint8_t {
  at_once,    ///< actors are told
  at_restart, ///< of the daemon
};

struct config_key {
  std::string name;  ///< "zones.enter_at"
  std::string type;  ///< "integer", "number", "boolean", "text", "list of text", "list of numbers",
                     ///< "table of text"
  std::string unit;  ///< "ms", "bytes" ...; empty: none
  std::string range; ///< for people: "0..1"; empty: any
  bool central = true;
  bool node = true;
  takes_effect when = takes_effect::at_restart;
  std::string effect; ///< one sentence
  bool required = false;
  std::function<std::string(const settings&)> get; ///< as a TOML literal
  std::function<result<>(settings&, const config_value&)>
      set; ///< invalid_argument: wrong type or out of range
  bool belongs_to(daemon_role role) const { return role == daemon_role::central ? central : node; }
};

/// All keys, in the order of the files.
const std::vector<config_key>& config_keys();
/// Null for an unknown key.
const config_key* find_config_key(std::string_view name);

/// One "key=value" of the command line, the journal or `config set`; the value as in TOML, where
/// text may go without quotes.
struct config_change {
  std::string key;
  std::string value;
  friend auto operator<=>(const config_change&, const config_change&) = default;
};
/// "key=value"; invalid_argument without '='.
result<config_change> parse_config_change(std::string_view text);

/// Defaults, then the file's text, then the changes in order; then the rules between keys. The
/// detail of an error is "file:line: key: reason", or "key: reason" for a change. `file` only
/// serves messages.
result<settings> parse_settings(daemon_role role, std::string_view text, const std::string& file,
                                const std::vector<config_change>& changes = {});
/// The same with the file read from disk; io or not_found when it can not be.
result<settings> load_settings(daemon_role role, const std::string& file,
                               const std::vector<config_change>& changes = {});
result<std::string> read_text_file(const std::string& path);

/// One key of `base` changed and everything validated again.
result<settings> with_change(daemon_role role, const settings& base, const config_change& change);

/// What differs, in the order of the table; values as TOML literals.
struct config_difference {
  std::string key;
  std::string from;
  std::string to;
  takes_effect when = takes_effect::at_restart;
};
std::vector<config_difference> differences(const settings& from, const settings& to);

/// The whole configuration as a commented TOML file: what config/central.toml and config/node.toml
/// hold.
std::string documented_config(daemon_role role);

} // namespace harbinger
