#include "replica/check_batch.hpp"

namespace harbinger::replication {
namespace {

result<void> at_most(size_t size, size_t limit, std::string_view what) {
  if (size <= limit) return {};
  return fail(errc::oversize, std::string(what) + " over " + std::to_string(limit));
}

result<void> invalid(std::string why) { return fail(errc::invalid_argument, std::move(why)); }

result<void> check_key(const std::string& key) {
  if (!key.empty() && key.front() == reserved_key_byte)
    return invalid("keys that begin with a zero byte are reserved");
  return at_most(key.size(), key_bytes_max, "bytes of a key");
}

result<void> check_range(const record_op& op) {
  if (auto ok = check_key(op.key.data); !ok) return ok;
  if (auto ok = check_key(op.value.data); !ok) return ok;
  if (!op.value.data.empty() && op.value.data <= op.key.data)
    return invalid("a range that ends where it begins, or before");
  return {};
}

result<void> check_op(const record_op& op) {
  if (op.kind == op_kind::erase_range) return check_range(op);
  if (op.key.data.empty()) return invalid("empty key");
  if (op.kind == op_kind::erase && !op.value.data.empty()) return invalid("erase with a value");
  if (auto ok = check_key(op.key.data); !ok) return ok;
  return at_most(op.value.data.size(), value_bytes_max, "bytes of a value");
}

result<void> check_condition(const write_condition& c) {
  if (c.key.data.empty()) return invalid("empty key in a condition");
  if (c.kind != condition_kind::equals && !c.value.data.empty())
    return invalid("condition " + std::string(name_of(c.kind)) + " with a value");
  if (auto ok = check_key(c.key.data); !ok) return ok;
  return at_most(c.value.data.size(), value_bytes_max, "bytes of a value");
}

} // namespace

result<void> check_batch(const write_batch& batch) {
  if (batch.ops.empty()) return invalid("no operations");
  if (auto ok = at_most(batch.ops.size(), batch_ops_max, "operations"); !ok) return ok;
  if (auto ok = at_most(batch.conditions.size(), batch_conditions_max, "conditions"); !ok)
    return ok;
  for (const auto& op : batch.ops)
    if (auto ok = check_op(op); !ok) return ok;
  for (const auto& c : batch.conditions)
    if (auto ok = check_condition(c); !ok) return ok;
  if (batch.client.empty() != (batch.request == 0))
    return invalid("a client and a request number belong together");
  if (auto ok = at_most(batch.client.size(), client_bytes_max, "bytes of a client's name"); !ok)
    return ok;
  return at_most(payload_bytes(batch), batch_bytes_max, "bytes of a batch");
}

} // namespace harbinger::replication
