#include <boost/test/unit_test.hpp>

#include "app/campaign_history.hpp"
#include "history/check.hpp"
#include "history/history_file.hpp"
#include "tests/support/temp_dir.hpp"

using namespace harbinger;

namespace {
/// Three nodes as a journal gives them; the centre took n2 for dead a little late and n1 by
/// mistake.
history kept() {
  history h;
  h.metrics = {{"process.rss_ratio", "ratio", history_reading::share, true, 0}};
  for (uint32_t i = 0; i < 3; ++i) {
    auto name = "n" + std::to_string(i + 1);
    h.nodes.push_back({node_id{name}, "", {{"node", name}}, 1000, 10'000, 0});
    h.samples.push_back({i, 900, {0.5}, 1000});
  }
  h.nodes[1].last_ms = 8000;
  h.events = {{0, 7000, happening::failure, "found dead", 1, 7500},
              {1, 8000, happening::failure, "found dead", 1, 0},
              {0, 10'000, happening::shutdown, "", 1, 0},
              {2, 10'000, happening::shutdown, "", 1, 0}};
  return h;
}
campaign_run run_named(const std::string& name) {
  campaign_run run;
  run.name = name;
  run.trouble = "memory_leak";
  run.node.value = "n2";
  run.trouble_start_ms = 3000;
  run.death_ms = 7800;
  run.end_ms = 9500;
  run.sample_ms = 200;
  run.seed = 18'406'309'746'048'741'772u;
  run.attributes = {{"plan", "duration_s=15.8 curve=1.542"}, {"death", "signal 6"}, {"x", ""}};
  return run;
}
} // namespace

BOOST_AUTO_TEST_CASE(a_run_says_what_the_campaign_knows_not_what_the_centre_thought) {
  auto h = history_of_run(kept(), run_named("1-000-memory_leak"));
  BOOST_REQUIRE(check_history(h).has_value());
  BOOST_REQUIRE(h.events.size() == 2u);
  BOOST_TEST((h.events[0].what == happening::note && h.events[0].code == "injected"));
  BOOST_TEST(h.events[0].time_ms == 3000);
  BOOST_TEST((h.events[1].what == happening::failure && h.events[1].code == "memory_leak"));
  BOOST_TEST(h.events[1].time_ms == 7800);
  BOOST_TEST((h.events[0].node == 1u && h.events[1].node == 1u));
  BOOST_TEST(h.nodes[0].last_ms == 9500);
  BOOST_TEST(h.nodes[1].last_ms == 7800);
  BOOST_TEST(h.nodes[1].id.value == "1-000-memory_leak/n2");
  BOOST_TEST(h.nodes[1].fleet == "1-000-memory_leak");
  const std::map<std::string, std::string> known{{"run", "1-000-memory_leak"},
                                                 {"trouble", "memory_leak"},
                                                 {"faulty", "1"},
                                                 {"node", "n2"},
                                                 {"plan", "duration_s=15.8 curve=1.542"},
                                                 {"death", "signal 6"},
                                                 {"seed", "18406309746048741772"},
                                                 {"sample_ms", "200"}};
  BOOST_TEST((h.nodes[1].attributes == known));
  BOOST_TEST(h.nodes[0].attributes.at("faulty") == "0");
  BOOST_TEST((h.numbers.empty() && h.categories.empty()));
  BOOST_TEST(h.samples[0].arrived_ms == 1000);
}

BOOST_AUTO_TEST_CASE(a_trouble_of_nobody_is_noted_at_everybody) {
  auto run = run_named("2-001-bulk_load");
  run.node = {};
  run.death_ms.reset();
  auto h = history_of_run(kept(), run);
  BOOST_REQUIRE(h.events.size() == 3u);
  for (const auto& e : h.events) BOOST_TEST((e.what == happening::note));
  for (const auto& n : h.nodes) BOOST_TEST(n.last_ms == 9500);
}

BOOST_AUTO_TEST_CASE(runs_are_added_one_by_one_and_never_twice) {
  test::temp_dir dir;
  auto out = dir / "data/campaign";
  BOOST_REQUIRE(campaign_so_far(out).has_value());
  for (const char* name : {"1-000-a", "1-001-b"})
    BOOST_REQUIRE(add_run(out, history_of_run(kept(), run_named(name))).has_value());
  auto again = add_run(out, history_of_run(kept(), run_named("1-000-a")));
  BOOST_REQUIRE(!again.has_value());
  BOOST_TEST((again.error().code == errc::conflict));
  auto h = campaign_so_far(out);
  BOOST_REQUIRE(h.has_value());
  BOOST_TEST(h->nodes.size() == 6u);
  BOOST_TEST(h->samples.size() == 6u);
  BOOST_TEST(h->events.size() == 4u);
  BOOST_TEST(has_run(*h, "1-001-b"));
  BOOST_TEST(!has_run(*h, "1-002-c"));
  std::filesystem::create_directories(dir / "other");
  dir.put("other/mine", "x");
  BOOST_TEST((campaign_so_far(dir / "other").error().code == errc::conflict));
  BOOST_TEST(!add_run(dir / "other", history_of_run(kept(), run_named("1"))).has_value());
  BOOST_TEST(dir.get("other/mine") == "x");
}
