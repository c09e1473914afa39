#pragma once

/// The protection actors of the centre on CAF's test scheduler, with a keeper and nodes that do as
/// they are told.

#include <map>
#include <set>

#include <boost/test/unit_test.hpp>

#include "actors/context.hpp"
#include "actors/names.hpp"
#include "actors/partition_prefetcher.hpp"
#include "actors/prefetch_coordinator.hpp"
#include "actors/version_synchronizer.hpp"
#include "actors/zone_manager.hpp"
#include "wire/codec.hpp"
#include "tests/support/stepped_scheduler.hpp"

namespace harbinger::test {

/// What the fakes share with the test. One thread runs everything.
struct stage_props {
  catalog_view catalog;
  uint64_t revisions = 1;
  std::vector<event> events;
  std::vector<zone_map> zone_maps;      ///< as recovery got them
  std::vector<replica_status> statuses; ///< as recovery got them
  std::vector<std::pair<node_id, start_copy>> starts;
  std::vector<std::pair<node_id, drop_replica>> drops;
  std::set<node_id> unreachable;
  bool keeper_silent = false;
};

struct protection_stage {
  caf::actor_system_config cfg;
  std::shared_ptr<stage_props> props = std::make_shared<stage_props>();
  context_ptr ctx = std::make_shared<context>();
  std::shared_ptr<settings> config = std::make_shared<settings>();
  caf::actor_system sys{cfg.load<testing::stepped_scheduler>()};
  caf::scoped_actor self{sys, true};
  testing::stepped_scheduler& sched = testing::stepped_scheduler::of(sys);

  protection_stage() {
    sched.clock().current_time += std::chrono::hours(1);
    config->zones.domains = {"rack"};
    ctx->config = config;
    ctx->term = term{3};
    ctx->wall_clock = [] { return unix_ms{0}; };
    for (int i = 1; i <= 6; ++i) {
      node_row n;
      n.id = node_id{"n" + std::to_string(i)};
      n.life = incarnation{1};
      n.capacity_bytes = 1000 << 20;
      n.data_endpoint = "tcp://" + n.id.value;
      n.attributes["rack"] = "r" + std::to_string(i);
      props->catalog.put(n);
    }
    for (uint32_t i = 0; i < 3; ++i) {
      partition_row p;
      p.id = make_partition_id(1, i);
      p.revision = revision{1};
      p.epoch = epoch{1};
      p.primary = node_id{"n1"};
      p.sync_set = {node_id{"n1"}, node_id{"n2"}};
      p.replicas_wanted = 2;
      props->catalog.put(p);
    }
    ctx->names.set(names::catalog_keeper, sys.spawn(fake_keeper, ctx, props));
    ctx->names.set(names::head_node_bridge, sys.spawn(fake_bridge, props));
    ctx->names.set(names::event_publisher, sys.spawn(fake_recorder, props));
    ctx->names.set(names::recovery_coordinator, sys.spawn(fake_recorder, props));
    for (auto name :
         {names::prefetch_coordinator, names::version_synchronizer, names::zone_manager})
      start(name);
    advance(milliseconds(100), 12);
  }
  ~protection_stage() {
    for (const auto& [name, handle] : ctx->names.all()) {
      ctx->names.erase(name, handle);
      caf::anon_send_exit(handle, caf::exit_reason::kill);
    }
    sched.run();
    while (sched.has_pending_timeout()) { // armed ticks hold their actors
      sched.trigger_timeouts();
      sched.run();
    }
  }

  void start(const std::string& name) {
    if (name == names::zone_manager)
      ctx->names.set(name, caf::actor_cast<caf::actor>(sys.spawn(zone_manager, ctx)));
    if (name == names::prefetch_coordinator)
      ctx->names.set(name, caf::actor_cast<caf::actor>(sys.spawn(prefetch_coordinator, ctx)));
    if (name == names::version_synchronizer)
      ctx->names.set(name, caf::actor_cast<caf::actor>(sys.spawn(version_synchronizer, ctx)));
    sched.run();
  }
  /// As a crash and its supervisor would: the actor ends without a word, later a new one begins.
  void kill(const std::string& name) {
    caf::anon_send_exit(ctx->names.find(name), caf::exit_reason::kill);
    sched.run();
  }
  void advance(caf::timespan step, int times = 1) {
    for (int i = 0; i < times; ++i) {
      sched.advance_time(step);
      sched.run();
    }
  }
  template <class Message>
  void tell(const char* name, Message message) {
    caf::anon_send(ctx->names.find(name), std::move(message));
    sched.run();
  }
  /// One scoring: everybody healthy but these.
  void score(const std::map<std::string, double>& risky) {
    risk_updated news;
    for (const auto& [id, row] : props->catalog.nodes()) {
      node_risk r;
      r.node = id;
      r.uncertainty = 0.05;
      r.model = "m1";
      auto found = risky.find(id.value);
      r.probability = found == risky.end() ? 0.01 : found->second;
      news.risks.push_back(r);
    }
    tell(names::zone_manager, news);
  }
  replica_report replica(uint32_t index, replica_role role, uint64_t seq, uint64_t digest = 1) {
    replica_report r;
    r.partition = make_partition_id(1, index);
    r.role = role;
    r.state = replica_state::following;
    r.epoch = epoch{1};
    r.version = {epoch{1}, seq_no{seq}};
    r.digest = digest;
    r.size_bytes = 4 << 20;
    r.lag_ms = 1e6;
    return r;
  }
  void report(const std::string& node, std::vector<replica_report> replicas) {
    node_report r;
    r.node = node_id{node};
    r.life = incarnation{1};
    r.replicas = std::move(replicas);
    tell(names::prefetch_coordinator, report_received{r});
    tell(names::version_synchronizer, report_received{r});
  }
  /// Every primary, and every copy of the catalog, at this sequence number.
  void report_all(uint64_t seq) {
    std::map<std::string, std::vector<replica_report>> by_node;
    for (const auto& [id, row] : props->catalog.partitions()) {
      if (!row.primary.value.empty())
        by_node[row.primary.value].push_back(replica(index_of(id), replica_role::primary, seq));
      for (const auto& c : row.copies) {
        auto r = replica(index_of(id), replica_role::copy, seq);
        r.copy = c.copy;
        r.copied_bytes = 4 << 20;
        r.source = row.primary;
        by_node[c.node.value].push_back(r);
      }
    }
    for (auto& [node, replicas] : by_node) report(node, replicas);
  }
  result<std::string> show(const char* name, const std::string& topic,
                           std::vector<std::string> words = {}) {
    result<std::string> document = fail(errc::timeout);
    auto target = ctx->names.find(name);
    auto request =
        self->request(target, std::chrono::seconds(1), show_request{topic, std::move(words)});
    BOOST_REQUIRE_MESSAGE(sched.run_until_mail(self), name << " does not answer");
    request.receive([&](const show_reply& reply) { document = reply.document; },
                    [](const caf::error&) {});
    return document;
  }
  size_t count(const std::string& kind) const {
    size_t n = 0;
    for (const auto& e : props->events) n += e.kind == kind ? 1 : 0;
    return n;
  }
  const partition_row& row(uint32_t index) const {
    return *props->catalog.partition(make_partition_id(1, index));
  }
  /// Somebody else's change of a row.
  void change(partition_row row) {
    row.revision = revision{++props->revisions};
    props->catalog.put(row);
    publish(ctx, *props);
    sched.run();
  }
  void set_state(const std::string& node, node_state state) {
    auto n = *props->catalog.node(node_id{node});
    n.state = state;
    props->catalog.put(n);
    ++props->revisions;
    publish(ctx, *props);
    sched.run();
  }

  static void publish(const context_ptr& ctx, stage_props& props) {
    auto map = std::make_shared<partition_map>(props.catalog.whole());
    map->term = term{3};
    map->revision = revision{++props.revisions};
    map->whole = true;
    for (auto name : names::catalog_followers) {
      auto found = ctx->names.find(name);
      if (found) caf::anon_send(found, catalog_changed{map});
    }
  }
  static caf::behavior fake_keeper(caf::event_based_actor*, context_ptr ctx,
                                   std::shared_ptr<stage_props> props) {
    return {[=](const follow_catalog&) { publish(ctx, *props); },
            [=](const change_partition& change) -> caf::result<partition_changed> {
              if (props->keeper_silent) return caf::make_error(caf::sec::request_receiver_down);
              const auto* stored = props->catalog.partition(change.row.id);
              if (stored->revision != change.expected)
                return partition_changed{fail(errc::conflict, "changed meanwhile")};
              auto row = change.row;
              row.revision = revision{++props->revisions};
              props->catalog.put(row);
              publish(ctx, *props);
              return partition_changed{row};
            }};
  }
  static caf::behavior fake_bridge(caf::event_based_actor* self,
                                   std::shared_ptr<stage_props> props) {
    self->set_default_handler(caf::drop);
    return {
        [=](const node_command& c) -> node_command_done {
          if (props->unreachable.contains(c.node))
            return {fail(errc::unknown_node, "not connected")};
          if (c.command.type == start_copy::wire_name)
            props->starts.emplace_back(c.node, *wire::decode<start_copy>(c.command.body));
          if (c.command.type == drop_replica::wire_name)
            props->drops.emplace_back(c.node, *wire::decode<drop_replica>(c.command.body));
          return {wire::make_frame(c.command.id, done{})};
        },
        [](const zone_map&) {}, // what it tells clients is not looked at
    };
  }
  static caf::behavior fake_recorder(caf::event_based_actor* self,
                                     std::shared_ptr<stage_props> props) {
    self->set_default_handler(caf::drop);
    return {[=](const event& e) { props->events.push_back(e); },
            [=](const zone_map& z) { props->zone_maps.push_back(z); },
            [=](const replicas_changed& r) {
              props->statuses.insert(props->statuses.end(), r.replicas.begin(), r.replicas.end());
            },
            [](const catalog_changed&) {}};
  }
};

} // namespace harbinger::test
