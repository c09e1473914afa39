#include "app/demo_stage.hpp"

#include <algorithm>
#include <cstdio>
#include <set>

#include <nlohmann/json.hpp>

#include "app/quick_settings.hpp"

namespace harbinger {

namespace {

using steady = std::chrono::steady_clock;

constexpr auto start_max = seconds(20);
constexpr auto volume_max = seconds(10);
constexpr auto model_max = seconds(40);

} // namespace

demo_stage::demo_stage(const demo_options& options, std::function<void(const event&)> see)
    : options_(options), see_(std::move(see)) {}

std::string demo_stage::formatted(const char* format, double a, double b) {
  char text[160];
  std::snprintf(text, sizeof text, format, a, b);
  return text;
}

double demo_stage::seconds_on() const { return to_seconds(steady::now() - begun_); }

void demo_stage::say(const std::string& text) const {
  if (options_.say) options_.say(formatted("%7.1f s  ", seconds_on()) + text);
}

result<> demo_stage::start(const std::map<std::string, std::string>& central) {
  cluster_options c;
  c.directory = options_.directory;
  c.keep = options_.keep;
  c.programs = options_.programs;
  c.nodes = options_.nodes;
  c.with_trouble = true;
  c.central = quick_central_settings();
  c.central["prediction.histories"] = "[\"" + options_.history + "\"]";
  // What is shown is recovery from copies: a node that was emptied in time leaves nothing to
  // recover.
  c.central["zones.evacuate_at"] = "1.0";
  for (const auto& [key, value] : central) c.central[key] = value;
  c.node = quick_node_settings();
  auto prepared = cluster::prepare(c);
  if (!prepared) return tl::unexpected<error>(prepared.error());
  cluster_ = std::move(*prepared);
  say("starting central and " + std::to_string(c.nodes) + " nodes in three racks under "
      + cluster_->directory());
  events_ = std::make_unique<event_watch>(cluster_->events_endpoint());
  if (auto started = cluster_->start(start_max); !started) return started;
  maps_ = std::make_unique<map_watch>(cluster_->control_endpoint());
  say("all nodes registered");
  return {};
}

result<> demo_stage::fill(demo_writes& writes) {
  for (const char* name : {"inodes", "extents"}) {
    if (auto made = cluster_->create_volume(name, options_.partitions, 2, volume_max); !made)
      return made;
    preload_options p;
    p.control_endpoint = cluster_->control_endpoint();
    p.volume = name;
    p.seed = options_.seed;
    p.bytes_per_partition = static_cast<uint64_t>(options_.mib_per_partition * (1 << 20));
    preloads_.push_back(p);
  }
  if (!cluster_->wait_for_map(fully_replicated, volume_max))
    return interrupted() ? interrupted_error()
                         : fail(errc::timeout, "the volumes did not get their replicas");
  load_options l;
  uint64_t bytes = 0;
  for (const auto& p : preloads_) {
    auto filled = preload(p);
    if (!filled) return fail(filled.error().code, "preload: " + filled.error().detail);
    bytes += filled->bytes;
    writes.acknowledged_writes += filled->records;
    l.volumes.push_back(p.volume);
    tell_events();
    if (interrupted()) return interrupted_error();
  }
  say("2 volumes of " + std::to_string(options_.partitions) + " partitions, 2 replicas each, "
      + formatted("%.0f MiB of metadata written", static_cast<double>(bytes) / (1 << 20)));
  l.control_endpoint = cluster_->control_endpoint();
  l.seed = options_.seed;
  load_ = std::make_unique<load>(l);
  load_->start();
  return {};
}

/// The event may have come before anybody listened.
void demo_stage::ask_for_model() {
  if (model_settled_ || steady::now() - asked_model_ < seconds(1)) return;
  asked_model_ = steady::now();
  auto document = cluster_->console({"model"}, milliseconds(500));
  auto json = nlohmann::json::parse(document.value_or(""), nullptr, false);
  if (!json.is_object() || !json.contains("condition") || json["condition"] == "starting") return;
  model_settled_ = true;
  say("model: " + json["condition"].dump());
}

result<> demo_stage::warm_up(duration at_least) {
  auto until = steady::now() + at_least;
  auto model_until = steady::now() + model_max;
  while (steady::now() < until || (!model_settled_ && steady::now() < model_until)) {
    tell_events();
    ask_for_model();
    if (!pause_for(milliseconds(100))) return interrupted_error();
  }
  return {};
}

void demo_stage::tell_events() {
  static const std::set<std::string> shown{
      "model_trained", "zone_formed",           "zone_changed",     "zone_dissolved",
      "node_dead",     "partition_unavailable", "recovery_finished"};
  for (const auto& e : events_->take()) {
    if (e.kind.starts_with("model_")) model_settled_ = true;
    see_(e);
    if (shown.contains(e.kind) || e.level == severity::alert)
      say(e.kind + " " + e.subject + ": " + e.text);
  }
}

result<> demo_stage::central_runs() {
  auto end = cluster_->central().ended();
  if (!end) return {};
  return fail(errc::unavailable,
              "central ended: " + to_string(*end) + "\n"
                  + cluster::tail_of(cluster_->central_directory() + "/output.log"));
}

std::unique_ptr<trouble_driver> demo_stage::trouble_on(const cluster_node& node) const {
  auto used = address_space_of(node.daemon.pid());
  auto room = node_memory_default_bytes - std::min(used, node_memory_default_bytes);
  return std::make_unique<trouble_driver>(trouble_plan(options_.trouble, options_.seed, room),
                                          node);
}

result<> demo_stage::verify(availability_probe& probe, demo_writes& writes) {
  load_->stop();
  auto counts = load_->counts();
  auto probes = probe.finish();
  auto checked = load_->verify();
  writes.acknowledged_writes += counts.acknowledged + probes.acknowledged;
  writes.acknowledged_writes_lost = checked.lost + probes.lost;
  writes.unreadable_partitions = checked.unreadable;
  writes.stale_reads = counts.stale_reads;
  writes.write_p50_ms = counts.write_p50_ms;
  writes.write_p99_ms = counts.write_p99_ms;
  writes.write_max_ms = counts.write_max_ms;
  auto examples = checked.examples;
  for (const auto& p : preloads_) {
    auto loaded = verify_preload(p);
    if (!loaded) return tl::unexpected<error>(loaded.error());
    writes.acknowledged_writes_lost += loaded->lost;
    writes.unreadable_partitions += loaded->unreadable;
    examples.insert(examples.end(), loaded->examples.begin(), loaded->examples.end());
    if (interrupted()) return interrupted_error();
  }
  for (const auto& example : examples) say("lost: " + example);
  say("read back " + std::to_string(writes.acknowledged_writes) + " acknowledged writes, "
      + std::to_string(writes.acknowledged_writes_lost) + " lost");
  return {};
}

} // namespace harbinger
