#include "actors/node/replica_reads.hpp"

#include "actors/node/resources.hpp"
#include "replica/copy_reads.hpp"
#include "wire/codec.hpp"

namespace harbinger {
namespace {

constexpr size_t replica_scan_bytes_max = 4 << 20;

/// The lease is checked after reading: it held while the value was read.
wire::frame replica_read_primary(replica_self self, const wire::frame& message) {
  auto& s = self->state;
  auto& store = *s.ctx->node->store;
  if (message.type == get_request::wire_name) {
    auto ask = wire::decode<get_request>(message.body);
    if (!ask) return wire::make_error(message.id, ask.error());
    if (!ask->key.data.empty() && ask->key.data.front() == reserved_key_byte)
      return wire::make_error(message.id, {errc::invalid_argument, "reserved key"});
    auto found = store.get(ask->partition, ask->key.data);
    if (auto ok = s.host->readable(ask->partition, self->clock().now()); !ok)
      return wire::make_error(message.id, ok.error());
    if (!found) return wire::make_error(message.id, found.error());
    s.host->note_read(ask->partition, self->clock().now());
    return wire::make_frame(message.id,
                            value_reply{found->found, {std::move(found->bytes)}, found->version});
  }
  auto ask = wire::decode<scan_request>(message.body);
  if (!ask) return wire::make_error(message.id, ask.error());
  if (auto ok = s.host->readable(ask->partition, self->clock().now()); !ok)
    return wire::make_error(message.id, ok.error());
  auto rows = store.scan(ask->partition, ask->from.data, ask->limit, replica_scan_bytes_max);
  if (auto ok = s.host->readable(ask->partition, self->clock().now()); !ok)
    return wire::make_error(message.id, ok.error());
  if (rows) s.host->note_read(ask->partition, self->clock().now());
  return rows ? wire::make_frame(message.id, *rows) : wire::make_error(message.id, rows.error());
}

/// Whether this node's copy may answer, as it is now.
result<void> replica_copy_readable(replica_self self, partition_id partition, version at_least,
                                   uint32_t max_lag_ms) {
  auto& node = *self->state.ctx->node;
  if (auto known = node.damage.find(partition)) return fail(errc::checksum, *known);
  auto head = node.store->head(partition);
  if (!head) return tl::unexpected<error>(head.error());
  std::optional<copy_currency> currency;
  auto rows = node.copies.all();
  if (auto it = rows.find(partition); it != rows.end() && it->second.copy == head->copy) {
    auto since = to_ms(self->clock().now() - it->second.as_of);
    currency = {it->second.following, it->second.lag_ms + std::max(0.0, since)};
  }
  return readable_copy(*head, currency, at_least, max_lag_ms);
}

wire::frame replica_read_copy(replica_self self, const wire::frame& m) {
  auto& store = *self->state.ctx->node->store;
  if (m.type == get_from_copy::wire_name) {
    auto ask = wire::decode<get_from_copy>(m.body);
    if (!ask) return wire::make_error(m.id, ask.error());
    if (!ask->key.data.empty() && ask->key.data.front() == reserved_key_byte)
      return wire::make_error(m.id, {errc::invalid_argument, "reserved key"});
    auto ok = replica_copy_readable(self, ask->partition, ask->at_least, ask->max_lag_ms);
    if (!ok) return wire::make_error(m.id, ok.error());
    auto found = store.get(ask->partition, ask->key.data);
    if (!found) return wire::make_error(m.id, found.error());
    return wire::make_frame(m.id,
                            value_reply{found->found, {std::move(found->bytes)}, found->version});
  }
  auto ask = wire::decode<scan_from_copy>(m.body);
  if (!ask) return wire::make_error(m.id, ask.error());
  auto ok = replica_copy_readable(self, ask->partition, ask->at_least, ask->max_lag_ms);
  if (!ok) return wire::make_error(m.id, ok.error());
  auto rows = store.scan(ask->partition, ask->from.data, ask->limit, replica_scan_bytes_max);
  return rows ? wire::make_frame(m.id, *rows) : wire::make_error(m.id, rows.error());
}

} // namespace

std::optional<wire::frame> replica_read(replica_self self, const wire::frame& m) {
  if (m.type == get_request::wire_name || m.type == scan_request::wire_name)
    return replica_read_primary(self, m);
  if (m.type == get_from_copy::wire_name || m.type == scan_from_copy::wire_name)
    return replica_read_copy(self, m);
  return std::nullopt;
}

} // namespace harbinger
