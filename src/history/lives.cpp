#include "history/lives.hpp"

namespace harbinger {
namespace {
using journal_text::mark;
using journal_text::mark_kind;

void fail_life(const node_id& node, life_book::life& of, const char* cause, int64_t now_ms,
               life_book::marks& out) {
  of.state = life_book::state::failed;
  of.ended_ms = now_ms;
  of.cause = cause;
  out.push_back({mark_kind::failed, node, of.id, now_ms, cause});
}
} // namespace

/// The node's newest life, which is `id` from now on; null for an older one, or without room.
life_book::life* life_book::at(const node_id& node, incarnation id, int64_t now_ms, marks& out) {
  auto found = lives_.find(node);
  if (found == lives_.end()) {
    if (lives_.size() >= nodes_max) return nullptr;
    found = lives_.emplace(node, life{}).first;
    found->second.id = id;
  }
  auto& newest = found->second;
  if (id < newest.id) return nullptr;
  if (newest.id < id) {
    if (newest.heard && newest.state == state::alive)
      fail_life(node, newest, "it started anew without a goodbye", now_ms, out);
    newest = life{};
    newest.id = id;
  }
  return &newest;
}

bool life_book::hear(const node_id& node, incarnation id, int64_t now_ms, marks& out) {
  auto* newest = at(node, id, now_ms, out);
  if (newest) newest->heard = true;
  return newest != nullptr;
}

void life_book::see(const node_row& row, int64_t now_ms, marks& out) {
  auto* newest = at(row.id, row.life, now_ms, out);
  if (!newest) return;
  if (row.state == node_state::dead) {
    if (newest->heard && newest->state == state::alive)
      fail_life(row.id, *newest, "found dead", now_ms, out);
  } else if (newest->state == state::failed) {
    newest->state = state::alive;
    out.push_back({mark_kind::back, row.id, row.life, now_ms, ""});
  }
}

void life_book::leave(const node_id& node, incarnation id, int64_t now_ms, marks& out) {
  auto* newest = at(node, id, now_ms, out);
  if (!newest || newest->state != state::alive) return;
  newest->state = state::left;
  newest->ended_ms = now_ms;
  out.push_back({mark_kind::left, node, id, now_ms, ""});
}

void life_book::restore(const journal_text::segment& from, bool same_session) {
  marks none;
  for (const auto& l : from.lives)
    if (auto* newest = at(l.node, l.id, 0, none)) newest->heard = same_session;
  for (const auto& [rows_before, m] : from.marks) {
    if (m.what == mark_kind::until || m.what == mark_kind::note) continue;
    auto* newest = at(m.node, m.life, 0, none);
    if (!newest) continue;
    newest->state = m.what == mark_kind::failed ? state::failed
                    : m.what == mark_kind::left ? state::left
                                                : state::alive;
    newest->ended_ms = m.time_ms;
    newest->cause = m.text;
  }
}

} // namespace harbinger
