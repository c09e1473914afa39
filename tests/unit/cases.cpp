#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <set>

#include "predict/cases.hpp"
#include "tests/support/random_seed.hpp"
#include "tests/support/three_features.hpp"

using namespace harbinger;
using namespace harbinger::predict;
using harbinger::testing::three_features;
namespace tt = boost::test_tools;

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t minute = 60'000, hour = 60 * minute, horizon = 30 * minute;
constexpr int64_t begin_ms = 1'586'373'120'000; // 2020-04-08 19:12

/// A history and its examples, written by hand.
struct world {
  history past;
  examples from;
  std::vector<size_t> rows;
  std::vector<double> probability;
  std::mt19937_64 random{1};

  explicit world(size_t nodes) {
    from.schema = three_features();
    for (size_t i = 0; i < nodes; ++i) {
      history_node n;
      n.id = node_id{"n" + std::to_string(i)};
      past.nodes.push_back(n);
    }
  }
  void row(uint32_t node, int64_t time_ms, int64_t failure_in_ms, int64_t known_for_ms, double p) {
    rows.push_back(from.size());
    from.node.push_back(node);
    from.time_ms.push_back(time_ms);
    from.failure_in_ms.push_back(failure_in_ms);
    from.known_for_ms.push_back(known_for_ms);
    from.weight.push_back(1);
    for (int f = 0; f < 3; ++f) from.values.push_back(static_cast<float>(random() % 1000));
    probability.push_back(p);
  }
  /// A row each minute for an hour, then the failure.
  void failure(uint32_t node, int64_t time_ms, const std::string& cause) {
    for (auto t = time_ms - hour; t < time_ms; t += minute)
      row(node, t, time_ms - t, time_ms - t + hour, 0.4);
    past.events.push_back({node, time_ms, happening::failure, cause, 1, time_ms});
  }
  /// A row each minute, watched for a day more.
  void healthy(uint32_t node, int64_t from_ms, int64_t minutes, double p) {
    for (int64_t i = 0; i < minutes; ++i) row(node, from_ms + i * minute, -1, 24 * hour, p);
  }

  case_material material() const { return {past, from, rows, probability}; }
  profile_ptr profile() const {
    return std::make_shared<feature_profile>(make_profile(from, rows).value());
  }
  case_base cases(const case_options& options) const {
    return make_cases(material(), profile(), {1, 1, 1}, options).value();
  }
  /// The example that a case was made from.
  std::vector<double> values(const past_case& c) const {
    for (size_t i = 0; i < from.size(); ++i)
      if (past.nodes[from.node[i]].id == c.node && from.time_ms[i] == c.time_ms)
        return {from.row(i).begin(), from.row(i).end()};
    return {};
  }
};

case_options options(size_t cases_max = 300) {
  case_options out;
  out.cases_max = cases_max;
  out.horizon_ms = horizon;
  return out;
}

world busy_world() {
  world w(30);
  for (uint32_t n = 0; n < 10; ++n)
    w.failure(n, begin_ms + n * hour, n % 2 ? "disk" : "memory_leak");
  for (uint32_t n = 10; n < 30; ++n) {
    w.healthy(n, begin_ms, 60, 0.02);
    w.healthy(n, begin_ms + 2 * hour, 60, 0.7);
  }
  return w;
}

size_t failures_of(const case_base& b) {
  size_t out = 0;
  for (size_t i = 0; i < b.size(); ++i) out += b.at(i).failed;
  return out;
}

} // namespace

BOOST_AUTO_TEST_CASE(a_failure_is_one_case_half_a_horizon_before_it) {
  world w(1);
  w.failure(0, begin_ms, "memory_leak");
  auto b = w.cases(options());
  BOOST_REQUIRE(failures_of(b) == 1u);
  for (size_t i = 0; i < b.size(); ++i) {
    const auto& c = b.at(i);
    if (!c.failed) continue;
    BOOST_TEST(c.node.value == "n0");
    BOOST_TEST(c.after_ms == horizon / 2);
    BOOST_TEST(c.time_ms == begin_ms - horizon / 2);
    BOOST_TEST(c.label == "memory_leak");
    BOOST_TEST(c.probability == 0.4);
  }
}

BOOST_AUTO_TEST_CASE(every_failure_and_both_kinds_of_healthy_rows_are_there) {
  auto b = busy_world().cases(options());
  BOOST_TEST(failures_of(b) == 10u);
  size_t alarms = 0, typical = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    if (b.at(i).failed) continue;
    (b.at(i).probability >= 0.5 ? alarms : typical) += 1;
    BOOST_TEST(b.at(i).label.empty());
  }
  BOOST_TEST(alarms >= 20u);
  BOOST_TEST(typical >= 20u);
  BOOST_TEST(b.size() <= 300u);
  for (size_t i = 1; i < b.size(); ++i) BOOST_TEST(b.at(i - 1).time_ms <= b.at(i).time_ms);
}

BOOST_AUTO_TEST_CASE(healthy_cases_of_one_node_are_a_horizon_apart) {
  auto b = busy_world().cases(options());
  for (size_t i = 0; i < b.size(); ++i)
    for (size_t j = i + 1; j < b.size(); ++j)
      if (b.at(i).node == b.at(j).node && !b.at(i).failed && !b.at(j).failed
          && (b.at(i).probability >= 0.5) == (b.at(j).probability >= 0.5))
        BOOST_TEST(b.at(j).time_ms - b.at(i).time_ms >= horizon);
}

BOOST_AUTO_TEST_CASE(past_the_limit_every_cause_keeps_its_share) {
  world w(60);
  for (uint32_t n = 0; n < 57; ++n) w.failure(n, begin_ms + n * hour, "common");
  for (uint32_t n = 57; n < 60; ++n) w.failure(n, begin_ms + n * hour, "rare");
  auto b = w.cases(options(40));
  BOOST_TEST(b.size() <= 40u);
  BOOST_TEST(failures_of(b) == 20u);
  size_t rare = 0;
  for (size_t i = 0; i < b.size(); ++i) rare += b.at(i).label == "rare";
  BOOST_TEST(rare == 3u);
}

BOOST_AUTO_TEST_CASE(the_worst_false_alarms_are_taken) {
  world w(50);
  for (uint32_t n = 0; n < 50; ++n) w.healthy(n, begin_ms, 5, 0.5 + 0.01 * n);
  auto b = w.cases(options(40)); // ten for false alarms
  BOOST_REQUIRE(b.size() == 10u);
  for (size_t i = 0; i < b.size(); ++i) BOOST_TEST(b.at(i).probability > 0.895);
}

BOOST_AUTO_TEST_CASE(the_cause_is_the_code_or_the_attribute_or_the_last_note) {
  auto label = [](const std::string& attribute, const std::string& code) {
    world w(1);
    w.past.nodes[0].attributes["fault"] = "from attribute";
    w.past.events.push_back({0, begin_ms - 2 * hour, happening::note, "older note", 1, 0});
    w.past.events.push_back({0, begin_ms - hour, happening::note, "note", 1, 0});
    w.failure(0, begin_ms, code);
    w.past.events.push_back({0, begin_ms + hour, happening::note, "later", 1, 0});
    auto o = options();
    o.label_attribute = attribute;
    auto b = w.cases(o);
    for (size_t i = 0; i < b.size(); ++i)
      if (b.at(i).failed) return b.at(i).label;
    return std::string("no case");
  };
  BOOST_TEST(label("fault", "disk") == "disk");
  BOOST_TEST(label("fault", "") == "from attribute");
  BOOST_TEST(label("", "") == "note");
  BOOST_TEST(label("nonsense", "") == "");
}

BOOST_AUTO_TEST_CASE(two_failures_in_one_moment_are_one_case_with_both_causes) {
  world w(1);
  w.failure(0, begin_ms, "disk");
  w.past.events.push_back({0, begin_ms, happening::failure, "disk_full", 1, begin_ms});
  w.past.events.push_back({0, begin_ms, happening::failure, "disk", 1, begin_ms});
  auto b = w.cases(options());
  BOOST_TEST(failures_of(b) == 1u);
  auto found = b.nearest(w.values(b.at(b.size() - 1)), 1);
  BOOST_TEST(found[0].found->label == "disk, disk_full");
}

BOOST_AUTO_TEST_CASE(censored_rows_are_no_cases) {
  world w(1);
  w.row(0, begin_ms, -1, horizon - 1, 0.9);
  w.row(0, begin_ms + hour, -1, horizon, 0.9);
  auto b = w.cases(options());
  BOOST_REQUIRE(b.size() == 1u);
  BOOST_TEST(b.at(0).time_ms == begin_ms + hour);
  BOOST_TEST(b.at(0).after_ms == horizon);
}

BOOST_AUTO_TEST_CASE(a_failure_soon_after_the_horizon_is_neither_a_failure_nor_a_false_alarm) {
  world w(3);
  w.row(0, begin_ms, horizon + 1, hour, 0.9);
  w.row(1, begin_ms, 2 * horizon - 1, hour, 0.1);
  w.row(2, begin_ms, 2 * horizon, hour, 0.9);
  auto b = w.cases(options());
  BOOST_REQUIRE(b.size() == 1u);
  BOOST_TEST(b.at(0).node.value == "n2");
  BOOST_TEST(!b.at(0).failed);
  BOOST_TEST(b.at(0).then_failed);
  BOOST_TEST(b.at(0).after_ms == 2 * horizon);
}

BOOST_AUTO_TEST_CASE(a_row_is_nearest_to_itself) {
  auto w = busy_world();
  auto b = w.cases(options());
  for (size_t i = 0; i < b.size(); ++i) {
    auto found = b.nearest(w.values(b.at(i)), 3);
    BOOST_REQUIRE(found.size() == 3u);
    BOOST_TEST(found[0].distance == 0);
    BOOST_TEST(found[0].similarity == 1);
    BOOST_TEST((*found[0].found == b.at(i)));
  }
}

BOOST_AUTO_TEST_CASE(nearest_agrees_with_a_search_by_the_definition) {
  auto seed = random_seed();
  BOOST_TEST_CONTEXT("HARBINGER_SEED=" << seed) {
    auto w = busy_world();
    auto profile = w.profile();
    std::vector<double> weights{3, 0, 1};
    auto b = make_cases(w.material(), profile, weights, options()).value();
    std::mt19937_64 random(seed);
    auto position = [&](size_t f, double x) {
      return std::round(profile->rank(f, x).value() * 254) / 254;
    };
    for (int round = 0; round < 50; ++round) {
      std::vector<double> asked;
      for (int f = 0; f < 3; ++f) asked.push_back(static_cast<double>(random() % 1200) - 100);
      std::vector<double> distances;
      for (size_t i = 0; i < b.size(); ++i) {
        auto v = w.values(b.at(i));
        double d = 0;
        for (size_t f = 0; f < 3; ++f)
          d += weights[f] / 4 * std::abs(position(f, asked[f]) - position(f, v[f]));
        distances.push_back(d);
      }
      std::sort(distances.begin(), distances.end());
      auto found = b.nearest(asked, 5);
      for (size_t k = 0; k < 5; ++k) {
        BOOST_TEST(std::abs(found[k].distance - distances[k]) < 1e-9);
        BOOST_TEST(found[k].similarity >= 0);
        BOOST_TEST(found[k].similarity <= 1);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(missing_is_near_to_missing_and_far_from_known) {
  world w(2);
  w.healthy(0, begin_ms, 1, 0.1);
  w.healthy(1, begin_ms, 1, 0.1);
  for (size_t f = 0; f < 3; ++f) w.from.values[f] = 500;
  w.from.values[3] = std::nanf("");
  w.from.values[4] = w.from.values[5] = 500;
  auto b = w.cases(options());
  auto with = b.nearest(std::vector<double>{500, 500, 500}, 2);
  BOOST_TEST(with[0].found->node.value == "n0");
  BOOST_TEST(with[1].distance == 1.0 / 3, tt::tolerance(1e-9));
  auto without = b.nearest(std::vector<double>{none, 500, 500}, 2);
  BOOST_TEST(without[0].found->node.value == "n1");
  BOOST_TEST(without[0].distance == 0);
}

BOOST_AUTO_TEST_CASE(of_equally_near_ones_the_newest_comes_first) {
  world w(3);
  for (uint32_t n = 0; n < 3; ++n) w.healthy(n, begin_ms + (n == 1) * hour, 1, 0.1);
  for (float& x : w.from.values) x = 5;
  auto found = w.cases(options()).nearest(std::vector<double>{5, 5, 5}, 9);
  BOOST_REQUIRE(found.size() == 3u);
  auto b = w.cases(options());
  found = b.nearest(std::vector<double>{5, 5, 5}, 9);
  BOOST_TEST(found[0].found->node.value == "n1");
  BOOST_TEST(found[1].found->node.value == "n0");
  BOOST_TEST(found[2].found->node.value == "n2");
}

BOOST_AUTO_TEST_CASE(weights_of_metrics_are_shared_by_their_features) {
  auto s = three_features();
  auto w = feature_weights(*s, {{"heat", 0.2}, {"load", 0.6}, {"unknown", 5}});
  BOOST_TEST(w == (std::vector<double>{0.1, 0.1, 0.6}), tt::per_element());
  w = feature_weights(*s, {{"heat", -0.2}, {"load", 0.6}});
  BOOST_TEST(w == (std::vector<double>{0, 0, 0.6}), tt::per_element());
  w = feature_weights(*s, {});
  BOOST_TEST(w == (std::vector<double>{0.5, 0.5, 1}), tt::per_element());
}

BOOST_AUTO_TEST_CASE(cases_speak_in_words) {
  past_case c{node_id{"e1/n00"}, begin_ms, true, true, 12 * minute, "memory_leak", 0.4};
  BOOST_TEST(describe_case(c, 0.914)
             == "e1/n00 at 2020-04-08 19:12 (similarity 0.91): failed 12 min later (memory_leak)");
  c.label.clear();
  c.after_ms = 40'000;
  BOOST_TEST(describe_case(c) == "e1/n00 at 2020-04-08 19:12: failed 40 s later");
  c.failed = c.then_failed = false;
  c.after_ms = 3 * hour + 10 * minute;
  BOOST_TEST(describe_case(c) == "e1/n00 at 2020-04-08 19:12: lived on for 3 h");
  c.after_ms = 9 * 24 * hour;
  c.then_failed = true;
  BOOST_TEST(describe_case(c).ends_with("lived on for 9 d, then failed"));
}

BOOST_AUTO_TEST_CASE(the_same_rows_give_the_same_bytes_and_they_come_back) {
  auto w = busy_world();
  auto b = make_cases(w.material(), w.profile(), {0.3, 0.1, 7}, options()).value();
  auto bytes = b.serialize();
  BOOST_TEST(
      (bytes == make_cases(w.material(), w.profile(), {0.3, 0.1, 7}, options())->serialize()));
  auto again = case_base::parse(bytes, w.profile());
  BOOST_REQUIRE(again.has_value());
  BOOST_TEST((again->serialize() == bytes));
  std::vector<double> asked{100, 200, 300};
  auto x = b.nearest(asked, 5), y = again->nearest(asked, 5);
  for (size_t i = 0; i < 5; ++i) {
    BOOST_TEST((*x[i].found == *y[i].found));
    BOOST_TEST(x[i].similarity == y[i].similarity);
  }
}

BOOST_AUTO_TEST_CASE(a_piece_of_the_bytes_is_malformed) {
  auto w = busy_world();
  auto profile = w.profile();
  auto bytes = w.cases(options(20)).serialize();
  for (size_t n = 0; n < bytes.size(); ++n)
    BOOST_TEST((case_base::parse(bytes.substr(0, n), profile).error().code == errc::malformed));
  BOOST_TEST((case_base::parse(bytes + 'x', profile).error().code == errc::malformed));
}

BOOST_AUTO_TEST_CASE(flipped_bits_give_an_error_or_cases_that_hold_together) {
  auto w = busy_world();
  auto profile = w.profile();
  auto bytes = w.cases(options(12)).serialize();
  size_t refused = 0;
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    auto changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
    auto b = case_base::parse(changed, profile);
    refused += !b;
    if (!b) continue;
    for (const auto& s : b->nearest(std::vector<double>{1, none, 900}, 3)) {
      BOOST_REQUIRE(s.similarity >= 0);
      BOOST_REQUIRE(s.similarity <= 1);
      BOOST_REQUIRE(!describe_case(*s.found, s.similarity).empty());
    }
  }
  BOOST_TEST(refused > 100u);
}

BOOST_AUTO_TEST_CASE(cases_of_another_profile_or_beyond_the_limits_are_refused) {
  auto w = busy_world();
  auto bytes = w.cases(options(12)).serialize();
  w.healthy(3, begin_ms, 500, 0.1);
  BOOST_TEST((case_base::parse(bytes, w.profile()).error().code == errc::malformed));
  std::string large(case_base::bytes_max + 1, 'x');
  BOOST_TEST((case_base::parse(large, w.profile()).error().code == errc::oversize));
  auto good = w.cases(options(12)).serialize();
  uint32_t many = case_base::cases_limit + 1;
  std::memcpy(good.data() + 8 + 8 + 4 + 3 * 8, &many, 4);
  BOOST_TEST((case_base::parse(good, w.profile()).error().code == errc::oversize));
}

BOOST_AUTO_TEST_CASE(material_without_sense_is_refused) {
  auto w = busy_world();
  auto code = [&](const case_material& m, std::vector<double> weights, const case_options& o) {
    auto made = make_cases(m, w.profile(), std::move(weights), o);
    return made ? errc::internal : made.error().code;
  };
  auto m = w.material();
  BOOST_TEST((code(m, {1, 1}, options()) == errc::invalid_argument));
  BOOST_TEST((code(m, {0, 0, 0}, options()) == errc::invalid_argument));
  BOOST_TEST((code(m, {1, -1, 1}, options()) == errc::invalid_argument));
  BOOST_TEST((code(m, {1, none, 1}, options()) == errc::invalid_argument));
  BOOST_TEST((code(m, {1, 1, 1}, case_options{}) == errc::invalid_argument));
  BOOST_TEST((code(m, {1, 1, 1}, options(case_base::cases_limit + 1)) == errc::oversize));
  BOOST_TEST((code({w.past, w.from, {}, {}}, {1, 1, 1}, options()) == errc::invalid_argument));
  std::vector<size_t> rows{w.from.size()};
  std::vector<double> p{0.5}, bad{1.5};
  BOOST_TEST((code({w.past, w.from, rows, p}, {1, 1, 1}, options()) == errc::invalid_argument));
  rows = {0};
  BOOST_TEST((code({w.past, w.from, rows, bad}, {1, 1, 1}, options()) == errc::invalid_argument));
  w.past.nodes[0].id = node_id{std::string(300, 'n')};
  BOOST_TEST((code(w.material(), {1, 1, 1}, options()) == errc::oversize));
}
