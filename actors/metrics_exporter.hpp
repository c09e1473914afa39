#pragma once

#include <memory>

#include "actors/context.hpp"

namespace prometheus {
class Exposer;
}

namespace harbinger {

/// Serves the process's metrics over HTTP at endpoints.metrics (central) or node.metrics (node);
/// empty: serves nothing. An address in use is an alert and is tried again: nothing else suffers
/// from it.
struct metrics_exporter_state {
  static constexpr const char* name = "metrics_exporter";
  std::shared_ptr<prometheus::Exposer> exposer; ///< null: off, or not listening yet
  std::string failure;
};

metrics_exporter_actor::behavior_type
metrics_exporter(metrics_exporter_actor::stateful_pointer<metrics_exporter_state> self,
                 context_ptr ctx);

} // namespace harbinger
