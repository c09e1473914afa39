#include "telemetry/host_sampler.hpp"

#include <cmath>
#include <dirent.h>
#include <fcntl.h>
#include <limits>
#include <sys/resource.h>
#include <unistd.h>

namespace harbinger::telemetry {
namespace {
std::string read_file(const std::string& path) {
  std::string out;
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return out;
  constexpr size_t bytes_max = 256 << 10; // none of these files comes near it
  char buffer[8192];
  for (ssize_t got = 0; out.size() < bytes_max && (got = ::read(fd, buffer, sizeof buffer)) > 0;)
    out.append(buffer, static_cast<size_t>(got));
  ::close(fd);
  return out;
}

std::vector<std::string> list_directory(const std::string& path) {
  std::vector<std::string> out;
  DIR* directory = ::opendir(path.c_str());
  if (!directory) return out;
  while (auto* entry = ::readdir(directory))
    if (entry->d_name[0] != '.') out.emplace_back(entry->d_name);
  ::closedir(directory);
  return out;
}

double limit_of(decltype(RLIMIT_AS) resource) {
  struct rlimit limit {};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return missing;
  return static_cast<double>(limit.rlim_cur);
}

/// The tightest memory limit on the way from the process's cgroup up to the root, v1 or v2.
double cgroup_memory_limit(const std::string& proc) {
  double tightest = missing;
  std::string text = read_file(proc + "/self/cgroup");
  for (size_t at = 0; at < text.size();) {
    auto end = text.find('\n', at);
    std::string line = text.substr(at, end - at);
    at = end == std::string::npos ? text.size() : end + 1;
    auto second = line.find(':', line.find(':') + 1);
    if (second == std::string::npos) continue;
    bool unified = line.starts_with("0::"), v1 = line.find(":memory:") != std::string::npos;
    if (!unified && !v1) continue;
    std::string path = line.substr(second + 1);
    while (true) {
      auto file = unified ? "/sys/fs/cgroup" + path + "/memory.max"
                          : "/sys/fs/cgroup/memory" + path + "/memory.limit_in_bytes";
      tightest = std::fmin(tightest, parse_cgroup_limit(read_file(file)));
      if (path.empty() || path == "/") break;
      path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
  }
  return tightest;
}

struct row_writer {
  std::vector<double>& row;
  void operator()(std::string_view name, double value) const {
    if (auto i = metric_index(name); i < row.size()) row[i] = value;
  }
};
} // namespace

host_sampler::host_sampler(const telemetry_settings& settings, std::string proc)
    : proc_(std::move(proc)), logs_(settings.log_files) {
  long online = ::sysconf(_SC_NPROCESSORS_ONLN);
  cpus_ = online > 0 ? static_cast<double>(online) : 1.0;
  memory_limit_bytes_ = find_memory_limit(settings);
  last_cpu_ = parse_stat(read_file(proc_ + "/stat"));
  logs_.poll(); // marks where history ends
}

double host_sampler::find_memory_limit(const telemetry_settings& settings) const {
  if (settings.memory_limit_bytes > 0) return static_cast<double>(settings.memory_limit_bytes);
  double host = parse_meminfo(read_file(proc_ + "/meminfo")).total_bytes;
  return std::fmin(std::fmin(limit_of(RLIMIT_AS), cgroup_memory_limit(proc_)),
                   host); // fmin passes NaN over
}

std::vector<double> host_sampler::sample(const outside_readings& outside) {
  std::vector<double> row(metric_catalogue().size(), missing);
  sample_host(row);
  sample_process(row);
  row_writer set{row};
  set("loop.lag_ms", outside.lag_ms);
  set("loop.lag_ratio", outside.lag_ms / outside.period_ms);
  set(store_write_ms, outside.store_write_ms);
  set(store_write_max_ms, outside.store_write_max_ms);
  set(store_queue, outside.store_queue);
  set("net.rtt_ms_mean", outside.rtt_ms_mean);
  set("net.rtt_ms_max", outside.rtt_ms_max);
  set("net.rtt_ms_min", outside.rtt_ms_min);
  set("net.unanswered_ratio", outside.unanswered_ratio);
  logs_.poll();
  auto counts = logs_.counts();
  auto first = metric_index("log.errors_io");
  for (size_t i = 0; i < log_classes; ++i) row[first + i] = static_cast<double>(counts[i]);
  return row;
}

void host_sampler::sample_host(std::vector<double>& row) {
  row_writer set{row};
  auto cpu = parse_stat(read_file(proc_ + "/stat"));
  auto shares = shares_between(last_cpu_, cpu);
  last_cpu_ = cpu;
  set("host.cpu_busy_ratio", shares.busy);
  set("host.cpu_iowait_ratio", shares.iowait);
  set("host.cpu_steal_ratio", shares.steal);
  set("host.load_per_cpu", parse_loadavg(read_file(proc_ + "/loadavg")) / cpus_);
  auto memory = parse_meminfo(read_file(proc_ + "/meminfo"));
  set("host.mem_used_ratio", memory.used_ratio);
  set("host.swap_used_ratio", memory.swap_used_ratio);
  auto disk = parse_diskstats(read_file(proc_ + "/diskstats"));
  set("host.disk_ops", disk.operations);
  set("host.disk_bytes", disk.bytes);
  set("host.disk_busy_ms", disk.busy_ms);
  auto net = parse_net_dev(read_file(proc_ + "/net/dev"));
  set("host.net_bytes", net.bytes);
  set("host.net_errors", net.errors);
  set("host.net_drops", net.drops);
  set("host.tcp_retransmits", parse_tcp_retransmits(read_file(proc_ + "/net/snmp")));
  set("host.psi_cpu_some", parse_pressure(read_file(proc_ + "/pressure/cpu")).some);
  auto psi_memory = parse_pressure(read_file(proc_ + "/pressure/memory"));
  set("host.psi_memory_some", psi_memory.some);
  set("host.psi_memory_full", psi_memory.full);
  auto psi_io = parse_pressure(read_file(proc_ + "/pressure/io"));
  set("host.psi_io_some", psi_io.some);
  set("host.psi_io_full", psi_io.full);
}

void host_sampler::sample_process(std::vector<double>& row) {
  row_writer set{row};
  auto stat = parse_process_stat(read_file(proc_ + "/self/stat"));
  auto tick_s = 1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK));
  auto rss = stat.rss_pages * static_cast<double>(::sysconf(_SC_PAGESIZE));
  set("process.rss_bytes", rss);
  set("process.rss_ratio", rss / memory_limit_bytes_);
  set("process.vsize_ratio", stat.vsize_bytes / limit_of(RLIMIT_AS));
  set("process.cpu_s", (stat.user_ticks + stat.system_ticks) * tick_s);
  set("process.cpu_user_s", stat.user_ticks * tick_s);
  set("process.cpu_system_s", stat.system_ticks * tick_s);
  set("process.faults_minor", stat.faults_minor);
  set("process.faults_major", stat.faults_major);
  set("process.threads", stat.threads);
  auto io = parse_process_io(read_file(proc_ + "/self/io"));
  set("process.read_bytes", io.read_bytes);
  set("process.write_bytes", io.write_bytes);
  set("process.fd_ratio",
      static_cast<double>(list_directory(proc_ + "/self/fd").size()) / limit_of(RLIMIT_NOFILE));
  // Per thread in the kernel: the files of the process itself speak of its first thread only. A
  // thread that ended takes its share with it; the features read a falling counter as a new start.
  context_switches switches{0, 0};
  double wait_ns = 0;
  auto tasks = list_directory(proc_ + "/self/task");
  for (const auto& task : tasks) {
    auto base = proc_ + "/self/task/" + task;
    auto one = parse_status_switches(read_file(base + "/status"));
    double wait = parse_run_wait_ns(read_file(base + "/schedstat"));
    if (std::isnan(one.voluntary) || std::isnan(wait))
      continue; // it ended between listing and reading
    switches.voluntary += one.voluntary;
    switches.forced += one.forced;
    wait_ns += wait;
  }
  if (tasks.empty()) return;
  set("process.switches_voluntary", switches.voluntary);
  set("process.switches_forced", switches.forced);
  set("process.run_wait_s", wait_ns * 1e-9);
}

} // namespace harbinger::telemetry
