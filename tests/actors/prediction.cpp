/// The way from the socket to the risk, actor by actor.

#include <atomic>
#include <filesystem>
#include <thread>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "actors/failure_predictor.hpp"
#include "actors/model_keeper.hpp"
#include "actors/model_trainer.hpp"
#include "actors/names.hpp"
#include "actors/node/telemetry_publisher.hpp"
#include "actors/telemetry_bridge.hpp"
#include "actors/telemetry_ingestor.hpp"
#include "history/history_file.hpp"
#include "tests/support/stepped_scheduler.hpp"
#include "tests/support/synthetic_runs.hpp"

using namespace harbinger;
using harbinger::testing::make_run;
using harbinger::testing::synthetic_trouble;
namespace fs = std::filesystem;

namespace {
struct props {
  std::vector<risk_updated> risks;
  std::vector<event> events;
  uint64_t credit = 0;
  partition_map map;
};

struct fake_state {};

caf::behavior fake_central(caf::event_based_actor* self, context_ptr ctx,
                           std::shared_ptr<props> p) {
  self->set_default_handler(caf::drop);
  return {
      [=](const risk_updated& news) { p->risks.push_back(news); },
      [=](const event& e) { p->events.push_back(e); },
      [=](const tick& credit) { p->credit += credit.round; },
      [=](const follow_catalog& who) {
        if (auto found = ctx->names.find(who.follower))
          caf::anon_send(found, catalog_changed{std::make_shared<const partition_map>(p->map)});
      },
  };
}

struct prediction_stage {
  std::shared_ptr<props> seen = std::make_shared<props>();
  context_ptr ctx = std::make_shared<context>();
  std::shared_ptr<settings> config = std::make_shared<settings>();
  fs::path directory =
      fs::temp_directory_path() / ("harbinger-prediction-" + std::to_string(::getpid()));
  int64_t wall_ms = testing::run_maker::begin_ms;
  caf::actor_system_config cfg;
  caf::actor_system sys{cfg.load<testing::stepped_scheduler>()};
  caf::scoped_actor self{sys, true};
  testing::stepped_scheduler& sched = testing::stepped_scheduler::of(sys);

  prediction_stage() {
    fs::create_directories(directory);
    sched.clock().current_time += std::chrono::hours(1);
    config->state_dir = directory.string();
    config->prediction.windows_s = {3, 10, 40};
    config->prediction.horizon_s = 12;
    config->prediction.stale_after_s = 2;
    config->prediction.scoring_ms = 500;
    config->prediction.models = {"forest", "logistic"};
    config->prediction.train_rows_max = 1000;
    ctx->config = config;
    ctx->wall_clock = [this] { return unix_ms{wall_ms}; };
    seen->map.whole = true;
    seen->map.revision.value = 1;
    for (int i = 1; i <= 6; ++i) {
      node_row n;
      n.id.value = "n" + std::to_string(i);
      n.life.value = 1;
      seen->map.nodes.push_back(n);
    }
    auto fake = sys.spawn(fake_central, ctx, seen);
    for (auto name : {names::catalog_keeper, names::event_publisher, names::zone_manager,
                      names::telemetry_bridge})
      ctx->names.set(name, fake);
  }
  ~prediction_stage() {
    for (const auto& [name, handle] : ctx->names.all()) {
      ctx->names.erase(name, handle);
      caf::anon_send_exit(handle, caf::exit_reason::kill);
    }
    sched.run();
    while (sched.has_pending_timeout()) {
      sched.trigger_timeouts();
      sched.run();
    }
    fs::remove_all(directory);
  }

  void start(const std::string& name) {
    if (name == names::telemetry_ingestor) set(name, sys.spawn(telemetry_ingestor, ctx));
    if (name == names::failure_predictor) set(name, sys.spawn(failure_predictor, ctx));
    if (name == names::model_keeper) set(name, sys.spawn(model_keeper, ctx));
    if (name == names::model_trainer) set(name, sys.spawn(model_trainer, ctx));
    sched.run();
  }
  template <class Handle>
  void set(const std::string& name, Handle handle) {
    ctx->names.set(name, caf::actor_cast<caf::actor>(handle));
  }
  void advance(int64_t ms) {
    for (int64_t done = 0; done < ms; done += 100) {
      wall_ms += 100;
      sched.advance_time(milliseconds(100));
      sched.run();
    }
  }
  /// As the bridge would: what was received until then, at its time.
  void play(const testing::synthetic_run& run, int64_t until_ms) {
    for (; next < run.rows.size() && run.rows[next].received_ms <= until_ms; ++next) {
      if (run.rows[next].received_ms > wall_ms + 100) advance(run.rows[next].received_ms - wall_ms);
      telemetry_received news;
      news.batches.push_back(run.rows[next].rows);
      caf::anon_send(ctx->names.find(names::telemetry_ingestor), news);
      sched.run();
    }
  }
  double risk(const node_id& node) const {
    for (const auto& r : seen->risks.back().risks)
      if (r.node == node) return r.probability;
    return -1;
  }
  size_t count(std::string_view kind) const {
    return static_cast<size_t>(std::count_if(seen->events.begin(), seen->events.end(),
                                             [&](const auto& e) { return e.kind == kind; }));
  }
  result<std::string> show(const char* name, std::string topic,
                           std::vector<std::string> words = {}) {
    result<std::string> out = fail(errc::timeout);
    self->send(ctx->names.find(name), show_request{std::move(topic), std::move(words)});
    BOOST_REQUIRE_MESSAGE(sched.run_until_mail(self), name << " does not answer");
    self->receive([&](const show_reply& r) { out = r.document; });
    return out;
  }
  void record_runs(uint64_t how_many) {
    auto path = (directory / "runs").string();
    BOOST_REQUIRE(write_history(path, testing::history_of_runs(how_many)));
    config->prediction.histories = {path};
  }
  /// All that has to do with models, in the order of the tree.
  void start_models() {
    start(names::failure_predictor);
    start(names::model_keeper);
    start(names::model_trainer);
    advance(1500);
  }
  void kill(const std::string& name) {
    auto handle = ctx->names.find(name);
    ctx->names.erase(name, handle);
    caf::anon_send_exit(handle, caf::exit_reason::kill);
    sched.run();
  }
  size_t next = 0;
};
} // namespace

BOOST_FIXTURE_TEST_CASE(a_trained_model_raises_the_risk_of_a_leaking_node, prediction_stage) {
  record_runs(15);
  start(names::telemetry_ingestor);
  start_models();
  BOOST_TEST(count("model_trained") == 1u);
  BOOST_TEST(count("model_promoted") == 1u);
  BOOST_TEST(count("model_in_use") == 1u);
  auto run = make_run(201, synthetic_trouble::leak);
  play(run, *run.info.trouble_start_ms - 500);
  BOOST_TEST(risk(run.info.node) < 0.4);
  play(run, *run.info.death_ms - 3000);
  advance(500);
  BOOST_TEST(risk(run.info.node) > 0.5);
  BOOST_TEST(seen->credit == next);

  auto one = nlohmann::json::parse(*show(names::failure_predictor, "risk", {run.info.node.value}));
  BOOST_TEST(one["risk"].get<double>() > 0.5);
  BOOST_TEST(one["calibrated"].get<bool>());
  BOOST_TEST(one["reasons"].size() >= 1u);
  BOOST_TEST(one["history"].size() > 10u);
  BOOST_TEST(one["horizons"].size() == 1u);
  BOOST_TEST(one["similar"].size() == 5u);
  auto words = nlohmann::json::parse(
      *show(names::failure_predictor, "explain", {"node", run.info.node.value}));
  BOOST_TEST(words["lines"].size() > 5u);
  BOOST_TEST(
      (show(names::failure_predictor, "explain", {"n1"}).error().code == errc::invalid_argument));
  auto drift = nlohmann::json::parse(*show(names::failure_predictor, "drift"));
  BOOST_TEST(drift["metrics"].size() > 5u);
  auto all = nlohmann::json::parse(*show(names::failure_predictor, "risk"));
  BOOST_TEST(all["rows"].size() == 6u);
  BOOST_TEST(all["rows"][0].size() == all["columns"].size());
  BOOST_TEST((show(names::failure_predictor, "risk", {"n99"}).error().code == errc::not_found));
  auto model = nlohmann::json::parse(*show(names::model_keeper, "model"));
  BOOST_TEST(model["report"]["nodes"].get<int>() == 15 * 6);
  BOOST_TEST(model["promotions"][0]["by"] == "first");
}

BOOST_FIXTURE_TEST_CASE(a_restarted_predictor_finds_its_model_again, prediction_stage) {
  record_runs(15);
  start_models();
  auto version = seen->events.back().subject;
  kill(names::failure_predictor);
  start(names::failure_predictor);
  BOOST_TEST(count("model_in_use") == 2u);
  BOOST_TEST(seen->events.back().subject == version);
  advance(1000);
  BOOST_TEST(seen->risks.back().risks.size() == 6u); // and the catalog
  BOOST_TEST(seen->risks.back().risks[0].uncertainty == 0.5);
}

BOOST_FIXTURE_TEST_CASE(a_stored_model_is_used_without_training_and_a_damaged_one_is_not,
                        prediction_stage) {
  record_runs(15);
  start_models();
  auto version = nlohmann::json::parse(*show(names::model_keeper, "model"))["version"];
  kill(names::model_keeper);
  start(names::model_keeper);
  advance(1500);
  BOOST_TEST(count("model_trained") == 1u);
  BOOST_TEST(nlohmann::json::parse(*show(names::model_keeper, "model"))["version"] == version);
  kill(names::model_keeper);
  fs::resize_file(directory / "models" / (version.get<std::string>() + ".hbmodel"), 1000);
  start(names::model_keeper);
  advance(1500);
  BOOST_TEST(count("model_trained") == 2u);
  BOOST_TEST(nlohmann::json::parse(*show(names::model_keeper, "model"))["version"] == version);
}

BOOST_FIXTURE_TEST_CASE(a_trainer_that_dies_is_asked_again, prediction_stage) {
  record_runs(15);
  start(names::failure_predictor);
  start(names::model_keeper);
  // Somebody who takes the order and dies of it.
  ctx->names.set(names::model_trainer, sys.spawn([](caf::event_based_actor* self) -> caf::behavior {
    self->set_default_handler(caf::drop);
    return {[=](const train_model&) { self->quit(); }};
  }));
  advance(1500);
  BOOST_TEST(count("model_training") == 1u);
  BOOST_TEST((show(names::model_keeper, "model", {"retrain"}).error().code == errc::in_use));
  start(names::model_trainer);
  advance(1500);
  BOOST_TEST(count("model_training") == 2u);
  BOOST_TEST(count("model_promoted") == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_bad_model_is_refused_and_the_last_good_one_stays, prediction_stage) {
  record_runs(15);
  start_models();
  std::ofstream(directory / "bad") << "HBMODEL1 nothing of the kind";
  caf::anon_send(ctx->names.find(names::failure_predictor),
                 model_ready{(directory / "bad").string(), "x"});
  sched.run();
  BOOST_TEST(count("model_refused") == 1u);
  advance(500);
  BOOST_TEST(seen->risks.back().risks[0].model.starts_with("forest")
             != seen->risks.back().risks[0].model.starts_with("logistic"));
}

BOOST_FIXTURE_TEST_CASE(without_histories_the_heuristic_serves_and_it_is_said, prediction_stage) {
  start_models();
  BOOST_TEST(count("model_not_trained") == 1u);
  advance(3000);
  BOOST_TEST(count("model_training") == 1u); // it does not try again and again
  BOOST_TEST(seen->risks.back().risks[0].model == "heuristic");
  BOOST_TEST((show(names::failure_predictor, "drift").error().code == errc::unavailable));
}

BOOST_FIXTURE_TEST_CASE(models_are_promoted_and_rolled_back_by_hand, prediction_stage) {
  record_runs(12);
  start_models();
  auto first =
      nlohmann::json::parse(*show(names::model_keeper, "model"))["version"].get<std::string>();
  // Another one, as `harbinger train` would bring it.
  config->prediction.train_rows_max = 700;
  kill(names::model_keeper);
  fs::create_directories(directory / "aside");
  fs::rename(directory / "models", directory / "aside" / "models");
  start(names::model_keeper);
  advance(1500);
  auto second =
      nlohmann::json::parse(*show(names::model_keeper, "model"))["version"].get<std::string>();
  BOOST_REQUIRE(first != second);
  kill(names::model_keeper);
  fs::copy(directory / "aside" / "models" / (first + ".hbmodel"),
           directory / "models" / (first + ".hbmodel"));
  start(names::model_keeper);
  auto promoted = show(names::model_keeper, "model", {"promote", first});
  BOOST_REQUIRE(promoted);
  BOOST_TEST(seen->events.back().subject == first);
  auto list = nlohmann::json::parse(*show(names::model_keeper, "model", {"list"}));
  BOOST_TEST(list["rows"].size() == 2u);
  auto diff = nlohmann::json::parse(*show(names::model_keeper, "model", {"diff", first, second}));
  BOOST_TEST(diff["rows"].size() > 2u);
  auto back = nlohmann::json::parse(*show(names::model_keeper, "model", {"rollback"}));
  BOOST_TEST(back["version"] == second);
  advance(500);
  BOOST_TEST(seen->risks.back().risks[0].model == second);
  BOOST_TEST(count("model_rolled_back") == 1u);
  BOOST_TEST((show(names::model_keeper, "model", {"rollback"}).error().code == errc::not_found));
  BOOST_TEST(
      (show(names::model_keeper, "model", {"promote", "nobody"}).error().code == errc::not_found));
  BOOST_TEST(
      (show(names::model_keeper, "model", {"dance"}).error().code == errc::invalid_argument));
}

BOOST_FIXTURE_TEST_CASE(bad_telemetry_is_dropped_and_counted_and_service_goes_on,
                        prediction_stage) {
  start(names::failure_predictor);
  start(names::telemetry_ingestor);
  auto run = make_run(7, synthetic_trouble::none);
  telemetry_received news;
  auto stranger = run.rows[0].rows, future = run.rows[1].rows, ghost = run.rows[2].rows;
  stranger.node.value = "nobody";
  future.times[0].value += 3'600'000;
  ghost.life.value = 0;
  news.batches = {stranger, future, ghost, run.rows[3].rows};
  news.malformed = 2;
  caf::anon_send(ctx->names.find(names::telemetry_ingestor), news);
  sched.run();
  auto shown = nlohmann::json::parse(*show(names::telemetry_ingestor, "telemetry"));
  BOOST_TEST(shown["rows"] == 1);
  BOOST_TEST(shown["unknown_node"] == 1);
  BOOST_TEST(shown["rows_future"] == 1);
  BOOST_TEST(shown["stale_life"] == 1);
  BOOST_TEST(shown["malformed"] == 2);
  BOOST_TEST(seen->credit == 4u);
}

BOOST_AUTO_TEST_CASE(a_publisher_reaches_the_ingestor_through_a_real_socket) {
  auto seen =
      std::make_shared<std::array<std::atomic<uint64_t>, 3>>(); // batches, rows, highest seq
  auto ctx = std::make_shared<context>();
  auto config = std::make_shared<settings>();
  auto path =
      fs::temp_directory_path() / ("harbinger-telemetry-" + std::to_string(::getpid()) + ".sock");
  config->endpoints.telemetry = config->node.central_telemetry = "ipc://" + path.string();
  config->node.id.value = "n1";
  config->telemetry.sample_ms = 20;
  config->telemetry.publish_ms = 40;
  ctx->config = config;
  ctx->life.value = 7;
  ctx->wall_clock = [] { return unix_ms{1'700'000'000'000}; };
  caf::actor_system_config cfg;
  cfg.set("scheduler.max-threads", size_t{2});
  caf::actor_system sys{cfg};
  auto sink = sys.spawn([seen, ctx](caf::event_based_actor* self) -> caf::behavior {
    return {[=](const telemetry_received& news) {
      for (const auto& b : news.batches) {
        (*seen)[0] += 1;
        (*seen)[1] += b.times.size();
        (*seen)[2] = b.seq;
      }
      if (auto bridge = ctx->names.find(names::telemetry_bridge))
        self->send(bridge, tick{news.batches.size()});
    }};
  });
  ctx->names.set(names::telemetry_ingestor, sink);
  ctx->names.set(names::telemetry_bridge,
                 caf::actor_cast<caf::actor>(sys.spawn(telemetry_bridge, ctx)));
  auto publisher = caf::actor_cast<caf::actor>(sys.spawn(telemetry_publisher, ctx));
  auto wait_for = [&](auto condition) {
    for (int i = 0; i < 1000 && !condition(); ++i) std::this_thread::sleep_for(milliseconds(10));
    return condition();
  };
  BOOST_TEST(wait_for([&] { return (*seen)[0] >= 3; }));
  BOOST_TEST((*seen)[1].load() >= (*seen)[0].load());
  caf::anon_send_exit(publisher, caf::exit_reason::kill);
  caf::scoped_actor(sys)->wait_for(publisher);
  auto before = (*seen)[2].load();
  publisher = caf::actor_cast<caf::actor>(sys.spawn(telemetry_publisher, ctx));
  BOOST_TEST(wait_for([&] { return (*seen)[2] > before + 2; })); // the numbers of one life go on
  for (auto& handle : {publisher, ctx->names.find(names::telemetry_bridge), sink})
    caf::anon_send_exit(handle, caf::exit_reason::kill);
  for (const auto& [name, handle] : ctx->names.all()) ctx->names.erase(name, handle);
  fs::remove(path);
}
