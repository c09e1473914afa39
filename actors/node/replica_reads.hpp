#pragma once

/// Reads of clients, answered by replica_server from the node's store: from the primary under its
/// lease, from a copy at the staleness that is allowed.

#include "actors/node/replica_server.hpp"
#include "wire/frame.hpp"

namespace harbinger {

/// The answer to client.get, client.scan, client.get_from_copy or client.scan_from_copy; nothing:
/// it is none of them.
std::optional<wire::frame> replica_read(replica_self self, const wire::frame& message);

} // namespace harbinger
