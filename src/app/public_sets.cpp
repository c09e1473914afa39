#include "app/public_sets.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include "history/import_schema.hpp"

namespace harbinger {

std::span<const public_set> public_sets() {
  static constexpr std::array<public_set, 4> all{{
      {"pdm", "pdm"},
      {"prevent", "prevent_redis"},
      {"backblaze", "backblaze_hds"},
      {"lanl", "lanl"},
  }};
  return all;
}

std::span<const public_task> public_tasks() {
  static constexpr std::array<public_task, 6> all{{
      {"PdM, 24 h", "pdm", "--horizon 24h --every 24h --at 6h --windows 24h,3d,14d"},
      {"PREVENT, 30 min, by run", "prevent",
       "--horizon 30min --every 1min --windows 5min,15min,60min --split groups --group run "
       "--machine run --innocent-before injected"},
      {"PREVENT, 30 min, by fault", "prevent",
       "--horizon 30min --every 1min --windows 5min,15min,60min --split groups --group fault "
       "--machine run --innocent-before injected"},
      {"Backblaze, 30 d", "backblaze",
       "--horizon 30d --every 7d --windows 7d,30d,120d --healthy-share 0.1"},
      {"Backblaze, 7 d", "backblaze",
       "--horizon 7d --every 7d --windows 1d,7d,30d --healthy-share 0.1"},
      {"LANL, 24 h", "lanl", "--horizon 24h --every 24h --windows 1d,7d,60d --healthy-share 0.1"},
  }};
  return all;
}

std::vector<std::string> words_of(std::string_view arguments) {
  std::vector<std::string> out;
  while (!arguments.empty()) {
    auto end = std::min(arguments.find(' '), arguments.size());
    out.emplace_back(arguments.substr(0, end));
    arguments.remove_prefix(std::min(end + 1, arguments.size()));
  }
  return out;
}

result<std::vector<std::string>> missing_tables(const std::string& schema_file,
                                                const std::string& directory) {
  auto schema = read_import_schema(schema_file);
  if (!schema) return tl::unexpected<error>(schema.error());
  std::vector<std::string> out;
  for (const auto& table : schema->tables) {
    std::error_code unreadable;
    bool there =
        std::filesystem::is_regular_file(std::filesystem::path(directory) / table.file, unreadable);
    if (!there && std::find(out.begin(), out.end(), table.file) == out.end())
      out.push_back(table.file);
  }
  return out;
}

} // namespace harbinger
