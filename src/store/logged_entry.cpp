#include "store/logged_entry.hpp"

#include "wire/codec.hpp"

namespace harbinger {
namespace {

constexpr char idle_mark = '\xc1'; // "never used", says the format of msgpack

} // namespace

std::string encode_logged(const log_entry& entry, bool idle) {
  auto out = wire::encode(entry);
  if (idle) out.insert(out.begin(), idle_mark);
  return out;
}

result<logged_entry> decode_logged(std::string_view stored) {
  bool idle = stored.starts_with(idle_mark);
  auto entry = wire::decode<log_entry>(stored.substr(idle ? 1 : 0));
  if (!entry) return tl::unexpected<error>(entry.error());
  return logged_entry{std::move(*entry), idle};
}

} // namespace harbinger
