#include <algorithm>
#include <ctime>
#include <fstream>
#include <sstream>

#include <unistd.h>

#include "app/client.hpp"
#include "app/cluster.hpp"
#include "app/temporary_directory.hpp"
#include "bare_writes.hpp"
#include "bench.hpp"

namespace harbinger {

namespace {

constexpr uint32_t store_partitions = 8;
constexpr size_t store_clients = 8; ///< each with a batch for every partition in flight
constexpr auto store_warm_up = milliseconds(500);
constexpr auto store_span = seconds(3);
constexpr const char* store_volume = "bench";

struct shape_row {
  const char* metric;
  write_shape shape;
  size_t clients;
  uint32_t at_once; ///< batches that each client has in flight
  double target;
  size_t writers() const { return clients * at_once; } ///< of the opponent
};

/// A cluster of a centre and two nodes, and clients of it.
class replicated_writes {
public:
  result<void> start() {
    cluster_options options;
    options.nodes = 2;
    options.racks = 2;
    auto made = cluster::prepare(options);
    if (!made) return tl::unexpected<error>(made.error());
    cluster_ = std::move(*made);
    if (auto up = cluster_->start(seconds(30)); !up) return up;
    if (auto volume = cluster_->create_volume(store_volume, store_partitions, 2, seconds(20));
        !volume)
      return volume;
    if (!cluster_->wait_for_map(fully_replicated, seconds(30)))
      return fail(errc::timeout, "the volume is not replicated");
    for (size_t i = 0; i < store_clients; ++i) {
      auto one = client::connect(cluster_->control_endpoint());
      if (!one) return tl::unexpected<error>(one.error());
      clients_.push_back(std::move(*one));
    }
    return {};
  }
  std::vector<one_write> writers(const shape_row& what) {
    std::vector<one_write> out;
    auto volume = clients_.front().volume(store_volume)->number;
    for (size_t i = 0; i < what.clients; ++i)
      out.push_back([this, what, i, volume](uint64_t number) -> result<void> {
        std::vector<partition_write> writes;
        for (uint32_t p = 0; p < what.at_once; ++p)
          writes.push_back({make_partition_id(volume, p),
                            shaped_batch(what.shape, i * what.at_once + p, number)});
        for (const auto& done : clients_[i].put_each(std::move(writes)))
          if (!done) return tl::unexpected<error>(done.error());
        return {};
      });
    return out;
  }
  /// Of the cluster's processes, without this one.
  std::vector<pid_t> processes() {
    std::vector<pid_t> out{cluster_->central().pid()};
    for (auto& node : cluster_->nodes()) out.push_back(node.daemon.pid());
    return out;
  }

private:
  std::unique_ptr<cluster> cluster_;
  std::vector<client> clients_;
};

/// Processor time of these processes and of this one, in seconds.
double processor_s(const std::vector<pid_t>& processes) {
  auto ticks = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  for (auto pid : processes) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 2)));
    std::string skipped;
    for (int i = 0; i < 11; ++i) fields >> skipped;
    double user = 0, system = 0;
    fields >> user >> system;
    ticks += (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  return ticks;
}

struct side {
  std::vector<double> per_s, p50, p99, processor_us;
  /// `at_once`: batches that are one write of measure_writes().
  void add(const write_figures& f, double processor_s, uint32_t at_once) {
    auto writes = f.writes * at_once;
    per_s.push_back(f.per_s * at_once);
    p50.push_back(f.p50_ms);
    p99.push_back(f.p99_ms);
    processor_us.push_back(1e6 * processor_s / static_cast<double>(std::max<uint64_t>(writes, 1)));
  }
};

double middle(const std::vector<double>& values) { return percentile(values, 50); }

result<bench_rows> measure_shape(const bench_options& options, const shape_row& what,
                                 replicated_writes& cluster, const std::string& directory) {
  auto one = bare_writes::open(directory + "-one", what.writers(), 1);
  if (!one) return tl::unexpected<error>(one.error());
  auto two = bare_writes::open(directory + "-two", what.writers(), 2);
  if (!two) return tl::unexpected<error>(two.error());
  std::vector<std::vector<one_write>> writers{cluster.writers(what), (*one)->writers(what.shape),
                                              (*two)->writers(what.shape)};
  auto processes = cluster.processes();
  std::vector<side> sides(writers.size());
  std::vector<uint64_t> numbers(writers.size(), 0);
  std::vector<double> ratios;
  for (uint32_t run = 0; run < options.runs; ++run) {
    for (size_t k = 0; k < writers.size(); ++k) {
      auto i = run % 2 == 0 ? k : writers.size() - 1 - k; // drift of the machine cancels
      auto before = processor_s(processes);
      auto figures = measure_writes(writers[i], numbers[i], store_warm_up, store_span);
      if (!figures) return tl::unexpected<error>(figures.error());
      sides[i].add(*figures, processor_s(processes) - before, i == 0 ? what.at_once : 1);
    }
    ratios.push_back(sides[0].per_s.back() / std::max(sides[1].per_s.back(), 1.0));
    if (options.say)
      options.say(std::string(what.metric) + ' ' + std::to_string(run + 1) + '/'
                  + std::to_string(options.runs));
  }
  std::vector<std::pair<std::string, double>> figures{
      {"batches in flight", static_cast<double>(what.writers())},
      {"records/s", middle(sides[0].per_s) * static_cast<double>(what.shape.records)},
      {"p50, ms", middle(sides[0].p50)},
      {"p99, ms", middle(sides[0].p99)},
      {"p50 of the opponent, ms", middle(sides[1].p50)},
      {"p99 of the opponent, ms", middle(sides[1].p99)},
      {"opponent with two databases, batches/s", middle(sides[2].per_s)},
      {"processor, us a write", middle(sides[0].processor_us)},
      {"processor of the opponent, us a write", middle(sides[1].processor_us)},
      {"processor of the opponent with two, us a write", middle(sides[2].processor_us)},
      {"ratio of a round, least", *std::min_element(ratios.begin(), ratios.end())},
      {"ratio of a round, most", *std::max_element(ratios.begin(), ratios.end())}};
  bench_rows rows;
  if (what.writers() > 1) {
    rows.push_back(make_row("store", what.metric, "batches/s", better::more, sides[0].per_s,
                            "bare RocksDB, synced, + a round trip", sides[1].per_s, what.target));
  } else {
    rows.push_back(make_row("store", what.metric, "ms", better::less, sides[0].p50,
                            "bare RocksDB, synced, + a round trip", sides[1].p50, what.target));
  }
  rows.back().figures = std::move(figures);
  return rows;
}

} // namespace

result<bench_rows> bench_store(const bench_options& options) {
  auto directory = temporary_directory::make("harbinger-bench-");
  if (!directory) return tl::unexpected<error>(directory.error());
  replicated_writes cluster;
  if (auto up = cluster.start(); !up) return tl::unexpected<error>(up.error());
  const std::vector<shape_row> shapes{
      {"batches of 16 records, 64 in flight", {16, 256, 4096}, store_clients, 8, 0.7},
      {"batches of 1 record, 64 in flight", {1, 256, 4096}, store_clients, 8, 0.7},
      {"a batch of 1 record alone, p50", {1, 256, 4096}, 1, 1, 0.0},
  };
  bench_rows out;
  for (const auto& shape : shapes) {
    auto rows = measure_shape(options, shape, cluster,
                              directory->path() + "/row" + std::to_string(out.size()));
    if (!rows) return tl::unexpected<error>(rows.error());
    out.insert(out.end(), rows->begin(), rows->end());
  }
  return out;
}

} // namespace harbinger
