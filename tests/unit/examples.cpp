#include <algorithm>
#include <cstring>
#include <random>

#include <boost/test/unit_test.hpp>

#include "history/history_file.hpp"
#include "history/journal.hpp"
#include "predict/examples.hpp"
#include "predict/features.hpp"
#include "telemetry/metrics.hpp"
#include "tests/support/random_seed.hpp"
#include "tests/support/temp_dir.hpp"

using namespace harbinger;
using namespace harbinger::predict;

namespace {

constexpr int64_t hour = 3'600'000;
constexpr int64_t begin_ms = 1'000 * hour;

history_metric gauge(const char* name, bool comparable) {
  return {name, "", history_reading::gauge, comparable, 0.1};
}

/// Some machines in two fleets, measured now and then, with errors, repairs and failures.
history random_history(std::mt19937_64& random, int64_t hours) {
  auto below = [&](uint64_t n) { return random() % n; };
  history out;
  out.name = "random";
  out.metrics = {gauge("heat", false),
                 gauge("level", true),
                 {"retries", "", history_reading::counter, true, 0},
                 {"used", "", history_reading::share, false, 0.01}};
  out.numbers = {"age"};
  out.categories = {"model"};
  for (uint32_t i = 0; i < 12; ++i) {
    history_node n;
    n.id = node_id{"m" + std::to_string(i)};
    n.fleet = i % 2 ? "odd" : "even";
    n.attributes = {{"age", std::to_string(i)}, {"model", i % 3 ? "a" : "b"}};
    n.first_ms = begin_ms + static_cast<int64_t>(below(20)) * hour;
    n.last_ms = begin_ms + hours * hour;
    out.nodes.push_back(n);
  }
  std::vector<double> retries(12);
  for (int64_t t = 0; t < hours; ++t)
    for (uint32_t i = 0; i < 12; ++i) {
      if (begin_ms + t * hour < out.nodes[i].first_ms || below(5) == 0) continue;
      retries[i] += static_cast<double>(below(3));
      double heat = below(10) == 0 ? std::nan("") : static_cast<double>(below(100));
      out.samples.push_back({i,
                             begin_ms + t * hour,
                             {heat, static_cast<double>(below(50)), retries[i],
                              static_cast<double>(below(100)) / 100}});
      auto what = below(40);
      if (what > 3) continue;
      history_event e{i, begin_ms + t * hour, happening::event, "e" + std::to_string(what), 1, 0};
      if (what == 2) e.what = happening::maintenance;
      if (what == 3) {
        e.what = happening::failure;
        e.back_ms = e.time_ms + 2 * hour;
      }
      out.events.push_back(e);
    }
  return out;
}

const time_scales scales = make_scales({3 * 3600, 12 * 3600, 48 * 3600}, 24 * 3600, 4 * 3600);

examples of(const history& h, const schema_ptr& schema) {
  example_options options;
  options.every_ms = hour;
  auto made = make_examples(h, schema, scales, options);
  BOOST_REQUIRE(made.has_value());
  return std::move(*made);
}

bool equal_rows(const examples& a, size_t i, const examples& b, size_t j) {
  return std::memcmp(a.row(i).data(), b.row(j).data(), a.width() * sizeof(float)) == 0;
}

/// One machine without samples, watched for ten hours.
history one_machine() {
  history h;
  h.nodes.push_back({node_id{"m"}, "", {}, begin_ms, begin_ms + 10 * hour});
  return h;
}

} // namespace

BOOST_AUTO_TEST_CASE(what_comes_later_changes_no_earlier_row) {
  auto seed = random_seed();
  std::mt19937_64 random(seed);
  BOOST_TEST_CONTEXT("HARBINGER_SEED=" << seed) {
    auto whole = random_history(random, 200);
    auto schema = history_schema(whole);
    auto rows = of(whole, schema);
    for (int64_t cut : {30, 77, 120, 199}) {
      auto changed = whole;
      auto from = begin_ms + cut * hour;
      for (auto& s : changed.samples)
        if (s.time_ms > from)
          for (auto& x : s.values) x = static_cast<double>(random() % 1000);
      std::erase_if(changed.samples,
                    [&](const auto& s) { return s.time_ms > from && random() % 2 == 0; });
      std::erase_if(changed.events,
                    [&](const auto& e) { return e.time_ms > from && random() % 2 == 0; });
      history_event late{3, from + 1, happening::failure, "new", 1, 0};
      auto at = std::find_if(changed.events.begin(), changed.events.end(),
                             [&](const auto& e) { return e.time_ms > from; });
      changed.events.insert(at, late);
      auto again = of(changed, schema);
      size_t compared = 0;
      for (size_t i = 0; i < rows.size() && rows.time_ms[i] <= from; ++i, ++compared) {
        BOOST_REQUIRE(again.time_ms[i] == rows.time_ms[i]);
        BOOST_REQUIRE(again.node[i] == rows.node[i]);
        BOOST_REQUIRE(equal_rows(rows, i, again, i));
      }
      BOOST_TEST(compared > 100u);
    }
  }
}

BOOST_AUTO_TEST_CASE(an_earlier_change_does_show) {
  std::mt19937_64 random(5);
  auto whole = random_history(random, 60);
  auto schema = history_schema(whole);
  auto rows = of(whole, schema);
  whole.samples.front().values[1] += 1000;
  auto again = of(whole, schema);
  size_t differ = 0;
  for (size_t i = 0; i < rows.size(); ++i) differ += !equal_rows(rows, i, again, i);
  BOOST_TEST(differ > 10u);
}

BOOST_AUTO_TEST_CASE(the_engine_fed_as_the_service_feeds_it_gives_the_same_bits) {
  std::mt19937_64 random(7);
  auto whole = random_history(random, 80);
  auto schema = history_schema(whole);
  auto rows = of(whole, schema);
  feature_engine engine(scales, schema);
  for (const auto& n : whole.nodes) engine.add_node(n.id, n.fleet, n.attributes, n.first_ms);
  auto metrics = std::make_shared<std::vector<metric_spec>>();
  for (const auto& m : whole.metrics)
    metrics->push_back({m.name, m.reading == history_reading::counter ? metric_kind::counter
                                                                      : metric_kind::gauge});
  for (const auto& s : whole.samples) {
    telemetry_rows one;
    one.node = whole.nodes[s.node].id;
    one.metrics = metrics;
    one.times = {unix_ms{s.time_ms}};
    one.values = s.values;
    engine.add(one, s.time_ms);
  }
  for (const auto& e : whole.events) {
    std::vector<std::string> codes{e.code};
    if (e.what == happening::maintenance) codes = {"maintenance " + e.code};
    if (e.what == happening::failure) codes = {"failure", "failure " + e.code};
    for (const auto& code : codes)
      if (auto at = engine.event_index(code); at != SIZE_MAX)
        engine.add_event(whole.nodes[e.node].id, at, e.count, e.time_ms);
  }
  feature_table table;
  engine.table(rows.time_ms.back(), table);
  size_t compared = 0;
  for (size_t i = rows.size(); i-- > 0 && rows.time_ms[i] == rows.time_ms.back();)
    for (size_t k = 0; k < table.nodes.size(); ++k) {
      if (table.nodes[k] != whole.nodes[rows.node[i]].id) continue;
      ++compared;
      for (size_t f = 0; f < table.width; ++f) {
        auto live = static_cast<float>(table.row(k)[f]);
        BOOST_TEST(std::memcmp(&live, &rows.row(i)[f], sizeof live) == 0, feature_name(*schema, f));
      }
    }
  BOOST_TEST(compared >= 10u);
}

namespace {
const time_scales quick = make_scales({3, 10, 40}, 20, 2);

/// What a node publishes: five rows each second, which arrive late, by a clock of its own.
struct batch {
  telemetry_rows rows;
  int64_t arrived_ms = 0;
};
std::vector<batch> service_batches(std::mt19937_64& random, int64_t seconds) {
  auto metrics = std::make_shared<const std::vector<metric_spec>>(telemetry::catalogue_specs());
  std::vector<batch> out;
  std::vector<double> totals(6 * metrics->size());
  for (int64_t s = 0; s < seconds; ++s)
    for (int64_t n = 0; n < 6; ++n) {
      if (random() % 10 == 0 || s < n * 3) continue; // lost; or the node came later
      uint64_t life = n == 2 && s >= seconds / 2 ? 2 : 1;
      telemetry_rows rows{node_id{"n" + std::to_string(n)}, incarnation{life}, 1, metrics, {}, {}};
      auto skew = (n - 3) * 7919;
      for (int64_t k = 0; k < 5; ++k) {
        rows.times.push_back(unix_ms{begin_ms + s * 1000 + k * 200 + skew});
        for (size_t m = 0; m < metrics->size(); ++m) {
          auto& total = totals[static_cast<size_t>(n) * metrics->size() + m];
          total += static_cast<double>(random() % 3) / 7;
          bool counter = (*metrics)[m].kind == metric_kind::counter;
          double x = counter ? total : static_cast<double>(random() % 1000) / 999;
          rows.values.push_back(random() % 20 == 0 ? std::nan("") : x);
        }
      }
      // Some arrive at the very moment of a decision.
      auto late = random() % 4 == 0 ? 1000 : 850 + static_cast<int64_t>(random() % 100);
      auto arrived = begin_ms + s * 1000 + late;
      out.push_back({std::move(rows), arrived});
    }
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.arrived_ms < b.arrived_ms; });
  return out;
}
} // namespace

BOOST_AUTO_TEST_CASE(what_the_service_saw_live_and_what_its_journal_replays_are_equal_to_the_bit) {
  auto seed = random_seed();
  std::mt19937_64 random(seed);
  BOOST_TEST_CONTEXT("HARBINGER_SEED=" << seed) {
    auto batches = service_batches(random, 120);
    test::temp_dir dir;
    {
      auto kept = journal::open(dir / "journal", {.segment_bytes = 100'000});
      BOOST_REQUIRE(kept.has_value());
      for (const auto& b : batches) (*kept)->add(b.rows, unix_ms{b.arrived_ms});
    }
    auto read = read_journal(dir / "journal");
    BOOST_REQUIRE(read.has_value());
    BOOST_REQUIRE(write_history(dir / "history", read->data).has_value());
    auto history = read_history(dir / "history");
    BOOST_REQUIRE(history.has_value());
    example_options options;
    options.every_ms = 500;
    auto rows = make_examples(*history, service_schema(), quick, options).value();

    feature_engine live(quick);
    feature_table table;
    size_t next = 0, compared = 0, other_life = 0;
    int64_t now = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows.time_ms[i] != now) {
        now = rows.time_ms[i];
        for (; next < batches.size() && batches[next].arrived_ms <= now; ++next)
          live.add(batches[next].rows, batches[next].arrived_ms);
        live.table(now, table);
      }
      const auto& node = history->nodes[rows.node[i]];
      auto at =
          std::find(table.nodes.begin(), table.nodes.end(), node_id{node.attributes.at("node")});
      BOOST_REQUIRE((at != table.nodes.end()));
      auto values = table.row(static_cast<size_t>(at - table.nodes.begin()));
      for (size_t f = 0; f < table.width; ++f) {
        auto expected = static_cast<float>(values[f]);
        BOOST_REQUIRE_MESSAGE(std::memcmp(&expected, &rows.row(i)[f], sizeof expected) == 0,
                              node.id.value << ' ' << feature_name(*service_schema(), f) << " at "
                                            << now - begin_ms);
      }
      ++compared;
      other_life += node.id.value == "n2#2";
    }
    BOOST_TEST(compared > 1000u);
    BOOST_TEST(other_life > 50u);
  }
}

BOOST_AUTO_TEST_CASE(labels_know_what_is_not_known) {
  auto h = one_machine();
  h.events.push_back({0, begin_ms + 6 * hour, happening::failure, "", 1, begin_ms + 8 * hour});
  auto rows = of(h, history_schema(h));
  std::vector<std::string> seen;
  for (size_t i = 0; i < rows.size(); ++i) {
    auto label = rows.label(i, 2 * hour);
    seen.push_back(std::to_string((rows.time_ms[i] - begin_ms) / hour)
                   + "h:" + (label ? std::to_string(*label) : "?"));
  }
  // 6 h and 7 h: it is down. 9 h and 10 h: nobody knows about 11 h and 12 h.
  std::vector<std::string> expected{"0h:0", "1h:0", "2h:0", "3h:0", "4h:1",
                                    "5h:1", "8h:0", "9h:?", "10h:?"};
  BOOST_TEST(seen == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_planned_shutdown_is_no_failure_and_ends_what_is_known) {
  auto h = one_machine();
  h.events.push_back({0, begin_ms + 5 * hour, happening::shutdown, "", 1, 0});
  auto rows = of(h, history_schema(h));
  BOOST_TEST(rows.size() == 6u);
  BOOST_TEST((rows.label(3, 2 * hour) == std::optional<uint8_t>{0}));
  BOOST_TEST(!rows.label(4, 2 * hour).has_value());
}

BOOST_AUTO_TEST_CASE(thinned_rows_are_the_same_each_time_and_weigh_for_the_others) {
  std::mt19937_64 random(11);
  auto h = random_history(random, 300);
  auto schema = history_schema(h);
  example_options options;
  options.every_ms = hour;
  options.healthy_share = 0.2;
  options.near_ms = 6 * hour;
  auto thin = make_examples(h, schema, scales, options).value();
  auto again = make_examples(h, schema, scales, options).value();
  auto all = of(h, schema);
  BOOST_TEST(thin.values.size() == again.values.size());
  BOOST_TEST(thin.time_ms == again.time_ms, boost::test_tools::per_element());
  double weight = 0, near_all = 0, near_thin = 0;
  for (float w : thin.weight) weight += static_cast<double>(w);
  for (size_t i = 0; i < all.size(); ++i) near_all += all.label(i, 6 * hour) == 1;
  for (size_t i = 0; i < thin.size(); ++i) near_thin += thin.label(i, 6 * hour) == 1;
  BOOST_TEST(near_all == near_thin);
  BOOST_TEST(weight > 0.85 * static_cast<double>(all.size()));
  BOOST_TEST(weight < 1.15 * static_cast<double>(all.size()));
}

BOOST_AUTO_TEST_CASE(a_schema_survives_its_text_and_a_bad_one_is_refused) {
  std::mt19937_64 random(13);
  auto schema = history_schema(random_history(random, 300));
  auto again = parse_schema(to_json(*schema));
  BOOST_REQUIRE(again.has_value());
  BOOST_TEST(to_json(**again) == to_json(*schema));
  BOOST_TEST(schema_hash(**again, scales) == schema_hash(*schema, scales));
  for (const char* bad : {"", "[]", "{}", R"({"one_clock":true})"})
    BOOST_TEST((parse_schema(bad).error().code == errc::malformed));
  auto text = to_json(*schema);
  text.replace(text.find("\"baseline\""), 10, "\"nonsense\"");
  BOOST_TEST((parse_schema(text).error().code == errc::unsupported));
}

BOOST_AUTO_TEST_CASE(identity_does_not_leak_into_the_features) {
  std::mt19937_64 random(17);
  auto h = random_history(random, 100);
  auto schema = history_schema(h);
  for (size_t f = 0; f < schema->width(); ++f) {
    const auto& spec = schema->features[f];
    bool absolute = spec.what == statistic::level || spec.what == statistic::mean
                    || spec.what == statistic::mean_mid || spec.what == statistic::mean_long
                    || spec.what == statistic::peak || spec.what == statistic::total;
    BOOST_TEST(!(absolute && spec.metric == "heat"), feature_name(*schema, f));
  }
}

BOOST_AUTO_TEST_CASE(times_when_nobody_is_watched_are_passed_over) {
  history h;
  constexpr int64_t years = 3 * 365 * 24 * hour;
  h.nodes.push_back({node_id{"early"}, "", {}, begin_ms, begin_ms + 3 * hour});
  h.nodes.push_back(
      {node_id{"late"}, "", {}, begin_ms + years + hour / 4, begin_ms + years + 3 * hour});
  h.nodes.push_back({node_id{"last"}, "", {}, begin_ms + 2 * years, begin_ms + 2 * years + hour});
  example_options options;
  options.every_ms = 1000; // every second of the gaps would take hours
  options.phase_ms = 250;
  auto made = make_examples(h, history_schema(h), scales, options);
  BOOST_REQUIRE(made.has_value());
  BOOST_TEST(made->size() == 3u * 3600 + (3 * 3600 - 900) + 3600);
  for (auto t : made->time_ms) BOOST_TEST_REQUIRE(t % 1000 == 250);
  // Someone with whom it begins exactly on a step is not missed.
  BOOST_TEST(made->time_ms.front() == begin_ms + 250);
  options.phase_ms = 0;
  made = make_examples(h, history_schema(h), scales, options);
  BOOST_REQUIRE(made.has_value());
  BOOST_TEST(made->time_ms[3 * 3600 + 1] == begin_ms + years + hour / 4);
  BOOST_TEST(made->time_ms.back() == begin_ms + 2 * years + hour);
}
