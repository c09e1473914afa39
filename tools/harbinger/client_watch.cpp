#include <iostream>

#include <nlohmann/json.hpp>

#include "app/change_feed.hpp"
#include "app/process.hpp"
#include "client_commands.hpp"
#include "core/version_text.hpp"

namespace harbinger {
namespace {

using json = nlohmann::ordered_json;

constexpr auto look_period = milliseconds(200); // an interrupt ends the wait sooner

exit_code report_watch(const error& e) {
  std::cerr << "harbinger: " << to_string(e) << '\n';
  return exit_code_of(e.code);
}

json operation(const record_op& op) {
  json out{{"op", name_of(op.kind)}};
  out[op.kind == op_kind::erase_range ? "from" : "key"] = op.key.data;
  if (op.kind == op_kind::erase_range) out["to"] = op.value.data;
  if (op.kind == op_kind::put) out["value"] = op.value.data;
  return out;
}

std::string line_of(const feed_change& change) {
  json ops = json::array();
  for (const auto& op : change.batch.ops) ops.push_back(operation(op));
  json out{{"partition", to_string(change.partition)},
           {"version", to_string(change.batch.version)},
           {"ops", std::move(ops)}};
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// "E:S" for all of the volume's partitions, "P=E:S" for one of them, P as lines name it.
result<std::map<partition_id, version>> starts(const volume_row& volume,
                                               const std::vector<std::string>& words) {
  std::map<partition_id, version> out;
  for (const auto& word : words) {
    auto equals = word.find('=');
    auto v = parse_version(equals == word.npos ? word : word.substr(equals + 1));
    auto one = equals == word.npos ? std::nullopt : parse_partition_id(word.substr(0, equals));
    if (!v || (equals != word.npos && !one))
      return fail(errc::invalid_argument, word + ": neither EPOCH:SEQ nor PARTITION=EPOCH:SEQ");
    if (one && (volume_of(*one) != volume.number || index_of(*one) >= volume.partitions))
      return fail(errc::unknown_partition, to_string(*one) + " is none of " + volume.name);
    if (one) out.insert_or_assign(*one, *v);
    for (uint32_t i = 0; !one && i < volume.partitions; ++i)
      out.try_emplace(make_partition_id(volume.number, i), *v);
  }
  return out;
}

result<change_feed> open_feed(client& cluster, const client_watch_options& o) {
  auto row = cluster.volume(o.volume);
  if (!row) return tl::unexpected<error>(row.error());
  auto from = starts(*row, o.from);
  if (!from) return tl::unexpected<error>(from.error());
  if (!o.partition) return change_feed::open(cluster, o.volume, *from);
  if (*o.partition >= row->partitions)
    return fail(errc::unknown_partition,
                o.volume + " has partitions 0.." + std::to_string(row->partitions - 1));
  return change_feed::open(cluster, {make_partition_id(row->number, *o.partition)}, *from);
}

} // namespace

exit_code client_watch(const client_target& target, const client_watch_options& options) {
  auto cluster = client::connect(target.central);
  if (!cluster) return report_watch(cluster.error());
  auto feed = open_feed(*cluster, options);
  if (!feed) return report_watch(feed.error());
  catch_interrupts();
  for (uint64_t shown = 0; !interrupted();) {
    auto changes = feed->next(look_period);
    if (!changes) return report_watch(changes.error());
    for (const auto& change : *changes) {
      std::cout << line_of(change) << '\n';
      if (++shown == options.changes_max) return exit_code::ok;
    }
    if (!(std::cout << std::flush)) return exit_code::failure; // nobody reads any more
  }
  return exit_code::ok;
}

} // namespace harbinger
