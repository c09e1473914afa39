#include "actors/metrics_exporter.hpp"

#include <map>
#include <mutex>

#include <nlohmann/json.hpp>
#include <prometheus/exposer.h>
#include <spdlog/spdlog.h>

namespace harbinger {
namespace {

using exporter_self = metrics_exporter_actor::stateful_pointer<metrics_exporter_state>;

constexpr auto listen_retry = seconds(5);
constexpr size_t http_threads = 1;

std::string metrics_address(const context_ptr& ctx) {
  return ctx->role == daemon_role::central ? ctx->config->endpoints.metrics
                                           : ctx->config->node.metrics;
}

/// The HTTP server outlives the actor: it needs more than a second to end, and holds no state that
/// could go bad.
std::shared_ptr<prometheus::Exposer> metrics_server(const std::string& address) {
  static std::mutex mutex;
  static auto& servers =
      *new std::map<std::string, std::shared_ptr<prometheus::Exposer>>; // never ended, see above
  std::lock_guard guard(mutex);
  auto& server = servers[address];
  if (!server) server = std::make_shared<prometheus::Exposer>(address, http_threads);
  return server;
}

void listen_for_scrapes(exporter_self self, const context_ptr& ctx) {
  auto address = metrics_address(ctx);
  auto& s = self->state;
  if (address.empty() || s.exposer) return;
  try {
    s.exposer = metrics_server(address);
    // A second registration would double every metric.
    s.exposer->RemoveCollectable(ctx->metrics);
    s.exposer->RegisterCollectable(ctx->metrics);
    spdlog::info("metrics_listening address={}", address);
    s.failure.clear();
  } catch (const std::exception& e) {
    if (s.failure.empty())
      raise_event(self, ctx, severity::alert, "metrics_unavailable", address,
                  "metrics can not be served at " + address, {{"reason", e.what()}});
    s.failure = e.what();
    spdlog::error("metrics_unavailable address={} reason=\"{}\"", address, e.what());
    self->delayed_send(self, listen_retry, tick{1});
  }
}

} // namespace

metrics_exporter_actor::behavior_type
metrics_exporter(metrics_exporter_actor::stateful_pointer<metrics_exporter_state> self,
                 context_ptr ctx) {
  listen_for_scrapes(self, ctx);
  return {
      [=](tick) { listen_for_scrapes(self, ctx); },
      [=](const show_request&) {
        const auto& s = self->state;
        nlohmann::json shown{{"address", metrics_address(ctx)},
                             {"listening", s.exposer != nullptr},
                             {"failure", s.failure}};
        return show_reply{shown.dump()};
      },
  };
}

} // namespace harbinger
