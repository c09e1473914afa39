/// harbingerd: the daemon, as the central service or beside a head node's storage software.

#include <iostream>

#include <CLI/CLI.hpp>

#include "daemon.hpp"

namespace {

using namespace harbinger;

struct role_options {
  std::string config;
  std::vector<std::string> sets;
  bool check = false;
  bool print = false;
};

void add_role(CLI::App& app, const char* name, const char* what, role_options& options) {
  auto* role = app.add_subcommand(name, what);
  role->add_option("--config", options.config, "configuration file (TOML)");
  role->add_option("--set", options.sets,
                   "KEY=VALUE: wins over the file; may be given several times")
      ->expected(1)
      ->take_all();
  role->add_flag("--check", options.check, "say whether the configuration is valid, and end");
  role->add_flag("--print-config", options.print,
                 "print every key with unit, range, default and effect, and end");
}

int run_role(daemon_role role, const role_options& options) {
  if (options.print) {
    std::cout << documented_config(role);
    return to_int(exit_code::ok);
  }
  if (options.config.empty()) {
    std::cerr << "harbingerd: --config is required\n";
    return to_int(exit_code::usage);
  }
  daemon_options daemon{role, options.config, {}};
  for (const auto& text : options.sets) {
    auto change = parse_config_change(text);
    if (!change) {
      std::cerr << "harbingerd: --set " << change.error().detail << '\n';
      return to_int(exit_code::usage);
    }
    daemon.changes.push_back(*change);
  }
  if (!options.check) return to_int(run_daemon(daemon));
  auto loaded = load_settings(role, daemon.config_file, daemon.changes);
  if (loaded)
    std::cout << daemon.config_file << " is valid\n";
  else
    std::cerr << "harbingerd: " << loaded.error().detail << '\n';
  return to_int(loaded ? exit_code::ok : exit_code::refused);
}

} // namespace

int main(int argc, char** argv) {
  block_daemon_signals();
  CLI::App app{"Harbinger's daemon. Exit codes: 0 ended as asked, 1 failure, 2 usage, 3 "
               "unreachable, 4 configuration or state "
               "refused, 5 port or state directory in use."};
  app.set_version_flag("--version", "harbingerd " HARBINGER_VERSION);
  app.require_subcommand(1);
  role_options central, node;
  add_role(app, "central", "decide: predict, protect, recover", central);
  add_role(app, "node", "serve the metadata of one head node", node);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : to_int(exit_code::usage);
  }
  return app.got_subcommand("central") ? run_role(daemon_role::central, central)
                                       : run_role(daemon_role::node, node);
}
