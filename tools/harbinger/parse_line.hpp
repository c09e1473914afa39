#pragma once

#include <optional>

#include <CLI/CLI.hpp>

#include "app/exit_code.hpp"

namespace harbinger {

/// The exit code when there is nothing left to do: --help was answered, or the line makes no sense,
/// which is said.
inline std::optional<int> parse_line(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : to_int(exit_code::usage);
  }
}

} // namespace harbinger
