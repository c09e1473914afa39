/// The history that a running service keeps: written, cut, damaged, full, read back.

#include <csignal>
#include <cstring>
#include <random>

#include <boost/test/unit_test.hpp>
#include <sys/resource.h>

#include "history/journal.hpp"
#include "history/journal_files.hpp"
#include "tests/support/random_seed.hpp"
#include "tests/support/temp_dir.hpp"

using namespace harbinger;
using harbinger::test::temp_dir;
namespace fs = std::filesystem;

namespace {
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t start_ms = 1'700'000'000'000;
using metric_list = std::shared_ptr<const std::vector<metric_spec>>;

metric_list list_of(std::vector<metric_spec> specs) {
  return std::make_shared<const std::vector<metric_spec>>(std::move(specs));
}
const metric_list usual = list_of({{"process.rss_ratio", metric_kind::gauge},
                                   {"process.cpu_s", metric_kind::counter},
                                   {"of no catalogue", metric_kind::gauge}});

telemetry_rows one_row(const char* node, uint64_t life, int64_t time_ms, std::vector<double> values,
                       metric_list metrics = usual) {
  return {node_id{node}, incarnation{life},  1, std::move(metrics), {unix_ms{time_ms}},
          std::move(values)};
}
node_row catalog_row(const char* node, uint64_t life, node_state state = node_state::up) {
  node_row out;
  out.id.value = node;
  out.life.value = life;
  out.state = state;
  return out;
}

std::unique_ptr<journal> opened(const std::string& directory, journal_options options = {}) {
  auto made = journal::open(directory, options);
  if (!made) BOOST_FAIL(to_string(made.error()));
  return std::move(*made);
}
journal_contents contents(const std::string& directory) {
  auto got = read_journal(directory);
  if (!got) BOOST_FAIL(to_string(got.error()));
  return std::move(*got);
}
bool same(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (std::isnan(a[i]) ? !std::isnan(b[i]) : std::memcmp(&a[i], &b[i], sizeof a[i]) != 0)
      return false;
  return true;
}
std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> out;
  for (const auto& e : fs::directory_iterator(directory))
    if (auto name = e.path().filename().string(); name != "lock") out.push_back(name);
  std::sort(out.begin(), out.end());
  return out;
}
/// "n1 alive 0..5000" for each node of the history, times since start_ms.
std::vector<std::string> lives_in(const history& h) {
  std::vector<std::string> out;
  for (uint32_t i = 0; i < h.nodes.size(); ++i) {
    const auto& n = h.nodes[i];
    auto text = n.id.value + ' ' + std::to_string(n.first_ms - start_ms) + ".."
                + std::to_string(n.last_ms - start_ms);
    for (const auto& e : h.events)
      if (e.node == i)
        text += ' ' + std::string(name_of(e.what)) + '@' + std::to_string(e.time_ms - start_ms)
                + (e.back_ms ? "-" + std::to_string(e.back_ms - start_ms) : "");
    out.push_back(text);
  }
  return out;
}
using texts = std::vector<std::string>;

/// Ten rows a second of each node, from `from_ms` to before `to_ms`, flushed each second.
void play(journal& j, const std::vector<const char*>& nodes, uint64_t life, int64_t from_ms,
          int64_t to_ms) {
  for (auto t = from_ms; t < to_ms; t += 100) {
    for (auto* node : nodes)
      j.add(one_row(node, life, start_ms + t, {0.5, static_cast<double>(t), nan_value}),
            unix_ms{start_ms + t});
    if (t % 1000 == 0) (void)j.flush(unix_ms{start_ms + t});
  }
}
} // namespace

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
  BOOST_TEST(read.data.samples.size() == 50u + 2 + 1 + 18 + 5); // with those of n4 while it was dead
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
  BOOST_TEST(lives_in(contents(dir / "h").data)
                 == (texts{"n1 0..6900", "n2 0..5999", "n3 0..7000 failure@7000",
                           "n2#2 6000..6900"}),
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
    for (int64_t t = 1000; t <= 100'000; t += 1000) BOOST_TEST(j->flush(unix_ms{start_ms + t}).has_value());
    play(*j, {"n1"}, 1, 100'000, 101'000); // watched all the time
  }
  for (int64_t t : {150'000, 1'000'000, 900'000}) { // shortly away; long; and the clock was put back
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

BOOST_AUTO_TEST_CASE(wherever_the_last_segment_is_cut_only_what_is_behind_it_is_lost) {
  temp_dir dir;
  {
    auto j = opened(dir / "h", {.segment_bytes = 3000});
    play(*j, {"n1", "n2", "n3"}, 1, 0, 3000);
    j->see(catalog_row("n2", 1, node_state::dead), unix_ms{start_ms + 3000});
    play(*j, {"n1"}, 1, 3000, 4500);
  }
  auto last = "h/" + names_in(dir / "h").back();
  BOOST_REQUIRE(last.ends_with(".journal"));
  auto text = dir.get(last);
  auto whole = contents(dir / "h").data.samples.size();
  size_t rows_in_text = 0, behind_header = text.find('\n') + 1;
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
    rows_in_text += journal_text::is_row(text.substr(at, 1));
  BOOST_REQUIRE(rows_in_text > 5u);
  for (size_t length = 0; length <= text.size(); ++length) {
    dir.put(last, text.substr(0, length));
    auto read = contents(dir / "h");
    size_t rows = 0;
    for (size_t at = 0, end; (end = text.find('\n', at)) < length; at = end + 1)
      rows += journal_text::is_row(text.substr(at, 1));
    BOOST_REQUIRE(read.data.samples.size() == whole - rows_in_text + rows);
    bool cut = length > 0 && text[length - 1] != '\n';
    if (length >= behind_header) BOOST_REQUIRE(read.lines_lost == (cut ? 1u : 0u));
    if (length < behind_header - 1) BOOST_REQUIRE(read.segments_lost == 1u);
    // And the writer goes on behind it.
    if (length % 3 != 0) continue;
    temp_dir again;
    fs::copy(dir / "h", again / "h", fs::copy_options::recursive);
    {
      auto j = opened(again / "h");
      j->add(one_row("n9", 1, start_ms, {1, 2, 3}), unix_ms{start_ms + 5000});
    }
    auto more = contents(again / "h");
    BOOST_REQUIRE(more.data.samples.size() == read.data.samples.size() + 1);
  }
}

BOOST_AUTO_TEST_CASE(a_cut_or_damaged_packed_segment_loses_only_itself) {
  temp_dir dir;
  {
    auto j = opened(dir / "h", {.segment_bytes = 2000});
    play(*j, {"n1"}, 1, 0, 40'000);
  }
  auto names = names_in(dir / "h");
  BOOST_REQUIRE(names.size() >= 4u);
  auto victim = "h/" + names[1];
  auto bytes = dir.get(victim);
  auto whole = contents(dir / "h").data.samples.size();
  auto segment = journal_files::read(dir / "h", (*journal_files::list(dir / "h"))[1]);
  BOOST_REQUIRE(segment.has_value());
  auto others = whole - segment->rows.size();
  for (size_t length = 0; length < bytes.size(); length += 3) {
    dir.put(victim, bytes.substr(0, length));
    auto read = contents(dir / "h");
    BOOST_REQUIRE(read.segments_lost == 1u);
    BOOST_REQUIRE(read.problems.size() == 1u);
    BOOST_REQUIRE(read.data.samples.size() == others);
  }
  for (size_t at = 0; at < bytes.size(); at += 5) {
    auto damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    dir.put(victim, damaged);
    auto read = contents(dir / "h");
    BOOST_REQUIRE(read.data.samples.size() == (read.segments_lost == 1 ? others : whole));
  }
  dir.put(victim, bytes);
  BOOST_TEST(contents(dir / "h").data.samples.size() == whole);
}

BOOST_AUTO_TEST_CASE(a_crash_while_a_segment_is_packed_loses_nothing) {
  temp_dir dir;
  {
    auto j = opened(dir / "h", {.segment_bytes = 3000});
    play(*j, {"n1"}, 1, 0, 6000);
  }
  auto whole = contents(dir / "h").data.samples.size();
  auto files = *journal_files::list(dir / "h");
  auto raw = files.back();
  BOOST_REQUIRE(!raw.packed);
  auto text = dir.get("h/" + raw.name());
  BOOST_REQUIRE(journal_files::pack(dir / "h", raw).has_value());
  auto packed = raw;
  packed.packed = true;
  auto bytes = dir.get("h/" + packed.name());
  // Both are there; the packed one is damaged; it is not finished yet; another one's half is there.
  dir.put("h/" + raw.name(), text);
  BOOST_TEST(contents(dir / "h").data.samples.size() == whole);
  dir.put("h/" + packed.name(), bytes.substr(0, bytes.size() / 2));
  BOOST_TEST(contents(dir / "h").data.samples.size() == whole);
  fs::remove(dir / ("h/" + packed.name()));
  dir.put("h/" + packed.name() + ".part", bytes.substr(0, bytes.size() / 2));
  BOOST_TEST(contents(dir / "h").data.samples.size() == whole);
  opened(dir / "h")->add(one_row("n1", 1, start_ms + 9000, {1, 2, 3}), unix_ms{start_ms + 9000});
  for (const auto& name : names_in(dir / "h")) BOOST_TEST(!name.ends_with(".part"));
  auto read = contents(dir / "h");
  BOOST_TEST(read.data.samples.size() == whole + 1);
  BOOST_TEST(read.data.nodes.size() == 1u);
}

namespace {
/// What the history has of a row that was given to the journal.
struct given_row {
  std::string node;
  int64_t time_ms, arrived_ms;
  std::vector<double> values;
};
bool is_there(const history& h, size_t i, const given_row& row) {
  const auto& s = h.samples[i];
  return h.nodes[s.node].attributes.at("node") == row.node && s.time_ms == row.time_ms
         && s.arrived_ms == row.arrived_ms && same(s.values, row.values);
}

/// Random rows, flushes and ends of lives; each row at a moment of its own.
class random_service {
public:
  explicit random_service(uint64_t seed) : random_(seed) {}
  void step(journal& j, std::vector<given_row>& given) {
    auto n = random_() % 4;
    auto node = "n" + std::to_string(n);
    now_ms_ += 1 + static_cast<int64_t>(random_() % 500);
    switch (random_() % 12) {
    case 0: (void)j.flush(unix_ms{now_ms_}); return;
    case 1: j.leave(node_id{node}, incarnation{life_[n]++}, unix_ms{now_ms_}); return;
    case 2:
      j.see(catalog_row(node.c_str(), life_[n]++, node_state::dead), unix_ms{now_ms_});
      return;
    default: break;
    }
    given_row row{node, now_ms_ - static_cast<int64_t>(random_() % 100), now_ms_, {}};
    row.time_ms = std::max(row.time_ms, newest_[n] + 1);
    newest_[n] = row.time_ms;
    for (int i = 0; i < 3; ++i)
      row.values.push_back(random_() % 6 ? std::ldexp(static_cast<double>(random_()), -40)
                                         : nan_value);
    j.add(one_row(node.c_str(), life_[n], row.time_ms, row.values), unix_ms{now_ms_});
    given.push_back(std::move(row));
  }

private:
  std::mt19937_64 random_;
  int64_t now_ms_ = start_ms;
  std::array<uint64_t, 4> life_{1, 1, 1, 1};
  std::array<int64_t, 4> newest_{};
};
} // namespace

BOOST_AUTO_TEST_CASE(whenever_it_is_killed_what_was_flushed_is_there_and_it_goes_on) {
  auto seed = random_seed();
  std::mt19937_64 random(seed);
  BOOST_TEST_CONTEXT("HARBINGER_SEED=" << seed) {
    for (int round = 0; round < 15; ++round) {
      temp_dir dir;
      random_service service(random());
      auto at = std::make_unique<temp_dir>();
      std::vector<given_row> sure; // what has to be there, in order
      for (int life = 0; life < 4; ++life) {
        std::vector<given_row> given;
        auto next = std::make_unique<temp_dir>();
        {
          auto j = opened(*at / "h", {.segment_bytes = 4000, .session = random() % 2});
          for (auto steps = random() % 400; steps > 0; --steps) service.step(*j, given);
          // The kill: what is on the disk now, and perhaps half of what came last.
          fs::copy(*at / "h", *next / "h", fs::copy_options::recursive);
        }
        auto names = names_in(*next / "h");
        if (!names.empty() && names.back().ends_with(".journal") && random() % 2) {
          auto path = *next / ("h/" + names.back());
          fs::resize_file(path, fs::file_size(path) - random() % (fs::file_size(path) / 2));
        }
        at = std::move(next);
        auto read = read_journal(*at / "h");
        if (!read) BOOST_REQUIRE((read.error().code == errc::not_found && sure.empty()));
        auto rows = read ? read->data.samples.size() : 0;
        BOOST_REQUIRE(rows >= sure.size());
        BOOST_REQUIRE(rows <= sure.size() + given.size());
        sure.insert(sure.end(), given.begin(),
                    given.begin() + static_cast<ptrdiff_t>(rows - sure.size()));
        for (size_t i = 0; i < rows; ++i) BOOST_REQUIRE(is_there(read->data, i, sure[i]));
        if (read) BOOST_TEST(read->segments_lost == 0u);
      }
    }
  }
}

namespace {
/// No file can grow past this, as on a full disk (the error is another one).
class disk_limit {
public:
  explicit disk_limit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit now{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  ~disk_limit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

private:
  rlimit before_{};
};
} // namespace

BOOST_AUTO_TEST_CASE(a_full_disk_drops_rows_and_it_goes_on_when_there_is_room) {
  for (rlim_t more : {-1, 0, 3, 60, 100, 170}) { // than there is already
    temp_dir dir;
    auto j = opened(dir / "h");
    play(*j, {"n1", "n2"}, 1, 0, 1000);
    BOOST_REQUIRE(j->flush(unix_ms{start_ms + 1000}).has_value());
    auto before = contents(dir / "h").data.samples.size();
    BOOST_REQUIRE(before == 20u);
    auto room = more + 1 == 0 ? 0 : fs::file_size(dir / ("h/" + names_in(dir / "h")[0])) + more;
    size_t kept = 0, dropped = 0;
    {
      bool refused = false;
      {
        disk_limit full(room);
        for (int64_t t = 1100; t < 2000; t += 100) {
          play(*j, {"n1"}, 1, t, t + 100);
          refused = !j->flush(unix_ms{start_ms + t}) || refused;
        }
        j->see(catalog_row("n2", 1, node_state::dead), unix_ms{start_ms + 2000});
        j->see(catalog_row("n2", 2), unix_ms{start_ms + 2050});
        (void)j->flush(unix_ms{start_ms + 2100});
      }
      BOOST_TEST(refused);
      auto status = j->status();
      BOOST_TEST((!status.trouble.empty() || room > 0));
      BOOST_TEST(status.rows + status.rows_dropped == 29u);
      kept = status.rows;
      dropped = status.rows_dropped;
      BOOST_TEST(dropped > 0u);
      BOOST_TEST(status.marks_dropped == 0u);
    }
    play(*j, {"n1"}, 1, 3000, 4000);
    BOOST_TEST(j->flush(unix_ms{start_ms + 4000}).has_value());
    BOOST_TEST(j->status().trouble.empty());
    BOOST_TEST(j->status().rows_dropped == dropped);
    auto read = contents(dir / "h");
    BOOST_TEST(read.lines_lost == 0u);
    BOOST_TEST(read.segments_lost == 0u);
    BOOST_TEST(read.data.samples.size() == kept + 10);
    BOOST_TEST(lives_in(read.data) == (texts{"n1 0..3900", "n2 0..2000 failure@2000"}),
               boost::test_tools::per_element());
  }
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

BOOST_AUTO_TEST_CASE(what_is_no_journal_is_passed_over_and_counted) {
  temp_dir dir;
  {
    auto j = opened(dir / "h");
    play(*j, {"n1"}, 1, 0, 1000);
  }
  dir.put("h/0000000007-5.journal", "harbinger-journal\t9\t5\t0\n");
  dir.put("h/0000000008-5.journal", "something else\n");
  dir.put("h/0000000009-5.journal.zst", "no zstd");
  dir.put("h/notes.txt", "mine");
  auto read = contents(dir / "h");
  BOOST_TEST(read.segments_lost == 3u);
  BOOST_TEST(read.data.samples.size() == 10u);
  BOOST_TEST(read.problems.back().find("version 9") != std::string::npos);
  // Lines that make no sense, between others.
  auto name = "h/" + names_in(dir / "h").front();
  dir.put(name, dir.get(name)
                    + "5\t1\t1\t1\t1\t1\n" // no such life
                      "0\t1\t1\t1\t1\n"    // a value short
                      "0\tx\t1\t1\t1\t1\n"
                      "0\t1\t1\tinf\t1\t1\n"
                      "life\t0\tn 1\t1\t1\n"
                      "life\t0\tn1\t1\t9\n"
                      "failed\tn1\t1\tlate\t\n"
                      "metrics\t5\tgauge:a\n"
                      "\n"
                      "nonsense\n");
  read = contents(dir / "h");
  BOOST_TEST(read.lines_lost == 10u);
  BOOST_TEST(read.data.samples.size() == 10u);
  // The writer goes on behind all of it.
  opened(dir / "h")->add(one_row("n1", 1, start_ms + 5000, {1, 2, 3}), unix_ms{start_ms + 5000});
  BOOST_TEST(contents(dir / "h").data.samples.size() == 11u);
  BOOST_TEST(dir.get("h/notes.txt") == "mine");
}
