#pragma once

/// How an actor follows the catalog, and how it shows a listing.

#include <nlohmann/json.hpp>

#include "actors/context.hpp"
#include "actors/names.hpp"
#include "catalog/catalog_view.hpp"

namespace harbinger {

/// Asks the keeper for the whole catalog; the answer comes as catalog_changed. Ask again while the
/// view is not ready.
template <class Self>
void ask_for_catalog(Self* self, const context_ptr& ctx, const char* own_name) {
  tell<catalog_keeper_actor>(self, ctx, names::catalog_keeper, follow_catalog{own_name});
}

/// Applies a change; asks for the whole when rows are missing. True when the view changed.
template <class Self>
bool take_catalog(Self* self, const context_ptr& ctx, const char* own_name, catalog_view& view,
                  const catalog_changed& news) {
  auto outcome = view.apply(*news.map);
  if (outcome == catalog_view::outcome::need_whole) ask_for_catalog(self, ctx, own_name);
  return outcome == catalog_view::outcome::applied;
}

/// A console listing: {"columns": [...], "rows": [[...]]}. Text that is not UTF-8 is shown with
/// replacement characters.
inline show_reply show_table(std::vector<std::string> columns, nlohmann::json rows) {
  nlohmann::json document{{"columns", std::move(columns)}, {"rows", std::move(rows)}};
  return {document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}
inline show_reply show_object(const nlohmann::json& document) {
  return {document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

/// "n1, n2".
inline std::string joined(const std::vector<node_id>& nodes) {
  std::string text;
  for (const auto& id : nodes) text += (text.empty() ? "" : ", ") + id.value;
  return text;
}

} // namespace harbinger
