#include "scrub/scrub.hpp"

#include <algorithm>
#include <bit>

/// Whose turn it is, checking, and what a check comes to; mending is in scrub_repair.cpp.

namespace harbinger::scrubbing {
namespace {

constexpr auto listing_period = milliseconds(1000);
/// Behind a check the next listing waits so long for each replica: with thousands of small ones,
/// listing would be all that is done.
constexpr auto listing_rest = std::chrono::microseconds(20);
constexpr auto busy_period = milliseconds(20);

bool complete(const replica& r) {
  return r.state == replica_state::following || r.state == replica_state::detached;
}

} // namespace

std::string buckets_text(bucket_set buckets) {
  return std::to_string(std::popcount(buckets)) + " of " + std::to_string(digest::buckets)
         + " buckets";
}

scrubber::scrubber(limits bounds) : limits_(bounds) { bucket_.set_rate(bounds.rate_bytes_per_s); }

void scrubber::resume(const std::map<partition_id, std::string>& held) {
  held_ = held;
  for (const auto& [partition, why] : held) demanded_.push_back(partition);
}

void scrubber::demand(const std::vector<partition_id>& partitions) {
  for (auto partition : partitions)
    if (std::find(demanded_.begin(), demanded_.end(), partition) == demanded_.end())
      demanded_.push_back(partition);
  list_at_ = time_point{};
}

std::optional<partition_id> scrubber::busy_with() const {
  return job_ ? std::optional(job_->partition) : std::nullopt;
}

duration scrubber::rest(time_point now) {
  if (!job_)
    return demanded_.empty() ? std::max(list_at_ - now, duration(busy_period)) : duration{};
  bool reading = job_->now == phase::checking && !job_->waiting;
  return reading && (job_->hurried || bucket_.ready(now)) ? duration{} : duration(busy_period);
}

actions scrubber::step(const event& what, const std::optional<replica>& now_held, time_point now) {
  actions out;
  if (const auto* all = std::get_if<listing>(&what)) {
    on_listing(all->replicas, now, out);
    return out;
  }
  if (std::holds_alternative<clock_tick>(what) && !job_) {
    if (now < list_at_ && demanded_.empty()) return out;
    list_at_ = now + listing_period;
    out.push_back(list_replicas{});
    return out;
  }
  if (!job_) return out;
  if (!now_held || !complete(*now_held)) { // dropped, or being made anew
    end("gone", now, out);
    return out;
  }
  rows_[job_->partition].role = now_held->role;
  if (std::holds_alternative<clock_tick>(what)) on_tick(*now_held, now, out);
  if (const auto* page = std::get_if<page_checked>(&what)) on_checked(*page, *now_held, now, out);
  if (const auto* answer = std::get_if<answered>(&what)) on_answer(*answer, *now_held, now, out);
  if (const auto* done = std::get_if<mended>(&what)) on_mended(*done, *now_held, now, out);
  return out;
}

void scrubber::on_tick(const replica& held, time_point now, actions& out) {
  auto& j = *job_;
  if (j.waiting) return;
  if (j.now == phase::checking) {
    if (j.hurried || bucket_.ready(now)) check(out);
    return;
  }
  tend_repair(held, now, out);
}

// ------------------------------------------------------------------------------------------------
// turns

bool scrubber::may_check(const replica& r, time_point now) const {
  if (!complete(r)) return false;
  if (r.role != replica_role::primary && given_up_.contains(r.partition)) return false;
  auto known = rows_.find(r.partition);
  if (known == rows_.end() || !known->second.checked_at) return true;
  return now - *known->second.checked_at >= limits_.pause;
}

void scrubber::on_listing(const std::vector<replica>& replicas, time_point now, actions& out) {
  std::map<partition_id, const replica*> here;
  for (const auto& r : replicas) here.emplace(r.partition, &r);
  std::erase_if(rows_, [&](const auto& item) { return !here.contains(item.first); });
  for (const auto& [partition, r] : here) rows_[partition].role = r->role;
  let_go(here, out);
  if (job_) return;
  while (!demanded_.empty()) {
    auto partition = demanded_.front();
    demanded_.pop_front();
    auto found = here.find(partition);
    if (found != here.end() && complete(*found->second)) return begin(partition, true, out);
    if (found != here.end())
      rows_[partition].result = std::string(name_of(found->second->state)) + ", not checked";
    out.push_back(finished{partition});
  }
  if (limits_.rate_bytes_per_s == 0) return;
  const replica* next = nullptr;
  auto last_check = [&](const replica& r) {
    return rows_[r.partition].checked_at.value_or(time_point::min());
  };
  for (const auto& [partition, r] : here)
    if (may_check(*r, now) && (!next || last_check(*r) < last_check(*next))) next = r;
  if (next) begin(next->partition, false, out);
}

/// Holds and surrenders that have served their purpose; those that have not are said again.
void scrubber::let_go(const std::map<partition_id, const replica*>& here, actions& out) {
  for (auto it = held_.begin(); it != held_.end();) {
    auto partition = (it++)->first;
    auto found = here.find(partition);
    if (found == here.end() || !complete(*found->second)) {
      given_up_.erase(partition);
      held_.erase(partition);
      out.push_back(release{partition});
    } else if (auto why = given_up_.find(partition);
               why != given_up_.end() && found->second->role != replica_role::primary) {
      out.push_back(give_up{partition, why->second});
    }
  }
}

void scrubber::begin(partition_id partition, bool hurried, actions& out) {
  job_.emplace();
  job_->partition = partition;
  job_->hurried = hurried;
  check(out);
}

void scrubber::end(const std::string& result, time_point now, actions& out) {
  auto& r = rows_[job_->partition];
  r.result = result;
  r.checked_at = now;
  out.push_back(finished{job_->partition});
  job_.reset();
  list_at_ = now + std::min<duration>(listing_period, listing_rest * rows_.size());
}

// ------------------------------------------------------------------------------------------------
// checking

void scrubber::check(actions& out) {
  auto& j = *job_;
  auto bytes = limits_.page_bytes;
  if (!j.hurried)
    bytes = std::min<size_t>(bytes, std::max<uint64_t>(limits_.rate_bytes_per_s / 4, 4096));
  j.waiting = true;
  out.push_back(check_more{j.partition, !j.begun, j.hurried ? limits_.page_bytes * 4 : bytes});
  j.begun = true;
}

void scrubber::on_checked(const page_checked& page, const replica& held, time_point now,
                          actions& out) {
  auto& j = *job_;
  if (j.now != phase::checking) return;
  j.waiting = false;
  if (!page.read) {
    const auto& why = page.read.error();
    if (why.code == errc::checksum) {
      note_damage("can not be read: " + to_string(why), held, out);
      surrender("its records can not be read: " + to_string(why), held, now, out);
    } else {
      end("not checked: " + to_string(why), now, out);
    }
    return;
  }
  totals_.bytes += page.read->bytes;
  if (!j.hurried) bucket_.spend(page.read->bytes, now);
  if (page.read->done) judge(page.findings, held, now, out);
}

void scrubber::judge(const bucket_findings& found, const replica& held, time_point now,
                     actions& out) {
  auto& j = *job_;
  auto& r = rows_[j.partition];
  ++totals_.checks;
  r.version = found.version;
  r.records = found.records;
  r.size_bytes = found.size_bytes;
  r.damaged = found.damaged;
  if (!found.sound()) {
    if (j.repairs == 0) j.found = found.damaged;
    begin_repair(found, held, now, out);
    return;
  }
  given_up_.erase(j.partition);
  if (held_.erase(j.partition)) out.push_back(release{j.partition});
  if (j.repairs == 0) {
    end("sound", now, out);
    return;
  }
  totals_.mended_buckets += static_cast<uint64_t>(std::popcount(j.found));
  out.push_back(raise{severity::info,
                      "replica_repaired",
                      j.partition,
                      "the replica of partition " + to_string(j.partition) + " is sound again: "
                          + std::to_string(j.records) + " records were mended from "
                          + (j.donor.value.empty() ? "its own log" : j.donor.value),
                      {{"role", std::string(name_of(held.role))},
                       {"buckets", buckets_text(j.found)},
                       {"records", std::to_string(j.records)},
                       {"from", j.donor.value},
                       {"version", to_string(found.version)}}});
  end("mended", now, out);
}

/// Holds the replica, and says so once.
void scrubber::note_damage(const std::string& what, const replica& held, actions& out) {
  auto partition = job_->partition;
  bool known = held_.contains(partition);
  auto why = "checksum: " + what;
  held_[partition] = why;
  rows_[partition].result = "damaged";
  out.push_back(hold{partition, why});
  if (known) return;
  out.push_back(raise{severity::alert,
                      "replica_damaged",
                      partition,
                      "the records of partition " + to_string(partition)
                          + " are not what was written: " + what
                          + "; it is mended from another replica and not promoted until then",
                      {{"role", std::string(name_of(held.role))},
                       {"found", what},
                       {"version", to_string(held.version)}}});
}

} // namespace harbinger::scrubbing
