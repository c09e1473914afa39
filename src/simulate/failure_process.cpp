#include "simulate/failure_process.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "simulate/random_stream.hpp"

namespace harbinger::simulate {

namespace {

constexpr double minute_s = 60, hour_s = 3600, day_s = 86'400;
constexpr double repair_most_s = 7 * day_s;

class process {
public:
  process(const failure_options& options, const topology& nodes, double days, uint64_t seed)
      : options_(options), nodes_(nodes), end_s_(days * day_s), random_(seed, chance::failures) {}

  std::vector<failure> run() {
    double all_per_s = static_cast<double>(nodes_.size()) / (options_.mtbf_days * day_s);
    auto each = [&](double share, double size, auto&& event) {
      if (!(share > 0) || !(size > 0) || !(all_per_s > 0)) return;
      double mean_s = size / (all_per_s * share);
      for (double t = random_.exponential(mean_s); t < end_s_; t += random_.exponential(mean_s))
        event(t);
    };
    each(1 - options_.correlated, 1, [&](double t) {
      add(t, static_cast<node_number>(random_.below(nodes_.size())), failure_cause::node,
          repair_s(failure_cause::node, random_), next_++);
    });
    each(options_.correlated * options_.by_rack, mean_size("rack"),
         [&](double t) { whole_domain(t, "rack", failure_cause::rack); });
    each(options_.correlated * options_.by_power, mean_size("power"),
         [&](double t) { whole_domain(t, "power", failure_cause::power); });
    each(options_.correlated * options_.by_firmware, mean_size("firmware") * options_.firmware_hit,
         [&](double t) { by_firmware(t); });
    settle(all_);
    return std::move(all_);
  }

private:
  double mean_size(const char* attribute) const {
    auto a = nodes_.attribute(attribute);
    if (!a || nodes_.values(*a) == 0) return 0;
    return static_cast<double>(nodes_.size()) / static_cast<double>(nodes_.values(*a));
  }
  const std::vector<node_number>& any_domain(const char* attribute) {
    auto a = *nodes_.attribute(attribute);
    return nodes_.with(a, static_cast<value_number>(random_.below(nodes_.values(a))));
  }
  void add(double t, node_number n, failure_cause cause, double down_s, uint32_t event) {
    if (t < end_s_) all_.push_back({t, down_s, n, cause, event});
  }
  void whole_domain(double t, const char* attribute, failure_cause cause) {
    double down_s = repair_s(cause, random_);
    for (auto n : any_domain(attribute)) add(t, n, cause, down_s, next_);
    ++next_;
  }
  void by_firmware(double t) {
    for (auto n : any_domain("firmware")) {
      if (!random_.chance_of(options_.firmware_hit)) continue;
      double at = t + random_.uniform(0, options_.firmware_within_s);
      add(at, n, failure_cause::firmware, repair_s(failure_cause::firmware, random_), next_);
    }
    ++next_;
  }

  const failure_options& options_;
  const topology& nodes_;
  double end_s_;
  random_stream random_;
  uint32_t next_ = 0;
  std::vector<failure> all_;
};

} // namespace

std::vector<failure> failures_of(const failure_options& options, const topology& nodes, double days,
                                 uint64_t seed) {
  return process(options, nodes, days, seed).run();
}

double repair_s(failure_cause cause, random_stream& random) {
  auto drawn = [&] {
    switch (cause) {
    case failure_cause::rack: return random.uniform(1 * hour_s, 6 * hour_s);
    case failure_cause::power: return random.lognormal(241 * minute_s, 1.32);
    case failure_cause::firmware: return random.lognormal(42 * minute_s, 1.45);
    case failure_cause::node: break;
    }
    return random.lognormal(60 * minute_s, 1.24);
  }();
  return std::clamp(drawn, minute_s, repair_most_s);
}

void settle(std::vector<failure>& failures) {
  std::sort(failures.begin(), failures.end(), [](const failure& a, const failure& b) {
    return std::tie(a.node, a.at_s, a.event) < std::tie(b.node, b.at_s, b.event);
  });
  std::vector<failure> kept;
  for (const auto& f : failures) {
    if (kept.empty() || kept.back().node != f.node || f.at_s > kept.back().back_s())
      kept.push_back(f);
    else
      kept.back().down_s = std::max(kept.back().down_s, f.back_s() - kept.back().at_s);
  }
  std::sort(kept.begin(), kept.end(), [](const failure& a, const failure& b) {
    return std::tie(a.at_s, a.node) < std::tie(b.at_s, b.node);
  });
  failures = std::move(kept);
}

} // namespace harbinger::simulate
