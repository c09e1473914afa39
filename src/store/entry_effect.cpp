#include "store/entry_effect.hpp"

#include <vector>

#include "store/client_sessions.hpp"

namespace harbinger {
namespace {

/// The first condition that does not hold; nothing: all do.
result<const write_condition*> failing(const record_reader& records,
                                       const std::vector<write_condition>& conditions) {
  for (const auto& c : conditions) {
    auto found = records.get(c.key.data);
    if (!found) return tl::unexpected<error>(found.error());
    bool holds = c.kind == condition_kind::absent    ? !*found
                 : c.kind == condition_kind::present ? found->has_value()
                                                     : *found == c.value.data;
    if (!holds) return &c;
  }
  return nullptr;
}

/// What the ranges of an entry may still remove.
struct range_room {
  size_t records = range_records_max, bytes = range_bytes_max;
};

/// False: there is more than room for.
result<bool> erase_range(record_overlay& records, const record_op& op, range_room& room) {
  std::vector<std::string> found;
  bool fits = true;
  auto from = std::max(std::string_view(op.key.data), first_user_key);
  if (!op.value.data.empty() && op.value.data <= from) return true;
  auto seen = records.range(from, op.value.data, [&](std::string_view key, std::string_view value) {
    auto size = key.size() + value.size();
    fits = room.records > 0 && room.bytes >= size;
    if (!fits) return false;
    --room.records;
    room.bytes -= size;
    found.emplace_back(key);
    return true;
  });
  if (!seen) return tl::unexpected<error>(seen.error());
  for (size_t i = 0; fits && i < found.size(); ++i)
    if (auto done = records.set(found[i], std::nullopt); !done)
      return tl::unexpected<error>(done.error());
  return fits;
}

result<entry_verdict> apply(record_overlay& records, const std::vector<record_op>& ops) {
  range_room room;
  for (const auto& op : ops) {
    result<void> done;
    if (op.kind == op_kind::erase_range) {
      auto fits = erase_range(records, op, room);
      if (fits && !*fits) return entry_verdict::too_large;
      if (!fits) done = tl::unexpected<error>(fits.error());
    } else {
      done = records.set(op.key.data,
                         op.kind == op_kind::put ? std::optional(op.value.data) : std::nullopt);
    }
    if (!done) return tl::unexpected<error>(done.error());
  }
  return entry_verdict::applied;
}

/// Decides an entry that is no repetition, and makes its changes in `records`.
result<entry_outcome> decide(record_overlay& records, const log_entry& entry) {
  entry_outcome out{entry.version, entry_verdict::applied, entry.version, {}};
  auto failed = failing(records, entry.batch.conditions);
  if (!failed) return tl::unexpected<error>(failed.error());
  if (*failed) {
    out.verdict = entry_verdict::condition_failed;
    out.key = (*failed)->key.data;
    return out;
  }
  auto verdict = apply(records, entry.batch.ops);
  if (!verdict) return tl::unexpected<error>(verdict.error());
  if (*verdict != entry_verdict::applied) records.take();
  out.verdict = *verdict;
  return out;
}

} // namespace

result<put_ok> answer_of(const entry_outcome& outcome) {
  switch (outcome.verdict) {
  case entry_verdict::condition_failed: return fail(errc::condition_failed, outcome.key);
  case entry_verdict::too_large:
    return fail(errc::oversize, "a range holds more than " + std::to_string(range_records_max)
                                    + " records or " + std::to_string(range_bytes_max)
                                    + " bytes: erase it in parts");
  case entry_verdict::stale_request:
    return fail(errc::stale_request,
                "a later request was decided at " + to_string(outcome.decided));
  case entry_verdict::applied: break;
  }
  return put_ok{outcome.decided, outcome.repeated()};
}

result<entry_effect> effect_of(const record_reader& records, const log_entry& entry) {
  const auto& batch = entry.batch;
  result<std::optional<client_session>> session;
  if (!batch.client.empty()) {
    session = find_session(records, batch.client);
    if (!session) return tl::unexpected<error>(session.error());
    if (*session && batch.request == (*session)->request)
      return entry_effect{
          {entry.version, (*session)->verdict, (*session)->decided, (*session)->key}, {}};
    if (*session && batch.request < (*session)->request)
      return entry_effect{{entry.version, entry_verdict::stale_request, (*session)->decided, {}},
                          {}};
  }
  record_overlay changed(&records);
  auto outcome = decide(changed, entry);
  if (!outcome) return tl::unexpected<error>(outcome.error());
  if (!batch.client.empty())
    if (auto kept =
            keep_session(changed, batch.client,
                         {batch.request, entry.version, outcome->verdict, outcome->key}, *session);
        !kept)
      return tl::unexpected<error>(kept.error());
  return entry_effect{std::move(*outcome), changed.take()};
}

} // namespace harbinger
