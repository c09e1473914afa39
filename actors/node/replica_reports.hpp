#pragma once

/// What replica_server says of the replicas of its node: reports to the centre, lines for the
/// console.

#include "actors/node/replica_server.hpp"

namespace harbinger {

/// Reports all replicas to the centre, with what the copy_table and the damage_book know of them.
void replica_report_now(replica_self self, time_point now);

/// The table of `show`.
show_reply replica_show(replica_self self);
/// The conflict journal (P4): what replicas that lost a failover held beyond the true history.
show_reply replica_show_conflicts(replica_self self);

} // namespace harbinger
