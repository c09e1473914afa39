#include "app/demo_zone.hpp"

#include <algorithm>
#include <csignal>
#include <random>
#include <set>

#include "app/demo_stage.hpp"

namespace harbinger {

namespace {

using steady_clock = std::chrono::steady_clock;

constexpr auto quiet = seconds(12); ///< at least so long under load before the trouble begins
constexpr auto trouble_lasts_max = seconds(75);
constexpr auto settle_max = seconds(40);
constexpr auto under_load_escalated =
    seconds(3); ///< writes with one more acknowledgement, then the end
/// Less than the default: with a horizon of seconds a risk that is worth waiting for comes too
/// late.
constexpr const char* escalate_at = "0.8";

class zone_demo_run {
public:
  explicit zone_demo_run(const demo_options& options)
      : engine_(options.seed), stage_(options, [this](const event& e) { see(e); }) {
    report_.trouble = std::string{name_of(options.trouble)};
    report_.seed = options.seed;
  }

  result<zone_demo_report> run() {
    for (auto stage : {&zone_demo_run::start, &zone_demo_run::fill, &zone_demo_run::begin_trouble,
                       &zone_demo_run::live_until_escalated, &zone_demo_run::kill_both,
                       &zone_demo_run::recover, &zone_demo_run::verify})
      if (auto done = (this->*stage)(); !done) return tl::unexpected<error>(done.error());
    report_.total_s = stage_.seconds_on();
    return report_;
  }

private:
  result<> start();
  void choose_rack(const partition_map& map);
  result<> fill() { return stage_.fill(report_); }
  result<> begin_trouble();
  void see(const event& e);
  void tell_escalated(uint64_t escalated);
  bool in_rack(const node_id& node) const { return doomed_.contains(node); }
  bool whole(const partition_row& row) const;
  uint64_t escalated_of_whole() const;
  result<> live_until_escalated();
  result<> kill_both();
  void judge(const partition_map& map);
  result<> recover();
  result<> verify() { return stage_.verify(*probe_, report_); }

  std::mt19937_64 engine_;
  demo_stage stage_;
  zone_demo_report report_;
  std::vector<std::unique_ptr<trouble_driver>> troubles_;
  std::unique_ptr<availability_probe> probe_;
  std::set<node_id> doomed_;
  std::set<partition_id> whole_;
  time_point trouble_begun_;
  std::optional<time_point> zoned_, escalated_at_;
  std::optional<uint64_t> said_escalated_;
  moment death_{};
  std::optional<int64_t> verdict_ms_; ///< wall clock, of the last one
  size_t verdicts_ = 0;
};

result<> zone_demo_run::start() {
  // Replicas may share a rack here, though not a host: so that there is something to lose with one.
  return stage_.start({{"placement.spread", "[\"host\"]"},
                       {"zones.share_max", "0.5"},
                       {"zones.capacity_share_max", "0.5"},
                       {"zones.escalate_at", escalate_at}});
}

bool zone_demo_run::whole(const partition_row& row) const {
  return std::all_of(row.sync_set.begin(), row.sync_set.end(),
                     [this](const node_id& id) { return in_rack(id); });
}

/// The rack that would take most partitions along; among equals the seed decides.
void zone_demo_run::choose_rack(const partition_map& map) {
  std::map<std::string, std::set<node_id>> racks;
  for (const auto& node : stage_.processes().nodes()) racks[node.rack].insert(node_id{node.name});
  auto whole_in = [&](const std::set<node_id>& nodes) {
    doomed_ = nodes;
    return std::count_if(map.partitions.begin(), map.partitions.end(),
                         [this](const partition_row& row) { return whole(row); });
  };
  std::ptrdiff_t most = -1;
  std::vector<std::string> best;
  for (const auto& [rack, nodes] : racks) {
    auto count = whole_in(nodes);
    if (count > most) best.clear();
    if (count >= most) best.push_back(rack);
    most = std::max(most, count);
  }
  report_.rack = best[engine_() % best.size()];
  doomed_ = racks[report_.rack];
  for (const auto& id : doomed_) report_.nodes.push_back(id.value);
  report_.partitions = map.partitions.size();
  for (const auto& row : map.partitions) {
    report_.partitions_at_risk += std::any_of(row.sync_set.begin(), row.sync_set.end(),
                                              [this](const node_id& id) { return in_rack(id); });
    if (whole(row)) whole_.insert(row.id);
  }
  report_.partitions_whole = whole_.size();
}

result<> zone_demo_run::begin_trouble() {
  if (auto waited = stage_.warm_up(quiet); !waited) return waited;
  auto map = stage_.maps().latest();
  if (!map) return fail(errc::unavailable, "the centre gives no map");
  choose_rack(*map);
  std::vector<partition_id> led;
  for (const auto& row : map->partitions)
    if (in_rack(row.primary)) led.push_back(row.id);
  probe_ = std::make_unique<availability_probe>(stage_.processes().control_endpoint(), led);
  trouble_begun_ = steady_clock::now();
  std::string names;
  for (const auto& id : doomed_) {
    // One plan for all: a common cause.
    troubles_.push_back(stage_.trouble_on(*stage_.processes().find(id.value)));
    names += (names.empty() ? "" : " and ") + id.value;
  }
  stage_.say("trouble begins on " + names + ", all of rack " + report_.rack + " (" + report_.trouble
             + "); the service is not told");
  stage_.say(std::to_string(whole_.size()) + " of " + std::to_string(report_.partitions)
             + " partitions have primary and secondary there");
  return {};
}

void zone_demo_run::see(const event& e) {
  if (e.kind != "node_dead" || !in_rack(node_id{e.subject})) return;
  verdict_ms_ = std::max(verdict_ms_.value_or(0), e.time.value);
  ++verdicts_;
}

uint64_t zone_demo_run::escalated_of_whole() const {
  auto map = stage_.maps().latest();
  if (!map) return 0;
  return static_cast<uint64_t>(
      std::count_if(map->partitions.begin(), map->partitions.end(),
                    [this](const auto& row) { return whole_.contains(row.id) && !whole(row); }));
}

void zone_demo_run::tell_escalated(uint64_t escalated) {
  if (escalated == said_escalated_.value_or(0)) return;
  said_escalated_ = escalated;
  stage_.say("escalated: " + std::to_string(escalated) + " of these "
             + std::to_string(whole_.size()) + " have a member outside of the rack");
}

result<> zone_demo_run::live_until_escalated() {
  auto until = steady_clock::now() + trouble_lasts_max;
  while (steady_clock::now() < until) {
    stage_.tell_events();
    for (const auto& id : doomed_) {
      if (auto since = stage_.events().in_zone_since(id)) {
        // One from before the trouble was no prediction of it.
        auto foretold = std::max(since->at, trouble_begun_);
        if (!zoned_ || foretold < *zoned_) zoned_ = foretold;
      }
      if (stage_.processes().find(id.value)->daemon.ended())
        return {}; // too late for what is not escalated
    }
    if (auto runs = stage_.central_runs(); !runs) return runs;
    auto escalated = escalated_of_whole();
    tell_escalated(escalated);
    bool all = escalated == whole_.size() && !whole_.empty();
    if (!all)
      escalated_at_.reset();
    else if (!escalated_at_)
      escalated_at_ = steady_clock::now();
    else if (steady_clock::now() - *escalated_at_ > under_load_escalated)
      return {};
    if (!pause_for(milliseconds(10))) return demo_stage::interrupted_error();
  }
  return {}; // the report says what was not escalated
}

result<> zone_demo_run::kill_both() {
  report_.partitions_escalated = escalated_of_whole();
  auto first = steady_clock::now();
  for (const auto& id : doomed_) stage_.processes().find(id.value)->daemon.signal(SIGKILL);
  death_ = moment_now();
  report_.apart_ms = to_ms(death_.at - first);
  probe_->begin(death_.at);
  troubles_.clear();
  if (zoned_) report_.warning_lead_s = to_seconds(death_.at - *zoned_);
  if (zoned_ && escalated_at_) report_.escalation_s = to_seconds(*escalated_at_ - *zoned_);
  std::string names;
  for (const auto& id : doomed_) names += (names.empty() ? "" : " and ") + id.value;
  stage_.say("kill -9 of " + names + demo_stage::formatted(", %.2f ms apart", report_.apart_ms));
  for (const auto& id : doomed_)
    if (!stage_.processes().find(id.value)->daemon.wait(seconds(5)))
      return fail(errc::timeout, id.value + " outlived kill -9");
  return {};
}

void zone_demo_run::judge(const partition_map& map) {
  auto since = [this] { return to_ms(steady_clock::now() - death_.at); };
  bool served = true, restored = true;
  for (const auto& row : map.partitions) {
    served = served && !row.primary.value.empty() && !in_rack(row.primary);
    auto living = std::count_if(row.sync_set.begin(), row.sync_set.end(),
                                [this](const node_id& id) { return !in_rack(id); });
    restored = restored && served && living >= static_cast<std::ptrdiff_t>(row.replicas_wanted);
  }
  if (served && !report_.served_ms) {
    report_.served_ms = since();
    stage_.say("every partition has a primary again");
  }
  if (restored && !report_.restored_ms) report_.restored_ms = since();
}

result<> zone_demo_run::recover() {
  auto until = death_.at + settle_max;
  while (steady_clock::now() < until
         && !(report_.restored_ms && probe_->reads().all_ms && probe_->writes().all_ms)) {
    stage_.tell_events();
    if (auto map = stage_.maps().latest()) judge(*map);
    if (!pause_for(milliseconds(5))) return demo_stage::interrupted_error();
  }
  pause_for(milliseconds(300)); // the last events are on their way
  stage_.tell_events();
  report_.all_reads_ms = probe_->reads().all_ms;
  report_.all_writes_ms = probe_->writes().all_ms;
  if (verdict_ms_ && verdicts_ >= doomed_.size())
    report_.detect_ms = static_cast<double>(*verdict_ms_ - death_.wall_time.value);
  if (report_.restored_ms)
    stage_.say(demo_stage::formatted(
        "all partitions served, with all their replicas, %.0f ms after the deaths",
        *report_.restored_ms));
  else
    stage_.say("not every partition came back in time");
  return {};
}

} // namespace

result<zone_demo_report> run_zone_demo(const demo_options& options) {
  return zone_demo_run(options).run();
}

} // namespace harbinger
