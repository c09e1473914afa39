#include "app/demo.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "app/demo_run.hpp"

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

demo_run::demo_run(const demo_options& options)
    : wait_for_copies_(options.wait_for_copies),
      engine_(options.seed),
      stage_(options, [this](const event& e) { see(e); }) {
  report_.trouble = std::string{name_of(options.trouble)};
  report_.seed = options.seed;
  report_.metadata_mib_per_partition = options.mib_per_partition;
}

result<demo_report> demo_run::run() {
  for (auto stage :
       {&demo_run::start, &demo_run::fill, &demo_run::begin_trouble, &demo_run::live_until_death,
        &demo_run::recover, &demo_run::compare, &demo_run::verify})
    if (auto done = (this->*stage)(); !done) return tl::unexpected<error>(done.error());
  report_.total_s = stage_.seconds_on();
  return report_;
}

result<> demo_run::begin_trouble() {
  if (auto waited = stage_.warm_up(from_seconds(warm_up_s + random(0, warm_up_spread_s))); !waited)
    return waited;
  auto& node = stage_.processes().nodes()[engine_() % stage_.processes().nodes().size()];
  victim_ = node_id{node.name};
  report_.node = node.name;
  watch_ = std::make_unique<death_watch>(node.daemon.pid());
  auto map = stage_.maps().latest();
  if (!map) return fail(errc::unavailable, "the centre gives no map");
  probe_ = std::make_unique<availability_probe>(stage_.processes().control_endpoint(),
                                                primaries_of(*map, victim_));
  trouble_ = stage_.trouble_on(node);
  trouble_begun_ = steady::now();
  stage_.say("trouble begins on " + node.name + " (" + report_.trouble
             + "); the service is not told");
  return {};
}

void demo_run::see(const event& e) {
  if (e.kind == "node_dead" && e.subject == victim_.value && !verdict_ms_)
    verdict_ms_ = e.time.value;
  if (e.kind == "prefetch_ready")
    if (auto bytes = e.fields.find("bytes"); bytes != e.fields.end())
      copied_bytes_[e.subject] = std::strtoull(bytes->second.c_str(), nullptr, 10);
}

void demo_run::watch_victim() {
  stage_.tell_events();
  if (auto map = stage_.maps().latest()) {
    auto at_risk = partitions_with(*map, victim_);
    auto ready = ready_copies(*map, at_risk, victim_);
    if (ready > said_ready_) {
      stage_.say("copies ready for " + std::to_string(ready) + " of "
                 + std::to_string(at_risk.size()) + " partitions of " + victim_.value);
      said_ready_ = ready;
    }
  }
  if (steady::now() - asked_risk_ < milliseconds(500)) return;
  asked_risk_ = steady::now();
  auto document = stage_.processes().console({"risk"}, milliseconds(300));
  auto risk = document ? number_in(*document, victim_.value, "risk") : std::nullopt;
  if (!risk || std::abs(*risk - said_risk_) < 0.1) return;
  said_risk_ = *risk;
  stage_.say("risk of " + victim_.value + demo_stage::formatted(" is now %.2f", *risk));
}

/// From the moment the node is in a zone until its copies are ready, with an end to the patience.
void demo_run::hold_trouble() {
  if (!wait_for_copies_) return;
  auto now = steady::now();
  auto map = stage_.maps().latest();
  if (!map || !stage_.events().in_zone_since(victim_)) return trouble_->hold(false);
  if (held_until_ == time_point{}) held_until_ = now + copies_max;
  auto at_risk = partitions_with(*map, victim_);
  trouble_->hold(now < held_until_ && ready_copies(*map, at_risk, victim_) < at_risk.size());
}

result<> demo_run::live_until_death() {
  auto until = steady::now() + from_seconds(trouble_max_s);
  if (wait_for_copies_) until += copies_max;
  while (steady::now() < until) {
    if (auto death = watch_->seen()) {
      note_death(*death);
      return {};
    }
    if (auto runs = stage_.central_runs(); !runs) return runs;
    stage_.traffic().set_factor(trouble_->load_factor());
    watch_victim();
    hold_trouble();
    if (!pause_for(milliseconds(5))) return demo_stage::interrupted_error();
  }
  return fail(errc::timeout, victim_.value + " outlived its trouble");
}

void demo_run::note_death(const moment& death) {
  death_ = death;
  probe_->begin(death.at);
  auto& daemon = stage_.processes().find(victim_.value)->daemon;
  if (auto end = daemon.wait(seconds(1))) report_.death = to_string(*end);
  if (auto map = stage_.maps().latest_before(death.at)) {
    affected_ = partitions_with(*map, victim_);
    stage_.maps().expect_recovery(affected_, victim_);
    report_.partitions_at_risk = affected_.size();
    report_.partitions_prefetched = ready_copies(*map, affected_, victim_);
    for (auto id : affected_) report_.bytes_prefetched += copied_bytes_[to_string(id)];
  }
  if (auto since = stage_.events().in_zone_since(victim_); since && since->at < death.at)
    report_.warning_lead_s = to_seconds(death.at - since->at);
  auto zoned = stage_.events().ever_in_zone();
  report_.nodes_falsely_in_zone = static_cast<uint64_t>(std::count_if(
      zoned.begin(), zoned.end(), [this](const node_id& node) { return node != victim_; }));
  stage_.say(victim_.value + " is dead: " + report_.death
             + demo_stage::formatted(", %.1f s after its trouble began",
                                     to_seconds(death.at - trouble_begun_)));
}

result<demo_report> run_demo(const demo_options& options) { return demo_run(options).run(); }

} // namespace harbinger
