#include "actors/tree.hpp"

#include <spdlog/spdlog.h>

#include "actors/catalog_keeper.hpp"
#include "actors/config_keeper.hpp"
#include "actors/console.hpp"
#include "actors/event_publisher.hpp"
#include "actors/failure_predictor.hpp"
#include "actors/head_node_bridge.hpp"
#include "actors/history_keeper.hpp"
#include "actors/metrics_exporter.hpp"
#include "actors/model_keeper.hpp"
#include "actors/model_trainer.hpp"
#include "actors/names.hpp"
#include "actors/node/copy_receiver.hpp"
#include "actors/node/data_bridge.hpp"
#include "actors/node/mass_flusher.hpp"
#include "actors/node/node_link.hpp"
#include "actors/node/replica_server.hpp"
#include "actors/node/scrubber.hpp"
#include "actors/node/snapshot_server.hpp"
#include "actors/node/telemetry_publisher.hpp"
#include "actors/prefetch_coordinator.hpp"
#include "actors/recovery_coordinator.hpp"
#include "actors/telemetry_bridge.hpp"
#include "actors/telemetry_ingestor.hpp"
#include "actors/version_synchronizer.hpp"
#include "actors/zone_manager.hpp"

namespace harbinger {
namespace {

/// A subtree that gives up again and again is beyond repair from inside: the process ends and
/// systemd starts it anew.
constexpr uint32_t subtree_restarts_max = 2;
constexpr auto subtree_period = seconds(120);

supervision::policy leaf_rules(const context_ptr& ctx) {
  const auto& s = ctx->config->supervision;
  return {supervision::strategy::one_for_one, s.restarts_max,
          from_seconds(s.within_s),           milliseconds(s.backoff_ms),
          milliseconds(s.backoff_max_ms),     milliseconds(s.stop_timeout_ms)};
}

/// All strategies are one_for_one: every actor finds the others by name at each send and re-derives
/// its state, so the end of one is no reason to disturb another.
child_plan subtree(const char* name, const context_ptr& ctx, std::vector<child_plan> children) {
  supervisor_plan plan{name, leaf_rules(ctx), std::move(children)};
  auto start = [ctx, plan](caf::actor_system& system) {
    return system.spawn(supervisor, ctx, plan);
  };
  return {{name, supervision::restart_kind::permanent}, start, true};
}

child_plan with_children_of_its_own(child_plan plan) {
  plan.supervises = true;
  return plan;
}

supervisor_plan root_of(const context_ptr& ctx, std::vector<child_plan> subtrees) {
  auto rules = leaf_rules(ctx);
  rules.restarts_max = subtree_restarts_max;
  rules.within = subtree_period;
  // A subtree stops its children one after the other.
  rules.stop_timeout *= 3;
  return {"root", rules, std::move(subtrees)};
}

} // namespace

caf::error end_reason(const char* name, const std::exception_ptr& thrown) {
  std::string text = "unknown exception";
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    text = e.what();
  } catch (...) {
  }
  spdlog::error("actor_threw actor={} exception=\"{}\"", name, text);
  return caf::make_error(caf::sec::runtime_error, text);
}

supervisor_plan central_tree(const context_ptr& ctx) {
  using caf::detached;
  return root_of(
      ctx, {
               subtree("catalog", ctx,
                       {
                           child(names::event_publisher, ctx, event_publisher),
                           child<detached>(names::catalog_keeper, ctx, catalog_keeper),
                           child(names::config_keeper, ctx, config_keeper),
                       }),
               subtree("control", ctx,
                       {
                           child(names::version_synchronizer, ctx, version_synchronizer),
                           child<detached>(names::recovery_coordinator, ctx, recovery_coordinator),
                           child<detached>(names::head_node_bridge, ctx, head_node_bridge),
                       }),
               subtree("protection", ctx,
                       {

                           with_children_of_its_own(
                               child(names::prefetch_coordinator, ctx, prefetch_coordinator)),
                           child(names::zone_manager, ctx, zone_manager),
                       }),
               subtree("prediction", ctx,
                       {
                           child(names::failure_predictor, ctx, failure_predictor),
                           child(names::model_keeper, ctx, model_keeper),
                           child<detached>(names::model_trainer, ctx, model_trainer),
                           child<detached>(names::history_keeper, ctx, history_keeper),
                           child(names::telemetry_ingestor, ctx, telemetry_ingestor),
                           child(names::telemetry_bridge, ctx, telemetry_bridge),
                       }),
               subtree("surface", ctx,
                       {
                           child(names::metrics_exporter, ctx, metrics_exporter),
                           child(names::console, ctx, console),
                       }),
           });
}

supervisor_plan node_tree(const context_ptr& ctx) {
  using caf::detached;
  return root_of(
      ctx, {
               subtree("base", ctx,
                       {
                           child(names::event_publisher, ctx, event_publisher),
                           child(names::config_keeper, ctx, config_keeper),
                       }),
               subtree("storage", ctx,
                       {
                           child(names::replica_server, ctx, replica_server),
                           child<detached>(names::snapshot_server, ctx, snapshot_server),
                           child<detached>(names::copy_receiver, ctx, copy_receiver),
                           child<detached>(names::mass_flusher, ctx, mass_flusher),
                           child<detached>(names::scrubber, ctx, scrubber),
                       }),
               subtree("links", ctx,
                       {
                           child(names::data_bridge, ctx, data_bridge),
                           child<detached>(names::node_link, ctx,
                                           node_link), // heartbeats must not wait for a worker
                           child(names::telemetry_publisher, ctx, telemetry_publisher),
                       }),
               subtree("surface", ctx,
                       {
                           child(names::metrics_exporter, ctx, metrics_exporter),
                           child(names::console, ctx, console),
                       }),
           });
}

caf::actor spawn_tree(caf::actor_system& system, const context_ptr& ctx, supervisor_plan plan) {
  return system.spawn(supervisor, ctx, std::move(plan));
}

} // namespace harbinger
