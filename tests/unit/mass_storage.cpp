#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <unistd.h>

#include "store/mass_flush.hpp"
#include "store/mass_restore.hpp"
#include "store/mass_storage.hpp"
#include "store/partition_store.hpp"
#include "store/trim_pace.hpp"

using namespace harbinger;
namespace fs = std::filesystem;

namespace {

const partition_id part = make_partition_id(1, 3);
const std::atomic<bool> go_on{false};

/// A primary's store, mass storage, and an empty node to restore on.
struct cluster {
  std::string root =
      (fs::temp_directory_path() / ("hb-mass-" + std::to_string(::getpid()))).string();
  std::shared_ptr<partition_store> primary, other;
  std::shared_ptr<mass_storage> mass;
  version flushed;
  uint64_t writes = 0;

  cluster() {
    fs::remove_all(root);
    primary = open("primary");
    other = open("other");
    auto opened = mass_storage::open(root + "/mass");
    BOOST_REQUIRE(opened);
    mass = *opened;
    store_write made;
    made.partition = part;
    made.epoch = epoch{1};
    made.create = true;
    made.change.emplace();
    made.change->role = replica_role::primary;
    made.change->state = replica_state::following;
    BOOST_REQUIRE(primary->write_one(made));
  }
  ~cluster() {
    primary.reset();
    other.reset();
    fs::remove_all(root);
  }
  std::shared_ptr<partition_store> open(const std::string& name) {
    auto opened = partition_store::open({root + '/' + name, false, 0});
    BOOST_REQUIRE(opened);
    return *opened;
  }
  partition_head head() { return primary->head(part).value(); }
  void write(int count, epoch in = epoch{1}) {
    for (int i = 0; i < count; ++i) {
      store_write item;
      item.partition = part;
      item.epoch = in;
      item.previous = head().version;
      log_entry entry{{in, seq_no{item.previous.seq.value + 1}}, {}};
      entry.batch.ops.push_back({op_kind::put, bytes{"key" + std::to_string(writes % 50)},
                                 bytes{std::to_string(writes)}});
      entry.batch.ops.push_back(
          {op_kind::erase, bytes{"key" + std::to_string((writes + 7) % 50)}, {}});
      ++writes;
      item.committed = entry.version.seq;
      item.entries.push_back(entry);
      BOOST_REQUIRE(primary->write_one(item));
    }
  }
  void flush() { BOOST_REQUIRE(flush_log(*mass, *primary, head(), node_id{"n1"}, flushed)); }
  void checkpoint() {
    auto snapshot = primary->open_snapshot(part);
    BOOST_REQUIRE(snapshot);
    BOOST_REQUIRE(mass->write_checkpoint(**snapshot, node_id{"n1"}));
  }
  result<mass_restored> restore(restore_method method, uint64_t copy = 1) {
    return restore_from_mass(*mass, *other, part, copy_id{copy}, method, go_on);
  }
  void expect_equal() {
    auto theirs = other->head(part);
    BOOST_REQUIRE(theirs);
    BOOST_TEST(theirs->version == head().version);
    BOOST_TEST(theirs->digest.total() == head().digest.total());
    BOOST_TEST(theirs->records == head().records);
    BOOST_CHECK(theirs->state == replica_state::following);
    BOOST_CHECK(theirs->role == replica_role::copy);
    BOOST_CHECK(theirs->history == head().history);
    BOOST_CHECK(other->verify(part).has_value());
  }
  std::vector<fs::path> files(const std::string& prefix) {
    std::vector<fs::path> out;
    for (const auto& f : fs::directory_iterator(root + "/mass/1.3"))
      if (f.path().filename().string().starts_with(prefix)) out.push_back(f.path());
    std::sort(out.begin(), out.end());
    return out;
  }
};

std::string why(const result<mass_restored>& r) { return r ? "" : to_string(r.error()); }

void flip_byte(const fs::path& path, size_t from_end) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(-static_cast<std::streamoff>(from_end), std::ios::end);
  auto at = file.tellg();
  char c = 0;
  file.get(c);
  file.seekp(at);
  file.put(static_cast<char>(c ^ 1));
}

} // namespace

BOOST_FIXTURE_TEST_CASE(the_whole_log_makes_the_same_partition, cluster) {
  for (int i = 0; i < 5; ++i) {
    write(40);
    flush();
  }
  auto restored = restore(restore_method::full_rebuild);
  BOOST_REQUIRE(restored);
  BOOST_TEST(restored->entries == 200u);
  expect_equal();
}

BOOST_FIXTURE_TEST_CASE(what_is_too_large_to_fold_is_replayed, cluster) {
  constexpr uint64_t fold_max = 100; // bytes
  auto rebuild = [&](uint64_t copy) {
    return restore_from_mass(*mass, *other, part, copy_id{copy}, restore_method::full_rebuild,
                             go_on, fold_max);
  };
  write(2100); // more than one group
  flush();
  auto whole = rebuild(1);
  BOOST_REQUIRE_MESSAGE(whole, why(whole));
  BOOST_TEST(whole->entries == 2100u);
  BOOST_TEST(whole->rows == 0u);
  expect_equal();

  checkpoint();
  write(30);
  flush();
  fs::remove(files("log-").front()); // as trim_log would
  auto from_checkpoint = rebuild(2);
  BOOST_REQUIRE_MESSAGE(from_checkpoint, why(from_checkpoint));
  BOOST_TEST(from_checkpoint->entries == 30u);
  BOOST_TEST(from_checkpoint->rows > 0u);
  expect_equal();
}

BOOST_FIXTURE_TEST_CASE(a_checkpoint_and_the_log_after_it_make_the_same_partition, cluster) {
  write(100);
  flush();
  checkpoint();
  write(30);
  flush();
  auto restored = restore(restore_method::checkpoint_tail);
  BOOST_REQUIRE(restored);
  BOOST_TEST(restored->entries == 30u);
  expect_equal();
}

BOOST_FIXTURE_TEST_CASE(a_checkpoint_alone_is_enough, cluster) {
  write(100);
  flush();
  checkpoint();
  auto restored = restore(restore_method::checkpoint_tail);
  BOOST_REQUIRE(restored);
  BOOST_TEST(restored->entries == 0u);
  expect_equal();
}

BOOST_FIXTURE_TEST_CASE(without_a_checkpoint_the_tail_is_the_whole_log, cluster) {
  write(20);
  flush();
  auto restored = restore(restore_method::checkpoint_tail);
  BOOST_REQUIRE(restored);
  BOOST_TEST(restored->checkpoint == version{});
  expect_equal();
}

BOOST_FIXTURE_TEST_CASE(nothing_in_mass_storage_makes_an_empty_copy, cluster) {
  auto restored = restore(restore_method::full_rebuild);
  BOOST_REQUIRE_MESSAGE(restored, why(restored));
  BOOST_TEST(restored->version == version{});
  BOOST_TEST(other->head(part)->records == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_damaged_segment_is_an_error_that_names_it, cluster) {
  for (int i = 0; i < 3; ++i) {
    write(20);
    flush();
  }
  for (size_t from_end : {1u, 40u, 300u}) {
    auto victim = files("log-")[1];
    flip_byte(victim, from_end);
    auto restored = restore(restore_method::full_rebuild);
    BOOST_REQUIRE(!restored);
    BOOST_CHECK(restored.error().code == errc::checksum);
    BOOST_TEST(restored.error().detail.find(victim.filename().string()) != std::string::npos);
    flip_byte(victim, from_end);
  }
  fs::resize_file(files("log-")[2], fs::file_size(files("log-")[2]) - 5);
  BOOST_CHECK(restore(restore_method::full_rebuild).error().code == errc::checksum);
  BOOST_TEST(mass->damaged_files() >= 4u);
}

BOOST_FIXTURE_TEST_CASE(a_lost_segment_is_a_gap, cluster) {
  for (int i = 0; i < 3; ++i) {
    write(20);
    flush();
  }
  fs::remove(files("log-")[1]);
  auto restored = restore(restore_method::full_rebuild);
  BOOST_REQUIRE(!restored);
  BOOST_CHECK(restored.error().code == errc::gap);
}

BOOST_FIXTURE_TEST_CASE(a_damaged_checkpoint_gives_way_to_the_one_before, cluster) {
  write(50);
  flush();
  checkpoint();
  write(50);
  flush();
  checkpoint();
  write(10);
  flush();
  flip_byte(files("checkpoint-").back(), 200);
  auto restored = restore(restore_method::checkpoint_tail);
  BOOST_REQUIRE_MESSAGE(restored, why(restored));
  BOOST_TEST(restored->checkpoint == (version{epoch{1}, seq_no{50}}));
  expect_equal();
}

BOOST_FIXTURE_TEST_CASE(only_the_newest_two_checkpoints_stay, cluster) {
  for (int i = 0; i < 4; ++i) {
    write(5);
    checkpoint();
  }
  BOOST_TEST(files("checkpoint-").size() == 2u);
  BOOST_TEST(mass->newest_checkpoint(part)->last == head().version);
}

BOOST_FIXTURE_TEST_CASE(what_killed_writers_left_goes_once_nobody_can_be_writing_it, cluster) {
  write(20);
  flush();
  auto left = [&](const char* name, std::chrono::hours age) {
    fs::path path = root + "/mass/1.3/" + name;
    std::ofstream(path) << "half a file";
    fs::last_write_time(path, fs::file_time_type::clock::now() - age);
    return path;
  };
  auto old = left("checkpoint-00000000000000000009-1.hbm.4711-1.tmp", std::chrono::hours(2));
  auto under_way = left("checkpoint-00000000000000000009-1.hbm.4712-1.tmp", std::chrono::hours(0));
  checkpoint();
  BOOST_TEST(!fs::exists(old));
  BOOST_TEST(fs::exists(under_way));
  BOOST_TEST(files("log-").size() == 1u);
}

BOOST_FIXTURE_TEST_CASE(what_a_killed_process_of_the_same_number_left_is_in_nobodys_way, cluster) {
  write(20);
  flush(); // so that the directory is there
  auto at = head().version;
  auto name = root + "/mass/1.3/checkpoint-" + std::string(18, '0') + std::to_string(at.seq.value)
              + '-' + std::string(19, '0') + "1.hbm." + std::to_string(::getpid()) + '-';
  for (int i = 1; i < 200; ++i) std::ofstream(name + std::to_string(i) + ".tmp") << "half a file";
  checkpoint();
  BOOST_TEST(mass->newest_checkpoint(part)->last == at);
}

BOOST_FIXTURE_TEST_CASE(a_stale_primary_does_not_reach_the_result, cluster) {
  write(20);
  flush();
  mass_file_header stale;
  stale.partition = part;
  stale.epoch = epoch{1};
  stale.previous = head().version;
  stale.history = head().history;
  std::vector<log_entry> lost;
  for (uint64_t seq = 21; seq <= 40; ++seq)
    lost.push_back({{epoch{1}, seq_no{seq}}, {{{op_kind::put, bytes{"lost"}, bytes{"x"}}}}});
  BOOST_REQUIRE(mass->append_segment(stale, lost));
  write(10, epoch{2});
  BOOST_TEST(mass->flushed_up_to(part, head().history).value() == (version{epoch{1}, seq_no{20}}));
  flush();
  auto restored = restore(restore_method::full_rebuild);
  BOOST_REQUIRE_MESSAGE(restored, why(restored));
  expect_equal();
  BOOST_TEST(mass->fenced_entries() > 0u);
}

BOOST_FIXTURE_TEST_CASE(a_new_primary_goes_on_where_the_directory_ends, cluster) {
  write(20);
  flush();
  auto found = mass->flushed_up_to(part, head().history);
  BOOST_REQUIRE(found);
  BOOST_TEST(*found == head().version);
  write(5, epoch{2});
  flushed = *found;
  flush();
  BOOST_TEST(files("log-").size() == 2u);
  BOOST_REQUIRE(restore(restore_method::full_rebuild));
  expect_equal();
}

BOOST_FIXTURE_TEST_CASE(a_cancelled_restore_stops, cluster) {
  write(20);
  flush();
  std::atomic<bool> stop{true};
  auto restored =
      restore_from_mass(*mass, *other, part, copy_id{1}, restore_method::full_rebuild, stop);
  BOOST_REQUIRE(!restored);
  BOOST_CHECK(restored.error().code == errc::cancelled);
}

BOOST_FIXTURE_TEST_CASE(the_log_is_trimmed_only_up_to_what_mass_storage_has, cluster) {
  write(50);
  flush();
  write(50);
  BOOST_TEST(trim_point(head(), flushed, 10)->value == 51u);
  BOOST_TEST(trim_point(head(), version{epoch{1}, seq_no{100}}, 10)->value == 91u);
  BOOST_TEST(trim_point(head(), std::nullopt, 10)->value == 91u);
  BOOST_CHECK(!trim_point(head(), flushed, 100));
}

BOOST_FIXTURE_TEST_CASE(of_a_long_log_as_much_is_kept_as_is_wanted, cluster) {
  write(1000);
  const log_keep wanted{500, 10'000};
  BOOST_TEST(entries_to_keep(head(), 0, wanted) == 500u); // unknown, or small
  BOOST_TEST(entries_to_keep(head(), 10'000, wanted) == 500u);
  BOOST_TEST(entries_to_keep(head(), 100'000, wanted) == 100u); // 100 bytes each
  BOOST_TEST(entries_to_keep(head(), 12'000, wanted) == 500u);  // 12 bytes each: 833
  BOOST_TEST(entries_to_keep(head(), 1ull << 40, wanted) == 1u);
  BOOST_TEST(entries_to_keep(partition_head{}, 1 << 20, wanted) == 500u);
}

BOOST_AUTO_TEST_CASE(logs_that_grow_fast_are_looked_at_between_checkpoints) {
  trim_pace pace;
  time_point now{std::chrono::hours(1)};
  partition_head quick, slow;
  quick.partition = make_partition_id(1, 0);
  slow.partition = make_partition_id(1, 1);
  quick.version.seq = slow.version.seq = seq_no{10};
  auto looked = [&](bool checkpoint, duration later) {
    now += later;
    pace.begin(checkpoint, now);
    return std::pair{pace.look(quick), pace.look(slow)};
  };
  BOOST_TEST((looked(true, seconds(1)) == std::pair{true, true}));
  quick.version.seq.value += trim_pace::entries_min;
  slow.version.seq.value += trim_pace::entries_min - 1;
  BOOST_TEST((looked(false, seconds(1)) == std::pair{false, false})); // not yet
  BOOST_TEST((looked(false, trim_pace::period) == std::pair{true, false}));
  BOOST_TEST((looked(false, trim_pace::period) == std::pair{false, false}));
  slow.version.seq.value += 1; // counted from its last look
  BOOST_TEST((looked(false, trim_pace::period) == std::pair{false, true}));
  BOOST_TEST((looked(true, seconds(1)) == std::pair{true, true}));
}

BOOST_FIXTURE_TEST_CASE(a_hole_in_the_log_is_bridged_by_a_checkpoint, cluster) {
  write(60);
  BOOST_REQUIRE(primary->trim_log(part, seq_no{41}));
  auto written = flush_log(*mass, *primary, head(), node_id{"n1"}, flushed);
  BOOST_REQUIRE(written);
  BOOST_TEST(written->hole);
  write(10);
  flush();
  BOOST_REQUIRE(restore(restore_method::checkpoint_tail));
  expect_equal();
  auto rebuilt = restore(restore_method::full_rebuild, 2);
  BOOST_REQUIRE_MESSAGE(rebuilt, why(rebuilt));
  BOOST_TEST(rebuilt->checkpoint.seq.value == 60u);
  expect_equal();
}

BOOST_FIXTURE_TEST_CASE(segments_go_when_two_whole_checkpoints_cover_them, cluster) {
  auto later = fs::file_time_type::clock::now() + std::chrono::hours(1);
  uint64_t attempt = 0;
  for (int i = 0; i < 2; ++i) {
    write(20);
    flush();
    BOOST_TEST(mass->trim_log(part, later)->files == 0u); // fewer than two checkpoints
    checkpoint();
  }
  write(20);
  flush();
  auto gone = mass->trim_log(part, later);
  BOOST_REQUIRE(gone);
  BOOST_TEST(gone->files == 1u); // up to the older checkpoint, not up to the newer
  BOOST_TEST(gone->bytes > 0u);
  BOOST_TEST(files("log-").size() == 2u);
  BOOST_TEST(mass->flushed_up_to(part, head().history).value() == head().version);
  for (auto method : {restore_method::full_rebuild, restore_method::checkpoint_tail}) {
    auto restored = restore(method, ++attempt);
    BOOST_REQUIRE_MESSAGE(restored, why(restored));
    expect_equal();
  }
  flip_byte(files("checkpoint-").back(), 200); // the newer is damaged later: the older has its tail
  for (auto method : {restore_method::full_rebuild, restore_method::checkpoint_tail}) {
    auto restored = restore(method, ++attempt);
    BOOST_REQUIRE_MESSAGE(restored, why(restored));
    BOOST_TEST(restored->checkpoint.seq.value == 20u);
    expect_equal();
  }
}

BOOST_FIXTURE_TEST_CASE(young_segments_the_newest_and_those_under_a_damaged_checkpoint_stay,
                        cluster) {
  auto now = fs::file_time_type::clock::now();
  for (int i = 0; i < 3; ++i) {
    write(20);
    flush();
    checkpoint();
  }
  BOOST_TEST(mass->trim_log(part, now - std::chrono::hours(1))->files == 0u);
  flip_byte(files("checkpoint-").front(), 200);
  auto refused = mass->trim_log(part, now + std::chrono::hours(1));
  BOOST_REQUIRE(!refused);
  BOOST_CHECK(refused.error().code == errc::checksum);
  BOOST_TEST(files("log-").size() == 3u);
  checkpoint(); // of the same version: the damaged one stays among the newest two
  write(1);
  checkpoint();
  write(1);
  checkpoint();
  BOOST_TEST(mass->trim_log(part, now + std::chrono::hours(1))->files == 2u);
  BOOST_TEST(files("log-").size() == 1u); // the newest says up to where the log was written
}

BOOST_FIXTURE_TEST_CASE(a_complete_copy_gets_only_the_log_after_what_it_holds, cluster) {
  write(30);
  flush();
  BOOST_REQUIRE(restore(restore_method::full_rebuild));
  write(12);
  flush();
  auto replayed = replay_from_mass(*mass, *other, part, copy_id{1}, go_on);
  BOOST_REQUIRE_MESSAGE(replayed, why(replayed));
  BOOST_TEST(replayed->entries == 12u);
  expect_equal();
  BOOST_TEST(replay_from_mass(*mass, *other, part, copy_id{1}, go_on)->entries == 0u);
  BOOST_CHECK(replay_from_mass(*mass, *other, part, copy_id{2}, go_on).error().code
              == errc::conflict);
  BOOST_CHECK(
      replay_from_mass(*mass, *other, make_partition_id(1, 9), copy_id{1}, go_on).error().code
      == errc::not_found);
}

BOOST_FIXTURE_TEST_CASE(a_copy_of_a_tail_that_lost_is_not_replayed_onto, cluster) {
  write(20);
  flush();
  BOOST_REQUIRE(restore(restore_method::full_rebuild));
  store_write stray; // what a stale primary gave it
  stray.partition = part;
  stray.epoch = epoch{1};
  stray.previous = head().version;
  stray.entries.push_back({{epoch{1}, seq_no{21}}, {{{op_kind::put, bytes{"lost"}, bytes{"x"}}}}});
  BOOST_REQUIRE(other->write_one(stray));
  write(10, epoch{2});
  flush();
  auto refused = replay_from_mass(*mass, *other, part, copy_id{1}, go_on);
  BOOST_REQUIRE(!refused);
  BOOST_CHECK(refused.error().code == errc::diverged);
}

BOOST_AUTO_TEST_CASE(an_unwritable_directory_is_an_error) {
  auto opened = mass_storage::open("/proc/no-such-place");
  BOOST_REQUIRE(!opened);
  BOOST_CHECK(opened.error().code == errc::io);
}
