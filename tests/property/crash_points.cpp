/// A process dies at every named place (core/crash_points.hpp) of stores, mass storage and catalog,
/// by kill -9 and by a power cut. What had been answered is there afterwards, what was under way
/// happened whole or not at all, and who goes on comes to the same end as without the crash.

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <functional>
#include <iostream>
#include <random>
#include <map>
#include <set>
#include <sstream>

#include <sys/wait.h>

#include "catalog/catalog_store.hpp"
#include "core/crash_points.hpp"
#include "store/head_codec.hpp"
#include "store/mass_flush.hpp"
#include "store/mass_restore.hpp"
#include "store/partition_store.hpp"
#include "tests/support/power_cut.hpp"
#include "tests/support/temp_dir.hpp"
#include "wire/codec.hpp"

using namespace harbinger;
using harbinger::testing::synced_files;
using harbinger::testing::watched_files;

namespace {

constexpr auto first = make_partition_id(1, 0); ///< of a primary
constexpr auto other = make_partition_id(1, 1); ///< of a secondary that loses a tail
constexpr auto copied = make_partition_id(1, 2);
const std::atomic<bool> go_on{false};

[[noreturn]] void give_up(const std::string& why) {
  std::cout << "child: " << why << std::endl;
  ::_exit(1);
}
template <class T>
T must(result<T> outcome) {
  if (!outcome) give_up(to_string(outcome.error()));
  if constexpr (!std::is_void_v<T>) return std::move(*outcome);
}
void must_hold(bool condition, const char* what) {
  if (!condition) give_up(what);
}

// ------------------------------------------------------------------------------------------------
// the world that survives

struct world {
  std::shared_ptr<partition_store> store, rebuilt;
  std::shared_ptr<mass_storage> mass;
  std::shared_ptr<catalog_store> catalog;
  version flushed; ///< of `first`; looked up, not remembered

  explicit world(const std::string& directory) {
    partition_store_options options;
    options.directory = directory + "/store";
    options.bulk_from_bytes = 2 << 10;
    options.bulk_file_bytes = 6 << 10;
    store = must(partition_store::open(options));
    options.directory = directory + "/rebuilt";
    rebuilt = must(partition_store::open(options));
    mass = must(mass_storage::open(directory + "/mass"));
    catalog = must(catalog_store::open(directory + "/catalog"));
  }
};

std::string store_text(const partition_store& store) {
  std::ostringstream out;
  for (auto head : store.heads()) {
    // Rows of a copy under way may be there that its head does not count yet.
    if (head.state != replica_state::copying) must(store.verify(head.partition));
    head.committed = head.undo_start = {}; // lower bounds, as good as any
    head.cursor.clear();
    out << to_string(head.partition) << ' ' << name_of(head.role) << ' ' << name_of(head.state)
        << ' ' << to_string(head.version) << " log from " << to_string(head.log_start) << " copy "
        << head.copy.value << " chunks " << head.chunks << " records " << head.records << " head "
        << checksum64(encode_head(head)) << '\n';
    auto rows = must(must(store.open_snapshot(head.partition))->read({}, false, 64 << 20, 100'000));
    for (const auto& row : rows.rows)
      out << ' ' << checksum64(row.key.data + '=' + row.value.data) % 10'000;
    out << '\n';
    for (auto at = head.log_start; at.seq < head.version.seq;) {
      auto entries = must(store.log_after(head.partition, at, head.version.seq, 1 << 20));
      must_hold(!entries.empty(), "the log has a hole");
      for (const auto& e : entries) out << " log " << to_string(e.version);
      at = entries.back().version;
    }
    out << '\n';
  }
  auto lost = must(store.conflicts(1000));
  must_hold(store.conflict_count() == lost.size(), "conflicts are miscounted");
  for (const auto& c : lost)
    out << "conflict " << to_string(c.partition) << ' ' << to_string(c.entry.version) << '\n';
  return out.str();
}

std::string mass_text(const mass_storage& mass) {
  std::ostringstream out;
  auto point = mass.newest_checkpoint(first);
  out << "checkpoint " << (point ? to_string(point->last) : "none") << '\n';
  auto end = mass.read_log(first, point ? point->last : version{},
                           [](const log_entry&) { return result<void>{}; });
  out << "log to " << to_string(must(end).version) << '\n';
  must_hold(mass.damaged_files() == 0, "a file of mass storage is damaged");
  return out.str();
}

std::string catalog_text(const catalog_store& catalog) {
  auto view = must(catalog.load());
  std::ostringstream out;
  out << "revision " << view.revision().value;
  for (const auto& [id, row] : view.nodes()) out << ' ' << id.value << ' ' << row.capacity_bytes;
  return out.str();
}

/// What a process that comes after finds, a part each.
std::map<std::string, std::string> describe(const world& w) {
  return {{"store", store_text(*w.store)},
          {"rebuilt", store_text(*w.rebuilt)},
          {"mass", mass_text(*w.mass)},
          {"catalog", catalog_text(*w.catalog)}};
}

// ------------------------------------------------------------------------------------------------
// the story

std::string value_of(uint64_t n) {
  std::mt19937_64 random(n);
  std::string out(100, '\0');
  for (auto& c : out) c = static_cast<char>(random());
  return out;
}
log_entry entry(uint64_t epoch_number, uint64_t n, const std::string& key) {
  return {{epoch{epoch_number}, seq_no{n}},
          {{{op_kind::put, {key}, {value_of(epoch_number * 1000 + n)}}}, {}, "client", n}};
}
store_write made(partition_id partition, replica_role role) {
  store_write w{partition, epoch{1}, true, head_change{}, {}, {}, {}};
  w.change->role = role;
  w.change->state = replica_state::following;
  return w;
}
/// Entries `from`..`to` of an epoch; `committed`: up to there.
store_write entries(partition_id partition, uint64_t epoch_number, version previous, uint64_t to,
                    uint64_t committed) {
  store_write w{partition, epoch{epoch_number}, false, {}, previous, {}, seq_no{committed}};
  for (auto n = previous.seq.value + 1; n <= to; ++n)
    w.entries.push_back(entry(epoch_number, n, "k" + std::to_string(n % 7)));
  return w;
}
std::vector<record_row> chunk(uint64_t index) {
  std::vector<record_row> out;
  for (uint64_t i = 0; i < 8; ++i)
    out.push_back({{"c" + std::to_string(1000 + index * 8 + i)}, {value_of(index * 8 + i)}});
  return out;
}
harbinger::digest digest_of_chunks(uint64_t count) {
  harbinger::digest out;
  for (uint64_t i = 0; i < count; ++i)
    for (const auto& row : chunk(i)) out.add(row.key.data, row.value.data);
  return out;
}

/// A process that was killed in it does it once more.
struct story_step {
  const char* name;
  enum { lazy, store, elsewhere } where; ///< what is synced when it has returned; lazy: nothing
  std::function<void(world&)> run;
};

void write_group(world& w, std::vector<store_write> group) {
  for (auto& written : w.store->write(group)) must(std::move(written));
}

void flush(world& w) {
  auto head = must(w.store->head(first));
  auto flushed = must(w.mass->flushed_up_to(first, head.history));
  must(flush_log(*w.mass, *w.store, head, node_id{"n1"}, flushed));
}
void checkpoint(world& w) {
  must(w.mass->write_checkpoint(*must(w.store->open_snapshot(first)), node_id{"n1"}));
}
bool is_complete(const partition_store& store, partition_id partition, copy_id copy) {
  auto head = store.head(partition);
  return head && head->copy == copy && head->state == replica_state::following;
}
/// The whole of a copy; goes on where the head says.
void copy_in(world& w, copy_id copy, uint64_t chunks) {
  auto head = w.store->head(copied);
  if (!head || head->copy != copy) must(w.store->begin_copy(copied, copy, "cursor"));
  for (auto i = must(w.store->head(copied)).chunks; i < chunks; ++i)
    must(w.store->ingest_rows(copied, copy, i, chunk(i)));
}
void finish(world& w, copy_id copy, uint64_t chunks) {
  if (is_complete(*w.store, copied, copy)) return;
  copy_in(w, copy, chunks); // what was not synced is asked for again
  must(w.store->finish_copy(copied, copy, {epoch{1}, seq_no{5}}, digest_of_chunks(chunks),
                            {{epoch{1}, seq_no{1}}}, replica_state::following));
}
void repair(world& w) {
  // The source says that one key has another value than is here.
  std::vector<record_row> rows;
  auto all = must(must(w.store->open_snapshot(first))->read({}, false, 1 << 20, 1000)).rows;
  auto bucket = digest::bucket_of("k1");
  for (auto& row : all) {
    if (digest::bucket_of(row.key.data) != bucket) continue;
    rows.push_back(row);
    if (row.key.data == "k1") rows.back().value.data = "mended";
  }
  must(w.store->repair(first, must(w.store->head(first)).version, bucket_set{1} << bucket, rows));
}
void restore(world& w) {
  if (is_complete(*w.rebuilt, first, copy_id{9})) return;
  must(restore_from_mass(*w.mass, *w.rebuilt, first, copy_id{9}, restore_method::checkpoint_tail,
                         go_on));
}
void change_catalog(world& w, uint64_t revision_number) {
  if (must(w.catalog->load()).revision().value >= revision_number) return;
  partition_map delta;
  delta.revision = revision{revision_number};
  node_row row;
  row.id = node_id{"n" + std::to_string(revision_number)};
  row.capacity_bytes = revision_number;
  delta.nodes.push_back(row);
  must(w.catalog->commit(delta, row.id.value, "joined"));
}

const epoch_history truth{{epoch{1}, seq_no{1}}, {epoch{2}, seq_no{9}}};

std::vector<story_step> story() {
  auto at = [](uint64_t e, uint64_t n) { return version{epoch{e}, seq_no{n}}; };
  std::vector<story_step> s;
  constexpr auto lazy = story_step::lazy, store = story_step::store,
                 elsewhere = story_step::elsewhere;
  auto add = [&](const char* name, decltype(lazy) where, std::function<void(world&)> run) {
    s.push_back({name, where, std::move(run)});
  };
  add("make", store, [](world& w) {
    write_group(w, {made(first, replica_role::primary), made(other, replica_role::secondary)});
  });
  add("catalog 1", elsewhere, [](world& w) { change_catalog(w, 1); });
  add("write both", store, [=](world& w) {
    write_group(w, {entries(first, 1, {}, 10, 10), entries(other, 1, {}, 8, 6)});
  });
  add("a tail that is not committed", store,
      [=](world& w) { write_group(w, {entries(other, 1, at(1, 8), 12, 6)}); });
  add("flush 1", elsewhere, flush);
  add("checkpoint 1", elsewhere, checkpoint);
  add("rewind", store, [=](world& w) { must(w.store->rewind(other, truth)); });
  add("another history", store,
      [=](world& w) { write_group(w, {entries(other, 2, at(1, 8), 11, 8)}); });
  add("write 2", store, [=](world& w) { write_group(w, {entries(first, 1, at(1, 10), 20, 20)}); });
  add("flush 2", elsewhere, flush);
  add("checkpoint 2", elsewhere, checkpoint);
  add("write 3", store, [=](world& w) { write_group(w, {entries(first, 1, at(1, 20), 30, 30)}); });
  add("flush 3", elsewhere, flush);
  add("trim", lazy, [](world& w) { must(w.store->trim_log(first, seq_no{15})); });
  add("checkpoint 3", elsewhere, checkpoint);
  add("trim mass storage", elsewhere, [](world& w) {
    must(w.mass->trim_log(first, std::filesystem::file_time_type::clock::now() + seconds(1)));
  });
  add("write 4", store, [=](world& w) { write_group(w, {entries(first, 1, at(1, 30), 40, 40)}); });
  add("flush 4", elsewhere, flush);
  add("restore", elsewhere, restore);
  add("catalog 2", elsewhere, [](world& w) { change_catalog(w, 2); });
  add("copy", lazy, [](world& w) { copy_in(w, copy_id{1}, 14); });
  add("finish", store, [](world& w) { finish(w, copy_id{1}, 14); });
  add("deltas", store, [=](world& w) { write_group(w, {entries(copied, 1, at(1, 5), 9, 9)}); });
  add("repair", store, repair);
  add("drop", store, [](world& w) { must(w.store->drop(other, {{epoch{1}, seq_no{1}}})); });
  add("copy anew", lazy, [](world& w) {
    if (!is_complete(*w.store, copied, copy_id{2})) copy_in(w, copy_id{2}, 6);
  });
  add("finish anew", store, [](world& w) { finish(w, copy_id{2}, 6); });
  add("catalog 3", elsewhere, [](world& w) { change_catalog(w, 3); });
  return s;
}

// ------------------------------------------------------------------------------------------------
// dying

/// What a child leaves for its parent.
struct shared_state {
  std::atomic<size_t> done;   ///< steps that have returned
  std::atomic<uint64_t> term; ///< newest that was begun
  std::atomic<uint64_t> reached[crash_points];
  std::atomic<size_t> armed;        ///< point + 1
  std::atomic<uint64_t> occurrence; ///< which time, from 1
};
shared_state* shared = nullptr;

void count_and_die(const char* name) {
  for (size_t i = 0; i < crash_points; ++i)
    if (crash_point_names[i] == std::string_view(name)) {
      auto times = ++shared->reached[i];
      if (shared->armed == i + 1 && times == shared->occurrence) {
        ::raise(SIGKILL);
        ::pause();
      }
    }
}

struct walk {
  test::temp_dir reports;
  std::vector<story_step> steps = story();
  std::array<uint64_t, crash_points> times{};

  walk() {
    // What is lost is decided by power_cut.hpp, so a disk that is quick about syncing does as well.
    if (::access("/dev/shm", W_OK) == 0) ::setenv("TMPDIR", "/dev/shm", 0);
    auto* room = ::mmap(nullptr, sizeof(shared_state), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    BOOST_REQUIRE(room != MAP_FAILED);
    shared = new (room) shared_state{};
    watched_files = synced_files::make();
    BOOST_REQUIRE(watched_files != nullptr);
  }
  ~walk() { watched_files = nullptr; }

  /// In a process of its own. Its wait status.
  static int in_a_child(const std::function<void()>& work) {
    std::cout.flush();
    auto child = ::fork();
    if (child == 0) {
      set_crash_hook(count_and_die);
      work();
      std::cout.flush();
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  }
  static bool well(int status) { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }

  std::string report(const std::string& part, size_t after) const {
    return part + std::to_string(after);
  }
  /// Without a crash: what is there after each step, and how often each point is reached.
  void rehearse() {
    test::temp_dir place;
    BOOST_REQUIRE(well(in_a_child([&] {
      world w(place.path());
      for (size_t i = 0;; ++i) {
        for (const auto& [part, text] : describe(w)) reports.put(report(part, i), text);
        if (i == steps.size()) return;
        steps[i].run(w);
      }
    })));
    for (size_t i = 0; i < crash_points; ++i) times[i] = shared->reached[i];
  }
  void tell_story(world& w, size_t from) {
    for (auto i = from; i < steps.size(); ++i) {
      steps[i].run(w);
      shared->done = i + 1;
    }
  }
  /// How many of the steps that have returned no crash takes back: those after a lazy one that
  /// sync something else do not make it last.
  size_t lasting(size_t done) const {
    auto out = done;
    for (; done > 0 && steps[done - 1].where != story_step::store; --done)
      if (steps[done - 1].where == story_step::lazy) out = done - 1;
    return out;
  }
  void is_some_state(const world& w, size_t from, size_t to) {
    for (const auto& [part, text] : describe(w)) {
      bool known = false;
      for (auto i = from; i <= to; ++i) known |= text == reports.get(report(part, i));
      bool copying = text.find("copying") != std::string::npos; // any number of chunks
      if (known || (copying && part != "mass")) continue;
      give_up(part + " is in no state between step " + std::to_string(from) + " and "
              + std::to_string(to) + ":\n" + text + "expected\n" + reports.get(report(part, from))
              + "or\n" + reports.get(report(part, to)));
    }
  }
  void die_at(crash_point point, uint64_t occurrence, bool power) {
    auto index = static_cast<size_t>(point);
    BOOST_TEST_CONTEXT(name_of(point) << ", time " << occurrence << (power ? ", power cut" : "")) {
      test::temp_dir place;
      shared->done = 0;
      shared->term = 0;
      for (auto& r : shared->reached) r = 0;
      watched_files->forget();
      shared->occurrence = occurrence;
      shared->armed = index + 1;
      auto status = in_a_child([&] {
        world w(place.path());
        shared->term = w.catalog->term().value;
        tell_story(w, 0);
      });
      shared->armed = 0;
      BOOST_REQUIRE(WIFSIGNALED(status));
      BOOST_REQUIRE(WTERMSIG(status) == SIGKILL);
      if (power) watched_files->take_away(place.path());
      auto done = shared->done.load();
      auto before = lasting(done);
      BOOST_TEST_CONTEXT("in step " << steps[std::min(done, steps.size() - 1)].name) {
        BOOST_TEST(well(in_a_child([&] { // P2, P3, P4
          world w(place.path());
          must_hold(w.catalog->term().value > shared->term, "a term is used again");
          is_some_state(w, before, std::min(done + 1, steps.size()));
          tell_story(w, before);
          is_some_state(w, steps.size(), steps.size());
        })));
        BOOST_TEST(well(in_a_child([&] {
          world w(place.path());
          is_some_state(w, steps.size(), steps.size());
        })));
      }
    }
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(whoever_dies_at_a_named_place_loses_nothing_and_goes_on, walk) {
  rehearse();
  for (size_t i = 0; i < static_cast<size_t>(first_node_crash_point); ++i) {
    auto point = static_cast<crash_point>(i);
    BOOST_TEST_CONTEXT(name_of(point)) {
      BOOST_TEST(times[i] > 0u, name_of(point) << " is never reached");
      if (times[i] == 0) continue;
      die_at(point, 1, false);
      for (uint64_t n : std::set<uint64_t>{1, (times[i] + 1) / 2, times[i]}) die_at(point, n, true);
    }
  }
}
