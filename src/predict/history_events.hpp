#pragma once

/// Under which codes an event of a history is counted by the features.

#include <string>
#include <vector>

#include "history/history.hpp"

namespace harbinger::predict {

/// Failures and maintenance count as such, and by cause or kind; others by their code. Empty: no
/// feature may see it.
inline std::vector<std::string> event_codes(const history_event& e) {
  switch (e.what) {
  case happening::failure:
    return e.code.empty() ? std::vector<std::string>{"failure"}
                          : std::vector<std::string>{"failure", "failure " + e.code};
  case happening::maintenance: return {e.code.empty() ? "maintenance" : "maintenance " + e.code};
  case happening::event: return {e.code.empty() ? "event" : e.code};
  default: return {};
  }
}

} // namespace harbinger::predict
