#pragma once

/// Parsers of /proc texts: text in, numbers out. Malformed or absent text gives NaN fields; nothing
/// throws. The layouts are those of proc(5) and of the kernel's Documentation/accounting/psi.rst.

#include <cstdint>
#include <string_view>

#include "telemetry/metrics.hpp"

namespace harbinger::telemetry {

/// The first line of /proc/stat; jiffies since boot.
struct cpu_times {
  double busy = missing, iowait = missing, steal = missing, total = missing;
};
cpu_times parse_stat(std::string_view text);

/// Shares of the time between two readings; NaN when no time passed or a counter went back.
struct cpu_shares {
  double busy = missing, iowait = missing, steal = missing;
};
cpu_shares shares_between(const cpu_times& before, const cpu_times& after);

/// /proc/meminfo. Used is what is not available (MemAvailable), swap 0 of 0 counts as no use.
struct memory_use {
  double total_bytes = missing, used_ratio = missing, swap_used_ratio = missing;
};
memory_use parse_meminfo(std::string_view text);

/// The one-minute load of /proc/loadavg.
double parse_loadavg(std::string_view text);

/// Sums over whole disks of /proc/diskstats (no loop, ram or device-mapper devices, no partitions).
struct disk_totals {
  double operations = missing, bytes = missing, busy_ms = missing;
};
disk_totals parse_diskstats(std::string_view text);

/// Sums over all interfaces but "lo" of /proc/net/dev.
struct net_totals {
  double bytes = missing, errors = missing, drops = missing;
};
net_totals parse_net_dev(std::string_view text);
/// RetransSegs of /proc/net/snmp.
double parse_tcp_retransmits(std::string_view text);

/// avg10 of /proc/pressure/*, as shares 0..1. "full" is NaN where the kernel has no such line.
struct pressure {
  double some = missing, full = missing;
};
pressure parse_pressure(std::string_view text);

/// /proc/self/stat. The command may contain anything: fields are counted from its last ')'.
struct process_stat {
  double faults_minor = missing, faults_major = missing;
  double user_ticks = missing, system_ticks = missing;
  double threads = missing, vsize_bytes = missing, rss_pages = missing;
};
process_stat parse_process_stat(std::string_view text);

/// /proc/self/task/N/status.
struct context_switches {
  double voluntary = missing, forced = missing;
};
context_switches parse_status_switches(std::string_view text);

/// Nanoseconds on the run queue: the second field of /proc/self/task/N/schedstat.
double parse_run_wait_ns(std::string_view text);

/// read_bytes and write_bytes of /proc/self/io.
struct process_io {
  double read_bytes = missing, write_bytes = missing;
};
process_io parse_process_io(std::string_view text);

/// A cgroup's memory limit in bytes (v1 or v2 file); NaN for "max", for v1's "no limit" value and
/// for no text.
double parse_cgroup_limit(std::string_view text);

} // namespace harbinger::telemetry
