#include "actors/prefetch_coordinator.hpp"

#include <spdlog/spdlog.h>

#include "actors/following.hpp"
#include "actors/names.hpp"
#include "actors/partition_prefetcher.hpp"
#include "wire/codec.hpp"

namespace harbinger {

namespace {

using coordinator_self = prefetch_coordinator_actor::stateful_pointer<prefetch_coordinator_state>;

constexpr auto board_period = milliseconds(100);
constexpr uint64_t rounds_per_review = 10; ///< a step is taken at least every so many periods
constexpr auto placement_timeout = seconds(2);
constexpr auto catalog_timeout = seconds(5);

prometheus::Counter& copies_begun(const context_ptr& ctx) {
  return counter(ctx, "harbinger_copies_begun_total",
                 "copies put into the catalog in this life of the centre");
}

void carry_board_actions(coordinator_self self, const context_ptr& ctx, board_actions actions);

void take_placement(coordinator_self self, const context_ptr& ctx, partition_id partition,
                    const placement& answer) {
  auto& s = self->state;
  auto before = s.board->copies_begun();
  auto actions = s.board->placed(partition, answer, s.catalog, self->clock().now());
  copies_begun(ctx).Increment(static_cast<double>(s.board->copies_begun() - before));
  carry_board_actions(self, ctx, std::move(actions));
}

void take_swap(coordinator_self self, const context_ptr& ctx, partition_id partition,
               const result<partition_row>& row) {
  auto& s = self->state;
  if (!row)
    spdlog::info("prefetch_swap_lost partition={} error=\"{}\"", to_string(partition),
                 to_string(row.error()));
  s.dirty = true;
  carry_board_actions(self, ctx,
                      s.board->swapped(partition, row, s.catalog, *s.config, self->clock().now()));
}

void ask_placement(coordinator_self self, const context_ptr& ctx, const placement_query& query) {
  auto partition = query.partition;
  auto no_answer = [=] {
    placement refused;
    refused.target = fail(errc::unavailable, "no answer from placement");
    take_placement(self, ctx, partition, refused);
  };
  auto found = ctx->names.find(names::placement_manager);
  if (!found) return no_answer();
  self->request(caf::actor_cast<placement_actor>(found), placement_timeout, query)
      .then([=](const placement& answer) { take_placement(self, ctx, partition, answer); },
            [=](const caf::error&) { no_answer(); });
}

void ask_swap(coordinator_self self, const context_ptr& ctx, const change_partition& change) {
  auto partition = change.row.id;
  auto no_answer = [=] {
    take_swap(self, ctx, partition, fail(errc::timeout, "no answer from the catalog keeper"));
  };
  auto found = ctx->names.find(names::catalog_keeper);
  if (!found) return no_answer();
  self->request(caf::actor_cast<catalog_keeper_actor>(found), catalog_timeout, change)
      .then([=](const partition_changed& answer) { take_swap(self, ctx, partition, answer.row); },
            [=](const caf::error&) { no_answer(); });
}

void drop_copy(coordinator_self self, const context_ptr& ctx, const drop_order& order) {
  auto found = ctx->names.find(names::head_node_bridge);
  if (!found) return; // recovery drops what a node reports and the row does not list
  auto timeout = milliseconds(2 * ctx->config->control.command_timeout_ms);
  self->request(caf::actor_cast<head_node_bridge_actor>(found), timeout,
                node_command{order.node, wire::make_frame(0, order.command)})
      .then([](const node_command_done&) {}, [](const caf::error&) {});
}

void spawn_prefetcher(coordinator_self self, const context_ptr& ctx, prefetch_order order) {
  auto& s = self->state;
  copy_key key{order.partition, order.target.node};
  auto old = s.prefetchers.find(key);
  if (old != s.prefetchers.end()) {
    self->demonitor(old->second.address());
    self->send(old->second, prefetch_cancelled{key.partition});
  }
  std::shared_ptr<const replica_status> already;
  if (const auto* status = s.board->status(key))
    already = std::make_shared<replica_status>(*status);
  auto child = self->spawn(partition_prefetcher, ctx, caf::actor_cast<caf::actor>(self->ctrl()),
                           std::move(order), already, s.config);
  self->monitor(child);
  s.prefetchers[key] = child;
}

void carry_board_actions(coordinator_self self, const context_ptr& ctx, board_actions actions) {
  auto& s = self->state;
  for (const auto& key : actions.cancel) {
    auto child = s.prefetchers.find(key);
    if (child == s.prefetchers.end()) continue;
    self->demonitor(child->second.address());
    self->send(child->second, prefetch_cancelled{key.partition});
    s.prefetchers.erase(child);
  }
  for (auto& order : actions.begin) spawn_prefetcher(self, ctx, std::move(order));
  for (const auto& order : actions.sources) {
    auto child = s.prefetchers.find({order.partition, order.target.node});
    if (child != s.prefetchers.end()) self->send(child->second, order);
  }
  for (const auto& e : actions.events) {
    spdlog::info("{} partition={} text=\"{}\"", e.kind, e.subject, e.text);
    counter(ctx, "harbinger_" + e.kind + "_total", "events of this kind").Increment();
    tell<event_publisher_actor>(self, ctx, names::event_publisher, e);
  }
  for (const auto& order : actions.drop) drop_copy(self, ctx, order);
  for (const auto& change : actions.swap) ask_swap(self, ctx, change);
  for (const auto& query : actions.ask) ask_placement(self, ctx, query);
}

void pass_on_statuses(coordinator_self self, const replicas_changed& news) {
  auto& s = self->state;
  s.board->replicas(news.replicas);
  for (const auto& status : news.replicas) {
    auto child = s.prefetchers.find({status.report.partition, status.node});
    if (child != s.prefetchers.end()) self->send(child->second, replicas_changed{{status}});
  }
  s.dirty = true;
}

void prefetcher_down(coordinator_self self, const caf::down_msg& down) {
  auto& s = self->state;
  for (auto it = s.prefetchers.begin(); it != s.prefetchers.end(); ++it) {
    if (it->second.address() != down.source) continue;
    s.board->prefetcher_ended(it->first);
    s.prefetchers.erase(it);
    s.dirty = true;
    return;
  }
}

show_reply show_plan(const prefetch_coordinator_state& s) {
  auto rows = nlohmann::json::array();
  for (const auto& l : s.board->lines(s.catalog))
    rows.push_back({to_string(l.partition), l.state, l.source.value, l.target.value, l.copy.value,
                    l.bytes, l.why});
  return show_table({"partition", "state", "source", "target", "copy", "bytes", "why"},
                    std::move(rows));
}

/// Its part of the supervision tree.
show_reply show_prefetchers(const prefetch_coordinator_state& s) {
  auto rows = nlohmann::json::array();
  for (const auto& [key, child] : s.prefetchers)
    rows.push_back({names::prefetcher_of(key.partition, key.node), names::prefetch_coordinator, "",
                    "temporary", "running", 0, "", nullptr});
  return {nlohmann::json{{"rows", rows}}.dump()};
}

void coordinator_tick(coordinator_self self, const context_ptr& ctx) {
  auto& s = self->state;
  if (!s.catalog.ready() && s.round % rounds_per_review == 0)
    ask_for_catalog(self, ctx, names::prefetch_coordinator);
  if (s.dirty || s.round % rounds_per_review == 0) {
    s.dirty = false;
    carry_board_actions(self, ctx, s.board->step(s.catalog, *s.config, self->clock().now()));
    gauge(ctx, "harbinger_copies_wanted", "copies the plan asks for and that are not there")
        .Set(static_cast<double>(s.board->plan().wanted.size()));
    gauge(ctx, "harbinger_prefetchers", "copies being made or followed")
        .Set(static_cast<double>(s.prefetchers.size()));
  }
  self->delayed_send(self, board_period, tick{++s.round});
}

} // namespace

prefetch_coordinator_actor::behavior_type prefetch_coordinator(coordinator_self self,
                                                               context_ptr ctx) {
  auto& s = self->state;
  s.config = ctx->config;
  s.board = std::make_unique<protection_board>(ctx->term,
                                               static_cast<uint64_t>(copies_begun(ctx).Value()));
  self->set_down_handler([=](caf::down_msg& down) { prefetcher_down(self, down); });
  ask_for_catalog(self, ctx, names::prefetch_coordinator);
  tell<zone_manager_actor>(self, ctx, names::zone_manager, tick{0});
  tell<version_synchronizer_actor>(self, ctx, names::version_synchronizer, tick{0});
  self->delayed_send(self, board_period, tick{s.round});
  return {
      [=](const zone_map& zones) {
        self->state.board->zones(zones);
        self->state.dirty = true;
      },
      [=](const catalog_changed& news) {
        if (take_catalog(self, ctx, names::prefetch_coordinator, self->state.catalog, news))
          self->state.dirty = true;
      },
      [=](const replicas_changed& news) { pass_on_statuses(self, news); },
      [=](const copy_wanted& wanted) {
        self->state.board->restore(wanted);
        self->state.dirty = true;
      },
      [=](const copies_held& held) {
        self->state.board->hold(held, self->clock().now());
        self->state.dirty = true;
      },
      [=](const prefetch_progress& progress) {
        auto& board = *self->state.board;
        carry_board_actions(self, ctx,
                            board.progress(progress, self->state.catalog, self->clock().now()));
        self->state.dirty = true;
      },
      [=](const config_changed& news) {
        self->state.config = news.now;
        self->state.dirty = true;
      },
      [=](const tick& t) {
        if (t.round == self->state.round) coordinator_tick(self, ctx);
      },
      [=](const show_request& wanted) {
        return wanted.topic == "tree" ? show_prefetchers(self->state) : show_plan(self->state);
      },
  };
}

} // namespace harbinger
