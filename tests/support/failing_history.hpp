#pragma once

/// A made-up history whose failures announce themselves. The seed says everything.

#include <algorithm>
#include <random>
#include <tuple>

#include "history/history.hpp"

namespace harbinger::testing {

constexpr int64_t hour = 3'600'000;
constexpr int64_t begin_ms = 24 * 365 * 40 * hour;

/// Machines that run hot for a day before they fail, now and then; some in every group.
inline history failing_history(uint64_t seed, int64_t days = 60) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> noise(0, 1);
  history h;
  h.name = "hot machines";
  h.metrics = {{"heat", "C", history_reading::gauge, true, 0.1},
               {"noise", "", history_reading::gauge, true, 0.1}};
  for (uint32_t i = 0; i < 40; ++i) {
    history_node n{node_id{"m" + std::to_string(i)}, "", {}, begin_ms,
                   begin_ms + days * 24 * hour,      0};
    n.attributes["site"] = "s" + std::to_string(i % 4);
    h.nodes.push_back(n);
  }
  for (uint32_t i = 0; i < 40; ++i)
    for (int64_t day = 2; day < days; ++day) {
      if (random() % 12 != 0) continue; // without a memory
      h.events.push_back({i, begin_ms + day * 24 * hour + hour, happening::failure, "heat", 1,
                          begin_ms + day * 24 * hour + hour});
    }
  std::sort(h.events.begin(), h.events.end(), [](const auto& a, const auto& b) {
    return std::tuple(a.time_ms, a.node) < std::tuple(b.time_ms, b.node);
  });
  for (int64_t t = 0; t < days * 24; t += 6)
    for (uint32_t i = 0; i < 40; ++i) {
      auto now = begin_ms + t * hour;
      bool hot = std::any_of(h.events.begin(), h.events.end(), [&](const auto& e) {
        return e.node == i && e.time_ms > now && e.time_ms - now <= 24 * hour;
      });
      h.samples.push_back({i, now, {40 + noise(random) + (hot ? 12 : 0), noise(random)}});
    }
  return h;
}

} // namespace harbinger::testing
