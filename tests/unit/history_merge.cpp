#include <cmath>

#include <boost/test/unit_test.hpp>

#include "history/merge.hpp"

using namespace harbinger;

namespace {
history small(const std::string& name, std::vector<std::string> nodes, const std::string& fleet) {
  history h;
  h.name = name;
  h.source = "a test";
  h.metrics = {{"load", "", history_reading::gauge, true, 0.5}};
  for (auto& id : nodes) {
    h.nodes.push_back({node_id{id}, fleet, {}, 0, 100, 0});
    auto i = static_cast<uint32_t>(h.nodes.size() - 1);
    h.samples.push_back({i, 10, {1.0 + i}, 0});
    h.events.push_back({i, 20, happening::event, id, 1, 0});
  }
  return h;
}
std::vector<std::string> nodes_of(const result<history>& h) {
  if (!h) return {to_string(h.error())};
  std::vector<std::string> out;
  for (const auto& n : h->nodes) out.push_back(n.id.value + " of " + n.fleet);
  return out;
}
using texts = std::vector<std::string>;
} // namespace

BOOST_AUTO_TEST_CASE(ids_and_fleets_get_a_prefix_only_where_they_clash) {
  auto merged = [](history a, history b, std::string prefix = "") {
    return nodes_of(
        merge_histories({{std::move(a), std::move(prefix)}, {std::move(b), ""}}, "all"));
  };
  BOOST_TEST((merged(small("a", {"x", "y"}, "f"), small("b", {"z"}, "g"))
              == texts{"x of f", "y of f", "z of g"}));
  BOOST_TEST((merged(small("a", {"x", "y"}, "f"), small("b", {"y", "z"}, "g"))
              == texts{"a/x of f", "a/y of f", "b/y of g", "b/z of g"}));
  BOOST_TEST((merged(small("a", {"x"}, ""), small("b", {"y"}, "")) == texts{"x of a", "y of b"}));
  BOOST_TEST((merged(small("a", {"x"}, "f"), small("b", {"x"}, "f"), "east")
              == texts{"east/x of east/f", "b/x of b/f"}));
  BOOST_TEST(
      (merged(small("a", {"x"}, "f"), small("a", {"x"}, "g")).front().rfind("invalid", 0) == 0));
  BOOST_TEST(
      (merged(small("", {"x"}, "f"), small("a", {"x"}, "g")).front().rfind("invalid", 0) == 0));
  BOOST_TEST((merged(small("a", {"x", "b/x"}, "f"), small("b", {"x"}, "g"))
              == texts{"a/x of f", "a/b/x of f", "b/x of g"}));
}

BOOST_AUTO_TEST_CASE(rows_keep_their_node_and_their_values) {
  auto a = small("a", {"x", "y"}, "f"), b = small("b", {"z"}, "g");
  b.metrics = {{"heat", "K", history_reading::gauge, false, 0}, a.metrics[0]};
  b.samples[0].values = {300, 7};
  b.samples[0].time_ms = 5;
  b.samples[0].arrived_ms = 9;
  b.numbers = {"age"};
  auto h = merge_histories({{a, ""}, {b, ""}}, "all");
  BOOST_REQUIRE(h.has_value());
  BOOST_TEST(h->name == "all");
  BOOST_TEST(h->source == "a test");
  BOOST_TEST((h->numbers == texts{"age"}));
  BOOST_REQUIRE(h->metrics.size() == 2u);
  BOOST_REQUIRE(h->samples.size() == 3u);
  BOOST_TEST(h->samples[0].node == 2u); // it arrived first
  BOOST_TEST(h->samples[0].arrived_ms == 9);
  BOOST_TEST(h->samples[0].values[0] == 7);
  BOOST_TEST(h->samples[0].values[1] == 300);
  BOOST_TEST(h->samples[2].values[0] == 2);
  BOOST_TEST(std::isnan(h->samples[2].values[1]));
  for (const auto& e : h->events) BOOST_TEST(h->nodes[e.node].id.value == e.code);
}

BOOST_AUTO_TEST_CASE(what_contradicts_itself_is_refused) {
  auto a = small("a", {"x"}, "f"), b = small("b", {"y"}, "g");
  b.metrics[0].unit = "%";
  BOOST_TEST(!merge_histories({{a, ""}, {b, ""}}, "all").has_value());
  b = small("b", {"y"}, "g");
  b.on_change = true;
  BOOST_TEST(!merge_histories({{a, ""}, {b, ""}}, "all").has_value());
  BOOST_TEST(!merge_histories({}, "all").has_value());
  BOOST_TEST(merge_histories({{a, ""}}, "all").has_value());
}
