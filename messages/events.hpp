#pragma once

#include "messages/common.hpp"

namespace harbinger {

enum class severity : uint8_t { info, warning, alert };
constexpr auto enum_names(severity) { return std::array{"info", "warning", "alert"}; }

/// Something a person at 3 a.m. wants to know: what happened, to whom, why (P9). Published on topic
/// "event" and kept.
struct event {
  static constexpr std::string_view wire_name = "event";
  static constexpr size_t max_bytes = control_body_max;
  uint64_t id = 0; ///< set by the publisher, grows by one, survives restarts
  unix_ms time;    ///< set by the publisher
  severity level = severity::info;
  /// "zone_formed", "node_dead", "partition_promoted" ...: docs/OPERATIONS.md lists all
  std::string kind;
  std::string subject; ///< node, partition or zone
  std::string text;    ///< one sentence
  /// The inputs, rule, result and rejected options, as key=value
  std::map<std::string, std::string> fields;
};
template <class V>
void describe(V& v, event& m) {
  v("id", m.id);
  v("time", m.time);
  v("level", m.level);
  v("kind", m.kind);
  v("subject", m.subject);
  v("text", m.text);
  v("fields", m.fields);
}

/// Console socket (ROUTER, ipc, mode 0600). `words` is the command line, e.g. {"config", "set",
/// "zones.enter_at", "0.6"}.
struct console_request {
  static constexpr std::string_view wire_name = "console.request";
  static constexpr size_t max_bytes = control_body_max;
  std::vector<std::string> words;
};
template <class V>
void describe(V& v, console_request& m) {
  v("words", m.words);
}

/// `document` is JSON: {"columns": [...], "rows": [[...]]} for a listing, an object otherwise.
struct console_reply {
  static constexpr std::string_view wire_name = "console.reply";
  static constexpr size_t max_bytes = bulk_body_max;
  std::string document;
};
template <class V>
void describe(V& v, console_reply& m) {
  v("document", m.document);
}

} // namespace harbinger
