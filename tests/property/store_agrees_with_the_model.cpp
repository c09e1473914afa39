/// Random entries (batches, ranges, conditions, repeated requests) against a std::map: the store,
/// the store after a restart, a copy made of a snapshot and deltas, a checkpoint with the tail
/// behind it and a full rebuild all come to the model's very records.

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <iostream>
#include <random>

#include "store/client_sessions.hpp"
#include "store/mass_flush.hpp"
#include "store/mass_restore.hpp"
#include "tests/support/memory_records.hpp"
#include "tests/support/temp_dir.hpp"

using namespace harbinger;
using namespace harbinger::testing;

namespace {

constexpr auto part = make_partition_id(1, 0);
const std::atomic<bool> go_on{false};

std::shared_ptr<partition_store> open(const std::string& directory) {
  auto opened = partition_store::open({directory, false, 0});
  BOOST_REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : to_string(opened.error())));
  return *opened;
}

struct random_entries {
  std::mt19937_64 random;
  uint64_t next_request = 0;

  uint64_t pick(uint64_t below) { return random() % below; }
  std::string key() { return "k" + std::to_string(pick(30)); }
  std::string value() { return std::to_string(pick(4)); }
  record_op op() {
    switch (pick(8)) {
    case 0:
    case 1: return {op_kind::erase, {key()}, {}};
    case 2: {
      auto from = key(), to = key();
      if (to <= from) to = pick(4) == 0 ? "" : from + "~";
      return {op_kind::erase_range, {from}, {to}};
    }
    default: return {op_kind::put, {key()}, {value()}};
    }
  }
  write_batch batch() {
    write_batch out;
    for (auto n = 1 + pick(4); n > 0; --n) out.ops.push_back(op());
    for (auto n = pick(3); n > 0; --n) {
      auto kind = static_cast<condition_kind>(pick(3));
      out.conditions.push_back({kind, {key()}, {kind == condition_kind::equals ? value() : ""}});
    }
    if (pick(3) > 0) {
      out.client = "c" + std::to_string(pick(3) == 0 ? pick(3000) : pick(4));
      bool late = pick(3) == 0 && next_request > 2;
      out.request = late ? next_request - pick(3) : ++next_request;
    }
    return out;
  }
};

struct world {
  test::temp_dir directory;
  random_entries entries;
  std::shared_ptr<partition_store> store;
  std::shared_ptr<mass_storage> mass;
  memory_records model;
  version at, flushed;
  std::map<entry_verdict, uint64_t> verdicts;
  uint64_t repeated = 0;

  explicit world(uint64_t seed) : entries{std::mt19937_64{seed}} {
    store = open(directory.path() + "/primary");
    mass = *mass_storage::open(directory.path() + "/mass");
    store_write made{part, epoch{1}, true, head_change{}, {}, {}, {}};
    made.change->role = replica_role::primary;
    made.change->state = replica_state::following;
    BOOST_REQUIRE(store->write_one(made));
    store_write many{part, epoch{1}, false, {}, at, {}, {}}; // sessions are nearly full
    for (size_t i = 0; i + 50 < sessions_max; ++i) {
      at = {epoch{1}, seq_no{i + 1}};
      many.entries.push_back(
          {at, {{{op_kind::put, {"k"}, {"v"}}}, {}, "old" + std::to_string(i), 1}});
      model.apply(many.entries.back());
    }
    BOOST_REQUIRE(store->write_one(many));
  }

  /// A group of writes, each of some entries; a write in between is refused now and then.
  void write_group() {
    std::vector<store_write> group;
    std::vector<std::vector<entry_outcome>> expected;
    for (auto writes = 1 + entries.pick(3); writes > 0; --writes) {
      store_write w{part, epoch{1}, false, {}, at, {}, {}};
      bool refused = entries.pick(8) == 0;
      if (refused) w.previous.seq.value += 5;
      auto& outcomes = expected.emplace_back();
      auto last = w.previous;
      for (auto n = 1 + entries.pick(3); n > 0; --n) {
        ++last.seq.value;
        last.epoch = epoch{1};
        w.entries.push_back({last, entries.batch()});
        if (!refused) outcomes.push_back(model.apply(w.entries.back()));
      }
      if (!refused) at = last;
      w.committed = last.seq;
      group.push_back(std::move(w));
    }
    auto answers = store->write(group);
    for (size_t i = 0; i < group.size(); ++i) {
      BOOST_REQUIRE(answers[i].has_value() == !expected[i].empty());
      if (answers[i]) BOOST_REQUIRE(answers[i]->outcomes == expected[i]);
      for (const auto& o : expected[i]) {
        ++verdicts[o.verdict];
        repeated += o.repeated();
      }
    }
  }
  void expect_model(partition_store& other) {
    auto head = other.head(part);
    BOOST_REQUIRE(head.has_value());
    BOOST_TEST(head->version == at);
    BOOST_REQUIRE(head->digest == model.digest());
    BOOST_TEST(head->records == model.rows.size());
    BOOST_REQUIRE(other.verify(part).has_value());
    std::map<std::string, std::string> rows;
    auto page = other.scan(part, "", scan_rows_max, 64 << 20);
    BOOST_REQUIRE(page.has_value());
    for (const auto& row : page->rows) rows.emplace(row.key.data, row.value.data);
    BOOST_REQUIRE(rows == model.user_rows());
  }
  void flush() {
    BOOST_REQUIRE(flush_log(*mass, *store, *store->head(part), node_id{"n1"}, flushed));
  }
};

void copy_into(partition_store& target, const partition_snapshot& snapshot) {
  const auto& head = snapshot.head();
  BOOST_REQUIRE(target.begin_copy(part, copy_id{1}, ""));
  auto page = snapshot.read("", false, 64 << 20, SIZE_MAX);
  BOOST_REQUIRE(page.has_value());
  BOOST_REQUIRE(target.ingest_rows(part, copy_id{1}, 0, page->rows));
  BOOST_REQUIRE(target.finish_copy(part, copy_id{1}, head.version, head.digest, head.history,
                                   replica_state::following));
}

void one_history(uint64_t seed, std::map<entry_verdict, uint64_t>& verdicts, uint64_t& repeated) {
  world w(seed);
  for (int i = 0; i < 150; ++i) w.write_group();
  w.flush();
  auto snapshot = w.store->open_snapshot(part);
  BOOST_REQUIRE(snapshot.has_value());
  BOOST_REQUIRE(w.mass->write_checkpoint(**snapshot, node_id{"n1"}));
  auto copy = open(w.directory.path() + "/copy");
  copy_into(*copy, **snapshot);
  snapshot->reset();
  for (int i = 0; i < 150; ++i) w.write_group();
  w.flush();
  w.expect_model(*w.store);
  w.store.reset();
  w.store = open(w.directory.path() + "/primary");
  w.expect_model(*w.store);

  auto behind = copy->head(part)->version;
  auto deltas = w.store->log_after(part, behind, w.at.seq, 64 << 20);
  BOOST_REQUIRE(deltas.has_value());
  BOOST_REQUIRE(copy->write_one({part, epoch{1}, false, {}, behind, *deltas, w.at.seq}));
  w.expect_model(*copy);
  for (auto method : {restore_method::checkpoint_tail, restore_method::full_rebuild}) {
    auto restored = open(w.directory.path() + '/' + std::string(name_of(method)));
    BOOST_REQUIRE(restore_from_mass(*w.mass, *restored, part, copy_id{1}, method, go_on));
    w.expect_model(*restored);
  }
  BOOST_TEST(!find_session(w.model, "old0")->has_value()); // there were more clients than sessions
  for (auto [verdict, count] : w.verdicts) verdicts[verdict] += count;
  repeated += w.repeated;
}

/// A secondary takes entries of which it learns late, if ever, that they are committed; now and
/// then another primary wins from some point on.
void one_life_of_a_secondary(uint64_t seed, uint64_t& undone) {
  test::temp_dir directory;
  random_entries entries{std::mt19937_64{seed}};
  auto store = open(directory.path() + "/secondary");
  store_write made{part, epoch{1}, true, head_change{}, {}, {}, {}};
  made.change->role = replica_role::secondary;
  made.change->state = replica_state::following;
  BOOST_REQUIRE(store->write_one(made));
  epoch_history history{{epoch{1}, seq_no{1}}};
  std::vector<memory_records> states(1); // by sequence number
  std::vector<version> versions(1);
  uint64_t committed = 0;
  for (int round = 0; round < 120; ++round) {
    auto now = history.back().epoch;
    store_write w{part, now, false, {}, versions.back(), {}, seq_no{committed}};
    for (auto n = 1 + entries.pick(3); n > 0; --n) {
      versions.push_back({now, seq_no{versions.size()}});
      w.entries.push_back({versions.back(), entries.batch()});
      states.push_back(states.back());
      states.back().apply(w.entries.back());
    }
    if (entries.pick(3) == 0) committed += entries.pick(versions.size() - committed);
    if (entries.pick(2) == 0) w.committed = seq_no{committed};
    BOOST_REQUIRE(store->write_one(w));
    if (entries.pick(9) == 0) {
      store.reset();
      store = open(directory.path() + "/secondary");
    }
    if (entries.pick(6) > 0) continue;
    auto fork = committed + entries.pick(versions.size() - committed);
    auto lost = versions.size() - 1 - fork;
    auto truth = history;
    truth.push_back({epoch{now.value + 1}, seq_no{fork + 1}});
    auto rewound = store->rewind(part, truth);
    BOOST_REQUIRE_MESSAGE(rewound.has_value(), (rewound ? "" : to_string(rewound.error())));
    BOOST_REQUIRE_EQUAL(rewound->undone, lost);
    undone += lost;
    versions.resize(fork + 1);
    states.resize(fork + 1);
    BOOST_REQUIRE(rewound->head.version == versions.back());
    BOOST_REQUIRE(rewound->head.digest == states.back().digest());
    BOOST_REQUIRE(rewound->head.records == states.back().rows.size());
    BOOST_REQUIRE(store->verify(part).has_value());
    std::erase_if(truth, [&](const auto& e) { return e.first_seq.value > fork + 1; });
    history = truth;
    committed = fork; // all that the winner of an epoch holds
  }
}

uint64_t from_environment(const char* name, uint64_t otherwise) {
  auto* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

} // namespace

BOOST_AUTO_TEST_CASE(every_way_to_a_state_comes_to_the_records_of_the_model) {
  std::map<entry_verdict, uint64_t> verdicts;
  uint64_t repeated = 0;
  auto first = from_environment("HARBINGER_SEED", 1);
  for (auto seed = first; seed < first + from_environment("HARBINGER_SEEDS", 12); ++seed)
    BOOST_TEST_CONTEXT("HARBINGER_SEED=" << seed << " HARBINGER_SEEDS=1")
  one_history(seed, verdicts, repeated);
  for (auto [verdict, count] : verdicts) std::cout << name_of(verdict) << ' ' << count << ", ";
  std::cout << "repeated " << repeated << '\n';
  for (auto verdict :
       {entry_verdict::applied, entry_verdict::condition_failed, entry_verdict::stale_request})
    BOOST_TEST(verdicts[verdict] > 0u);
  BOOST_TEST(repeated > 0u);
}

BOOST_AUTO_TEST_CASE(a_tail_that_is_taken_back_leaves_the_records_of_the_model_at_the_fork_point) {
  uint64_t undone = 0;
  auto first = from_environment("HARBINGER_SEED", 1);
  for (auto seed = first; seed < first + from_environment("HARBINGER_SEEDS", 12); ++seed)
    BOOST_TEST_CONTEXT("HARBINGER_SEED=" << seed << " HARBINGER_SEEDS=1")
  one_life_of_a_secondary(seed, undone);
  std::cout << "taken back " << undone << '\n';
  BOOST_TEST(undone > 0u);
}
