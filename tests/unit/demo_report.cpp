#include <boost/test/unit_test.hpp>

#include <nlohmann/json.hpp>

#include "app/demo_report.hpp"

using namespace harbinger;

namespace {

demo_report good() {
  demo_report r;
  r.trouble = "memory_leak";
  r.warning_lead_s = 9.5;
  r.acknowledged_writes = 1000;
  r.partitions_at_risk = r.partitions_prefetched = 8;
  r.bytes_prefetched = 1 << 20;
  r.detect_ms = 700;
  r.promote_ms = 50;
  r.first_read_ms = r.first_write_ms = 800;
  r.recovery_prefetched_ms = 900;
  r.recovery_checkpoint_tail_ms = 2000;
  r.recovery_full_rebuild_ms = 3000;
  return r;
}

} // namespace

BOOST_AUTO_TEST_CASE(a_report_in_which_all_held_has_nothing_to_complain_of) {
  BOOST_TEST(broken_promises(good()).empty());
}

BOOST_AUTO_TEST_CASE(each_broken_promise_is_named) {
  const std::vector<void (*)(demo_report&)> faults{
      [](demo_report& r) { r.warning_lead_s.reset(); },
      [](demo_report& r) { r.warning_lead_s = -1; },
      [](demo_report& r) { r.acknowledged_writes_lost = 1; },
      [](demo_report& r) { r.acknowledged_writes = 0; },
      [](demo_report& r) { r.stale_reads = 1; },
      [](demo_report& r) { r.unreadable_partitions = 1; },
      [](demo_report& r) { r.partitions_prefetched = 7; },
      [](demo_report& r) { r.recovery_prefetched_ms = 2500; },
      [](demo_report& r) { r.recovery_full_rebuild_ms.reset(); },
  };
  for (size_t i = 0; i < faults.size(); ++i) {
    auto report = good();
    faults[i](report);
    BOOST_TEST(broken_promises(report).size() == 1u, "fault " << i);
  }
}

BOOST_AUTO_TEST_CASE(the_document_has_the_fixed_names_and_null_for_what_was_not_reached) {
  auto report = good();
  report.first_read_ms.reset();
  auto json = nlohmann::json::parse(to_json(report));
  for (const char* key :
       {"trouble", "warning_lead_s", "acknowledged_writes", "acknowledged_writes_lost",
        "partitions_at_risk", "partitions_prefetched", "bytes_prefetched", "detect_ms",
        "promote_ms", "first_read_ms", "first_write_ms", "recovery_prefetched_ms",
        "recovery_checkpoint_tail_ms", "recovery_full_rebuild_ms"})
    BOOST_TEST(json.contains(key), key);
  BOOST_TEST(json["first_read_ms"].is_null());
  BOOST_TEST(json["warning_lead_s"] == 9.5);
  BOOST_TEST(json["acknowledged_writes_lost"] == 0);
}
