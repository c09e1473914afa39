#include "prefetch/protection_board.hpp"

#include <algorithm>

#include "prefetch/board_events.hpp"
#include "prefetch/copy_life.hpp"

/// Copies are added to, removed from and marked in the catalog's rows: asking for a target, asking
/// for the change, and what follows once it took effect.

namespace harbinger {

namespace {

std::string rejections(const placement& answer) {
  constexpr size_t listed_max = 32;
  std::string text;
  size_t listed = 0;
  for (const auto& r : answer.rejected) {
    if (++listed > listed_max)
      return text + "; and " + std::to_string(answer.rejected.size() - listed_max) + " more";
    text += (text.empty() ? "" : "; ") + r.node.value + ": " + r.reason;
  }
  return text;
}

} // namespace

void protection_board::begin_copies(const catalog_view& catalog, const settings& config,
                                    time_point now, board_actions& out) {
  auto under_way = copies_under_way(catalog);
  std::map<partition_id, node_id> sources;
  protection_plan open;
  for (const auto& w : plan_.wanted) {
    auto sources_of = copy_sources(*catalog.partition(w.partition), catalog.nodes(), node_id{});
    if (!sources_of.empty()) sources[w.partition] = sources_of.front().node;
    auto pending = deciding_.find(w.partition);
    if (pending != deciding_.end()) {
      bool placing =
          pending->second.kind == step_kind::placing
          || (pending->second.kind == step_kind::adding && pending->second.wait_for.value == 0);
      if (placing) under_way.push_back({w.partition, sources[w.partition]});
      continue;
    }
    auto refused = refusals_.find(w.partition);
    if (refused != refusals_.end() && now < refused->second.again_at) continue;
    if (sources_of.empty() && w.method == restore_method::pull)
      continue; // nobody to copy from; recovery says when
    open.wanted.push_back(w);
  }
  for (auto& w : within_budget(open, under_way, sources, config.prefetch))
    ask_for_target(std::move(w), now, out);
}

std::vector<copy_under_way> protection_board::copies_under_way(const catalog_view& catalog) const {
  std::vector<copy_under_way> list;
  for (const auto& [key, l] : lives_) {
    const auto* copy = catalog.copy(key.partition, key.node);
    if (!(copy && copy->ready))
      list.push_back({key.partition, l.sources.empty() ? node_id{} : l.sources.front().node});
  }
  return list;
}

void protection_board::ask_for_target(wanted_copy w, time_point now, board_actions& out) {
  placement_query query;
  query.partition = w.partition;
  query.size_bytes = w.size_bytes;
  query.purpose = w.restore ? "restore" : "prefetch";
  for (const auto& [key, until] : avoid_)
    if (key.partition == w.partition) query.keep_away.push_back(key.node);
  deciding d;
  d.reason = w.reason;
  d.wanted = std::move(w);
  d.until = now + answer_within;
  deciding_[query.partition] = std::move(d);
  out.ask.push_back(std::move(query));
}

board_actions protection_board::placed(partition_id partition, const placement& answer,
                                       const catalog_view& catalog, time_point now) {
  board_actions out;
  auto pending = deciding_.find(partition);
  if (pending == deciding_.end() || pending->second.kind != step_kind::placing) return out;
  const auto* row = catalog.partition(partition);
  auto d = std::move(pending->second);
  deciding_.erase(pending);
  if (!row) return out;
  d.rejected = rejections(answer);
  if (!answer.target) {
    note_refusal(d, answer.target.error(), now, out);
    return out;
  }
  refusals_.erase(partition);
  if (catalog_view::mentions(*row, answer.target->node))
    return out; // the row moved on meanwhile: plan again
  auto changed = *row;
  d.kind = step_kind::adding;
  d.copy = {answer.target->node, next_copy(*row), false};
  d.until = now + answer_within;
  changed.copies.push_back(d.copy);
  std::sort(changed.copies.begin(), changed.copies.end());
  out.swap.push_back(
      {row->revision, std::move(changed), "copy to " + d.copy.node.value + ": " + d.reason});
  deciding_[partition] = std::move(d);
  return out;
}

void protection_board::note_refusal(const deciding& d, const error& why, time_point now,
                                    board_actions& out) {
  auto& r = refusals_[d.wanted.partition];
  r.again_at = now + no_candidate_pause;
  auto text = to_string(why) + (d.rejected.empty() ? "" : " (" + d.rejected + ")");
  // Said once for each new set of reasons: the question is asked again every second.
  if (r.text != text && why.code == errc::no_candidate)
    out.events.push_back(board_events::no_candidate(d.wanted, why, d.rejected));
  r.text = text;
  ++r.times;
}

copy_id protection_board::next_copy(const partition_row& row) {
  uint64_t id = term_.value << 32 | ++copies_begun_;
  for (const auto& c : row.copies) id = std::max(id, c.copy.value + 1);
  return copy_id{id};
}

void protection_board::remove_surplus(const catalog_view& catalog, time_point now,
                                      board_actions& out) {
  for (const auto& gone : plan_.surplus) {
    const auto* row = catalog.partition(gone.partition);
    const auto* copy = catalog.copy(gone.partition, gone.node);
    if (!copy || copy->copy != gone.copy || deciding_.contains(gone.partition)) continue;
    auto changed = *row;
    std::erase_if(changed.copies, [&](const copy_row& c) { return c.node == gone.node; });
    std::erase(changed.joiners, gone.node);
    deciding d;
    d.kind = step_kind::removing;
    d.copy = *copy;
    d.reason = "copy on " + gone.node.value + " removed: " + gone.reason;
    d.node_dead = gone.node_dead;
    ask_for_change(*row, std::move(changed), std::move(d), now, out);
  }
}

void protection_board::mark_ready(const catalog_view& catalog, time_point now, board_actions& out) {
  for (const auto& [id, row] : catalog.partitions())
    for (const auto& copy : row.copies) {
      const auto* s = status({id, copy.node});
      bool ready =
          s && s->caught_up && s->report.role == replica_role::copy && s->report.copy == copy.copy;
      if (copy.ready || !ready || deciding_.contains(id)) continue;
      auto changed = row;
      for (auto& c : changed.copies)
        if (c.node == copy.node) c.ready = true;
      deciding d;
      d.kind = step_kind::marking;
      d.copy = copy;
      d.reason = "copy on " + copy.node.value + " caught up at " + to_string(s->report.version);
      ask_for_change(row, std::move(changed), std::move(d), now, out);
    }
}

void protection_board::ask_for_change(const partition_row& old, partition_row changed, deciding d,
                                      time_point now, board_actions& out) {
  d.until = now + answer_within;
  out.swap.push_back({old.revision, std::move(changed), d.reason});
  deciding_[old.id] = std::move(d);
}

board_actions protection_board::swapped(partition_id partition, const result<partition_row>& row,
                                        const catalog_view& catalog, const settings& config,
                                        time_point now) {
  board_actions out;
  auto pending = deciding_.find(partition);
  if (pending == deciding_.end()) return out;
  auto& d = pending->second;
  if (!row) {
    d.until =
        now + swap_pause; // a lost race, or the keeper is away: then start from the row as it is
    return out;
  }
  d.wait_for = row->revision;
  if (d.kind == step_kind::adding) {
    start_life(*row, d.copy, d.wanted.method, d.reason, catalog, config, now, out);
    auto source = first_source(lives_.at({row->id, d.copy.node}));
    out.events.push_back(board_events::started(d.wanted, d.copy, source, d.rejected));
  } else if (d.kind == step_kind::removing) {
    on_removed(partition, *row, d, out);
  } else if (d.kind == step_kind::marking) {
    on_marked(partition, d, now, out);
  }
  return out;
}

void protection_board::on_removed(partition_id partition, const partition_row& row,
                                  const deciding& d, board_actions& out) {
  copy_key key{partition, d.copy.node};
  if (lives_.erase(key) > 0) out.cancel.push_back(key);
  if (!d.node_dead)
    out.drop.push_back({d.copy.node, drop_replica{term_, partition, row.revision, row.history}});
  out.events.push_back(board_events::evicted(partition, d.copy, d.reason));
}

void protection_board::on_marked(partition_id partition, const deciding& d, time_point now,
                                 board_actions& out) {
  const auto* s = status({partition, d.copy.node});
  auto life = lives_.find({partition, d.copy.node});
  std::string source = "unknown";
  std::optional<duration> took;
  if (life != lives_.end()) {
    source = first_source(life->second);
    took = now - life->second.begun;
  }
  out.events.push_back(
      board_events::ready(partition, d.copy, source, s ? &s->report : nullptr, took));
}

} // namespace harbinger
