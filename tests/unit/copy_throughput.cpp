#include <boost/test/unit_test.hpp>

#include <filesystem>

#include <unistd.h>

#include "app/copy_throughput.hpp"

using namespace harbinger;
namespace fs = std::filesystem;

BOOST_AUTO_TEST_CASE(a_copy_over_loopback_arrives_whole) {
  auto root =
      (fs::temp_directory_path() / ("hb-throughput-" + std::to_string(::getpid()))).string();
  fs::remove_all(root);
  auto source = partition_store::open({root + "/source", false, 0});
  BOOST_REQUIRE(source);
  BOOST_REQUIRE(fill_for_copy(**source, {.bytes = 20 << 20}));
  copy_throughput_options options;
  options.directory = root + "/target";
  options.sync_writes = false;
  auto measured = measure_copy(**source, options);
  source->reset();
  fs::remove_all(root);
  BOOST_REQUIRE(measured);
  BOOST_TEST(measured->bytes >= 20u << 20);
  BOOST_TEST(measured->wire_bytes >= measured->bytes);
  BOOST_TEST_MESSAGE(static_cast<double>(measured->bytes) / measured->seconds / 1e6 << " MB/s");
}
