#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <random>

#include <rocksdb/db.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/partition_store.hpp"

using namespace harbinger;

namespace {

constexpr auto p1 = make_partition_id(1, 0);
constexpr auto p2 = make_partition_id(1, 1);

struct temporary_directory {
  std::string path;
  temporary_directory() {
    char name[] = "/tmp/harbinger-store-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~temporary_directory() { std::filesystem::remove_all(path); }
};

struct fixture {
  temporary_directory directory;
  std::shared_ptr<partition_store> store;
  uint64_t quota_bytes = 0;

  fixture() { reopen(); }
  void reopen() {
    store.reset();
    auto opened = partition_store::open({directory.path, false, quota_bytes});
    BOOST_REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : to_string(opened.error())));
    store = *opened;
  }
  void make(partition_id p, replica_role role = replica_role::secondary) {
    store_write w{
        p,  epoch{1}, true, head_change{role, replica_state::following, epoch{1}, {}, {}, {}},
        {}, {},       {}};
    BOOST_REQUIRE(store->write_one(w).has_value());
  }
  static record_op put(std::string key, std::string value) {
    return {op_kind::put, {std::move(key)}, {std::move(value)}};
  }
  static record_op erase(std::string key) { return {op_kind::erase, {std::move(key)}, {}}; }
  static store_write batch(partition_id p, version previous, version v,
                           std::vector<record_op> ops) {
    return {p, v.epoch, false, {}, previous, {log_entry{v, {std::move(ops)}}}, {}};
  }
  result<partition_head> append(partition_id p, uint64_t e, std::vector<record_op> ops) {
    auto at = store->head(p)->version;
    return store->write_one(batch(p, at, {epoch{e}, seq_no{at.seq.value + 1}}, std::move(ops)));
  }
  /// How many keys of a kind the closed store's database has.
  size_t count_keys(char kind) {
    rocksdb::DB* raw = nullptr;
    BOOST_REQUIRE(rocksdb::DB::OpenForReadOnly({}, directory.path, &raw).ok());
    std::unique_ptr<rocksdb::DB> db(raw);
    std::unique_ptr<rocksdb::Iterator> it(db->NewIterator({}));
    size_t count = 0;
    for (it->Seek({&kind, 1}); it->Valid() && it->key()[0] == kind; it->Next()) ++count;
    return count;
  }
  errc refusal(const auto& r) {
    BOOST_REQUIRE(!r.has_value());
    return r.error().code;
  }
};

version v(uint64_t e, uint64_t s) { return {epoch{e}, seq_no{s}}; }

} // namespace

BOOST_FIXTURE_TEST_SUITE(partition_store_, fixture)

BOOST_AUTO_TEST_CASE(what_was_written_is_there_after_a_restart) {
  make(p1);
  BOOST_TEST(append(p1, 1, {put("a", "1"), put("b", "2")}).has_value());
  BOOST_TEST(append(p1, 1, {put("a", "3"), erase("b"), put("c", "4")}).has_value());
  reopen();
  auto h = *store->head(p1);
  BOOST_TEST(h.version == v(1, 2));
  BOOST_TEST(h.records == 2u);
  BOOST_TEST(h.size_bytes == 4u);
  BOOST_TEST(store->get(p1, "a")->bytes == "3");
  BOOST_TEST(!store->get(p1, "b")->found);
  BOOST_TEST(store->verify(p1).has_value());
  BOOST_TEST(store->used_bytes() == 4u);
}

BOOST_AUTO_TEST_CASE(a_hole_is_refused_without_harm_to_the_rest_of_the_group) {
  make(p1);
  make(p2);
  auto answers = store->write(
      {batch(p1, v(1, 4), v(1, 5), {put("x", "1")}), batch(p2, {}, v(1, 1), {put("y", "1")})});
  BOOST_CHECK(refusal(answers[0]) == errc::gap);
  BOOST_TEST(answers[0].error().detail == "0:0");
  BOOST_TEST(answers[1]->head.version == v(1, 1));
  BOOST_TEST(!store->get(p1, "x")->found);
}

BOOST_AUTO_TEST_CASE(several_writes_of_one_partition_in_one_group_build_on_each_other) {
  make(p1);
  auto answers = store->write({batch(p1, {}, v(1, 1), {put("k", "old")}),
                               batch(p1, v(1, 1), v(1, 2), {put("k", "newer")}),
                               batch(p1, v(1, 7), v(1, 8), {put("k", "lost")}),
                               batch(p1, v(1, 2), v(1, 3), {put("l", "1")})});
  BOOST_TEST(answers[3]->head.version == v(1, 3));
  BOOST_TEST(!answers[2].has_value());
  BOOST_TEST(store->get(p1, "k")->bytes == "newer");
  BOOST_TEST(store->verify(p1).has_value());
  auto before = *store->head(p1);
  reopen(); // the head that was written is that of the last one
  BOOST_TEST(store->head(p1)->version == before.version);
  BOOST_TEST(store->head(p1)->records == before.records);
  BOOST_TEST(store->head(p1)->digest.total() == before.digest.total());
  BOOST_TEST(store->verify(p1).has_value());
}

BOOST_AUTO_TEST_CASE(conditions_ranges_and_requests_see_what_the_same_group_wrote_before) {
  make(p1);
  BOOST_REQUIRE(append(p1, 1, {put("a", "old"), put("b", "old"), put("d", "old")}).has_value());
  write_batch cas{{put("c", "2")}, {{condition_kind::equals, {"c"}, {"1"}}}};
  write_batch request{{put("a", "by c1")}, {}, "c1", 5};
  auto entry = [](uint64_t seq, write_batch b) { return log_entry{v(1, seq), std::move(b)}; };
  auto answers = store->write(
      {{p1, epoch{1}, false, {}, v(1, 1), {entry(2, {{put("c", "1")}}), entry(3, cas)}, {}},
       {p1, epoch{1}, false, {}, v(1, 3), {entry(4, cas), entry(5, request)}, {}},
       {p1, epoch{1}, false, {}, v(1, 8), {entry(9, {{put("b", "lost")}})}, {}},
       {p1,
        epoch{1},
        false,
        {},
        v(1, 5),
        {entry(6, {{{op_kind::erase_range, {"b"}, {"d"}}}}), entry(7, request)},
        {}}});
  BOOST_REQUIRE(answers[0] && answers[1] && answers[3]);
  BOOST_TEST(!answers[2].has_value());
  auto verdict = [&](size_t write, size_t i) { return answers.at(write)->outcomes.at(i).verdict; };
  BOOST_CHECK(verdict(0, 1) == entry_verdict::applied);
  BOOST_CHECK(verdict(1, 0) == entry_verdict::condition_failed);
  BOOST_CHECK(verdict(1, 1) == entry_verdict::applied);
  BOOST_TEST(answers[3]->outcomes.at(1).repeated());
  BOOST_TEST(answers[3]->outcomes.at(1).decided == v(1, 5));
  for (int restart = 0; restart < 2; ++restart, reopen()) {
    BOOST_TEST(store->head(p1)->version == v(1, 7));
    auto rows = store->scan(p1, "", 100, 1 << 20)->rows;
    BOOST_REQUIRE_EQUAL(rows.size(), 2u); // the session is not shown
    BOOST_TEST(rows[0].value.data == "by c1");
    BOOST_TEST(rows[1].key.data == "d");
    BOOST_TEST(store->head(p1)->records == 4u);
    BOOST_TEST(store->verify(p1).has_value());
  }
  BOOST_TEST(store->log_after(p1, {}, seq_no{9}, 1 << 20)->at(3).batch.client == "");
  BOOST_TEST(store->log_after(p1, v(1, 4), seq_no{9}, 1 << 20)->at(0).batch.client == "c1");
}

BOOST_AUTO_TEST_CASE(a_write_that_is_refused_for_space_leaves_nothing_to_those_behind_it) {
  quota_bytes = 100;
  reopen();
  make(p1);
  auto answers = store->write({batch(p1, {}, v(1, 1), {put("a", "1")}),
                               batch(p1, v(1, 1), v(1, 2), {put("b", std::string(200, 'x'))}),
                               batch(p1, v(1, 1), v(1, 2), {put("c", "3")})});
  BOOST_CHECK(refusal(answers[1]) == errc::no_space);
  BOOST_REQUIRE(answers[2].has_value());
  BOOST_TEST(!store->get(p1, "b")->found);
  BOOST_TEST(store->get(p1, "c")->found);
  BOOST_TEST(store->verify(p1).has_value());
}

BOOST_AUTO_TEST_CASE(the_same_write_again_does_no_harm) {
  make(p1);
  auto once = batch(p1, {}, v(1, 1), {put("k", "1")});
  auto digest = store->write_one(once)->digest;
  auto again = store->write_one(once);
  BOOST_TEST(again->version == v(1, 1));
  BOOST_CHECK(again->digest == digest);
}

BOOST_AUTO_TEST_CASE(an_older_epoch_is_refused_after_a_newer_one_was_noted) {
  make(p1);
  BOOST_TEST(append(p1, 1, {put("k", "1")}).has_value());
  head_change sealed;
  sealed.epoch = epoch{2};
  sealed.role = replica_role::sealed;
  BOOST_TEST(store->write_one({p1, epoch{2}, false, sealed, {}, {}, {}}).has_value());
  BOOST_CHECK(refusal(store->write_one(batch(p1, v(1, 1), v(1, 2), {put("k", "2")})))
              == errc::stale_epoch);
  reopen();
  BOOST_CHECK(refusal(store->write_one(batch(p1, v(1, 1), v(1, 2), {put("k", "2")})))
              == errc::stale_epoch);
  BOOST_CHECK(store->head(p1)->role == replica_role::sealed);
}

BOOST_AUTO_TEST_CASE(the_digest_does_not_depend_on_the_way_to_the_state) {
  make(p1);
  make(p2);
  std::mt19937_64 random{7};
  std::map<std::string, std::string> model;
  for (int i = 0; i < 300; ++i) {
    auto key = "k" + std::to_string(random() % 40);
    if (random() % 4 == 0) {
      BOOST_REQUIRE(append(p1, 1, {erase(key)}).has_value());
      model.erase(key);
    } else {
      auto value = std::to_string(random());
      BOOST_REQUIRE(append(p1, 1, {put(key, value)}).has_value());
      model[key] = value;
    }
  }
  std::vector<record_op> all;
  for (const auto& [key, value] : model) all.push_back(put(key, value));
  BOOST_REQUIRE(append(p2, 1, all).has_value());
  BOOST_CHECK(store->head(p1)->digest == store->head(p2)->digest);
  BOOST_TEST(store->head(p1)->records == model.size());
  BOOST_TEST(store->verify(p1).has_value());
}

BOOST_AUTO_TEST_CASE(scans_are_cut_by_rows_and_bytes_and_go_on_where_they_stopped) {
  make(p1);
  for (int i = 10; i < 30; ++i)
    BOOST_REQUIRE(append(p1, 1, {put("k" + std::to_string(i), std::string(100, 'x'))}).has_value());
  std::string from;
  size_t rows = 0, pages = 0;
  for (bool more = true; more; ++pages) {
    auto page = store->scan(p1, from, 7, 350);
    BOOST_REQUIRE(page.has_value());
    BOOST_TEST(page->rows.size() <= 3u);
    rows += page->rows.size();
    more = page->more;
    from = page->next.data;
  }
  BOOST_TEST(rows == 20u);
  BOOST_CHECK(refusal(store->scan(p1, "", 0, 1000)) == errc::invalid_argument);
  BOOST_CHECK(refusal(store->scan(p2, "", 1, 1000)) == errc::unknown_partition);
}

BOOST_AUTO_TEST_CASE(the_log_tells_what_came_after_a_version) {
  make(p1);
  for (int i = 0; i < 3; ++i)
    BOOST_REQUIRE(append(p1, 1, {put("k", std::to_string(i))}).has_value());
  for (int i = 0; i < 3; ++i)
    BOOST_REQUIRE(append(p1, 3, {put("k", std::to_string(i))}).has_value());
  auto all = store->log_after(p1, {}, seq_no{100}, 1 << 20);
  BOOST_TEST(all->size() == 6u);
  auto tail = store->log_after(p1, v(1, 3), seq_no{5}, 1 << 20);
  BOOST_REQUIRE_EQUAL(tail->size(), 2u);
  BOOST_TEST(tail->front().version == v(3, 4));
  BOOST_TEST(store->log_after(p1, v(1, 2), seq_no{100}, 1)->size() == 1u);
  BOOST_TEST(store->log_after(p1, v(3, 6), seq_no{100}, 1000)->empty());
  BOOST_CHECK(refusal(store->log_after(p1, v(1, 4), seq_no{100}, 1000)) == errc::diverged);
  BOOST_CHECK(refusal(store->log_after(p1, v(3, 9), seq_no{100}, 1000)) == errc::gap);
  BOOST_TEST(store->trim_log(p1, seq_no{5}).has_value());
  BOOST_CHECK(refusal(store->log_after(p1, v(1, 2), seq_no{100}, 1000)) == errc::log_trimmed);
  BOOST_TEST(store->log_after(p1, v(3, 4), seq_no{100}, 1 << 20)->size() == 2u);
  reopen();
  BOOST_TEST(store->head(p1)->log_start == v(3, 4));
  BOOST_TEST(store->log_after(p1, v(3, 4), seq_no{100}, 1 << 20)->size() == 2u);
}

BOOST_AUTO_TEST_CASE(how_long_a_log_is_in_bytes_is_about_known) {
  constexpr uint64_t entries = 80, each = 1 << 20; // several memory tables
  make(p1);
  std::mt19937_64 random(7);
  std::string value(each, '\0');
  for (uint64_t i = 1; i <= entries; ++i) {
    for (auto& c : value) c = static_cast<char>(random());
    auto w = batch(p1, store->head(p1)->version, v(1, i), {put("k", value)});
    w.committed = seq_no{i};
    BOOST_REQUIRE(store->write_one(w).has_value());
  }
  auto whole = store->log_bytes(p1);
  BOOST_TEST(whole > entries * each / 4);
  BOOST_TEST(whole < entries * each * 12 / 10);
  BOOST_TEST(store->log_bytes(p2) == 0u);
  BOOST_REQUIRE(store->trim_log(p1, seq_no{entries - 4}).has_value());
  BOOST_TEST(store->log_bytes(p1) < whole / 2); // files that compaction has not got to do not count
  BOOST_TEST(store->log_after(p1, v(1, entries - 5), seq_no{entries}, 1 << 30)->size() == 5u);
}

BOOST_AUTO_TEST_CASE(a_snapshot_stays_as_it_was) {
  make(p1);
  BOOST_REQUIRE(append(p1, 1, {put("a", "1"), put("b", "2")}).has_value());
  auto at = *store->open_snapshot(p1);
  BOOST_REQUIRE(append(p1, 1, {put("a", "9"), erase("b"), put("c", "3")}).has_value());
  BOOST_TEST(at->head().version == v(1, 1));
  auto page = *at->read("", false, 1000, 1);
  BOOST_REQUIRE_EQUAL(page.rows.size(), 1u);
  BOOST_TEST(page.more);
  BOOST_TEST(page.rows[0].value.data == "1");
  page = *at->read("a", true, 1000, 10);
  BOOST_REQUIRE_EQUAL(page.rows.size(), 1u);
  BOOST_TEST(page.rows[0].key.data == "b");
  BOOST_TEST(!page.more);
}

BOOST_AUTO_TEST_CASE(a_copy_is_complete_only_when_its_digest_is_right) {
  make(p1);
  BOOST_REQUIRE(append(p1, 1, {put("a", "1"), put("b", "2")}).has_value());
  auto source = *store->head(p1);
  BOOST_REQUIRE(store->begin_copy(p2, copy_id{5}, "snapshot-1").has_value());
  BOOST_REQUIRE(store->ingest_rows(p2, copy_id{5}, 0, {{{"a"}, {"1"}}}).has_value());
  reopen(); // a crash in the middle
  auto h = *store->head(p2);
  BOOST_TEST(h.chunks == 1u);
  BOOST_TEST(h.cursor == "snapshot-1");
  BOOST_CHECK(h.state == replica_state::copying);
  BOOST_CHECK(refusal(store->finish_copy(p2, copy_id{5}, source.version, source.digest,
                                         source.history, replica_state::following))
              == errc::checksum);
  BOOST_CHECK(refusal(store->ingest_rows(p2, copy_id{5}, 2, {})) == errc::gap);
  BOOST_TEST(store->ingest_rows(p2, copy_id{5}, 0, {{{"a"}, {"1"}}})->records
             == 1u); // again: passed over
  BOOST_TEST(store->ingest_rows(p2, copy_id{5}, 1, {{{"b"}, {"2"}}})->records == 2u);
  auto done = store->finish_copy(p2, copy_id{5}, source.version, source.digest, source.history,
                                 replica_state::following);
  BOOST_REQUIRE(done.has_value());
  BOOST_TEST(done->version == v(1, 1));
  BOOST_TEST(done->log_start == v(1, 1));
  BOOST_TEST(store->verify(p2).has_value());
  BOOST_TEST(append(p2, 1, {put("c", "3")}).has_value());
}

BOOST_AUTO_TEST_CASE(a_newer_attempt_starts_over_and_an_older_one_is_refused) {
  BOOST_REQUIRE(store->begin_copy(p2, copy_id{5}, "").has_value());
  BOOST_REQUIRE(store->ingest_rows(p2, copy_id{5}, 0, {{{"old"}, {"1"}}}).has_value());
  BOOST_CHECK(refusal(store->begin_copy(p2, copy_id{4}, "")) == errc::stale_term);
  BOOST_REQUIRE(store->begin_copy(p2, copy_id{6}, "").has_value());
  BOOST_TEST(!store->get(p2, "old")->found);
  BOOST_TEST(store->used_bytes() == 0u);
  BOOST_CHECK(refusal(store->ingest_rows(p2, copy_id{5}, 0, {})) == errc::stale_term);
  make(p1, replica_role::primary);
  BOOST_CHECK(refusal(store->begin_copy(p1, copy_id{9}, "")) == errc::conflict);
}

BOOST_AUTO_TEST_CASE(a_tail_that_lost_is_journalled_before_the_replica_goes) { // P4
  make(p1);
  for (int i = 0; i < 5; ++i)
    BOOST_REQUIRE(append(p1, 1, {put("k", std::to_string(i))}).has_value());
  epoch_history truth{{epoch{1}, seq_no{1}},
                      {epoch{2}, seq_no{4}}}; // epoch 2 began at 4: (1,4) and (1,5) lost
  BOOST_TEST(*store->drop(p1, truth) == 2u);
  BOOST_CHECK(refusal(store->head(p1)) == errc::unknown_partition);
  reopen();
  BOOST_TEST(store->conflict_count() == 2u);
  auto kept = *store->conflicts(10);
  BOOST_REQUIRE_EQUAL(kept.size(), 2u);
  BOOST_TEST(kept[0].entry.version == v(1, 4));
  BOOST_TEST(kept[1].entry.batch.ops.at(0).value.data == "4");
  BOOST_TEST(*store->drop(p1, truth) == 0u); // again
  make(p1);                                  // comes back, empty
  BOOST_TEST(!store->get(p1, "k")->found);
  BOOST_TEST(store->head(p1)->version == version{});
}

BOOST_AUTO_TEST_CASE(a_tail_that_lost_is_taken_back_to_the_very_records_of_the_fork_point) {
  make(p1);
  BOOST_REQUIRE(append(p1, 1, {put("a", "1"), put("b", "2"), put("c", "3")}).has_value());
  BOOST_REQUIRE(append(p1, 1, {put("a", "11")}).has_value());
  auto fork = *store->head(p1);
  BOOST_REQUIRE(append(p1, 2, {put("a", "lost"), erase("b"), put("d", "lost")}).has_value());
  BOOST_REQUIRE(append(p1, 2, {{op_kind::erase_range, {}, {}}}).has_value());
  BOOST_REQUIRE(append(p1, 2, {put("a", "lost too"), put("e", "lost")}).has_value());
  reopen();
  epoch_history truth{{epoch{1}, seq_no{1}}, {epoch{3}, seq_no{3}}};
  auto rewound = store->rewind(p1, truth);
  BOOST_REQUIRE_MESSAGE(rewound.has_value(), (rewound ? "" : to_string(rewound.error())));
  BOOST_TEST(rewound->fork == v(1, 2));
  BOOST_TEST(rewound->undone == 3u);
  BOOST_TEST(rewound->journalled == 3u);
  for (int restart = 0; restart < 2; ++restart, reopen()) {
    auto h = *store->head(p1);
    BOOST_TEST(h.version == fork.version);
    BOOST_CHECK(h.digest == fork.digest);
    BOOST_TEST(h.records == fork.records);
    BOOST_TEST(h.size_bytes == fork.size_bytes);
    BOOST_CHECK(h.history == fork.history);
    BOOST_TEST(store->verify(p1).has_value());
    BOOST_TEST(store->get(p1, "a")->bytes == "11");
    BOOST_TEST(store->get(p1, "b")->bytes == "2");
    BOOST_TEST(!store->get(p1, "d")->found);
    BOOST_TEST(store->used_bytes() == fork.size_bytes);
    BOOST_TEST(store->conflict_count() == 3u);
    BOOST_TEST(store->conflicts(10)->at(0).entry.batch.ops.at(0).value.data == "lost");
  }
  BOOST_TEST(store->rewind(p1, truth)->undone == 0u);
  BOOST_REQUIRE(append(p1, 3, {put("a", "of the winner")}).has_value());
  BOOST_TEST(store->log_after(p1, {}, seq_no{9}, 1 << 20)->back().version == v(3, 3));
}

BOOST_AUTO_TEST_CASE(what_is_committed_is_never_taken_back) {
  make(p1);
  for (int i = 0; i < 4; ++i)
    BOOST_REQUIRE(append(p1, 1, {put("k", std::to_string(i))}).has_value());
  store_write news{p1, epoch{1}, false, {}, {}, {}, seq_no{3}};
  BOOST_REQUIRE(store->write_one(news).has_value()); // not durable by itself
  epoch_history too_early{{epoch{1}, seq_no{1}}, {epoch{2}, seq_no{3}}};
  BOOST_CHECK(refusal(store->rewind(p1, too_early)) == errc::conflict);
  BOOST_TEST(store->get(p1, "k")->bytes == "3");
  BOOST_TEST(store->conflict_count() == 0u);
  reopen(); // the news is forgotten, the undo information is not
  BOOST_TEST(store->rewind(p1, too_early)->undone == 2u);
  BOOST_TEST(store->get(p1, "k")->bytes == "1");
}

BOOST_AUTO_TEST_CASE(undo_information_goes_when_its_entries_are_known_to_be_committed) {
  make(p1);
  for (int i = 0; i < 6; ++i)
    BOOST_REQUIRE(append(p1, 1, {put("k", std::to_string(i))}).has_value());
  BOOST_TEST(store->head(p1)->undo_start.value == 0u);
  auto next = batch(p1, v(1, 6), v(1, 7), {put("k", "6")});
  next.committed = seq_no{4};
  BOOST_TEST(store->write_one(next)->undo_start.value == 4u);
  auto last = batch(p1, v(1, 7), v(1, 8), {put("k", "7")});
  last.committed = seq_no{8};
  BOOST_TEST(store->write_one(last)->undo_start.value == 8u);
  store.reset();
  BOOST_TEST(count_keys('u') == 0u);
  reopen();
}

BOOST_AUTO_TEST_CASE(a_copy_can_not_be_taken_back_before_what_it_was_copied_at) {
  auto sum = digest{};
  sum.add("a", "1");
  BOOST_REQUIRE(store->begin_copy(p1, copy_id{1}, "").has_value());
  BOOST_REQUIRE(store->ingest_rows(p1, copy_id{1}, 0, {{{"a"}, {"1"}}}).has_value());
  BOOST_CHECK(refusal(store->rewind(p1, {{epoch{9}, seq_no{1}}})) == errc::conflict);
  BOOST_REQUIRE(store
                    ->finish_copy(p1, copy_id{1}, v(1, 5), sum, {{epoch{1}, seq_no{1}}},
                                  replica_state::following)
                    .has_value());
  BOOST_REQUIRE(append(p1, 1, {put("a", "2")}).has_value());
  BOOST_CHECK(refusal(store->rewind(p1, {{epoch{1}, seq_no{1}}, {epoch{2}, seq_no{4}}}))
              == errc::conflict);
  BOOST_TEST(store->rewind(p1, {{epoch{1}, seq_no{1}}, {epoch{2}, seq_no{6}}})->undone == 1u);
  BOOST_TEST(store->get(p1, "a")->bytes == "1");
  BOOST_CHECK(refusal(store->rewind(p2, {})) == errc::unknown_partition);
}

BOOST_AUTO_TEST_CASE(a_replica_that_agrees_with_the_history_leaves_nothing_in_the_journal) {
  make(p1);
  for (int i = 0; i < 3; ++i)
    BOOST_REQUIRE(append(p1, 1, {put("k", std::to_string(i))}).has_value());
  BOOST_TEST(*store->drop(p1, {{epoch{1}, seq_no{1}}, {epoch{2}, seq_no{9}}}) == 0u);
  BOOST_TEST(store->conflict_count() == 0u);
}

BOOST_AUTO_TEST_CASE(a_store_belongs_to_one_process) {
  auto second = partition_store::open({directory.path, false, 0});
  BOOST_CHECK(refusal(second) == errc::in_use);
}

BOOST_AUTO_TEST_CASE(over_quota_nothing_is_written_and_reads_go_on) {
  quota_bytes = 100;
  reopen();
  make(p1);
  BOOST_TEST(append(p1, 1, {put("a", std::string(60, 'x'))}).has_value());
  BOOST_CHECK(refusal(append(p1, 1, {put("b", std::string(60, 'x'))})) == errc::no_space);
  BOOST_TEST(store->get(p1, "a")->found);
  BOOST_TEST(!store->get(p1, "b")->found);
  BOOST_TEST(append(p1, 1, {erase("a")}).has_value()); // making room is never refused
  BOOST_TEST(append(p1, 1, {put("b", std::string(60, 'x'))}).has_value());
}

// In a child process: the limit on file size can not be taken back from the test runner's own
// files.
// RocksDB takes this error for a fatal one; healing when there is room again is in e2e.full_disk.
BOOST_AUTO_TEST_CASE(a_full_disk_refuses_writes_and_serves_reads) {
  store.reset();
  auto child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    auto opened = partition_store::open({directory.path, true, 0});
    if (!opened) ::_exit(10);
    auto& s = **opened;
    store_write made{
        p1,   epoch{1},
        true, head_change{replica_role::primary, replica_state::following, epoch{1}, {}, {}, {}},
        {},   {},
        {}};
    if (!s.write_one(made) || !s.write_one(batch(p1, {}, v(1, 1), {put("a", "1")}))) ::_exit(11);
    ::rlimit limit{1, RLIM_INFINITY}; // not a byte more in any file, RocksDB's own log included
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto more = batch(p1, v(1, 1), v(1, 2), {put("b", std::string(1 << 20, 'x'))});
    for (int i = 0; i < 5; ++i) {
      auto refused = s.write_one(more);
      if (refused || refused.error().code != errc::no_space) ::_exit(12);
    }
    auto read = s.get(p1, "a");
    if (!read || read->bytes != "1") ::_exit(13);
    if (s.get(p1, "b")->found) ::_exit(14);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  BOOST_TEST(WIFEXITED(status));
  BOOST_TEST(WEXITSTATUS(status) == 0);
  reopen();
  BOOST_TEST(store->head(p1)->version == v(1, 1));
  BOOST_TEST(store->verify(p1).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
