#include <filesystem>
#include <fstream>

#include "app/client.hpp"
#include "tests/support/live_cluster.hpp"

using namespace harbinger;
using harbinger::testing::live_cluster;

namespace {

/// The trouble library reads the file every 50 ms; it is replaced whole.
void make_trouble(const cluster_node& node, const std::string& line) {
  auto file = node.trouble_file();
  std::ofstream(file + ".new") << line << '\n';
  std::filesystem::rename(file + ".new", file);
}

} // namespace

BOOST_AUTO_TEST_CASE(
    a_full_disk_refuses_writes_with_its_reason_and_room_heals_it_without_a_restart) {
  live_cluster live(4, true);
  load traffic(live.traffic());
  traffic.start();
  live.require_progress(traffic, 100);

  auto& sick = live.cluster->nodes()[1];
  make_trouble(sick, "disk_full 1");
  pause_for(milliseconds(300)); // until the library has read it
  client_options patience;
  patience.deadline = seconds(3);
  auto writer = client::connect(live.cluster->control_endpoint(), patience);
  live.require(writer);
  for (const auto& row : writer->map().partitions) {
    bool concerned = std::count(row.sync_set.begin(), row.sync_set.end(), node_id{sick.name}) > 0;
    auto written = writer->put(row.id, {{op_kind::put, bytes{"key"}, bytes{"value"}}});
    BOOST_TEST_CONTEXT("partition " << row.id << " on " << sick.name << ": " << concerned) {
      BOOST_TEST(written.has_value() != concerned);
      if (!written)
        BOOST_TEST(to_string(written.error()).find("no_space") != std::string::npos,
                   to_string(written.error()));
    }
  }
  // It is no death: the node answers, keeps its replicas, and reads go on everywhere.
  auto reads = traffic.counts().reads;
  pause_for(seconds(1));
  BOOST_TEST(traffic.counts().reads > reads);
  BOOST_TEST(!sick.daemon.ended().has_value());
  live.require_state(sick.name, node_state::up);

  make_trouble(sick, "disk_full 0");
  live.require_progress(traffic, 200);
  live.require_full();
  live.require_nothing_lost(traffic);
}
