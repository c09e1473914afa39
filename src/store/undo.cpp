#include "store/undo.hpp"

#include "store/keys.hpp"

namespace harbinger {
namespace {

void put_text(std::string& out, std::string_view text, uint64_t more) {
  keys::put_be64(out, text.size() + more);
  out.append(text);
}

/// The next number; nothing at the end, or past it.
std::optional<uint64_t> take_number(std::string_view& in) {
  if (in.size() < 8) return std::nullopt;
  auto number = keys::get_be64(in);
  in.remove_prefix(8);
  return number;
}

std::optional<std::string> take_text(std::string_view& in, uint64_t size) {
  if (size > in.size()) return std::nullopt;
  std::string text(in.substr(0, size));
  in.remove_prefix(size);
  return text;
}

} // namespace

std::string encode_undo(const record_changes& changes) {
  std::string out;
  for (const auto& [key, change] : changes) {
    put_text(out, key, 0);
    if (change.before)
      put_text(out, *change.before, 1);
    else
      keys::put_be64(out, 0);
  }
  return out;
}

result<std::vector<overwritten>> decode_undo(std::string_view in) {
  std::vector<overwritten> out;
  while (!in.empty()) {
    auto& next = out.emplace_back();
    auto key_size = take_number(in);
    auto key = key_size ? take_text(in, *key_size) : std::nullopt;
    auto value_size = key ? take_number(in) : std::nullopt;
    if (!value_size) return fail(errc::checksum, "undo information is damaged");
    next.key = std::move(*key);
    if (*value_size == 0) continue;
    next.value = take_text(in, *value_size - 1);
    if (!next.value) return fail(errc::checksum, "undo information is damaged");
  }
  return out;
}

} // namespace harbinger
