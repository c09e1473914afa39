/// The history that a running service keeps: what is written is read back.

#include <random>

#include <boost/test/unit_test.hpp>

#include "tests/support/kept_history.hpp"
#include "tests/support/random_seed.hpp"

using namespace harbinger;
using namespace harbinger::testing;
using harbinger::test::temp_dir;
namespace fs = std::filesystem;

BOOST_AUTO_TEST_CASE(what_was_kept_reads_back_to_the_bit) {
  temp_dir dir;
  auto seed = random_seed();
  std::mt19937_64 random(seed);
  BOOST_TEST_CONTEXT("HARBINGER_SEED=" << seed) {
    std::vector<telemetry_rows> given;
    auto j = opened(dir / "h");
    for (int64_t i = 0; i < 300; ++i) {
      telemetry_rows rows{node_id{i % 3 ? "n1" : "n2"}, incarnation{7}, 1, usual, {}, {}};
      for (int64_t k = 0; k < 5; ++k) {
        rows.times.push_back(unix_ms{start_ms - 4321 + i * 1000 + k * 200});
        for (int m = 0; m < 3; ++m) {
          double x = 0;
          auto bits = random();
          std::memcpy(&x, &bits, sizeof x);
          rows.values.push_back(!std::isfinite(x) || i % 7 == m ? nan_value : x);
        }
      }
      j->add(rows, unix_ms{start_ms + i * 1000});
      given.push_back(std::move(rows));
    }
    BOOST_TEST(j->flush(unix_ms{start_ms + 300'000}).has_value());
    auto read = contents(dir / "h");
    const auto& h = read.data;
    BOOST_TEST(read.lines_lost == 0u);
    BOOST_REQUIRE(h.samples.size() == 1500u);
    size_t at = 0;
    for (size_t i = 0; i < given.size(); ++i)
      for (size_t k = 0; k < 5; ++k, ++at) {
        const auto& s = h.samples[at];
        auto row = given[i].row(k);
        BOOST_REQUIRE((h.nodes[s.node].id == given[i].node));
        BOOST_REQUIRE(s.time_ms == given[i].times[k].value);
        BOOST_REQUIRE(s.arrived_ms == start_ms + static_cast<int64_t>(i) * 1000);
        BOOST_REQUIRE(same(s.values, {row.begin(), row.end()}));
      }
    BOOST_REQUIRE(h.metrics.size() == 3u);
    BOOST_TEST((h.metrics[0].reading == history_reading::share));
    BOOST_TEST(h.metrics[0].comparable);
    BOOST_TEST((h.metrics[1].reading == history_reading::counter));
    BOOST_TEST(h.metrics[1].unit == "s");
    BOOST_TEST((h.metrics[2].reading == history_reading::gauge));
    BOOST_TEST(!h.metrics[2].comparable);
    BOOST_TEST(h.nodes[0].attributes.at("node") == "n2");
  }
}

BOOST_AUTO_TEST_CASE(metrics_may_change_in_the_middle_and_bad_names_are_left_out) {
  temp_dir dir;
  auto other = list_of({{"process.cpu_s", metric_kind::counter},
                        {"a\tb", metric_kind::gauge},
                        {"node", metric_kind::gauge},
                        {"new one", metric_kind::gauge}});
  auto j = opened(dir / "h");
  j->add(one_row("n1", 1, 1, {1, 2, 3}), unix_ms{start_ms});
  j->add(one_row("n1", 1, 2, {20, 90, 91, 40}, other), unix_ms{start_ms + 1});
  j->add(one_row("n2", 1, 2, {4, 5, 6}), unix_ms{start_ms + 2});
  j->add(one_row("n1", 1, 3, {7, 8, 9}), unix_ms{start_ms + 3});
  (void)j->flush(unix_ms{start_ms + 3});
  auto h = contents(dir / "h").data;
  BOOST_REQUIRE(h.metrics.size() == 4u);
  BOOST_TEST(h.metrics[3].name == "new one");
  BOOST_REQUIRE(h.samples.size() == 4u);
  BOOST_TEST(same(h.samples[0].values, {1, 2, 3, nan_value}));
  BOOST_TEST(same(h.samples[1].values, {nan_value, 20, nan_value, 40}));
  BOOST_TEST(same(h.samples[2].values, {4, 5, 6, nan_value}));
  BOOST_TEST(same(h.samples[3].values, {7, 8, 9, nan_value}));
}

BOOST_AUTO_TEST_CASE(a_life_ends_as_it_ended) {
  temp_dir dir;
  auto j = opened(dir / "h");
  for (auto* node : {"n1", "n2", "n3", "n4", "n5"}) j->see(catalog_row(node, 1), unix_ms{start_ms});
  play(*j, {"n1", "n2", "n3", "n4", "n5"}, 1, 0, 1000);
  // n1 dies, n2 goes, n3 comes up anew without a word, n4 was only thought dead, n5 lives.
  j->see(catalog_row("n1", 1, node_state::suspect), unix_ms{start_ms + 1500});
  j->see(catalog_row("n1", 1, node_state::dead), unix_ms{start_ms + 2000});
  j->leave(node_id{"n2"}, incarnation{1}, unix_ms{start_ms + 2100});
  j->see(catalog_row("n2", 1, node_state::dead), unix_ms{start_ms + 4000});
  j->see(catalog_row("n3", 2), unix_ms{start_ms + 2200});
  j->see(catalog_row("n4", 1, node_state::dead), unix_ms{start_ms + 2300});
  play(*j, {"n4"}, 1, 2400, 2600); // while it counts as dead
  j->see(catalog_row("n4", 1), unix_ms{start_ms + 3000});
  play(*j, {"n3"}, 2, 3000, 3100);
  play(*j, {"n4", "n5"}, 1, 3100, 4000);
  j->see(catalog_row("n1", 5), unix_ms{start_ms + 4000});
  play(*j, {"n1"}, 5, 4000, 4500);
  j->note(node_id{"n5"}, incarnation{1}, "looked\tat", unix_ms{start_ms + 4600});
  (void)j->flush(unix_ms{start_ms + 12'000});
  auto read = contents(dir / "h");
  BOOST_TEST(lives_in(read.data)
                 == (texts{"n1 0..2000 failure@2000", "n2 0..2100 shutdown@2100",
                           "n3 0..2200 failure@2200", "n4 0..12000 failure@2300-3000",
                           "n5 0..12000 note@4600", "n3#2 3000..12000", "n1#2 4000..12000"}),
             boost::test_tools::per_element());
  BOOST_TEST(read.data.events[3].code == "found dead");
  BOOST_TEST(read.data.events.back().code == "looked at");
  BOOST_TEST(read.rows_unordered == 0u);
  BOOST_TEST(read.data.samples.size()
             == 50u + 2 + 1 + 18 + 5); // with those of n4 while it was dead
  auto status = j->status();
  BOOST_TEST(status.lives == 7u);
  BOOST_TEST(status.failures == 3u);
  BOOST_TEST(status.shutdowns == 1u);
}

BOOST_AUTO_TEST_CASE(what_stands_there_twice_counts_once) {
  temp_dir dir;
  {
    auto j = opened(dir / "h");
    play(*j, {"n1"}, 1, 0, 1000);
  }
  auto name = "h/" + names_in(dir / "h").front();
  auto at = [](const char* what, int64_t ms) {
    return what + std::string("\tn1\t1\t") + std::to_string(start_ms + ms);
  };
  auto failed = at("failed", 1000) + "\twhy\n", back = at("back", 2000) + '\n';
  dir.put(name, dir.get(name) + failed + back + failed + back + at("failed", 3000) + "\twhy\n"
                    + failed + at("left", 4000) + '\n');
  BOOST_TEST(lives_in(contents(dir / "h").data)
                 == (texts{"n1 0..3000 failure@1000-2000 failure@3000"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_death_that_nobody_watched_is_not_called_one) {
  temp_dir dir;
  {
    auto j = opened(dir / "h", {.session = 1});
    play(*j, {"n1", "n2", "n3"}, 1, 0, 1000);
  }
  {
    // The service was away. n1 may have said goodbye, n2 is another one since, n3 went on.
    auto j = opened(dir / "h", {.session = 2});
    play(*j, {"n3"}, 1, 5000, 6000);
    j->see(catalog_row("n1", 1, node_state::dead), unix_ms{start_ms + 6000});
    j->see(catalog_row("n2", 2), unix_ms{start_ms + 6000});
    play(*j, {"n2"}, 2, 6000, 7000);
    j->see(catalog_row("n3", 1, node_state::dead), unix_ms{start_ms + 7000});
  }
  BOOST_TEST(
      lives_in(contents(dir / "h").data)
          == (texts{"n1 0..6900", "n2 0..5999", "n3 0..7000 failure@7000", "n2#2 6000..6900"}),
      boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_writer_that_comes_back_in_the_same_session_knows_who_was_alive) {
  temp_dir dir;
  {
    auto j = opened(dir / "h", {.session = 1});
    play(*j, {"n1", "n2"}, 1, 0, 1000);
    j->see(catalog_row("n2", 1, node_state::dead), unix_ms{start_ms + 1000});
  }
  for (int64_t t : {2000, 3000, 4000}) {
    auto j = opened(dir / "h", {.session = 1});
    play(*j, {"n3"}, 1, t, t + 500); // another segment, in which n1 has no row
    j->see(catalog_row("n2", 1, node_state::dead), unix_ms{start_ms + t});
  }
  {
    auto j = opened(dir / "h", {.session = 1});
    j->see(catalog_row("n1", 1, node_state::dead), unix_ms{start_ms + 5000});
  }
  auto read = contents(dir / "h");
  BOOST_TEST(read.segments == 5u);
  BOOST_TEST(lives_in(read.data)
                 == (texts{"n1 0..5000 failure@5000", "n2 0..1000 failure@1000", "n3 2000..5000"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_was_not_watched_for_long_ends_and_begins_anew) {
  temp_dir dir;
  {
    auto j = opened(dir / "h");
    play(*j, {"n1"}, 1, 0, 1000);
    for (int64_t t = 1000; t <= 100'000; t += 1000)
      BOOST_TEST(j->flush(unix_ms{start_ms + t}).has_value());
    play(*j, {"n1"}, 1, 100'000, 101'000); // watched all the time
  }
  for (int64_t t :
       {150'000, 1'000'000, 900'000}) { // shortly away; long; and the clock was put back
    auto j = opened(dir / "h");
    play(*j, {"n1"}, 1, t, t + 1000);
  }
  BOOST_TEST(lives_in(contents(dir / "h").data)
                 == (texts{"n1 0..150900", "n1#2 1000000..1000900", "n1#3 900000..900900"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(full_segments_are_packed_and_the_oldest_go) {
  temp_dir dir;
  auto j = opened(dir / "h", {.segment_bytes = 20'000, .limit_bytes = 80'000});
  std::mt19937_64 random(3);
  for (int64_t t = 0; t < 60'000; t += 10) {
    j->add(one_row("n1", 1, start_ms + t,
                   {std::ldexp(static_cast<double>(random()), -60), static_cast<double>(t), 1}),
           unix_ms{start_ms + t});
    if (t % 1000 != 0) continue;
    BOOST_REQUIRE(j->flush(unix_ms{start_ms + t}).has_value());
    uint64_t bytes = 0;
    for (const auto& name : names_in(dir / "h")) bytes += fs::file_size(dir / ("h/" + name));
    BOOST_TEST(bytes <= 85'000u); // and what was flushed at once
    BOOST_TEST(bytes == j->status().bytes);
  }
  auto names = names_in(dir / "h");
  BOOST_TEST(names.size() == j->status().segments);
  BOOST_TEST(names.front().ends_with(".journal.zst"));
  BOOST_TEST(!names.front().starts_with("0000000001-"));
  BOOST_TEST(names.back().ends_with(".journal"));
  BOOST_TEST(j->status().segments_removed > 0u);
  auto read = contents(dir / "h");
  BOOST_TEST(read.segments_lost == 0u);
  BOOST_TEST(read.data.samples.back().time_ms == start_ms + 59'000);
  for (size_t i = 1; i < read.data.samples.size(); ++i)
    BOOST_REQUIRE(read.data.samples[i].time_ms == read.data.samples[i - 1].time_ms + 10);
  BOOST_TEST(read.data.nodes.size() == 1u);
  BOOST_TEST(j->status().oldest_ms == read.data.nodes[0].first_ms);
}

BOOST_AUTO_TEST_CASE(a_directory_has_one_writer) {
  temp_dir dir;
  auto j = opened(dir / "h");
  auto second = journal::open(dir / "h", {});
  BOOST_REQUIRE(!second.has_value());
  BOOST_TEST((second.error().code == errc::in_use));
  j.reset();
  BOOST_TEST(journal::open(dir / "h", {}).has_value());
  BOOST_TEST((read_journal(dir / "h").error().code == errc::not_found));
  BOOST_TEST((read_journal(dir / "nowhere").error().code == errc::not_found));
  dir.put("file", "");
  BOOST_TEST(!journal::open(dir / "file/h", {}).has_value());
}

BOOST_AUTO_TEST_CASE(rows_may_be_thinned) {
  temp_dir dir;
  auto j = opened(dir / "h", {.every_ms = 500});
  play(*j, {"n1", "n2"}, 1, 0, 2000);
  play(*j, {"n1"}, 2, 2000, 2200);
  (void)j->flush(unix_ms{start_ms + 2000});
  BOOST_TEST(contents(dir / "h").data.samples.size() == 9u);
  BOOST_TEST(j->status().rows_thinned == 33u);
}

BOOST_AUTO_TEST_CASE(past_the_limits_the_newest_is_read) {
  temp_dir dir;
  {
    auto j = opened(dir / "h", {.segment_bytes = 2000});
    play(*j, {"n1"}, 1, 0, 20'000);
  }
  auto whole = contents(dir / "h");
  auto part = read_journal(dir / "h", {100, 1'000'000});
  BOOST_REQUIRE(part.has_value());
  BOOST_TEST(part->data.samples.size() <= 100u);
  BOOST_TEST(part->data.samples.size() > 40u);
  BOOST_TEST(part->segments + part->segments_left_out == whole.segments);
  BOOST_TEST(part->data.samples.back().time_ms == whole.data.samples.back().time_ms);
  auto narrow = read_journal(dir / "h", {1'000'000, 300});
  BOOST_REQUIRE(narrow.has_value());
  BOOST_TEST(narrow->data.samples.size() <= 100u);
}
