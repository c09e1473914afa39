#pragma once

#include <memory>
#include <string>

#include "actors/context.hpp"
#include "net/reactor.hpp"

namespace harbinger {

/// Owns the console's socket, ipc://<state_dir>/console.sock, mode 0600. Each line is routed by
/// app/console_routes.hpp to the actor that knows, with a timeout; the answer is a console_reply,
/// or an error_reply that says what was wrong.
struct console_state {
  static constexpr const char* name = "console";
  std::unique_ptr<net::reactor> socket;
  time_point started;
  size_t waiting = 0; ///< questions that were passed on and not answered
};

/// Beyond so many questions under way a new one is refused with overloaded.
inline constexpr size_t console_questions_max = 256;

std::string console_endpoint(const std::string& state_dir);

console_actor::behavior_type console(console_actor::stateful_pointer<console_state> self,
                                     context_ptr ctx);

} // namespace harbinger
