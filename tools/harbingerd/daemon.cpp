#include "daemon.hpp"

#include <csignal>
#include <ctime>
#include <iostream>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "actors/config_keeper.hpp"
#include "actors/names.hpp"
#include "actors/node/resources.hpp"
#include "actors/resources.hpp"
#include "actors/tree.hpp"
#include "app/config_history.hpp"
#include "app/daemon_process.hpp"
#include "wire/codec.hpp"

namespace harbinger {
namespace {

/// All children together; then the process ends anyway.
constexpr auto stop_timeout = std::chrono::milliseconds(3000);
constexpr auto answer_timeout = std::chrono::milliseconds(1000);
/// Sent to ourselves when the root supervisor ended by itself.
constexpr int root_ended = SIGUSR2;

sigset_t daemon_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int number : {SIGTERM, SIGINT, SIGHUP, root_ended}) sigaddset(&set, number);
  return set;
}

exit_code refuse_start(const error& why) {
  spdlog::critical("start_refused reason=\"{}\"", to_string(why));
  std::cerr << "harbingerd: " << why.detail << '\n';
  return exit_code_of(why.code);
}

unix_ms wall_clock_now() {
  using namespace std::chrono;
  return unix_ms{duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count()};
}

void set_up_log() {
  auto log = spdlog::stderr_logger_mt("harbinger");
  log->set_pattern("time=%Y-%m-%dT%H:%M:%S.%e level=%l %v");
  spdlog::set_default_logger(log);
  spdlog::flush_on(spdlog::level::info);
}

result<> open_resources(context& ctx) {
  if (ctx.role == daemon_role::central) {
    auto opened = open_central_resources(*ctx.config);
    if (!opened) return tl::unexpected<error>(opened.error());
    ctx.central = *opened;
    ctx.term = ctx.central->catalog->term();
    return {};
  }
  auto opened = open_node_resources(*ctx.config);
  if (!opened) return tl::unexpected<error>(opened.error());
  ctx.node = *opened;
  return {};
}

/// Waits for signals and serves the watchdog; returns the exit code once it is time to go.
class daemon_loop {
public:
  daemon_loop(caf::actor_system& system, context_ptr ctx, caf::actor root)
      : self_(system),
        ctx_(std::move(ctx)),
        root_(std::move(root)),
        watchdog_(systemd_watchdog()) {}

  exit_code run() {
    notify_systemd("READY=1");
    spdlog::info("started role={} pid={} term={} incarnation={}", name_of(ctx_->role), ::getpid(),
                 ctx_->term.value, ctx_->life.value);
    for (;;) {
      switch (wait_for_signal()) {
      case SIGHUP: reload(); break;
      case SIGTERM:
      case SIGINT: return stop();
      case root_ended: return exit_code::failure;
      default: feed_watchdog();
      }
    }
  }

private:
  int wait_for_signal() {
    auto set = daemon_signals();
    if (watchdog_ == duration::zero()) {
      int number = 0;
      return sigwait(&set, &number) == 0 ? number : 0;
    }
    auto half_ns = std::chrono::nanoseconds(watchdog_ / 2).count();
    timespec limit{static_cast<time_t>(half_ns / 1'000'000'000),
                   static_cast<long>(half_ns % 1'000'000'000)};
    return sigtimedwait(&set, nullptr, &limit);
  }

  /// Only while the root supervisor still gets its turn.
  void feed_watchdog() {
    if (watchdog_ == duration::zero()) return;
    self_->request(root_, answer_timeout, show_request{"ping", {}})
        .receive([](const show_reply&) { notify_systemd("WATCHDOG=1"); },
                 [](const caf::error&) {
                   spdlog::error("watchdog_unfed reason=\"the root supervisor does not answer\"");
                 });
  }

  void reload() {
    auto keeper = ctx_->names.find(names::config_keeper);
    if (!keeper) return spdlog::error("reload_failed reason=\"config_keeper is not running\"");
    self_->request(keeper, answer_timeout, show_request{"config", {"reload"}})
        .receive(
            [](const show_reply& reply) {
              if (reply.document)
                spdlog::info("reloaded");
              else
                spdlog::error("reload_refused reason=\"{}\"", to_string(reply.document.error()));
            },
            [](const caf::error&) { spdlog::error("reload_failed reason=\"no answer\""); });
  }

  /// A node that stops on purpose says so, that it is not taken for one that failed. The answer of
  /// the link only shows that the word is with its socket, which sends it before it closes.
  void say_goodbye() {
    auto found = ctx_->names.find(names::node_link);
    if (ctx_->role != daemon_role::node || !found) return;
    auto link = caf::actor_cast<node_link_actor>(found);
    node_leaving leaving{ctx_->config->node.id, ctx_->life};
    self_->send(link, send_to_centre{wire::make_frame(0, leaving)});
    self_->request(link, answer_timeout, show_request{"link", {}})
        .receive([](const show_reply&) {},
                 [](const caf::error&) { spdlog::warn("goodbye_unsent"); });
  }

  exit_code stop() {
    notify_systemd("STOPPING=1");
    spdlog::info("stopping");
    say_goodbye();
    self_->monitor(root_);
    self_->send_exit(root_, caf::exit_reason::user_shutdown);
    bool stopped = false;
    self_->receive([&](const caf::down_msg&) { stopped = true; },
                   caf::after(stop_timeout) >> [] { spdlog::error("stop_timeout"); });
    spdlog::info("stopped in_order={}", stopped);
    return exit_code::ok;
  }

  caf::scoped_actor self_;
  context_ptr ctx_;
  caf::actor root_;
  duration watchdog_;
};

exit_code run_actors(const context_ptr& ctx) {
  caf::actor_system_config config;
  config.set("scheduler.policy", caf::atom("sharing"));
  config.set("scheduler.max-threads", size_t{ctx->config->threads});
  caf::actor_system system{config};
  auto root = spawn_tree(system, ctx,
                         ctx->role == daemon_role::central ? central_tree(ctx) : node_tree(ctx));
  root->attach_functor([](const caf::error& reason) {
    if (reason && reason != caf::exit_reason::user_shutdown) ::kill(::getpid(), root_ended);
  });
  auto code = daemon_loop{system, ctx, root}.run();
  if (code != exit_code::ok)
    std::cerr << "harbingerd: gave up after too many failures; the log says which actor\n";
  // The children have stopped and whatever they acknowledged is durable; to destroy the actor
  // system would mean to wait for timers that are still armed.
  spdlog::shutdown();
  std::cerr.flush();
  ::_exit(to_int(code));
}

} // namespace

void block_daemon_signals() {
  auto set = daemon_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

exit_code run_daemon(const daemon_options& options) {
  set_up_log();
  auto text = read_text_file(options.config_file);
  if (!text) return refuse_start(text.error());
  auto first = parse_settings(options.role, *text, options.config_file, options.changes);
  if (!first) return refuse_start(first.error());
  set_log_level(first->log_level);
  auto lock = state_dir_lock::take(first->state_dir);
  if (!lock) return refuse_start(lock.error());
  auto history = read_config_journal(first->state_dir);
  if (!history) return refuse_start(history.error());
  auto config =
      effective_settings(options.role, *text, options.config_file, *history, options.changes);
  if (!config) {
    auto why = config.error();
    why.detail += " (together with " + config_journal_path(first->state_dir)
                  + ", which holds what was set at run time)";
    return refuse_start(why);
  }
  config->state_dir = first->state_dir;
  set_log_level(config->log_level);
  if (auto free = check_addresses(options.role, *config); !free) return refuse_start(free.error());

  auto ctx = std::make_shared<context>();
  ctx->role = options.role;
  ctx->version = HARBINGER_VERSION;
  ctx->config_file = options.config_file;
  ctx->config_changes = options.changes;
  ctx->wall_clock = wall_clock_now;
  ctx->life = incarnation{static_cast<uint64_t>(wall_clock_now().value)};
  ctx->config = std::make_shared<const settings>(std::move(*config));
  if (auto opened = open_resources(*ctx); !opened) return refuse_start(opened.error());
  return run_actors(ctx);
}

} // namespace harbinger
