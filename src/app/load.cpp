#include "app/load.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <random>
#include <set>

#include "app/client.hpp"
#include "core/digest.hpp"
#include "messages/records.hpp"

namespace harbinger {

namespace {

using steady = std::chrono::steady_clock;
constexpr size_t latencies_max = 1'000'000;
constexpr size_t examples_max = 10;
constexpr uint32_t read_recent_keys = 4096;

/// Keeps a wished rate without catching up more than a second of backlog.
class pacer {
public:
  /// False when `stop` was set while waiting.
  bool wait(double per_s, const std::atomic<bool>& stop) {
    due_ = std::max(due_ + from_seconds(1.0 / std::max(per_s, 0.001)), steady::now() - seconds(1));
    while (steady::now() < due_) {
      if (stop) return false;
      std::this_thread::sleep_for(std::min<duration>(due_ - steady::now(), milliseconds(20)));
    }
    return !stop;
  }

private:
  time_point due_ = steady::now();
};

std::string preload_key(uint32_t partition, uint64_t index) {
  return "m/" + std::to_string(partition) + '/' + std::to_string(index);
}

void note_example(verify_result& result, std::string text) {
  if (result.examples.size() < examples_max) result.examples.push_back(std::move(text));
}

/// All rows of a partition, through the client.
result<std::map<std::string, std::string>> rows_of(client& connection, partition_id partition) {
  std::map<std::string, std::string> rows;
  std::string from;
  for (;;) {
    auto reply = connection.scan(partition, from, scan_rows_max);
    if (!reply) return tl::unexpected<error>(reply.error());
    for (auto& row : reply->rows) rows[std::move(row.key.data)] = std::move(row.value.data);
    if (!reply->more) return rows;
    from = reply->next.data;
  }
}

/// All rows of a volume; partitions that nobody served are counted.
std::map<std::string, std::string> rows_of_volume(client& connection, const std::string& volume,
                                                  uint64_t& unread) {
  std::map<std::string, std::string> rows;
  auto info = connection.volume(volume);
  if (!info) {
    ++unread;
    return rows;
  }
  for (uint32_t i = 0; i < info->partitions; ++i) {
    auto part = rows_of(connection, make_partition_id(info->number, i));
    if (part)
      rows.merge(*part);
    else
      ++unread;
  }
  return rows;
}

} // namespace

std::string load_value(const std::string& key, uint32_t number, size_t bytes) {
  std::string value = std::to_string(number) + ':' + key + ':';
  std::mt19937_64 engine(checksum64(value));
  while (value.size() < bytes) {
    uint64_t word = engine();
    value.append(reinterpret_cast<const char*>(&word), std::min(sizeof word, bytes - value.size()));
  }
  return value;
}

uint32_t load_number(const std::string& key, const std::string& value) {
  uint32_t number = 0;
  auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
  if (parsed.ec != std::errc{} || value != load_value(key, number, value.size())) return 0;
  return number;
}

void write_record::tried(size_t index, uint32_t number) {
  std::lock_guard lock(mutex_);
  if (index >= states_.size()) states_.resize(index + 1);
  states_[index].tried = number;
}
void write_record::acknowledged(size_t index, uint32_t number) {
  std::lock_guard lock(mutex_);
  states_[index].acknowledged = number;
}
size_t write_record::size() const {
  std::lock_guard lock(mutex_);
  return states_.size();
}
write_record::state write_record::at(size_t index) const {
  std::lock_guard lock(mutex_);
  return index < states_.size() ? states_[index] : state{};
}

load::load(load_options options) : options_(std::move(options)) {
  for (uint32_t i = 0; i < options_.writers; ++i)
    records_.push_back(std::make_unique<write_record>());
}

load::~load() { stop(); }

void load::start() {
  for (uint32_t i = 0; i < options_.writers; ++i)
    threads_.emplace_back([this, i] { write_loop(i); });
  for (uint32_t i = 0; i < options_.readers; ++i)
    threads_.emplace_back([this, i] { read_loop(i); });
}

void load::stop() {
  stop_ = true;
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

std::string load::volume_of(uint32_t writer, size_t index) const {
  return options_.volumes[(writer + index) % options_.volumes.size()];
}

std::string load::key_of(uint32_t writer, size_t index) {
  return "w/" + std::to_string(writer) + '/' + std::to_string(index);
}

void load::note_latency(double ms) {
  std::lock_guard lock(latency_mutex_);
  if (latencies_ms_.size() < latencies_max) latencies_ms_.push_back(static_cast<float>(ms));
}

void load::write_loop(uint32_t writer) {
  auto connection = client::connect(options_.control_endpoint);
  if (!connection) return;
  auto& record = *records_[writer];
  std::mt19937_64 engine(options_.seed * 1000 + writer);
  pacer pace;
  std::set<size_t> unsettled; // keys whose last write may still take effect: not written again, so
                              // that numbers stay in order
  while (pace.wait(options_.writes_per_s * factor_ / options_.writers, stop_)) {
    size_t size = record.size();
    bool again = size > 0
                 && (size >= options_.keys_max
                     || static_cast<double>(engine() % 1000) < 1000 * options_.overwrite_share);
    size_t index = again ? engine() % size : size;
    if (unsettled.contains(index)) continue;
    auto number = record.at(index).tried + 1;
    auto key = key_of(writer, index);
    record.tried(index, number);
    auto begun = steady::now();
    auto done = connection->put(volume_of(writer, index), key,
                                load_value(key, number, options_.value_bytes));
    if (done) {
      record.acknowledged(index, number);
      ++acknowledged_;
      note_latency(to_ms(steady::now() - begun));
    } else {
      unsettled.insert(index);
      ++unknown_;
    }
  }
}

void load::read_loop(uint32_t reader) {
  auto connection = client::connect(options_.control_endpoint);
  if (!connection) return;
  std::mt19937_64 engine(options_.seed * 1000 + 500 + reader);
  pacer pace;
  while (pace.wait(options_.reads_per_s * factor_ / options_.readers, stop_)) {
    auto writer = static_cast<uint32_t>(engine() % options_.writers);
    auto size = records_[writer]->size();
    if (size == 0) continue;
    size_t index = size - 1 - engine() % std::min<size_t>(size, read_recent_keys);
    auto before = records_[writer]->at(index);
    if (before.acknowledged == 0) continue;
    auto key = key_of(writer, index);
    auto found = connection->get(volume_of(writer, index), key);
    if (!found) {
      ++failed_reads_;
      continue;
    }
    ++reads_;
    if (!found->found || load_number(key, found->value.data) < before.acknowledged) ++stale_reads_;
  }
}

load_counts load::counts() const {
  load_counts c;
  c.acknowledged = acknowledged_;
  c.unknown = unknown_;
  c.refused = refused_;
  c.reads = reads_;
  c.failed_reads = failed_reads_;
  c.stale_reads = stale_reads_;
  std::vector<float> sorted;
  {
    std::lock_guard lock(latency_mutex_);
    sorted = latencies_ms_;
  }
  std::sort(sorted.begin(), sorted.end());
  auto quantile = [&](double q) {
    return sorted.empty()
               ? 0.0
               : static_cast<double>(
                   sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1))]);
  };
  c.write_p50_ms = quantile(0.5);
  c.write_p99_ms = quantile(0.99);
  c.write_max_ms = quantile(1.0);
  return c;
}

verify_result load::verify() const {
  verify_result result;
  auto connection = client::connect(options_.control_endpoint);
  if (!connection) {
    result.unreadable = 1;
    note_example(result, to_string(connection.error()));
    return result;
  }
  std::map<std::string, std::map<std::string, std::string>> volumes;
  for (const auto& volume : options_.volumes)
    volumes[volume] = rows_of_volume(*connection, volume, result.unreadable);
  for (uint32_t writer = 0; writer < options_.writers; ++writer) {
    for (size_t index = 0; index < records_[writer]->size(); ++index) {
      auto wanted = records_[writer]->at(index);
      if (wanted.acknowledged == 0) continue;
      ++result.keys;
      auto key = key_of(writer, index);
      const auto& rows = volumes[volume_of(writer, index)];
      auto it = rows.find(key);
      auto number = it == rows.end() ? 0 : load_number(key, it->second);
      if (number >= wanted.acknowledged && number <= wanted.tried) continue;
      ++result.lost;
      note_example(result,
                   key + ": acknowledged write " + std::to_string(wanted.acknowledged) + ", found "
                       + (it == rows.end() ? "nothing" : "write " + std::to_string(number)));
    }
  }
  return result;
}

namespace {

uint64_t records_per_partition(const preload_options& options) {
  return std::max<uint64_t>(1, options.bytes_per_partition / options.value_bytes);
}

result<preload_result> preload_partitions(const preload_options& options, uint32_t first,
                                          uint32_t stride) {
  auto connection = client::connect(options.control_endpoint);
  if (!connection) return tl::unexpected<error>(connection.error());
  auto info = connection->volume(options.volume);
  if (!info) return tl::unexpected<error>(info.error());
  preload_result total;
  const size_t per_batch = std::clamp<size_t>((512 << 10) / options.value_bytes, 1, batch_ops_max);
  for (uint32_t partition = first; partition < info->partitions; partition += stride) {
    std::vector<record_op> ops;
    auto flush = [&]() -> result<> {
      if (ops.empty()) return {};
      auto done =
          connection->put(make_partition_id(info->number, partition), std::exchange(ops, {}));
      if (!done) return tl::unexpected<error>(done.error());
      ++total.batches;
      return {};
    };
    for (uint64_t i = 0; i < records_per_partition(options); ++i) {
      auto key = preload_key(partition, i);
      auto value = load_value(key, 1, options.value_bytes);
      ++total.records;
      total.bytes += key.size() + value.size();
      ops.push_back({op_kind::put, {std::move(key)}, {std::move(value)}});
      if (ops.size() >= per_batch)
        if (auto done = flush(); !done) return tl::unexpected<error>(done.error());
    }
    if (auto done = flush(); !done) return tl::unexpected<error>(done.error());
  }
  return total;
}

} // namespace

result<preload_result> preload(const preload_options& options) {
  std::vector<result<preload_result>> parts(options.connections, preload_result{});
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < options.connections; ++i)
    threads.emplace_back(
        [&, i] { parts[i] = preload_partitions(options, i, options.connections); });
  for (auto& thread : threads) thread.join();
  preload_result total;
  for (auto& part : parts) {
    if (!part) return part;
    total.records += part->records;
    total.bytes += part->bytes;
    total.batches += part->batches;
  }
  return total;
}

result<verify_result> verify_preload(const preload_options& options) {
  auto connection = client::connect(options.control_endpoint);
  if (!connection) return tl::unexpected<error>(connection.error());
  auto info = connection->volume(options.volume);
  if (!info) return tl::unexpected<error>(info.error());
  verify_result result;
  auto rows = rows_of_volume(*connection, options.volume, result.unreadable);
  for (uint32_t partition = 0; partition < info->partitions; ++partition) {
    for (uint64_t i = 0; i < records_per_partition(options); ++i) {
      auto key = preload_key(partition, i);
      ++result.keys;
      auto it = rows.find(key);
      if (it != rows.end() && load_number(key, it->second) == 1) continue;
      ++result.lost;
      note_example(result,
                   key + ": preloaded, " + (it == rows.end() ? "found nothing" : "differs"));
    }
  }
  return result;
}

} // namespace harbinger
