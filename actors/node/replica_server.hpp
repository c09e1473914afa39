#pragma once

/// Serves client reads and writes and replicates them: carries src/replica for all partitions of
/// the node.
///
/// Durable writes happen on a thread of its own (store_writer): while one group is being fsynced
/// the next gathers. A tick of round 0 means "the writer has outcomes". After a restart of the
/// actor, primaries of this process go on with what context::node->proposals remembers; after a
/// restart of the process they wait, fenced, for a newer epoch.

#include <deque>
#include <map>
#include <memory>

#include "actors/context.hpp"
#include "replica/replica_host.hpp"
#include "replica/watch_desk.hpp"
#include "store/store_writer.hpp"

namespace harbinger {

struct replica_server_state {
  static constexpr const char* name = "replica_server";
  static constexpr auto tick_period = milliseconds(25);

  struct data_asker {
    size_t socket = 0;
    std::string peer;
    uint64_t id = 0;
  };
  context_ptr ctx;
  std::unique_ptr<replication::replica_host> host;
  std::map<replication::token, data_asker> askers; ///< puts, appends, watches
  std::map<replication::token, uint64_t> commands; ///< ids of the centre's commands
  replication::watch_desk watches;
  replication::token last_token = 0;
  std::map<std::string_view, prometheus::Counter*> answered; ///< writes, by outcome
  uint64_t round = 0;
  time_point report_due;
  time_point news_due{}; ///< news goes no sooner
  bool report_wanted = false;
  uint64_t copies_seen = 0; ///< copy_table::changes() in the last report
  /// Last: ended first, it calls into nothing of the above.
  std::unique_ptr<store_writer> writer;
};

using replica_self = replica_server_actor::stateful_pointer<replica_server_state>;

/// `ctx->node` must be there.
replica_server_actor::behavior_type replica_server(replica_self self, context_ptr ctx);

} // namespace harbinger
