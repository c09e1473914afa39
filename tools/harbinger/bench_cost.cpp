#include <algorithm>
#include <csignal>

#include "app/load.hpp"
#include "app/process.hpp"
#include "app/write_throughput.hpp"
#include "bench.hpp"
#include "wrong_warning.hpp"

namespace harbinger {

namespace {

using steady = std::chrono::steady_clock;
constexpr uint32_t cost_partitions = 8;
constexpr uint64_t cost_bytes_per_partition = 4 << 20;
constexpr size_t cost_clients = 4; ///< each with a batch for every partition in flight
constexpr write_shape cost_shape{10, 256, 2048};
constexpr size_t cost_dies = 1; ///< index of the node that nobody warned of

struct cost_figures {
  double writes_per_s = 0.0, write_p99_ms = 0.0, recovery_ms = 0.0;
};

result<write_figures> cost_writes(wrong_warning& stage) {
  std::vector<client> clients;
  std::vector<one_write> writers;
  auto partitions = stage.partitions([](const auto&) { return true; });
  if (!partitions) return tl::unexpected<error>(partitions.error());
  for (size_t i = 0; i < cost_clients; ++i) {
    auto one = client::connect(stage.cluster().control_endpoint());
    if (!one) return tl::unexpected<error>(one.error());
    clients.push_back(std::move(*one));
  }
  for (size_t i = 0; i < cost_clients; ++i)
    writers.push_back([&, i](uint64_t number) -> result<void> {
      std::vector<partition_write> writes;
      for (auto p : *partitions) writes.push_back({p, shaped_batch(cost_shape, i, number)});
      for (const auto& done : clients[i].put_each(std::move(writes)))
        if (!done) return tl::unexpected<error>(done.error());
      return {};
    });
  uint64_t first = 0;
  return measure_writes(writers, first, milliseconds(500), seconds(6));
}

/// From the death of a node until those of its partitions that have no copy have all replicas
/// again.
result<double> cost_recovery(wrong_warning& stage) {
  auto blamed = stage.name_of(wrong_warning::blamed), dies = stage.name_of(cost_dies);
  auto lost = stage.partitions(
      [&](const partition_row& row) { return holds(row, dies) && !holds(row, blamed); });
  if (!lost) return tl::unexpected<error>(lost.error());
  if (lost->empty()) return fail(errc::internal, "the node holds no partition without a copy");
  auto restored = [&](const partition_map& m) {
    return std::all_of(m.partitions.begin(), m.partitions.end(), [&](const partition_row& row) {
      bool asked = std::find(lost->begin(), lost->end(), row.id) != lost->end();
      return !asked
             || (!holds(row, dies) && !row.primary.value.empty()
                 && row.sync_set.size() >= row.replicas_wanted);
    });
  };
  auto begun = steady::now();
  stage.cluster().nodes().at(cost_dies).daemon.signal(SIGKILL);
  if (!stage.cluster().wait_for_map(restored, seconds(60)))
    return fail(errc::timeout, "not all replicas came back");
  return to_ms(steady::now() - begun);
}

result<cost_figures> cost_round(bool warned) {
  auto stage =
      wrong_warning::start({.nodes = 4, .partitions = cost_partitions, .predicting = warned});
  if (!stage) return tl::unexpected<error>(stage.error());
  preload_options filled;
  filled.control_endpoint = (*stage)->cluster().control_endpoint();
  filled.volume = wrong_warning::volume;
  filled.bytes_per_partition = cost_bytes_per_partition;
  if (auto done = preload(filled); !done) return tl::unexpected<error>(done.error());
  if (warned) (*stage)->warn();
  auto writes = cost_writes(**stage); // while the copies are made, and then followed
  if (!writes) return tl::unexpected<error>(writes.error());
  if (warned)
    if (auto copied = (*stage)->wait_for_copies(seconds(60)); !copied)
      return tl::unexpected<error>(copied.error());
  auto recovery = cost_recovery(**stage);
  if (!recovery) return tl::unexpected<error>(recovery.error());
  return cost_figures{writes->per_s * cost_partitions, writes->p99_ms, *recovery};
}

} // namespace

result<bench_rows> bench_cost(const bench_options& options) {
  std::vector<double> writes[2], p99[2], recovery[2]; // [1]: with the wrong warning
  for (uint32_t run = 0; run < 2 * options.runs; ++run) {
    if (interrupted()) return fail(errc::cancelled, "interrupted");
    bool warned = run % 4 == 1 || run % 4 == 2; // off, wrong, wrong, off: drift cancels
    auto round = cost_round(warned);
    if (!round) return tl::unexpected<error>(round.error());
    writes[warned].push_back(round->writes_per_s);
    p99[warned].push_back(round->write_p99_ms);
    recovery[warned].push_back(round->recovery_ms);
    if (options.say && run % 2 == 1)
      options.say("cost " + std::to_string(run / 2 + 1) + '/' + std::to_string(options.runs));
  }
  return bench_rows{make_row("cost", "recovery without a copy, others warned of", "ms",
                             better::less, recovery[1], "the same without prediction", recovery[0],
                             0.99),
                    make_row("cost", "writes beside copies nobody needs", "batches/s", better::more,
                             writes[1], "the same without prediction", writes[0], 0.99),
                    make_row("cost", "p99 of these writes, 8 at once", "ms", better::less, p99[1],
                             "the same without prediction", p99[0], 0.99)};
}

} // namespace harbinger
