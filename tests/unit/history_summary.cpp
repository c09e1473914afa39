#include <boost/test/unit_test.hpp>

#include <array>
#include <cmath>
#include <random>

#include "history/check.hpp"
#include "history/summary.hpp"
#include "tests/support/random_seed.hpp"

using namespace harbinger;

namespace {
/// The slow twin: asks at every millisecond (times are small), each standing for the time to the
/// next.
base_rate asked_each_moment(const history& h, int64_t horizon) {
  double yes = 0, no = 0, unknown = 0;
  for (uint32_t n = 0; n < h.nodes.size(); ++n) {
    const auto& node = h.nodes[n];
    auto end = node.last_ms, known = std::max(node.last_ms, node.known_ms);
    for (const auto& e : h.events)
      if (e.node == n && e.what == happening::shutdown) {
        end = std::min(end, e.time_ms);
        known = std::min(known, e.time_ms);
      }
    for (auto t = node.first_ms; t < end; ++t) {
      bool down = false, fails = false;
      for (const auto& e : h.events) {
        if (e.node != n || e.what != happening::failure || e.time_ms > known) continue;
        down |= e.time_ms <= t && (e.back_ms == 0 || t < e.back_ms);
        fails |= e.time_ms > t && e.time_ms <= t + horizon;
      }
      if (down) continue;
      (fails ? yes : t + horizon < known ? no : unknown) += 1;
    }
  }
  return {horizon, yes / (yes + no), (yes + no) / 86'400'000, unknown / (yes + no + unknown)};
}

bool same(double a, double b) { return std::isnan(a) ? std::isnan(b) : std::fabs(a - b) < 1e-9; }

history random_history(std::mt19937_64& random) {
  auto up_to = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  history h;
  for (int i = 0; i < 6; ++i) {
    auto first = up_to(100), last = first + 50 + up_to(400);
    h.nodes.push_back(
        {node_id{std::to_string(i)}, "", {}, first, last, up_to(2) ? last + up_to(60) : 0});
    for (auto n = up_to(5); n > 0; --n) {
      history_event e{
          static_cast<uint32_t>(i), first + up_to(last - first + 1), happening::failure, "", 1, 0};
      if (up_to(4)) e.back_ms = std::max<int64_t>(1, e.time_ms) + up_to(60);
      if (!up_to(8)) e.what = happening::shutdown, e.back_ms = 0;
      h.events.push_back(e);
    }
  }
  sort_history(h);
  return h;
}
} // namespace

BOOST_AUTO_TEST_CASE(base_rates_are_what_asking_at_each_moment_gives) {
  std::mt19937_64 random(random_seed());
  for (int i = 0; i < 40; ++i) {
    auto h = random_history(random);
    std::array<int64_t, 3> horizons{1, 30, 200};
    auto got = summarize(h, horizons);
    for (size_t k = 0; k < horizons.size(); ++k) {
      auto expected = asked_each_moment(h, horizons[k]);
      BOOST_TEST(same(got.rates[k].rate, expected.rate));
      BOOST_TEST(same(got.rates[k].node_days, expected.node_days));
      BOOST_TEST(same(got.rates[k].censored_share, expected.censored_share));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_healthy_node_is_censored_not_healthy_for_ever) {
  history h;
  h.nodes = {{node_id{"a"}, "", {}, 0, 1000, 0}};
  std::array<int64_t, 2> horizons{400, 5000};
  auto s = summarize(h, horizons);
  BOOST_TEST(s.rates[0].rate == 0);
  BOOST_TEST(s.rates[0].censored_share == 0.4);
  BOOST_TEST(std::isnan(s.rates[1].rate));
  BOOST_TEST(s.nodes_censored == 1u);
  h.nodes[0].known_ms = 1400;
  BOOST_TEST(summarize(h, horizons).rates[0].censored_share == 0);
}

BOOST_AUTO_TEST_CASE(metrics_and_codes_are_counted) {
  history h;
  h.metrics = {{"x", "1", history_reading::gauge, false, 0},
               {"y", "1", history_reading::gauge, false, 0}};
  h.nodes = {{node_id{"a"}, "f", {}, 0, 9, 0}, {node_id{"b"}, "g", {}, 0, 9, 0}};
  h.samples = {{0, 1, {5, NAN}}, {1, 1, {-3, NAN}}};
  h.events = {{0, 1, happening::event, "E", 2, 0},
              {0, 2, happening::event, "E", 1, 0},
              {1, 3, happening::failure, "disk", 1, 0}};
  auto s = summarize(h, {});
  BOOST_TEST(s.fleets == 2u);
  BOOST_TEST(s.metrics[0].least == -3);
  BOOST_TEST(s.metrics[0].greatest == 5);
  BOOST_TEST(s.metrics[1].missing_share == 1);
  BOOST_TEST(std::isnan(s.metrics[1].least));
  BOOST_REQUIRE(s.codes.size() == 2u);
  BOOST_TEST((s.codes[0].code == "E" && s.codes[0].rows == 2 && s.codes[0].count == 3
              && s.codes[0].nodes == 1));
  BOOST_TEST(s.nodes_failed == 1u);
}
