#include "actors/prefetch_coordinator.hpp"

#include <spdlog/spdlog.h>

#include "actors/following.hpp"
#include "actors/names.hpp"
#include "actors/partition_prefetcher.hpp"
#include "app/config.hpp"
#include "wire/codec.hpp"

namespace harbinger {

namespace {

using coordinator_self = prefetch_coordinator_actor::stateful_pointer<prefetch_coordinator_state>;

constexpr auto board_period = milliseconds(100);
constexpr uint64_t rounds_per_review = 10; ///< a step is taken at least every so many periods
constexpr auto catalog_timeout = seconds(5);

prometheus::Counter& copies_begun(const context_ptr& ctx) {
  return counter(ctx, "harbinger_copies_begun_total",
                 "copies put into the catalog in this life of the centre");
}

void carry_board_actions(coordinator_self self, const context_ptr& ctx, board_actions actions);

void take_swap(coordinator_self self, const context_ptr& ctx, partition_id partition,
               const result<partition_row>& row) {
  auto& s = self->state;
  if (!row)
    spdlog::info("prefetch_swap_lost partition={} error=\"{}\"", to_string(partition),
                 to_string(row.error()));
  s.dirty = true;
  carry_board_actions(self, ctx, s.board->swapped(partition, row, s.catalog, self->clock().now()));
}

void ask_swap(coordinator_self self, const context_ptr& ctx, const change_partition& change) {
  auto partition = change.row.id;
  auto no_answer = [=] {
    take_swap(self, ctx, partition, fail(errc::timeout, "no answer from the catalog keeper"));
  };
  auto found = ctx->names.find(names::catalog_keeper);
  if (!found) return no_answer();
  self->request(caf::actor_cast<catalog_keeper_actor>(found), catalog_timeout, change)
      .then([=](const partition_changed& answer) { take_swap(self, ctx, partition, answer.row); },
            [=](const caf::error&) { no_answer(); });
}

void drop_copy(coordinator_self self, const context_ptr& ctx, const drop_order& order) {
  auto found = ctx->names.find(names::head_node_bridge);
  if (!found) return; // recovery drops what a node reports and the row does not list
  auto timeout = milliseconds(2 * ctx->config->control.command_timeout_ms);
  self->request(caf::actor_cast<head_node_bridge_actor>(found), timeout,
                node_command{order.node, wire::make_frame(0, order.command)})
      .then([](const node_command_done&) {}, [](const caf::error&) {});
}

void spawn_prefetcher(coordinator_self self, const context_ptr& ctx, prefetch_order order) {
  auto& s = self->state;
  copy_key key{order.partition, order.target.node};
  auto old = s.prefetchers.find(key);
  if (old != s.prefetchers.end()) {
    self->demonitor(old->second.address());
    self->send(old->second, prefetch_cancelled{key.partition});
  }
  std::shared_ptr<const replica_status> already;
  if (const auto* status = s.board->status(key))
    already = std::make_shared<replica_status>(*status);
  auto child = self->spawn(partition_prefetcher, ctx, caf::actor_cast<caf::actor>(self->ctrl()),
                           std::move(order), already, s.config);
  self->monitor(child);
  s.prefetchers[key] = child;
}

void carry_board_actions(coordinator_self self, const context_ptr& ctx, board_actions actions) {
  auto& s = self->state;
  for (const auto& key : actions.cancel) {
    auto child = s.prefetchers.find(key);
    if (child == s.prefetchers.end()) continue;
    self->demonitor(child->second.address());
    self->send(child->second, prefetch_cancelled{key.partition});
    s.prefetchers.erase(child);
  }
  for (auto& order : actions.begin) spawn_prefetcher(self, ctx, std::move(order));
  for (const auto& order : actions.sources) {
    auto child = s.prefetchers.find({order.partition, order.target.node});
    if (child != s.prefetchers.end()) self->send(child->second, order);
  }
  for (const auto& e : actions.events) {
    spdlog::info("{} partition={} text=\"{}\"", e.kind, e.subject, e.text);
    counter(ctx, "harbinger_" + e.kind + "_total", "events of this kind").Increment();
    tell<event_publisher_actor>(self, ctx, names::event_publisher, e);
  }
  for (const auto& order : actions.drop) drop_copy(self, ctx, order);
  for (const auto& change : actions.swap) ask_swap(self, ctx, change);
}

void pass_on_statuses(coordinator_self self, const replicas_changed& news) {
  auto& s = self->state;
  s.board->replicas(news.replicas);
  for (const auto& status : news.replicas) {
    auto child = s.prefetchers.find({status.report.partition, status.node});
    if (child != s.prefetchers.end()) self->send(child->second, replicas_changed{{status}});
  }
  s.dirty = true;
}

void prefetcher_down(coordinator_self self, const caf::down_msg& down) {
  auto& s = self->state;
  for (auto it = s.prefetchers.begin(); it != s.prefetchers.end(); ++it) {
    if (it->second.address() != down.source) continue;
    s.board->prefetcher_ended(it->first);
    s.prefetchers.erase(it);
    s.dirty = true;
    return;
  }
}

/// Whether a key changes what is planned for given zones.
bool planned_by(const std::string& key) {
  return key.starts_with("prefetch.") || key.starts_with("placement.") || key == "zones.domains"
         || key == "prediction.horizon_s";
}

nlohmann::json number_or_null(const std::optional<double>& x) {
  return x ? nlohmann::json(*x) : nlohmann::json(nullptr);
}

show_reply show_plan(const prefetch_coordinator_state& s, time_point now) {
  auto rows = nlohmann::json::array();
  for (const auto& l : s.board->lines(s.catalog, now))
    rows.push_back({to_string(l.partition), l.state, l.source.value, l.target.value, l.copy.value,
                    l.bytes, number_or_null(l.worth), number_or_null(l.finish_s),
                    number_or_null(l.deadline_s), l.why});
  return show_table({"partition", "state", "source", "target", "copy", "bytes", "worth",
                     "done_in_s", "deadline_s", "why"},
                    std::move(rows));
}

nlohmann::json node_rows(const protection_board& board,
                         const std::vector<placer::opinion>& opinions) {
  auto rows = nlohmann::json::array();
  for (const auto& o : opinions) {
    nlohmann::json score = o.candidate ? nlohmann::json(o.score) : nlohmann::json(nullptr);
    rows.push_back({board.cluster().nodes()[o.node].id.value,
                    o.candidate ? "candidate" : "rejected", score, o.text});
  }
  return rows;
}

show_reply show_placement(const protection_board& board, const std::vector<std::string>& words) {
  auto partition = words.size() == 1 ? parse_partition_id(words[0]) : std::nullopt;
  if (!partition) return {fail(errc::invalid_argument, "usage: placement VOLUME.INDEX")};
  auto found = board.explain(*partition);
  if (!found) return {tl::unexpected<error>(found.error())};
  return show_table({"node", "verdict", "score", "why"}, node_rows(board, found->nodes));
}

show_reply explain_partition(const protection_board& board, const std::vector<std::string>& words) {
  auto partition = words.size() == 2 ? parse_partition_id(words[1]) : std::nullopt;
  if (!partition) return {fail(errc::invalid_argument, "usage: explain partition VOLUME.INDEX")};
  auto found = board.explain(*partition);
  if (!found) return {tl::unexpected<error>(found.error())};
  auto lines = found->lines;
  for (auto& line : board.nodes_in_words(found->nodes)) lines.push_back(std::move(line));
  return show_object(
      {{"partition", words[1]}, {"lines", lines}, {"nodes", node_rows(board, found->nodes)}});
}

show_reply preview_config(const prefetch_coordinator_state& s,
                          const std::vector<std::string>& changes, time_point now) {
  constexpr auto how = "usage: whatif config KEY=VALUE..., or plan --dry-run KEY=VALUE...";
  if (changes.empty()) return {fail(errc::invalid_argument, how)};
  auto other = *s.config;
  for (const auto& text : changes) {
    auto change = parse_config_change(text);
    if (!change) return {tl::unexpected<error>(change.error())};
    if (!planned_by(change->key))
      return {fail(errc::invalid_argument,
                   change->key
                       + ": only prefetch.*, placement.*, zones.domains and prediction.horizon_s "
                         "change the plan of given zones")};
    auto changed = with_change(daemon_role::central, other, *change);
    if (!changed) return {tl::unexpected<error>(changed.error())};
    other = std::move(*changed);
  }
  auto found = s.board->preview(other, now);
  std::vector<std::string> lines{"now:  " + in_words(found.now), "then: " + in_words(found.then),
                                 std::to_string(found.changes.size())
                                     + " partitions would be planned otherwise"};
  auto rows = nlohmann::json::array();
  for (const auto& c : found.changes) rows.push_back({to_string(c.partition), c.before, c.after});
  constexpr size_t told_max = 50;
  for (size_t i = 0; i < std::min(told_max, found.changes.size()); ++i)
    lines.push_back(to_string(found.changes[i].partition) + ": " + found.changes[i].before
                    + "; then " + found.changes[i].after);
  return show_object({{"lines", lines}, {"changes", rows}});
}

/// Its part of the supervision tree.
show_reply show_prefetchers(const prefetch_coordinator_state& s) {
  auto rows = nlohmann::json::array();
  for (const auto& [key, child] : s.prefetchers)
    rows.push_back({names::prefetcher_of(key.partition, key.node), names::prefetch_coordinator, "",
                    "temporary", "running", 0, "", nullptr});
  return {nlohmann::json{{"rows", rows}}.dump()};
}

show_reply show_board(const prefetch_coordinator_state& s, const show_request& wanted,
                      time_point now) {
  const auto& w = wanted.words;
  if (wanted.topic == "tree") return show_prefetchers(s);
  if (wanted.topic == "placement") return show_placement(*s.board, w);
  if (wanted.topic == "explain") return explain_partition(*s.board, w);
  bool dry = wanted.topic == "plan" && !w.empty() && w[0] == "--dry-run";
  if (dry || wanted.topic == "whatif")
    return preview_config(s, {w.begin() + (w.empty() ? 0 : 1), w.end()}, now);
  if (!w.empty() && w[0] != "show")
    return {fail(errc::invalid_argument, "usage: plan [show | --dry-run KEY=VALUE...]")};
  return show_plan(s, now);
}

void coordinator_tick(coordinator_self self, const context_ptr& ctx) {
  auto& s = self->state;
  if (!s.catalog.ready() && s.round % rounds_per_review == 0)
    ask_for_catalog(self, ctx, names::prefetch_coordinator);
  if (s.dirty || s.round % rounds_per_review == 0) {
    s.dirty = false;
    auto before = s.board->copies_begun();
    auto actions = s.board->step(s.catalog, *s.config, self->clock().now());
    copies_begun(ctx).Increment(static_cast<double>(s.board->copies_begun() - before));
    carry_board_actions(self, ctx, std::move(actions));
    gauge(ctx, "harbinger_copies_wanted", "copies the plan asks for and that are not there")
        .Set(static_cast<double>(s.board->plan().missing()));
    gauge(ctx, "harbinger_prefetchers", "copies being made or followed")
        .Set(static_cast<double>(s.prefetchers.size()));
  }
  self->delayed_send(self, board_period, tick{++s.round});
}

} // namespace

prefetch_coordinator_actor::behavior_type prefetch_coordinator(coordinator_self self,
                                                               context_ptr ctx) {
  auto& s = self->state;
  s.config = ctx->config;
  s.board = std::make_unique<protection_board>(ctx->term,
                                               static_cast<uint64_t>(copies_begun(ctx).Value()));
  self->set_down_handler([=](caf::down_msg& down) { prefetcher_down(self, down); });
  ask_for_catalog(self, ctx, names::prefetch_coordinator);
  tell<zone_manager_actor>(self, ctx, names::zone_manager, tick{0});
  tell<version_synchronizer_actor>(self, ctx, names::version_synchronizer, tick{0});
  self->delayed_send(self, board_period, tick{s.round});
  return {
      [=](const zone_map& zones) {
        self->state.board->zones(zones);
        self->state.dirty = true;
      },
      [=](const catalog_changed& news) {
        if (take_catalog(self, ctx, names::prefetch_coordinator, self->state.catalog, news))
          self->state.dirty = true;
      },
      [=](const report_received& news) {
        self->state.board->report(news.report, self->state.catalog);
        self->state.dirty = true;
      },
      [=](const replicas_changed& news) { pass_on_statuses(self, news); },
      [=](const copy_wanted& wanted) {
        self->state.board->restore(wanted);
        self->state.dirty = true;
      },
      [=](const copies_held& held) {
        self->state.board->hold(held, self->clock().now());
        self->state.dirty = true;
      },
      [=](const prefetch_progress& progress) {
        auto& board = *self->state.board;
        carry_board_actions(self, ctx,
                            board.progress(progress, self->state.catalog, self->clock().now()));
        self->state.dirty = true;
      },
      [=](const config_changed& news) {
        self->state.config = news.now;
        self->state.dirty = true;
      },
      [=](const tick& t) {
        if (t.round == self->state.round) coordinator_tick(self, ctx);
      },
      [=](const show_request& wanted) {
        return show_board(self->state, wanted, self->clock().now());
      },
  };
}

} // namespace harbinger
