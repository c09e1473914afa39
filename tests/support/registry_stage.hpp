#pragma once

/// Small models, and registries of them, for tests of the registry of models.

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include <boost/test/unit_test.hpp>

#include "temp_dir.hpp"
#include "predict/registry.hpp"
#include "predict/scorer.hpp"

namespace harbinger::test {

using namespace predict;

inline schema_ptr small_schema() {
  auto out = std::make_shared<schema>();
  out->series.push_back({"load", 0.01, true, "load", ""});
  for (auto what : {statistic::level, statistic::mean, statistic::trend})
    out->features.push_back({"load", what, 0});
  return out;
}

inline const std::shared_ptr<const scorer>& machine() {
  static const auto one = [] {
    training_rows rows;
    rows.width = 3;
    for (int i = 0; i < 40; ++i) {
      rows.values.insert(rows.values.end(), 3, i % 2 ? 1.0 : 0.0);
      rows.labels.push_back(static_cast<uint8_t>(i % 2));
    }
    return std::shared_ptr<const scorer>(std::move(*train_logistic(rows)));
  }();
  return one;
}

/// Models of different numbers differ, those of one are equal.
inline model make(int number, double horizon_s = 60) {
  return model(small_schema(), make_scales({5, 30, 120}, horizon_s, 10), {0, 0, 0},
               {{horizon_s, machine(), {}}}, "{\"number\":" + std::to_string(number) + "}");
}
inline std::string name(int number) { return make(number).version(); }
inline std::string file(int number) { return name(number) + ".hbmodel"; }

inline model_registry opened(const temp_dir& at, registry_options options = {}) {
  auto out = model_registry::open(at.path(), std::move(options), 1000);
  BOOST_REQUIRE_MESSAGE(out, (out ? "" : to_string(out.error())));
  return std::move(*out);
}
inline std::string added(model_registry& to, int number, int64_t now_ms = 2000) {
  auto version = to.add(make(number), {model_origin::trained, "history A", 1500}, now_ms);
  BOOST_REQUIRE_MESSAGE(version, (version ? "" : to_string(version.error())));
  return *version;
}
inline void promoted(model_registry& in, int number) {
  auto done = in.promote(name(number), "contest", "better by 0.1", 3000);
  BOOST_REQUIRE_MESSAGE(done, (done ? "" : to_string(done.error())));
}
/// Champions in this order, the last is in place.
inline model_registry with_champions(const temp_dir& at, std::initializer_list<int> numbers) {
  auto out = opened(at);
  for (int n : numbers) {
    added(out, n);
    promoted(out, n);
  }
  return out;
}

inline model_state state_of(const model_registry& r, int number) {
  for (const auto& m : r.list())
    if (m.version == name(number)) return m.state;
  BOOST_FAIL("not listed: " << number);
  return {};
}
inline model_refusal refusal_of(const model_registry& r, int number) {
  for (const auto& m : r.list())
    if (m.version == name(number)) return m.refusal;
  return {};
}
inline std::set<std::string> versions(const model_registry& r) {
  std::set<std::string> out;
  for (const auto& m : r.list()) out.insert(m.version);
  return out;
}
inline std::set<std::string> files(const temp_dir& at) {
  std::set<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(at.path()))
    out.insert(entry.path().filename().string());
  return out;
}
inline bool warned(const model_registry& r, std::string_view of) {
  return std::any_of(r.warnings().begin(), r.warnings().end(),
                     [&](const auto& w) { return w.find(of) != std::string::npos; });
}
inline void flip_a_byte(const temp_dir& at, const std::string& name) {
  auto bytes = at.get(name);
  BOOST_REQUIRE(bytes.size() > 100u);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x10);
  at.put(name, bytes);
}
inline void copy_all(const temp_dir& from, const temp_dir& to) {
  std::filesystem::copy(from.path(), to.path(), std::filesystem::copy_options::recursive);
}

} // namespace harbinger::test
