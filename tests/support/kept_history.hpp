#pragma once

/// Journals of made-up nodes for the tests of what a service keeps.

#include <cmath>
#include <cstring>

#include <boost/test/unit_test.hpp>

#include "history/journal.hpp"
#include "tests/support/temp_dir.hpp"

namespace harbinger::testing {

inline constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
inline constexpr int64_t start_ms = 1'700'000'000'000;
using metric_list = std::shared_ptr<const std::vector<metric_spec>>;

inline metric_list list_of(std::vector<metric_spec> specs) {
  return std::make_shared<const std::vector<metric_spec>>(std::move(specs));
}
inline const metric_list usual = list_of({{"process.rss_ratio", metric_kind::gauge},
                                          {"process.cpu_s", metric_kind::counter},
                                          {"of no catalogue", metric_kind::gauge}});

inline telemetry_rows one_row(const char* node, uint64_t life, int64_t time_ms,
                              std::vector<double> values, metric_list metrics = usual) {
  return {node_id{node},      incarnation{life},  1,
          std::move(metrics), {unix_ms{time_ms}}, std::move(values)};
}
inline node_row catalog_row(const char* node, uint64_t life, node_state state = node_state::up) {
  node_row out;
  out.id.value = node;
  out.life.value = life;
  out.state = state;
  return out;
}

inline std::unique_ptr<journal> opened(const std::string& directory, journal_options options = {}) {
  auto made = journal::open(directory, options);
  if (!made) BOOST_FAIL(to_string(made.error()));
  return std::move(*made);
}
inline journal_contents contents(const std::string& directory) {
  auto got = read_journal(directory);
  if (!got) BOOST_FAIL(to_string(got.error()));
  return std::move(*got);
}
inline bool same(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (std::isnan(a[i]) ? !std::isnan(b[i]) : std::memcmp(&a[i], &b[i], sizeof a[i]) != 0)
      return false;
  return true;
}
inline std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> out;
  for (const auto& e : std::filesystem::directory_iterator(directory))
    if (auto name = e.path().filename().string(); name != "lock") out.push_back(name);
  std::sort(out.begin(), out.end());
  return out;
}
/// "n1 alive 0..5000" for each node of the history, times since start_ms.
inline std::vector<std::string> lives_in(const history& h) {
  std::vector<std::string> out;
  for (uint32_t i = 0; i < h.nodes.size(); ++i) {
    const auto& n = h.nodes[i];
    auto text = n.id.value + ' ' + std::to_string(n.first_ms - start_ms) + ".."
                + std::to_string(n.last_ms - start_ms);
    for (const auto& e : h.events)
      if (e.node == i)
        text += ' ' + std::string(name_of(e.what)) + '@' + std::to_string(e.time_ms - start_ms)
                + (e.back_ms ? "-" + std::to_string(e.back_ms - start_ms) : "");
    out.push_back(text);
  }
  return out;
}
using texts = std::vector<std::string>;

/// Ten rows a second of each node, from `from_ms` to before `to_ms`, flushed each second.
inline void play(journal& j, const std::vector<const char*>& nodes, uint64_t life, int64_t from_ms,
                 int64_t to_ms) {
  for (auto t = from_ms; t < to_ms; t += 100) {
    for (auto* node : nodes)
      j.add(one_row(node, life, start_ms + t, {0.5, static_cast<double>(t), nan_value}),
            unix_ms{start_ms + t});
    if (t % 1000 == 0) (void)j.flush(unix_ms{start_ms + t});
  }
}

} // namespace harbinger::testing
