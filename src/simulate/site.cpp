#include "simulate/site.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "simulate/random_stream.hpp"

namespace harbinger::simulate {

namespace {

constexpr uint32_t replicas_most = 5; // as volumes have
constexpr double day_s = 86'400;

std::string numbered(const char* prefix, uint32_t number, int digits) {
  char text[24];
  std::snprintf(text, sizeof text, "%s%0*u", prefix, digits, number);
  return text;
}

/// Log-normal with this mean.
double with_mean(random_stream& random, double mean, double sigma) {
  return random.lognormal(mean * std::exp(-sigma * sigma / 2), sigma);
}

result<> check(const site_options& o) {
  auto need = [](bool holds, const std::string& what) -> result<> {
    if (holds) return {};
    return fail(errc::invalid_argument, what);
  };
  auto in = [](double x, double low, double high) { return x >= low && x <= high; };
  for (const auto& [holds, what] : std::initializer_list<std::pair<bool, std::string>>{
           {o.nodes >= 2 && o.nodes <= nodes_most,
            "nodes must be 2.." + std::to_string(nodes_most)},
           {o.partitions >= 1 && o.partitions <= partitions_most,
            "partitions must be 1.." + std::to_string(partitions_most)},
           {o.replicas >= 1 && o.replicas <= std::min(replicas_most, o.nodes),
            "replicas must be 1.." + std::to_string(replicas_most) + " and not more than nodes"},
           {o.nodes_per_rack >= 1 && o.racks_per_feed >= 1 && o.firmwares >= 1,
            "racks, power feeds and firmware versions have one member at least"},
           {in(o.mean_size_bytes, 1, 1e15) && in(o.mean_change_bytes_per_s, 0, 1e12)
                && in(o.mean_requests_per_s, 0, 1e9),
            "sizes and rates must be numbers, sizes at least 1 byte"}})
    if (auto held = need(holds, what); !held) return held;
  double stored = o.mean_size_bytes * o.partitions * o.replicas;
  double there = 0.5 * static_cast<double>(o.capacity_bytes) * o.nodes;
  return need(stored <= there, "the partitions would fill more than half of the nodes: fewer or "
                               "smaller partitions, or more capacity");
}

/// Finds nodes for one partition after the other.
class dealer {
public:
  dealer(fleet& cluster, const std::vector<std::string>& spread, random_stream& random)
      : cluster_(cluster), random_(random), held_(cluster.nodes().size()) {
    for (const auto& name : spread)
      if (auto a = cluster.nodes().attribute(name)) spread_.push_back(*a);
  }
  uint32_t held(node_number n) const { return held_[n]; }
  void take(std::vector<holder>& to, node_number n) {
    to.push_back({n, to.empty() ? holding_kind::primary : holding_kind::member});
    ++held_[n];
  }
  node_number another(const std::vector<holder>& beside) {
    node_number best = no_number;
    constexpr int tries = 64;
    for (int found = 0, i = 0; found < 2 && i < tries; ++i) {
      auto n = static_cast<node_number>(random_.below(held_.size()));
      if (!fits(n, beside, i < tries / 2)) continue;
      ++found;
      if (best == no_number || held_[n] < held_[best]) best = n;
    }
    for (node_number n = 0; best == no_number; ++n)
      if (fits(n, beside, false)) best = n;
    return best;
  }

private:
  bool fits(node_number n, const std::vector<holder>& beside, bool apart) const {
    const auto& nodes = cluster_.nodes();
    for (const auto& h : beside) {
      if (h.node == n) return false;
      for (auto a : spread_)
        if (apart && nodes.value_of(h.node, a) == nodes.value_of(n, a)) return false;
    }
    return true;
  }
  fleet& cluster_;
  random_stream& random_;
  std::vector<attribute_number> spread_;
  std::vector<uint32_t> held_;
};

} // namespace

std::vector<node_row> nodes_of(const site_options& options, uint64_t seed) {
  random_stream random(seed, chance::layout);
  std::vector<node_row> rows(options.nodes);
  for (uint32_t n = 0; n < options.nodes; ++n) {
    auto rack = n / options.nodes_per_rack;
    rows[n].id = node_id{numbered("n", n, 6)};
    rows[n].capacity_bytes = options.capacity_bytes;
    rows[n].attributes = {
        {"rack", numbered("r", rack, 5)},
        {"power", numbered("p", rack / options.racks_per_feed, 4)},
        {"firmware", numbered("f", static_cast<uint32_t>(random.below(options.firmwares)), 2)}};
  }
  return rows;
}

result<> lay_out(fleet& cluster, const site_options& options,
                 const std::vector<std::string>& spread, uint64_t seed) {
  if (auto checked = check(options); !checked) return checked;
  for (const auto& row : nodes_of(options, seed)) cluster.put(row);
  random_stream random(seed, chance::layout), amounts(seed, chance::sizes);
  dealer deal(cluster, spread, random);
  std::vector<holder> holders;
  std::vector<uint64_t> used(options.nodes);
  std::vector<double> writes(options.nodes);
  std::vector<node_number> order(options.nodes);
  std::iota(order.begin(), order.end(), 0u);
  for (uint32_t p = 0; p < options.partitions; ++p) {
    auto turn = p % options.nodes;
    if (turn == 0)
      for (auto i = options.nodes - 1; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);
    holders.clear();
    deal.take(holders, order[turn]);
    while (holders.size() < options.replicas) deal.take(holders, deal.another(holders));
    cluster.put(make_partition_id(1, p), holders, static_cast<uint8_t>(options.replicas));
    auto size = static_cast<uint64_t>(with_mean(amounts, options.mean_size_bytes, size_sigma)) + 1;
    auto change = with_mean(amounts, options.mean_change_bytes_per_s, traffic_sigma);
    cluster.set_size(p, size);
    cluster.set_change_rate(p, change);
    for (const auto& h : holders) used[h.node] += size;
    writes[holders.front().node] += change;
  }
  for (node_number n = 0; n < options.nodes; ++n) cluster.set_usage(n, used[n], writes[n]);
  return {};
}

double requests_between(double from_s, double to_s) {
  // The wave 1 + swing * sin(2 pi (t - 9 h) / day), integrated.
  auto whole = [](double t) {
    double turn = 2.0 * std::numbers::pi / day_s;
    return t - daily_swing / turn * std::cos(turn * (t - 9 * 3600));
  };
  return whole(to_s) - whole(from_s);
}

} // namespace harbinger::simulate
