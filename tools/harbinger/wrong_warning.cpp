#include "wrong_warning.hpp"

#include <algorithm>
#include <fstream>

#include "app/quick_settings.hpp"

namespace harbinger {

bool holds(const partition_row& row, const node_id& node) {
  return std::find(row.sync_set.begin(), row.sync_set.end(), node) != row.sync_set.end();
}

result<std::unique_ptr<wrong_warning>> wrong_warning::start(const options& wanted) {
  cluster_options c;
  c.nodes = c.racks = wanted.nodes;
  c.central = quick_central_settings();
  c.node = quick_node_settings();
  c.central["zones.enter_at"] = "0.3"; // errors alone are a risk of 0.4
  c.central["zones.leave_at"] = "0.1";
  c.central["zones.share_max"] = c.central["zones.capacity_share_max"] = "0.34";
  c.central["zones.escalated_max"] = "0"; // a third member would be another question
  c.central["prediction.retrain_after_failures"] = "0";
  // Without any zone map nobody would be known to be safe, and lost replicas not made anew.
  if (!wanted.predicting) c.central["zones.enter_at"] = "1.0";
  std::unique_ptr<wrong_warning> made(new wrong_warning);
  auto prepared = cluster::prepare(c);
  if (!prepared) return tl::unexpected<error>(prepared.error());
  made->cluster_ = std::move(*prepared);
  if (auto up = made->cluster_->start(seconds(30)); !up) return tl::unexpected<error>(up.error());
  if (auto v = made->cluster_->create_volume(volume, wanted.partitions, 2, seconds(20)); !v)
    return tl::unexpected<error>(v.error());
  if (!made->cluster_->wait_for_map(fully_replicated, seconds(30)))
    return fail(errc::timeout, "the volume is not replicated");
  return made;
}

wrong_warning::~wrong_warning() {
  stop_ = true;
  if (warning_.joinable()) warning_.join();
}

void wrong_warning::warn() {
  warning_ = std::thread([this, file = cluster_->nodes().at(blamed).log_file()] {
    while (!stop_) {
      std::ofstream out(file, std::ios::app);
      for (int i = 0; i < 5; ++i) out << "ERROR input/output error on device sdb\n";
      out.close();
      std::this_thread::sleep_for(milliseconds(200));
    }
  });
}

result<void> wrong_warning::wait_for_copies(duration timeout) {
  auto node = name_of(blamed);
  auto copied = [&](const partition_map& m) {
    return std::all_of(m.partitions.begin(), m.partitions.end(), [&](const partition_row& row) {
      return !holds(row, node)
             || std::any_of(row.copies.begin(), row.copies.end(), [](auto& c) { return c.ready; });
    });
  };
  if (cluster_->wait_for_map(copied, timeout)) return {};
  return fail(errc::timeout, "the copies of the blamed node's partitions are not ready");
}

result<std::vector<partition_id>>
wrong_warning::partitions(const std::function<bool(const partition_row&)>& which) {
  auto map = cluster_->map();
  if (!map) return tl::unexpected<error>(map.error());
  std::vector<partition_id> out;
  for (const auto& row : map->partitions)
    if (which(row)) out.push_back(row.id);
  return out;
}

} // namespace harbinger
