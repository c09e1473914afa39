#include "prefetch/protection_board.hpp"

#include <algorithm>

#include "prefetch/board_events.hpp"
#include "prefetch/copy_life.hpp"

/// Copies are added to, removed from and marked in the catalog's rows: asking for a target, asking
/// for the change, and what follows once it took effect.

namespace harbinger {

void protection_board::begin_copies(const catalog_view& catalog, time_point now,
                                    board_actions& out) {
  if (!zones_known_) return; // nobody can say who is safe
  auto wait = not_now(catalog);
  auto begun = plan_.begin(wait);
  for (const auto& b : begun) begin_copy(b, catalog, now, out);
  note_refusals(now, out);
  for (const auto& b : begun) wait.insert(b.copy.partition);
  // Those that are on their way out make room already: nobody else has to go for it.
  auto staying = in_flight(catalog);
  std::erase_if(staying, [&](const copy_in_flight& c) {
    auto pending = deciding_.find(cluster_.partition(c.partition).id);
    return pending != deciding_.end() && pending->second.kind == step_kind::removing;
  });
  plan_.set_in_flight(std::move(staying));
  for (const auto& gone : plan_.preempted(wait)) remove(gone, catalog, now, out);
}

std::set<partition_number> protection_board::not_now(const catalog_view& catalog) const {
  std::set<partition_number> list;
  auto add = [&](partition_id id) {
    if (auto p = cluster_.find(id)) list.insert(*p);
  };
  for (const auto& [id, d] : deciding_) add(id);
  for (auto id : held_) add(id);
  for (const auto& [id, method] : restores_) {
    const auto* row = catalog.partition(id);
    // Nobody to copy from: recovery says when it shall be made from mass storage.
    if (row && method == restore_method::pull
        && copy_sources(*row, catalog.nodes(), node_id{}).empty())
      add(id);
  }
  return list;
}

std::vector<copy_in_flight> protection_board::in_flight(const catalog_view& catalog) const {
  std::vector<copy_in_flight> list;
  auto add = [&](partition_id id, const node_id& source, const node_id& target, uint64_t rate,
                 uint64_t copied) {
    auto p = cluster_.find(id);
    auto to = cluster_.nodes().find(target);
    if (!p || !to) return;
    auto from = cluster_.nodes().find(source);
    auto size = cluster_.partition(*p).size_bytes;
    list.push_back({*p, from.value_or(no_number), *to, rate, size - std::min(size, copied)});
  };
  for (const auto& [key, l] : lives_) {
    const auto* copy = catalog.copy(key.partition, key.node);
    if (copy && copy->ready) continue;
    add(key.partition, l.sources.empty() ? node_id{} : l.sources.front().node, key.node,
        l.rate_bytes_per_s, l.copied_bytes);
  }
  for (const auto& [id, d] : deciding_) {
    const auto* row = catalog.partition(id);
    if (d.kind == step_kind::adding && d.wait_for.value == 0 && row)
      add(id, row->primary, d.copy.node, d.wanted.rate_bytes_per_s, 0);
  }
  return list;
}

wanted_copy protection_board::wanted_of(const planned_copy& copy) const {
  const auto& part = cluster_.partition(copy.partition);
  wanted_copy w;
  w.partition = part.id;
  w.size_bytes = part.size_bytes;
  w.need = plan_.need(copy.partition);
  w.restore = w.need.restore;
  if (auto wanted = restores_.find(part.id); wanted != restores_.end() && w.restore)
    w.method = wanted->second;
  w.worth = copy.worth;
  w.zones = zones_of(copy.partition);
  w.reason =
      in_words(w.need, cluster_, copy.partition, plan_.zones(), w.method, plan_.rules().prefetch);
  return w;
}

std::string protection_board::zones_of(partition_number p) const {
  std::set<uint64_t> ids;
  for (const auto& h : cluster_.partition(p).holders.get())
    if (auto zone = plan_.zones().of(h.node).zone; is_replica(h.kind) && zone != no_number)
      ids.insert(plan_.zones().id(zone).value);
  std::string text;
  for (auto id : ids) text += (text.empty() ? "" : ", ") + std::to_string(id);
  return text;
}

void protection_board::begin_copy(const copy_to_begin& begun, const catalog_view& catalog,
                                  time_point now, board_actions& out) {
  const auto& target = cluster_.nodes()[begun.copy.target].id;
  const auto* row = catalog.partition(cluster_.partition(begun.copy.partition).id);
  if (!row || catalog_view::mentions(*row, target)) return; // the row moved on: plan again
  deciding d;
  d.kind = step_kind::adding;
  d.wanted = wanted_of(begun.copy);
  d.wanted.rate_bytes_per_s = begun.rate_bytes_per_s;
  d.copy = {target, next_copy(*row), false};
  d.reason = d.wanted.reason;
  explain_choice(begun.copy, d.wanted);
  auto changed = *row;
  changed.copies.push_back(d.copy);
  std::sort(changed.copies.begin(), changed.copies.end());
  d.until = now + answer_within;
  out.swap.push_back(
      {row->revision, std::move(changed), "copy to " + target.value + ": " + d.reason});
  deciding_[row->id] = std::move(d);
}

namespace {

/// "n3: in zone 2; n6: not up", cut after the first so many.
std::string rejections_of(const std::vector<placer::opinion>& nodes, const topology& names) {
  constexpr size_t listed_max = 32;
  std::string text;
  size_t listed = 0, rejected = 0;
  for (const auto& o : nodes) {
    if (o.candidate) continue;
    ++rejected;
    if (listed == listed_max) continue;
    ++listed;
    text += (text.empty() ? "" : "; ") + names[o.node].id.value + ": " + o.text;
  }
  if (rejected > listed) text += "; and " + std::to_string(rejected - listed) + " more";
  return text;
}

} // namespace

void protection_board::explain_choice(const planned_copy& copy, wanted_copy& w) const {
  auto next = plan_.query_of(copy.partition);
  std::erase(next.chosen, copy.target); // as it was when it was chosen
  next.query.chosen = next.chosen;
  auto nodes = plan_.places().explain(next.query);
  w.rejected = rejections_of(nodes, cluster_.nodes());
  for (const auto& o : nodes)
    if (o.node == copy.target) w.terms = o.text;
}

void protection_board::note_refusals(time_point now, board_actions& out) {
  size_t looked_at = 0;
  for (auto p : plan_.without_target()) {
    auto id = cluster_.partition(p).id;
    auto known = refusals_.find(id);
    if (held_.contains(id) || (known != refusals_.end() && now < known->second.again_at)) continue;
    if (++looked_at > refusals_each_step) return;
    note_refusal(p, now, out);
  }
}

void protection_board::note_refusal(partition_number p, time_point now, board_actions& out) {
  planned_copy copy;
  copy.partition = p;
  auto w = wanted_of(copy);
  w.rejected = rejections_of(plan_.places().explain(plan_.query_of(p).query), cluster_.nodes());
  error why{errc::no_candidate,
            "all " + std::to_string(cluster_.nodes().size()) + " nodes are excluded"};
  auto& r = refusals_[w.partition];
  r.again_at = now + no_candidate_pause;
  auto text = to_string(why) + (w.rejected.empty() ? "" : " (" + w.rejected + ")");
  // Said once for each new set of reasons: it is looked at every second.
  if (r.text != text) out.events.push_back(board_events::no_candidate(w, why));
  r.text = text;
}

copy_id protection_board::next_copy(const partition_row& row) {
  uint64_t id = term_.value << 32 | ++copies_begun_;
  for (const auto& c : row.copies) id = std::max(id, c.copy.value + 1);
  return copy_id{id};
}

void protection_board::remove_surplus(const catalog_view& catalog, time_point now,
                                      board_actions& out) {
  for (const auto& gone : plan_.surplus(now)) remove(gone, catalog, now, out);
}

void protection_board::remove(const surplus_copy& gone, const catalog_view& catalog, time_point now,
                              board_actions& out) {
  auto id = cluster_.partition(gone.partition).id;
  const auto& node = cluster_.nodes()[gone.node].id;
  const auto* row = catalog.partition(id);
  const auto* copy = catalog.copy(id, node);
  if (!row || !copy || deciding_.contains(id) || held_.contains(id)) return;
  auto changed = *row;
  std::erase_if(changed.copies, [&](const copy_row& c) { return c.node == node; });
  std::erase(changed.joiners, node);
  deciding d;
  d.kind = step_kind::removing;
  d.copy = *copy;
  d.reason = "copy on " + node.value + " removed: " + gone.reason;
  d.node_dead = gone.node_dead;
  ask_for_change(*row, std::move(changed), std::move(d), now, out);
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
                                        const catalog_view& catalog, time_point now) {
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
    start_life(*row, d.copy, d.wanted, catalog, now, out);
    auto source = first_source(lives_.at({row->id, d.copy.node}));
    out.events.push_back(board_events::started(d.wanted, d.copy, source));
  } else if (d.kind == step_kind::removing) {
    auto primary = catalog.node(row->primary);
    bool served = primary && primary->state != node_state::dead;
    on_removed(partition, *row, d, served, out);
  } else if (d.kind == step_kind::marking) {
    on_marked(partition, d, now, out);
  }
  return out;
}

void protection_board::on_removed(partition_id partition, const partition_row& row,
                                  const deciding& d, bool served, board_actions& out) {
  copy_key key{partition, d.copy.node};
  if (lives_.erase(key) > 0) out.cancel.push_back(key);
  // What is no copy may have a tail, and while nobody serves the partition its history is not known
  // to its end: recovery judges what a node holds then (P4), and whatever is not known here.
  const auto* s = status(key);
  if (!d.node_dead && served && s && s->report.role == replica_role::copy)
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
    if (s) measure_copy(life->second, s->report, now);
  }
  out.events.push_back(
      board_events::ready(partition, d.copy, source, s ? &s->report : nullptr, took));
}

} // namespace harbinger
