#include "app/trouble_driver.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <map>

#include <unistd.h>

#include "messages/ping.hpp"
#include "net/requester.hpp"

namespace harbinger {

namespace {

using steady = std::chrono::steady_clock;
constexpr auto step = milliseconds(5);
constexpr auto duty_period = milliseconds(250);
constexpr auto file_period = milliseconds(100);
constexpr auto ping_period = milliseconds(100);
constexpr size_t pings_outstanding_max = 100;

} // namespace

void watchdog::answered(time_point sent_at, time_point now) {
  for (auto& one : pings_)
    if (one.at == sent_at) one.in_time = now - sent_at <= answer_within;
}

bool watchdog::gives_up(time_point now) {
  if (pings_.empty() || now - pings_.front().at < window) return false;
  std::erase_if(pings_, [&](const ping& one) { return now - one.at > window; });
  auto judged = std::count_if(pings_.begin(), pings_.end(),
                              [&](const ping& one) { return now - one.at > answer_within; });
  auto good =
      std::count_if(pings_.begin(), pings_.end(), [](const ping& one) { return one.in_time; });
  return judged > 0 && static_cast<double>(good) < answered_min * static_cast<double>(judged);
}

struct trouble_driver::target {
  int descriptor = -1; ///< pidfd: never hits another process that got the number later
  std::string log_file, trouble_file, endpoint;
  bool stopped = false;
  std::string told; ///< what the trouble file says
  uint64_t lines = 0;
  double lines_due = 0.0;
  std::map<uint64_t, time_point> pings;
  watchdog dog;

  ~target() {
    if (descriptor >= 0) ::close(descriptor);
  }
  void signal(int number) const { signal_handle(descriptor, number); }
  void run_or_stop(bool stop) {
    if (stop == stopped) return;
    signal(stop ? SIGSTOP : SIGCONT);
    stopped = stop;
  }
  void tell(const trouble_effect& effect) {
    auto text = "hold_bytes " + std::to_string(effect.hold_bytes) + "\nsync_delay_ms "
                + std::to_string(effect.sync_delay_ms) + '\n';
    if (text == told) return;
    std::ofstream(trouble_file + ".new") << text;
    std::rename((trouble_file + ".new").c_str(), trouble_file.c_str());
    told = text;
  }
  void log(const trouble_plan& plan, double count) {
    lines_due += count;
    if (lines_due < 1.0) return;
    std::ofstream out(log_file, std::ios::app);
    for (; lines_due >= 1.0; lines_due -= 1.0) out << plan.log_line(lines++) << '\n';
  }
  void ping(net::requester& socket, time_point now) {
    if (pings.size() < pings_outstanding_max)
      pings[socket.send(wire::make_frame(0, node_ping{}))] = now;
    dog.sent(now);
  }
  void hear(net::requester& socket) {
    while (auto reply = socket.receive(duration::zero())) {
      auto it = pings.find(reply->id);
      if (it == pings.end()) continue;
      dog.answered(it->second, steady::now());
      pings.erase(it);
    }
  }
};

trouble_driver::trouble_driver(trouble_plan plan, const cluster_node& node)
    : plan_(std::move(plan)) {
  auto t = std::make_shared<target>();
  t->descriptor = open_handle(node.daemon.pid());
  t->log_file = node.log_file();
  t->trouble_file = node.trouble_file();
  t->endpoint = node.data_endpoint;
  thread_ = std::thread([this, t] { run(t); });
}

trouble_driver::~trouble_driver() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void trouble_driver::run(const std::shared_ptr<target>& target) {
  auto onset = steady::now();
  auto socket = net::requester::connect(target->endpoint);
  const bool watched = socket && plan_.kind() == trouble_kind::cpu_starvation;
  auto last = onset, told = onset - file_period, pinged = onset;
  while (!stop_ && !over_) {
    auto now = steady::now();
    if (held_) onset += now - last;
    auto effect = plan_.at(to_seconds(now - onset));
    load_factor_ = effect.load_factor;
    if (effect.kill) target->signal(SIGKILL);
    auto into_period = (now - onset) % duration(duty_period);
    target->run_or_stop(to_seconds(into_period) < effect.stopped_share * to_seconds(duty_period));
    target->log(plan_, effect.log_lines_per_s * to_seconds(now - last));
    last = now;
    if (now - told >= file_period) {
      target->tell(effect);
      told = now;
    }
    if (watched) {
      target->hear(*socket);
      if (now - pinged >= ping_period) {
        target->ping(*socket, now);
        pinged = now;
      }
      if (target->dog.gives_up(now)) target->signal(SIGKILL);
    }
    over_ = effect.over;
    std::this_thread::sleep_for(step);
  }
  load_factor_ = 1.0;
  target->tell(trouble_effect{});
  target->run_or_stop(false);
}

} // namespace harbinger
