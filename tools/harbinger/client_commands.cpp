#include "client_commands.hpp"

#include <charconv>
#include <iostream>

#include <nlohmann/json.hpp>

#include "app/client.hpp"
#include "app/table.hpp"

namespace harbinger {
namespace {

using json = nlohmann::json;

constexpr uint32_t scan_page = 1000;

exit_code report(const error& e) {
  std::cerr << "harbinger: " << to_string(e) << '\n';
  return exit_code_of(e.code);
}

exit_code print(const client_target& target, const json& document) {
  auto text = document.dump(-1, ' ', false, json::error_handler_t::replace);
  std::cout << (target.json ? text + '\n' : render_document(text)) << std::flush;
  return exit_code::ok;
}

exit_code print_version(const client_target& target, const result<version>& stored) {
  if (!stored) return report(stored.error());
  return print(target, {{"version", to_string(*stored)}});
}

/// The rows of one partition, page by page.
result<void> scan_partition(client& from_cluster, partition_id id, std::string from, uint32_t limit,
                            json& rows) {
  while (rows.size() < limit) {
    auto page = from_cluster.scan(id, from,
                                  std::min(scan_page, limit - static_cast<uint32_t>(rows.size())));
    if (!page) return tl::unexpected<error>(page.error());
    for (const auto& row : page->rows)
      rows.push_back({to_string(id), row.key.data, row.value.data});
    if (!page->more || page->rows.empty()) return {};
    from = page->next.data;
  }
  return {};
}

} // namespace

exit_code client_put(const client_target& target, const std::string& volume, const std::string& key,
                     const std::string& value) {
  auto cluster = client::connect(target.central);
  if (!cluster) return report(cluster.error());
  return print_version(target, cluster->put(volume, key, value));
}

exit_code client_erase(const client_target& target, const std::string& volume,
                       const std::string& key) {
  auto cluster = client::connect(target.central);
  if (!cluster) return report(cluster.error());
  return print_version(target, cluster->erase(volume, key));
}

exit_code client_cas(const client_target& target, const std::string& volume, const std::string& key,
                     const std::optional<std::string>& expected, const std::string& value) {
  auto cluster = client::connect(target.central);
  if (!cluster) return report(cluster.error());
  return print_version(target, cluster->compare_and_set(volume, key, expected, value));
}

exit_code client_erase_range(const client_target& target, const std::string& volume,
                             const std::string& from, const std::string& to) {
  auto cluster = client::connect(target.central);
  if (!cluster) return report(cluster.error());
  auto row = cluster->volume(volume);
  if (!row) return report(row.error());
  json rows = json::array();
  for (uint32_t index = 0; index < row->partitions; ++index) {
    auto id = make_partition_id(row->number, index);
    auto done = cluster->erase_range(id, from, to);
    if (!done) {
      std::cerr << "harbinger: erased in " << index << " of " << row->partitions
                << " partitions, then in " << to_string(id) << ": ";
      std::cerr << to_string(done.error()) << '\n';
      return exit_code_of(done.error().code);
    }
    rows.push_back({to_string(id), to_string(*done)});
  }
  return print(target, {{"columns", {"partition", "version"}}, {"rows", rows}});
}

exit_code client_get(const client_target& target, const std::string& volume, const std::string& key,
                     std::optional<uint32_t> copy_max_lag_ms) {
  auto cluster = client::connect(target.central);
  if (!cluster) return report(cluster.error());
  auto got = copy_max_lag_ms ? cluster->get_from_copy(volume, key, {{}, *copy_max_lag_ms})
                             : cluster->get(volume, key);
  if (!got) return report(got.error());
  if (!got->found) return report({errc::not_found, "no such key: " + key});
  if (target.json)
    return print(target,
                 {{"key", key}, {"value", got->value.data}, {"version", to_string(got->version)}});
  std::cout << got->value.data << '\n' << std::flush;
  return exit_code::ok;
}

exit_code client_scan(const client_target& target, const std::string& volume,
                      const std::string& partition, const std::string& from, uint32_t limit) {
  auto cluster = client::connect(target.central);
  if (!cluster) return report(cluster.error());
  auto row = cluster->volume(volume);
  if (!row) return report(row.error());
  uint32_t first = 0, last = row->partitions;
  if (partition != "all") {
    auto [end, problem] =
        std::from_chars(partition.data(), partition.data() + partition.size(), first);
    if (problem != std::errc{} || *end != '\0' || first >= row->partitions)
      return report({errc::unknown_partition,
                     volume + " has partitions 0.." + std::to_string(row->partitions - 1)});
    last = first + 1;
  }
  json rows = json::array();
  for (auto index = first; index < last && rows.size() < limit; ++index)
    if (auto scanned =
            scan_partition(*cluster, make_partition_id(row->number, index), from, limit, rows);
        !scanned)
      return report(scanned.error());
  return print(target, {{"columns", {"partition", "key", "value"}}, {"rows", rows}});
}

} // namespace harbinger
