/// What the centre keeps of its nodes, from the gate to the disk.

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "actors/history_keeper.hpp"
#include "actors/names.hpp"
#include "actors/telemetry_ingestor.hpp"
#include "tests/support/stepped_scheduler.hpp"
#include "tests/support/temp_dir.hpp"

using namespace harbinger;
namespace fs = std::filesystem;

namespace {
constexpr int64_t begin_ms = 1'700'000'000'000;

struct history_props {
  std::vector<event> events;
  partition_map map;
};

caf::behavior fake_catalog(caf::event_based_actor* self, context_ptr ctx,
                           std::shared_ptr<history_props> p) {
  self->set_default_handler(caf::drop);
  return {
      [=](const event& e) { p->events.push_back(e); },
      [=](const follow_catalog& who) {
        if (auto found = ctx->names.find(who.follower))
          caf::anon_send(found, catalog_changed{std::make_shared<const partition_map>(p->map)});
      },
  };
}

struct history_stage {
  test::temp_dir dir;
  std::shared_ptr<history_props> seen = std::make_shared<history_props>();
  context_ptr ctx = std::make_shared<context>();
  std::shared_ptr<settings> config = std::make_shared<settings>();
  int64_t wall_ms = begin_ms;
  caf::actor_system_config cfg;
  caf::actor_system sys{cfg.load<testing::stepped_scheduler>()};
  caf::scoped_actor self{sys, true};
  testing::stepped_scheduler& sched = testing::stepped_scheduler::of(sys);
  std::shared_ptr<const std::vector<metric_spec>> metrics =
      std::make_shared<const std::vector<metric_spec>>(
          std::vector<metric_spec>{{"process.rss_ratio", metric_kind::gauge}});
  std::map<std::string, uint64_t> seq;

  history_stage() {
    sched.clock().current_time += std::chrono::hours(1);
    config->state_dir = dir.path();
    ctx->config = config;
    ctx->term.value = 5;
    ctx->wall_clock = [this] { return unix_ms{wall_ms}; };
    seen->map.whole = true;
    seen->map.revision.value = 1;
    for (int i = 1; i <= 3; ++i) {
      node_row n;
      n.id.value = "n" + std::to_string(i);
      n.life.value = 1;
      seen->map.nodes.push_back(n);
    }
    auto fake = sys.spawn(fake_catalog, ctx, seen);
    for (auto name : {names::catalog_keeper, names::event_publisher}) ctx->names.set(name, fake);
  }
  ~history_stage() {
    for (const auto& [name, handle] : ctx->names.all()) {
      ctx->names.erase(name, handle);
      caf::anon_send_exit(handle, caf::exit_reason::kill);
    }
    sched.run();
    while (sched.has_pending_timeout()) {
      sched.trigger_timeouts();
      sched.run();
    }
  }

  void start() {
    ctx->names.set(names::history_keeper,
                   caf::actor_cast<caf::actor>(sys.spawn(history_keeper, ctx)));
    if (!ctx->names.find(names::telemetry_ingestor))
      ctx->names.set(names::telemetry_ingestor,
                     caf::actor_cast<caf::actor>(sys.spawn(telemetry_ingestor, ctx)));
    sched.run();
  }
  void kill() {
    auto keeper = ctx->names.find(names::history_keeper);
    ctx->names.erase(names::history_keeper, keeper);
    caf::anon_send_exit(keeper, caf::exit_reason::kill);
    keeper = nullptr;
    sched.run();
  }
  void advance(int64_t ms) {
    for (int64_t done = 0; done < ms; done += 100) {
      wall_ms += 100;
      sched.advance_time(milliseconds(100));
      sched.run();
    }
  }
  /// A node's row comes in, and time goes on.
  void hear(const char* node, uint64_t life = 1) {
    telemetry_received news;
    news.batches.push_back(
        {node_id{node}, incarnation{life}, ++seq[node], metrics, {unix_ms{wall_ms - 30}}, {0.25}});
    caf::anon_send(ctx->names.find(names::telemetry_ingestor), news);
    sched.run();
    advance(100);
  }
  /// The catalog changes; everybody is told.
  void set_node(size_t index, uint64_t life, node_state state) {
    auto& map = seen->map;
    partition_map delta;
    delta.previous = map.revision;
    ++map.revision.value;
    delta.revision = map.revision;
    map.nodes[index].life.value = life;
    map.nodes[index].state = state;
    map.nodes[index].revision = map.revision;
    delta.nodes.push_back(map.nodes[index]);
    catalog_changed changed{std::make_shared<const partition_map>(delta)};
    for (auto name : {names::telemetry_ingestor, names::history_keeper})
      if (auto found = ctx->names.find(name)) caf::anon_send(found, changed);
    sched.run();
  }
  void leave(const char* node, uint64_t life) {
    caf::anon_send(ctx->names.find(names::history_keeper),
                   node_leaving{node_id{node}, incarnation{life}});
    sched.run();
  }
  nlohmann::json show(const char* name) {
    nlohmann::json out;
    self->send(ctx->names.find(name), show_request{"x", {}});
    sched.run();
    self->receive([&](const show_reply& r) { out = nlohmann::json::parse(*r.document); });
    return out;
  }
  history kept() {
    auto read = read_journal(dir / journal_directory);
    if (!read) BOOST_FAIL(to_string(read.error()));
    BOOST_TEST(read->lines_lost == 0u);
    return std::move(read->data);
  }
  /// "n1 failure@500"
  std::vector<std::string> happenings() {
    std::vector<std::string> out;
    auto h = kept();
    for (const auto& e : h.events)
      out.push_back(h.nodes[e.node].id.value + ' ' + std::string(name_of(e.what)) + '@'
                    + std::to_string(e.time_ms - begin_ms));
    return out;
  }
};
using texts = std::vector<std::string>;
} // namespace

BOOST_FIXTURE_TEST_CASE(what_was_accepted_and_how_lives_ended_is_kept, history_stage) {
  start();
  for (int i = 0; i < 5; ++i)
    for (auto* node : {"n1", "n2", "n3"}) hear(node);
  set_node(0, 1, node_state::suspect);
  set_node(0, 1, node_state::dead); // 1500
  leave("n2", 1);
  leave("n2", 1);
  advance(500);
  set_node(1, 1, node_state::dead);
  set_node(2, 2, node_state::up); // 2000: n3 came up anew
  hear("n3", 1);                  // of the life before: refused at the gate
  hear("n3", 2);
  advance(1500);
  auto h = kept();
  BOOST_TEST(h.samples.size() == 16u);
  BOOST_TEST(h.samples[0].arrived_ms == begin_ms);
  BOOST_TEST(h.samples[0].time_ms == begin_ms - 30);
  BOOST_TEST(h.nodes.size() == 4u);
  BOOST_TEST(h.nodes.back().id.value == "n3#2");
  BOOST_TEST(happenings() == (texts{"n1 failure@1500", "n2 shutdown@1500", "n3 failure@2000"}),
             boost::test_tools::per_element());
  auto shown = show(names::history_keeper);
  BOOST_TEST(shown["keeping"] == true);
  BOOST_TEST(shown["rows"] == 16);
  BOOST_TEST(shown["lives"] == 4);
  BOOST_TEST(shown["failures"] == 2);
  BOOST_TEST(shown["shutdowns"] == 1);
  BOOST_TEST(shown["segments"] == 1);
  BOOST_TEST(shown["bytes"].get<uint64_t>() > 0u);
  BOOST_TEST(shown["oldest_ms"] == begin_ms);
}

BOOST_FIXTURE_TEST_CASE(a_killed_keeper_goes_on_and_knows_who_was_alive, history_stage) {
  start();
  for (auto* node : {"n1", "n2"}) hear(node);
  advance(1000);
  kill();
  hear("n1"); // nobody keeps it
  set_node(1, 1, node_state::dead);
  start();
  hear("n1");
  advance(1000);
  BOOST_TEST(kept().samples.size() == 3u);
  BOOST_TEST(happenings() == (texts{"n2 failure@1300"}), boost::test_tools::per_element());
  BOOST_TEST(show(names::telemetry_ingestor)["rows_unkept"] == 1);
  // In another life of the centre nobody knows how n1 ended meanwhile.
  kill();
  ctx->term.value = 6;
  set_node(0, 1, node_state::dead);
  start();
  advance(1000);
  BOOST_TEST(happenings().size() == 1u);
}

BOOST_FIXTURE_TEST_CASE(what_is_buffered_is_written_when_it_is_stopped, history_stage) {
  start();
  hear("n1");
  caf::anon_send_exit(ctx->names.find(names::history_keeper), caf::exit_reason::user_shutdown);
  sched.run();
  BOOST_TEST(kept().samples.size() == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_directory_that_can_not_be_written_is_said_once_and_tried_again,
                        history_stage) {
  dir.put(journal_directory, "in the way");
  start();
  for (int i = 0; i < 30; ++i) hear("n1");
  BOOST_TEST(show(names::history_keeper)["keeping"] == false);
  BOOST_TEST(show(names::history_keeper)["rows_dropped"] == 30);
  BOOST_TEST(!show(names::history_keeper)["trouble"].get<std::string>().empty());
  BOOST_REQUIRE(seen->events.size() == 1u);
  BOOST_TEST(seen->events[0].kind == "history_failed");
  fs::remove(dir / journal_directory);
  advance(1000);
  hear("n1");
  advance(1000);
  BOOST_TEST(kept().samples.size() == 1u);
  BOOST_TEST(seen->events.size() == 2u);
  BOOST_TEST((seen->events[1].level == severity::info));
  BOOST_TEST(show(names::history_keeper)["trouble"] == "");
}

BOOST_FIXTURE_TEST_CASE(switched_off_it_keeps_nothing, history_stage) {
  config->history.keep = false;
  start();
  hear("n1");
  advance(1000);
  BOOST_TEST(!fs::exists(dir / journal_directory));
  BOOST_TEST(show(names::history_keeper)["keeping"] == false);
  BOOST_TEST(show(names::telemetry_ingestor)["rows_unkept"] == 0);
}

BOOST_FIXTURE_TEST_CASE(a_keeper_that_is_behind_is_not_buried, history_stage) {
  start();
  hear("n1");
  ctx->history_waiting = history_waiting_max;
  hear("n1");
  ctx->history_waiting = 0;
  hear("n1");
  advance(1000);
  BOOST_TEST(ctx->history_waiting.load() == 0);
  BOOST_TEST(kept().samples.size() == 2u);
  BOOST_TEST(show(names::telemetry_ingestor)["rows_unkept"] == 1);
}

BOOST_FIXTURE_TEST_CASE(rows_are_thinned_when_the_settings_say_so, history_stage) {
  config->history.every_ms = 1000;
  start();
  for (int i = 0; i < 20; ++i) hear("n1");
  advance(1000);
  BOOST_TEST(kept().samples.size() == 2u);
}
