#pragma once

/// Carries src/core/supervision.hpp: starts children, monitors them (never links), restarts them,
/// stops them in reverse order.
///
/// A supervisor is itself a child, so supervisors nest. It registers itself and every incarnation
/// of its children in the directory. When it dies without having stopped its children (kill), it
/// takes them along. A new incarnation first ends what is left of the children before it, so that
/// ports and files are free again.
///
/// Takes: kill_actor (ends any actor of the directory but the root), show_request "tree" (rows:
/// name, parent, strategy, kind, state, restarts, last_reason, uptime_s; its own first, then its
/// children's, nested ones below their supervisor) and "ping". Ends in order on any exit message
/// but kill. Ends with an error after escalation.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/context.hpp"
#include "core/supervision.hpp"

namespace harbinger {

struct child_plan {
  supervision::child_spec spec;
  /// Spawns a new incarnation. An exception counts as an end of the child.
  std::function<caf::actor(caf::actor_system&)> start;
  bool supervises = false; ///< the child has children itself: "tree" asks it for its part
};

struct supervisor_plan {
  std::string name; ///< in the directory
  supervision::policy rules;
  std::vector<child_plan> children;
};

/// Children that run, shared with the function that ends them when the supervisor dies.
using running_children = std::map<std::string, caf::actor>;

struct supervisor_state {
  static constexpr const char* name = "supervisor";
  context_ptr ctx;
  supervisor_plan plan;
  std::optional<supervision::supervisor> logic;
  std::shared_ptr<running_children> running = std::make_shared<running_children>();
  std::vector<caf::actor_addr>
      before_us; ///< children of an earlier incarnation that still have to die
  bool started = false;
};

caf::behavior supervisor(caf::stateful_actor<supervisor_state>* self, context_ptr ctx,
                         supervisor_plan plan);

} // namespace harbinger
