/// A model's life in the running service: trained, found again, challenged, promoted, rolled back,
/// refused when damaged.

#include <filesystem>

#include <nlohmann/json.hpp>

#include "actors/names.hpp"
#include "history/history_file.hpp"
#include "history/journal.hpp"
#include "tests/support/live_cluster.hpp"
#include "tests/support/synthetic_runs.hpp"

using namespace harbinger;
using harbinger::testing::live_cluster;
using harbinger::testing::make_run;
using harbinger::testing::synthetic_trouble;
namespace fs = std::filesystem;

namespace {
constexpr int64_t apart_ms = 100'000;

/// A centre that learns from runs in which only errors kill.
std::unique_ptr<cluster> centre_of(const std::string& directory) {
  std::vector<testing::synthetic_run> runs;
  for (uint64_t seed = 1; seed <= 12; ++seed)
    runs.push_back(
        make_run(seed, seed % 3 == 0 ? synthetic_trouble::few_errors : synthetic_trouble::errors));
  fs::create_directories(directory);
  live_cluster::require(write_history(directory + "/errors", testing::history_of(runs)));
  cluster_options options;
  options.programs = HARBINGER_BIN_DIR;
  options.directory = directory;
  options.nodes = 1;
  options.central = quick_central_settings();
  options.central["prediction.histories"] = "[\"" + directory + "/errors\"]";
  options.central["prediction.models"] = "[\"logistic\"]";
  options.central["prediction.horizon_s"] = "12.0";
  options.central["prediction.retrain_after_failures"] = "0";
  options.node = quick_node_settings();
  auto prepared = cluster::prepare(options);
  live_cluster::require(prepared);
  return std::move(*prepared);
}

/// What the service would have kept, had it lived through these runs, in which memory kills.
void live_through_leaks(const std::string& state, int runs) {
  journal_options options;
  options.session = 1;
  auto kept = journal::open(state + "/" + journal_directory, options);
  live_cluster::require(kept);
  for (int i = 0; i < runs; ++i) {
    auto run = make_run(500 + static_cast<uint64_t>(i),
                        i % 4 == 0 ? synthetic_trouble::plateau : synthetic_trouble::leak);
    auto shift = i * apart_ms;
    int64_t now = 0;
    for (auto r : run.rows) {
      now = r.received_ms + shift;
      r.rows.life.value = static_cast<uint64_t>(i) + 1;
      r.rows.times[0].value += shift;
      (*kept)->add(r.rows, unix_ms{now});
    }
    for (int n = 1; n <= testing::run_maker::nodes; ++n) {
      node_row row;
      row.id.value = "n" + std::to_string(n);
      row.life.value = static_cast<uint64_t>(i) + 1;
      if (run.info.death_ms && row.id == run.info.node) {
        row.state = node_state::dead;
        (*kept)->see(row, unix_ms{*run.info.death_ms + shift});
      } else {
        (*kept)->leave(row.id, row.life, unix_ms{now});
      }
    }
    live_cluster::require((*kept)->flush(unix_ms{now}));
  }
}

nlohmann::json ask(cluster& of, std::vector<std::string> words) {
  auto answer = of.console(words);
  live_cluster::require(answer);
  return nlohmann::json::parse(*answer);
}

/// The model in use, once the condition holds and nothing is being trained.
template <class Condition>
std::string settled(cluster& of, Condition condition) {
  auto until = std::chrono::steady_clock::now() + seconds(90);
  nlohmann::json now;
  while (std::chrono::steady_clock::now() < until) {
    if (auto answer = of.console({"model"})) {
      now = nlohmann::json::parse(*answer);
      if (now["training"] == "" && condition(now)) return now["version"];
    }
    pause_for(milliseconds(100));
  }
  BOOST_FAIL("the centre does not settle on a model: " << now.dump());
  return "";
}

size_t count(cluster& of, std::string_view kind) {
  auto events = ask(of, {"events", "0", "1000"});
  size_t n = 0;
  for (const auto& row : events["rows"]) n += row[3] == kind;
  return n;
}

void restart(cluster& of, const std::function<void()>& meanwhile = {}) {
  of.central().signal(SIGTERM);
  BOOST_REQUIRE(of.central().wait(seconds(20)).has_value());
  if (meanwhile) meanwhile();
  live_cluster::require(of.start_central());
}
} // namespace

BOOST_AUTO_TEST_CASE(a_model_is_trained_found_again_beaten_rolled_back_and_survives_damage) {
  auto directory =
      (fs::temp_directory_path() / ("harbinger-models-" + std::to_string(::getpid()))).string();
  auto live = centre_of(directory);
  live_cluster::require(live->start(seconds(30)));
  auto in_use = [](const nlohmann::json& m) { return m["version"] != ""; };
  auto first = settled(*live, in_use);
  BOOST_TEST(first.starts_with("logistic-"));
  BOOST_TEST(count(*live, "model_trained") == 1u);

  // Found again, not trained again; meanwhile it is told of a past in which memory kills.
  restart(*live, [&] { live_through_leaks(live->central_state(), 44); });
  BOOST_TEST(settled(*live, in_use) == first);
  BOOST_TEST(count(*live, "model_trained") == 1u);

  ask(*live, {"model", "retrain"});
  auto second = settled(*live, [&](const auto& m) { return m["version"] != first; });
  BOOST_TEST(count(*live, "model_promoted") == 2u);
  BOOST_TEST(ask(*live, {"model"})["promotions"].size() == 2u);
  BOOST_TEST(ask(*live, {"model", "list"})["rows"].size() == 2u);
  BOOST_TEST(ask(*live, {"model", "diff", first, second})["rows"].size() > 3u);

  // The same again is no better.
  ask(*live, {"model", "retrain"});
  auto asked = [&](const auto& m) {
    return m["newest_training"].template get<std::string>().find("not promoted") == 0;
  };
  BOOST_TEST(settled(*live, asked) == second);
  BOOST_TEST(count(*live, "model_kept") == 1u);

  BOOST_TEST(ask(*live, {"model", "rollback"})["version"] == first);
  auto of_risks = [&] { return ask(*live, {"risk"})["rows"][0][6]; };
  pause_for(seconds(1));
  BOOST_TEST(of_risks() == first);
  restart(*live);
  BOOST_TEST(settled(*live, in_use) == first);
  BOOST_TEST(ask(*live, {"model", "promote", second})["version"] == second);

  // A champion whose file is damaged makes room for the one before.
  restart(*live,
          [&] { fs::resize_file(live->central_state() + "/models/" + second + ".hbmodel", 2000); });
  BOOST_TEST(settled(*live, in_use) == first);
  BOOST_TEST(count(*live, "model_registry") >= 1u);
  BOOST_TEST(ask(*live, {"drift"})["model"] == first);
  pause_for(seconds(2)); // until it is scored
  BOOST_TEST(ask(*live, {"explain", "node", "n1"})["lines"].size() >= 4u);
  BOOST_TEST(live->stop(seconds(20)));
  fs::remove_all(directory);
}
