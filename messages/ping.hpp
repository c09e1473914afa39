#pragma once

/// Asking a node's data socket whether it answers.

#include "messages/common.hpp"

namespace harbinger {

/// "Are you there?" Reply: node_pong. Never queued behind other work.
struct node_ping {
  static constexpr std::string_view wire_name = "node.ping";
  static constexpr size_t max_bytes = control_body_max;
};
template <class V>
void describe(V&, node_ping&) {}

struct node_pong {
  static constexpr std::string_view wire_name = "node.pong";
  static constexpr size_t max_bytes = control_body_max;
  node_id node;
  incarnation life;
};
template <class V>
void describe(V& v, node_pong& m) {
  v("node", m.node);
  v("incarnation", m.life);
}

} // namespace harbinger
