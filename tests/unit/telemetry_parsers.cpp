/// The parsers of /proc texts, the sampler over a made-up /proc, the error-log counter, the pings.

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "telemetry/host_sampler.hpp"
#include "telemetry/log_counter.hpp"
#include "telemetry/metrics.hpp"
#include "telemetry/peer_pings.hpp"
#include "telemetry/proc_parsers.hpp"

using namespace harbinger;
using namespace harbinger::telemetry;
namespace fs = std::filesystem;

namespace {
struct scratch {
  fs::path path = fs::temp_directory_path() / ("harbinger-telemetry-" + std::to_string(::getpid()));
  scratch() { fs::create_directories(path); }
  ~scratch() { fs::remove_all(path); }
  void write(const std::string& name, std::string_view text, bool append = false) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name, append ? std::ios::app : std::ios::trunc) << text;
  }
};

/// Texts that no parser may choke on.
const std::vector<std::string> nonsense{"",
                                        "\n",
                                        "cpu",
                                        "cpu a b c",
                                        ")",
                                        "Tcp:",
                                        "Tcp: RetransSegs",
                                        "some avg10=x",
                                        std::string(3, '\0'),
                                        "MemTotal: -1 kB",
                                        "eth0: 1 2",
                                        "x 8 0 sda 1e999"};
} // namespace

BOOST_AUTO_TEST_CASE(the_catalogue_has_every_name_once) {
  std::set<std::string_view> names;
  for (const auto& m : metric_catalogue()) BOOST_TEST(names.insert(m.name).second);
  BOOST_TEST(metric_index("process.rss_ratio") < metric_catalogue().size());
  BOOST_TEST(metric_index("no.such") == metric_catalogue().size());
}

BOOST_AUTO_TEST_CASE(cpu_shares_are_of_the_time_between_two_readings) {
  auto before = parse_stat("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n");
  auto after = parse_stat("cpu  160 0 60 820 60 0 0 0 0 0\n");
  auto s = shares_between(before, after);
  BOOST_TEST(s.busy == 0.7);
  BOOST_TEST(s.iowait == 0.1);
  BOOST_TEST(s.steal == 0.0);
  BOOST_TEST(std::isnan(shares_between(after, after).busy));
  BOOST_TEST(std::isnan(shares_between(after, before).busy));
}

BOOST_AUTO_TEST_CASE(memory_counts_what_is_not_available) {
  auto m = parse_meminfo("MemTotal:       1000 kB\nMemFree: 100 kB\nMemAvailable:    250 "
                         "kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
  BOOST_TEST(m.total_bytes == 1024000.0);
  BOOST_TEST(m.used_ratio == 0.75);
  BOOST_TEST(m.swap_used_ratio == 0.0);
}

BOOST_AUTO_TEST_CASE(disks_are_summed_without_partitions_and_virtual_ones) {
  auto d = parse_diskstats(
      "   8 0 sda 10 0 100 5 20 0 200 6 0 7 0\n   8 1 sda1 10 0 100 5 20 0 200 6 0 7 0\n"
      " 259 0 nvme0n1 1 0 8 0 2 0 16 0 0 3 0\n 259 1 nvme0n1p1 1 0 8 0 2 0 16 0 0 3 0\n"
      "   7 0 loop0 9 9 9 9 9 9 9 9 9 9 9\n");
  BOOST_TEST(d.operations == 33.0);
  BOOST_TEST(d.bytes == 324.0 * 512);
  BOOST_TEST(d.busy_ms == 10.0);
}

BOOST_AUTO_TEST_CASE(network_is_summed_without_loopback) {
  auto n = parse_net_dev("Inter-|\n face |bytes\n    lo: 9 9 9 9 0 0 0 0 9 9 9 9 0 0 0 0\n  eth0: "
                         "100 1 2 3 0 0 0 0 50 1 4 5 0 0 0 0\n");
  BOOST_TEST(n.bytes == 150.0);
  BOOST_TEST(n.errors == 6.0);
  BOOST_TEST(n.drops == 8.0);
  BOOST_TEST(parse_tcp_retransmits("Tcp: A RetransSegs B\nTcp: 1 42 3\n") == 42.0);
}

BOOST_AUTO_TEST_CASE(a_command_with_brackets_and_blanks_does_not_shift_the_fields) {
  auto s = parse_process_stat(
      "12 (a) b) c) S 1 1 1 0 -1 0 11 0 13 0 15 16 0 0 20 0 7 0 99 4096 3 0 0\n");
  BOOST_TEST(s.faults_minor == 11.0);
  BOOST_TEST(s.faults_major == 13.0);
  BOOST_TEST(s.user_ticks == 15.0);
  BOOST_TEST(s.system_ticks == 16.0);
  BOOST_TEST(s.threads == 7.0);
  BOOST_TEST(s.vsize_bytes == 4096.0);
  BOOST_TEST(s.rss_pages == 3.0);
}

BOOST_AUTO_TEST_CASE(pressure_and_limits_are_read) {
  auto p = parse_pressure(
      "some avg10=1.50 avg60=0 avg300=0 total=1\nfull avg10=0.25 avg60=0 avg300=0 total=1\n");
  BOOST_TEST(p.some == 0.015);
  BOOST_TEST(p.full == 0.0025);
  BOOST_TEST(parse_cgroup_limit("1048576\n") == 1048576.0);
  BOOST_TEST(std::isnan(parse_cgroup_limit("max\n")));
  BOOST_TEST(std::isnan(parse_cgroup_limit("9223372036854771712\n")));
  BOOST_TEST(parse_run_wait_ns("100 250 3\n") == 250.0);
  BOOST_TEST(
      parse_process_io("rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 5\n")
          .write_bytes
      == 8192.0);
}

BOOST_AUTO_TEST_CASE(nonsense_reads_as_missing) {
  for (const auto& text : nonsense) {
    BOOST_TEST(std::isnan(shares_between(parse_stat(text), parse_stat(text)).busy));
    BOOST_TEST(std::isnan(parse_meminfo(text).used_ratio));
    BOOST_TEST(std::isnan(parse_loadavg(text)));
    BOOST_TEST(std::isnan(parse_diskstats(text).bytes));
    BOOST_TEST(std::isnan(parse_net_dev(text).bytes));
    BOOST_TEST(std::isnan(parse_tcp_retransmits(text)));
    BOOST_TEST(std::isnan(parse_pressure(text).some));
    BOOST_TEST(std::isnan(parse_process_stat(text).rss_pages));
    BOOST_TEST(std::isnan(parse_status_switches(text).forced));
    BOOST_TEST(std::isnan(parse_run_wait_ns(text)));
    BOOST_TEST(std::isnan(parse_process_io(text).read_bytes));
    BOOST_TEST(std::isnan(parse_cgroup_limit(text)));
  }
}

BOOST_AUTO_TEST_CASE(the_sampler_measures_the_process_it_runs_in) {
  telemetry_settings settings;
  settings.memory_limit_bytes = 1ull << 40;
  host_sampler sampler(settings);
  outside_readings outside;
  outside.lag_ms = 50;
  outside.period_ms = 200;
  auto row = sampler.sample(outside);
  BOOST_REQUIRE(row.size() == metric_catalogue().size());
  auto get = [&](std::string_view name) { return row[metric_index(name)]; };
  BOOST_TEST(get("process.rss_bytes") > 0.0);
  BOOST_TEST(get("process.rss_ratio")
             == get("process.rss_bytes") / static_cast<double>(1ull << 40));
  BOOST_TEST(get("process.threads") >= 1.0);
  BOOST_TEST(get("loop.lag_ratio") == 0.25);
  BOOST_TEST(std::isnan(get("store.write_ms")));
  BOOST_TEST(get("log.errors_io") == 0.0);
}

BOOST_AUTO_TEST_CASE(a_host_without_proc_gives_missing_values_not_errors) {
  scratch empty;
  host_sampler sampler({}, (empty.path / "none").string());
  auto row = sampler.sample({});
  BOOST_TEST(std::isnan(row[metric_index("host.cpu_busy_ratio")]));
  BOOST_TEST(std::isnan(row[metric_index("process.rss_ratio")]));
}

BOOST_AUTO_TEST_CASE(log_lines_are_told_apart_by_code_and_words) {
  using enum log_class;
  auto is = [](std::string_view line, log_class what) { return classify_log_line(line) == what; };
  BOOST_TEST(is("2026-01-01 ERROR bdev: read failed: EIO", io));
  BOOST_TEST(is("error: write: No space left on device", no_space));
  BOOST_TEST(is("osd.3: op timed out", timeout));
  BOOST_TEST(is("ERR checksum mismatch in block 7", checksum));
  BOOST_TEST(is("terminate called after throwing std::bad_alloc", memory));
  BOOST_TEST(is("error: connection reset by peer", connection));
  BOOST_TEST(is("[error] something else", other));
  BOOST_TEST(is("WARN slow request", warning));
  BOOST_TEST(!classify_log_line("info: heartbeat timeout set to 5 s"));
  BOOST_TEST(is("info: got ETIMEDOUT", timeout));
  BOOST_TEST(!classify_log_line("terrors and wonders"));
  BOOST_TEST(!classify_log_line(""));
}

BOOST_AUTO_TEST_CASE(lines_in_pieces_count_once) {
  line_counter counter;
  counter.feed("error: EI");
  BOOST_TEST(counter.counts()[0] == 0u);
  counter.feed("O\nerror: EIO\nerr");
  BOOST_TEST(counter.counts()[0] == 2u);
  counter.feed(std::string(100'000, 'x')); // an endless line takes no memory
  counter.feed("\nerror: EIO\n");
  BOOST_TEST(counter.counts()[0] == 3u);
}

BOOST_AUTO_TEST_CASE(a_followed_log_survives_truncation_and_rotation) {
  scratch dir;
  dir.write("log", "error: EIO of long ago\n");
  log_follower logs({(dir.path / "log").string(), (dir.path / "later").string()});
  logs.poll();
  BOOST_TEST(logs.counts()[0] == 0u);
  dir.write("log", "error: EIO\n", true);
  logs.poll();
  BOOST_TEST(logs.counts()[0] == 1u);
  dir.write("log", "error: EIO\n"); // truncated and shorter than what was read
  logs.poll();
  BOOST_TEST(logs.counts()[0] == 2u);
  fs::rename(dir.path / "log", dir.path / "log.1");
  dir.write("log", "error: EIO\nerror: EIO\nerror: EIO, and more than the old file had, so that "
                   "only the inode tells\n");
  logs.poll();
  BOOST_TEST(logs.counts()[0] == 5u);
  dir.write("later", "error: EIO\n");
  logs.poll();
  BOOST_TEST(logs.counts()[0] == 6u);
}

BOOST_AUTO_TEST_CASE(pings_measure_answers_and_count_silence) {
  time_point t0{seconds(100)};
  peer_pings pings(seconds(1));
  pings.set_peers({{node_id{"n2"}, "tcp://b"}, {node_id{"n3"}, "tcp://c"}});
  auto sent = pings.step(t0);
  BOOST_REQUIRE(sent.size() == 2u);
  BOOST_TEST(pings.step(t0).empty()); // one at a time
  auto answer = pings.answered(sent[0].id, t0 + milliseconds(4));
  BOOST_REQUIRE(answer);
  BOOST_TEST(answer->node.value == "n2");
  BOOST_TEST(answer->rtt_ms == 4.0);
  BOOST_TEST(!pings.answered(sent[0].id, t0 + milliseconds(5))); // repeated
  outside_readings r;
  pings.read(r);
  BOOST_TEST(r.rtt_ms_mean == 4.0);
  BOOST_TEST(r.unanswered_ratio == 0.0);
  BOOST_TEST(pings.step(t0 + seconds(1)).size() == 2u);
  pings.read(r);
  BOOST_TEST(r.unanswered_ratio == 0.5);
  BOOST_TEST(!pings.answered(sent[1].id, t0 + seconds(2))); // too late
  pings.set_peers({{node_id{"n2"}, "tcp://b"}});
  pings.read(r);
  BOOST_TEST(r.unanswered_ratio == 0.0);
}
