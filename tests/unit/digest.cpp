#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>
#include <random>

#include "core/digest.hpp"

using namespace harbinger;

namespace {
constexpr uint64_t seed = 4711;

std::map<std::string, std::string> random_map(std::mt19937_64& random, size_t size) {
  std::map<std::string, std::string> out;
  auto text = [&] {
    std::string s(random() % 30 + 1, '\0');
    for (auto& c : s) c = static_cast<char>(random());
    return s;
  };
  while (out.size() < size) out[text()] = text();
  return out;
}

digest of(const std::map<std::string, std::string>& map) {
  digest d;
  for (const auto& [key, value] : map) d.add(key, value);
  return d;
}
} // namespace

BOOST_AUTO_TEST_CASE(the_order_of_insertion_does_not_matter) {
  std::mt19937_64 random(seed);
  auto map = random_map(random, 500);
  std::vector<std::pair<std::string, std::string>> rows(map.begin(), map.end());
  std::shuffle(rows.begin(), rows.end(), random);
  digest shuffled;
  for (const auto& [key, value] : rows) shuffled.add(key, value);
  BOOST_TEST((shuffled == of(map)));
  BOOST_TEST(shuffled.total() == of(map).total());
}

BOOST_AUTO_TEST_CASE(removing_undoes_adding) {
  std::mt19937_64 random(seed);
  auto map = random_map(random, 100);
  auto d = of(map);
  d.add("extra", "value");
  BOOST_TEST((d != of(map)));
  d.remove("extra", "value");
  BOOST_TEST((d == of(map)));
  for (const auto& [key, value] : map) d.remove(key, value);
  BOOST_TEST((d == digest{}));
}

BOOST_AUTO_TEST_CASE(any_changed_record_shows_and_names_its_bucket) {
  std::mt19937_64 random(seed);
  auto map = random_map(random, 200);
  for (auto& [key, value] : map) {
    auto changed = map;
    changed[key] += 'x';
    BOOST_TEST((of(map).differing(of(changed)) == std::vector<size_t>{digest::bucket_of(key)}));
    BOOST_TEST(of(map).total() != of(changed).total());
  }
}

BOOST_AUTO_TEST_CASE(moving_bytes_between_key_and_value_changes_it) {
  BOOST_TEST((of({{"ab", "c"}}) != of({{"a", "bc"}})));
  BOOST_TEST((of({{"abc", ""}}) != of({{"", "abc"}})));
  BOOST_TEST((of({{"a", "b"}, {"c", "d"}}) != of({{"a", "d"}, {"c", "b"}})));
}

BOOST_AUTO_TEST_CASE(exchanging_the_values_of_two_keys_of_one_bucket_changes_it) {
  std::string one = "key0", other = "key1";
  for (int i = 1; digest::bucket_of(one) != digest::bucket_of(other); ++i)
    other = "key" + std::to_string(i);
  BOOST_TEST_REQUIRE(one != other);
  BOOST_TEST((of({{one, "x"}, {other, "y"}}) != of({{one, "y"}, {other, "x"}})));
}

BOOST_AUTO_TEST_CASE(an_empty_record_is_not_nothing) { BOOST_TEST((of({{"", ""}}) != digest{})); }

BOOST_AUTO_TEST_CASE(keys_spread_over_all_buckets) {
  std::vector<size_t> filled(digest::buckets);
  for (int i = 0; i < 4000; ++i) ++filled.at(digest::bucket_of("key" + std::to_string(i)));
  for (auto count : filled) BOOST_TEST(count > 150u); // 250 expected
}

BOOST_AUTO_TEST_CASE(sums_carry_the_whole_digest) {
  std::mt19937_64 random(seed);
  auto d = of(random_map(random, 50));
  BOOST_TEST((digest::from_sums(d.sums()) == d));
}

// Stored and sent by nodes of different builds: these numbers never change.
BOOST_AUTO_TEST_CASE(hashes_are_stable) {
  BOOST_TEST(hex64(checksum64("")) == "2d06800538d394c2");
  BOOST_TEST(hex64(checksum64("harbinger")) == "2438e059db3f8e76");
  BOOST_TEST(hex64(of({{"key", "value"}}).total()) == "d4f25c624d984086");
  BOOST_TEST(hex64(digest{}.total()) == "093c29f27ecfcf21");
  BOOST_TEST(hex64(0xab) == "00000000000000ab");
}
