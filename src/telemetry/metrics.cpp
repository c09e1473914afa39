#include "telemetry/metrics.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace harbinger::telemetry {
namespace {
constexpr auto G = metric_kind::gauge;
constexpr auto C = metric_kind::counter;

constexpr std::array table{
    metric_info{"host.cpu_busy_ratio", G, "ratio", "the host's busy CPU time"},
    metric_info{"host.cpu_iowait_ratio", G, "ratio", "the host's time waiting for I/O"},
    metric_info{"host.cpu_steal_ratio", G, "ratio", "CPU time stolen from the host"},
    metric_info{"host.load_per_cpu", G, "tasks", "the host's load per CPU"},
    metric_info{"host.mem_used_ratio", G, "ratio", "the host's memory in use"},
    metric_info{"host.swap_used_ratio", G, "ratio", "the host's swap in use"},
    metric_info{"host.disk_ops", C, "operations", "the host's disk operations"},
    metric_info{"host.disk_bytes", C, "bytes", "the host's disk traffic"},
    metric_info{"host.disk_busy_ms", C, "ms", "the host's disk busy time"},
    metric_info{"host.net_bytes", C, "bytes", "the host's network traffic"},
    metric_info{"host.net_errors", C, "packets", "network errors of the host"},
    metric_info{"host.net_drops", C, "packets", "packets dropped by the host"},
    metric_info{"host.tcp_retransmits", C, "segments", "TCP retransmissions of the host"},
    metric_info{"host.psi_cpu_some", G, "ratio", "the host's CPU pressure"},
    metric_info{"host.psi_memory_some", G, "ratio", "the host's memory pressure"},
    metric_info{"host.psi_memory_full", G, "ratio", "the host's full memory stalls"},
    metric_info{"host.psi_io_some", G, "ratio", "the host's I/O pressure"},
    metric_info{"host.psi_io_full", G, "ratio", "the host's full I/O stalls"},
    metric_info{"process.rss_bytes", G, "bytes", "resident memory"},
    metric_info{"process.rss_ratio", G, "ratio", "resident memory as a share of its limit"},
    metric_info{"process.vsize_ratio", G, "ratio", "address space as a share of its limit"},
    metric_info{"process.cpu_s", C, "s", "CPU time used"},
    metric_info{"process.cpu_user_s", C, "s", "CPU time used in user mode"},
    metric_info{"process.cpu_system_s", C, "s", "CPU time used in the kernel"},
    metric_info{"process.switches_voluntary", C, "switches", "voluntary context switches"},
    metric_info{"process.switches_forced", C, "switches", "forced context switches"},
    metric_info{"process.run_wait_s", C, "s", "time waiting for a CPU"},
    metric_info{"process.faults_minor", C, "faults", "minor page faults"},
    metric_info{"process.faults_major", C, "faults", "major page faults"},
    metric_info{"process.read_bytes", C, "bytes", "bytes read from disk"},
    metric_info{"process.write_bytes", C, "bytes", "bytes written to disk"},
    metric_info{"process.fd_ratio", G, "ratio", "open descriptors as a share of their limit"},
    metric_info{"process.threads", G, "threads", "threads"},
    metric_info{"loop.lag_ms", G, "ms", "the lateness of the node's own timer"},
    metric_info{"loop.lag_ratio", G, "periods", "the lateness of the node's own timer, in periods"},
    metric_info{"store.write_ms", G, "ms", "the time of a durable write"},
    metric_info{"store.write_max_ms", G, "ms", "the slowest durable write"},
    metric_info{"store.queue", G, "batches", "writes waiting"},
    metric_info{"net.rtt_ms_mean", G, "ms", "the mean round-trip time to peers"},
    metric_info{"net.rtt_ms_max", G, "ms", "the longest round-trip time to a peer"},
    metric_info{"net.rtt_ms_min", G, "ms", "the shortest round-trip time to a peer"},
    metric_info{"net.unanswered_ratio", G, "ratio", "the share of pings without an answer"},
    metric_info{"log.errors_io", C, "lines", "I/O errors in the log"},
    metric_info{"log.errors_no_space", C, "lines", "full-disk errors in the log"},
    metric_info{"log.errors_timeout", C, "lines", "timeouts in the log"},
    metric_info{"log.errors_checksum", C, "lines", "checksum errors in the log"},
    metric_info{"log.errors_memory", C, "lines", "out-of-memory errors in the log"},
    metric_info{"log.errors_connection", C, "lines", "connection errors in the log"},
    metric_info{"log.errors_other", C, "lines", "other errors in the log"},
    metric_info{"log.warnings", C, "lines", "warnings in the log"},
};
} // namespace

std::span<const metric_info> metric_catalogue() { return table; }

size_t metric_index(std::string_view name) {
  static const auto index = [] {
    std::map<std::string_view, size_t> out;
    for (size_t i = 0; i < table.size(); ++i) out.emplace(table[i].name, i);
    return out;
  }();
  auto found = index.find(name);
  return found == index.end() ? table.size() : found->second;
}

std::vector<metric_spec> catalogue_specs() {
  std::vector<metric_spec> out;
  out.reserve(table.size());
  for (const auto& m : table) out.push_back({std::string{m.name}, m.kind});
  return out;
}

} // namespace harbinger::telemetry
