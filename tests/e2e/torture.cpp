/// A cluster of real processes under a plan of trouble that a seed decides, clients that note every
/// answer, and the judgement of all of it. HARBINGER_SEED repeats plan and requests, not the
/// machine's timing; HARBINGER_TORTURE_S is how long the trouble lasts.

#include <cstdlib>
#include <thread>

#include "tests/support/random_seed.hpp"
#include "tests/support/torture_stage.hpp"

using namespace harbinger;
using harbinger::testing::live_cluster;
using harbinger::testing::torture_stage;

namespace {

milliseconds torture_length() {
  const char* given = std::getenv("HARBINGER_TORTURE_S");
  return seconds(given ? std::stoul(given) : 20);
}

/// The clients, each on a thread.
class torture_load {
public:
  torture_load(const cluster& where, uint64_t seed) {
    for (size_t i = 0; i < 5; ++i)
      clients_.push_back(std::make_unique<torture::client>(
          where.control_endpoint(), torture::volumes{live_cluster::volume, torture_stage::triple},
          i, seed * 100 + i, i < 3 ? seconds(60) : seconds(1)));
    for (auto& c : clients_) threads_.emplace_back([&] { c->run(stop_, done_); });
  }
  ~torture_load() { stop(); }
  void stop() {
    stop_ = true;
    for (auto& t : threads_)
      if (t.joinable()) t.join();
  }
  bool goes_on(uint64_t more, duration patience) const {
    auto wanted = done_ + more;
    auto until = std::chrono::steady_clock::now() + patience;
    while (done_ < wanted && std::chrono::steady_clock::now() < until) pause_for(milliseconds(20));
    return done_ >= wanted;
  }
  /// After stop().
  torture::record noted() const {
    torture::record all;
    for (const auto& c : clients_) all.add(c->noted());
    return all;
  }

private:
  std::vector<std::unique_ptr<torture::client>> clients_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> done_{0};
};

void expect_none(const char* of, const std::vector<std::string>& complaints) {
  for (size_t i = 0; i < complaints.size() && i < 20; ++i)
    BOOST_TEST_MESSAGE(of << ": " << complaints[i]);
  BOOST_TEST(complaints.size() == 0u, of << ": " << complaints.size() << " complaints");
}

/// A last write to each partition: once it is answered nothing is under way any more, and every
/// member has all of it.
void last_words(const cluster& where) {
  auto writer = client::connect(where.control_endpoint(), {.deadline = seconds(30)});
  live_cluster::require(writer);
  for (const auto& row : partition_map(writer->map()).partitions)
    for (auto until = std::chrono::steady_clock::now() + seconds(60);;) {
      auto written = writer->put(row.id, {{op_kind::put, {"last"}, {"word"}}});
      if (written) break;
      // A store whose disk was full is refused with that reason until it has looked again.
      BOOST_REQUIRE_MESSAGE(std::chrono::steady_clock::now() < until, to_string(written.error()));
      pause_for(milliseconds(100));
    }
}

/// Every key once more, as the last reads of the histories, and the counters.
void read_back(const cluster& where, torture::record& noted,
               std::map<std::string, uint64_t>& counters) {
  auto reader = client::connect(where.control_endpoint());
  live_cluster::require(reader);
  torture::volumes volumes{live_cluster::volume, torture_stage::triple};
  for (auto& [key, ops] : noted.history) {
    auto asked = torture::now_ns();
    auto got = reader->get(volumes.of(key), key);
    live_cluster::require(got);
    sim::register_value value;
    if (got->found) value = got->value.data;
    ops.push_back({sim::operation::kind::read, value, asked, torture::now_ns()});
  }
  for (size_t i = 0; i < torture::counters; ++i) {
    auto key = torture::counter_key(i);
    auto got = reader->get(volumes.of(key), key);
    live_cluster::require(got);
    if (got->found) counters[key] = std::stoull(got->value.data);
  }
}

void say(const torture::record& noted, const torture_stage& stage,
         const torture_stage::stores& stores) {
  std::ostringstream out;
  out << noted.writes.size() << " writes acknowledged, " << noted.versions.size()
      << " versions told, " << noted.history.size() << " keys; " << stores.found
      << " looked up in logs; " << stores.conflicts << " entries in conflict journals, "
      << stores.journalled << " told of;";
  for (const auto& [what, count] : stage.made()) out << ' ' << what << ' ' << count;
  for (const auto& [why, count] : noted.failures) out << ", " << why << ' ' << count;
  std::cout << out.str() << std::endl;
}

} // namespace

BOOST_AUTO_TEST_CASE(whatever_befalls_nodes_centre_disks_and_connections_what_was_answered_holds) {
  auto seed = random_seed();
  auto plan = torture::make_plan(seed, 5, torture_length());
  for (const auto& s : plan) BOOST_TEST_MESSAGE(to_string(s));
  // Every other time logs are so short that whoever was away needs a copy.
  torture_stage stage(
      5, {{"replica.log_keep_entries", seed % 2 ? "200" : "50000"}, {"scrub.pause_s", "2"}});
  torture_load load(*stage.cluster, seed);
  BOOST_REQUIRE_MESSAGE(load.goes_on(50, seconds(20)), "nothing is written before the trouble");

  stage.carry_out(plan);
  stage.end_trouble();
  BOOST_REQUIRE_MESSAGE(stage.healed(seconds(120)), "the cluster does not heal");
  BOOST_TEST(load.goes_on(50, seconds(30)), "nothing is written after the trouble");
  load.stop();
  auto noted = load.noted();
  std::map<std::string, uint64_t> counters;
  last_words(*stage.cluster);
  read_back(*stage.cluster, noted, counters);
  BOOST_REQUIRE(stage.healed(seconds(60)));
  auto map = stage.cluster->map();
  stage.require(map);
  expect_none("verify", stage.verify_nodes());
  BOOST_TEST(stage.cluster->stop(seconds(20)), "not everybody ended in order");

  auto stores = stage.read_stores(*map, noted.writes);
  std::map<partition_id, epoch_history> histories;
  for (const auto& row : map->partitions) histories[row.id] = row.history;
  expect_none("P1", stage.complaints());
  expect_none("versions", torture::judge_versions(noted.versions));
  expect_none("history", torture::judge_history(noted.writes, histories));
  expect_none("keys", torture::judge_histories(noted.history));
  expect_none("counters", torture::judge_counters(noted.counters, counters));
  expect_none("stores", stores.complaints);
  BOOST_TEST(stores.found > 0u);
  say(noted, stage, stores);
}
