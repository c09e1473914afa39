#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>

#include "history/csv.hpp"
#include "history/time_text.hpp"

using namespace harbinger;

namespace {
using table = std::vector<std::vector<std::string>>;

byte_source pieces(std::string text, size_t piece) {
  auto rest = std::make_shared<std::string>(std::move(text));
  return [rest, piece](char* to, size_t size) -> result<size_t> {
    auto n = std::min({size, piece, rest->size()});
    rest->copy(to, n);
    rest->erase(0, n);
    return n;
  };
}

/// The records, or the error in words.
result<table> read(const std::string& text, size_t piece = 1 << 20) {
  auto in = csv_reader::open("t.csv", pieces(text, piece));
  if (!in) return tl::unexpected(in.error());
  table out;
  out.push_back(in->columns());
  std::vector<std::string_view> fields;
  for (;;) {
    auto more = in->next(fields);
    if (!more) return tl::unexpected(more.error());
    if (!*more) return out;
    out.emplace_back(fields.begin(), fields.end());
  }
}
std::string trouble(const std::string& text) {
  auto got = read(text);
  return got ? "none" : to_string(got.error());
}
} // namespace

BOOST_AUTO_TEST_CASE(quotes_line_ends_and_empty_lines_are_understood) {
  auto got = read("\xEF\xBB\xBF\"a\",b,c\r\n1,\"x, \"\"y\"\"\nz\",\r\n\r\n\"\",5\" disk,\"\"\"\"");
  BOOST_REQUIRE(got.has_value());
  table expected{{"a", "b", "c"}, {"1", "x, \"y\"\nz", ""}, {"", "5\" disk", "\""}};
  BOOST_TEST((*got == expected));
}

BOOST_AUTO_TEST_CASE(pieces_of_any_size_give_the_same_records) {
  std::string text = "\"a\",b\r\n\"1\n\"\"2\",3\r\n\n4,\"\"\n5,6";
  auto whole = read(text);
  BOOST_REQUIRE(whole.has_value());
  for (size_t piece = 1; piece < 12; ++piece) BOOST_TEST((*read(text, piece) == *whole));
}

BOOST_AUTO_TEST_CASE(what_is_no_table_is_refused_with_file_and_line) {
  BOOST_TEST(trouble("") == "malformed: t.csv: empty, not even a header line");
  BOOST_TEST(trouble("a,b\n1,2\n3\n") == "malformed: t.csv:3: 1 fields, where the header has 2");
  BOOST_TEST(trouble("a,b\n\"1\n\",2\n3,4,5")
             == "malformed: t.csv:4: 3 fields, where the header has 2");
  BOOST_TEST(trouble("a,b\n1,\"2\n") == "malformed: t.csv:2: a quote is not closed");
  BOOST_TEST(trouble("a,b\n\"1\"x,2\n") == "malformed: t.csv:2: text behind a closing quote");
  BOOST_TEST(trouble("a,a\n") == "malformed: t.csv:1: two columns are named 'a'");
  BOOST_TEST(trouble("a\n" + std::string(3 << 20, 'x'))
             == "oversize: t.csv:2: a record of more than 1 MiB");
}

BOOST_AUTO_TEST_CASE(a_missing_column_is_named_with_the_file_and_what_there_is) {
  auto in = csv_reader::open("t.csv", pieces("a,b\n", 9));
  BOOST_TEST(*in->column("b") == 1u);
  BOOST_TEST(in->column("c").error().detail == "column 'c' is not in t.csv, which has a, b");
}

BOOST_AUTO_TEST_CASE(numbers_come_back_as_they_went) {
  for (double x : {0.0, -0.0, 0.1, 1.0 / 3, 1e300, -5e-324, 163491000000.0,
                   std::numeric_limits<double>::max()}) {
    std::string text;
    append_csv(text, x);
    double back = 7;
    BOOST_TEST(read_number(text, back));
    BOOST_TEST((back == x && std::signbit(back) == std::signbit(x)), text);
  }
  double ignored = 0;
  BOOST_TEST(!read_number("", ignored));
  BOOST_TEST(!read_number("1x", ignored));
  BOOST_TEST(!read_number(" 1", ignored));
  BOOST_TEST(!read_number("+-1", ignored));
  BOOST_TEST(read_number("+1.5", ignored));
  std::string missing;
  append_csv(missing, std::nan(""));
  BOOST_TEST(missing.empty());
}

BOOST_AUTO_TEST_CASE(times_are_read_by_their_format) {
  auto at = [](const char* text, const char* format) {
    auto ms = parse_time_ms(text, format);
    return ms ? time_text(*ms) : std::string("refused");
  };
  BOOST_TEST(at("2015-01-02 06:00:07", "%Y-%m-%d %H:%M:%S") == "2015-01-02T06:00:07Z");
  BOOST_TEST(at("Nov-96", "%b-%y") == "1996-11-01T00:00:00Z");
  BOOST_TEST(at("3-Aug", "%y-%b") == "2003-08-01T00:00:00Z");
  BOOST_TEST(at("Nov-96", "%y-%b") == "refused");
  BOOST_TEST(at("2020-04-08T18:52:00.125Z", "iso8601") == "2020-04-08T18:52:00.125Z");
  BOOST_TEST(at("2020-04-08 18:52", "iso8601") == "2020-04-08T18:52:00Z");
  BOOST_TEST(at("2020-04-08T18:52:00+02:00", "iso8601") == "2020-04-08T16:52:00Z");
  BOOST_TEST(at("2020-04-08", "iso8601") == "2020-04-08T00:00:00Z");
  BOOST_TEST(at("1969-12-31T23:59:59.5", "iso8601") == "1969-12-31T23:59:59.500Z");
  BOOST_TEST(at("2015-02-30", "%Y-%m-%d") == "refused");
  BOOST_TEST(at("2015-01-02x", "%Y-%m-%d") == "refused");
  BOOST_TEST(at("", "%Y-%m-%d") == "refused");
  BOOST_TEST(at("2015-01-02T", "iso8601") == "refused");
  BOOST_TEST(at("2015-01-02T25:00", "iso8601") == "refused");
}

BOOST_AUTO_TEST_CASE(durations_have_a_unit) {
  BOOST_TEST(*parse_duration_ms("30min") == 1'800'000);
  BOOST_TEST(*parse_duration_ms("1.5h") == 5'400'000);
  BOOST_TEST(*parse_duration_ms("500ms") == 500);
  for (auto text : {"", "30", "h", "-1h", "1 h", "1w", "infh", "1e99d"})
    BOOST_TEST(!parse_duration_ms(text), text);
  BOOST_TEST(duration_text(86'400'000) == "1d");
  BOOST_TEST(duration_text(1'800'000) == "30min");
  BOOST_TEST(duration_text(1501) == "1501ms");
}
