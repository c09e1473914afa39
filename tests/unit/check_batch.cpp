#include "replica/check_batch.hpp"

#include <boost/test/unit_test.hpp>

using namespace harbinger;
using harbinger::replication::check_batch;

namespace {

std::string refused(const write_batch& batch) {
  auto ok = check_batch(batch);
  return ok ? "" : std::string(to_string(ok.error().code));
}
write_batch one(op_kind kind, std::string key, std::string value) {
  return {{{kind, {std::move(key)}, {std::move(value)}}}};
}
write_batch with(write_condition condition) {
  auto batch = one(op_kind::put, "k", "v");
  batch.conditions.push_back(std::move(condition));
  return batch;
}

} // namespace

BOOST_AUTO_TEST_CASE(what_makes_sense_passes) {
  BOOST_TEST(refused(one(op_kind::put, "k", "")) == "");
  BOOST_TEST(refused(one(op_kind::erase, "k", "")) == "");
  BOOST_TEST(refused(one(op_kind::erase_range, "", "")) == "");
  BOOST_TEST(refused(one(op_kind::erase_range, "a", "b")) == "");
  BOOST_TEST(refused(with({condition_kind::absent, {"k"}, {}})) == "");
  BOOST_TEST(refused(with({condition_kind::equals, {"k"}, {}})) == "");
  BOOST_TEST(refused({{{op_kind::put, {"k"}, {}}}, {}, "client", 1}) == "");
}

BOOST_AUTO_TEST_CASE(what_makes_none_is_invalid) {
  BOOST_TEST(refused({}) == "invalid_argument");
  BOOST_TEST(refused(one(op_kind::put, "", "v")) == "invalid_argument");
  BOOST_TEST(refused(one(op_kind::erase, "k", "v")) == "invalid_argument");
  BOOST_TEST(refused(one(op_kind::erase_range, "b", "b")) == "invalid_argument");
  BOOST_TEST(refused(one(op_kind::erase_range, "b", "a")) == "invalid_argument");
  BOOST_TEST(refused(with({condition_kind::present, {""}, {}})) == "invalid_argument");
  BOOST_TEST(refused(with({condition_kind::present, {"k"}, {"v"}})) == "invalid_argument");
  BOOST_TEST(refused({{{op_kind::put, {"k"}, {}}}, {}, "client", 0}) == "invalid_argument");
  BOOST_TEST(refused({{{op_kind::put, {"k"}, {}}}, {}, "", 1}) == "invalid_argument");
}

BOOST_AUTO_TEST_CASE(keys_of_the_service_are_refused_everywhere) {
  std::string reserved("\0c", 2);
  BOOST_TEST(refused(one(op_kind::put, reserved, "v")) == "invalid_argument");
  BOOST_TEST(refused(one(op_kind::erase, reserved, "")) == "invalid_argument");
  BOOST_TEST(refused(one(op_kind::erase_range, reserved, "")) == "invalid_argument");
  BOOST_TEST(refused(one(op_kind::erase_range, "", reserved)) == "invalid_argument");
  BOOST_TEST(refused(with({condition_kind::present, {reserved}, {}})) == "invalid_argument");
}

BOOST_AUTO_TEST_CASE(each_limit_is_named) {
  auto many = one(op_kind::put, "k", "v");
  many.ops.resize(batch_ops_max + 1, many.ops[0]);
  BOOST_TEST(refused(many) == "oversize");
  many = with({condition_kind::absent, {"k"}, {}});
  many.conditions.resize(batch_conditions_max + 1, many.conditions[0]);
  BOOST_TEST(refused(many) == "oversize");
  BOOST_TEST(refused(one(op_kind::put, std::string(key_bytes_max + 1, 'k'), "")) == "oversize");
  BOOST_TEST(refused(one(op_kind::put, "k", std::string(value_bytes_max + 1, 'v'))) == "oversize");
  auto large = one(op_kind::put, "k", std::string(value_bytes_max, 'v'));
  large.ops.resize(3, large.ops[0]);
  BOOST_TEST(refused(large) == "");
  large.conditions.push_back({condition_kind::equals, {"k"}, {std::string(value_bytes_max, 'v')}});
  BOOST_TEST(refused(large) == "oversize");
  BOOST_TEST(refused({{{op_kind::put, {"k"}, {}}}, {}, std::string(client_bytes_max + 1, 'c'), 1})
             == "oversize");
}
