#pragma once

/// The public sets of real failures that predictions are judged on (docs/PREDICTION.md, "The four
/// public sets"): where their files are expected, and by which questions they are judged.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace harbinger {

struct public_set {
  std::string_view schema; ///< its file in config/histories, without ".toml"
  std::string_view folder; ///< of its CSV tables
};
std::span<const public_set> public_sets();

/// One evaluation of a set.
struct public_task {
  std::string_view title;
  std::string_view schema; ///< of the set
  /// Of `harbinger evaluate`, but for --history, --models, --search and --json; parted by single
  /// spaces. docs/PREDICTION.md, "Judging", has the same.
  std::string_view arguments;
};
std::span<const public_task> public_tasks();

/// The words of `arguments`.
std::vector<std::string> words_of(std::string_view arguments);

/// The tables that the schema file names and that are not in `directory`, each once, in the
/// schema's order; empty: the set is there. Errors of read_import_schema.
result<std::vector<std::string>> missing_tables(const std::string& schema_file,
                                                const std::string& directory);

} // namespace harbinger
