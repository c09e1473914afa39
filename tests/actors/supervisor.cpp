#include <boost/test/unit_test.hpp>

#include <nlohmann/json.hpp>

#include "actors/supervisor.hpp"
#include "actors/tree.hpp"
#include "tests/support/stepped_scheduler.hpp"

using namespace harbinger;

namespace {

/// An actor that ends when it is told to: a tick with round 1 throws, 2 quits normally.
using fragile_actor =
    caf::typed_actor<caf::reacts_to<tick>, caf::replies_to<show_request>::with<show_reply>>;
struct fragile_state {
  static constexpr const char* name = "fragile";
};
fragile_actor::behavior_type fragile(fragile_actor::stateful_pointer<fragile_state> self,
                                     context_ptr) {
  return {
      [=](tick t) {
        if (t.round == 1) throw std::runtime_error("on purpose");
        self->quit();
      },
      [](const show_request&) { return show_reply{"{}"}; },
  };
}
fragile_actor::behavior_type hopeless(fragile_actor::stateful_pointer<fragile_state>, context_ptr) {
  throw std::runtime_error("never comes up");
}

struct deterministic {
  caf::actor_system_config cfg;
  caf::actor_system sys{cfg.load<testing::stepped_scheduler>()};
  caf::scoped_actor self{sys, true};
  testing::stepped_scheduler& sched = testing::stepped_scheduler::of(sys);
  context_ptr ctx = std::make_shared<context>();
  caf::actor root;

  deterministic() {
    sched.clock().current_time += std::chrono::hours(1);
    ctx->config = std::make_shared<const settings>();
  }
  ~deterministic() {
    caf::anon_send_exit(root, caf::exit_reason::kill);
    sched.run();
    for (int i = 0; i < 20; ++i) advance(seconds(1)); // timers that are still armed hold the system
  }
  void advance(duration time) {
    sched.advance_time(std::chrono::duration_cast<caf::timespan>(time));
    sched.run();
  }
  void spawn_root(std::vector<child_plan> children, supervision::policy rules = {}) {
    root = sys.spawn(supervisor, ctx, supervisor_plan{"root", rules, std::move(children)});
    sched.run();
  }
  child_plan subtree(const char* name, std::vector<child_plan> children,
                     supervision::policy rules = {}) {
    supervisor_plan plan{name, rules, std::move(children)};
    auto start = [this, plan](caf::actor_system& system) {
      return system.spawn(supervisor, ctx, plan);
    };
    return {{name}, start, true};
  }
  template <class Message>
  std::string ask(const Message& message) {
    self->send(root, message);
    sched.run();
    std::string answer;
    self->receive(
        [&](const show_reply& r) {
          answer = r.document ? *r.document : to_string(r.document.error());
        },
        caf::after(std::chrono::seconds(0)) >> [&] { answer = "no answer"; });
    return answer;
  }
  /// "b: running, 1 restarts" of every row of the tree.
  std::vector<std::string> tree() {
    std::vector<std::string> lines;
    auto document = nlohmann::json::parse(ask(show_request{"tree", {}}));
    for (const auto& row : document["rows"])
      lines.push_back(row[0].get<std::string>() + ": " + row[4].get<std::string>() + ", "
                      + std::to_string(row[5].get<int>()));
    return lines;
  }
  bool alive(const char* name) const { return static_cast<bool>(ctx->names.find(name)); }
};

using lines = std::vector<std::string>;

} // namespace

BOOST_FIXTURE_TEST_CASE(a_killed_child_is_restarted_at_once_and_found_by_name, deterministic) {
  spawn_root({child("a", ctx, fragile), child("b", ctx, fragile)});
  auto before = ctx->names.find("b");
  BOOST_TEST(ask(kill_actor{"b"}) == R"({"killed":"b"})");
  auto after = ctx->names.find("b");
  BOOST_TEST(static_cast<bool>(after));
  BOOST_TEST((after != before));
  BOOST_TEST(tree() == (lines{"root: running, 0", "a: running, 0", "b: running, 1"}),
             boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(an_exception_ends_the_child_with_its_text_as_reason, deterministic) {
  spawn_root({child("a", ctx, fragile)});
  caf::anon_send(ctx->names.find("a"), tick{1});
  sched.run();
  BOOST_TEST(alive("a"));
  BOOST_TEST(ask(show_request{"tree", {}}).find("on purpose") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_permanent_child_that_quits_is_restarted_too, deterministic) {
  spawn_root({child("a", ctx, fragile)});
  caf::anon_send(ctx->names.find("a"), tick{2});
  sched.run();
  BOOST_TEST(tree().back() == "a: running, 1");
}

BOOST_FIXTURE_TEST_CASE(the_second_restart_waits_for_the_backoff, deterministic) {
  spawn_root({child("a", ctx, fragile)});
  for (int i = 0; i < 2; ++i) {
    caf::anon_send(ctx->names.find("a"), tick{1});
    sched.run();
  }
  BOOST_TEST(!alive("a"));
  advance(milliseconds(10));
  BOOST_TEST(alive("a"));
}

BOOST_FIXTURE_TEST_CASE(an_operator_may_kill_as_often_as_he_likes, deterministic) {
  supervision::policy few;
  few.restarts_max = 1;
  spawn_root({subtree("group", {child("a", ctx, fragile)}, few)}, few);
  for (int i = 0; i < 10; ++i)
    for (const char* name : {"a", "group"}) {
      ask(kill_actor{name});
      advance(seconds(1));
      BOOST_TEST(alive(name));
      BOOST_TEST(alive("a"));
    }
}

BOOST_FIXTURE_TEST_CASE(unknown_names_and_the_root_can_not_be_killed, deterministic) {
  spawn_root({child("a", ctx, fragile)});
  BOOST_TEST(ask(kill_actor{"nobody"}) == "not_found: no actor is called nobody");
  BOOST_TEST(ask(kill_actor{"root"}).starts_with("invalid_argument"));
}

BOOST_FIXTURE_TEST_CASE(a_killed_supervisor_takes_its_children_along_and_comes_back_with_new_ones,
                        deterministic) {
  spawn_root({subtree("group", {child("a", ctx, fragile), child("b", ctx, fragile)})});
  BOOST_TEST(
      tree() == (lines{"root: running, 0", "group: running, 0", "a: running, 0", "b: running, 0"}),
      boost::test_tools::per_element());
  auto old_a = ctx->names.find("a");
  self->monitor(old_a);
  auto group = sys.registry().running(); // counts every actor that lives
  ask(kill_actor{"group"});
  advance(seconds(4));
  bool died = false;
  self->receive([&](const caf::down_msg& down) { died = down.source == old_a.address(); },
                caf::after(std::chrono::seconds(0)) >> [] {});
  BOOST_TEST(died);
  BOOST_TEST((ctx->names.find("a") != old_a));
  BOOST_TEST(tree()[1] == "group: running, 1");
  BOOST_TEST(sys.registry().running() == group);
}

BOOST_FIXTURE_TEST_CASE(a_child_that_never_comes_up_escalates_until_the_root_gives_up,
                        deterministic) {
  supervision::policy few;
  few.restarts_max = 2;
  spawn_root({subtree("group", {child("ok", ctx, fragile), child("bad", ctx, hopeless)}, few)},
             few);
  self->monitor(root);
  for (int i = 0; i < 100; ++i) advance(milliseconds(100));
  std::string reason = "still there";
  self->receive([&](const caf::down_msg& down) { reason = sys.render(down.reason); },
                caf::after(std::chrono::seconds(0)) >> [] {});
  BOOST_TEST(reason.find("more than 2 restarts") != std::string::npos);
  BOOST_TEST(reason.find("group") != std::string::npos);
  BOOST_TEST(!alive("ok"));
}

BOOST_FIXTURE_TEST_CASE(an_orderly_stop_ends_children_in_reverse_and_then_itself, deterministic) {
  spawn_root({child("a", ctx, fragile),
              subtree("group", {child("b", ctx, fragile), child("c", ctx, fragile)})});
  auto a = ctx->names.find("a"), b = ctx->names.find("b"), c = ctx->names.find("c");
  for (const auto& each : {a, b, c, root}) self->monitor(each);
  caf::anon_send_exit(root, caf::exit_reason::user_shutdown);
  sched.run();
  std::vector<caf::actor_addr> order;
  for (bool more = true; more;)
    self->receive([&](const caf::down_msg& down) { order.push_back(down.source); },
                  caf::after(std::chrono::seconds(0)) >> [&] { more = false; });
  BOOST_REQUIRE(order.size() == 4u);
  BOOST_TEST(
      (order
       == std::vector<caf::actor_addr>{c.address(), b.address(), a.address(), root.address()}));
}
