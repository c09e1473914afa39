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
         && !(stage_.maps().all_restored() && probe_->reads().all_ms && probe_->writes().all_ms)) {
    stage_.tell_events();
    if (!said_served && stage_.maps().all_served()) {
      said_served = true;
      stage_.say("every partition has a primary again");
    }
    if (!pause_for(milliseconds(5))) return demo_stage::interrupted_error();
  }
  pause_for(milliseconds(200)); // the last events are on their way
  stage_.tell_events();
  note_recovery();
  if (report_.recovery_prefetched_ms)
    stage_.say(demo_stage::formatted(
        "recovered: all partitions served with all their replicas %.0f ms after the death",
        *report_.recovery_prefetched_ms));
  else
    stage_.say("recovery did not finish in time");
  return {};
}

void demo_run::note_recovery() {
  auto reads = probe_->reads(), writes = probe_->writes();
  report_.first_read_ms = reads.first_ms;
  report_.first_write_ms = writes.first_ms;
  report_.all_reads_ms = reads.all_ms;
  report_.all_writes_ms = writes.all_ms;
  if (verdict_ms_) report_.detect_ms = static_cast<double>(*verdict_ms_ - death_.wall_time.value);
  if (auto served = stage_.maps().all_served(); served && verdict_ms_)
    report_.promote_ms = static_cast<double>(served->wall_time.value - *verdict_ms_);
  auto restored = stage_.maps().all_restored();
  if (restored && reads.all_ms && writes.all_ms)
    report_.recovery_prefetched_ms =
        std::max({to_ms(restored->at - death_.at), *reads.all_ms, *writes.all_ms});
}

std::optional<double> demo_run::drill(const char* method) {
  std::vector<std::string> words{"drill", method};
  for (auto id : affected_) words.push_back(to_string(id));
  auto document = stage_.processes().console(words, drill_max);
  if (!document) {
    stage_.say(std::string{"drill "} + method + ": " + to_string(document.error()));
    return std::nullopt;
  }
  auto json = nlohmann::json::parse(*document, nullptr, false);
  bool whole = json.is_object() && json.contains("total_ms") && json["total_ms"].is_number()
               && json.contains("each");
  if (whole)
    for (const auto& part : json["each"]) whole = whole && !part.contains("failure");
  if (!whole) {
    stage_.say(std::string{"drill "} + method + " did not restore everything: " + *document);
    return std::nullopt;
  }
  stage_.say(std::string{method}
             + demo_stage::formatted(": %.0f ms", json["total_ms"].get<double>()));
  return json["total_ms"].get<double>();
}

result<> demo_run::compare() {
  // Without copies the way to the new primaries is the same; only the missing replicas come from
  // mass storage instead.
  double served = std::max(report_.all_reads_ms.value_or(0), report_.all_writes_ms.value_or(0));
  stage_.say(
      "the same partitions again without copies: a replica each by checkpoint + tail, then by full "
      "rebuild");
  report_.drill_checkpoint_tail_ms = drill("checkpoint_tail");
  stage_.tell_events();
  if (interrupted()) return demo_stage::interrupted_error();
  report_.drill_full_rebuild_ms = drill("full_rebuild");
  stage_.tell_events();
  if (interrupted()) return demo_stage::interrupted_error();
  if (report_.drill_checkpoint_tail_ms)
    report_.recovery_checkpoint_tail_ms = served + *report_.drill_checkpoint_tail_ms;
  if (report_.drill_full_rebuild_ms)
    report_.recovery_full_rebuild_ms = served + *report_.drill_full_rebuild_ms;
  return {};
}

} // namespace harbinger
