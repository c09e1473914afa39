#include "catalog/row_fields.hpp"

namespace harbinger::catalog {
namespace {

void add_word(std::string& list, const std::string& word) {
  list += (list.empty() ? "" : " ") + word;
}

} // namespace

std::map<std::string, std::string> row_fields(const partition_row& row) {
  std::string members, joiners, copies;
  for (const auto& id : row.sync_set) add_word(members, id.value);
  for (const auto& id : row.joiners) add_word(joiners, id.value);
  for (const auto& copy : row.copies)
    add_word(copies, copy.node.value + (copy.ready ? "" : "(copying)"));
  std::map<std::string, std::string> fields{{"epoch", std::to_string(row.epoch.value)},
                                            {"primary", row.primary.value}};
  if (!members.empty()) fields["sync_set"] = std::move(members);
  if (!joiners.empty()) fields["joiners"] = std::move(joiners);
  if (!copies.empty()) fields["copies"] = std::move(copies);
  return fields;
}

std::map<std::string, std::string> row_fields(const node_row& row) {
  return {{"state", std::string{name_of(row.state)}},
          {"incarnation", std::to_string(row.life.value)}};
}

} // namespace harbinger::catalog
