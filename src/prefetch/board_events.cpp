#include "prefetch/board_events.hpp"

#include <map>

namespace harbinger::board_events {
namespace {

event make(severity level, std::string kind, partition_id partition, std::string text,
           std::map<std::string, std::string> fields) {
  fields["partition"] = to_string(partition);
  return event{
      0, {}, level, std::move(kind), to_string(partition), std::move(text), std::move(fields)};
}

std::map<std::string, std::string> fields_of(const prefetch_progress& progress,
                                             const node_id& target, const std::string& source) {
  return {{"target", target.value},
          {"source", source},
          {"copy", std::to_string(progress.copy.value)},
          {"bytes", std::to_string(progress.copied_bytes)},
          {"error", progress.detail}};
}

} // namespace

event no_candidate(const wanted_copy& wanted, const error& why) {
  return make(severity::warning, "prefetch_failed", wanted.partition,
              "no node can take a copy of " + to_string(wanted.partition),
              {{"reason", wanted.reason},
               {"zones", wanted.zones},
               {"error", to_string(why)},
               {"rejected", wanted.rejected}});
}

event started(const wanted_copy& wanted, const copy_row& copy, const std::string& source) {
  return make(severity::info, "prefetch_started", wanted.partition,
              "copying " + to_string(wanted.partition) + " from " + source + " to "
                  + copy.node.value,
              {{"source", source},
               {"target", copy.node.value},
               {"copy", std::to_string(copy.copy.value)},
               {"bytes", std::to_string(wanted.size_bytes)},
               {"purpose", wanted.restore ? "restore" : "prefetch"},
               {"method", std::string(name_of(wanted.method))},
               {"reason", wanted.reason},
               {"none_alive_now", std::to_string(wanted.need.none_alive_now)},
               {"none_alive_then", std::to_string(wanted.need.none_alive_then)},
               {"worth", std::to_string(wanted.worth)},
               {"zones", wanted.zones},
               {"terms", wanted.terms},
               {"rejected", wanted.rejected}});
}

event ready(partition_id partition, const copy_row& copy, const std::string& source,
            const replica_report* report, std::optional<duration> took) {
  return make(
      severity::info, "prefetch_ready", partition,
      to_string(partition) + " is ready on " + copy.node.value,
      {{"source", source},
       {"target", copy.node.value},
       {"copy", std::to_string(copy.copy.value)},
       {"bytes", std::to_string(report ? report->copied_bytes : 0)},
       {"version", report ? to_string(report->version) : ""},
       {"ms", took ? std::to_string(static_cast<int64_t>(to_ms(*took))) : std::string("unknown")}});
}

event evicted(partition_id partition, const copy_row& copy, const std::string& reason) {
  return make(
      severity::info, "prefetch_evicted", partition, reason,
      {{"target", copy.node.value}, {"copy", std::to_string(copy.copy.value)}, {"reason", reason}});
}

event fell_back(const prefetch_progress& progress, const node_id& target,
                const std::string& source) {
  return make(severity::warning, "prefetch_fell_back", progress.partition,
              "the copy of " + to_string(progress.partition) + " to " + target.value
                  + " is made from mass storage: " + progress.detail,
              fields_of(progress, target, source));
}

event gave_up(const prefetch_progress& progress, const node_id& target, const std::string& source) {
  return make(severity::warning, "prefetch_failed", progress.partition,
              "the copy of " + to_string(progress.partition) + " to " + target.value
                  + " came to nothing: " + progress.detail,
              fields_of(progress, target, source));
}

} // namespace harbinger::board_events
