/// harbinger: the command line.

#include <cstdlib>
#include <csignal>
#include <cstring>
#include <functional>
#include <iostream>

#include <CLI/CLI.hpp>

#include "client_commands.hpp"
#include "commands.hpp"
#include "console.hpp"
#include "core/settings.hpp"

namespace {

using namespace harbinger;

struct common_options {
  std::string state_dir = settings{}.state_dir;
  std::string central = central_endpoints{}.control;
  bool json = false;
};

/// The subcommand that was chosen leaves what is to be done here.
using job = std::function<exit_code()>;
using words = std::vector<std::string>;

/// `name` with words behind it is passed to the daemon's console as it is.
void add_console_command(CLI::App& app, common_options& common, job& todo, const char* name,
                         const char* what, const char* arguments = nullptr, bool limited = false) {
  auto* command = app.add_subcommand(name, what);
  auto limit = std::make_shared<std::string>();
  if (limited) command->add_option("--limit", *limit, "at most so many rows");
  auto rest = std::make_shared<words>();
  if (arguments) command->add_option("words", *rest, arguments);
  command->callback([&common, &todo, name, rest, limit] {
    todo = [&common, name, rest, limit] {
      words line{name};
      line.insert(line.end(), rest->begin(), rest->end());
      if (!limit->empty()) line.push_back("--limit"), line.push_back(*limit);
      return ask_and_print(common.state_dir, line, common.json);
    };
  });
}

void add_explain(CLI::App& app, common_options& common, job& todo) {
  auto* command = app.add_subcommand(
      "explain", "why, in sentences; with --at: what was known and decided at a time");
  auto rest = std::make_shared<words>();
  auto at = std::make_shared<std::string>();
  command->add_option("words", *rest, "node NODE | zone ID | partition PARTITION");
  command->add_option("--at", *at,
                      "2026-11-28T03:04:05Z, 03:04 (UTC), \"10m ago\", -10m, or seconds or "
                      "milliseconds since 1970");
  command->callback([&common, &todo, rest, at] {
    todo = [&common, rest, at] {
      words line{"explain"};
      line.insert(line.end(), rest->begin(), rest->end());
      if (!at->empty()) line.push_back("--at"), line.push_back(*at);
      return ask_and_print(common.state_dir, line, common.json);
    };
  });
}

void add_listings(CLI::App& app, common_options& common, job& todo) {
  add_console_command(app, common, todo, "status", "everything in a few lines");
  add_console_command(app, common, todo, "nodes", "nodes and their state");
  add_console_command(app, common, todo, "zones", "predictive failure zones", "[ID]");
  add_console_command(app, common, todo, "partitions", "partitions, primaries, sync sets, copies",
                      "[PARTITION]");
  add_console_command(app, common, todo, "volumes", "volumes");
  add_console_command(app, common, todo, "risk", "risk of failure, with reasons", "[NODE]");
  add_console_command(app, common, todo, "copies",
                      "copies: how far they are, and what each gives if its primary dies now",
                      "[PARTITION]");
  add_console_command(app, common, todo, "replicas", "what every replica holds", "[PARTITION]");
  add_console_command(app, common, todo, "placement",
                      "where a copy would go now, and why not elsewhere", "PARTITION");
  add_console_command(app, common, todo, "recovery", "recoveries under way");
  add_console_command(app, common, todo, "outages",
                      "nodes that were lost, and what each phase of the recovery took");
  add_console_command(app, common, todo, "detector", "suspicion of every node");
  add_console_command(app, common, todo, "telemetry", "what came in and what was refused");
  add_explain(app, common, todo);
  add_console_command(
      app, common, todo, "whatif",
      "what would be lost or late if these died now; what other settings would plan",
      "kill NODE|ATTRIBUTE=VALUE... [--limit N] | config KEY=VALUE...", true);
  add_console_command(app, common, todo, "model",
                      "the model in use, and those before and beside it",
                      "list | show [V] | promote V | rollback | diff A B | retrain");
  add_console_command(app, common, todo, "history", "what is kept of the nodes, and how much");
  add_console_command(app, common, todo, "drift", "whether the model still fits what it sees");
  add_console_command(app, common, todo, "conflicts", "entries of a node's conflict journal");
  add_console_command(app, common, todo, "control", "connections of nodes and clients");
  add_console_command(app, common, todo, "tree", "actors, their supervisors, restarts");
  add_console_command(app, common, todo, "kill", "end an actor; its supervisor starts it again",
                      "ACTOR");
  add_console_command(app, common, todo, "show", "ask one actor of the tree",
                      "ACTOR TOPIC [WORD...]");
  add_console_command(app, common, todo, "config", "settings of the running daemon",
                      "get [KEY] | set KEY VALUE | rollback | reload | journal");
  add_console_command(app, common, todo, "volume", "create a volume",
                      "create NAME PARTITIONS [REPLICAS]");
  add_console_command(
      app, common, todo, "rebuild",
      "serve a partition again whose sync set is gone, from a copy and mass storage",
      "PARTITION [accept-loss]");
  add_console_command(app, common, todo, "drill", "restore secondaries by hand, to measure it",
                      "pull|checkpoint_tail|full_rebuild PARTITION...");
}

void add_plan(CLI::App& app, common_options& common, job& todo) {
  auto* command = app.add_subcommand("plan", "copies that are wanted, under way and done, and why");
  auto dry_run = std::make_shared<words>();
  auto shown = std::make_shared<words>();
  command->add_option("words", *shown, "show")->check(CLI::IsMember({"show"}));
  command->add_option("--dry-run", *dry_run,
                      "KEY=VALUE...: what the plan would be with these settings");
  command->callback([&common, &todo, dry_run] {
    todo = [&common, dry_run] {
      words line{"plan"};
      if (!dry_run->empty()) line.push_back("--dry-run");
      line.insert(line.end(), dry_run->begin(), dry_run->end());
      return ask_and_print(common.state_dir, line, common.json);
    };
  });
}

void add_maintenance(CLI::App& app, common_options& common, job& todo) {
  auto* command = app.add_subcommand(
      "maintenance", "nodes that will be taken down: their partitions are copied before");
  command->require_subcommand(1);
  auto line = std::make_shared<words>();
  auto verb = [&](const char* name, const char* what) {
    auto* sub = command->add_subcommand(name, what);
    sub->callback([&common, &todo, line, name] {
      words all{"maintenance", name};
      all.insert(all.end(), line->begin(), line->end());
      todo = [&common, all] { return ask_and_print(common.state_dir, all, common.json); };
    });
    return sub;
  };
  auto node = [line](CLI::App* sub) {
    sub->add_option_function<std::string>(
           "node", [line](const std::string& name) { line->insert(line->begin(), name); }, "NODE")
        ->required();
  };
  auto pass_on = [line](CLI::App* sub, std::string option, const char* what) {
    return sub->add_option_function<std::string>(
        option,
        [line, option](const std::string& value) {
          line->push_back(option);
          line->push_back(value);
        },
        what);
  };
  auto* start = verb("start", "plan it, or change what is planned");
  node(start);
  pass_on(start, "--in", "until it begins: 90s, 30m, 2h, 1d")->required();
  pass_on(start, "--for", "how long it takes; without: until maintenance end");
  pass_on(start, "--reason", "one line for those who ask why");
  node(verb("end", "it is over, or will not be"));
  verb("list", "what is planned and under way");
}

void add_events(CLI::App& app, common_options& common, job& todo) {
  struct options {
    bool follow = false;
    uint64_t since = 0;
    uint32_t limit = 100;
    std::string from, to;
  };
  auto* command = app.add_subcommand("events", "what happened, and why");
  auto given = std::make_shared<options>();
  command->add_flag("--follow,-f", given->follow, "go on until Ctrl-C");
  command->add_option("--since", given->since, "only events with a higher id");
  command->add_option("--limit", given->limit, "at most so many")->check(CLI::Range(1, 1000));
  command->add_option("--from", given->from,
                      "from the whole journal, since then (see explain --at)");
  command->add_option("--to", given->to, "and until then");
  command->callback([&common, &todo, given] {
    todo = [&common, given] {
      if (!given->from.empty() || !given->to.empty())
        return ask_and_print(common.state_dir,
                             {"events", std::to_string(given->since), std::to_string(given->limit),
                              given->from, given->to},
                             common.json);
      if (given->follow) return follow_events(common.state_dir, given->since, common.json);
      return ask_and_print(common.state_dir,
                           {"events", std::to_string(given->since), std::to_string(given->limit)},
                           common.json);
    };
  });
}

void add_client_load(CLI::App& client, common_options& common, job& todo) {
  auto* command = client.add_subcommand(
      "load", "writers and readers; says how fast, and whether every acknowledged write is there");
  auto o = std::make_shared<client_load_options>();
  command->add_option("--volume", o->volume, "volume to write to");
  command->add_option("--writers", o->writers)->capture_default_str()->check(CLI::Range(0, 256));
  command->add_option("--readers", o->readers)->capture_default_str()->check(CLI::Range(0, 256));
  command->add_option("--seconds", o->seconds, "0: until Ctrl-C")->capture_default_str();
  command
      ->add_option("--rate", o->writes_per_s,
                   "writes a second of each writer; 0: as fast as it goes")
      ->capture_default_str();
  command->add_option("--value-bytes", o->value_bytes)
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--acks", o->acks, "append every acknowledged write to this file");
  command->add_option("--verify", o->verify, "no load: read back what such a file holds");
  command->callback([&common, &todo, o] {
    if (o->volume.empty() && o->verify.empty()) throw CLI::RequiredError("--volume or --verify");
    todo = [&common, o] { return client_load({common.central, common.json}, *o); };
  });
}

void add_client_watch(CLI::App& client, common_options& common, job& todo) {
  auto* command = client.add_subcommand(
      "watch", "print every committed change as a line of JSON, until Ctrl-C");
  auto o = std::make_shared<client_watch_options>();
  command->add_option("volume", o->volume)->required();
  command->add_option("--partition", o->partition, "index; default: all");
  command
      ->add_option("--from", o->from,
                   "after this version EPOCH:SEQ (0:0: the beginning), or PARTITION=EPOCH:SEQ for "
                   "one of them, as the lines name it; default: from now on")
      ->allow_extra_args(false);
  command->add_option("--count", o->changes_max, "end after so many changes; 0: until Ctrl-C")
      ->capture_default_str();
  command->callback([&common, &todo, o] {
    todo = [&common, o] { return client_watch({common.central, common.json}, *o); };
  });
}

void add_client(CLI::App& app, common_options& common, job& todo) {
  auto* client = app.add_subcommand("client", "write and read metadata");
  client->require_subcommand(1);
  struct record {
    std::string volume, key, value, partition = "all", from, to;
    uint32_t limit = 100;
    std::optional<uint32_t> copy_max_lag_ms;
  };
  auto r = std::make_shared<record>();
  auto target = [&common] { return client_target{common.central, common.json}; };
  auto* put = client->add_subcommand("put", "write one record");
  put->add_option("volume", r->volume)->required();
  put->add_option("key", r->key)->required();
  put->add_option("value", r->value)->required();
  put->callback([&todo, target, r] {
    todo = [=] { return client_put(target(), r->volume, r->key, r->value); };
  });
  auto* cas = client->add_subcommand(
      "cas", "write one record if its value is what is expected; refused (exit code 4) if not");
  auto words = std::make_shared<std::vector<std::string>>();
  auto absent = std::make_shared<bool>(false);
  cas->add_flag("--absent", *absent, "only if there is no such record; takes no EXPECTED");
  cas->add_option("words", *words, "VOLUME KEY EXPECTED VALUE")->required()->expected(3, 4);
  cas->callback([&todo, target, words, absent] {
    if (words->size() != (*absent ? 3u : 4u))
      throw CLI::ValidationError(*absent ? "VOLUME KEY VALUE with --absent"
                                         : "VOLUME KEY EXPECTED VALUE, or --absent");
    todo = [=] {
      auto expected = *absent ? std::nullopt : std::optional((*words)[2]);
      return client_cas(target(), (*words)[0], (*words)[1], expected, words->back());
    };
  });
  auto* erase = client->add_subcommand("erase", "remove one record")->alias("delete");
  erase->add_option("volume", r->volume)->required();
  erase->add_option("key", r->key)->required();
  erase->callback(
      [&todo, target, r] { todo = [=] { return client_erase(target(), r->volume, r->key); }; });
  auto* range = client
                    ->add_subcommand("erase-range",
                                     "remove all records from FROM on and before TO, in every "
                                     "partition; at once in each partition, not in all together")
                    ->alias("delete-range");
  range->add_option("volume", r->volume)->required();
  range->add_option("from", r->from, "first key; empty: from the beginning")->required();
  range->add_option("to", r->to, "end, exclusive; empty: to the end")->required();
  range->callback([&todo, target, r] {
    todo = [=] { return client_erase_range(target(), r->volume, r->from, r->to); };
  });
  auto* get = client->add_subcommand("get", "read one record");
  get->add_option("volume", r->volume)->required();
  get->add_option("key", r->key)->required();
  get->add_option("--from-copy", r->copy_max_lag_ms,
                  "from a prefetched copy that is at most so many ms old; 0: however old");
  get->callback([&todo, target, r] {
    todo = [=] { return client_get(target(), r->volume, r->key, r->copy_max_lag_ms); };
  });
  auto* scan = client->add_subcommand("scan", "read records in order of their keys");
  scan->add_option("volume", r->volume)->required();
  scan->add_option("--partition", r->partition, "index, or all")->capture_default_str();
  scan->add_option("--from", r->from, "first key");
  scan->add_option("--limit", r->limit)->capture_default_str()->check(CLI::Range(1, 1'000'000));
  scan->callback([&todo, target, r] {
    todo = [=] { return client_scan(target(), r->volume, r->partition, r->from, r->limit); };
  });
  add_client_watch(*client, common, todo);
  add_client_load(*client, common, todo);
}

/// Commands that parse their own line: null for the others.
int (*own_parser(const char* name))(int, char**) {
  if (std::strcmp(name, "demo") == 0) return run_demo;
  if (std::strcmp(name, "campaign") == 0) return run_campaign;
  if (std::strcmp(name, "bench") == 0) return run_bench;
  if (std::strcmp(name, "dataset") == 0) return run_dataset;
  if (std::strcmp(name, "train") == 0) return run_train;
  if (std::strcmp(name, "evaluate") == 0) return run_evaluate;
  if (std::strcmp(name, "simulate") == 0) return run_simulate;
  return nullptr;
}

} // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  if (argc > 1)
    if (auto* run = own_parser(argv[1])) {
      std::string name = std::string{"harbinger "} + argv[1];
      argv[1] = name.data();
      return run(argc - 1, argv + 1);
    }
  CLI::App app{"Harbinger's command line. Exit codes: 0 ok, 1 failure, 2 usage, 3 not reachable, 4 "
               "refused, 5 in use."};
  app.set_version_flag("--version", "harbinger " HARBINGER_VERSION);
  app.require_subcommand(1);
  common_options common;
  job todo;
  app.add_option("--state-dir", common.state_dir, "state directory of the daemon to ask")
      ->take_last()
      ->envname("HARBINGER_STATE_DIR")
      ->capture_default_str();
  app.add_option("--central", common.central,
                 "control endpoint of the central service, for client commands")
      ->take_last()
      ->envname("HARBINGER_CENTRAL")
      ->capture_default_str();
  app.add_flag("--json", common.json, "print JSON instead of tables");
  app.fallthrough();
  add_listings(app, common, todo);
  add_plan(app, common, todo);
  add_maintenance(app, common, todo);
  add_events(app, common, todo);
  add_client(app, common, todo);
  auto* console = app.add_subcommand(
      "console", "commands from the terminal or a pipe, with history and completion; try help");
  console->callback([&] { todo = [&] { return run_console(common.state_dir, common.json); }; });
  app.add_subcommand("demo",
                     "a cluster, a real failure, and what Harbinger makes of it (see demo --help)");
  app.add_subcommand("campaign",
                     "record telemetry of nodes in trouble, to train on (see campaign --help)");
  app.add_subcommand("bench", "measure, each against its opponent (see bench --help)");
  app.add_subcommand("dataset", "histories of machines, from CSV tables (see dataset --help)");
  app.add_subcommand("train", "a model from a history (see train --help)");
  app.add_subcommand("evaluate",
                     "how well failures would have been predicted (see evaluate --help)");
  app.add_subcommand("simulate",
                     "a cluster in virtual time, without and with Harbinger (see simulate --help)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : to_int(exit_code::usage);
  }
  if (!todo) {
    std::cerr << "harbinger: put options of demo, campaign, bench, dataset, train, evaluate and "
                 "simulate behind their name\n";
    return to_int(exit_code::usage);
  }
  return to_int(todo());
}
