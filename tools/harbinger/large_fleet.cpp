#include "large_fleet.hpp"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <random>

#include <unistd.h>

#include "core/time.hpp"

namespace harbinger {

namespace {

node_row row_of(size_t i, const large_fleet_options& o) {
  char name[32];
  std::snprintf(name, sizeof name, "n%05zu", i);
  node_row row;
  row.id = node_id{name};
  row.revision = revision{1};
  row.data_endpoint = "tcp://" + row.id.value + ":7500";
  row.attributes = {{"rack", "r" + std::to_string(i / o.rack_nodes)},
                    {"power", "p" + std::to_string(i / o.power_nodes)}};
  uint64_t tib = o.mixed ? uint64_t{1} << i % 3 : 2;
  row.capacity_bytes = tib << 40;
  return row;
}

std::vector<bool> risky_nodes(const large_fleet_options& o, std::mt19937_64& random) {
  std::vector<bool> risky(o.nodes);
  auto wanted = static_cast<size_t>(o.at_risk * static_cast<double>(o.nodes));
  size_t marked = 0;
  auto first = random() % (o.nodes / o.rack_nodes) * o.rack_nodes;
  for (size_t i = first; i < first + o.rack_nodes && marked < wanted; ++i, ++marked)
    risky[i] = true;
  while (marked < wanted) {
    auto i = random() % o.nodes;
    if (risky[i]) continue;
    risky[i] = true;
    ++marked;
  }
  return risky;
}

} // namespace

large_fleet make_large_fleet(const large_fleet_options& o) {
  std::mt19937_64 random{o.seed};
  large_fleet world;
  world.cluster = std::make_unique<fleet>();
  auto risky = risky_nodes(o, random);
  std::uniform_real_distribution<double> unit(0.0, 1.0);
  std::lognormal_distribution<double> size(std::log(32.0 * (1 << 20)), 1.0);
  for (size_t i = 0; i < o.nodes; ++i) {
    auto row = row_of(i, o);
    node_risk r;
    r.node = row.id;
    r.model = "made up";
    r.probability = risky[i] ? 0.6 + 0.35 * unit(random) : 0.05 * unit(random);
    world.risks.push_back(std::move(r));
    world.rows[row.id] = std::move(row);
  }
  auto begun = std::chrono::steady_clock::now();
  for (const auto& [id, row] : world.rows) {
    auto n = world.cluster->put(row);
    world.cluster->set_usage(n, row.capacity_bytes / 4, 100.0 + 100.0 * unit(random));
  }
  for (size_t p = 0; p < o.partitions; ++p) {
    auto first = static_cast<node_number>(random() % o.nodes);
    auto second = first;
    while (second / o.rack_nodes == first / o.rack_nodes)
      second = static_cast<node_number>(random() % o.nodes);
    holder holders[] = {{first, holding_kind::primary}, {second, holding_kind::member}};
    auto id =
        make_partition_id(static_cast<uint32_t>(1 + (p >> 16)), static_cast<uint32_t>(p & 0xffff));
    auto number = world.cluster->put(id, holders, 2);
    world.cluster->set_size(number, static_cast<uint64_t>(size(random)));
  }
  world.fill_ms = to_ms(std::chrono::steady_clock::now() - begun);
  return world;
}

size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  size_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

} // namespace harbinger
