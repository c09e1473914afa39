#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>
#include <set>

#include "scrub/scrub.hpp"
#include "wire/rows.hpp"

using namespace harbinger;
using namespace harbinger::scrubbing;

namespace {

constexpr auto p1 = make_partition_id(1, 1);
constexpr auto p2 = make_partition_id(1, 2);
constexpr auto p3 = make_partition_id(1, 3);

/// Carries a scrubber's actions: replicas whose damage is a number here, sources that answer.
struct stage {
  limits bounds;
  std::optional<scrubber> made;
  time_point now = time_point{} + seconds(1000);
  std::map<partition_id, replica> replicas;
  std::map<partition_id, bucket_set> damage;
  std::map<partition_id, error> unreadable;
  int stubborn = 0;                    ///< repairs that change nothing
  std::set<std::string> silent, lying; ///< endpoints
  std::map<std::string, error> refusing;
  std::vector<error> refused_mends; ///< the next ones, from the back
  uint64_t page_bytes = 1000;
  int pages = 1; ///< of a check

  std::vector<partition_id> checked;
  std::vector<raise> raised;
  std::vector<ask> asked;
  std::vector<mend> mends;
  std::map<partition_id, std::string> holds;
  std::vector<give_up> surrendered;
  int pages_read = 0;

  scrubber& scrub() {
    if (!made) made.emplace(bounds);
    return *made;
  }
  replica& add(partition_id id, replica_role role = replica_role::secondary) {
    replica r;
    r.partition = id;
    r.role = role;
    r.state = replica_state::following;
    r.version = {epoch{1}, seq_no{7}};
    r.size_bytes = 1600;
    r.sources = {{node_id{"n1"}, "one"}, {node_id{"n2"}, "two"}};
    return replicas[id] = r;
  }
  void tell(const scrubbing::event& what) {
    std::optional<replica> held;
    if (auto busy = scrub().busy_with())
      if (auto it = replicas.find(*busy); it != replicas.end()) held = it->second;
    for (auto& a : scrub().step(what, held, now)) std::visit([&](auto& x) { carry(x); }, a);
  }
  void carry(list_replicas&) {
    listing all;
    for (auto& [id, r] : replicas) all.replicas.push_back(r);
    tell(all);
  }
  int left = 0; ///< pages of the check under way
  void carry(check_more& a) {
    if (auto bad = unreadable.find(a.partition); bad != unreadable.end()) {
      tell(page_checked{tl::unexpected<error>(bad->second), {}});
      return;
    }
    if (a.begin) {
      left = pages;
      checked.push_back(a.partition);
    }
    ++pages_read;
    page_checked page{bucket_check::progress{page_bytes, --left == 0}, {}};
    page.findings.version = replicas[a.partition].version;
    page.findings.damaged = damage[a.partition];
    tell(page);
  }
  /// The rows of the wanted buckets in two chunks.
  void carry(ask& a) {
    asked.push_back(a);
    if (silent.contains(a.endpoint)) return;
    if (auto no = refusing.find(a.endpoint); no != refusing.end()) {
      tell(answered{a.id, no->second});
      return;
    }
    static bucket_set wanted;
    std::vector<record_row> rows;
    if (auto* open = std::get_if<snapshot_open>(&a.message)) wanted = open->buckets;
    for (int i = 0; i < 64; ++i) {
      auto key = "key" + std::to_string(i);
      if (digest::holds(wanted, key)) rows.push_back({{key}, {"value"}});
    }
    if (std::holds_alternative<snapshot_open>(a.message)) {
      snapshot_opened opened;
      opened.snapshot = a.endpoint + " snapshot";
      opened.version = {epoch{1}, seq_no{7}};
      digest sums;
      for (auto& row : rows) sums.add(row.key.data, row.value.data);
      if (lying.contains(a.endpoint)) sums.add(rows.front().key.data, "more");
      opened.digest = sums.sums();
      tell(answered{a.id, opened});
      return;
    }
    auto index = std::get<snapshot_pull>(a.message).index;
    auto middle = rows.begin() + static_cast<std::ptrdiff_t>(rows.size() / 2);
    std::vector<record_row> part(index == 0 ? rows.begin() : middle,
                                 index == 0 ? middle : rows.end());
    tell(answered{a.id, wire::make_chunk(a.endpoint + " snapshot", index, index == 1,
                                         wire::pack_rows(part))});
  }
  void carry(mend& a) {
    mends.push_back(a);
    if (!refused_mends.empty()) {
      auto why = refused_mends.back();
      refused_mends.pop_back();
      tell(mended{tl::unexpected<error>(why)});
      return;
    }
    if (stubborn-- <= 0) damage[a.partition] &= ~a.buckets;
    repair_outcome done;
    done.records = 1;
    tell(mended{done});
  }
  void carry(hold& a) { holds[a.partition] = a.why; }
  void carry(release& a) { holds.erase(a.partition); }
  void carry(give_up& a) { surrendered.push_back(a); }
  void carry(raise& a) { raised.push_back(a); }
  void carry(finished&) {}

  void run(duration span) {
    for (auto end = now + span; now < end; now += milliseconds(10)) tell(clock_tick{});
  }
  std::vector<std::string> events() const {
    std::vector<std::string> kinds;
    for (auto& r : raised) kinds.push_back(r.kind);
    return kinds;
  }
  std::string result(partition_id id) { return scrub().rows().at(id).result; }
};

using words = std::vector<std::string>;

} // namespace

BOOST_FIXTURE_TEST_SUITE(scrub_, stage)

BOOST_AUTO_TEST_CASE(every_replica_has_its_turn_and_the_longest_unchecked_is_next) {
  bounds.pause = seconds(5);
  add(p2);
  add(p1, replica_role::primary);
  run(seconds(3));
  BOOST_TEST((checked == std::vector{p1, p2}));
  add(p3, replica_role::copy);
  run(seconds(5));
  BOOST_TEST((checked == std::vector{p1, p2, p3, p1, p2}));
  BOOST_TEST(result(p3) == "sound");
  BOOST_TEST(raised.empty());
}

BOOST_AUTO_TEST_CASE(copies_under_way_and_failed_replicas_are_passed_over) {
  add(p1).state = replica_state::copying;
  add(p2).state = replica_state::failed;
  run(seconds(5));
  BOOST_TEST(checked.empty());
}

BOOST_AUTO_TEST_CASE(checking_keeps_to_its_rate) {
  bounds.rate_bytes_per_s = 10'000;
  page_bytes = 1000;
  pages = 1000;
  add(p1);
  run(seconds(10));
  BOOST_TEST(pages_read >= 90);
  BOOST_TEST(pages_read <= 110);
}

BOOST_AUTO_TEST_CASE(rate_zero_checks_on_demand_only_and_then_without_pausing) {
  bounds.rate_bytes_per_s = 0;
  pages = 50;
  add(p1);
  add(p2);
  run(seconds(5));
  BOOST_TEST(checked.empty());
  scrub().demand({p2});
  run(seconds(1));
  BOOST_TEST((checked == std::vector{p2}));
  BOOST_TEST(result(p2) == "sound");
}

BOOST_AUTO_TEST_CASE(a_damaged_secondary_is_held_mended_from_its_primary_checked_again_and_let_go) {
  add(p1);
  damage[p1] = 0b1010;
  silent.insert("one");
  run(seconds(1));
  BOOST_TEST(holds.contains(p1));
  BOOST_TEST(std::get<snapshot_open>(asked.at(0).message).buckets == 0b1010u);
  silent.clear();
  run(seconds(8));
  BOOST_TEST(holds.empty());
  BOOST_TEST(mends.size() == 1u);
  BOOST_TEST(mends[0].buckets == 0b1010u);
  for (auto& row : mends[0].rows) BOOST_TEST(digest::holds(0b1010, row.key.data));
  BOOST_TEST(events() == (words{"replica_damaged", "replica_repaired"}),
             boost::test_tools::per_element());
  BOOST_TEST(result(p1) == "mended");
  BOOST_TEST(checked.size() == 2u);
  BOOST_TEST(scrub().sums().damaged_buckets == 2u);
  BOOST_TEST(scrub().sums().mended_buckets == 2u);
}

BOOST_AUTO_TEST_CASE(a_source_that_is_damaged_itself_or_says_no_is_not_believed) {
  add(p1, replica_role::primary);
  damage[p1] = 1;
  lying.insert("one");
  run(seconds(5));
  BOOST_TEST(mends.size() == 1u);
  BOOST_TEST(asked.back().endpoint == "two");
  BOOST_TEST(raised.back().fields.at("from") == "n2");
  damage[p1] = 1;
  lying.clear();
  refusing["one"] = error{errc::unavailable, "a tail"};
  scrub().demand({p1});
  run(seconds(5));
  BOOST_TEST(mends.size() == 2u);
  BOOST_TEST(result(p1) == "mended");
}

BOOST_AUTO_TEST_CASE(many_large_buckets_are_mended_a_few_at_a_time) {
  bounds.mend_bytes = 1000;
  auto& r = add(p1);
  r.size_bytes = 16 * 400;
  damage[p1] = 0b11111;
  run(seconds(3));
  std::vector<bucket_set> slices;
  for (auto& m : mends) slices.push_back(m.buckets);
  BOOST_TEST(slices == (std::vector<bucket_set>{0b11, 0b1100, 0b10000}),
             boost::test_tools::per_element());
  BOOST_TEST(result(p1) == "mended");
}

BOOST_AUTO_TEST_CASE(rows_that_are_newer_than_the_replica_wait_until_it_has_caught_up) {
  add(p1);
  damage[p1] = 1;
  refused_mends = {{errc::gap, ""}, {errc::gap, ""}};
  run(seconds(5));
  BOOST_TEST(mends.size() == 3u);
  auto opens = std::count_if(asked.begin(), asked.end(), [](auto& a) {
    return std::holds_alternative<snapshot_open>(a.message);
  });
  BOOST_TEST(opens == 1);
  BOOST_TEST(result(p1) == "mended");
}

BOOST_AUTO_TEST_CASE(rows_that_the_log_does_not_reach_back_to_are_asked_for_anew) {
  add(p1);
  damage[p1] = 1;
  refused_mends = {{errc::log_trimmed, ""}};
  run(seconds(5));
  auto opens = std::count_if(asked.begin(), asked.end(), [](auto& a) {
    return std::holds_alternative<snapshot_open>(a.message);
  });
  BOOST_TEST(opens == 2);
  BOOST_TEST(result(p1) == "mended");
}

BOOST_AUTO_TEST_CASE(what_two_repairs_do_not_mend_is_failed_and_stays_held_until_it_is) {
  add(p1);
  damage[p1] = 1;
  stubborn = 10;
  run(seconds(5));
  BOOST_TEST(mends.size() == 2u);
  BOOST_TEST(surrendered.size() >= 2u); // said again: the first may have been lost
  BOOST_TEST(holds.contains(p1));
  BOOST_TEST(events() == (words{"replica_damaged", "replica_not_repaired"}),
             boost::test_tools::per_element());
  BOOST_TEST(checked.size() == 3u); // and then no more
  replicas[p1].state = replica_state::failed;
  run(seconds(3));
  BOOST_TEST(holds.empty());
}

BOOST_AUTO_TEST_CASE(without_a_source_a_replica_is_failed_after_a_while) {
  add(p1).sources.clear();
  damage[p1] = 1;
  run(seconds(20));
  BOOST_TEST(surrendered.empty());
  run(seconds(20));
  BOOST_TEST(!surrendered.empty());
  add(p2);
  silent = {"one", "two"};
  damage[p2] = 1;
  run(seconds(40));
  BOOST_TEST((surrendered.back().partition == p2));
}

BOOST_AUTO_TEST_CASE(an_unreadable_replica_is_failed_at_once) {
  add(p1);
  unreadable[p1] = {errc::checksum, "block"};
  run(seconds(2));
  BOOST_TEST(!surrendered.empty());
  BOOST_TEST(holds.contains(p1));
  BOOST_TEST(asked.empty());
}

BOOST_AUTO_TEST_CASE(a_disk_that_refuses_for_a_moment_is_no_damage) {
  add(p1);
  unreadable[p1] = {errc::io, "too many open files"};
  run(seconds(2));
  BOOST_TEST(surrendered.empty());
  BOOST_TEST(holds.empty());
  BOOST_TEST(raised.empty());
}

BOOST_AUTO_TEST_CASE(a_primary_is_never_failed_but_asks_for_help_and_is_checked_again) {
  bounds.pause = seconds(50);
  add(p1, replica_role::primary).sources.clear();
  damage[p1] = 1;
  run(seconds(40));
  BOOST_TEST(surrendered.empty());
  BOOST_TEST(raised.back().kind == "replica_not_repaired");
  BOOST_TEST((raised.back().level == severity::alert));
  replicas[p1].sources = {{node_id{"n1"}, "one"}};
  run(seconds(60));
  BOOST_TEST(result(p1) == "mended");
  BOOST_TEST(holds.empty());
  BOOST_TEST(raised.size() == 3u);
}

BOOST_AUTO_TEST_CASE(a_replica_that_goes_in_the_middle_is_let_go) {
  add(p1);
  damage[p1] = 1;
  silent = {"one", "two"};
  run(seconds(1));
  BOOST_TEST(holds.contains(p1));
  replicas.clear();
  run(seconds(3));
  BOOST_TEST(holds.empty());
  BOOST_TEST(scrub().rows().empty());
}

BOOST_AUTO_TEST_CASE(after_a_restart_what_was_held_is_checked_first) {
  add(p1);
  add(p2);
  holds[p2] = "checksum: 1 of 16 buckets";
  scrub().resume(holds);
  run(seconds(2));
  BOOST_TEST((checked.front() == p2));
  BOOST_TEST(holds.empty());
}

BOOST_AUTO_TEST_CASE(late_answers_change_nothing) {
  add(p1);
  damage[p1] = 1;
  silent = {"one", "two"};
  run(milliseconds(100));
  snapshot_opened opened;
  opened.snapshot = "old";
  tell(answered{asked.back().id + 7, opened});
  tell(mended{repair_outcome{}});
  BOOST_TEST(mends.empty());
  BOOST_TEST(asked.size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
