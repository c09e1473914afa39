#include <boost/test/unit_test.hpp>

#include <array>

#include "core/ensure.hpp"
#include "core/result.hpp"

using namespace harbinger;

namespace {
// They travel on the wire and stand in docs/PROTOCOL.md: append, never rename or reorder.
constexpr std::array names{
    "internal",         "malformed",         "oversize",     "unsupported",   "invalid_argument",
    "unknown_node",     "unknown_partition", "not_primary",  "not_found",     "stale_epoch",
    "stale_term",       "conflict",          "gap",          "diverged",      "log_trimmed",
    "checksum",         "no_space",          "io",           "in_use",        "overloaded",
    "timeout",          "unavailable",       "no_candidate", "lease_expired", "cancelled",
    "condition_failed", "stale_request"};
} // namespace

BOOST_AUTO_TEST_CASE(names_are_stable) {
  for (size_t i = 0; i < names.size(); ++i) {
    auto code = static_cast<errc>(i);
    BOOST_TEST(to_string(code) == names[i]);
    BOOST_TEST((parse_errc(names[i]) == code));
  }
  BOOST_TEST(static_cast<size_t>(errc::stale_request) + 1 == names.size());
}

BOOST_AUTO_TEST_CASE(unknown_names_and_values_are_met_calmly) {
  BOOST_TEST(!parse_errc("").has_value());
  BOOST_TEST(!parse_errc("Gap").has_value());
  BOOST_TEST(to_string(static_cast<errc>(250)) == "internal");
}

BOOST_AUTO_TEST_CASE(an_error_reads_as_code_and_detail) {
  result<int> r = fail(errc::gap, "holds 1:4");
  BOOST_TEST(to_string(r.error()) == "gap: holds 1:4");
  BOOST_TEST(to_string(error{errc::io, ""}) == "io");
}

BOOST_AUTO_TEST_CASE(a_broken_invariant_says_where) {
  try {
    ENSURE(1 + 1 == 3);
    BOOST_FAIL("not thrown");
  } catch (const invariant_broken& e) {
    std::string what = e.what();
    BOOST_TEST(what.find("errc.cpp:") != std::string::npos);
    BOOST_TEST(what.find("1 + 1 == 3") != std::string::npos);
  }
}
