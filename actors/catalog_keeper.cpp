#include "actors/catalog_keeper.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/names.hpp"
#include "actors/resources.hpp"
#include "catalog/catalog.hpp"

namespace harbinger {

namespace {

using keeper_pointer = catalog_keeper_actor::stateful_pointer<catalog_keeper_state>;
using nlohmann::json;

/// Attributes come from outside: what is not UTF-8 is shown with replacement characters.
std::string catalog_text(const json& document) {
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

void tell_followers(const context_ptr& ctx, partition_map delta) {
  catalog_changed changed{std::make_shared<const partition_map>(std::move(delta))};
  for (auto name : names::catalog_followers)
    if (auto follower = ctx->names.find(name))
      caf::anon_send(follower, changed); // in order, as send
}

void count_refusal(const context_ptr& ctx, const error& why) {
  counter(ctx, "harbinger_catalog_refused_total", "changes that the catalog refused",
          {{"reason", std::string{to_string(why.code)}}})
      .Increment();
}

/// Makes a planned change durable and public. Returns the delta, or why nothing happened.
result<partition_map> carry_out(keeper_pointer self, const context_ptr& ctx,
                                result<partition_map> planned, const std::string& subject,
                                const std::string& why) {
  if (!planned) {
    count_refusal(ctx, planned.error());
    return planned;
  }
  if (planned->revision == planned->previous) return planned;
  if (auto stored = ctx->central->catalog->commit(*planned, subject, why); !stored) {
    spdlog::error("catalog=commit_failed subject={} error=\"{}\"", subject,
                  to_string(stored.error()));
    return tl::unexpected<error>(stored.error());
  }
  self->state.view.apply(*planned);
  spdlog::info("catalog=changed revision={} subject={} why=\"{}\"", planned->revision.value,
               subject, why);
  counter(ctx, "harbinger_catalog_changes_total", "durable changes of the catalog").Increment();
  tell_followers(ctx, *planned);
  return planned;
}

/// Makes the group durable and public, and answers those who asked for its changes.
void end_group(keeper_pointer self, const context_ptr& ctx) {
  auto& s = self->state;
  if (s.group.empty()) return;
  auto delta = s.group.delta(s.view);
  auto askers = std::exchange(s.askers, {});
  auto notes = s.group.notes();
  if (auto stored = ctx->central->catalog->commit(delta, notes); !stored) {
    spdlog::error("catalog=commit_failed changes={} error=\"{}\"", notes.size(),
                  to_string(stored.error()));
    s.group.take_back(s.view);
    for (auto& a : askers)
      a.answer.deliver(partition_changed{tl::unexpected<error>(stored.error())});
    return;
  }
  s.group.clear();
  for (auto& note : notes)
    spdlog::info("catalog=changed revision={} subject={} why=\"{}\"", note.revision.value,
                 note.subject, note.why);
  counter(ctx, "harbinger_catalog_changes_total", "durable changes of the catalog")
      .Increment(static_cast<double>(notes.size()));
  counter(ctx, "harbinger_catalog_groups_total", "synced writes that made changes durable")
      .Increment();
  tell_followers(ctx, std::move(delta));
  for (auto& a : askers) a.answer.deliver(partition_changed{std::move(a.row)});
}

/// The tick comes behind everything that waits in the mailbox now.
caf::result<partition_changed> change_here(keeper_pointer self, const context_ptr& ctx,
                                           const change_partition& m) {
  auto& s = self->state;
  if (s.group.full()) end_group(self, ctx);
  bool first = s.group.empty();
  auto row = s.group.add(s.view, m);
  if (!row) {
    count_refusal(ctx, row.error());
    return partition_changed{tl::unexpected<error>(row.error())};
  }
  auto answer = self->make_response_promise<partition_changed>();
  s.askers.push_back({answer, std::move(*row)});
  if (first) self->send(self, tick{++s.round});
  return answer;
}

node_changed node_result(keeper_pointer self, const node_id& node,
                         const result<partition_map>& delta) {
  if (!delta) return {tl::unexpected<error>(delta.error())};
  return {*self->state.view.node(node)};
}

std::string joined_ids(const std::vector<node_id>& ids) {
  std::string text;
  for (auto& id : ids) text += (text.empty() ? "" : " ") + id.value;
  return text;
}

json nodes_table(const catalog_view& view) {
  json rows = json::array();
  for (auto& [id, row] : view.nodes()) {
    size_t primaries = 0, replicas = 0, copies = 0;
    for (auto partition : view.partitions_of(id)) {
      auto& p = *view.partition(partition);
      bool member = std::binary_search(p.sync_set.begin(), p.sync_set.end(), id);
      primaries += p.primary == id;
      replicas += member;
      copies += !member;
    }
    std::string attributes;
    for (auto& [key, value] : row.attributes)
      attributes += (attributes.empty() ? "" : " ") + key + "=" + value;
    rows.push_back({id.value, name_of(row.state), row.data_endpoint, primaries, replicas, copies,
                    row.capacity_bytes, attributes, row.life.value});
  }
  return {{"columns",
           {"node", "state", "endpoint", "primaries", "replicas", "copies", "capacity_bytes",
            "attributes", "incarnation"}},
          {"rows", rows}};
}

json volumes_table(const catalog_view& view) {
  json rows = json::array();
  for (auto& [name, row] : view.volumes())
    rows.push_back({name, row.number, row.partitions, row.replicas});
  return {{"columns", {"volume", "number", "partitions", "replicas"}}, {"rows", rows}};
}

json partition_cells(const partition_row& row) {
  std::string copies;
  for (auto& copy : row.copies)
    copies += (copies.empty() ? "" : " ") + copy.node.value + (copy.ready ? "" : "(copying)");
  return {to_string(row.id),
          row.primary.value,
          joined_ids(row.sync_set),
          joined_ids(row.joiners),
          copies,
          row.epoch.value,
          row.replicas_wanted,
          row.sync_set.size() > row.replicas_wanted ? "yes" : "",
          row.revision.value};
}

result<std::string> partitions_table(const catalog_view& view,
                                     const std::vector<std::string>& words) {
  json rows = json::array();
  if (words.empty()) {
    for (auto& [id, row] : view.partitions()) rows.push_back(partition_cells(row));
  } else {
    auto id = parse_partition_id(words.front());
    auto row = id ? view.partition(*id) : nullptr;
    if (!row) return fail(errc::not_found, "partition " + words.front());
    rows.push_back(partition_cells(*row));
  }
  return catalog_text({{"columns",
                        {"partition", "primary", "sync_set", "joiners", "copies", "epoch",
                         "replicas_wanted", "escalated", "revision"}},
                       {"rows", rows}});
}

result<std::string> journal_table(const context_ptr& ctx) {
  auto lines = ctx->central->catalog->journal(200);
  if (!lines) return tl::unexpected<error>(lines.error());
  json rows = json::array();
  for (auto& line : *lines)
    rows.push_back({line.id, line.time.value, line.subject, line.fields["revision"], line.text});
  return catalog_text(
      {{"columns", {"id", "time_ms", "subject", "revision", "why"}}, {"rows", rows}});
}

result<std::string> show_catalog(const catalog_view& view, const context_ptr& ctx,
                                 const show_request& ask) {
  if (ask.topic == "nodes") return catalog_text(nodes_table(view));
  if (ask.topic == "volumes") return catalog_text(volumes_table(view));
  if (ask.topic == "partitions") return partitions_table(view, ask.words);
  if (ask.topic == "journal") return journal_table(ctx);
  return fail(errc::not_found, ask.topic);
}

node_changed register_here(keeper_pointer self, const context_ptr& ctx, const register_node& m) {
  auto& view = self->state.view;
  auto old = view.node(m.hello.node);
  bool returns = old && old->state == node_state::dead;
  bool new_life = !old || old->life != m.hello.life;
  auto what = !old ? "joined" : returns ? "came back" : new_life ? "restarted" : "changed";
  auto delta = carry_out(self, ctx, catalog::register_node(view, m.hello), m.hello.node.value,
                         m.hello.node.value + " " + what);
  if (delta && delta->revision != delta->previous)
    raise_event(
        self, ctx, new_life && old && !returns ? severity::warning : severity::info, "node_joined",
        m.hello.node.value, m.hello.node.value + " " + what,
        {{"incarnation", std::to_string(m.hello.life.value)}, {"endpoint", m.hello.data_endpoint}});
  return node_result(self, m.hello.node, delta);
}

show_reply create_here(keeper_pointer self, const context_ptr& ctx, const create_volume& m) {
  auto delta = carry_out(self, ctx,
                         catalog::create_volume(self->state.view, m, ctx->config->placement.spread),
                         m.name, "volume created");
  if (!delta) return {tl::unexpected<error>(delta.error())};
  raise_event(
      self, ctx, severity::info, "volume_created", m.name,
      "volume " + m.name + " with " + std::to_string(m.partitions) + " partitions",
      {{"partitions", std::to_string(m.partitions)}, {"replicas", std::to_string(m.replicas)}});
  auto& row = delta->volumes.front();
  return {json{{"volume", row.name},
               {"number", row.number},
               {"partitions", row.partitions},
               {"replicas", row.replicas},
               {"revision", delta->revision.value}}
              .dump()};
}

} // namespace

catalog_keeper_state::~catalog_keeper_state() {
  for (auto& a : askers)
    a.answer.deliver(caf::make_error(caf::sec::request_receiver_down, "the catalog ended"));
}

catalog_keeper_actor::behavior_type catalog_keeper(keeper_pointer self, context_ptr ctx) {
  auto loaded = ctx->central->catalog->load();
  if (!loaded) {
    spdlog::error("catalog=unreadable error=\"{}\"", to_string(loaded.error()));
    self->quit(caf::exit_reason::unhandled_exception);
  } else {
    self->state.view = std::move(*loaded);
    spdlog::info("catalog=loaded term={} revision={} nodes={} partitions={}",
                 self->state.view.term().value, self->state.view.revision().value,
                 self->state.view.nodes().size(), self->state.view.partitions().size());
    // Followers may have missed what an earlier life of this actor made durable.
    tell_followers(ctx, self->state.view.whole());
  }
  return {
      [=](const change_partition& m) { return change_here(self, ctx, m); },
      [=](const tick& t) {
        if (t.round == self->state.round) end_group(self, ctx);
      },
      [=](const register_node& m) {
        end_group(self, ctx);
        return register_here(self, ctx, m);
      },
      [=](const set_node_state& m) {
        end_group(self, ctx);
        auto delta =
            carry_out(self, ctx, catalog::set_state(self->state.view, m), m.node.value, m.reason);
        return node_result(self, m.node, delta);
      },
      [=](const create_volume& m) {
        end_group(self, ctx);
        return create_here(self, ctx, m);
      },
      [=](const follow_catalog& m) {
        end_group(self, ctx);
        auto follower = ctx->names.find(m.follower);
        if (follower)
          caf::anon_send(follower, catalog_changed{std::make_shared<const partition_map>(
                                       self->state.view.whole())});
      },
      [=](const show_request& ask) {
        end_group(self, ctx);
        return show_reply{show_catalog(self->state.view, ctx, ask)};
      },
  };
}

} // namespace harbinger
