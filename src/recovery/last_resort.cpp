#include "recovery/last_resort.hpp"

#include <algorithm>

#include "catalog/catalog.hpp"

namespace harbinger::recovery {
namespace {

bool complete_copy(const partition_row& row, const copy_row& copy, const surroundings& around) {
  auto entry = around.alive(copy.node) ? around.replica(copy.node, row.id) : nullptr;
  if (!entry || entry->digest_differs || entry->report.copy != copy.copy) return false;
  auto& report = entry->report;
  bool whole = report.state == replica_state::following || report.state == replica_state::detached;
  // Sealed: by an attempt of ours that got no further.
  bool right = report.role == replica_role::copy || report.role == replica_role::sealed;
  return whole && right && prefix_of(row.history, report.version);
}

/// The epochs that had begun when the log ended at `last`, then the new one.
epoch_history cut_and_grown(epoch_history history, version last, epoch next) {
  std::erase_if(history, [&](const epoch_start& e) { return e.first_seq > last.seq; });
  return catalog::grown(std::move(history), {next, seq_no{last.seq.value + 1}});
}

std::string loss_in_words(std::optional<version> known, version reached) {
  if (!known) return "what its members held last is not known";
  if (known->seq <= reached.seq)
    return "its members were last heard at " + to_string(*known) + "; what they acknowledged after "
           + to_string(reached) + " is lost";
  return "its members were last heard at " + to_string(*known) + ": "
         + std::to_string(known->seq.value - reached.seq.value) + " batches or more are lost";
}

} // namespace

bool anybody_left(const partition_row& row, const surroundings& around) {
  return std::any_of(row.sync_set.begin(), row.sync_set.end(), [&](const node_id& id) {
    return around.alive(id) && !around.lost(id, row.id);
  });
}

std::optional<version> last_heard(const partition_row& row, const surroundings& around) {
  std::optional<version> newest;
  for (auto& id : row.sync_set) {
    auto entry = around.book.find(id, around.book.life(id), row.id);
    if (entry) newest = std::max(newest.value_or(version{}), entry->report.version);
  }
  return newest;
}

const copy_row* best_copy(const partition_row& row, const surroundings& around) {
  const copy_row* best = nullptr;
  version most;
  for (auto& copy : row.copies) {
    if (!complete_copy(row, copy, around)) continue;
    auto held = around.replica(copy.node, row.id)->report.version;
    if (best && held <= most) continue;
    best = &copy;
    most = held;
  }
  return best;
}

last_resort::wish last_resort::ended(const partition_row& row, std::string why) const {
  rebuild_report report;
  report.partition = partition_;
  report.known_before = known_;
  report.text = std::move(why);
  if (reached_ && row.primary == node_ && row.epoch == target_) {
    report.rebuilt = true;
    report.node = node_;
    report.version = *reached_;
  }
  return end{std::move(report)};
}

last_resort::wish last_resort::next(const partition_row& row, const surroundings& around) {
  auto id = to_string(partition_);
  if (reached_ && row.primary == node_ && row.epoch == target_)
    return ended(row, "partition " + id + " was rebuilt on " + node_.value + " up to "
                          + to_string(*reached_) + "; " + loss_in_words(known_, *reached_));
  if (anybody_left(row, around))
    return ended(row,
                 "a member of the sync set of partition " + id + " is back: nothing to rebuild");
  if (around.now - started_ >= milliseconds(patience_ms))
    return ended(row, "partition " + id + " was not rebuilt in time"
                          + (failure_.empty() ? std::string{} : "; last trouble: " + failure_));
  auto heard = last_heard(row, around);
  if (heard) known_ = std::max(known_.value_or(version{}), *heard);
  if (at_ != phase::finding && !around.alive(node_)) at_ = phase::finding;
  if (at_ == phase::finding) {
    auto found = best_copy(row, around);
    if (!found) return make_copy{};
    node_ = found->node;
    copy_ = found->copy;
    bool was_sealed = around.replica(node_, row.id)->report.role == replica_role::sealed;
    at_ = was_sealed ? phase::sealing : phase::replaying;
  }
  if (at_ == phase::replaying) return replay{node_, copy_};
  if (at_ == phase::sealing) {
    target_ = epoch{row.epoch.value + 1};
    if (auto entry = around.replica(node_, row.id))
      target_ = std::max(target_, entry->report.epoch);
    return seal{node_, target_};
  }
  promote wish{row, "last resort: " + node_.value + " holds up to " + to_string(*reached_)};
  wish.row.epoch = target_;
  wish.row.primary = node_;
  wish.row.primary_life = around.life(node_);
  wish.row.sync_set = {node_};
  wish.row.joiners.clear();
  std::erase_if(wish.row.copies, [&](auto& copy) { return copy.node == node_; });
  wish.row.history = cut_and_grown(row.history, *reached_, target_);
  return wish;
}

void last_resort::replayed(const node_id& node, const result<void>& outcome) {
  if (at_ != phase::replaying || node != node_) return;
  if (outcome)
    at_ = phase::sealing;
  else
    failure_ = node.value + ": " + to_string(outcome.error());
}

void last_resort::sealed(const node_id& node, const result<replica_report>& report) {
  if (at_ != phase::sealing || node != node_) return;
  if (!report) {
    failure_ = node.value + ": " + to_string(report.error());
    return;
  }
  if (report->epoch != target_ || report->role != replica_role::sealed) return;
  reached_ = report->version;
  at_ = phase::promoting;
}

std::string rebuild_preview(const partition_row& row, const surroundings& around) {
  auto copy = best_copy(row, around);
  auto known = last_heard(row, around);
  std::string base = copy ? "the copy on " + copy->node.value + " at "
                                + to_string(around.replica(copy->node, row.id)->report.version)
                                + " and the log in mass storage after it"
                          : std::string("mass storage alone, there is no copy");
  return "partition " + to_string(row.id) + " would be rebuilt from " + base + "; its members were "
         + (known ? "last heard at " + to_string(*known) : std::string("not heard yet"))
         + ". What they acknowledged and reached neither is lost for the partition (a member that "
           "comes back has it put into its conflict journal). To accept that: rebuild "
         + to_string(row.id) + " accept-loss";
}

} // namespace harbinger::recovery
