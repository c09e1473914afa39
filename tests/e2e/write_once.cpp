#include <atomic>
#include <csignal>
#include <thread>

#include "app/client.hpp"
#include "tests/support/live_cluster.hpp"

/// Writes are applied once, whatever happens to the primary that got them: counters are raised by
/// compare-and-set while primaries are killed. Had an increment been applied and its repetition
/// been refused, a counter would be higher than what was acknowledged.

using namespace harbinger;
using harbinger::testing::live_cluster;

namespace {

struct counted {
  uint64_t acknowledged = 0, unknown = 0, repetitions = 0;
};

/// Nobody else writes this key, so a condition that fails means that an increment was applied
/// without being acknowledged.
counted raise_until(const std::string& control, const std::string& key, std::atomic<bool>& stop,
                    std::atomic<uint64_t>& progress) {
  counted out;
  client_options patient;
  patient.deadline = seconds(60);
  patient.attempt = milliseconds(150); // shorter than a failover, and than some answers
  auto connection = client::connect(control, patient);
  if (!connection) return out;
  std::optional<std::string> value;
  while (!stop) {
    auto next = std::to_string(value ? std::stoull(*value) + 1 : 1);
    auto done = connection->compare_and_set(live_cluster::volume, key, value, next);
    if (!done) {
      ++out.unknown;
      break;
    }
    value = next;
    ++out.acknowledged;
    ++progress;
  }
  for (const auto& [why, count] : connection->retries()) out.repetitions += count;
  return out;
}

} // namespace

BOOST_AUTO_TEST_CASE(an_increment_is_counted_once_though_its_primary_is_killed) {
  live_cluster live;
  constexpr size_t writers = 4;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> progress{0};
  std::vector<counted> results(writers);
  std::vector<std::thread> threads;
  auto control = live.cluster->control_endpoint();
  for (size_t i = 0; i < writers; ++i)
    threads.emplace_back([&, i] {
      results[i] = raise_until(control, "counter" + std::to_string(i), stop, progress);
    });
  auto wait_for = [&](uint64_t more) {
    auto wanted = progress + more;
    auto until = std::chrono::steady_clock::now() + seconds(40);
    while (progress < wanted && std::chrono::steady_clock::now() < until)
      pause_for(milliseconds(5));
  };
  wait_for(100);
  for (size_t victim : {0u, 1u}) {
    auto& node = live.cluster->nodes()[victim];
    node.daemon.signal(SIGKILL);
    BOOST_TEST(node.daemon.wait(seconds(5)).has_value());
    live.require_state(node.name, node_state::dead);
    wait_for(100);
    live.require(live.cluster->start_node(victim));
    live.require_state(node.name, node_state::up);
    live.require_full();
  }
  wait_for(100);
  stop = true;
  for (auto& thread : threads) thread.join();

  auto reader = client::connect(control);
  live.require(reader);
  uint64_t acknowledged = 0, repetitions = 0;
  for (size_t i = 0; i < writers; ++i) {
    auto got = reader->get(live_cluster::volume, "counter" + std::to_string(i));
    live.require(got);
    BOOST_TEST(results[i].unknown == 0u);
    BOOST_TEST(got->value.data == std::to_string(results[i].acknowledged));
    acknowledged += results[i].acknowledged;
    repetitions += results[i].repetitions;
  }
  BOOST_TEST_MESSAGE(acknowledged << " increments, " << repetitions << " repetitions");
  BOOST_TEST(acknowledged >= 300u);
  BOOST_TEST(repetitions > 0u);
}
