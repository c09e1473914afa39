/// Windows and features.

#include <cmath>
#include <random>
#include <set>

#include <boost/test/unit_test.hpp>

#include "../support/synthetic_runs.hpp"
#include "tests/support/random_seed.hpp"
#include "predict/features.hpp"
#include "predict/reasons.hpp"

using namespace harbinger;
using namespace harbinger::predict;

namespace {
const time_scales scales = make_scales({3, 10, 40}, 20, 2);
using row_values = std::map<std::string, double>;

/// A node fed by hand, 5 rows a second.
struct one_node {
  explicit one_node(std::vector<std::string> metrics) {
    for (const auto& name : metrics) {
      auto at = telemetry::metric_index(name);
      specs.push_back({name, telemetry::metric_catalogue()[at].kind});
    }
    shared = std::make_shared<const std::vector<metric_spec>>(specs);
  }
  void add(std::vector<double> values, const char* node = "n1", uint64_t life = 1) {
    engine.add({node_id{node}, incarnation{life}, 1, shared, {unix_ms{time_ms}}, std::move(values)},
               time_ms);
  }
  double get(const std::string& name, const char* node = "n1") const {
    feature_table table;
    engine.table(time_ms, table);
    for (size_t i = 0; i < table.nodes.size(); ++i)
      for (size_t f = 0; f < table.width; ++f)
        if (table.nodes[i].value == node && feature_name(*service_schema(), f) == name)
          return table.row(i)[f];
    throw std::runtime_error("no feature " + name);
  }
  std::vector<metric_spec> specs;
  std::shared_ptr<const std::vector<metric_spec>> shared;
  feature_engine engine{scales};
  int64_t time_ms = 1'700'000'000'000;
};
} // namespace

BOOST_AUTO_TEST_CASE(features_have_names_of_their_own_and_known_metrics) {
  std::set<std::string> names;
  const auto& schema = *service_schema();
  for (size_t f = 0; f < schema.width(); ++f)
    BOOST_TEST(names.insert(feature_name(schema, f)).second);
  for (const auto& s : schema.series)
    BOOST_TEST(telemetry::metric_index(s.metric) < telemetry::metric_catalogue().size());
  for (const auto& e : schema.events)
    BOOST_TEST(telemetry::metric_index(e.code) < telemetry::metric_catalogue().size());
  BOOST_TEST(schema.width() >= 40u);
  BOOST_TEST(schema.width() <= 80u);
}

BOOST_AUTO_TEST_CASE(levels_enter_only_as_shares) {
  const auto& schema = *service_schema();
  for (size_t i = 0; i < schema.width(); ++i) {
    const auto& f = schema.features[i];
    using enum statistic;
    bool is_level = f.what == level || f.what == mean || f.what == mean_mid || f.what == deviation
                    || f.what == change || f.what == change_short || f.what == peak
                    || f.what == limit_in;
    if (!is_level) continue;
    auto unit = telemetry::metric_catalogue()[telemetry::metric_index(f.metric)].unit;
    // Seconds of waiting a second, and lateness in periods, read the same everywhere too.
    BOOST_TEST((unit == "ratio" || unit == "periods" || f.metric == "process.run_wait_s"),
               feature_name(schema, i));
  }
}

BOOST_AUTO_TEST_CASE(moments_agree_with_a_sum_over_all_points) {
  decayed_moments fast;
  std::vector<std::pair<double, double>> points;
  double t = 0;
  for (int i = 0; i < 300; ++i) {
    double dt = 0.1 + 0.05 * (i % 7), y = 5 + std::sin(i * 0.7) + 0.01 * i;
    t += dt;
    fast.age(dt, std::exp(-dt / 10));
    fast.add(y);
    points.emplace_back(t, y);
  }
  double w = 0, wy = 0, wt = 0, wtt = 0, wty = 0;
  for (auto [at, y] : points) {
    double weight = std::exp(-(t - at) / 10);
    w += weight, wy += weight * y, wt += weight * at, wtt += weight * at * at,
        wty += weight * at * y;
  }
  double squares = 0;
  for (auto [at, y] : points) squares += std::exp(-(t - at) / 10) * std::pow(y - wy / w, 2);
  auto tolerance = boost::test_tools::tolerance(1e-9);
  BOOST_TEST(fast.mean() == wy / w, tolerance);
  BOOST_TEST(fast.deviation() == std::sqrt(squares / w), tolerance);
  BOOST_TEST(fast.slope() == (w * wty - wt * wy) / (w * wtt - wt * wt),
             boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(a_ramp_shows_when_it_reaches_the_limit) {
  one_node n({"process.rss_ratio"});
  for (int i = 0; i < 100; ++i, n.time_ms += 200)
    n.add({0.3 + 0.002 * i}); // 1 % a second; 0.498 at the end
  n.time_ms -= 200;
  BOOST_TEST(n.get("process.rss_ratio level") == 0.498);
  BOOST_TEST(n.get("process.rss_ratio limit_in") == 50.2 / 20, boost::test_tools::tolerance(1e-6));
  BOOST_TEST(n.get("process.rss_ratio change") == 0.1, boost::test_tools::tolerance(1e-6));
  BOOST_TEST(n.get("process.rss_ratio peak") == 0.498);
}

BOOST_AUTO_TEST_CASE(counters_become_rates_and_a_fresh_start_is_no_jump) {
  one_node n({"process.run_wait_s"});
  for (int i = 0; i < 50; ++i, n.time_ms += 200) n.add({100 + 0.1 * i}); // half a second a second
  BOOST_TEST(n.get("process.run_wait_s mean") == 0.5, boost::test_tools::tolerance(1e-9));
  n.add({0.0});
  n.time_ms += 200;
  n.add({0.1});
  BOOST_TEST(n.get("process.run_wait_s mean") == 0.5, boost::test_tools::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(a_step_stands_out_from_the_own_past_but_only_once_there_is_one) {
  one_node n({"loop.lag_ratio"});
  n.add({0.1});
  BOOST_TEST(std::isnan(n.get("loop.lag_ratio baseline")));
  for (int i = 0; i < 200; ++i, n.time_ms += 200) n.add({0.1});
  BOOST_TEST(n.get("loop.lag_ratio baseline") == 0.0);
  for (int i = 0; i < 10; ++i, n.time_ms += 200) n.add({3.0});
  BOOST_TEST(n.get("loop.lag_ratio baseline") > 1.0);
}

BOOST_AUTO_TEST_CASE(peers_are_compared_with_the_median_of_the_others) {
  one_node n({"net.rtt_ms_mean"});
  for (int i = 0; i < 5; ++i, n.time_ms += 200) {
    n.add({1.0}, "n1");
    n.add({1.0}, "n2");
    n.add({1.0}, "n3");
    n.add({4.0}, "n4");
  }
  BOOST_TEST(n.get("net.rtt_ms_mean peers", "n1") == 0.0);
  BOOST_TEST(n.get("net.rtt_ms_mean peers", "n4") == 10.0,
             boost::test_tools::tolerance(1e-9)); // 3 ms over a floor of 0.3
}

BOOST_AUTO_TEST_CASE(errors_are_counted_in_windows_and_age) {
  one_node n({"log.errors_io", "log.errors_timeout"});
  n.add({1000, 5}); // what was there before is no news
  n.time_ms += 200;
  n.add({1003, 6});
  BOOST_TEST(n.get("log.errors count_short") == std::log1p(4.0),
             boost::test_tools::tolerance(1e-9));
  BOOST_TEST(n.get("log.errors kinds") == 2.0);
  BOOST_TEST(n.get("log.errors_io count_mid") == std::log1p(3.0),
             boost::test_tools::tolerance(1e-9));
  BOOST_TEST(n.get("log.errors since") == 0.0);
  n.time_ms += 40'000;
  n.add({1003, 6});
  BOOST_TEST(n.get("log.errors since") == 2.0);
  BOOST_TEST(n.get("log.errors count_short") < 0.01);
}

BOOST_AUTO_TEST_CASE(a_new_life_starts_afresh) {
  one_node n({"process.rss_ratio"});
  for (int i = 0; i < 100; ++i, n.time_ms += 200) n.add({0.3 + 0.005 * i});
  n.add({0.1}, "n1", 2);
  BOOST_TEST(n.get("process.rss_ratio peak") == 0.1);
  BOOST_TEST(std::isnan(n.get("process.rss_ratio change")));
}

BOOST_AUTO_TEST_CASE(missing_values_are_counted_not_guessed) {
  one_node n({"process.rss_ratio"});
  n.add({NAN});
  BOOST_TEST(n.get("input missing_share") == 1.0);
  BOOST_TEST(std::isnan(n.get("process.rss_ratio level")));
}

BOOST_AUTO_TEST_CASE(reasons_are_sentences_with_values) {
  one_node n({"process.rss_ratio"});
  for (int i = 0; i < 200; ++i, n.time_ms += 200) n.add({0.3});
  for (int i = 0; i < 50; ++i, n.time_ms += 200) n.add({0.3 + 0.004 * i});
  feature_table table;
  n.engine.table(n.time_ms, table);
  auto text = describe_metric("process.rss_ratio", table.row(0), *service_schema(), scales);
  BOOST_TEST_MESSAGE(text);
  for (const char* part :
       {"at 50 %", "deviations above this node's own past", "rising", "at its limit in"})
    BOOST_TEST(text.find(part) != std::string::npos, text << " lacks " << part);
}

BOOST_AUTO_TEST_CASE(another_schema_has_another_hash) {
  BOOST_TEST(schema_hash(*service_schema(), scales)
             == schema_hash(*service_schema(), make_scales({40, 10, 3}, 20, 2)));
  BOOST_TEST(schema_hash(*service_schema(), scales)
             != schema_hash(*service_schema(), make_scales({3, 10, 41}, 20, 2)));
  BOOST_TEST(schema_hash(*service_schema(), scales)
             != schema_hash(*service_schema(), make_scales({3, 10, 40}, 21, 2)));
}

BOOST_AUTO_TEST_CASE(a_stepped_past_tells_what_a_list_of_all_values_would) {
  std::mt19937_64 random(random_seed());
  for (int round = 0; round < 200; ++round) {
    int64_t window_ms = 8 * (1 + static_cast<int64_t>(random() % 50));
    int64_t step_ms = window_ms / stepped_past::steps;
    std::vector<std::pair<int64_t, double>> all;
    stepped_past past;
    auto now = static_cast<int64_t>(random() % 1000) - 500;
    BOOST_TEST(std::isnan(past.risen(now, window_ms)));
    for (int i = 0; i < 60; ++i) {
      now += static_cast<int64_t>(random() % static_cast<uint64_t>(window_ms / 2 + 2));
      if (random() % 3 == 0) now -= ((now % step_ms) + step_ms) % step_ms; // on a boundary
      if (!all.empty() && now <= all.back().first) now = all.back().first + 1;
      if (random() % 20 == 0) now += 5 * window_ms;
      double value = static_cast<double>(random() % 100);
      past.add(value, now, window_ms);
      all.emplace_back(now, value);
      auto at = now + static_cast<int64_t>(random() % static_cast<uint64_t>(2 * window_ms));
      auto then = at - (((at % step_ms) + step_ms) % step_ms) - window_ms;
      double held = all.front().second;
      for (auto& [time, what] : all)
        if (time <= then) held = what;
      BOOST_TEST(past.risen(at, window_ms) == value - held);
    }
  }
}
