#include "actors/partition_prefetcher.hpp"

#include <spdlog/spdlog.h>

#include "actors/names.hpp"
#include "wire/codec.hpp"

namespace harbinger {

namespace {

using prefetcher_self = partition_prefetcher_actor::stateful_pointer<partition_prefetcher_state>;

void send_copy_start(prefetcher_self self, const context_ptr& ctx);

void carry_copy_actions(prefetcher_self self, const context_ptr& ctx,
                        const copy_life_actions& actions) {
  const auto& life = *self->state.life;
  const auto& order = life.order();
  if (actions.report || actions.gave_up)
    tell<prefetch_coordinator_actor>(self, ctx, names::prefetch_coordinator,
                                     prefetch_progress{order.partition, order.copy, actions.ready,
                                                       actions.gave_up, actions.fell_back,
                                                       life.copied_bytes(), actions.detail});
  if (actions.gave_up || actions.finished) {
    spdlog::info("prefetcher_ends partition={} target={} copy={} phase={} detail=\"{}\"",
                 to_string(order.partition), order.target.node.value, order.copy.value,
                 name_of(life.now_in()), actions.detail);
    self->quit();
    return;
  }
  if (actions.send_start) send_copy_start(self, ctx);
}

void send_copy_start(prefetcher_self self, const context_ptr& ctx) {
  auto& life = *self->state.life;
  const auto& order = life.order();
  auto bridge = ctx->names.find(names::head_node_bridge);
  if (!bridge) {
    carry_copy_actions(
        self, ctx,
        life.start_failed("the bridge to the nodes is not running", self->clock().now()));
    return;
  }
  start_copy command{ctx->term,    order.partition, order.copy,
                     order.method, life.sources(),  order.rate_bytes_per_s};
  // The bridge answers within command_timeout_ms; twice that means that the bridge itself was lost.
  auto timeout = milliseconds(2 * ctx->config->control.command_timeout_ms);
  self->request(caf::actor_cast<head_node_bridge_actor>(bridge), timeout,
                node_command{order.target.node, wire::make_frame(0, command)})
      .then(
          [=](const node_command_done& answer) {
            auto& asked = *self->state.life;
            auto reply = answer.reply ? wire::read_frame<done>(*answer.reply)
                                      : tl::unexpected<error>(answer.reply.error());
            carry_copy_actions(
                self, ctx,
                reply ? asked.started(self->clock().now())
                      : asked.start_failed(to_string(reply.error()), self->clock().now()));
          },
          [=](const caf::error&) {
            carry_copy_actions(
                self, ctx,
                self->state.life->start_failed("no answer from the bridge", self->clock().now()));
          });
}

} // namespace

partition_prefetcher_actor::behavior_type
partition_prefetcher(prefetcher_self self, context_ptr ctx, caf::actor owner, prefetch_order order,
                     std::shared_ptr<const replica_status> already,
                     std::shared_ptr<const settings> config) {
  name_while_alive(self, ctx, names::prefetcher_of(order.partition, order.target.node));
  self->monitor(owner);
  self->set_down_handler([=](caf::down_msg&) { self->quit(); });
  self->state.life = std::make_unique<copy_life>(std::move(order), config->prefetch);
  auto period = milliseconds(std::max<uint32_t>(10, config->prefetch.retry_ms / 2));
  carry_copy_actions(self, ctx, self->state.life->begin(already.get(), self->clock().now()));
  self->delayed_send(self, period, tick{self->state.round});
  return {
      [=](const prefetch_order& news) {
        carry_copy_actions(self, ctx,
                           self->state.life->sources_changed(news.sources, self->clock().now()));
      },
      [=](const replicas_changed& news) {
        for (const auto& status : news.replicas)
          carry_copy_actions(self, ctx, self->state.life->status(status, self->clock().now()));
      },
      [=](const prefetch_cancelled&) { self->quit(); },
      [=](const tick& t) {
        if (t.round != self->state.round) return;
        carry_copy_actions(self, ctx, self->state.life->tick(self->clock().now()));
        self->delayed_send(self, period, tick{++self->state.round});
      },
  };
}

} // namespace harbinger
