#include "store/record_overlay.hpp"

namespace harbinger {

result<std::optional<std::string>> record_overlay::get(std::string_view key) const {
  if (auto it = changes_.find(key); it != changes_.end()) return it->second.after;
  return base_.get(key);
}

result<void> record_overlay::range(std::string_view from, std::string_view to,
                                   const visitor& visit) const {
  auto next = changes_.lower_bound(from);
  auto end = to.empty() ? changes_.end() : changes_.lower_bound(to);
  bool wanted = true;
  auto visit_next = [&] {
    if (next->second.after) wanted = visit(next->first, *next->second.after);
    ++next;
  };
  auto done = base_.range(from, to, [&](std::string_view key, std::string_view value) {
    while (wanted && next != end && next->first < key) visit_next();
    if (!wanted) return false;
    if (next != end && next->first == key)
      visit_next();
    else
      wanted = visit(key, value);
    return wanted;
  });
  while (done && wanted && next != end) visit_next();
  return done;
}

result<void> record_overlay::set(std::string_view key, std::optional<std::string> value) {
  auto it = changes_.find(key);
  if (it == changes_.end()) {
    auto before = base_.get(key);
    if (!before) return tl::unexpected<error>(before.error());
    it = changes_.emplace(std::string(key), record_change{std::move(*before), {}}).first;
  }
  it->second.after = std::move(value);
  return {};
}

void record_overlay::replace(std::string_view key, std::optional<std::string> before,
                             std::optional<std::string> after) {
  auto it = changes_.find(key);
  if (it == changes_.end())
    it = changes_.emplace(std::string(key), record_change{std::move(before), {}}).first;
  it->second.after = std::move(after);
}

void record_overlay::adopt(record_changes changes) {
  while (!changes.empty()) {
    auto put = changes_.insert(changes.extract(changes.begin()));
    if (!put.inserted) put.position->second.after = std::move(put.node.mapped().after);
  }
}

} // namespace harbinger
