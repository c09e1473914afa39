#include "prefetch/protection_board.hpp"

#include <algorithm>

#include "prefetch/copy_life.hpp"

namespace harbinger {

namespace {

const copy_row* find_copy(const partition_row& row, const node_id& node) {
  auto found = std::find_if(row.copies.begin(), row.copies.end(),
                            [&](const copy_row& c) { return c.node == node; });
  return found == row.copies.end() ? nullptr : &*found;
}

event make_event(severity level, std::string kind, partition_id partition, std::string text,
                 std::map<std::string, std::string> fields) {
  fields["partition"] = to_string(partition);
  return event{
      0, {}, level, std::move(kind), to_string(partition), std::move(text), std::move(fields)};
}

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

std::string first_name(const std::vector<node_address>& sources) {
  return sources.empty() ? std::string("nobody") : sources.front().node.value;
}

} // namespace

void protection_board::replicas(const std::vector<replica_status>& statuses) {
  for (const auto& s : statuses) {
    auto& rows = statuses_[s.report.partition];
    auto known = rows.find(s.node);
    if (known != rows.end() && s.life < known->second.life) continue;
    rows[s.node] = s;
  }
}

void protection_board::restore(const copy_wanted& wanted) {
  if (restores_.size() >= restores_max && !restores_.contains(wanted.partition)) {
    ++refused_;
    return;
  }
  restores_[wanted.partition] = wanted.method;
}

const replica_status* protection_board::status(const copy_key& key) const {
  auto rows = statuses_.find(key.partition);
  if (rows == statuses_.end()) return nullptr;
  auto found = rows->second.find(key.node);
  return found == rows->second.end() ? nullptr : &found->second;
}

uint64_t protection_board::size_of(const partition_row& row) const {
  if (const auto* primary = status({row.id, row.primary})) return primary->report.size_bytes;
  uint64_t size = 0;
  for (const auto& id : row.sync_set)
    if (const auto* s = status({row.id, id})) size = std::max(size, s->report.size_bytes);
  return size;
}

bool protection_board::useless(const partition_row& row, const copy_row& copy) const {
  auto gone = given_up_.find({row.id, copy.node});
  if (gone != given_up_.end() && gone->second == copy.copy) return true;
  const auto* s = status({row.id, copy.node});
  return s && s->report.role == replica_role::copy && s->report.copy == copy.copy
         && s->digest_differs;
}

std::vector<plan_subject> protection_board::subjects(const catalog_view& catalog) const {
  std::set<partition_id> concerned;
  for (const auto& z : zones_.zones)
    for (const auto& id : z.members)
      concerned.insert(catalog.partitions_of(id).begin(), catalog.partitions_of(id).end());
  for (const auto& [id, method] : restores_) concerned.insert(id);
  for (const auto& [id, row] : catalog.partitions())
    if (!row.copies.empty()) concerned.insert(id);
  std::vector<plan_subject> list;
  for (auto id : concerned) {
    const auto* row = catalog.partition(id);
    if (!row) continue;
    plan_subject s;
    s.row = row;
    s.size_bytes = size_of(*row);
    if (auto wanted = restores_.find(id); wanted != restores_.end()) s.restore = wanted->second;
    for (const auto& c : row->copies)
      if (useless(*row, c)) s.broken.insert(c.node);
    list.push_back(std::move(s));
  }
  return list;
}

void protection_board::forget_old(const catalog_view& catalog, time_point now) {
  std::erase_if(statuses_, [&](const auto& rows) { return !catalog.partition(rows.first); });
  std::erase_if(avoid_, [&](const auto& entry) { return now >= entry.second; });
  std::erase_if(given_up_, [&](const auto& entry) {
    const auto* row = catalog.partition(entry.first.partition);
    const auto* copy = row ? find_copy(*row, entry.first.node) : nullptr;
    return !copy || copy->copy != entry.second;
  });
  std::erase_if(restores_, [&](const auto& entry) {
    const auto* row = catalog.partition(entry.first);
    return !row || row->sync_set.size() >= row->replicas_wanted;
  });
  std::erase_if(deciding_, [&](const auto& entry) {
    const auto* row = catalog.partition(entry.first);
    bool seen = row && entry.second.wait_for.value != 0 && row->revision >= entry.second.wait_for;
    return seen || now >= entry.second.until;
  });
  std::erase_if(refusals_, [&](const auto& entry) {
    return std::none_of(plan_.wanted.begin(), plan_.wanted.end(),
                        [&](const wanted_copy& w) { return w.partition == entry.first; });
  });
}

void protection_board::start_life(const partition_row& row, const copy_row& copy,
                                  restore_method method, std::string why,
                                  const catalog_view& catalog, const settings& config,
                                  time_point now, board_actions& out) {
  prefetch_order order;
  order.partition = row.id;
  order.copy = copy.copy;
  order.target = catalog.address_of(copy.node);
  order.sources = copy_sources(row, catalog.nodes(), copy.node);
  order.method = method;
  order.rate_bytes_per_s = config.prefetch.rate_bytes_per_s;
  auto& l = lives_[{row.id, copy.node}];
  l = life{copy.copy, order.sources, now, 0, copy.ready, std::move(why), {}};
  first_seen_.erase({row.id, copy.node});
  out.begin.push_back(std::move(order));
}

void protection_board::tend_prefetchers(const catalog_view& catalog, const settings& config,
                                        time_point now, board_actions& out) {
  for (auto it = lives_.begin(); it != lives_.end();) {
    const auto& [key, l] = *it;
    const auto* row = catalog.partition(key.partition);
    const auto* copy = row ? find_copy(*row, key.node) : nullptr;
    auto pending = deciding_.find(key.partition);
    bool on_its_way =
        pending != deciding_.end()
        && pending->second.kind == step_kind::adding; // the view lags behind the reply
    if ((!copy || copy->copy != l.copy) && !(on_its_way && pending->second.copy.copy == l.copy)) {
      out.cancel.push_back(key);
      it = lives_.erase(it);
      continue;
    }
    auto sources =
        row ? copy_sources(*row, catalog.nodes(), key.node) : std::vector<node_address>{};
    if (copy && sources != l.sources) {
      it->second.sources = sources;
      prefetch_order order;
      order.partition = key.partition;
      order.copy = l.copy;
      order.target = catalog.address_of(key.node);
      order.sources = std::move(sources);
      order.rate_bytes_per_s = config.prefetch.rate_bytes_per_s;
      out.sources.push_back(std::move(order));
    }
    ++it;
  }
  std::map<copy_key, time_point> still_without;
  for (const auto& [id, row] : catalog.partitions())
    for (const auto& copy : row.copies) {
      copy_key key{id, copy.node};
      const auto* node = catalog.node(copy.node);
      if (lives_.contains(key) || useless(row, copy) || !node || node->state == node_state::dead)
        continue;
      // Somebody else's copy (recovery's drill, or ours before a restart): its maker sends the
      // first command.
      auto since = first_seen_.contains(key) ? first_seen_[key] : now;
      const auto* s = status(key);
      bool begun = s && s->report.role == replica_role::copy && s->report.copy == copy.copy;
      if (begun || now - since >= adopt_after)
        start_life(row, copy, restore_method::pull, "taken over from the catalog", catalog, config,
                   now, out);
      else
        still_without[key] = since;
    }
  first_seen_ = std::move(still_without);
}

void protection_board::tend_rows(const catalog_view& catalog, time_point now, board_actions& out) {
  auto swap = [&](const partition_row& old, partition_row row, deciding d) {
    d.until = now + answer_within;
    out.swap.push_back({old.revision, std::move(row), d.reason});
    deciding_[old.id] = std::move(d);
  };
  for (const auto& gone : plan_.surplus) {
    const auto* row = catalog.partition(gone.partition);
    const auto* copy = row ? find_copy(*row, gone.node) : nullptr;
    if (!copy || copy->copy != gone.copy || deciding_.contains(gone.partition)) continue;
    auto changed = *row;
    std::erase_if(changed.copies, [&](const copy_row& c) { return c.node == gone.node; });
    std::erase(changed.joiners, gone.node);
    deciding d;
    d.kind = step_kind::removing;
    d.copy = *copy;
    d.reason = "copy on " + gone.node.value + " removed: " + gone.reason;
    d.node_dead = gone.node_dead;
    swap(*row, std::move(changed), std::move(d));
  }
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
      swap(row, std::move(changed), std::move(d));
    }
}

void protection_board::begin_copies(const catalog_view& catalog, const settings& config,
                                    time_point now, board_actions& out) {
  std::vector<copy_under_way> under_way;
  for (const auto& [key, l] : lives_) {
    const auto* row = catalog.partition(key.partition);
    const auto* copy = row ? find_copy(*row, key.node) : nullptr;
    if (!(copy && copy->ready))
      under_way.push_back({key.partition, l.sources.empty() ? node_id{} : l.sources.front().node});
  }
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
  for (auto& w : within_budget(open, under_way, sources, config.prefetch)) {
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
}

board_actions protection_board::step(const catalog_view& catalog, const settings& config,
                                     time_point now) {
  board_actions out;
  if (!catalog.ready()) return out;
  forget_old(catalog, now);
  plan_ = planner_.step(subjects(catalog), zones_, catalog.nodes(), config.prefetch, now);
  tend_prefetchers(catalog, config, now, out);
  tend_rows(catalog, now, out);
  begin_copies(catalog, config, now, out);
  return out;
}

copy_id protection_board::next_copy(const partition_row& row) {
  uint64_t id = term_.value << 32 | ++copies_begun_;
  for (const auto& c : row.copies) id = std::max(id, c.copy.value + 1);
  return copy_id{id};
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
    auto& r = refusals_[partition];
    r.again_at = now + no_candidate_pause;
    auto text =
        to_string(answer.target.error()) + (d.rejected.empty() ? "" : " (" + d.rejected + ")");
    // Said once for each new set of reasons: the question is asked again every second.
    if (r.text != text && answer.target.error().code == errc::no_candidate)
      out.events.push_back(make_event(severity::warning, "prefetch_failed", partition,
                                      "no node can take a copy of " + to_string(partition),
                                      {{"reason", d.reason},
                                       {"error", to_string(answer.target.error())},
                                       {"rejected", d.rejected}}));
    r.text = text;
    ++r.times;
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

board_actions protection_board::swapped(partition_id partition, const result<partition_row>& row,
                                        const catalog_view& catalog, const settings& config,
                                        time_point now) {
  board_actions out;
  auto pending = deciding_.find(partition);
  if (pending == deciding_.end()) return out;
  if (!row) {
    pending->second.until =
        now + swap_pause; // a lost race, or the keeper is away: then start from the row as it is
    return out;
  }
  auto& d = pending->second;
  d.wait_for = row->revision;
  copy_key key{partition, d.copy.node};
  if (d.kind == step_kind::adding) {
    start_life(*row, d.copy, d.wanted.method, d.reason, catalog, config, now, out);
    out.events.push_back(make_event(severity::info, "prefetch_started", partition,
                                    "copying " + to_string(partition) + " from "
                                        + first_name(lives_[key].sources) + " to "
                                        + d.copy.node.value,
                                    {{"source", first_name(lives_[key].sources)},
                                     {"target", d.copy.node.value},
                                     {"copy", std::to_string(d.copy.copy.value)},
                                     {"bytes", std::to_string(d.wanted.size_bytes)},
                                     {"purpose", d.wanted.restore ? "restore" : "prefetch"},
                                     {"method", std::string(name_of(d.wanted.method))},
                                     {"reason", d.reason},
                                     {"rejected", d.rejected}}));
  } else if (d.kind == step_kind::removing) {
    if (lives_.erase(key) > 0) out.cancel.push_back(key);
    if (!d.node_dead)
      out.drop.push_back(
          {d.copy.node, drop_replica{term_, partition, row->revision, row->history}});
    out.events.push_back(make_event(severity::info, "prefetch_evicted", partition, d.reason,
                                    {{"target", d.copy.node.value},
                                     {"copy", std::to_string(d.copy.copy.value)},
                                     {"reason", d.reason}}));
  } else if (d.kind == step_kind::marking) {
    const auto* s = status(key);
    auto life = lives_.find(key);
    auto ms = life == lives_.end()
                  ? std::string("unknown")
                  : std::to_string(static_cast<int64_t>(to_ms(now - life->second.begun)));
    auto source = life == lives_.end() ? std::string("unknown") : first_name(life->second.sources);
    out.events.push_back(make_event(severity::info, "prefetch_ready", partition,
                                    to_string(partition) + " is ready on " + d.copy.node.value,
                                    {{"source", source},
                                     {"target", d.copy.node.value},
                                     {"copy", std::to_string(d.copy.copy.value)},
                                     {"bytes", std::to_string(s ? s->report.copied_bytes : 0)},
                                     {"version", s ? to_string(s->report.version) : ""},
                                     {"ms", ms}}));
  }
  return out;
}

board_actions protection_board::progress(const prefetch_progress& p, const catalog_view& catalog,
                                         time_point now) {
  board_actions out;
  const auto* row = catalog.partition(p.partition);
  for (auto it = lives_.begin(); it != lives_.end(); ++it) {
    if (it->first.partition != p.partition || it->second.copy != p.copy) continue;
    it->second.copied_bytes = std::max(it->second.copied_bytes, p.copied_bytes);
    it->second.ready = p.ready;
    it->second.detail = p.detail;
    if (!p.gave_up) return out;
    auto key = it->first;
    avoid_[key] = now + avoid_target_for;
    if (row) given_up_[key] = p.copy;
    out.events.push_back(make_event(severity::warning, "prefetch_failed", p.partition,
                                    "the copy of " + to_string(p.partition) + " to "
                                        + key.node.value + " came to nothing: " + p.detail,
                                    {{"target", key.node.value},
                                     {"source", first_name(it->second.sources)},
                                     {"copy", std::to_string(p.copy.value)},
                                     {"bytes", std::to_string(p.copied_bytes)},
                                     {"error", p.detail}}));
    lives_.erase(it);
    return out;
  }
  return out;
}

std::vector<protection_board::line> protection_board::lines(const catalog_view& catalog) const {
  std::vector<line> list;
  for (const auto& w : plan_.wanted) {
    auto pending = deciding_.find(w.partition);
    auto refused = refusals_.find(w.partition);
    line l{w.partition, "wanted", {}, {}, {}, w.size_bytes, w.reason};
    if (pending != deciding_.end())
      l.state = "choosing a target";
    else if (refused != refusals_.end())
      l.why += "; " + refused->second.text;
    list.push_back(std::move(l));
  }
  for (const auto& [id, row] : catalog.partitions())
    for (const auto& copy : row.copies) {
      auto life = lives_.find({id, copy.node});
      const auto* s = status({id, copy.node});
      bool reported = s && s->report.copy == copy.copy && s->report.role == replica_role::copy;
      line l{id, copy.ready ? "ready" : "starting", {}, copy.node, copy.copy, 0, {}};
      if (reported) l.bytes = s->report.copied_bytes;
      if (reported) l.source = s->report.source;
      if (reported && !copy.ready) l.state = std::string(name_of(s->report.state));
      if (life != lives_.end())
        l.why = life->second.why + (life->second.detail.empty() ? "" : "; " + life->second.detail);
      for (const auto& gone : plan_.surplus)
        if (gone.partition == id && gone.node == copy.node) {
          l.state = "surplus";
          l.why = gone.reason;
        }
      list.push_back(std::move(l));
    }
  std::stable_sort(list.begin(), list.end(),
                   [](const line& a, const line& b) { return a.partition < b.partition; });
  return list;
}

} // namespace harbinger
