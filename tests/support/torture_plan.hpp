#pragma once

/// What is done to a cluster, and when: drawn from a seed, the same for the same arguments. Every
/// trouble ends before the plan does, and no disk is ever lost, so that at the end of a plan every
/// acknowledged write has to be there (P2).

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "core/time.hpp"

namespace harbinger::torture {

enum class trouble : uint8_t {
  kill,        ///< SIGKILL, started again at the end
  kill_many,   ///< the same for a random set of nodes at one instant
  kill_centre, ///< the same for the centre
  crash,       ///< the process kills itself at the next commit to its store
  stall,       ///< SIGSTOP, SIGCONT at the end
  stall_centre,
  cut_pair,   ///< no connection between two nodes, either way
  cut_way,    ///< `node` reaches `other` no more
  cut_off,    ///< neither clients nor nodes reach `node`; it reaches the others, and the centre
  cut_centre, ///< `node` and the centre
  full_disk,
  slow_disk,  ///< each fsync takes 30 ms longer
  log_errors, ///< lines in the log of its storage: it looks at risk, copies are made
};
inline constexpr std::array trouble_names{
    "kill",    "kill_many", "kill_centre", "crash",     "stall",     "stall_centre", "cut_pair",
    "cut_way", "cut_off",   "cut_centre",  "full_disk", "slow_disk", "log_errors"};
inline constexpr size_t trouble_kinds = trouble_names.size();
inline const char* name_of(trouble t) { return trouble_names[static_cast<size_t>(t)]; }

struct step {
  milliseconds at{0};
  trouble what = trouble::kill;
  std::vector<size_t> nodes; ///< whom; empty: the centre
  size_t other = 0;          ///< of cut_pair and cut_way
  milliseconds lasts{0};
};
inline std::string to_string(const step& s) {
  std::string out = std::to_string(s.at.count()) + " ms: " + name_of(s.what);
  for (auto n : s.nodes) out += " n" + std::to_string(n + 1);
  if (s.what == trouble::cut_pair || s.what == trouble::cut_way)
    out += " from n" + std::to_string(s.other + 1);
  return out + " for " + std::to_string(s.lasts.count()) + " ms";
}

/// The kinds of one plan: few, so that each has its turn often (swarm testing).
inline std::vector<trouble> choose_kinds(std::mt19937_64& random) {
  std::vector<trouble> all(trouble_kinds);
  for (size_t i = 0; i < trouble_kinds; ++i) all[i] = static_cast<trouble>(i);
  std::shuffle(all.begin(), all.end(), random);
  all.resize(4 + random() % 5);
  auto kills = [](trouble t) {
    return t == trouble::kill || t == trouble::kill_many || t == trouble::crash;
  };
  if (std::none_of(all.begin(), all.end(), kills)) all.front() = trouble::kill;
  std::sort(all.begin(), all.end());
  return all;
}

inline std::vector<size_t> some_nodes(std::mt19937_64& random, size_t nodes, size_t count) {
  std::vector<size_t> all(nodes);
  for (size_t i = 0; i < nodes; ++i) all[i] = i;
  std::shuffle(all.begin(), all.end(), random);
  all.resize(count);
  std::sort(all.begin(), all.end());
  return all;
}

inline step draw_step(std::mt19937_64& random, const std::vector<trouble>& kinds, size_t nodes) {
  step out;
  out.what = kinds[random() % kinds.size()];
  bool centre = out.what == trouble::kill_centre || out.what == trouble::stall_centre;
  bool many = out.what == trouble::kill_many;
  if (!centre) out.nodes = some_nodes(random, nodes, many ? 2 + random() % (nodes - 1) : 1);
  if (out.what == trouble::cut_pair || out.what == trouble::cut_way)
    out.other = (out.nodes[0] + 1 + random() % (nodes - 1)) % nodes;
  // Shorter than a lease, about as long as a verdict takes, longer than all of it.
  constexpr std::array longest{300, 1200, 4000};
  out.lasts = milliseconds(100 + random() % longest[random() % longest.size()]);
  return out;
}

/// At least 2 nodes. Steps in order of time; what a seed plans for a longer time begins with the
/// same steps.
inline std::vector<step> make_plan(uint64_t seed, size_t nodes, milliseconds length) {
  std::mt19937_64 random{seed};
  auto kinds = choose_kinds(random);
  auto pace = 200 + random() % 1500;
  std::vector<step> out;
  for (milliseconds now{0};;) {
    now += milliseconds(1 + random() % (2 * pace));
    auto next = draw_step(random, kinds, nodes);
    next.at = now;
    if (now >= length) return out;
    if (next.at + next.lasts < length) out.push_back(std::move(next));
  }
}

} // namespace harbinger::torture
