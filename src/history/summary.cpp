#include "history/summary.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "core/ensure.hpp"

namespace harbinger {
namespace {
constexpr double day_ms = 86'400'000;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t never = INT64_MAX;

std::vector<metric_summary> metrics_of(const history& h) {
  std::vector<metric_summary> out;
  for (size_t m = 0; m < h.metrics.size(); ++m) {
    metric_summary one{h.metrics[m].name, nan, nan, nan};
    size_t missing = 0;
    for (const auto& s : h.samples) {
      double x = s.values[m];
      missing += std::isnan(x);
      one.least = std::fmin(one.least, x);
      one.greatest = std::fmax(one.greatest, x);
    }
    if (!h.samples.empty())
      one.missing_share = static_cast<double>(missing) / static_cast<double>(h.samples.size());
    out.push_back(std::move(one));
  }
  return out;
}

std::vector<code_summary> codes_of(const history& h) {
  std::map<std::pair<happening, std::string>, std::pair<code_summary, std::set<uint32_t>>> by_code;
  for (const auto& e : h.events) {
    auto& [code, nodes] = by_code[{e.what, e.code}];
    ++code.rows;
    code.count += e.count;
    nodes.insert(e.node);
  }
  std::vector<code_summary> out;
  for (auto& [key, value] : by_code) {
    auto code = value.first;
    code.what = key.first;
    code.code = key.second;
    code.nodes = value.second.size();
    out.push_back(std::move(code));
  }
  return out;
}

struct stretch {
  int64_t from = 0, to = 0;
};

/// When a node works, and what ends it. Failures in order of time.
struct life {
  std::vector<int64_t> failures;
  std::vector<stretch> working;
  int64_t known_ms = 0;
};

std::vector<life> lives_of(const history& h) {
  std::vector<life> out(h.nodes.size());
  std::vector<std::vector<stretch>> down(h.nodes.size());
  std::vector<int64_t> end(h.nodes.size());
  for (size_t i = 0; i < h.nodes.size(); ++i) {
    const auto& n = h.nodes[i];
    end[i] = n.last_ms;
    out[i].known_ms = std::max(n.last_ms, n.known_ms);
  }
  for (const auto& e : h.events) {
    if (e.what == happening::shutdown) {
      end[e.node] = std::min(end[e.node], e.time_ms);
      out[e.node].known_ms = std::min(out[e.node].known_ms, e.time_ms);
    }
    if (e.what != happening::failure) continue;
    out[e.node].failures.push_back(e.time_ms);
    down[e.node].push_back({e.time_ms, e.back_ms == 0 ? never : e.back_ms});
  }
  for (size_t i = 0; i < h.nodes.size(); ++i) {
    auto& failures = out[i].failures;
    failures.erase(std::upper_bound(failures.begin(), failures.end(), out[i].known_ms),
                   failures.end()); // of a machine that came back after its shutdown
    auto from = h.nodes[i].first_ms;
    for (const auto& d : down[i]) {
      if (from < std::min(d.from, end[i]))
        out[i].working.push_back({from, std::min(d.from, end[i])});
      from = std::max(from, d.to);
    }
    if (from < end[i]) out[i].working.push_back({from, end[i]});
  }
  return out;
}

struct shares {
  double yes = 0, no = 0, unknown = 0; ///< milliseconds
};

/// Splits one working stretch. What answers is the first failure at its end or later.
void add_stretch(const stretch& s, const life& l, int64_t horizon_ms, shares& out) {
  auto next = std::lower_bound(l.failures.begin(), l.failures.end(), s.to);
  auto yes_from = next == l.failures.end() ? s.to : std::clamp(*next - horizon_ms, s.from, s.to);
  auto no_to = std::clamp(l.known_ms - horizon_ms, s.from, yes_from);
  out.yes += static_cast<double>(s.to - yes_from);
  out.no += static_cast<double>(no_to - s.from);
  out.unknown += static_cast<double>(yes_from - no_to);
}

base_rate rate_of(const std::vector<life>& lives, int64_t horizon_ms) {
  ENSURE(horizon_ms > 0);
  shares sum;
  for (const auto& l : lives)
    for (const auto& s : l.working) add_stretch(s, l, horizon_ms, sum);
  double counted = sum.yes + sum.no, all = counted + sum.unknown;
  return {horizon_ms, counted > 0 ? sum.yes / counted : nan, counted / day_ms,
          all > 0 ? sum.unknown / all : nan};
}
} // namespace

history_summary summarize(const history& h, std::span<const int64_t> horizons_ms) {
  history_summary out;
  out.nodes = h.nodes.size();
  out.samples = h.samples.size();
  out.events = h.events.size();
  std::set<std::string_view> fleets;
  std::vector<bool> failed(h.nodes.size());
  for (const auto& e : h.events) {
    if (e.what != happening::failure) continue;
    ++out.failures;
    failed[e.node] = true;
  }
  out.first_ms = h.nodes.empty() ? 0 : INT64_MAX;
  out.last_ms = h.nodes.empty() ? 0 : INT64_MIN;
  for (size_t i = 0; i < h.nodes.size(); ++i) {
    const auto& n = h.nodes[i];
    fleets.insert(n.fleet);
    out.first_ms = std::min(out.first_ms, n.first_ms);
    out.last_ms = std::max(out.last_ms, n.last_ms);
    out.node_days += static_cast<double>(n.last_ms - n.first_ms) / day_ms;
    ++(failed[i] ? out.nodes_failed : out.nodes_censored);
  }
  out.fleets = fleets.size();
  out.metrics = metrics_of(h);
  out.codes = codes_of(h);
  auto lives = lives_of(h);
  for (auto horizon : horizons_ms) out.rates.push_back(rate_of(lives, horizon));
  return out;
}

} // namespace harbinger
