#pragma once

/// "whatif kill" for the console: words in, document out.

#include <string>
#include <vector>

#include "messages/local.hpp"
#include "recovery/recovery_desk.hpp"

namespace harbinger {

/// {"kill", NODE or ATTRIBUTE=VALUE..., "--limit", N}: a sentence that sums up, what was measured
/// and assumed, and a row for each partition that loses a member, worst first, at most N.
show_reply show_what_if(const recovery::recovery_desk& desk, const settings& config,
                        std::vector<std::string> words, time_point now);

} // namespace harbinger
