#include <boost/test/unit_test.hpp>

#include "zones/maintenance_book.hpp"

using namespace harbinger;

namespace {

constexpr unix_ms noon{1'800'000'000'000};
constexpr int64_t minute = 60'000, hour = 60 * minute;

struct ten_nodes {
  std::map<node_id, node_row> nodes;
  zone_settings rules;
  maintenance_book book;

  ten_nodes() {
    for (int i = 0; i < 10; ++i) {
      node_row row;
      row.id = node_id{"n" + std::to_string(i)};
      row.capacity_bytes = i == 9 ? 500 : 100;
      nodes[row.id] = row;
    }
  }
  result<bool> start(const std::string& node, int64_t in_ms = hour, int64_t for_ms = 0) {
    unix_ms begin{noon.value + in_ms};
    return book.start({node_id{node}, begin, unix_ms{for_ms ? begin.value + for_ms : 0}, "disks"},
                      nodes, rules);
  }
};

std::string problem(const std::vector<std::string>& words) {
  auto parsed = parse_maintenance(words, noon);
  return parsed ? "none" : to_string(parsed.error());
}

} // namespace

BOOST_AUTO_TEST_CASE(a_start_is_read_with_its_times_and_its_reason) {
  auto read =
      parse_maintenance({"n3", "--in", "30m", "--for", "2h", "--reason", "new", "disks"}, noon);
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST((*read
              == maintenance{node_id{"n3"}, unix_ms{noon.value + 30 * minute},
                             unix_ms{noon.value + 30 * minute + 2 * hour}, "new disks"}));
  auto now = parse_maintenance({"n3", "--in", "0s"}, noon);
  BOOST_TEST((*now == maintenance{node_id{"n3"}, noon, unix_ms{0}, ""}));
  BOOST_TEST((parse_maintenance({"n3", "--reason", "x", "--in", "1d"}, noon)->begin.value
              == noon.value + 24 * hour));
}

BOOST_AUTO_TEST_CASE(a_start_that_makes_no_sense_is_refused_with_what_is_wrong) {
  const std::string usage = "usage: maintenance start NODE --in TIME [--for TIME] [--reason TEXT]";
  BOOST_TEST(problem({}) == "invalid_argument: " + usage);
  BOOST_TEST(problem({"n3"}) == "invalid_argument: " + usage);
  BOOST_TEST(problem({"n 3", "--in", "5m"})
             == "invalid_argument: \"n 3\" is not a node's name; " + usage);
  BOOST_TEST(problem({"n3", "--in"}) == "invalid_argument: \"--in\" makes no sense here; " + usage);
  BOOST_TEST(problem({"n3", "--in", "5m", "--in", "6m"})
             == "invalid_argument: \"--in\" makes no sense here; " + usage);
  BOOST_TEST(problem({"n3", "soon"}) == "invalid_argument: \"soon\" makes no sense here; " + usage);
  for (auto bad : {"", "5", "m", "-5m", "5 m", "soon", "nan", "1e400h", "5mm"})
    BOOST_TEST(problem({"n3", "--in", bad})
               == "invalid_argument: --in \"" + std::string(bad)
                      + "\" is not a time such as 90s, 30m, 2h, 1d");
  BOOST_TEST(problem({"n3", "--in", "31d"})
             == "invalid_argument: --in \"31d\" is more than 30 days");
  BOOST_TEST(problem({"n3", "--in", "5m", "--for", "0s"})
             == "invalid_argument: --for must be longer than nothing");
  BOOST_TEST(problem({"n3", "--in", "5m", "--reason", std::string(201, 'x')})
             == "invalid_argument: the reason must be one line of at most 200 bytes");
  BOOST_TEST(problem({"n3", "--in", "5m", "--reason", "two\nlines"})
             == "invalid_argument: the reason must be one line of at most 200 bytes");
}

BOOST_FIXTURE_TEST_CASE(a_second_start_changes_the_first_and_an_end_without_one_is_refused,
                        ten_nodes) {
  BOOST_TEST(*start("n1") == false);
  BOOST_TEST(*start("n1", 2 * hour) == true);
  BOOST_TEST(book.entries().size() == 1u);
  BOOST_TEST(book.events(noon).at(0).within_s == 7200.0);
  BOOST_TEST(book.end(node_id{"n1"}).has_value());
  BOOST_TEST(to_string(book.end(node_id{"n1"}).error())
             == "not_found: no maintenance is planned for node n1");
}

BOOST_FIXTURE_TEST_CASE(unknown_and_dead_nodes_are_refused, ten_nodes) {
  BOOST_TEST(to_string(start("n77").error()) == "unknown_node: no node n77 in the catalog");
  nodes[node_id{"n1"}].state = node_state::dead;
  BOOST_TEST(to_string(start("n1").error())
             == "condition_failed: node n1 is dead: there is nothing left to prepare for");
  nodes[node_id{"n2"}].state = node_state::suspect;
  BOOST_TEST(start("n2").has_value());
}

BOOST_FIXTURE_TEST_CASE(a_start_past_the_brake_is_refused_and_names_the_share, ten_nodes) {
  for (auto n : {"n1", "n2", "n3"}) BOOST_TEST(start(n).has_value());
  BOOST_TEST(to_string(start("n4").error())
             == "condition_failed: planned maintenance would take 40 % of the nodes up, and "
                "zones.share_max allows 30 %: end another one first");
  BOOST_TEST(book.entries().size() == 3u);
  BOOST_TEST(start("n3", 2 * hour).has_value()); // a change takes nothing more
  (void)book.end(node_id{"n2"});
  BOOST_TEST(to_string(start("n9").error())
             == "condition_failed: planned maintenance would take 50 % of their capacity, and "
                "zones.capacity_share_max allows 30 %: end another one first");
  nodes[node_id{"n1"}].state = node_state::dead; // it takes nothing any more
  nodes[node_id{"n9"}].capacity_bytes = 100;
  BOOST_TEST(start("n4").has_value() == true);
}

BOOST_FIXTURE_TEST_CASE(one_node_may_always_be_taken_down, ten_nodes) {
  rules.share_max = 0.01;
  BOOST_TEST(start("n9").has_value());
  BOOST_TEST(!start("n8").has_value());
}

BOOST_FIXTURE_TEST_CASE(what_has_an_end_is_over_by_itself_and_the_rest_is_not, ten_nodes) {
  (void)start("n1", hour, hour), (void)start("n2", hour);
  BOOST_TEST(book.take_over(unix_ms{noon.value + 2 * hour - 1}).empty());
  auto over = book.take_over(unix_ms{noon.value + 2 * hour});
  BOOST_REQUIRE(over.size() == 1u);
  BOOST_TEST(over[0].node == node_id{"n1"});
  BOOST_TEST(book.entries().size() == 1u);
  BOOST_TEST(book.take_over(unix_ms{noon.value + 1000 * hour}).empty());
}

BOOST_FIXTURE_TEST_CASE(what_is_planned_says_how_far_it_is, ten_nodes) {
  auto text = [&](int64_t ahead_ms, const std::string& reason = "disks") {
    return maintenance_text({node_id{"n1"}, unix_ms{noon.value + ahead_ms}, {}, reason}, noon);
  };
  BOOST_TEST(text(30 * minute) == "maintenance in 30 min: disks");
  BOOST_TEST(text(90'000) == "maintenance in 90 s: disks");
  BOOST_TEST(text(3 * hour, "") == "maintenance in 3 h");
  BOOST_TEST(text(72 * hour) == "maintenance in 3 d: disks");
  BOOST_TEST(text(0) == "maintenance now: disks");
  BOOST_TEST(text(-5 * minute) == "maintenance for the last 5 min: disks");
}

BOOST_FIXTURE_TEST_CASE(the_file_gives_back_what_was_planned, ten_nodes) {
  (void)start("n1", hour, hour), (void)start("n2");
  auto read = maintenance_book::parse(book.to_json());
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST((read->entries() == book.entries()));
  BOOST_TEST(maintenance_book::parse(maintenance_book{}.to_json())->entries().empty());
}

BOOST_FIXTURE_TEST_CASE(a_damaged_file_is_refused_and_never_half_believed, ten_nodes) {
  (void)start("n1", hour, hour), (void)start("n2");
  auto text = book.to_json();
  auto code = [](const std::string& of) { return maintenance_book::parse(of).error().code; };
  for (size_t length = 0; length + 2 < text.size(); ++length)
    BOOST_REQUIRE((code(text.substr(0, length)) == errc::malformed));
  BOOST_TEST((code("[]") == errc::malformed));
  BOOST_TEST((code(R"({"format": 2, "maintenance": []})") == errc::unsupported));
  BOOST_TEST((code(R"({"format": 1, "maintenance": [7]})") == errc::malformed));
  auto entry = [&](const std::string& node, const std::string& begin, const std::string& end) {
    return R"({"node": ")" + node + R"(", "begin_ms": )" + begin + R"(, "end_ms": )" + end
           + R"(, "reason": ""})";
  };
  auto file = [](const std::string& entries) {
    return R"({"format": 1, "maintenance": [)" + entries + "]}";
  };
  BOOST_TEST(maintenance_book::parse(file(entry("n1", "5", "6"))).has_value());
  BOOST_TEST((code(file(entry("n 1", "5", "6"))) == errc::malformed));
  BOOST_TEST((code(file(entry("n1", "5", "5"))) == errc::malformed));
  BOOST_TEST((code(file(entry("n1", "-5", "0"))) == errc::malformed));
  BOOST_TEST((code(file(entry("n1", "\"x\"", "0"))) == errc::malformed));
  BOOST_TEST((code(file(entry("n1", "5", "0") + "," + entry("n1", "6", "0"))) == errc::malformed));
}
