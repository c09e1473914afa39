#pragma once

#include <map>
#include <string>
#include <vector>

namespace harbinger {

/// What `status` asks, as topics of show_request.
std::vector<std::string> status_topics(bool central);

/// One JSON object out of the listings ("columns", "rows") that answered; a topic that did not
/// answer is named under "missing". `head` is a JSON object of what the console knows itself (role,
/// term, uptime).
std::string assemble_status(const std::string& head,
                            const std::map<std::string, std::string>& listings,
                            const std::vector<std::string>& missing);

} // namespace harbinger
