/// What the gate believes (P10), and the fast decoder in front of it.

#include <bit>
#include <cmath>
#include <random>

#include <boost/test/unit_test.hpp>

#include "predict/ingest.hpp"
#include "telemetry/gate.hpp"
#include "telemetry/metrics.hpp"
#include "wire/codec.hpp"
#include "wire/telemetry_codec.hpp"

using namespace harbinger;
using telemetry::gate;

namespace {
constexpr unix_ms now{1'700'000'000'000};

node_row node(const char* name, uint64_t life) {
  node_row out;
  out.id.value = name;
  out.life.value = life;
  return out;
}

gate gate_for_n1() {
  gate g;
  g.set_nodes({node("n1", 5)}, true);
  return g;
}

telemetry_rows batch(uint64_t seq, std::vector<int64_t> ages_ms, std::vector<double> values = {}) {
  telemetry_rows out;
  out.node.value = "n1";
  out.life.value = 5;
  out.seq = seq;
  out.metrics = std::make_shared<const std::vector<metric_spec>>(
      std::vector<metric_spec>{{"a", metric_kind::gauge}});
  for (auto age : ages_ms) out.times.push_back(unix_ms{now.value - age});
  out.values = values.empty() ? std::vector<double>(ages_ms.size(), 1.0) : std::move(values);
  return out;
}

telemetry_batch wire_batch(size_t metrics, size_t rows) {
  telemetry_batch out;
  out.node.value = "n1";
  out.life.value = 5;
  out.seq = 9;
  for (size_t m = 0; m < metrics; ++m)
    out.metrics.push_back(
        {"metric." + std::to_string(m), m % 3 ? metric_kind::gauge : metric_kind::counter});
  for (size_t r = 0; r < rows; ++r) {
    out.rows.push_back({unix_ms{now.value + static_cast<int64_t>(r)}, {}});
    for (size_t m = 0; m < metrics; ++m)
      out.rows.back().values.push_back(static_cast<double>(r * 7 + m) / 3);
  }
  return out;
}
} // namespace

BOOST_AUTO_TEST_CASE(good_batches_pass_and_are_counted) {
  auto g = gate_for_n1();
  BOOST_TEST(g.admit(batch(1, {2000, 1000}), now)->times.size() == 2u);
  BOOST_TEST(g.counters().rows_accepted == 2u);
  BOOST_TEST(g.counters().batches_lost == 0u);
}

BOOST_AUTO_TEST_CASE(a_hole_in_the_sequence_is_a_counted_loss) {
  auto g = gate_for_n1();
  g.admit(batch(10, {3000}), now); // the first one that is heard: nothing is known of those before
  BOOST_TEST(g.counters().batches_lost == 0u);
  g.admit(batch(14, {2000}), now);
  BOOST_TEST(g.counters().batches_lost == 3u);
}

BOOST_AUTO_TEST_CASE(duplicates_and_latecomers_are_dropped) {
  auto g = gate_for_n1();
  g.admit(batch(2, {2000}), now);
  BOOST_TEST(!g.admit(batch(2, {1000}), now));
  BOOST_TEST(!g.admit(batch(1, {500}), now));
  BOOST_TEST(g.counters().duplicates == 2u);
}

BOOST_AUTO_TEST_CASE(unknown_nodes_and_other_lives_are_refused) {
  auto g = gate_for_n1();
  auto stranger = batch(1, {1000});
  stranger.node.value = "n9";
  BOOST_TEST(!g.admit(stranger, now));
  auto ghost = batch(1, {1000});
  ghost.life.value = 4;
  BOOST_TEST(!g.admit(ghost, now));
  BOOST_TEST(g.counters().unknown_node == 1u);
  BOOST_TEST(g.counters().stale_life == 1u);
}

BOOST_AUTO_TEST_CASE(a_new_life_counts_from_one_again) {
  auto g = gate_for_n1();
  g.admit(batch(100, {1000}), now);
  g.set_nodes({node("n1", 6)}, false);
  auto fresh = batch(1, {900});
  fresh.life.value = 6;
  BOOST_TEST(g.admit(fresh, now).has_value());
}

BOOST_AUTO_TEST_CASE(rows_must_get_later_and_not_come_from_the_future) {
  auto g = gate_for_n1();
  auto passed =
      g.admit(batch(1, {3000, 3000, 4000, 1000, -61'000, -60'000}, {1, 2, 3, 4, 5, 6}), now);
  BOOST_REQUIRE(passed);
  BOOST_TEST(passed->values == (std::vector<double>{1, 4, 6}), boost::test_tools::per_element());
  BOOST_TEST(g.counters().rows_unordered == 2u);
  BOOST_TEST(g.counters().rows_future == 1u);
  auto ancient = batch(2, {0});
  ancient.times[0].value = INT64_MIN;
  BOOST_TEST(!g.admit(ancient, now));
}

BOOST_AUTO_TEST_CASE(infinite_values_are_missing_values_and_nan_is_allowed) {
  auto g = gate_for_n1();
  auto passed = g.admit(batch(1, {3000, 2000, 1000}, {INFINITY, NAN, -1e300}), now);
  BOOST_REQUIRE(passed);
  for (double v : passed->values) BOOST_TEST(std::isnan(v));
  BOOST_TEST(g.counters().infinite_values == 2u);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_together_is_refused) {
  auto g = gate_for_n1();
  auto without = batch(1, {1000});
  without.metrics = nullptr;
  BOOST_TEST(!g.admit(without, now));
  BOOST_TEST(!g.admit(batch(1, {1000}, {1, 2}), now));
  BOOST_TEST(!g.admit(batch(0, {1000}), now));
  BOOST_TEST(g.counters().malformed == 3u);
  auto wide = batch(1, {1000});
  wide.metrics = std::make_shared<const std::vector<metric_spec>>(257);
  wide.values.assign(257, 1.0);
  BOOST_TEST(!g.admit(wide, now));
  BOOST_TEST(g.counters().oversize == 1u);
}

BOOST_AUTO_TEST_CASE(the_fast_decoder_reads_what_the_codec_wrote) {
  wire::telemetry_reader reader;
  auto original = wire_batch(40, 6);
  original.rows[1].values[3] = NAN;
  auto read = reader.read(wire::encode(original));
  BOOST_REQUIRE(read);
  BOOST_TEST(read->node == original.node);
  BOOST_TEST(read->seq == 9u);
  BOOST_TEST((*read->metrics == original.metrics));
  for (size_t r = 0; r < 6; ++r) {
    BOOST_TEST(read->times[r].value == original.rows[r].time.value);
    for (size_t m = 0; m < 40; ++m)
      BOOST_TEST(std::bit_cast<uint64_t>(read->row(r)[m])
                 == std::bit_cast<uint64_t>(original.rows[r].values[m]));
  }
}

BOOST_AUTO_TEST_CASE(an_unchanged_metric_list_is_shared_and_a_changed_one_is_not) {
  wire::telemetry_reader reader;
  auto first = reader.read(wire::encode(wire_batch(40, 1)));
  auto second = reader.read(wire::encode(wire_batch(40, 2)));
  auto other = reader.read(wire::encode(wire_batch(41, 2)));
  BOOST_TEST(first->metrics == second->metrics);
  BOOST_TEST(first->metrics != other->metrics);
  for (size_t i = 1; i < 200; ++i)
    BOOST_TEST(reader.read(wire::encode(wire_batch(i, 1)))->metrics->size() == i);
}

BOOST_AUTO_TEST_CASE(the_fast_decoder_refuses_what_the_codec_refuses) {
  std::mt19937_64 random(20240229);
  BOOST_TEST_MESSAGE("seed 20240229");
  wire::telemetry_reader reader;
  auto good = wire::encode(wire_batch(12, 3));
  for (size_t cut = 0; cut < good.size(); ++cut)
    BOOST_TEST(!reader.read(std::string_view(good).substr(0, cut)));
  BOOST_TEST(!reader.read(good + '\0'));
  for (int i = 0; i < 20'000; ++i) {
    auto bad = good;
    for (size_t n = 1 + random() % 3; n > 0; --n)
      bad[random() % bad.size()] = static_cast<char>(random());
    auto fast = wire::telemetry_reader{}.read(bad);
    auto slow = wire::decode<telemetry_batch>(bad);
    // The fast one asks more (names once, rows as wide as the metrics), never less.
    if (fast) BOOST_TEST_REQUIRE(slow.has_value());
    if (!fast && slow)
      BOOST_TEST_REQUIRE((fast.error().code == errc::invalid_argument), to_string(fast.error()));
    if (fast && slow) BOOST_TEST(fast->times.size() == slow->rows.size());
  }
  BOOST_TEST(
      (reader.read(std::string(telemetry_body_max + 1, 'x')).error().code == errc::oversize));
}

BOOST_AUTO_TEST_CASE(counts_that_lie_take_no_memory) {
  wire::telemetry_reader reader;
  std::string lie(
      "\x85\xa4node\xa2n1\xabincarnation\x05\xa3seq\x01\xa7metrics\x90\xa4rows\xdd\xff\xff\xff\xff",
      46);
  BOOST_TEST(!reader.read(lie));
}

BOOST_AUTO_TEST_CASE(the_pipeline_takes_bytes_in_and_counts_rows) {
  predict::ingest_pipeline pipeline(predict::make_scales({3, 10, 40}, 12, 2));
  pipeline.set_nodes({node("n1", 5)});
  auto body = wire::encode(wire_batch(40, 6));
  BOOST_TEST(pipeline.ingest(body, time_point(seconds(1)), now) == 6u);
  BOOST_TEST(pipeline.ingest(body, time_point(seconds(1)), now) == 0u); // a duplicate
  BOOST_TEST(pipeline.ingest("\xc1", time_point(seconds(1)), now) == 0u);
  BOOST_TEST(pipeline.malformed() == 1u);
  BOOST_TEST(pipeline.counters().duplicates == 1u);
}
