#pragma once

/// The records of a partition in a std::map, and what entries make of them: the model that stores
/// are compared with.

#include <map>

#include <boost/test/unit_test.hpp>

#include "core/digest.hpp"
#include "store/entry_effect.hpp"

namespace harbinger::testing {

struct memory_records : record_reader {
  std::map<std::string, std::string, std::less<>> rows;

  result<std::optional<std::string>> get(std::string_view key) const override {
    auto it = rows.find(key);
    return it == rows.end() ? std::optional<std::string>{} : it->second;
  }
  result<void> range(std::string_view from, std::string_view to,
                     const visitor& visit) const override {
    for (auto it = rows.lower_bound(from); it != rows.end() && (to.empty() || it->first < to); ++it)
      if (!visit(it->first, it->second)) break;
    return {};
  }
  /// The entry's outcome; its changes are made.
  entry_outcome apply(const log_entry& entry) {
    auto effect = effect_of(*this, entry);
    BOOST_REQUIRE(effect.has_value());
    for (const auto& [key, change] : effect->changes) {
      BOOST_REQUIRE(change.before == *get(key));
      if (change.after)
        rows[key] = *change.after;
      else
        rows.erase(key);
    }
    return effect->outcome;
  }
  harbinger::digest digest() const {
    harbinger::digest sum;
    for (const auto& [key, value] : rows) sum.add(key, value);
    return sum;
  }
  /// Those of users.
  std::map<std::string, std::string> user_rows() const {
    return {rows.lower_bound(first_user_key), rows.end()};
  }
};

} // namespace harbinger::testing
