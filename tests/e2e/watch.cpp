#include <csignal>
#include <fstream>

#include <nlohmann/json.hpp>

#include "app/change_feed.hpp"
#include "tests/support/live_cluster.hpp"
#include "tests/support/temp_dir.hpp"

/// Changes are followed while primaries are killed: every acknowledged write is told once, in
/// order, by the library and by the command line.

using namespace harbinger;
using harbinger::testing::live_cluster;

namespace {

using told = std::map<partition_id, std::vector<version>>;

/// Takes what the feed has until all of `wanted` came or it takes too long.
void follow(change_feed& feed, const told& wanted, told& seen) {
  auto until = std::chrono::steady_clock::now() + seconds(60);
  auto all_there = [&] {
    return std::all_of(wanted.begin(), wanted.end(), [&](const auto& w) {
      return !seen[w.first].empty() && seen[w.first].back() >= w.second.back();
    });
  };
  while (!all_there() && std::chrono::steady_clock::now() < until) {
    auto changes = feed.next(milliseconds(100));
    live_cluster::require(changes);
    for (const auto& c : *changes) seen[c.partition].push_back(c.batch.version);
  }
}

struct watching_command {
  harbinger::test::temp_dir directory;
  process command;

  explicit watching_command(const live_cluster& live) {
    auto started = process::start(
        {{HARBINGER_BIN_DIR "/harbinger", "--central", live.cluster->control_endpoint(), "client",
          "watch", live_cluster::volume, "--from", "0:0"},
         {},
         directory / "lines"});
    live_cluster::require(started);
    command = std::move(*started);
  }
  told lines() const {
    told out;
    std::ifstream in(directory / "lines");
    for (std::string line; std::getline(in, line) && !in.eof();) {
      BOOST_REQUIRE_MESSAGE(line.starts_with('{'), line);
      auto change = nlohmann::json::parse(line);
      auto at = change["version"].get<std::string>();
      auto colon = at.find(':');
      out[*parse_partition_id(change["partition"].get<std::string>())].push_back(
          {epoch{std::stoull(at)}, seq_no{std::stoull(at.substr(colon + 1))}});
    }
    return out;
  }
};

} // namespace

BOOST_AUTO_TEST_CASE(
    every_acknowledged_write_is_told_once_and_in_order_though_primaries_are_killed) {
  live_cluster live;
  watching_command command(live);
  client_options patient;
  patient.deadline = seconds(60);
  auto writer = client::connect(live.cluster->control_endpoint(), patient);
  auto reader = client::connect(live.cluster->control_endpoint(), patient);
  live.require(writer);
  live.require(reader);
  auto feed = change_feed::open(*reader, live_cluster::volume); // from now on: nothing is there yet
  live.require(feed);
  told written, seen;
  uint64_t number = 0;
  auto write = [&](int count) {
    for (int i = 0; i < count; ++i) {
      auto key = "key" + std::to_string(++number);
      auto done = writer->put(live_cluster::volume, key, "x");
      live.require(done);
      written[*writer->partition_of(live_cluster::volume, key)].push_back(*done);
      (void)writer->compare_and_set(live_cluster::volume, key, "other", "y"); // changes nothing
    }
  };
  auto require_printed = [&] {
    auto until = std::chrono::steady_clock::now() + seconds(30);
    while (command.lines() != written && std::chrono::steady_clock::now() < until)
      pause_for(milliseconds(50));
    BOOST_REQUIRE((command.lines() == written));
  };
  write(60);
  follow(*feed, written, seen);
  require_printed();
  for (size_t victim : {0u, 1u}) {
    auto name = live.kill(victim);
    write(60);
    follow(*feed, written, seen);
    require_printed(); // or it would be left behind by a copy that becomes primary
    live.require(live.cluster->start_node(victim));
    live.require_state(name, node_state::up);
    live.require_full();
  }
  BOOST_TEST((seen == written));
  require_printed();
  command.command.signal(SIGINT);
  auto end = command.command.wait(seconds(10));
  BOOST_REQUIRE(end.has_value());
  BOOST_TEST(to_string(*end) == "exit code 0");
}
