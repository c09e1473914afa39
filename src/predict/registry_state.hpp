#pragma once

/// What registry.json says, and how it changes. Pure; registry.hpp carries it to the disk.
///
/// File: one JSON object: `format` "harbinger-models", `version` 1, `xxh3` (of the object's compact
/// text without this key), `models` in the order they were added, `champions`, `promotions`,
/// `dropped`. Not to be edited by hand: the checksum would tell.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace harbinger::predict {

enum class model_origin : uint8_t {
  trained,  ///< by this service
  imported, ///< brought in, or found in the directory
};
constexpr auto enum_names(model_origin) { return std::array{"trained", "imported"}; }

enum class model_state : uint8_t {
  candidate, ///< never was champion
  champion,  ///< at most one
  retired,   ///< was champion
  refused,   ///< its file can not be used
};
constexpr auto enum_names(model_state) {
  return std::array{"candidate", "champion", "retired", "refused"};
}

enum class model_refusal : uint8_t {
  none,
  missing, ///< no file
  damaged, ///< not the bytes that were written
  foreign, ///< not a model, another model, or one that this program can not read
};
constexpr auto enum_names(model_refusal) {
  return std::array{"none", "missing", "damaged", "foreign"};
}

struct registered_model {
  std::string version;
  std::string kind;
  int64_t added_ms = 0; ///< unix time, for people; the order of the list says what came first
  model_origin origin = model_origin::trained;
  std::string trained_on;       ///< one line, for people
  int64_t trained_until_ms = 0; ///< of the newest row it learned from; 0: unknown
  uint64_t bytes = 0;
  uint64_t xxh3 = 0; ///< of the file
  model_state state = model_state::candidate;
  model_refusal refusal = model_refusal::none; ///< none unless refused
  std::string refusal_detail = {};
  friend bool operator==(const registered_model&, const registered_model&) = default;
};

struct promotion {
  int64_t time_ms = 0;
  std::string version;  ///< empty: nobody could take the place
  std::string replaced; ///< empty: there was no champion
  std::string by;
  std::string why;
  friend bool operator==(const promotion&, const promotion&) = default;
};

/// Named limits. Of promotions, champions and dropped the oldest are forgotten, of texts the end.
inline constexpr size_t promotions_max = 200;
inline constexpr size_t champions_max = 64;
inline constexpr size_t dropped_max = 64;
inline constexpr size_t registry_models_max = 1000;
inline constexpr size_t registry_text_bytes_max = 500;
inline constexpr size_t registry_bytes_max = 8 << 20;

struct registry_state {
  std::vector<registered_model> models; ///< in the order they were added, versions unique
  /// Each took the place of the one before; the last is the champion. Empty: there is none.
  std::vector<std::string> champions;
  std::vector<promotion> promotions; ///< oldest first
  /// No longer listed, but their files may still be there: to be removed.
  std::vector<std::string> dropped;

  registered_model* find(std::string_view version);
  const registered_model* find(std::string_view version) const;
  const registered_model* champion() const; ///< null: there is none
  friend bool operator==(const registry_state&, const registry_state&) = default;
};

/// What a version looks like, and so the name of its file: 1..64 of a-z, 0-9, '-' and '_'.
bool is_model_version(std::string_view text);
/// Control characters become spaces; at most registry_text_bytes_max bytes, cut between characters.
std::string one_line(std::string_view text);

/// A listed version takes the champion's place.
void seat(registry_state& s, promotion to);
/// The champion at `champions[place]`, or nobody (none), has the place again; who came after it is
/// no longer among the champions.
void seat_again(registry_state& s, std::optional<size_t> place, promotion to);
void refuse(registry_state& s, std::string_view version, model_refusal why,
            const std::string& detail);
/// A refused model whose file is whole again: retired if it ever was champion, else candidate.
void mend(registry_state& s, std::string_view version);
/// Until at most `models_max` (at least 3) are listed: the oldest retired one goes first, then the
/// oldest refused, then the oldest candidate. Never the champion, nor the champion before it, nor
/// the newest candidate. Files of refused models are left alone; the others' are `dropped`.
void prune(registry_state& s, size_t models_max);

std::string to_json(const registry_state& s);
/// The inverse. unsupported: a newer version of the file; malformed or checksum: damaged.
result<registry_state> parse_registry(std::string_view json);

} // namespace harbinger::predict
