/// The history that a running service keeps: cut, damaged, killed, out of room.

#include <array>
#include <csignal>
#include <random>

#include <boost/test/unit_test.hpp>
#include <sys/resource.h>

#include "history/journal_files.hpp"
#include "tests/support/kept_history.hpp"
#include "tests/support/random_seed.hpp"

using namespace harbinger;
using namespace harbinger::testing;
using harbinger::test::temp_dir;
namespace fs = std::filesystem;

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

BOOST_AUTO_TEST_CASE(whatever_bytes_are_damaged_the_rest_is_a_sound_history) {
  auto seed = random_seed();
  std::mt19937_64 random(seed);
  BOOST_TEST_CONTEXT("HARBINGER_SEED=" << seed) {
    temp_dir dir;
    {
      auto j = opened(dir / "h");
      random_service service(random());
      std::vector<given_row> given;
      for (int i = 0; i < 150; ++i) service.step(*j, given);
    }
    auto name = "h/" + names_in(dir / "h").front();
    auto text = dir.get(name);
    for (int round = 0; round < 400; ++round) {
      auto damaged = text;
      for (auto n = 1 + random() % 4; n > 0; --n) {
        auto at = random() % damaged.size();
        auto other = random() % damaged.size();
        switch (random() % 3) {
        case 0: damaged[at] = static_cast<char>(random()); break;
        case 1: damaged[at] = "\t\n0123456789.:-e"[random() % 16]; break;
        default: damaged.insert(at, damaged.substr(other, random() % 60));
        }
      }
      dir.put(name, damaged);
      auto read = read_journal(dir / "h"); // which checks the history itself
      if (!read) BOOST_FAIL(to_string(read.error()));
    }
  }
}
