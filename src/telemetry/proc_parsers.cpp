#include "telemetry/proc_parsers.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <vector>

namespace harbinger::telemetry {
namespace {

std::string_view next_line(std::string_view& text) {
  auto end = text.find('\n');
  auto line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

std::string_view next_word(std::string_view& line) {
  auto start = line.find_first_not_of(" \t");
  if (start == std::string_view::npos) {
    line = {};
    return {};
  }
  line.remove_prefix(start);
  auto word = line.substr(0, line.find_first_of(" \t"));
  line.remove_prefix(word.size());
  return word;
}

double to_number(std::string_view word) {
  double out = missing;
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), out);
  if (error != std::errc{} || end != word.data() + word.size() || !std::isfinite(out))
    return missing;
  return out;
}

/// The number after "key" (up to any ':' and blanks) in a text of one key a line.
double value_of(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    auto line = next_line(text);
    if (!line.starts_with(key)) continue;
    line.remove_prefix(key.size());
    if (line.empty() || line.front() != ':') continue;
    line.remove_prefix(1);
    return to_number(next_word(line));
  }
  return missing;
}

template <size_t N>
std::array<double, N> numbers(std::string_view line) {
  std::array<double, N> out{};
  for (auto& x : out) x = to_number(next_word(line));
  return out;
}

bool is_partition(std::string_view name) {
  if (name.starts_with("nvme") || name.starts_with("mmcblk"))
    return name.rfind('p') != std::string_view::npos && name.rfind('p') > 4;
  bool lettered = name.starts_with("sd") || name.starts_with("vd") || name.starts_with("hd")
                  || name.starts_with("xvd");
  return lettered && name.back() >= '0' && name.back() <= '9';
}

bool is_virtual_disk(std::string_view name) {
  for (std::string_view prefix : {"loop", "ram", "zram", "dm-", "md", "sr", "fd"})
    if (name.starts_with(prefix)) return true;
  return false;
}

void accumulate(double& sum, double x) { sum = std::isnan(sum) ? x : sum + x; }
} // namespace

cpu_times parse_stat(std::string_view text) {
  auto line = next_line(text);
  if (next_word(line) != "cpu") return {};
  auto n = numbers<8>(line); // user nice system idle iowait irq softirq steal
  cpu_times out;
  out.iowait = n[4];
  out.steal = n[7];
  out.busy = n[0] + n[1] + n[2] + n[5] + n[6];
  out.total = out.busy + n[3] + n[4] + n[7];
  return out;
}

cpu_shares shares_between(const cpu_times& before, const cpu_times& after) {
  double total = after.total - before.total;
  if (!(total > 0)) return {};
  auto share = [&](double from, double to) { return to < from ? missing : (to - from) / total; };
  return {share(before.busy, after.busy), share(before.iowait, after.iowait),
          share(before.steal, after.steal)};
}

memory_use parse_meminfo(std::string_view text) {
  double total = value_of(text, "MemTotal"), available = value_of(text, "MemAvailable");
  double swap = value_of(text, "SwapTotal"), swap_free = value_of(text, "SwapFree");
  memory_use out;
  if (!(total > 0)) return out;
  out.total_bytes = total * 1024;
  out.used_ratio = 1 - available / total;
  out.swap_used_ratio = swap > 0 ? 1 - swap_free / swap : swap;
  return out;
}

double parse_loadavg(std::string_view text) { return to_number(next_word(text)); }

disk_totals parse_diskstats(std::string_view text) {
  disk_totals out;
  while (!text.empty()) {
    auto line = next_line(text);
    next_word(line), next_word(line);
    auto name = next_word(line);
    if (name.empty() || is_virtual_disk(name) || is_partition(name)) continue;
    auto n =
        numbers<10>(line); // reads merged sectors ms | writes merged sectors ms | running busy_ms
    double operations = n[0] + n[4], bytes = (n[2] + n[6]) * 512;
    if (std::isnan(operations + bytes + n[9])) continue;
    accumulate(out.operations, operations);
    accumulate(out.bytes, bytes);
    accumulate(out.busy_ms, n[9]);
  }
  return out;
}

net_totals parse_net_dev(std::string_view text) {
  net_totals out;
  while (!text.empty()) {
    auto line = next_line(text);
    auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    auto head = line.substr(0, colon);
    auto name = next_word(head);
    if (name == "lo") continue;
    auto n = numbers<12>(line.substr(colon + 1)); // rx: bytes packets errs drop ..; tx from [8]
    if (std::isnan(n[0] + n[2] + n[3] + n[8] + n[10] + n[11])) continue;
    accumulate(out.bytes, n[0] + n[8]);
    accumulate(out.errors, n[2] + n[10]);
    accumulate(out.drops, n[3] + n[11]);
  }
  return out;
}

double parse_tcp_retransmits(std::string_view text) {
  std::optional<size_t> column;
  while (!text.empty()) {
    auto line = next_line(text);
    if (next_word(line) != "Tcp:") continue;
    if (column) {
      for (size_t i = 0; i < *column; ++i) next_word(line);
      return to_number(next_word(line));
    }
    size_t i = 0;
    for (auto word = next_word(line); !word.empty(); word = next_word(line), ++i)
      if (word == "RetransSegs") column = i;
    if (!column) return missing;
  }
  return missing;
}

pressure parse_pressure(std::string_view text) {
  pressure out;
  while (!text.empty()) {
    auto line = next_line(text);
    auto kind = next_word(line), average = next_word(line);
    if (!average.starts_with("avg10=")) continue;
    double share = to_number(average.substr(6)) / 100;
    if (kind == "some") out.some = share;
    if (kind == "full") out.full = share;
  }
  return out;
}

process_stat parse_process_stat(std::string_view text) {
  auto end = text.rfind(')');
  if (end == std::string_view::npos) return {};
  auto line = text.substr(end + 1, text.find('\n', end) - end - 1);
  next_word(line); // state: field 3; what follows starts at field 4
  auto n = numbers<21>(line);
  process_stat out;
  out.faults_minor = n[10 - 4];
  out.faults_major = n[12 - 4];
  out.user_ticks = n[14 - 4];
  out.system_ticks = n[15 - 4];
  out.threads = n[20 - 4];
  out.vsize_bytes = n[23 - 4];
  out.rss_pages = n[24 - 4];
  return out;
}

context_switches parse_status_switches(std::string_view text) {
  return {value_of(text, "voluntary_ctxt_switches"), value_of(text, "nonvoluntary_ctxt_switches")};
}

double parse_run_wait_ns(std::string_view text) {
  auto line = next_line(text);
  auto n = numbers<2>(line); // on a CPU, waiting for one
  return std::isnan(n[0]) ? missing : n[1];
}

process_io parse_process_io(std::string_view text) {
  return {value_of(text, "read_bytes"), value_of(text, "write_bytes")};
}

double parse_cgroup_limit(std::string_view text) {
  constexpr double no_limit = 1e18; // v1 states "no limit" as the largest page-aligned int64
  double limit = to_number(next_word(text = next_line(text)));
  return limit > 0 && limit < no_limit ? limit : missing;
}

} // namespace harbinger::telemetry
