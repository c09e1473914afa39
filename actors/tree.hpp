#pragma once

/// Who supervises whom, in one place.

#include "actors/supervisor.hpp"

namespace harbinger {

/// The supervisors and actors of a role, ready to be spawned. `ctx` has its resources already.
supervisor_plan central_tree(const context_ptr& ctx);
supervisor_plan node_tree(const context_ptr& ctx);

/// Spawns the root of `plan`; registers it as "root".
caf::actor spawn_tree(caf::actor_system& system, const context_ptr& ctx, supervisor_plan plan);

/// Logs the exception; the error carries its text.
caf::error end_reason(const char* name, const std::exception_ptr& thrown);

/// A child that runs `run(self, ctx)`. What escapes from a handler is logged and becomes the reason
/// of the end.
template <caf::spawn_options Options = caf::no_spawn_options, class Behavior, class Self>
child_plan child(const char* name, const context_ptr& ctx, Behavior (*run)(Self*, context_ptr)) {
  auto start = [name, ctx, run](caf::actor_system& system) {
    auto guarded = [name, run](Self* self, context_ptr context) -> Behavior {
      self->set_exception_handler(
          [name](std::exception_ptr& thrown) { return end_reason(name, thrown); });
      return run(self, std::move(context));
    };
    return caf::actor_cast<caf::actor>(system.spawn<Options>(guarded, ctx));
  };
  return {{name, supervision::restart_kind::permanent}, start, false};
}

} // namespace harbinger
