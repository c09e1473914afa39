#include <boost/test/unit_test.hpp>

#include <nlohmann/json.hpp>

#include "app/demo_zone.hpp"

using namespace harbinger;

namespace {

zone_demo_report good() {
  zone_demo_report r;
  r.trouble = "memory_leak";
  r.rack = "r1";
  r.nodes = {"n1", "n4"};
  r.warning_lead_s = 9.5;
  r.partitions = 24;
  r.partitions_at_risk = 14;
  r.partitions_whole = r.partitions_escalated = 2;
  r.escalation_s = 4.0;
  r.acknowledged_writes = 1000;
  r.detect_ms = 700;
  r.served_ms = r.all_reads_ms = r.all_writes_ms = 800;
  r.restored_ms = 1200;
  return r;
}

} // namespace

BOOST_AUTO_TEST_CASE(a_report_in_which_all_held_has_nothing_to_complain_of) {
  BOOST_TEST(broken_promises(good()).empty());
}

BOOST_AUTO_TEST_CASE(each_broken_promise_is_named) {
  const std::vector<void (*)(zone_demo_report&)> faults{
      [](zone_demo_report& r) { r.warning_lead_s.reset(); },
      [](zone_demo_report& r) { r.partitions_whole = r.partitions_escalated = 0; },
      [](zone_demo_report& r) { r.partitions_escalated = 1; },
      [](zone_demo_report& r) { r.acknowledged_writes = 0; },
      [](zone_demo_report& r) { r.acknowledged_writes_lost = 1; },
      [](zone_demo_report& r) { r.stale_reads = 1; },
      [](zone_demo_report& r) { r.unreadable_partitions = 1; },
      [](zone_demo_report& r) { r.served_ms.reset(); },
      [](zone_demo_report& r) { r.all_writes_ms.reset(); },
      [](zone_demo_report& r) { r.restored_ms.reset(); },
  };
  for (size_t i = 0; i < faults.size(); ++i) {
    auto report = good();
    faults[i](report);
    BOOST_TEST(broken_promises(report).size() == 1u, "fault " << i);
  }
}

BOOST_AUTO_TEST_CASE(the_document_says_what_would_be_gone_without_escalation) {
  auto report = good();
  report.restored_ms.reset();
  auto json = nlohmann::json::parse(to_json(report));
  BOOST_TEST(json["partitions_whole_in_rack"] == 2);
  BOOST_TEST(json["partitions_escalated"] == 2);
  BOOST_TEST(json["restored_ms"].is_null());
  BOOST_TEST(to_table(report).find("n1 and n4 (r1)") != std::string::npos);
}
