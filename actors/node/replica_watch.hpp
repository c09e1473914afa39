#pragma once

/// client.watch, answered by replica_server from the log of a primary (replica/watch_desk.hpp).

#include "actors/node/replica_server.hpp"

namespace harbinger {

/// What client.watch is answered with now; what was never refused is answered exactly once.
replication::watch_desk::answers replica_watch(replica_self self, replication::token from,
                                               watch_request ask);
/// The answers to those whom this commit, or the time, is news to.
replication::watch_desk::answers replica_watch_committed(replica_self self, partition_id partition);
replication::watch_desk::answers replica_watch_tick(replica_self self);

} // namespace harbinger
