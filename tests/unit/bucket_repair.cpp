#include <boost/test/unit_test.hpp>

#include <atomic>
#include <filesystem>
#include <random>
#include <thread>

#include <stdlib.h>

#include "store/bucket_check.hpp"
#include "store/bucket_truth.hpp"
#include "store/partition_store.hpp"
#include "tests/support/damaged_store.hpp"
#include "tests/support/random_seed.hpp"

using namespace harbinger;
using harbinger::testing::damage_record;

namespace {

constexpr auto p1 = make_partition_id(1, 0);

bucket_set bucket(const std::string& key) { return bucket_set{1} << digest::bucket_of(key); }

/// A partition and its sound twin, as primary and secondary are.
struct twins {
  struct side {
    std::string path;
    std::shared_ptr<partition_store> store;
    side() {
      char name[] = "/tmp/harbinger-repair-XXXXXX";
      path = ::mkdtemp(name);
      open();
    }
    ~side() {
      store.reset();
      std::filesystem::remove_all(path);
    }
    void open() {
      auto opened = partition_store::open({path, false, 0});
      BOOST_REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : to_string(opened.error())));
      store = *opened;
    }
    partition_head head() const { return *store->head(p1); }
    bucket_findings found() const { return *check_buckets(*store, p1); }
  };
  side ill, sound;

  twins() {
    for (auto* s : {&ill, &sound}) {
      store_write w{
          p1,
          epoch{1},
          true,
          head_change{replica_role::secondary, replica_state::following, epoch{1}, {}, {}, {}},
          {},
          {},
          {}};
      BOOST_REQUIRE(s->store->write_one(w).has_value());
    }
  }
  static record_op put(std::string key, std::string value) {
    return {op_kind::put, {std::move(key)}, {std::move(value)}};
  }
  static record_op erase(std::string key) { return {op_kind::erase, {std::move(key)}, {}}; }
  static void append(side& s, std::vector<record_op> ops) {
    append(s, write_batch{std::move(ops)});
  }
  static void append(side& s, write_batch batch) {
    auto at = s.head().version;
    store_write w{p1, epoch{1}, false,
                  {}, at,       {log_entry{{epoch{1}, seq_no{at.seq.value + 1}}, std::move(batch)}},
                  {}};
    auto done = s.store->write_one(w);
    BOOST_REQUIRE_MESSAGE(done.has_value(), (done ? "" : to_string(done.error())));
  }
  void append(const std::vector<record_op>& ops) {
    append(ill, write_batch{ops});
    append(sound, write_batch{ops});
  }
  void fill(int records) {
    for (int i = 0; i < records; ++i)
      append({put("key" + std::to_string(i), "value" + std::to_string(i))});
  }
  void damage(const std::string& key, const std::optional<std::string>& value) {
    ill.store.reset();
    damage_record(ill.path, p1, key, value);
    ill.open();
  }

  struct donation {
    version at;
    std::vector<record_row> rows;
  };
  /// What the twin has of some buckets, as a source serves it: page by page.
  donation donate(bucket_set buckets, size_t page_bytes = 1 << 20) const {
    auto snapshot = *sound.store->open_snapshot(p1);
    donation out{snapshot->head().version, {}};
    bucket_page page;
    do {
      page = *read_buckets(*snapshot, buckets, page.next, page_bytes);
      out.rows.insert(out.rows.end(), page.rows.begin(), page.rows.end());
    } while (!page.end);
    return out;
  }
  result<repair_outcome> mend(bucket_set buckets) {
    auto rows = donate(buckets);
    return ill.store->repair(p1, rows.at, buckets, rows.rows);
  }
  void require_equal() const {
    BOOST_TEST(ill.found().sound());
    auto mine = ill.head(), theirs = sound.head();
    BOOST_TEST((mine.digest == theirs.digest));
    BOOST_TEST(mine.records == theirs.records);
    BOOST_TEST(mine.size_bytes == theirs.size_bytes);
    BOOST_TEST((mine.version == theirs.version));
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(bucket_repair, twins)

BOOST_AUTO_TEST_CASE(a_sound_partition_has_no_damaged_bucket) {
  fill(50);
  auto found = ill.found();
  BOOST_TEST(found.sound());
  BOOST_TEST(found.records == 50u);
  BOOST_TEST(found.size_bytes == ill.head().size_bytes);
}

BOOST_AUTO_TEST_CASE(a_check_in_small_steps_finds_the_same) {
  fill(50);
  damage("key7", "valve7");
  bucket_check check(*ill.store->open_snapshot(p1));
  int steps = 1;
  while (!check.step(64)->done) ++steps;
  BOOST_TEST(steps > 5);
  BOOST_TEST(check.findings().damaged == bucket("key7"));
  BOOST_TEST(check.findings().records == 50u);
}

BOOST_AUTO_TEST_CASE(a_flipped_bit_is_found_in_its_bucket_and_mended) {
  fill(50);
  damage("key7", "valve7");
  BOOST_TEST(ill.found().damaged == bucket("key7"));
  auto done = mend(bucket("key7"));
  BOOST_REQUIRE(done.has_value());
  BOOST_TEST(done->records == 1u);
  BOOST_TEST(!done->head_wrong);
  require_equal();
  BOOST_TEST(ill.store->get(p1, "key7")->bytes == "value7");
}

BOOST_AUTO_TEST_CASE(a_lost_record_comes_back_and_an_extra_one_goes) {
  fill(50);
  damage("key7", std::nullopt);
  damage("nobody wrote this", "x");
  auto buckets = bucket("key7") | bucket("nobody wrote this");
  BOOST_TEST(ill.found().damaged == buckets);
  BOOST_TEST(mend(buckets)->records == 2u);
  require_equal();
}

BOOST_AUTO_TEST_CASE(a_mended_partition_is_still_so_after_a_restart) {
  fill(10);
  damage("key7", std::nullopt);
  BOOST_REQUIRE(mend(bucket("key7")).has_value());
  ill.store.reset();
  ill.open();
  require_equal();
}

// The old value's hash is taken from the sums when it is overwritten: if it was not what the head
// thought, the sums are wrong from then on although the record is right.
BOOST_AUTO_TEST_CASE(sums_that_went_wrong_because_damage_was_overwritten_are_set_right) {
  fill(20);
  damage("key3", "valve3");
  damage("key4", std::nullopt);
  damage("extra", "x");
  append({put("key3", "new"), put("key4", "new")});
  append(ill, {erase("extra")});
  append(sound, {erase("extra")});
  auto buckets = bucket("key3") | bucket("key4") | bucket("extra");
  BOOST_TEST(ill.found().damaged == buckets);
  auto done = mend(buckets);
  BOOST_TEST(done->records == 0u);
  BOOST_TEST(done->head_wrong);
  require_equal();
}

BOOST_AUTO_TEST_CASE(what_the_log_wrote_after_the_rows_stays) {
  fill(20);
  damage("key3", "valve3");
  auto buckets = bucket("key3") | bucket("key5") | bucket("key6") | bucket("later");
  auto old = donate(buckets);
  append({put("key5", "newer"), erase("key6"), put("later", "1")});
  auto done = ill.store->repair(p1, old.at, buckets, old.rows);
  BOOST_REQUIRE(done.has_value());
  BOOST_TEST(ill.store->get(p1, "key5")->bytes == "newer");
  BOOST_TEST(!ill.store->get(p1, "key6")->found);
  BOOST_TEST(ill.store->get(p1, "later")->bytes == "1");
  BOOST_TEST(done->records == 1u);
  require_equal();
}

BOOST_AUTO_TEST_CASE(what_other_buckets_decide_stays_as_the_replica_wrote_it) {
  fill(20);
  damage("key3", "valve3");
  auto old = donate(digest::all_buckets);
  auto from_client = [](std::vector<record_op> ops, uint64_t request, const char* needed) {
    write_batch batch;
    batch.ops = std::move(ops);
    batch.conditions = {{condition_kind::present, bytes{needed}, {}}};
    batch.client = "c1";
    batch.request = request;
    return batch;
  };
  for (auto* s : {&ill, &sound}) {
    append(*s, from_client({put("key5", "newer")}, 1, "key1"));
    append(*s, from_client({put("key6", "never")}, 2, "no such key"));
    append(*s, from_client({{op_kind::erase_range, {"key17"}, {"key19"}}}, 3, "key1"));
    append(*s, {put("key7", "plain")});
  }
  auto done = ill.store->repair(p1, old.at, digest::all_buckets, old.rows);
  BOOST_REQUIRE_MESSAGE(done.has_value(), (done ? "" : to_string(done.error())));
  BOOST_TEST(done->records == 1u);
  BOOST_TEST(ill.store->get(p1, "key3")->bytes == "value3");
  BOOST_TEST(ill.store->get(p1, "key5")->bytes == "newer");
  BOOST_TEST(ill.store->get(p1, "key6")->bytes == "value6");
  BOOST_TEST(!ill.store->get(p1, "key17")->found);
  require_equal();
}

BOOST_AUTO_TEST_CASE(rows_newer_than_the_replica_or_older_than_its_log_are_refused) {
  fill(20);
  damage("key3", "valve3");
  auto old = donate(digest::all_buckets);
  append(sound, {put("key5", "newer")});
  auto newer = donate(digest::all_buckets);
  auto early = ill.store->repair(p1, newer.at, digest::all_buckets, newer.rows);
  BOOST_TEST((early.error().code == errc::gap));
  append(ill, {put("key5", "newer")});
  BOOST_REQUIRE(ill.store->trim_log(p1, seq_no{22}).has_value());
  auto late = ill.store->repair(p1, old.at, digest::all_buckets, old.rows);
  BOOST_TEST((late.error().code == errc::log_trimmed));
  BOOST_TEST(ill.store->get(p1, "key3")->bytes == "valve3"); // nothing happened
  BOOST_TEST(mend(digest::all_buckets)->records == 1u);
  require_equal();
}

BOOST_AUTO_TEST_CASE(rows_of_another_history_are_refused) {
  fill(20);
  auto rows = donate(digest::all_buckets);
  auto other = ill.store->repair(p1, {epoch{9}, seq_no{18}}, digest::all_buckets, rows.rows);
  BOOST_TEST((other.error().code == errc::diverged));
}

BOOST_AUTO_TEST_CASE(a_partition_that_is_being_copied_is_not_mended) {
  auto p2 = make_partition_id(1, 1);
  BOOST_REQUIRE(ill.store->begin_copy(p2, copy_id{1}, "").has_value());
  BOOST_TEST((ill.store->repair(p2, {}, 1, {}).error().code == errc::conflict));
  BOOST_TEST((ill.store->repair(make_partition_id(9, 9), {}, 1, {}).error().code
              == errc::unknown_partition));
}

BOOST_AUTO_TEST_CASE(wrong_counts_alone_are_set_right_without_rows) {
  fill(20);
  damage("", ""); // a record that hashes to something: take it out of the sums again
  auto buckets = ill.found().damaged;
  BOOST_TEST(mend(buckets)->records == 1u);
  BOOST_TEST(ill.store->repair(p1, {}, 0, {})->records == 0u);
  require_equal();
}

BOOST_AUTO_TEST_CASE(a_source_gives_the_rows_of_the_wanted_buckets_in_pages) {
  fill(200);
  auto wanted = bucket("key7") | bucket("key8");
  auto rows = donate(wanted, 40).rows;
  size_t expected = 0;
  for (int i = 0; i < 200; ++i) expected += digest::holds(wanted, "key" + std::to_string(i));
  BOOST_TEST(rows.size() == expected);
  BOOST_TEST(std::is_sorted(rows.begin(), rows.end()));
  for (const auto& row : rows) BOOST_TEST(digest::holds(wanted, row.key.data));
}

// Random damage in random places, mended with rows of a random moment of the past, while a writer
// overwrites and erases the very keys that are damaged.
BOOST_AUTO_TEST_CASE(mending_goes_well_while_writes_go_on) {
  std::mt19937_64 random(random_seed());
  auto any_key = [&] { return "key" + std::to_string(random() % 60); };
  fill(60);
  for (int round = 0; round < 4; ++round) {
    auto buckets = bucket_set{0};
    for (int i = 0; i < 6; ++i) {
      auto key = any_key();
      auto what = random() % 3;
      if (what == 0)
        damage(key, std::nullopt);
      else
        damage(what == 1 ? key : "extra" + std::to_string(random() % 9), std::to_string(random()));
      buckets |= bucket(key);
    }
    buckets |= ill.found().damaged;
    auto old = donate(buckets);
    std::vector<std::vector<record_op>> batches;
    for (int i = 0; i < 300; ++i)
      batches.push_back({random() % 3 ? put(any_key(), std::to_string(random())) : erase(any_key()),
                         put(any_key(), "x")});
    std::atomic<size_t> written{0};
    std::thread writer([&] {
      for (const auto& ops : batches) {
        append(ill, write_batch{ops});
        ++written;
      }
    });
    while (written < batches.size() / 3) std::this_thread::yield();
    auto done = ill.store->repair(p1, old.at, buckets, old.rows);
    writer.join();
    BOOST_REQUIRE_MESSAGE(done.has_value(), (done ? "" : to_string(done.error())));
    for (const auto& ops : batches) append(sound, write_batch{ops});
    require_equal();
  }
}

// Enough records that the search for damage takes a while, and writes to the damaged keys that come
// in just then: they were counted against what was there, not what should have been.
BOOST_AUTO_TEST_CASE(writes_that_come_while_a_repair_searches_are_counted_right) {
  for (int batch = 0; batch < 60; ++batch) {
    std::vector<record_op> ops;
    for (int i = 0; i < 1000; ++i)
      ops.push_back(put("filler" + std::to_string(batch * 1000 + i), std::string(40, 'x')));
    append(ops);
  }
  fill(8);
  damage("key1", std::nullopt);
  damage("key2", "a longer value than before");
  damage("key3", std::nullopt);
  damage("extra1", "x");
  damage("extra2", "x");
  bucket_set buckets = 0;
  for (auto key : {"key1", "key2", "key3", "extra1", "extra2"}) buckets |= bucket(key);
  auto old = donate(buckets);
  const std::vector<record_op> ops{put("key1", "new"), erase("key2"), erase("extra1"),
                                   put("extra2", "new"), erase("key3")};
  std::thread writer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    append(ill, ops);
  });
  auto done = ill.store->repair(p1, old.at, buckets, old.rows);
  writer.join();
  BOOST_REQUIRE_MESSAGE(done.has_value(), (done ? "" : to_string(done.error())));
  append(sound, ops);
  require_equal();
}

BOOST_AUTO_TEST_SUITE_END()
