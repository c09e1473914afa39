#pragma once

/// What `harbinger train` and `harbinger evaluate` have in common.

#include <cstdint>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "core/result.hpp"
#include "predict/row_options.hpp"
#include "predict/study.hpp"

namespace harbinger {

/// An option that takes "90s", "30min", "24h", "7d", and the like of several, "1h,6h,24h".
CLI::Option* add_duration(CLI::App& app, const char* name, int64_t& ms, const char* effect);
CLI::Option* add_durations(CLI::App& app, const char* name, std::vector<int64_t>& ms,
                           const char* effect);

/// An option that takes a date, or a date and a time (UTC).
CLI::Option* add_time(CLI::App& app, const char* name, int64_t& ms, const char* effect);

struct learning_options {
  std::string directory;
  std::vector<int64_t> windows_ms;
  predict::row_options rows;
  predict::study_options study;
  std::vector<double> windows_s() const;
};
/// --history --every --at --windows --group --machine --models --search --healthy-share --seed
/// --threads. `to` must outlive the parsing.
void add_learning(CLI::App& app, learning_options& to);

/// The whole file or an error that names it.
result<void> write_text(const std::string& path, const std::string& text);
/// As it was typed.
std::string command_line(int argc, char** argv);

} // namespace harbinger
