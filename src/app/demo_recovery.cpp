#include <algorithm>

#include <nlohmann/json.hpp>

#include "app/demo_run.hpp"

namespace harbinger {

namespace {

constexpr auto recovery_max = seconds(30);
constexpr auto drill_max = seconds(110);

} // namespace

result<> demo_run::recover() {
  auto until = death_.at + recovery_max;
  bool said_served = false;
  while (steady::now() < until
         && !(maps_->all_restored() && probe_->reads().all_ms && probe_->writes().all_ms)) {
    tell_events();
    if (!said_served && maps_->all_served()) {
      said_served = true;
      say("every partition has a primary again");
    }
    if (!pause_for(milliseconds(5))) return interrupted_error();
  }
  pause_for(milliseconds(200)); // the last events are on their way
  tell_events();
  note_recovery();
  if (report_.recovery_prefetched_ms)
    say(text_of("recovered: all partitions served with all their replicas %.0f ms after the death",
                *report_.recovery_prefetched_ms));
  else
    say("recovery did not finish in time");
  return {};
}

void demo_run::note_recovery() {
  auto reads = probe_->reads(), writes = probe_->writes();
  report_.first_read_ms = reads.first_ms;
  report_.first_write_ms = writes.first_ms;
  report_.all_reads_ms = reads.all_ms;
  report_.all_writes_ms = writes.all_ms;
  if (verdict_ms_) report_.detect_ms = static_cast<double>(*verdict_ms_ - death_.wall_time.value);
  if (auto served = maps_->all_served(); served && verdict_ms_)
    report_.promote_ms = static_cast<double>(served->wall_time.value - *verdict_ms_);
  auto restored = maps_->all_restored();
  if (restored && reads.all_ms && writes.all_ms)
    report_.recovery_prefetched_ms =
        std::max({to_ms(restored->at - death_.at), *reads.all_ms, *writes.all_ms});
}

std::optional<double> demo_run::drill(const char* method) {
  std::vector<std::string> words{"drill", method};
  for (auto id : affected_) words.push_back(to_string(id));
  auto document = cluster_->console(words, drill_max);
  if (!document) {
    say(std::string{"drill "} + method + ": " + to_string(document.error()));
    return std::nullopt;
  }
  auto json = nlohmann::json::parse(*document, nullptr, false);
  bool whole = json.is_object() && json.contains("total_ms") && json["total_ms"].is_number()
               && json.contains("each");
  if (whole)
    for (const auto& part : json["each"]) whole = whole && !part.contains("failure");
  if (!whole) {
    say(std::string{"drill "} + method + " did not restore everything: " + *document);
    return std::nullopt;
  }
  say(std::string{method} + text_of(": %.0f ms", json["total_ms"].get<double>()));
  return json["total_ms"].get<double>();
}

result<> demo_run::compare() {
  // Without copies the way to the new primaries is the same; only the missing replicas come from
  // mass storage instead.
  double served = std::max(report_.all_reads_ms.value_or(0), report_.all_writes_ms.value_or(0));
  say("the same partitions again without copies: a replica each by checkpoint + tail, then by full "
      "rebuild");
  report_.drill_checkpoint_tail_ms = drill("checkpoint_tail");
  tell_events();
  if (interrupted()) return interrupted_error();
  report_.drill_full_rebuild_ms = drill("full_rebuild");
  tell_events();
  if (interrupted()) return interrupted_error();
  if (report_.drill_checkpoint_tail_ms)
    report_.recovery_checkpoint_tail_ms = served + *report_.drill_checkpoint_tail_ms;
  if (report_.drill_full_rebuild_ms)
    report_.recovery_full_rebuild_ms = served + *report_.drill_full_rebuild_ms;
  return {};
}

result<> demo_run::verify() {
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

} // namespace harbinger
