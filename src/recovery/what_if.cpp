#include "recovery/what_if.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "recovery/escalation.hpp"
#include "recovery/last_resort.hpp"
#include "recovery/redundancy.hpp"

namespace harbinger::recovery {
namespace {

constexpr size_t named_max = 20; ///< names in an error

std::string rounded(double ms) { return std::to_string(std::llround(ms)) + " ms"; }

std::string counted(size_t partitions) {
  return std::to_string(partitions) + (partitions == 1 ? " partition" : " partitions");
}

std::string listed(const std::set<std::string>& names) {
  std::string text;
  size_t count = 0;
  for (const auto& name : names) {
    if (++count > named_max)
      return text + ", and " + std::to_string(names.size() - named_max) + " more";
    text += (text.empty() ? "" : ", ") + name;
  }
  return text.empty() ? "none" : text;
}

result<> add_matching(const catalog_view& view, const std::string& word, std::set<node_id>& into) {
  auto equals = word.find('=');
  std::set<std::string> known;
  bool found = false;
  for (const auto& [id, row] : view.nodes()) {
    if (equals == std::string::npos) {
      known.insert(id.value);
      if (id.value != word) continue;
    } else {
      auto value = row.attributes.find(word.substr(0, equals));
      if (value == row.attributes.end()) continue;
      known.insert(value->second);
      if (value->second != word.substr(equals + 1)) continue;
    }
    into.insert(id);
    found = true;
  }
  if (found) return {};
  if (equals == std::string::npos)
    return fail(errc::unknown_node, "no node " + word + "; there are: " + listed(known));
  auto attribute = word.substr(0, equals);
  if (known.empty()) return fail(errc::not_found, "no node has an attribute " + attribute);
  return fail(errc::not_found, "no node has " + word + "; " + attribute + " is: " + listed(known));
}

class forecaster {
public:
  forecaster(const surroundings& now, const std::set<node_id>& nodes, const measured_times& times,
             std::optional<double> speed, const kill_assumptions& assumed)
      : before_(now), after_(now), times_(times), assumed_(assumed), speed_(speed) {
    for (const auto& id : nodes) {
      if (now.alive(id))
        out_.killed.push_back(id);
      else
        out_.notes.push_back(id.value + " is dead already");
    }
    dead_.insert(out_.killed.begin(), out_.killed.end());
    after_.also_dead = &dead_;
    for (const auto& [id, row] : now.view.nodes()) living_ += after_.alive(id);
  }

  kill_forecast run() {
    auto touched = partitions_touched();
    for (auto id : touched) count_primary(*before_.view.partition(id));
    set_times();
    for (auto id : touched) out_.rows.push_back(forecast(*before_.view.partition(id)));
    restore_in_line();
    for (const auto& row : out_.rows) count(row);
    std::sort(out_.rows.begin(), out_.rows.end(), worse);
    summarize();
    note_assumptions();
    return std::move(out_);
  }

private:
  static bool member_died(const partition_row& row, const std::set<node_id>& dead) {
    return std::any_of(row.sync_set.begin(), row.sync_set.end(),
                       [&](const node_id& id) { return dead.contains(id); });
  }

  std::set<partition_id> partitions_touched() {
    std::set<partition_id> lose_member, lose_copy;
    for (const auto& node : dead_)
      for (auto id : before_.view.partitions_of(node))
        (member_died(*before_.view.partition(id), dead_) ? lose_member : lose_copy).insert(id);
    out_.copies_only = lose_copy.size();
    out_.partitions = lose_member.size();
    return lose_member;
  }

  bool primary_stays(const partition_row& row) const {
    return !row.primary.value.empty() && after_.alive(row.primary)
           && !after_.lost(row.primary, row.id);
  }
  void count_primary(const partition_row& row) { primaries_ += !primary_stays(row); }

  /// More primaries than those measured take longer in proportion: the last one counts.
  void set_times() {
    bool known = times_.outages > 0;
    detect_ms_ = known ? times_.detect_ms : assumed_.detect_ms;
    promote_ms_ = known ? times_.promote_ms : assumed_.promote_ms;
    double of = known ? std::max(times_.primaries, 1.0) : 0.0;
    if (known && static_cast<double>(primaries_) > of)
      promote_ms_ *= static_cast<double>(primaries_) / of;
    bytes_per_s_ = speed_ && *speed_ > 0.0 ? *speed_ : assumed_.bytes_per_s;
  }

  /// Of members that live: as a change of primary would choose (partition_recovery.cpp) when all
  /// hold the same version, which is what a sync set is for.
  node_id winner(const partition_row& row) const {
    std::optional<std::tuple<bool, size_t, node_id>> best;
    for (const auto& id : after_.live_members(row)) {
      if (after_.lost(id, row.id)) continue;
      std::tuple rank{after_.in_zones.contains(id), after_.view.primaries_of(id), id};
      if (!best || rank < *best) best = rank;
    }
    return best ? std::get<2>(*best) : node_id{};
  }

  kill_row forecast(const partition_row& row) const {
    kill_row out;
    out.partition = row.id;
    size_t died = 0;
    for (const auto& id : row.sync_set) died += dead_.contains(id);
    out.server = primary_stays(row) ? row.primary : winner(row);
    if (!out.server.value.empty()) {
      bool only_escalated = escalated(row) && died >= row.replicas_wanted;
      out.way = out.server == row.primary ? kill_way::stays
                : only_escalated          ? kill_way::escalated
                                          : kill_way::secondary;
      out.served_ms = detect_ms_ + promote_ms_;
      out.lost_batches = out.lost_bytes = 0;
      out.lost_ms = 0.0;
    } else {
      last_resort_of(row, out);
    }
    return out;
  }

  void last_resort_of(const partition_row& row, kill_row& out) const {
    if (living_ == 0) return;
    const auto* copy = best_copy(row, after_);
    out.way = copy ? kill_way::copy_and_tail : kill_way::mass_storage;
    if (copy) out.server = copy->node;
    out.by_hand = assumed_.rebuild_after_s == 0;
    const auto* entry = before_.replica(row.primary, row.id);
    auto size = size_of(row);
    double missing_batches = 0.0;
    if (copy)
      set_copy_loss(row, *copy, entry, out, missing_batches);
    else
      set_mass_loss(entry, out);
    double bytes = copy ? missing_batches * (entry ? entry->report.batch_bytes : 0.0)
                        : static_cast<double>(size);
    out.served_ms = detect_ms_ + 1000.0 * assumed_.rebuild_after_s + 1000.0 * bytes / bytes_per_s_
                    + promote_ms_;
  }

  /// Mass storage fills up what the copy lacks, but for what was not flushed yet.
  void set_copy_loss(const partition_row& row, const copy_row& copy,
                     const replica_book::entry* primary, kill_row& out, double& missing) const {
    const auto& held = after_.replica(copy.node, row.id)->report;
    auto head = last_heard(row, before_);
    if (!head) return;
    auto behind = head->seq > held.version.seq ? head->seq.value - held.version.seq.value : 0;
    missing = static_cast<double>(behind);
    set_mass_loss(primary, out);
    out.lost_batches = std::min(out.lost_batches.value_or(behind), behind);
    if (primary) set_bytes(*primary, out);
    out.lost_ms = behind == 0 ? 0.0 : std::min(held.lag_ms, assumed_.flush_ms);
  }

  void set_mass_loss(const replica_book::entry* primary, kill_row& out) const {
    if (!primary) return;
    out.lost_batches = static_cast<uint64_t>(
        std::ceil(std::max(primary->report.writes_per_s, 0.0) * assumed_.flush_ms / 1000.0));
    out.lost_ms = *out.lost_batches == 0 ? 0.0 : assumed_.flush_ms;
    set_bytes(*primary, out);
  }

  static void set_bytes(const replica_book::entry& primary, kill_row& out) {
    out.lost_bytes = static_cast<uint64_t>(
        std::llround(static_cast<double>(*out.lost_batches) * primary.report.batch_bytes));
  }

  uint64_t size_of(const partition_row& row) const {
    uint64_t most = 0;
    for (const auto* list : {&row.sync_set})
      for (const auto& id : *list)
        if (const auto* entry = before_.replica(id, row.id))
          most = std::max(most, entry->report.size_bytes);
    for (const auto& copy : row.copies)
      if (const auto* entry = before_.replica(copy.node, row.id))
        most = std::max(most, entry->report.size_bytes);
    return most;
  }

  /// Copies that must be made queue up, the most endangered partitions first; ready ones join.
  void restore_in_line() {
    std::vector<std::tuple<size_t, partition_id, size_t>> line; // members left, id, index
    for (size_t i = 0; i < out_.rows.size(); ++i) {
      const auto& row = *before_.view.partition(out_.rows[i].partition);
      size_t left = members_left(row, out_.rows[i]);
      if (left > 0) line.emplace_back(left, row.id, i);
    }
    std::sort(line.begin(), line.end());
    auto at_once = std::min<size_t>(assumed_.copies_at_once,
                                    std::max<size_t>(living_ * assumed_.copies_per_node / 2, 1));
    double speed = bytes_per_s_ * static_cast<double>(std::clamp<size_t>(line.size(), 1, at_once));
    double queued_bytes = 0.0;
    for (const auto& [left, id, index] : line)
      set_whole(*before_.view.partition(id), left, out_.rows[index], speed, queued_bytes);
  }

  size_t members_left(const partition_row& row, const kill_row& of) const {
    size_t left = 0;
    for (const auto& id : after_.live_members(row)) left += !after_.lost(id, row.id);
    bool last_resort = of.way == kill_way::copy_and_tail || of.way == kill_way::mass_storage;
    return last_resort ? 1 : left;
  }

  void set_whole(const partition_row& row, size_t left, kill_row& out, double speed,
                 double& queued_bytes) {
    if (!out.served_ms) return;
    size_t missing = row.replicas_wanted > left ? row.replicas_wanted - left : 0;
    auto ready = ready_copies(row, after_);
    std::erase(ready, out.server);
    size_t join = std::min(missing, ready.size()), make = missing - join;
    if (make > 0 && living_ < left + join + make) return; // nobody could take another one
    double join_ms = times_.outages > 0 ? std::max(times_.redundancy_ms - times_.promote_ms, 0.0)
                                        : assumed_.join_ms;
    out.whole_ms = *out.served_ms + (join > 0 ? join_ms : 0.0);
    if (make == 0) return;
    double bytes = static_cast<double>(size_of(row)) * static_cast<double>(make);
    queued_bytes += bytes;
    double alone_s = bytes / bytes_per_s_, in_line_s = queued_bytes / speed;
    out.whole_ms = *out.served_ms + 1000.0 * std::max(alone_s, in_line_s) + assumed_.join_ms;
    copies_made_ += make;
  }

  void count(const kill_row& row) {
    bool last_resort = row.way == kill_way::copy_and_tail || row.way == kill_way::mass_storage;
    out_.lost += row.way == kill_way::nobody;
    out_.late += last_resort;
    out_.late_by_hand += last_resort && row.by_hand;
    out_.at_once += !last_resort && row.way != kill_way::nobody;
    if (row.served_ms)
      out_.worst_served_ms = std::max(out_.worst_served_ms.value_or(0.0), *row.served_ms);
    if (row.lost_ms) out_.worst_lost_ms = std::max(out_.worst_lost_ms.value_or(0.0), *row.lost_ms);
    out_.worst_lost_batches = std::max(out_.worst_lost_batches, row.lost_batches.value_or(0));
  }

  static bool worse(const kill_row& a, const kill_row& b) {
    auto key = [](const kill_row& r) {
      return std::tuple(-static_cast<int>(r.way), r.served_ms.has_value(),
                        -r.served_ms.value_or(0.0), r.lost_batches.has_value(),
                        -static_cast<double>(r.lost_batches.value_or(0)), r.whole_ms.has_value(),
                        -r.whole_ms.value_or(0.0), r.partition);
    };
    return key(a) < key(b);
  }

  void summarize() {
    for (auto& row : out_.rows) row.text = words_for(row);
    auto& text = out_.summary;
    text = counted(out_.partitions) + " affected: " + std::to_string(out_.at_once)
           + " served at once by their sync set, " + std::to_string(out_.late)
           + " late from a copy or mass storage";
    if (out_.late_by_hand > 0) text += " (only by hand: harbinger rebuild PARTITION accept-loss)";
    text += ", " + std::to_string(out_.lost) + " not before a node is back";
    if (out_.worst_served_ms) text += "; worst recovery time " + rounded(*out_.worst_served_ms);
    if (out_.worst_lost_ms)
      text += ", worst recovery point " + std::to_string(out_.worst_lost_batches) + " batches or "
              + rounded(*out_.worst_lost_ms);
    text += ".";
    if (out_.copies_only > 0) text += " A copy only is lost by " + counted(out_.copies_only) + ".";
  }

  static std::string words_for(const kill_row& r) {
    auto when = r.served_ms ? "in about " + rounded(*r.served_ms) : std::string{};
    auto loss = r.lost_batches ? "at most " + std::to_string(*r.lost_batches) + " batches missing"
                               : std::string("what is missing is not known");
    auto hand = r.by_hand ? std::string(" after harbinger rebuild") : std::string{};
    switch (r.way) {
    case kill_way::stays:
      return r.server.value + " goes on, nothing lost; writes wait for the dead to leave, "
             + (r.served_ms ? "about " + rounded(*r.served_ms) : std::string{});
    case kill_way::secondary: return r.server.value + " serves " + when + ", nothing lost";
    case kill_way::escalated:
      return r.server.value + " serves " + when + ", nothing lost, because it was escalated";
    case kill_way::copy_and_tail:
      return "the copy on " + r.server.value + " and mass storage serve " + when + hand + ", "
             + loss;
    case kill_way::mass_storage: return "mass storage alone serves " + when + hand + ", " + loss;
    case kill_way::nobody: break;
    }
    return "nobody serves before a node is back";
  }

  void note_assumptions() {
    auto& notes = out_.notes;
    if (times_.outages > 0)
      notes.push_back("Measured in " + std::to_string(times_.outages) + " outages: detection "
                      + rounded(times_.detect_ms) + ", promotion " + rounded(times_.promote_ms)
                      + ", redundancy " + rounded(times_.redundancy_ms) + ".");
    else
      notes.push_back("No outage was measured yet: detection is assumed at "
                      + rounded(assumed_.detect_ms) + ", promotion at "
                      + rounded(assumed_.promote_ms) + ".");
    auto mib = std::to_string(std::llround(bytes_per_s_ / (1 << 20))) + " MiB/s";
    if (copies_made_ > 0 || out_.late > 0)
      notes.push_back(speed_ ? "Copies were measured at " + mib + " each."
                             : "No copy was measured yet: assumed at " + mib + " each.");
    if (out_.late > 0)
      notes.push_back("Mass storage is assumed to be there and to lack at most "
                      + rounded(assumed_.flush_ms)
                      + " of writes (mass_storage.flush_ms of the nodes is not known here).");
  }

  const surroundings& before_;
  surroundings after_;
  std::set<node_id> dead_;
  const measured_times& times_;
  const kill_assumptions& assumed_;
  std::optional<double> speed_;
  double bytes_per_s_ = 0.0, detect_ms_ = 0.0, promote_ms_ = 0.0;
  size_t living_ = 0, primaries_ = 0, copies_made_ = 0;
  kill_forecast out_;
};

} // namespace

result<std::set<node_id>> nodes_named(const catalog_view& view,
                                      const std::vector<std::string>& words) {
  std::set<node_id> nodes;
  if (words.empty()) return fail(errc::invalid_argument, "no node named");
  for (const auto& word : words)
    if (auto added = add_matching(view, word, nodes); !added)
      return tl::unexpected<error>(added.error());
  return nodes;
}

kill_forecast what_if_killed(const surroundings& now, const std::set<node_id>& nodes,
                             const measured_times& times, std::optional<double> copy_bytes_per_s,
                             const kill_assumptions& assumed) {
  return forecaster(now, nodes, times, copy_bytes_per_s, assumed).run();
}

} // namespace harbinger::recovery
