#include "replica/replica.hpp"

namespace harbinger::replication {
namespace {

/// Whether entries are numbered without holes from `previous` on and none is of an epoch after the
/// sender's.
bool well_formed(const append_request& request) {
  auto last = request.previous;
  for (const auto& e : request.entries) {
    if (e.version.seq.value != last.seq.value + 1 || e.version.epoch < last.epoch
        || e.version.epoch > request.epoch)
      return false;
    last = e.version;
  }
  return last.epoch <= request.epoch;
}

} // namespace

void replica::append(token from, const append_request& request, time_point now, actions& out) {
  auto refuse = [&](errc code, std::string detail) {
    out.push_back(answer_append{from, fail(code, std::move(detail))});
  };
  if (!well_formed(request))
    return refuse(errc::invalid_argument, "entries do not follow on each other");
  if (request.epoch < epoch_)
    return refuse(errc::stale_epoch, "epoch " + std::to_string(epoch_.value) + " is in force");
  if (!exists_ || head_.state == replica_state::copying || head_.state == replica_state::failed)
    return refuse(errc::unavailable, "replica is not complete");
  if (role_ == replica_role::primary) {
    if (request.epoch == epoch_)
      return refuse(errc::conflict, "is primary itself in epoch " + std::to_string(epoch_.value));
    depose({errc::not_primary, "epoch " + std::to_string(request.epoch.value) + " has begun"}, out);
    role_ = replica_role::sealed;
    out.push_back(report_now{});
  }
  // Only one primary ever exists in an epoch, so whoever sends in a newer one is it.
  epoch_ = std::max(epoch_, request.epoch);
  if (request.previous.seq > handed_.seq) return refuse(errc::gap, to_string(handed_));
  auto mismatch = !same(request.previous);
  std::vector<log_entry> fresh;
  for (const auto& e : request.entries) {
    if (e.version.seq > handed_.seq)
      fresh.push_back(e);
    else
      mismatch |= !same(e.version);
  }
  if (mismatch || (!fresh.empty() && fresh.front().version < handed_)) {
    if (role_ != replica_role::copy && failure_.empty()) {
      failure_ = "diverged: holds " + to_string(handed_) + ", the primary follows on "
                 + to_string(request.previous);
      out.push_back(notice{"replica_diverged", head_.partition, failure_});
      out.push_back(report_now{});
    }
    return refuse(errc::diverged, to_string(handed_));
  }
  last_append_ = now;
  accept(from, request, std::move(fresh), out);
}

bool replica::renew(const lease_item& item, time_point now) {
  bool same_epoch = item.epoch == epoch_ && head_.epoch == epoch_;
  bool member = role_ == replica_role::secondary && head_.role == role_ && failure_.empty();
  bool complete =
      exists_ && head_.state != replica_state::copying && head_.state != replica_state::failed;
  if (!same_epoch || !member || !complete) return false;
  if (handed_ != item.newest || head_.version != item.newest) return false;
  last_append_ = now;
  return true;
}

void replica::accept(token from, const append_request& request, std::vector<log_entry> fresh,
                     actions& out) {
  auto known = request.entries.empty() ? request.previous.seq
                                       : request.entries.back().version.seq; // equal up to here
  store_write item;
  item.epoch = epoch_;
  item.committed = std::min(request.committed, known);
  // What it takes from here on may never be committed: nobody is to read it as a primary's.
  if (head_.role == replica_role::primary) item.change.emplace().role = role_;
  pending_write pending;
  pending.sender = request.epoch;
  if (fresh.empty() && head_.epoch < epoch_) {
    // The first word of a new primary. What an older one sent may still be on its way to the disk,
    // and more of it would be taken after a restart: the answer comes when neither can happen.
    pending.asker = from;
    write(std::move(item), std::move(pending), out);
    return;
  }
  if (fresh.empty()) {
    out.push_back(answer_append{from, append_ok{head_.partition, request.epoch, head_.version}});
    if (item.committed > head_.committed) write(std::move(item), std::move(pending), out);
    return;
  }
  item.previous = handed_;
  for (const auto& e : fresh)
    if (history_.empty() || history_.back().epoch != e.version.epoch)
      history_.push_back({e.version.epoch, e.version.seq});
  handed_ = fresh.back().version;
  item.entries = std::move(fresh);
  pending.asker = from;
  write(std::move(item), std::move(pending), out);
}

} // namespace harbinger::replication
