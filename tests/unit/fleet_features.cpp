/// What happens to a node and not to its fleet.

#include <cmath>
#include <map>

#include <boost/test/unit_test.hpp>

#include "history/history.hpp"
#include "predict/features.hpp"

using namespace harbinger;
using namespace harbinger::predict;

namespace {
const time_scales scales = make_scales({300, 900, 3600}, 1800, 600);

/// Machines measured each minute: a share "used" and a gauge "load", neither of which reads the
/// same on every machine.
struct fleet {
  explicit fleet(size_t nodes) {
    history h;
    h.metrics = {{"used", "", history_reading::share, false, 0.001},
                 {"load", "", history_reading::gauge, false, 0.1}};
    schema = history_schema(h);
    engine.emplace(scales, schema);
    specs = std::make_shared<const std::vector<metric_spec>>(
        std::vector<metric_spec>{{"used", metric_kind::gauge}, {"load", metric_kind::gauge}});
    for (size_t i = 0; i < nodes; ++i) engine->add_node(id(i), "", {}, 0);
    count = nodes;
  }
  static node_id id(size_t i) { return node_id{"n" + std::to_string(i)}; }
  /// `of(i, minute)`: used, load.
  template <class Values>
  void run(int minutes, Values of) {
    for (int m = 0; m < minutes; ++m, ++minute)
      for (size_t i = 0; i < count; ++i) {
        auto [used, load] = of(i, minute);
        auto at_ms = int64_t{minute} * 60'000;
        engine->add({id(i), {}, 1, specs, {unix_ms{at_ms}}, {used, load}}, at_ms);
      }
  }
  double get(size_t node, const std::string& name) const {
    feature_table table;
    engine->table(int64_t{minute} * 60'000, table);
    for (size_t i = 0; i < table.nodes.size(); ++i)
      for (size_t f = 0; f < table.width; ++f)
        if (table.nodes[i] == id(node) && feature_name(*schema, f) == name) return table.row(i)[f];
    throw std::runtime_error("no feature " + name);
  }

  schema_ptr schema;
  std::optional<feature_engine> engine;
  std::shared_ptr<const std::vector<metric_spec>> specs;
  size_t count = 0;
  int minute = 0;
};
using both = std::pair<double, double>;
} // namespace

BOOST_AUTO_TEST_CASE(what_happens_to_all_is_nobodys_trouble) {
  fleet f(8);
  f.run(60, [](size_t i, int m) { return both(0.1 + 0.01 * m, 5.0 * double(i) + m); });
  for (size_t i = 0; i < 8; ++i) {
    BOOST_TEST(f.get(i, "used full_in") == 10.0);
    BOOST_TEST(std::fabs(f.get(i, "load outgrows")) < 1e-6);
    BOOST_TEST(std::fabs(f.get(i, "load strays")) < 1e-6);
  }
}

BOOST_AUTO_TEST_CASE(the_one_that_fills_up_is_told_when_it_will_be_full) {
  fleet f(8);
  // Every machine has another level; all grow a little, one by a hundredth a minute more.
  f.run(60, [](size_t i, int m) {
    return both(0.1 + 0.01 * double(i) + 0.001 * m + (i == 3 ? 0.01 * m : 0.0), 1.0);
  });
  // 0.14 + 0.011 * 59 = 0.79 now, a little less over the short window; 0.01 a minute is left.
  for (const char* name : {"used full_in_short", "used full_in", "used full_in_long"})
    BOOST_TEST(f.get(3, name) == 26.0 / 30, boost::test_tools::tolerance(0.1));
  BOOST_TEST(f.get(3, "used outgrows") > 5.0);
  BOOST_TEST(f.get(3, "used strays") > 5.0);
  BOOST_TEST(f.get(2, "used full_in") == 10.0);
  BOOST_TEST(f.get(2, "used outgrows") < 1.0);
}

BOOST_AUTO_TEST_CASE(without_others_its_own_rate_counts_and_nothing_is_compared) {
  fleet f(2);
  f.run(60, [](size_t i, int m) { return both(i == 0 ? 0.1 + 0.01 * m : 0.2, m); });
  BOOST_TEST(f.get(0, "used full_in") == 33.0 / 30, boost::test_tools::tolerance(0.1));
  BOOST_TEST(f.get(1, "used full_in") == 10.0);
  BOOST_TEST(std::isnan(f.get(0, "load outgrows")));
  BOOST_TEST(std::isnan(f.get(0, "load strays")));
}

BOOST_AUTO_TEST_CASE(below_half_of_its_limit_a_share_says_nothing_of_its_level) {
  fleet f(3);
  f.run(60, [](size_t i, int) { return both(i == 0 ? 0.1 : i == 1 ? 0.45 : 0.9, 1.0); });
  BOOST_TEST(f.get(0, "used pressure") == 0.0);
  BOOST_TEST(f.get(1, "used pressure") == 0.0);
  BOOST_TEST(f.get(2, "used pressure") == 0.8, boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(a_silent_node_is_no_measure_for_the_others) {
  fleet f(5);
  f.run(60, [](size_t, int) { return both(0.2, 1.0); });
  // Two go silent; with three that are heard the comparison goes on, among them.
  f.count = 3;
  f.run(30, [](size_t i, int m) { return both(0.2, i == 0 ? m : 1.0); });
  BOOST_TEST(f.get(0, "load outgrows") > 5.0);
  f.count = 2;
  f.run(30, [](size_t i, int m) { return both(0.2, i == 0 ? m : 1.0); });
  BOOST_TEST(std::isnan(f.get(0, "load outgrows")));
}
