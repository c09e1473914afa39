#include "app/demo_zone.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <random>
#include <set>

#include <nlohmann/json.hpp>

#include "app/cluster.hpp"
#include "app/load.hpp"
#include "app/observers.hpp"
#include "app/quick_settings.hpp"
#include "app/trouble_driver.hpp"

namespace harbinger {

namespace {

using steady_clock = std::chrono::steady_clock;

constexpr double quiet_s = 12; ///< at least so long under load before the trouble begins
constexpr auto model_max = seconds(40);
constexpr auto trouble_lasts_max = seconds(75);
constexpr auto settle_max = seconds(40);
constexpr auto under_load_escalated =
    seconds(3); ///< writes with one more acknowledgement, then the end
/// Less than the default: with a horizon of seconds a risk that is worth waiting for comes too
/// late.
constexpr const char* escalate_at = "0.8";

std::string formatted(const char* format, double a, double b = 0) {
  char text[160];
  std::snprintf(text, sizeof text, format, a, b);
  return text;
}

class zone_demo_run {
public:
  explicit zone_demo_run(const demo_options& options) : options_(options), engine_(options.seed) {
    report_.trouble = std::string{name_of(options.trouble)};
    report_.seed = options.seed;
  }

  result<zone_demo_report> run() {
    for (auto stage : {&zone_demo_run::start, &zone_demo_run::fill, &zone_demo_run::begin_trouble,
                       &zone_demo_run::live_until_escalated, &zone_demo_run::kill_both,
                       &zone_demo_run::recover, &zone_demo_run::verify})
      if (auto done = (this->*stage)(); !done) return tl::unexpected<error>(done.error());
    report_.total_s = to_seconds(steady_clock::now() - begun_);
    return report_;
  }

private:
  void say(const std::string& text) {
    if (options_.say)
      options_.say(formatted("%7.1f s  ", to_seconds(steady_clock::now() - begun_)) + text);
  }
  static tl::unexpected<error> interrupted_error() { return fail(errc::cancelled, "interrupted"); }

  result<> start();
  result<> fill();
  void choose_rack(const partition_map& map);
  result<> begin_trouble();
  bool model_settled();
  void tell_events();
  void tell_escalated(uint64_t escalated);
  bool in_rack(const node_id& node) const { return doomed_.contains(node); }
  bool whole(const partition_row& row) const;
  uint64_t escalated_of_whole() const;
  result<> live_until_escalated();
  result<> kill_both();
  void judge(const partition_map& map);
  result<> recover();
  result<> verify();

  demo_options options_;
  std::mt19937_64 engine_;
  time_point begun_ = steady_clock::now();
  zone_demo_report report_;
  std::unique_ptr<cluster> cluster_;
  std::unique_ptr<event_watch> events_;
  std::unique_ptr<map_watch> maps_;
  std::unique_ptr<load> load_;
  std::vector<preload_options> preloads_;
  std::vector<std::unique_ptr<trouble_driver>> troubles_;
  std::unique_ptr<availability_probe> probe_;
  std::set<node_id> doomed_;
  std::set<partition_id> whole_;
  time_point trouble_begun_;
  std::optional<time_point> zoned_, escalated_at_;
  std::optional<uint64_t> said_escalated_;
  bool model_settled_ = false;
  time_point asked_model_;
  moment death_{};
  std::optional<int64_t> verdict_ms_; ///< wall clock, of the last one
  size_t verdicts_ = 0;
};

result<> zone_demo_run::start() {
  cluster_options c;
  c.directory = options_.directory;
  c.keep = options_.keep;
  c.programs = options_.programs;
  c.nodes = options_.nodes;
  c.with_trouble = true;
  c.central = quick_central_settings();
  c.central["prediction.histories"] = "[\"" + options_.history + "\"]";
  // Replicas may share a rack here, though not a host: so that there is something to lose with one.
  c.central["placement.spread"] = "[\"host\"]";
  c.central["zones.share_max"] = "0.5";
  c.central["zones.escalate_at"] = escalate_at;
  c.node = quick_node_settings();
  auto prepared = cluster::prepare(c);
  if (!prepared) return tl::unexpected<error>(prepared.error());
  cluster_ = std::move(*prepared);
  say("starting central and " + std::to_string(c.nodes) + " nodes in three racks under "
      + cluster_->directory());
  events_ = std::make_unique<event_watch>(cluster_->events_endpoint());
  if (auto started = cluster_->start(seconds(20)); !started) return started;
  maps_ = std::make_unique<map_watch>(cluster_->control_endpoint());
  return {};
}

result<> zone_demo_run::fill() {
  uint64_t bytes = 0;
  for (const char* name : {"inodes", "extents"}) {
    if (auto made = cluster_->create_volume(name, options_.partitions, 2, seconds(10)); !made)
      return made;
    preload_options p;
    p.control_endpoint = cluster_->control_endpoint();
    p.volume = name;
    p.seed = options_.seed;
    p.bytes_per_partition = static_cast<uint64_t>(options_.mib_per_partition * (1 << 20));
    preloads_.push_back(p);
  }
  if (!cluster_->wait_for_map(fully_replicated, seconds(10))) {
    if (interrupted()) return interrupted_error();
    return fail(errc::timeout, "the volumes did not get their replicas");
  }
  for (const auto& p : preloads_) {
    auto filled = preload(p);
    if (!filled) return fail(filled.error().code, "preload: " + filled.error().detail);
    bytes += filled->bytes;
    report_.acknowledged_writes += filled->records;
    if (interrupted()) return interrupted_error();
  }
  say("2 volumes of " + std::to_string(options_.partitions)
      + " partitions, 2 replicas each, which may share a rack; "
      + formatted("%.0f MiB of metadata written", static_cast<double>(bytes) / (1 << 20)));
  load_options l;
  l.control_endpoint = cluster_->control_endpoint();
  l.volumes = {"inodes", "extents"};
  l.seed = options_.seed;
  load_ = std::make_unique<load>(l);
  load_->start();
  return {};
}

bool zone_demo_run::model_settled() {
  if (model_settled_ || steady_clock::now() - asked_model_ < seconds(1)) return model_settled_;
  asked_model_ = steady_clock::now();
  auto document = cluster_->console({"model"}, milliseconds(500));
  auto json = nlohmann::json::parse(document.value_or(""), nullptr, false);
  if (!json.is_object() || !json.contains("condition") || json["condition"] == "starting")
    return false;
  say("model: " + json["condition"].dump());
  return model_settled_ = true;
}

bool zone_demo_run::whole(const partition_row& row) const {
  return std::all_of(row.sync_set.begin(), row.sync_set.end(),
                     [this](const node_id& id) { return in_rack(id); });
}

/// The rack that would take most partitions along; among equals the seed decides.
void zone_demo_run::choose_rack(const partition_map& map) {
  std::map<std::string, std::set<node_id>> racks;
  for (const auto& node : cluster_->nodes()) racks[node.rack].insert(node_id{node.name});
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
  auto until = steady_clock::now() + from_seconds(quiet_s);
  auto model_until = steady_clock::now() + model_max;
  while (steady_clock::now() < until || (!model_settled() && steady_clock::now() < model_until)) {
    tell_events();
    if (!pause_for(milliseconds(100))) return interrupted_error();
  }
  auto map = maps_->latest();
  if (!map) return fail(errc::unavailable, "the centre gives no map");
  choose_rack(*map);
  std::vector<partition_id> led;
  for (const auto& row : map->partitions)
    if (in_rack(row.primary)) led.push_back(row.id);
  probe_ = std::make_unique<availability_probe>(cluster_->control_endpoint(), led);
  trouble_begun_ = steady_clock::now();
  std::string names;
  for (const auto& id : doomed_) {
    auto& node = *cluster_->find(id.value);
    auto used = address_space_of(node.daemon.pid());
    auto room = node_memory_default_bytes - std::min(used, node_memory_default_bytes);
    // One plan for all: a common cause.
    troubles_.push_back(std::make_unique<trouble_driver>(
        trouble_plan(options_.trouble, options_.seed, room), node));
    names += (names.empty() ? "" : " and ") + id.value;
  }
  say("trouble begins on " + names + ", all of rack " + report_.rack + " (" + report_.trouble
      + "); the service is not told");
  say(std::to_string(whole_.size()) + " of " + std::to_string(report_.partitions)
      + " partitions have primary and secondary there");
  return {};
}

void zone_demo_run::tell_events() {
  static const std::set<std::string> shown{
      "model_trained", "zone_formed",           "zone_changed",     "zone_dissolved",
      "node_dead",     "partition_unavailable", "recovery_finished"};
  for (const auto& e : events_->take()) {
    if (e.kind == "node_dead" && in_rack(node_id{e.subject})) {
      verdict_ms_ = std::max(verdict_ms_.value_or(0), e.time.value);
      ++verdicts_;
    }
    if (shown.contains(e.kind) || e.level == severity::alert)
      say(e.kind + " " + e.subject + ": " + e.text);
  }
}

uint64_t zone_demo_run::escalated_of_whole() const {
  auto map = maps_->latest();
  if (!map) return 0;
  return static_cast<uint64_t>(
      std::count_if(map->partitions.begin(), map->partitions.end(),
                    [this](const auto& row) { return whole_.contains(row.id) && !whole(row); }));
}

void zone_demo_run::tell_escalated(uint64_t escalated) {
  if (escalated == said_escalated_.value_or(0)) return;
  said_escalated_ = escalated;
  say("escalated: " + std::to_string(escalated) + " of these " + std::to_string(whole_.size())
      + " have a member outside of the rack");
}

result<> zone_demo_run::live_until_escalated() {
  auto until = steady_clock::now() + trouble_lasts_max;
  while (steady_clock::now() < until) {
    tell_events();
    for (const auto& id : doomed_) {
      if (auto since = events_->in_zone_since(id)) {
        // One from before the trouble was no prediction of it.
        auto foretold = std::max(since->at, trouble_begun_);
        if (!zoned_ || foretold < *zoned_) zoned_ = foretold;
      }
      if (cluster_->find(id.value)->daemon.ended()) return {}; // too late for what is not escalated
    }
    if (auto end = cluster_->central().ended())
      return fail(errc::unavailable,
                  "central ended: " + to_string(*end) + "\n"
                      + cluster::tail_of(cluster_->central_directory() + "/output.log"));
    auto escalated = escalated_of_whole();
    tell_escalated(escalated);
    bool all = escalated == whole_.size() && !whole_.empty();
    if (!all)
      escalated_at_.reset();
    else if (!escalated_at_)
      escalated_at_ = steady_clock::now();
    else if (steady_clock::now() - *escalated_at_ > under_load_escalated)
      return {};
    if (!pause_for(milliseconds(10))) return interrupted_error();
  }
  return {}; // the report says what was not escalated
}

result<> zone_demo_run::kill_both() {
  report_.partitions_escalated = escalated_of_whole();
  auto first = steady_clock::now();
  for (const auto& id : doomed_) cluster_->find(id.value)->daemon.signal(SIGKILL);
  death_ = moment_now();
  report_.apart_ms = to_ms(death_.at - first);
  probe_->begin(death_.at);
  troubles_.clear();
  if (zoned_) report_.warning_lead_s = to_seconds(death_.at - *zoned_);
  if (zoned_ && escalated_at_) report_.escalation_s = to_seconds(*escalated_at_ - *zoned_);
  std::string names;
  for (const auto& id : doomed_) names += (names.empty() ? "" : " and ") + id.value;
  say("kill -9 of " + names + formatted(", %.2f ms apart", report_.apart_ms));
  for (const auto& id : doomed_)
    if (!cluster_->find(id.value)->daemon.wait(seconds(5)))
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
    say("every partition has a primary again");
  }
  if (restored && !report_.restored_ms) report_.restored_ms = since();
}

result<> zone_demo_run::recover() {
  auto until = death_.at + settle_max;
  while (steady_clock::now() < until
         && !(report_.restored_ms && probe_->reads().all_ms && probe_->writes().all_ms)) {
    tell_events();
    if (auto map = maps_->latest()) judge(*map);
    if (!pause_for(milliseconds(5))) return interrupted_error();
  }
  pause_for(milliseconds(300)); // the last events are on their way
  tell_events();
  report_.all_reads_ms = probe_->reads().all_ms;
  report_.all_writes_ms = probe_->writes().all_ms;
  if (verdict_ms_ && verdicts_ >= doomed_.size())
    report_.detect_ms = static_cast<double>(*verdict_ms_ - death_.wall_time.value);
  if (report_.restored_ms)
    say(formatted("all partitions served, with all their replicas, %.0f ms after the deaths",
                  *report_.restored_ms));
  else
    say("not every partition came back in time");
  return {};
}

result<> zone_demo_run::verify() {
  load_->stop();
  auto counts = load_->counts();
  auto probes = probe_->finish();
  auto checked = load_->verify();
  report_.acknowledged_writes += counts.acknowledged + probes.acknowledged;
  report_.acknowledged_writes_lost = checked.lost + probes.lost;
  report_.unreadable_partitions = checked.unreadable;
  report_.stale_reads = counts.stale_reads;
  report_.write_p50_ms = counts.write_p50_ms;
  report_.write_p99_ms = counts.write_p99_ms;
  report_.write_max_ms = counts.write_max_ms;
  auto examples = checked.examples;
  for (const auto& p : preloads_) {
    auto loaded = verify_preload(p);
    if (!loaded) return tl::unexpected<error>(loaded.error());
    report_.acknowledged_writes_lost += loaded->lost;
    report_.unreadable_partitions += loaded->unreadable;
    examples.insert(examples.end(), loaded->examples.begin(), loaded->examples.end());
    if (interrupted()) return interrupted_error();
  }
  for (const auto& example : examples) say("lost: " + example);
  say("read back " + std::to_string(report_.acknowledged_writes) + " acknowledged writes, "
      + std::to_string(report_.acknowledged_writes_lost) + " lost");
  return {};
}

} // namespace

result<zone_demo_report> run_zone_demo(const demo_options& options) {
  return zone_demo_run(options).run();
}

} // namespace harbinger
