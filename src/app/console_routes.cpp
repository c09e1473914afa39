#include "app/console_routes.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "actors/names.hpp"

namespace harbinger {
namespace {

using words_type = std::vector<std::string>;

constexpr auto drill_timeout = seconds(120); // also of a rebuild
constexpr auto verify_timeout = seconds(600);
constexpr auto what_if_timeout = seconds(30);
constexpr auto journal_timeout = seconds(60); // the whole journal of events is read
constexpr size_t words_max = 10'000;

struct topic {
  const char* name;
  const char* usage;
  const char* effect;
  const char* central; ///< actor that knows; null: not in this role
  const char* node;
};

/// Everything that is asked with show_request{first word, other words}.
constexpr topic topics[] = {
    {"conflicts", "conflicts", "entries of the conflict journal", nullptr, names::replica_server},
    {"control", "control", "connections of nodes and clients", names::head_node_bridge, nullptr},
    {"copies", "copies [PARTITION]",
     "copies: how far they are, and what each gives if its primary dies now",
     names::recovery_coordinator, names::copy_receiver},
    {"drift", "drift", "whether the model still fits what it sees", names::failure_predictor,
     nullptr},
    {"detector", "detector", "suspicion of every node", names::recovery_coordinator, nullptr},
    {"events", "events [SINCE-ID [LIMIT]]", "what happened, and why", names::event_publisher,
     names::event_publisher},
    {"history", "history", "what is kept of the nodes, and how much", names::history_keeper,
     nullptr},
    {"maintenance",
     "maintenance start NODE --in TIME [--for TIME] [--reason TEXT] | end NODE | list",
     "nodes that will be taken down: their partitions are copied before", names::zone_manager,
     nullptr},
    {"model", "model", "the model in use and how good it is", names::model_keeper, nullptr},
    {"nodes", "nodes", "nodes and their state", names::catalog_keeper, nullptr},
    {"outages", "outages", "nodes that were lost, and what each phase of the recovery took",
     names::recovery_coordinator, nullptr},
    {"partitions", "partitions [PARTITION]", "partitions, primaries, sync sets, copies",
     names::catalog_keeper, nullptr},
    {"placement", "placement PARTITION", "where a copy would go now, and why not elsewhere",
     names::prefetch_coordinator, nullptr},
    {"plan", "plan [show | --dry-run KEY=VALUE...]",
     "copies that are wanted, under way and done, and why; what other settings would change",
     names::prefetch_coordinator, nullptr},
    {"recovery", "recovery", "recoveries under way", names::recovery_coordinator, nullptr},
    {"replicas", "replicas [PARTITION]", "what every replica holds", names::version_synchronizer,
     names::replica_server},
    {"risk", "risk [NODE]", "risk of failure, with reasons", names::failure_predictor, nullptr},
    {"scrub", "scrub [totals]", "what the last check of each replica's records found", nullptr,
     names::scrubber},
    {"telemetry", "telemetry", "what came in and what was refused", names::telemetry_ingestor,
     names::telemetry_publisher},
    {"tree", "tree", "actors, their supervisors, restarts", "root", "root"},
    {"verify", "verify [PARTITION]", "check records now; answers when it is done", nullptr,
     names::scrubber},
    {"volumes", "volumes", "volumes", names::catalog_keeper, nullptr},
    {"zones", "zones [ID]", "predictive failure zones", names::zone_manager, nullptr},
};

auto usage(const std::string& text) { return fail(errc::invalid_argument, "usage: " + text); }

words_type rest_of(const words_type& words, size_t from) {
  return {words.begin() + static_cast<std::ptrdiff_t>(std::min(from, words.size())), words.end()};
}

result<console_route> route_config(const words_type& w) {
  auto verb = w.size() > 1 ? w[1] : std::string{"get"};
  if (verb == "get" && w.size() <= 3)
    return console_route{names::config_keeper, config_get{w.size() == 3 ? w[2] : ""}};
  if (verb == "set" && w.size() == 4)
    return console_route{names::config_keeper, config_set{w[2], w[3]}};
  bool plain = verb == "rollback" || verb == "reload" || verb == "journal";
  if (plain && w.size() == 2)
    return console_route{names::config_keeper, show_request{"config", {verb}}};
  return usage("config get [KEY] | set KEY VALUE | rollback | reload | journal");
}

result<console_route> route_drill(const words_type& w) {
  const char* how = "drill pull|checkpoint_tail|full_rebuild PARTITION...";
  auto method = w.size() > 2 ? parse_enum<restore_method>(w[1]) : std::nullopt;
  if (!method) return usage(how);
  recovery_drill drill{{}, *method};
  for (const auto& word : rest_of(w, 2)) {
    auto id = parse_partition_id(word);
    if (!id)
      return fail(errc::invalid_argument,
                  "\"" + word + "\" is not a partition; usage: " + std::string{how});
    drill.partitions.push_back(*id);
  }
  return console_route{names::recovery_coordinator, std::move(drill), drill_timeout};
}

result<console_route> route_rebuild(const words_type& w) {
  const char* how = "rebuild PARTITION [accept-loss]";
  bool accepted = w.size() == 3 && w[2] == "accept-loss";
  if (w.size() != 2 && !accepted) return usage(how);
  auto id = parse_partition_id(w[1]);
  if (!id)
    return fail(errc::invalid_argument,
                "\"" + w[1] + "\" is not a partition; usage: " + std::string{how});
  return console_route{names::recovery_coordinator, rebuild_partition{*id, accepted},
                       drill_timeout};
}

result<uint32_t> parse_count(const std::string& word) {
  uint32_t value = 0;
  auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (problem != std::errc{} || end != word.data() + word.size())
    return fail(errc::invalid_argument, "\"" + word + "\" is not a number");
  return value;
}

result<console_route> route_volume(const words_type& w) {
  if (w.size() < 4 || w.size() > 5 || w[1] != "create")
    return usage("volume create NAME PARTITIONS [REPLICAS]");
  create_volume volume{w[2]};
  auto partitions = parse_count(w[3]);
  if (!partitions) return tl::unexpected<error>(partitions.error());
  volume.partitions = *partitions;
  if (w.size() == 5) {
    auto replicas = parse_count(w[4]);
    if (!replicas) return tl::unexpected<error>(replicas.error());
    volume.replicas = *replicas;
  }
  return console_route{names::catalog_keeper, std::move(volume)};
}

/// Who can explain what.
result<console_route> route_explain(const words_type& w) {
  auto what = w.size() > 1 ? w[1] : std::string{};
  auto ask = show_request{"explain", rest_of(w, 1)};
  if (what == "node") return console_route{names::failure_predictor, std::move(ask)};
  if (what == "zone") return console_route{names::zone_manager, std::move(ask)};
  if (what == "partition") return console_route{names::prefetch_coordinator, std::move(ask)};
  return usage("explain node NODE | zone ZONE | partition PARTITION");
}

/// Explaining the past is one actor's, whatever it is about.
std::optional<console_route> route_past(const words_type& w) {
  bool past = w[0] == "explain" && std::find(w.begin(), w.end(), "--at") != w.end();
  bool between = w[0] == "events" && w.size() == 5;
  if (!past && !between) return std::nullopt;
  return console_route{names::event_publisher, show_request{w[0], rest_of(w, 1)}, journal_timeout};
}

/// The second word says what if what.
result<console_route> route_what_if(const words_type& w) {
  auto what = w.size() > 2 ? w[1] : std::string{};
  auto ask = show_request{"whatif", rest_of(w, 1)};
  if (what == "config")
    return console_route{names::prefetch_coordinator, std::move(ask), what_if_timeout};
  if (what == "kill")
    return console_route{names::recovery_coordinator, std::move(ask), what_if_timeout};
  return usage("whatif kill NODE|ATTRIBUTE=VALUE... [--limit N] | config KEY=VALUE...");
}

} // namespace

result<console_route> route_console(daemon_role role, const words_type& words) {
  if (words.empty()) return fail(errc::invalid_argument, "empty command; try help");
  if (words.size() > words_max) return fail(errc::oversize, "more than 10000 words");
  const auto& first = words[0];
  if (first == "status") return console_route{{}, status_query{}};
  if (first == "config") return route_config(words);
  if (first == "kill") {
    if (words.size() != 2) return usage("kill ACTOR (see tree)");
    return console_route{"root", kill_actor{words[1]}};
  }
  if (first == "show") {
    if (words.size() < 3) return usage("show ACTOR TOPIC [WORD...]");
    return console_route{words[1], show_request{words[2], rest_of(words, 3)}};
  }
  if (first == "drill" && role == daemon_role::central) return route_drill(words);
  if (first == "rebuild" && role == daemon_role::central) return route_rebuild(words);
  if (first == "volume" && role == daemon_role::central) return route_volume(words);
  if (auto past = route_past(words)) return std::move(*past);
  if (first == "explain" && role == daemon_role::central) return route_explain(words);
  if (first == "whatif" && role == daemon_role::central) return route_what_if(words);
  for (const auto& t : topics) {
    const auto* actor = role == daemon_role::central ? t.central : t.node;
    if (first == t.name && actor)
      return console_route{actor, show_request{first, rest_of(words, 1)},
                           first == "verify" ? verify_timeout : duration(seconds(5))};
    if (first == t.name)
      return fail(errc::not_found, first + ": not known to this role, ask the other daemon");
  }
  return fail(errc::not_found, "unknown command \"" + first + "\"; try help");
}

std::vector<console_command> console_commands(daemon_role role) {
  std::vector<console_command> all{
      {"config get [KEY]", "settings, with unit, range and effect"},
      {"config journal", "changes made at run time"},
      {"config reload", "read the file again"},
      {"config rollback", "undo the last change"},
      {"config set KEY VALUE", "change a setting"},
      {"kill ACTOR", "end an actor; its supervisor starts it again"},
      {"show ACTOR TOPIC [WORD...]", "ask one actor of the tree"},
      {"status", "everything in a few lines"},
  };
  if (role == daemon_role::central) {
    all.push_back({"drill METHOD PARTITION...", "restore a secondary by hand, to measure it"});
    all.push_back({"rebuild PARTITION [accept-loss]",
                   "serve a partition again whose sync set is gone, from a copy and mass storage"});
    all.push_back(
        {"explain node NODE", "a node's risk in sentences: why, since when, what is similar"});
    all.push_back({"explain zone ZONE", "why these nodes are one zone, and whom it exposes"});
    all.push_back({"explain partition PARTITION",
                   "who holds it, what it needs and why, and what each node is as a target"});
    all.push_back({"whatif config KEY=VALUE...", "what other settings would change of the plan"});
    all.push_back({"model diff VERSION VERSION", "what differs between two models"});
    all.push_back({"model list", "all models that are kept"});
    all.push_back({"model promote VERSION", "use this one from now on"});
    all.push_back({"model retrain", "train a challenger now"});
    all.push_back({"model rollback", "use the one before again"});
    all.push_back({"model show [VERSION]", "how one was made and how good it is"});
    all.push_back({"explain node NODE --at TIME", "what was known and decided about it then"});
    all.push_back({"explain partition PARTITION --at TIME",
                   "its primary, copies and zones then, and the last decision, with reasons"});
    all.push_back({"explain zone ID --at TIME", "how a zone stood then, and what came of it"});
    all.push_back({"whatif kill NODE|ATTRIBUTE=VALUE...",
                   "what would be lost or late if all of these died now"});
    all.push_back({"volume create NAME PARTITIONS [REPLICAS]", "a new volume"});
  }
  for (const auto& t : topics)
    if (role == daemon_role::central ? t.central : t.node) all.push_back({t.usage, t.effect});
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.usage < b.usage; });
  return all;
}

} // namespace harbinger
