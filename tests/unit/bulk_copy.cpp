#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <map>
#include <random>

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/partition_store.hpp"

using namespace harbinger;
namespace fs = std::filesystem;

/// Copies large enough to go in as files (partition_store_options::bulk_from_bytes).

namespace {

constexpr auto part = make_partition_id(1, 0);
constexpr auto neighbour = make_partition_id(1, 1);
constexpr copy_id copy{5};
constexpr uint64_t chunk_rows = 8;
constexpr uint64_t chunk_count = 40;

struct chunk_maker {
  std::string key(uint64_t n) const {
    char text[16];
    std::snprintf(text, sizeof text, "%08llu", static_cast<unsigned long long>(n));
    return text;
  }
  std::vector<record_row> chunk(uint64_t index) const {
    std::vector<record_row> out;
    for (uint64_t i = 0; i < chunk_rows; ++i) {
      auto n = index * chunk_rows + i;
      std::mt19937_64 random(n + seed);
      std::string value(512, '\0');
      for (auto& c : value) c = static_cast<char>(random());
      out.push_back({{key(n)}, {value}});
    }
    return out;
  }
  harbinger::digest digest_of(uint64_t chunks) const {
    harbinger::digest out;
    for (uint64_t i = 0; i < chunks; ++i)
      for (const auto& row : chunk(i)) out.add(row.key.data, row.value.data);
    return out;
  }
  uint64_t seed = 1;
};

struct bulk_store : chunk_maker {
  std::string path;
  partition_store_options options;
  std::shared_ptr<partition_store> store;

  bulk_store() {
    char name[] = "/tmp/harbinger-bulk-XXXXXX";
    path = ::mkdtemp(name);
    options.directory = path;
    options.sync_writes = false;
    options.bulk_from_bytes = 8 << 10;  // two chunks by batch
    options.bulk_file_bytes = 24 << 10; // about six chunks a file
    reopen();
  }
  ~bulk_store() {
    store.reset();
    fs::remove_all(path);
  }
  void reopen() {
    store.reset();
    auto opened = partition_store::open(options);
    BOOST_REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : to_string(opened.error())));
    store = *opened;
  }
  size_t files_under_construction() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(path + "/incoming"), fs::directory_iterator()));
  }
  void begin(copy_id which = copy) {
    BOOST_REQUIRE(store->begin_copy(part, which, "snapshot").has_value());
  }
  result<partition_head> put(uint64_t index, copy_id which = copy) {
    return store->ingest_rows(part, which, index, chunk(index));
  }
  void put_up_to(uint64_t chunks, copy_id which = copy) {
    for (uint64_t i = store->head(part)->chunks; i < chunks; ++i) {
      auto head = put(i, which);
      BOOST_REQUIRE_MESSAGE(head.has_value(), (head ? "" : to_string(head.error())));
      BOOST_REQUIRE(head->chunks >= i + 1);
    }
  }
  result<partition_head> finish(uint64_t chunks, copy_id which = copy) {
    return store->finish_copy(part, which, {epoch{1}, seq_no{9}}, digest_of(chunks),
                              {{epoch{1}, seq_no{1}}}, replica_state::following);
  }
  void is_whole(uint64_t chunks) {
    auto head = store->head(part);
    BOOST_REQUIRE(head.has_value());
    BOOST_TEST(head->records == chunks * chunk_rows);
    auto verified = store->verify(part);
    BOOST_TEST(verified.has_value(), (verified ? "" : to_string(verified.error())));
    BOOST_TEST(store->get(part, key(0))->bytes == chunk(0)[0].value.data);
    BOOST_TEST(store->get(part, key(chunks * chunk_rows - 1))->found);
    BOOST_TEST(!store->get(part, key(chunks * chunk_rows))->found);
  }
  /// What happens in `work` happens in a process that ends without closing anything.
  int in_a_process_that_dies(const std::function<void(bulk_store&)>& work) {
    store.reset();
    auto child = ::fork();
    if (child == 0) {
      auto opened = partition_store::open(options);
      if (!opened) ::_exit(10);
      store = *opened;
      work(*this);
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    BOOST_REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(bulk_copy, bulk_store)

BOOST_AUTO_TEST_CASE(a_large_copy_goes_in_as_files_and_is_the_same_after_a_restart) {
  int files = 0;
  options.after_ingest = [&] { ++files; };
  reopen();
  begin();
  put_up_to(chunk_count);
  BOOST_REQUIRE(finish(chunk_count).has_value());
  BOOST_TEST(files >= 5);
  is_whole(chunk_count);
  BOOST_TEST(files_under_construction() == 0u);
  reopen();
  is_whole(chunk_count);
}

BOOST_AUTO_TEST_CASE(a_small_copy_needs_no_file) {
  options.bulk_from_bytes = 1 << 20;
  options.after_ingest = [] { BOOST_ERROR("a file"); };
  reopen();
  begin();
  put_up_to(10);
  BOOST_TEST(finish(10).has_value());
  is_whole(10);
}

BOOST_AUTO_TEST_CASE(rows_out_of_order_go_in_all_the_same) {
  begin();
  auto order = [](uint64_t i) { return i < 20 ? i : i ^ 1; }; // 21, 20, 23, 22 ...
  for (uint64_t i = 0; i < chunk_count; ++i) {
    auto rows = chunk(order(i));
    if (i == 7) std::swap(rows[1], rows[5]); // and out of order within a chunk
    BOOST_REQUIRE(store->ingest_rows(part, copy, i, rows).has_value());
  }
  BOOST_TEST(finish(chunk_count).has_value());
  is_whole(chunk_count);
}

BOOST_AUTO_TEST_CASE(empty_chunks_count_too) {
  begin();
  put_up_to(12);
  BOOST_REQUIRE(store->ingest_rows(part, copy, 12, {}).has_value());
  BOOST_TEST(store->head(part)->chunks == 13u);
  BOOST_TEST(finish(12).has_value());
  is_whole(12);
}

BOOST_AUTO_TEST_CASE(repeated_chunks_are_passed_over_and_holes_refused) {
  begin();
  put_up_to(9);
  BOOST_TEST(put(8)->chunks == 9u);
  BOOST_CHECK(put(10).error().code == errc::gap);
  put_up_to(chunk_count);
  BOOST_TEST(finish(chunk_count).has_value());
  is_whole(chunk_count);
}

BOOST_AUTO_TEST_CASE(a_wrong_digest_is_never_complete) { // P3
  begin();
  put_up_to(chunk_count);
  BOOST_CHECK(finish(chunk_count - 1).error().code == errc::checksum);
  BOOST_CHECK(store->head(part)->state == replica_state::copying);
  reopen();
  BOOST_CHECK(store->head(part)->state == replica_state::copying);
}

BOOST_AUTO_TEST_CASE(a_crash_loses_only_what_no_file_held) {
  begin();
  BOOST_REQUIRE_EQUAL(in_a_process_that_dies([](bulk_store& s) {
                        for (uint64_t i = 0; i < 30; ++i)
                          if (!s.put(i)) ::_exit(11);
                      }),
                      0);
  BOOST_TEST(files_under_construction() > 0u);
  reopen();
  BOOST_TEST(files_under_construction() == 0u);
  auto in = store->head(part)->chunks;
  BOOST_TEST_CONTEXT(in << " chunks were in") {
    BOOST_TEST(in >= 14u); // 30 less two files of about seven and the batch
    BOOST_TEST(in < 30u);
  }
  BOOST_TEST(store->head(part)->cursor == "snapshot");
  put_up_to(chunk_count);
  BOOST_TEST(finish(chunk_count).has_value());
  is_whole(chunk_count);
}

/// Leaves rows in the database that no head counts.
struct killed_between_ingest_and_count : bulk_store {
  killed_between_ingest_and_count() {
    options.bulk_from_bytes = 0;
    reopen();
    begin();
    options.after_ingest = [] { ::_exit(42); };
    BOOST_REQUIRE_EQUAL(in_a_process_that_dies([](bulk_store& s) {
                          for (uint64_t i = 0; i < chunk_count; ++i) (void)s.put(i);
                        }),
                        42);
    options.after_ingest = {};
    reopen();
    BOOST_REQUIRE(store->head(part)->chunks == 0u);
    BOOST_REQUIRE(store->get(part, key(3 * chunk_rows))->found);
  }
};

BOOST_FIXTURE_TEST_CASE(killed_between_ingest_and_count_it_goes_on,
                        killed_between_ingest_and_count) {
  put_up_to(chunk_count);
  BOOST_TEST(finish(chunk_count).has_value());
  is_whole(chunk_count);
  reopen();
  is_whole(chunk_count);
}

BOOST_FIXTURE_TEST_CASE(killed_between_ingest_and_count_a_new_attempt_sees_nothing_of_it,
                        killed_between_ingest_and_count) {
  begin(copy_id{6});
  BOOST_TEST(!store->get(part, key(3 * chunk_rows))->found);
  put_up_to(3, copy_id{6}); // the true state is smaller now
  BOOST_TEST(finish(3, copy_id{6}).has_value());
  is_whole(3);
  reopen();
  is_whole(3);
}

BOOST_FIXTURE_TEST_CASE(killed_between_ingest_and_count_a_drop_leaves_nothing,
                        killed_between_ingest_and_count) {
  BOOST_REQUIRE(store->drop(part, {}).has_value());
  begin(copy_id{7});
  BOOST_TEST(finish(0, copy_id{7}).has_value());
  BOOST_TEST(store->verify(part).has_value());
}

BOOST_AUTO_TEST_CASE(a_new_attempt_hides_the_old_files_and_not_its_own) {
  begin();
  put_up_to(chunk_count);
  BOOST_REQUIRE(finish(chunk_count).has_value());
  auto frozen = store->open_snapshot(part);
  BOOST_REQUIRE(frozen.has_value());
  seed = 2; // other values under the same keys
  for (uint64_t attempt = 6; attempt < 9; ++attempt) {
    begin(copy_id{attempt}); // a range is deleted in memory, then files come below or above it
    put_up_to(20, copy_id{attempt});
  }
  BOOST_REQUIRE(finish(20, copy_id{8}).has_value());
  is_whole(20);
  auto row = (*frozen)->read({}, false, 1, 1);
  seed = 1;
  BOOST_TEST(row->rows.at(0).value.data == chunk(0)[0].value.data); // as it was
  seed = 2;
  frozen->reset();
  reopen();
  is_whole(20);
}

BOOST_AUTO_TEST_CASE(the_log_goes_on_above_the_files) {
  begin();
  put_up_to(chunk_count);
  auto head = finish(chunk_count);
  BOOST_REQUIRE(head.has_value());
  store_write w{part, epoch{1}, false, {}, head->version, {}, {}};
  w.entries.push_back({{epoch{1}, seq_no{10}},
                       {{{op_kind::put, {key(5)}, {"new"}}, {op_kind::erase, {key(6)}, {}}}}});
  BOOST_REQUIRE(store->write_one(w).has_value());
  BOOST_TEST(store->get(part, key(5))->bytes == "new");
  BOOST_TEST(!store->get(part, key(6))->found);
  reopen();
  BOOST_TEST(store->get(part, key(5))->bytes == "new");
  BOOST_TEST(store->verify(part).has_value());
}

BOOST_AUTO_TEST_CASE(a_configuration_under_way_is_not_undone_by_a_file) {
  begin();
  put_up_to(11);
  store_write w{part, epoch{3}, false, head_change{}, {}, {}, {}};
  w.change->configuration = "of epoch 3";
  BOOST_REQUIRE(store->write_one(w).has_value());
  put_up_to(chunk_count);
  auto head = finish(chunk_count);
  BOOST_REQUIRE(head.has_value());
  BOOST_TEST(head->epoch == epoch{3});
  BOOST_TEST(head->configuration == "of epoch 3");
  is_whole(chunk_count);
}

BOOST_AUTO_TEST_CASE(a_copy_that_is_dropped_or_failed_leaves_no_file) {
  begin();
  put_up_to(7);
  BOOST_TEST(files_under_construction() > 0u);
  store_write w{part, {}, false, head_change{}, {}, {}, {}};
  w.change->state = replica_state::failed;
  BOOST_REQUIRE(store->write_one(w).has_value());
  BOOST_TEST(files_under_construction() == 0u);
  BOOST_CHECK(put(7).error().code == errc::conflict);
  begin(copy_id{6});
  put_up_to(9, copy_id{6});
  BOOST_REQUIRE(store->drop(part, {}).has_value());
  BOOST_TEST(files_under_construction() == 0u);
  BOOST_CHECK(put(9).error().code == errc::unknown_partition);
  BOOST_TEST(store->used_bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(a_quota_counts_what_is_only_in_files) {
  options.quota_bytes = 64 << 10;
  options.bulk_file_bytes = 1 << 20; // nothing is counted before the end
  reopen();
  begin();
  std::optional<error> refused;
  uint64_t in = 0;
  for (; in < chunk_count && !refused; ++in)
    if (auto head = put(in); !head) refused = head.error();
  BOOST_REQUIRE(refused.has_value());
  BOOST_CHECK(refused->code == errc::no_space);
  BOOST_TEST(in * chunk_rows * 520 > options.quota_bytes - (8 << 10));
  begin(copy_id{6}); // makes room
  put_up_to(10, copy_id{6});
  BOOST_TEST(finish(10, copy_id{6}).has_value());
}

BOOST_AUTO_TEST_CASE(a_full_disk_under_a_file_is_no_space_and_heals) {
  options.bulk_file_bytes = 4 << 20;
  BOOST_REQUIRE_EQUAL(in_a_process_that_dies([](bulk_store& s) {
                        ::signal(SIGXFSZ, SIG_IGN);
                        if (!s.store->begin_copy(part, copy, "snapshot")) ::_exit(11);
                        ::rlimit limit{256 << 10, RLIM_INFINITY}; // of any file
                        ::setrlimit(RLIMIT_FSIZE, &limit);
                        std::optional<error> refused;
                        for (uint64_t i = 0; i < 2000 && !refused; ++i)
                          if (auto head = s.put(i); !head) refused = head.error();
                        if (!refused || refused->code != errc::no_space) ::_exit(12);
                        if (s.store->head(part)->chunks != 2) ::_exit(13);
                        if (s.files_under_construction() != 0) ::_exit(14);
                        limit.rlim_cur = RLIM_INFINITY; // there is room again
                        ::setrlimit(RLIMIT_FSIZE, &limit);
                        for (uint64_t i = 2; i < chunk_count; ++i)
                          if (!s.put(i)) ::_exit(15);
                        if (!s.finish(chunk_count)) ::_exit(16);
                      }),
                      0);
  reopen();
  is_whole(chunk_count);
}

BOOST_AUTO_TEST_CASE(more_copies_than_streams_go_by_batch) {
  constexpr uint32_t copies = 20;
  for (uint32_t p = 0; p < copies; ++p)
    BOOST_REQUIRE(store->begin_copy(make_partition_id(2, p), copy, "").has_value());
  for (uint64_t i = 0; i < 12; ++i)
    for (uint32_t p = 0; p < copies; ++p)
      BOOST_REQUIRE(store->ingest_rows(make_partition_id(2, p), copy, i, chunk(i)).has_value());
  BOOST_TEST(files_under_construction() >= 16u);
  for (uint32_t p = 0; p < copies; ++p) {
    auto head = store->finish_copy(make_partition_id(2, p), copy, {epoch{1}, seq_no{9}},
                                   digest_of(12), {}, replica_state::following);
    BOOST_TEST(head.has_value());
    BOOST_TEST(store->verify(make_partition_id(2, p)).has_value());
  }
  BOOST_TEST(files_under_construction() == 0u);
}

BOOST_AUTO_TEST_CASE(a_snapshot_is_read_through_from_any_place) {
  begin();
  put_up_to(chunk_count);
  BOOST_REQUIRE(finish(chunk_count).has_value());
  auto snapshot = store->open_snapshot(part);
  auto reader = (*snapshot)->read_through();
  auto first = reader->read({}, 10'000);
  BOOST_REQUIRE(first.has_value());
  BOOST_TEST(!first->end);
  auto second = reader->read(first->next, 10'000);
  auto again = reader->read({}, 10'000); // asked for once more
  BOOST_TEST(again->rows == first->rows);
  auto third = reader->read(second->next, 1 << 20);
  BOOST_TEST(third->end);
  BOOST_TEST(third->next.empty());
  BOOST_TEST(reader->read(key(chunk_count * chunk_rows), 100)->end);
  harbinger::digest seen;
  for (auto* body : {&first->rows, &second->rows, &third->rows}) {
    auto rows = wire::packed_rows::parse(blob(*body));
    BOOST_REQUIRE(rows.has_value());
    for (const auto& row : rows->rows()) seen.add(row.key, row.value);
  }
  BOOST_TEST((seen == digest_of(chunk_count)));
}

BOOST_AUTO_TEST_SUITE_END()
