#include "app/demo.hpp"

#include <algorithm>
#include <cstdio>
#include <set>

#include <nlohmann/json.hpp>

#include "app/demo_run.hpp"
#include "app/quick_settings.hpp"

namespace harbinger {

namespace {

constexpr auto copies_max = seconds(300); ///< that copies are waited for
constexpr double warm_up_s = 12;          ///< at least so long under load before the trouble begins
constexpr double warm_up_spread_s = 3;
constexpr double trouble_max_s =
    75; ///< a trouble that has not killed by then is a fault of the demo

/// The cell of a console listing {"columns": [...], "rows": [[...]]} in the row whose first cell is
/// `row`.
std::optional<double> number_in(const std::string& document, const std::string& row,
                                const std::string& column) {
  auto json = nlohmann::json::parse(document, nullptr, false);
  if (!json.is_object() || !json.contains("columns") || !json.contains("rows")) return std::nullopt;
  const auto& columns = json["columns"];
  auto at =
      static_cast<size_t>(std::find(columns.begin(), columns.end(), column) - columns.begin());
  for (const auto& cells : json["rows"]) {
    if (!cells.is_array() || cells.size() <= at || cells[0] != row) continue;
    if (cells[at].is_number()) return cells[at].get<double>();
    if (cells[at].is_string()) return std::atof(cells[at].get<std::string>().c_str());
  }
  return std::nullopt;
}

std::vector<partition_id> partitions_with(const partition_map& map, const node_id& node) {
  std::vector<partition_id> found;
  for (const auto& row : map.partitions)
    if (std::find(row.sync_set.begin(), row.sync_set.end(), node) != row.sync_set.end())
      found.push_back(row.id);
  return found;
}

std::vector<partition_id> primaries_of(const partition_map& map, const node_id& node) {
  std::vector<partition_id> found;
  for (const auto& row : map.partitions)
    if (row.primary == node) found.push_back(row.id);
  return found;
}

bool has_ready_copy(const partition_row& row, const node_id& except) {
  return std::any_of(row.copies.begin(), row.copies.end(),
                     [&](const copy_row& c) { return c.ready && c.node != except; });
}

uint64_t ready_copies(const partition_map& map, const std::vector<partition_id>& of,
                      const node_id& except) {
  return static_cast<uint64_t>(
      std::count_if(map.partitions.begin(), map.partitions.end(), [&](const partition_row& row) {
        return std::binary_search(of.begin(), of.end(), row.id) && has_ready_copy(row, except);
      }));
}

} // namespace

demo_run::demo_run(const demo_options& options) : options_(options), engine_(options.seed) {
  report_.trouble = std::string{name_of(options.trouble)};
  report_.seed = options.seed;
  report_.metadata_mib_per_partition = options.mib_per_partition;
}

result<demo_report> demo_run::run() {
  for (auto stage :
       {&demo_run::start, &demo_run::fill, &demo_run::warm_up, &demo_run::live_until_death,
        &demo_run::recover, &demo_run::compare, &demo_run::verify})
    if (auto done = (this->*stage)(); !done) return tl::unexpected<error>(done.error());
  report_.total_s = to_seconds(steady::now() - begun_);
  return report_;
}

std::string demo_run::text_of(const char* format, double a, double b) {
  char text[160];
  std::snprintf(text, sizeof text, format, a, b);
  return text;
}

void demo_run::say(const std::string& text) {
  if (options_.say) options_.say(text_of("%7.1f s  ", to_seconds(steady::now() - begun_)) + text);
}

result<> demo_run::start() {
  cluster_options c;
  c.directory = options_.directory;
  c.keep = options_.keep;
  c.programs = options_.programs;
  c.nodes = options_.nodes;
  c.with_trouble = true;
  c.central = quick_central_settings();
  c.central["prediction.histories"] = "[\"" + options_.history + "\"]";
  c.node = quick_node_settings();
  auto prepared = cluster::prepare(c);
  if (!prepared) return tl::unexpected<error>(prepared.error());
  cluster_ = std::move(*prepared);
  say("starting central and " + std::to_string(c.nodes) + " nodes under " + cluster_->directory());
  events_ = std::make_unique<event_watch>(cluster_->events_endpoint());
  if (auto started = cluster_->start(seconds(20)); !started) return started;
  maps_ = std::make_unique<map_watch>(cluster_->control_endpoint());
  say("all nodes registered");
  return {};
}

result<> demo_run::fill() {
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
  if (!cluster_->wait_for_map(fully_replicated, seconds(10)))
    return interrupted() ? interrupted_error()
                         : fail(errc::timeout, "the volumes did not get their replicas");
  uint64_t bytes = 0;
  for (const auto& p : preloads_) {
    auto filled = preload(p);
    if (!filled) return fail(filled.error().code, "preload: " + filled.error().detail);
    bytes += filled->bytes;
    report_.acknowledged_writes += filled->records;
    tell_events();
    if (interrupted()) return interrupted_error();
  }
  say("2 volumes of " + std::to_string(options_.partitions) + " partitions, 2 replicas each, "
      + text_of("%.0f MiB of metadata written", static_cast<double>(bytes) / (1 << 20)));
  load_options l;
  l.control_endpoint = cluster_->control_endpoint();
  l.volumes = {"inodes", "extents"};
  l.seed = options_.seed;
  load_ = std::make_unique<load>(l);
  load_->start();
  return {};
}

result<> demo_run::warm_up() {
  auto until = steady::now() + from_seconds(warm_up_s + random(0, warm_up_spread_s));
  auto model_until = steady::now() + seconds(40);
  while (steady::now() < until || (!model_settled_ && steady::now() < model_until)) {
    tell_events();
    ask_for_model();
    if (!pause_for(milliseconds(100))) return interrupted_error();
  }
  auto& node = cluster_->nodes()[engine_() % cluster_->nodes().size()];
  victim_ = node_id{node.name};
  report_.node = node.name;
  watch_ = std::make_unique<death_watch>(node.daemon.pid());
  if (auto map = maps_->latest())
    probe_ = std::make_unique<availability_probe>(cluster_->control_endpoint(),
                                                  primaries_of(*map, victim_));
  auto used = address_space_of(node.daemon.pid());
  auto room = node_memory_default_bytes - std::min(used, node_memory_default_bytes);
  trouble_ =
      std::make_unique<trouble_driver>(trouble_plan(options_.trouble, options_.seed, room), node);
  trouble_begun_ = steady::now();
  say("trouble begins on " + node.name + " (" + report_.trouble + "); the service is not told");
  return {};
}

/// The event may have come before anybody listened.
void demo_run::ask_for_model() {
  if (model_settled_ || steady::now() - asked_model_ < seconds(1)) return;
  asked_model_ = steady::now();
  auto document = cluster_->console({"model"}, milliseconds(500));
  auto json = nlohmann::json::parse(document.value_or(""), nullptr, false);
  if (!json.is_object() || !json.contains("condition") || json["condition"] == "starting") return;
  model_settled_ = true;
  say("model: " + json["condition"].dump());
}

void demo_run::tell_events() {
  static const std::set<std::string> shown{
      "model_trained", "zone_formed",           "zone_changed",     "zone_dissolved",
      "node_dead",     "partition_unavailable", "recovery_finished"};
  for (const auto& e : events_->take()) {
    if (e.kind.starts_with("model_")) model_settled_ = true;
    if (e.kind == "node_dead" && e.subject == victim_.value && !verdict_ms_)
      verdict_ms_ = e.time.value;
    if (e.kind == "prefetch_ready")
      if (auto bytes = e.fields.find("bytes"); bytes != e.fields.end())
        copied_bytes_[e.subject] = std::strtoull(bytes->second.c_str(), nullptr, 10);
    if (shown.contains(e.kind) || e.level == severity::alert)
      say(e.kind + " " + e.subject + ": " + e.text);
  }
}

void demo_run::watch_victim() {
  tell_events();
  if (auto map = maps_->latest()) {
    auto at_risk = partitions_with(*map, victim_);
    auto ready = ready_copies(*map, at_risk, victim_);
    if (ready > said_ready_) {
      say("copies ready for " + std::to_string(ready) + " of " + std::to_string(at_risk.size())
          + " partitions of " + victim_.value);
      said_ready_ = ready;
    }
  }
  if (steady::now() - asked_risk_ < milliseconds(500)) return;
  asked_risk_ = steady::now();
  auto document = cluster_->console({"risk"}, milliseconds(300));
  auto risk = document ? number_in(*document, victim_.value, "risk") : std::nullopt;
  if (!risk || std::abs(*risk - said_risk_) < 0.1) return;
  said_risk_ = *risk;
  say("risk of " + victim_.value + text_of(" is now %.2f", *risk));
}

/// From the moment the node is in a zone until its copies are ready, with an end to the patience.
void demo_run::hold_trouble() {
  if (!options_.wait_for_copies) return;
  auto now = steady::now();
  auto map = maps_->latest();
  if (!map || !events_->in_zone_since(victim_)) return trouble_->hold(false);
  if (held_until_ == time_point{}) held_until_ = now + copies_max;
  auto at_risk = partitions_with(*map, victim_);
  trouble_->hold(now < held_until_ && ready_copies(*map, at_risk, victim_) < at_risk.size());
}

result<> demo_run::live_until_death() {
  auto until = steady::now() + from_seconds(trouble_max_s);
  if (options_.wait_for_copies) until += copies_max;
  while (steady::now() < until) {
    if (auto death = watch_->seen()) {
      note_death(*death);
      return {};
    }
    if (auto end = cluster_->central().ended())
      return fail(errc::unavailable,
                  "central ended: " + to_string(*end) + "\n"
                      + cluster::tail_of(cluster_->central_directory() + "/output.log"));
    load_->set_factor(trouble_->load_factor());
    watch_victim();
    hold_trouble();
    if (!pause_for(milliseconds(5))) return interrupted_error();
  }
  return fail(errc::timeout, victim_.value + " outlived its trouble");
}

void demo_run::note_death(const moment& death) {
  death_ = death;
  probe_->begin(death.at);
  auto& daemon = cluster_->find(victim_.value)->daemon;
  if (auto end = daemon.wait(seconds(1))) report_.death = to_string(*end);
  if (auto map = maps_->latest_before(death.at)) {
    affected_ = partitions_with(*map, victim_);
    maps_->expect_recovery(affected_, victim_);
    report_.partitions_at_risk = affected_.size();
    report_.partitions_prefetched = ready_copies(*map, affected_, victim_);
    for (auto id : affected_) report_.bytes_prefetched += copied_bytes_[to_string(id)];
  }
  if (auto since = events_->in_zone_since(victim_); since && since->at < death.at)
    report_.warning_lead_s = to_seconds(death.at - since->at);
  auto zoned = events_->ever_in_zone();
  report_.nodes_falsely_in_zone = static_cast<uint64_t>(std::count_if(
      zoned.begin(), zoned.end(), [this](const node_id& node) { return node != victim_; }));
  say(victim_.value + " is dead: " + report_.death
      + text_of(", %.1f s after its trouble began", to_seconds(death.at - trouble_begun_)));
}

result<demo_report> run_demo(const demo_options& options) { return demo_run(options).run(); }

} // namespace harbinger
