#include "prefetch/copy_pull.hpp"

#include <algorithm>

#include "wire/rows.hpp"

/// The snapshot phase of copy_pull: open, chunks in any order, rows to the store in order.

namespace harbinger {
namespace {

/// A history in which nothing comes after `last`. A new primary's own does not say yet where its
/// epoch begins before it has written something: a tail that the epoch gave up would look like part
/// of it, and is not in the snapshot either.
epoch_history ended_at(epoch_history history, const version& last) {
  constexpr harbinger::epoch nobodys{~uint64_t{0}};
  history.push_back({nobodys, seq_no{last.seq.value + 1}});
  return history;
}

} // namespace

void copy_pull::open(copy_actions& out, time_point now) {
  forget_snapshot();
  source_gives_.set_rate(0);
  phase_ = phase::opening;
  progress_.source = sources_[source_].node;
  single_ = request{next_id_++, now};
  out.push_back(send_to_source{sources_[source_].endpoint, single_->id,
                               snapshot_open{partition_, resuming_}});
}

void copy_pull::on_opened(const snapshot_opened& m, copy_actions& out, time_point now) {
  if (phase_ != phase::opening) return;
  snapshot_ = m;
  next_ask_ = next_ingest_ = 0;
  last_chunk_.reset();
  phase_ = phase::pulling;
  progress_.state = replica_state::copying;
  if (resuming_ == m.snapshot) {
    next_ask_ = next_ingest_ = resume_from_;
  } else {
    begun_ = true;
    had_all_at_.reset();
    out.push_back(begin_copy{ended_at(m.history, m.version), m.snapshot});
  }
  resuming_.clear();
  fill(out, now);
}

void copy_pull::fill(copy_actions& out, time_point now) {
  if (phase_ != phase::pulling || retry_at_) return;
  while (chunks_asked_.size() < limits_.credits && may_ask(now)) {
    uint64_t index = next_ask_;
    if (!chunks_again_.empty()) {
      index = *chunks_again_.begin();
      chunks_again_.erase(chunks_again_.begin());
      ++progress_.retries;
    } else {
      bool beyond_end = last_chunk_ && next_ask_ > *last_chunk_;
      if (beyond_end || next_ask_ >= next_ingest_ + 2 * limits_.credits) return;
      ++next_ask_;
    }
    auto id = next_id_++;
    auto spent = in_advance();
    spend(spent, now);
    chunks_asked_[index] = request{id, now, spent};
    out.push_back(send_to_source{sources_[source_].endpoint, id,
                                 snapshot_pull{snapshot_.snapshot, index, chunk_bytes_max()}});
  }
}

void copy_pull::on_chunk(snapshot_chunk& m, copy_actions& out, time_point now) {
  if (phase_ != phase::pulling || m.snapshot != snapshot_.snapshot || m.index >= next_ask_) return;
  auto asked = chunks_asked_.find(m.index);
  auto spent = asked == chunks_asked_.end() ? 0 : asked->second.spent_bytes;
  if (asked != chunks_asked_.end()) chunks_asked_.erase(asked);
  chunks_again_.erase(m.index);
  bool wanted = m.index >= next_ingest_ && !chunks_waiting_.contains(m.index)
                && (!last_chunk_ || m.index <= *last_chunk_);
  if (!wanted) {
    fill(out, now);
    return;
  }
  auto sent_bytes = m.rows.size();
  auto gives = m.rate_bytes_per_s;
  auto rows = wire::open_chunk(std::move(m));
  if (!rows) {
    ++progress_.checksum_errors;
    chunks_again_.insert(m.index);
    trouble(out, rows.error(), now);
    if (phase_ != phase::pulling) return;
    retry_at_.reset(); // the source answers: ask again at once
    fill(out, now);
    return;
  }
  failures_ = 0;
  retry_at_.reset();
  source_gives_.set_rate(gives);
  settle(spent, sent_bytes, now);
  usual_bytes_ = std::max<uint64_t>(sent_bytes, 1);
  progress_.copied_bytes += m.raw_bytes;
  if (m.last) {
    last_chunk_ = m.index;
    auto beyond = [&](const auto& item) { return item.first > m.index; };
    std::erase_if(chunks_asked_, beyond);
    std::erase_if(chunks_waiting_, beyond);
    std::erase_if(chunks_again_, [&](uint64_t index) { return index > m.index; });
  }
  chunks_waiting_.emplace(m.index, std::move(*rows));
  ingest_in_order(out);
  fill(out, now);
}

void copy_pull::ingest_in_order(copy_actions& out) {
  for (auto it = chunks_waiting_.begin();
       it != chunks_waiting_.end() && it->first == next_ingest_;) {
    out.push_back(ingest_chunk{next_ingest_++, std::move(it->second)});
    it = chunks_waiting_.erase(it);
  }
  if (!last_chunk_ || next_ingest_ <= *last_chunk_) return;
  phase_ = phase::finishing;
  out.push_back(finish_copy{snapshot_.version, snapshot_.digest, snapshot_.history});
}

void copy_pull::watch_chunks(copy_actions& out, time_point now) {
  auto before = chunks_asked_.size();
  for (const auto& [index, asked] : chunks_asked_)
    if (expired(asked, limits_.reply_timeout, now)) chunks_again_.insert(index);
  for (auto index : chunks_again_) chunks_asked_.erase(index);
  if (chunks_asked_.size() < before)
    trouble(out, {errc::timeout, sources_[source_].node.value + " does not answer"}, now);
  else
    fill(out, now);
}

void copy_pull::forget_snapshot() {
  chunks_asked_.clear();
  chunks_waiting_.clear();
  chunks_again_.clear();
  last_chunk_.reset();
  snapshot_ = {};
}

} // namespace harbinger
