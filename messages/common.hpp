#pragma once

/// Parts shared by the messages of several stages.
///
/// Every message that crosses a process is a plain struct with a `describe(visitor, message)` that
/// names its fields once; the codec (src/wire/codec.hpp), docs/PROTOCOL.md's examples and the
/// fuzzers all follow from it. `wire_name` is the type's name on the wire, `max_bytes` the largest
/// body that is looked at.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/blob.hpp"
#include "core/digest.hpp"
#include "core/ids.hpp"
#include "core/time.hpp"
#include "core/version.hpp"

namespace harbinger {

inline constexpr size_t control_body_max = 1 << 20; ///< bytes; commands, reports, replies
inline constexpr size_t bulk_body_max = 8 << 20;    ///< bytes; appends, chunks, deltas, scans, maps
inline constexpr size_t telemetry_body_max = 256 << 10; ///< bytes; one telemetry batch

/// Free-form topology and hardware attributes: "rack", "power", "host", "firmware", "version" ...
using attributes = std::map<std::string, std::string>;

/// Opaque bytes: msgpack bin on the wire, where std::string is msgpack str (UTF-8 text).
struct bytes {
  std::string data;
  friend auto operator<=>(const bytes&, const bytes&) = default;
};

/// Where a node's data socket listens, e.g. "tcp://127.0.0.1:7101".
struct node_address {
  node_id node;
  std::string endpoint;
  friend auto operator<=>(const node_address&, const node_address&) = default;
};
template <class V>
void describe(V& v, node_address& m) {
  v("node", m.node);
  v("endpoint", m.endpoint);
}

/// What a node is to a partition.
enum class replica_role : uint8_t {
  primary,   ///< accepts writes
  secondary, ///< in the sync set: acknowledges each write before the client hears of it
  copy,      ///< follows asynchronously; may become a secondary
  sealed,    ///< fenced: refuses every older epoch, waits for what the centre decides
};
constexpr auto enum_names(replica_role) {
  return std::array{"primary", "secondary", "copy", "sealed"};
}

/// How complete a node's replica is.
enum class replica_state : uint8_t {
  copying,   ///< a snapshot or a restore is under way; nothing may be read from it or promoted
  following, ///< complete at its version, receives what is new
  detached,  ///< complete at its version, nobody sends anything (source gone, or sealed)
  failed,    ///< check failed or no source left; never promoted
};
constexpr auto enum_names(replica_state) {
  return std::array{"copying", "following", "detached", "failed"};
}

/// How a missing replica is made.
enum class restore_method : uint8_t {
  pull,            ///< snapshot and deltas from a live replica (what a prefetch does)
  checkpoint_tail, ///< newest checkpoint in mass storage, then the log after it
  full_rebuild,    ///< scan of the whole log in mass storage
};
constexpr auto enum_names(restore_method) {
  return std::array{"pull", "checkpoint_tail", "full_rebuild"};
}

/// The name of an enum value, by its `enum_names`.
template <class E>
requires requires(E e) { enum_names(e); }
std::string_view name_of(E value) {
  constexpr auto names = enum_names(E{});
  auto index = static_cast<size_t>(value);
  return index < names.size() ? std::string_view{names[index]} : std::string_view{"?"};
}
template <class E>
requires requires(E e) { enum_names(e); }
std::optional<E> parse_enum(std::string_view text) {
  constexpr auto names = enum_names(E{});
  for (size_t i = 0; i < names.size(); ++i)
    if (text == names[i]) return static_cast<E>(i);
  return std::nullopt;
}

/// A reply without content.
struct done {
  static constexpr std::string_view wire_name = "done";
  static constexpr size_t max_bytes = control_body_max;
};
template <class V>
void describe(V&, done&) {}

/// The reply to a request that could not be served. `code` is one of the names in core/errc.hpp.
struct error_reply {
  static constexpr std::string_view wire_name = "error";
  static constexpr size_t max_bytes = control_body_max;
  std::string code;
  std::string detail;
};
template <class V>
void describe(V& v, error_reply& m) {
  v("code", m.code);
  v("detail", m.detail);
}

} // namespace harbinger
