#include <boost/test/unit_test.hpp>

#include <cmath>

#include "history/history_file.hpp"
#include "history/import.hpp"
#include "history/time_text.hpp"
#include "tests/support/temp_dir.hpp"

using namespace harbinger;
using harbinger::test::temp_dir;

namespace {
constexpr int64_t minute = 60'000, hour = 3'600'000, day = 86'400'000;

/// A schema and its tables, in a directory of their own.
struct tables : temp_dir {
  explicit tables(std::string schema_text) : schema(std::move(schema_text)) {}
  std::string schema;

  result<imported> get_all() const {
    put("schema.toml", "format = 1\nname = \"t\"\n" + schema);
    return import_csv(*this / "schema.toml", path());
  }
  imported read() const {
    auto got = get_all();
    BOOST_REQUIRE_MESSAGE(got.has_value(), (got ? "" : to_string(got.error())));
    return std::move(*got);
  }
  std::string trouble() const {
    auto got = get_all();
    if (got) return "none";
    auto text = to_string(got.error());
    for (size_t at; (at = text.find(path() + '/')) != std::string::npos;)
      text.erase(at, path().size() + 1);
    return text;
  }
};

const std::string wide = R"(
[[table]]
file = "s.csv"
kind = "samples"
node = "id"
time = { column = "t", unit = "s" }
metrics = [ { column = "x", unit = "1", reading = "gauge" }, { column = "y", unit = "1", reading = "counter", comparable = true } ]
)";
const std::string happened = R"(
[[table]]
file = "e.csv"
kind = "events"
node = "id"
time = { column = "t", unit = "s" }
code = "c"
)";
std::string lines(const history& h) {
  std::string out;
  auto text = [](double x) {
    return std::isnan(x) ? std::string("-") : std::to_string(static_cast<int>(x));
  };
  for (const auto& s : h.samples) {
    out += h.nodes[s.node].id.value + '@' + std::to_string(s.time_ms / 1000);
    for (double x : s.values) out += ' ' + text(x);
    out += '\n';
  }
  return out;
}
} // namespace

BOOST_AUTO_TEST_CASE(samples_are_ordered_and_the_last_of_a_moment_wins) {
  tables t(wide);
  t.put("s.csv", "id,t,y,x,other\nb,2,20,2,q\na,3,30,3,\nb,1,,1,\na,3,,33,\n");
  auto got = t.read();
  BOOST_TEST(lines(got.data) == "b@1 1 -\nb@2 2 20\na@3 33 -\n");
  BOOST_TEST(got.tables[0].rows == 4u);
  BOOST_TEST(got.tables[0].duplicates == 1u);
  BOOST_TEST(got.tables[0].out_of_order == 1u);
  BOOST_TEST(got.data.metrics[1].comparable);
  BOOST_TEST((got.data.metrics[1].reading == history_reading::counter));
  BOOST_TEST(got.data.nodes[0].id == node_id{"a"});
  BOOST_TEST(got.data.nodes[1].first_ms == 1000);
  BOOST_TEST(got.data.nodes[1].last_ms == 2000);
}

BOOST_AUTO_TEST_CASE(a_long_table_gives_the_same_as_a_wide_one) {
  tables t(R"(
[[table]]
file = "l.csv"
kind = "samples_long"
node = "id"
time = { column = "t", unit = "s" }
metric_column = "what"
value_column = "value"
metrics = [ { column = "X", name = "x", unit = "1", reading = "gauge" }, { column = "y", unit = "1", reading = "gauge" } ]
)");
  t.put("l.csv", "id,t,what,value\nb,2,X,9\nb,2,y,20\nb,1,X,1\na,3,y,30\nb,2,X,2\na,3,z,5\n");
  auto got = t.read();
  BOOST_TEST(lines(got.data) == "b@1 1 -\nb@2 2 20\na@3 - 30\n");
  BOOST_TEST(got.tables[0].duplicates == 1u);
  BOOST_TEST(got.tables[0].left_out == 1u); // z is no metric of the schema
}

BOOST_AUTO_TEST_CASE(tables_with_other_metrics_meet_in_one_sample) {
  auto second = wide;
  second.replace(second.find("s.csv"), 5, "r.csv");
  second.replace(second.find("column = \"x\""), 12, "column = \"z\"");
  tables t(wide + second);
  t.put("s.csv", "id,t,x,y\na,1,1,2\n");
  t.put("r.csv", "id,t,z,y\na,1,3,4\na,2,5,6\n");
  BOOST_TEST(lines(t.read().data) == "a@1 1 4 3\na@2 - 6 5\n");
}

BOOST_AUTO_TEST_CASE(infinite_and_nan_are_missing_and_counted) {
  tables t(wide);
  t.put("s.csv", "id,t,x,y\na,1,inf,nan\na,2,-INF,1e999\n");
  BOOST_TEST(t.trouble() == "invalid_argument: s.csv:3: column 'y': '1e999' is no number");
  t.put("s.csv", "id,t,x,y\na,1,inf,nan\na,2,-INF,7\n");
  auto got = t.read();
  BOOST_TEST(lines(got.data) == "a@1 - -\na@2 - 7\n");
  BOOST_TEST(got.tables[0].infinite_values == 3u);
}

BOOST_AUTO_TEST_CASE(what_can_not_be_read_ends_the_import_or_is_passed_over) {
  tables t(wide);
  t.put("s.csv", "id,t,x,y\na,1,1,1\na,noon,1,1\n");
  BOOST_TEST(t.trouble() == "invalid_argument: s.csv:3: column 't': 'noon' is no time");
  t.put("s.csv", "id,t,x,y\na,1,1,1\na,,1,1\n");
  BOOST_TEST(t.trouble() == "invalid_argument: s.csv:3: column 't': the time is missing");
  t.put("s.csv", "id,t,x,y\na,1,1,1\n,2,1,1\n");
  BOOST_TEST(t.trouble() == "invalid_argument: s.csv:3: the name of the node is missing");
  t.put("s.csv", "id,t,x,y\na,1,1,1\na,2,one,1\n");
  BOOST_TEST(t.trouble() == "invalid_argument: s.csv:3: column 'x': 'one' is no number");
  t.put("s.csv", "id,t,x,y\na,1,1,1\na,2,1");
  BOOST_TEST(t.trouble() == "malformed: s.csv:3: 3 fields, where the header has 4");
  t.put("s.csv", "id,t,x,y\na,1,1,1\na,noon,1,1\na,,1,1\n,2,1,1\na,2,one,1\na,3,NA, 7 \n");
  t.schema += "unreadable = \"skip\"\nmissing = [\"NA\"]\n";
  auto got = t.read();
  BOOST_TEST(lines(got.data) == "a@1 1 1\na@2 - 1\na@3 - 7\n");
  BOOST_TEST(got.tables[0].unreadable == 3u);
  BOOST_TEST(got.tables[0].unreadable_values == 1u);
}

BOOST_AUTO_TEST_CASE(missing_columns_and_files_and_empty_tables_are_named) {
  tables t(wide);
  BOOST_TEST(t.trouble().find("not_found: s.csv") == 0u);
  t.put("s.csv", "id,t,x\na,1,1\n");
  BOOST_TEST(t.trouble() == "invalid_argument: column 'y' is not in s.csv, which has id, t, x");
  t.put("s.csv", "");
  BOOST_TEST(t.trouble() == "malformed: s.csv: empty, not even a header line");
  t.put("s.csv", "id,t,x,y\n");
  BOOST_TEST(t.trouble() == "invalid_argument: the tables have not one node");
  t.put("s.csv", "id,t,x,y\na,1,1,1\n");
  t.schema += happened;
  t.put("e.csv", "id,t,c\n"); // a header alone: nothing happened
  BOOST_TEST(t.trouble() == "none");
}

BOOST_AUTO_TEST_CASE(events_of_unknown_nodes_are_refused_or_passed_over) {
  tables t(wide + happened);
  t.put("s.csv", "id,t,x,y\na,1,1,1\n");
  t.put("e.csv", "id,t,c\na,1,E1\nb,2,E2\n");
  BOOST_TEST(t.trouble() == "unknown_node: e.csv:3: b");
  t.schema += "unknown = \"skip\"\n";
  auto got = t.read();
  BOOST_TEST(got.data.events.size() == 1u);
  BOOST_TEST(got.tables[1].unknown == 1u);
  tables alone(happened); // no table says which nodes there are
  alone.put("e.csv", "id,t,c\nb,2,E2\na,1,E1\n");
  auto h = alone.read().data;
  BOOST_TEST(h.nodes.size() == 2u);
  BOOST_TEST(h.nodes[0].last_ms == 1000);
}

BOOST_AUTO_TEST_CASE(nodes_have_fleets_attributes_and_their_own_clocks) {
  tables t(R"(
numbers = ["size"]
categories = ["kind"]
[[table]]
file = "n.csv"
kind = "nodes"
node = ["rack", "id"]
fleet = "m"
attributes = { kind = "m", size = "tb" }
origin = { column = "born", format = "%Y-%m-%d", at = "h0", unit = "h" }
first = { column = "h0", unit = "h", origin = "node" }
last = { column = "h1", unit = "h", origin = "node" }
[[table]]
file = "f.csv"
kind = "failures"
node = ["rack", "id"]
where = ["dead = 1", "h >= 10"]
time = { column = "h", unit = "h", origin = "node" }
)");
  t.put("n.csv", "rack,id,m,tb,born,h0,h1\nr,1,M,4,2015-01-02,100,110\nr,2,M,,2015-01-02,0,24\n"
                 "r,1,N,5,,,\n");
  t.put("f.csv", "rack,id,h,dead\nr,1,105,1\nr,1,106,0\nr,2,9,1.0\nr,2,10,1.0\n");
  auto got = t.read();
  const auto& n = got.data.nodes;
  auto born = *parse_time_ms("2015-01-02", "iso8601");
  BOOST_REQUIRE(n.size() == 2u);
  BOOST_TEST(n[0].id == node_id{"r/1"});
  BOOST_TEST(n[0].fleet == "M");
  BOOST_TEST(n[0].attributes.at("size") == "4");
  BOOST_TEST(n[1].attributes.count("size") == 0u);
  BOOST_TEST(got.tables[0].contradictions == 3u); // the third row says otherwise; the first holds
  BOOST_TEST(n[0].first_ms == born);
  BOOST_TEST(n[0].last_ms == born + 10 * hour);
  BOOST_TEST(n[1].last_ms == born + 24 * hour);
  BOOST_REQUIRE(got.data.events.size() == 2u);
  BOOST_TEST(got.data.events[0].time_ms == born + 5 * hour);
  BOOST_TEST(got.data.events[1].time_ms == born + 10 * hour);
  BOOST_TEST(got.data.events[1].node == 1u);
  BOOST_TEST(got.tables[1].left_out == 2u);
}

BOOST_AUTO_TEST_CASE(a_roster_brings_in_the_nodes_that_never_failed) {
  tables t(R"(
[watched]
first = "fleet"
last = "fleet"
active_within = "30d"
[[table]]
file = "f.csv"
kind = "nodes"
node = ["sys", "n"]
fleet = "sys"
attributes = "mem"
first = { column = "prod", format = ["%b-%y", "%y-%b"] }
missing = "unknown"
roster = { count = "count", first = 0 }
[[table]]
file = "f.csv"
kind = "failures"
node = ["sys", "n"]
time = { column = "start", format = "%Y-%m-%d %H:%M" }
back = { column = "end", format = "%Y-%m-%d %H:%M" }
code = "cause"
)");
  t.put("f.csv", "sys,n,mem,count,prod,start,end,cause\n"
                 "A,1,8,6.0,Jan-97,1997-02-01 00:00,1997-02-01 01:00,disk\n"
                 "A,5,16,6.0,3-Feb,2003-03-01 00:00,,\n"
                 "B,0,1,1.0,unknown,1996-01-01 00:00,1996-01-02 00:00,disk\n"
                 "C,0,1,1.0,unknown,2003-02-27 00:00,2003-02-28 00:00,disk\n");
  auto got = t.read();
  std::string all;
  for (const auto& n : got.data.nodes)
    all += n.id.value + ' ' + n.attributes.at("mem") + ' ' + time_text(n.first_ms).substr(0, 10)
           + ' ' + time_text(n.last_ms).substr(0, 10) + '\n';
  BOOST_TEST(all
             == "A/0 8 1997-01-01 2003-03-01\nA/1 8 1997-01-01 2003-03-01\n"
                "A/2 8 1997-01-01 2003-03-01\nA/3 8 1997-01-01 2003-03-01\n"
                "A/4 16 2003-02-01 2003-03-01\nA/5 16 2003-02-01 2003-03-01\n"
                "B/0 1 1996-01-01 1996-01-01\nC/0 1 2003-02-27 2003-03-01\n");
  BOOST_TEST(got.from_roster == 4u);
  BOOST_TEST(got.data.events[1].back_ms - got.data.events[1].time_ms == hour);
  BOOST_TEST(got.data.events[3].back_ms == 0);
}

BOOST_AUTO_TEST_CASE(an_experiment_gives_failures_notes_and_what_is_known_after) {
  tables t(R"(
[watched]
known_after = "1h"
[[table]]
file = "m.csv"
kind = "samples"
node = ["run", "id"]
time = { column = "t", format = "iso8601" }
where = "left >= 0"
all_zero_is_missing = true
metrics = [ { column = "x", unit = "1", reading = "gauge" } ]
[[table]]
file = "m.csv"
kind = "failures"
node = ["run", "id"]
time = { column = "t", format = "iso8601" }
where = ["bad = 1", "left <= 0"]
once = true
back_after = "5min"
[[table]]
file = "m.csv"
kind = "notes"
node = ["run", "id"]
time = { column = "t", format = "iso8601" }
where = ["broken != 0"]
once = true
code_text = "injected"
)");
  t.put("m.csv", "run,id,t,x,left,bad,broken\n"
                 "e,a,2020-01-01T00:00Z,1,2,1,0\ne,a,2020-01-01T00:01Z,0,1,1,1\n"
                 "e,a,2020-01-01T00:02Z,3,0,1,1\ne,a,2020-01-01T00:03Z,4,-1,1,1\n"
                 "e,b,2020-01-01T00:00Z,1,2,0,0\ne,b,2020-01-01T00:01Z,2,1,0,1\n"
                 "e,b,2020-01-01T00:02Z,3,0,0,1\ne,b,2020-01-01T00:03Z,4,-1,0,1\n");
  auto got = t.read();
  auto start = *parse_time_ms("2020-01-01", "iso8601");
  BOOST_TEST(got.data.samples.size() == 6u);
  BOOST_TEST(std::isnan(got.data.samples[2].values[0]));
  BOOST_TEST(got.tables[0].all_zero == 1u);
  BOOST_REQUIRE(got.data.events.size() == 3u);
  const auto& e = got.data.events;
  BOOST_TEST(
      (e[0].what == happening::note && e[0].time_ms == start + minute && e[0].code == "injected"));
  BOOST_TEST((e[1].what == happening::note && e[1].node == 1));
  BOOST_TEST(
      (e[2].what == happening::failure && e[2].node == 0 && e[2].time_ms == start + 2 * minute));
  BOOST_TEST(e[2].back_ms == start + 7 * minute);
  for (const auto& n : got.data.nodes) {
    BOOST_TEST(n.last_ms == start + 2 * minute);
    BOOST_TEST(n.known_ms == start + 62 * minute);
  }
}

BOOST_AUTO_TEST_CASE(what_is_watched_can_be_said_and_rows_outside_widen_it) {
  tables t("[watched]\nfirst = \"1970-01-02\"\nlast = \"1970-01-04\"\n" + wide);
  t.put("s.csv", "id,t,x,y\na,86400,1,1\nb,1,1,1\n");
  auto got = t.read();
  BOOST_TEST(got.data.nodes[0].first_ms == day);
  BOOST_TEST(got.data.nodes[0].last_ms == 3 * day);
  BOOST_TEST(got.data.nodes[1].first_ms == 1000);
  BOOST_TEST(got.widened == 1u);
}

BOOST_AUTO_TEST_CASE(counts_of_events_are_taken) {
  tables t(wide + happened + "count = \"n\"\n");
  t.put("s.csv", "id,t,x,y\na,1,1,1\n");
  t.put("e.csv", "id,t,c,n\na,1,E,3\na,2,E,0\na,3,E,\n");
  auto got = t.read();
  BOOST_REQUIRE(got.data.events.size() == 2u);
  BOOST_TEST(got.data.events[0].count == 3);
  BOOST_TEST(got.data.events[1].count == 1);
  t.put("e.csv", "id,t,c,n\na,1,E,-3\n");
  BOOST_TEST(t.trouble() == "invalid_argument: e.csv:2: a count below 0");
}

BOOST_AUTO_TEST_CASE(schemas_are_read_strictly) {
  auto trouble = [](const std::string& text) {
    tables t(text);
    t.put("s.csv", "id,t,x,y\na,1,1,1\n");
    return t.trouble();
  };
  BOOST_TEST(trouble(wide) == "none");
  BOOST_TEST(trouble("colour = 1\n" + wide)
             == "invalid_argument: schema.toml:3: colour is no key known here");
  BOOST_TEST(trouble("") == "invalid_argument: schema.toml:1: table is missing");
  BOOST_TEST(trouble("numbers = [\"age\"]\n" + wide)
             == "invalid_argument: schema.toml:3: numbers names age, which no nodes table gives");
  auto with = [&](const std::string& from, const std::string& to) {
    auto text = wide;
    text.replace(text.find(from), from.size(), to);
    return trouble(text);
  };
  BOOST_TEST(with("\"samples\"", "\"sampels\"").find("schema.toml:6: table.kind is none of")
             != std::string::npos);
  BOOST_TEST(with("unit = \"s\"", "unit = \"y\"").find("schema.toml:8: table.time.unit is none of")
             != std::string::npos);
  BOOST_TEST(with(", unit = \"s\"", "").find("table.time.column needs either format or unit")
             != std::string::npos);
  BOOST_TEST(with("\"gauge\"", "\"gouge\"").find("table.metrics.reading is none of")
             != std::string::npos);
  BOOST_TEST(with("node = \"id\"", "").find("table.node is missing") != std::string::npos);
  BOOST_TEST(with("node = \"id\"", "node = 3").find("table.node is no text") != std::string::npos);
  BOOST_TEST(with("\"s.csv\"", "\"s.csv\nx\"").find("invalid_argument: schema.toml:5") == 0u);
  BOOST_TEST(trouble(wide + "where = \"x\"\n").find("is no comparison") != std::string::npos);
  BOOST_TEST(trouble(wide + "once = true\n").find("table.once is no key known here")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_order_of_rows_and_the_day_of_import_leave_no_trace) {
  tables t(wide), u(wide);
  t.put("s.csv", "id,t,x,y\nb,1,1,1\na,2,2,2\na,1,3,3\n");
  u.put("s.csv", "id,t,x,y\na,1,3,3\na,2,2,2\nb,1,1,1\n");
  BOOST_REQUIRE(write_history(t / "h", t.read().data).has_value());
  BOOST_REQUIRE(write_history(u / "h", u.read().data).has_value());
  for (auto part : {"h/history.json", "h/nodes.csv.zst", "h/samples.csv.zst", "h/events.csv.zst"})
    BOOST_TEST((t.get(part) == u.get(part)), part);
}
