#include "actors/supervisor.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/names.hpp"

namespace harbinger {
namespace {

using supervisor_self = caf::stateful_actor<supervisor_state>*;
using supervision::action;
using json = nlohmann::json;

constexpr auto tree_timeout = seconds(2);
/// So long a new supervisor waits for the children of the one before it to die.
constexpr auto takeover_timeout = seconds(3);
/// A console that is killed through itself needs this long to answer.
constexpr auto farewell = milliseconds(50);
constexpr uint64_t takeover_round = 1;

bool is_abnormal_end(const caf::error& reason) {
  return reason && reason != caf::exit_reason::normal && reason != caf::exit_reason::user_shutdown;
}

void obey_supervision(supervisor_self self, const supervision::actions& todo);

template <class Event>
void advance_supervision(supervisor_self self, const Event& event) {
  obey_supervision(self, self->state.logic->step(event, self->clock().now()));
}

void forget_child(supervisor_self self, const std::string& name) {
  auto& s = self->state;
  auto it = s.running->find(name);
  if (it == s.running->end()) return;
  s.ctx->names.erase(name, it->second);
  s.running->erase(it);
}

void report_end(supervisor_self self, const std::string& name, const std::string& reason) {
  const auto& ctx = self->state.ctx;
  spdlog::warn("actor_ended actor={} supervisor={} reason=\"{}\"", name, self->state.plan.name,
               reason);
  counter(ctx, "harbinger_actor_ends_total", "abnormal ends of actors", {{"actor", name}})
      .Increment();
  raise_event(self, ctx, severity::warning, "actor_ended", name,
              name + " ended and is handled by its supervisor",
              {{"reason", reason}, {"supervisor", self->state.plan.name}});
}

void start_child(supervisor_self self, const std::string& name) {
  auto& s = self->state;
  auto plan = std::find_if(s.plan.children.begin(), s.plan.children.end(),
                           [&](const auto& c) { return c.spec.name == name; });
  try {
    auto handle = plan->start(self->system());
    (*s.running)[name] = handle;
    s.ctx->names.set(name, handle);
    self->monitor(handle);
    spdlog::info("actor_started actor={} supervisor={}", name, s.plan.name);
  } catch (const std::exception& e) {
    report_end(self, name, e.what());
    advance_supervision(
        self, supervision::child_down{name, true, std::string{"can not be started: "} + e.what()});
  }
}

void end_child(supervisor_self self, const std::string& name, caf::exit_reason reason) {
  if (auto it = self->state.running->find(name); it != self->state.running->end())
    self->send_exit(it->second, reason);
}

void obey_supervision(supervisor_self self, const supervision::actions& todo) {
  for (const auto& a : todo) {
    switch (a.what) {
    case action::kind::start: start_child(self, a.child); break;
    case action::kind::stop: end_child(self, a.child, caf::exit_reason::user_shutdown); break;
    case action::kind::kill: end_child(self, a.child, caf::exit_reason::kill); break;
    case action::kind::abandon:
      spdlog::error("actor_abandoned actor={} supervisor={}", a.child, self->state.plan.name);
      forget_child(self, a.child);
      break;
    case action::kind::wake:
      self->delayed_send(self, std::max(duration::zero(), a.at - self->clock().now()), tick{0});
      break;
    case action::kind::escalate:
      spdlog::error("supervisor_gave_up supervisor={} reason=\"{}\"", self->state.plan.name,
                    a.text);
      self->quit(caf::make_error(caf::sec::runtime_error, a.text));
      break;
    case action::kind::finished: self->quit(caf::exit_reason::user_shutdown); break;
    }
  }
}

void child_went_down(supervisor_self self, const caf::down_msg& down) {
  auto& s = self->state;
  if (std::erase(s.before_us, down.source) > 0) {
    if (s.before_us.empty()) self->send(self, tick{takeover_round});
    return;
  }
  auto it = std::find_if(s.running->begin(), s.running->end(),
                         [&](const auto& c) { return c.second.address() == down.source; });
  if (it == s.running->end()) return;
  auto name = it->first;
  auto reason = self->system().render(down.reason);
  forget_child(self, name);
  if (is_abnormal_end(down.reason)) report_end(self, name, reason);
  // Only an operator kills a child that was not asked to stop.
  advance_supervision(self, supervision::child_down{name, is_abnormal_end(down.reason), reason,
                                                    down.reason == caf::exit_reason::kill});
}

/// Ends what an earlier incarnation of this supervisor left behind.
void take_over(supervisor_self self) {
  auto& s = self->state;
  for (const auto& child : s.plan.children)
    if (auto old = s.ctx->names.find(child.spec.name)) {
      s.before_us.push_back(old.address());
      self->monitor(old);
      self->send_exit(old, caf::exit_reason::kill);
    }
  if (s.before_us.empty())
    self->send(self, tick{takeover_round});
  else
    self->delayed_send(self, takeover_timeout, tick{takeover_round});
}

show_reply kill_by_name(supervisor_self self, const std::string& name) {
  auto target = self->state.ctx->names.find(name);
  if (!target) return {fail(errc::not_found, "no actor is called " + name)};
  if (target == caf::actor_cast<caf::actor>(self))
    return {fail(errc::invalid_argument, "the root can not be killed; stop the process")};
  spdlog::warn("actor_killed actor={} by=operator", name);
  if (name == names::console)
    self->delayed_anon_send(target, farewell,
                            caf::exit_msg{self->address(), caf::exit_reason::kill});
  else
    self->send_exit(target, caf::exit_reason::kill);
  return {json{{"killed", name}}.dump()};
}

/// The rows of a tree while the parts of nested supervisors are on their way.
struct tree_parts {
  caf::typed_response_promise<show_reply> promise;
  std::vector<json> parts; ///< arrays of rows, in order
  size_t missing = 0;
  std::string_view strategy;
  void arrived() {
    if (--missing > 0) return;
    json rows = json::array();
    for (auto& part : parts)
      for (auto& row : part) rows.push_back(std::move(row));
    json columns{"name",  "parent",   "strategy",    "kind",
                 "state", "restarts", "last_reason", "uptime_s"};
    promise.deliver(
        show_reply{json{{"strategy", strategy}, {"columns", columns}, {"rows", rows}}.dump()});
  }
};

json tree_row(supervisor_self self, const supervision::child_view& view) {
  bool running = view.state == supervision::child_state::running;
  json uptime = running ? json(to_seconds(self->clock().now() - view.started)) : json(nullptr);
  return {view.spec.name,
          self->state.plan.name,
          "",
          supervision::name_of(view.spec.kind),
          supervision::name_of(view.state),
          view.restarts,
          view.last_reason,
          uptime};
}

caf::typed_response_promise<show_reply> show_tree(supervisor_self self) {
  auto& s = self->state;
  auto tree = std::make_shared<tree_parts>();
  tree->promise = self->make_response_promise<show_reply>();
  tree->strategy = supervision::name_of(s.plan.rules.how);
  auto promise = tree->promise;
  tree->parts.push_back(json::array());
  bool is_root = s.plan.name == "root";
  if (is_root)
    tree->parts[0].push_back({"root", nullptr, supervision::name_of(s.plan.rules.how), "permanent",
                              "running", 0, "", nullptr});
  tree->missing = 1;
  for (const auto& view : s.logic->children()) {
    auto row = tree_row(self, view);
    auto plan = std::find_if(s.plan.children.begin(), s.plan.children.end(),
                             [&](const auto& c) { return c.spec.name == view.spec.name; });
    auto handle = s.running->find(view.spec.name);
    auto index = tree->parts.size();
    tree->parts.push_back(json::array({row}));
    if (!plan->supervises || handle == s.running->end()) continue;
    ++tree->missing;
    self->request(handle->second, tree_timeout, show_request{"tree", {}})
        .then(
            [tree, index](const show_reply& reply) {
              if (reply.document) {
                auto part = json::parse(*reply.document, nullptr, false);
                if (part.contains("strategy")) tree->parts[index][0][2] = part["strategy"];
                for (auto& row : part["rows"]) tree->parts[index].push_back(std::move(row));
              }
              tree->arrived();
            },
            [tree](const caf::error&) { tree->arrived(); });
  }
  tree->arrived();
  return promise;
}

} // namespace

caf::behavior supervisor(caf::stateful_actor<supervisor_state>* self, context_ptr ctx,
                         supervisor_plan plan) {
  auto& s = self->state;
  s.ctx = ctx;
  s.plan = std::move(plan);
  std::vector<supervision::child_spec> specs;
  for (const auto& child : s.plan.children) specs.push_back(child.spec);
  s.logic.emplace(s.plan.rules, std::move(specs),
                  ctx->life.value + std::hash<std::string>{}(s.plan.name));
  if (s.plan.name == "root") ctx->names.set("root", caf::actor_cast<caf::actor>(self));
  self->attach_functor([running = s.running] {
    for (auto& [name, handle] : *running) caf::anon_send_exit(handle, caf::exit_reason::kill);
    running->clear();
  });
  self->set_down_handler([=](caf::down_msg& down) { child_went_down(self, down); });
  self->set_exit_handler(
      [=](caf::exit_msg&) { advance_supervision(self, supervision::stop_all{}); });
  take_over(self);
  return {
      [=](tick t) {
        if (t.round != takeover_round) return advance_supervision(self, supervision::woken{});
        if (std::exchange(self->state.started, true)) return;
        self->state.before_us.clear();
        advance_supervision(self, supervision::start_all{});
      },
      [=](const kill_actor& wanted) { return kill_by_name(self, wanted.name); },
      [=](const show_request& wanted) -> caf::result<show_reply> {
        if (wanted.topic == "ping") return show_reply{"{}"};
        if (wanted.topic == "tree") return show_tree(self);
        return show_reply{fail(errc::not_found, "a supervisor has nothing called " + wanted.topic)};
      },
  };
}

} // namespace harbinger
