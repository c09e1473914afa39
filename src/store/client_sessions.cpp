#include "store/client_sessions.hpp"

#include <algorithm>
#include <vector>

#include "store/keys.hpp"

namespace harbinger {
namespace {

constexpr std::string_view sessions_begin{"\0c", 2}, sessions_end{"\0d", 2}, count_key{"\0n", 2};
constexpr size_t fixed_bytes = 25;

std::string session_key(std::string_view client) {
  return std::string(sessions_begin).append(client);
}

std::string encode(const client_session& s) {
  std::string out;
  keys::put_be64(out, s.request);
  keys::put_be64(out, s.decided.epoch.value);
  keys::put_be64(out, s.decided.seq.value);
  out.push_back(static_cast<char>(s.verdict));
  return out.append(s.key);
}

std::optional<client_session> decode(std::string_view in) {
  if (in.size() < fixed_bytes || static_cast<uint8_t>(in[24]) > 3) return std::nullopt;
  return client_session{
      keys::get_be64(in),
      {epoch{keys::get_be64(in.substr(8))}, seq_no{keys::get_be64(in.substr(16))}},
      static_cast<entry_verdict>(in[24]),
      std::string(in.substr(fixed_bytes))};
}

/// Forgets the oldest quarter; how many are left.
result<uint64_t> forget_oldest(record_overlay& records) {
  std::vector<std::pair<version, std::string>> all;
  auto seen = records.range(sessions_begin, sessions_end,
                            [&](std::string_view key, std::string_view value) {
                              auto s = decode(value);
                              all.emplace_back(s ? s->decided : version{}, std::string(key));
                              return true;
                            });
  if (!seen) return tl::unexpected<error>(seen.error());
  std::sort(all.begin(), all.end());
  auto forgotten = std::min(all.size(), sessions_max / 4);
  for (size_t i = 0; i < forgotten; ++i)
    if (auto done = records.set(all[i].second, std::nullopt); !done)
      return tl::unexpected<error>(done.error());
  return all.size() - forgotten;
}

} // namespace

result<std::optional<client_session>> find_session(const record_reader& records,
                                                   std::string_view client) {
  auto found = records.get(session_key(client));
  if (!found) return tl::unexpected<error>(found.error());
  if (!*found) return std::optional<client_session>{};
  auto session = decode(**found);
  if (!session) return fail(errc::checksum, "session of client " + std::string(client));
  return session;
}

result<uint64_t> count_sessions(const record_reader& records) {
  auto found = records.get(count_key);
  if (!found) return tl::unexpected<error>(found.error());
  if (!*found) return uint64_t{0};
  if ((*found)->size() != 8) return fail(errc::checksum, "number of client sessions");
  return keys::get_be64(**found);
}

result<void> keep_session(record_overlay& records, std::string_view client,
                          const client_session& session,
                          const std::optional<client_session>& known) {
  auto key = session_key(client);
  if (!known) {
    auto count = count_sessions(records);
    if (count && *count >= sessions_max) count = forget_oldest(records);
    if (!count) return tl::unexpected<error>(count.error());
    std::string number;
    keys::put_be64(number, *count + 1);
    if (auto done = records.set(count_key, std::move(number)); !done) return done;
  }
  records.replace(key, known ? std::optional(encode(*known)) : std::nullopt, encode(session));
  return {};
}

} // namespace harbinger
