#include "actors/node/replica_watch.hpp"

#include "actors/node/resources.hpp"
#include "store/change_reader.hpp"

namespace harbinger {
namespace {

replication::watch_desk::reader replica_changes_of(replica_self self) {
  return [self](const watch_request& ask) -> result<changes_reply> {
    auto committed = self->state.host->committed(ask.partition);
    if (!committed) return tl::unexpected<error>(committed.error());
    auto current = self->state.host->readable(ask.partition, self->clock().now()).has_value();
    return read_changes(*self->state.ctx->node->store, ask, *committed, current);
  };
}

} // namespace

replication::watch_desk::answers replica_watch(replica_self self, replication::token from,
                                               watch_request ask) {
  return self->state.watches.ask(from, std::move(ask), self->clock().now(),
                                 replica_changes_of(self));
}

replication::watch_desk::answers replica_watch_committed(replica_self self,
                                                         partition_id partition) {
  return self->state.watches.committed(partition, self->clock().now(), replica_changes_of(self));
}

replication::watch_desk::answers replica_watch_tick(replica_self self) {
  return self->state.watches.tick(self->clock().now(), replica_changes_of(self));
}

} // namespace harbinger
