#include "actors/console.hpp"

#include <functional>
#include <stdexcept>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/names.hpp"
#include "app/console_routes.hpp"
#include "app/status.hpp"
#include "wire/codec.hpp"

namespace harbinger {
namespace {

using console_self = console_actor::stateful_pointer<console_state>;
using answer = std::function<void(result<std::string>)>;

constexpr auto status_part_timeout = seconds(2);
/// ZeroMQ hangs up on a larger frame without a word. Well above a request's own limit, so that
/// every line that a person can type or a shell can pass is refused with an error.
constexpr size_t frame_bytes_max = 8 << 20;

/// Typed questions are sent to the dynamically typed handle: the route names an actor that takes
/// them.
template <class Question>
void ask_actor(console_self self, const context_ptr& ctx, const std::string& name, duration timeout,
               Question question, answer reply) {
  auto target = ctx->names.find(name);
  if (!target) return reply(fail(errc::unavailable, name + " is not running now"));
  ++self->state.waiting;
  self->request(target, timeout, std::move(question))
      .then(
          [self, reply](const show_reply& answered) {
            --self->state.waiting;
            reply(answered.document);
          },
          [self, reply, name](const caf::error& e) {
            --self->state.waiting;
            if (e == caf::sec::request_timeout)
              return reply(fail(errc::timeout, name + " did not answer in time"));
            if (e == caf::sec::unexpected_message)
              return reply(fail(errc::not_found, name + " has nothing of that kind"));
            reply(fail(errc::unavailable, name + ": " + self->system().render(e)));
          });
}

struct status_parts {
  std::map<std::string, std::string> listings;
  std::vector<std::string> missing;
  size_t open = 0;
};

std::string status_head(console_self self, const context_ptr& ctx) {
  nlohmann::json head{{"role", name_of(ctx->role)},
                      {"uptime_s", to_seconds(self->clock().now() - self->state.started)}};
  if (ctx->role == daemon_role::central)
    head["term"] = ctx->term.value;
  else
    head["node"] = ctx->config->node.id.value, head["incarnation"] = ctx->life.value;
  return head.dump();
}

void ask_status(console_self self, const context_ptr& ctx, const answer& reply) {
  auto topics = status_topics(ctx->role == daemon_role::central);
  auto parts = std::make_shared<status_parts>();
  parts->open = topics.size();
  for (const auto& topic : topics) {
    auto route = route_console(ctx->role, {topic});
    auto arrived = [=](result<std::string> part) {
      if (part)
        parts->listings[topic] = std::move(*part);
      else
        parts->missing.push_back(topic + ": " + to_string(part.error()));
      if (--parts->open == 0)
        reply(assemble_status(status_head(self, ctx), parts->listings, parts->missing));
    };
    ask_actor(self, ctx, route->actor, status_part_timeout, std::get<show_request>(route->question),
              arrived);
  }
}

void answer_line(console_self self, const context_ptr& ctx, const std::vector<std::string>& words,
                 const answer& reply) {
  if (self->state.waiting >= console_questions_max)
    return reply(fail(errc::overloaded, "too many questions at once"));
  auto route = route_console(ctx->role, words);
  if (!route) return reply(tl::unexpected<error>(route.error()));
  std::visit(
      [&](auto& question) {
        if constexpr (std::is_same_v<std::decay_t<decltype(question)>, status_query>)
          ask_status(self, ctx, reply);
        else
          ask_actor(self, ctx, route->actor, route->timeout, std::move(question), reply);
      },
      route->question);
}

/// What goes back must fit into a frame.
wire::frame console_answer_frame(uint64_t id, result<std::string> document) {
  if (!document) return wire::make_error(id, document.error());
  if (document->size() + 64 > console_reply::max_bytes)
    return wire::make_error(id, {errc::oversize, "the answer is larger than 8 MiB; ask for less"});
  return wire::make_frame(id, console_reply{std::move(*document)});
}

std::unique_ptr<net::reactor> open_console(const context_ptr& ctx) {
  auto endpoint = console_endpoint(ctx->config->state_dir);
  auto socket = std::make_unique<net::reactor>();
  auto added = socket->add({.kind = net::socket_kind::router,
                            .endpoint = endpoint,
                            .bind = true,
                            .message_bytes_max = frame_bytes_max,
                            .owner_only = true});
  if (!added) throw std::runtime_error("console " + endpoint + ": " + to_string(added.error()));
  socket->start([ctx](net::incoming&& in) {
    tell_from_outside<console_actor>(
        ctx, names::console, data_request{in.socket, std::move(in.peer), std::move(in.message)});
  });
  return socket;
}

} // namespace

std::string console_endpoint(const std::string& state_dir) {
  return "ipc://" + state_dir + "/console.sock";
}

console_actor::behavior_type console(console_actor::stateful_pointer<console_state> self,
                                     context_ptr ctx) {
  self->state.socket = open_console(ctx);
  self->state.started = self->clock().now();
  return {
      [=](const data_request& asked) {
        auto reply = [=, peer = asked.peer, socket = asked.socket,
                      id = asked.message.id](result<std::string> document) {
          self->state.socket->send(socket, peer, console_answer_frame(id, std::move(document)));
        };
        auto request = wire::read_frame<console_request>(asked.message);
        if (!request) return reply(tl::unexpected<error>(request.error()));
        answer_line(self, ctx, request->words, reply);
      },
      [=](const show_request& wanted) -> caf::result<show_reply> {
        auto promise = self->make_response_promise<show_reply>();
        std::vector<std::string> words{wanted.topic};
        words.insert(words.end(), wanted.words.begin(), wanted.words.end());
        answer_line(self, ctx, words, [promise](result<std::string> document) mutable {
          promise.deliver(show_reply{std::move(document)});
        });
        return promise;
      },
  };
}

} // namespace harbinger
