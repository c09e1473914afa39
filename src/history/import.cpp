#include "history/import.hpp"

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "history/check.hpp"
#include "history/import_state.hpp"
#include "messages/common.hpp"

namespace harbinger {
namespace {

/// Nodes first, then samples, then what befell them.
std::vector<size_t> in_order(const import_schema& schema) {
  auto stage = [&](size_t i) {
    auto kind = schema.tables[i].kind;
    if (kind == table_kind::nodes) return 0;
    return kind == table_kind::samples || kind == table_kind::samples_long ? 1 : 2;
  };
  std::vector<size_t> out(schema.tables.size());
  std::iota(out.begin(), out.end(), size_t{0});
  std::stable_sort(out.begin(), out.end(), [&](size_t a, size_t b) { return stage(a) < stage(b); });
  return out;
}

void begin(import_state& state) {
  auto& data = state.out.data;
  data.name = state.schema.name;
  data.source = state.schema.source;
  data.metrics = state.schema.metrics;
  data.numbers = state.schema.numbers;
  data.categories = state.schema.categories;
  data.on_change = state.schema.on_change;
  for (const auto& table : state.schema.tables) {
    table_count count;
    count.file = table.file;
    count.kind = name_of(table.kind);
    state.out.tables.push_back(count);
  }
}

/// Nodes by id, so that the order of the rows leaves no trace.
void order_nodes(history& h) {
  std::vector<uint32_t> order(h.nodes.size()), place(h.nodes.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return h.nodes[a].id < h.nodes[b].id; });
  std::vector<history_node> nodes;
  nodes.reserve(order.size());
  for (uint32_t i = 0; i < order.size(); ++i) {
    place[order[i]] = i;
    nodes.push_back(std::move(h.nodes[order[i]]));
  }
  h.nodes = std::move(nodes);
  for (auto& s : h.samples) s.node = place[s.node];
  for (auto& e : h.events) e.node = place[e.node];
}

result<> read_tables(import_state& state, const std::string& directory,
                     const import_progress& progress) {
  auto order = in_order(state.schema);
  std::vector<uint64_t> sizes;
  for (auto i : order) {
    auto path = directory + '/' + state.schema.tables[i].file;
    std::error_code error;
    sizes.push_back(std::filesystem::file_size(path, error));
    if (error) return fail(errc::not_found, path + ": " + error.message());
  }
  auto all = std::accumulate(sizes.begin(), sizes.end(), uint64_t{0});
  uint64_t before = 0;
  for (size_t n = 0; n < order.size(); ++n) {
    const auto& file = state.schema.tables[order[n]].file;
    auto report = [&](uint64_t bytes) {
      if (progress) progress(file, before + bytes, all);
    };
    if (auto ok = import_table(state, order[n], directory, report); !ok) return ok;
    before += sizes[n];
  }
  return {};
}
} // namespace

result<imported> import_csv(const std::string& schema_path, const std::string& directory,
                            const import_progress& progress) {
  auto schema = read_import_schema(schema_path);
  if (!schema) return tl::unexpected(schema.error());
  import_state state;
  state.schema = std::move(*schema);
  begin(state);
  auto ok = read_tables(state, directory, progress);
  if (ok) ok = complete_rosters(state);
  if (ok) ok = decide_watched(state);
  if (!ok) return tl::unexpected(ok.error());
  order_nodes(state.out.data);
  sort_history(state.out.data);
  if (ok = check_history(state.out.data); !ok) return tl::unexpected(ok.error());
  return std::move(state.out);
}

} // namespace harbinger
