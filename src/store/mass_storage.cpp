#include "store/mass_storage.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "core/crash_points.hpp"
#include "core/ensure.hpp"
#include "store/mass_file.hpp"
#include "store/partition_store.hpp"
#include "versions/fork_point.hpp"
#include "wire/codec.hpp"
#include "wire/rows.hpp"

namespace harbinger {
namespace {

namespace fs = std::filesystem;
constexpr size_t checkpoint_block_bytes = 1 << 20;
constexpr size_t checkpoint_block_rows = 65'536;

/// "log-00000000000000000001-00000000000000000007-0000000000000001.hbm" -> {1, 7, 1}
std::optional<std::vector<uint64_t>> numbers_of(std::string_view name, std::string_view prefix) {
  constexpr std::string_view suffix = ".hbm";
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  name.remove_suffix(suffix.size());
  std::vector<uint64_t> out;
  while (!name.empty()) {
    if (name.front() != '-') return std::nullopt;
    uint64_t value = 0;
    auto [rest, code] = std::from_chars(name.data() + 1, name.data() + name.size(), value);
    if (code != std::errc{}) return std::nullopt;
    out.push_back(value);
    name.remove_prefix(static_cast<size_t>(rest - name.data()));
  }
  return out;
}

std::string padded(uint64_t value) {
  auto digits = std::to_string(value);
  return std::string(20 - digits.size(), '0') + digits;
}

std::string log_name(const mass_file_header& h) {
  return "/log-" + padded(h.previous.seq.value + 1) + '-' + padded(h.last.seq.value) + '-'
         + padded(h.epoch.value) + ".hbm";
}

std::string checkpoint_name(version v) {
  return "/checkpoint-" + padded(v.seq.value) + '-' + padded(v.epoch.value) + ".hbm";
}

} // namespace

result<std::shared_ptr<mass_storage>> mass_storage::open(const std::string& directory) {
  std::error_code code;
  fs::create_directories(directory, code);
  if (code) return fail(errc::io, directory + ": " + code.message());
  return std::shared_ptr<mass_storage>(new mass_storage(directory));
}

std::string mass_storage::folder(partition_id partition) const {
  return directory_ + '/' + to_string(partition);
}

// ------------------------------------------------------------------------------------------------
// writing

result<void> mass_storage::append_segment(mass_file_header header,
                                          const std::vector<log_entry>& entries) {
  ENSURE(!entries.empty());
  header.kind = mass_file_kind::log;
  header.last = entries.back().version;
  header.records = entries.size();
  ENSURE(header.previous.seq.value + 1 == entries.front().version.seq.value);
  std::error_code code;
  fs::create_directories(folder(header.partition), code);
  if (code) return fail(errc::io, folder(header.partition) + ": " + code.message());
  auto file = mass_file_writer::create(folder(header.partition) + log_name(header), header);
  if (!file) return tl::unexpected<error>(file.error());
  for (const auto& entry : entries)
    if (auto added = file->add_block(wire::encode(entry)); !added) return added;
  if (auto kept = file->commit(); !kept) return kept;
  reach(crash_point::mass_segment_added);
  return {};
}

result<version> mass_storage::write_checkpoint(const partition_snapshot& snapshot,
                                               const node_id& writer) {
  const auto& head = snapshot.head();
  mass_file_header header;
  header.kind = mass_file_kind::checkpoint;
  header.partition = head.partition;
  header.writer = writer;
  header.epoch = head.epoch;
  header.last = head.version;
  header.has_digest = true;
  header.digest = head.digest.sums();
  header.records = head.records;
  header.size_bytes = head.size_bytes;
  header.history = head.history;
  std::error_code code;
  fs::create_directories(folder(head.partition), code);
  if (code) return fail(errc::io, folder(head.partition) + ": " + code.message());
  auto file =
      mass_file_writer::create(folder(head.partition) + checkpoint_name(head.version), header);
  if (!file) return tl::unexpected<error>(file.error());
  std::string from;
  for (bool more = true; more;) {
    auto page = snapshot.read(from, !from.empty(), checkpoint_block_bytes, checkpoint_block_rows);
    if (!page) return tl::unexpected<error>(page.error());
    more = page->more && !page->rows.empty();
    if (page->rows.empty()) break;
    if (auto added = file->add_block(wire::pack_rows(page->rows)); !added)
      return tl::unexpected<error>(added.error());
    from = page->rows.back().key.data;
  }
  if (auto kept = file->commit(); !kept) return tl::unexpected<error>(kept.error());
  reach(crash_point::mass_checkpoint_kept);
  prune_checkpoints(head.partition);
  remove_leftovers(head.partition);
  return head.version;
}

void mass_storage::remove_leftovers(partition_id partition) const {
  std::error_code ignored; // another writer may have been faster
  auto before = fs::file_time_type::clock::now() - temporary_kept;
  std::vector<fs::path> old;
  for (const auto& file : fs::directory_iterator(folder(partition), ignored)) {
    std::error_code code;
    auto written = file.last_write_time(code);
    if (!code && written < before && file.path().extension() == mass_temporary_suffix)
      old.push_back(file.path());
  }
  for (const auto& path : old) fs::remove(path, ignored);
}

void mass_storage::prune_checkpoints(partition_id partition) const {
  auto files = list(partition, mass_file_kind::checkpoint);
  if (!files) return;
  for (size_t i = 0; i + checkpoints_kept < files->size(); ++i) {
    std::error_code ignored; // another writer may have been faster
    fs::remove((*files)[i].path, ignored);
    reach(crash_point::mass_checkpoint_pruned);
  }
}

result<mass_storage::trimmed> mass_storage::trim_log(partition_id partition,
                                                     fs::file_time_type older_than) {
  trimmed out;
  auto points = checkpoints(partition);
  auto segments = list(partition, mass_file_kind::log);
  if (!points) return tl::unexpected<error>(points.error());
  if (!segments) return tl::unexpected<error>(segments.error());
  if (points->size() < checkpoints_kept) return out;
  auto covered = points->back().second.last.seq.value;
  uint64_t newest = 0;
  for (const auto& file : *segments) newest = std::max(newest, file.last);
  std::vector<listed> old;
  for (const auto& file : *segments) {
    std::error_code code;
    auto written = fs::last_write_time(file.path, code);
    if (!code && file.last <= covered && file.last < newest && written < older_than)
      old.push_back(file);
  }
  if (old.empty()) return out;
  for (const auto& [file, header] : *points)
    if (auto whole = read_checkpoint_file(
            file, [](const std::vector<record_row>&) { return result<void>{}; });
        !whole)
      return tl::unexpected<error>(whole.error());
  for (const auto& file : old) {
    std::error_code code;
    auto size = fs::file_size(file.path, code);
    if (code || !fs::remove(file.path, code)) continue; // another writer was faster
    ++out.files;
    out.bytes += size;
    reach(crash_point::mass_segment_trimmed);
  }
  return out;
}

// ------------------------------------------------------------------------------------------------
// listing

/// Logs by first sequence number, then the newest epoch first; checkpoints oldest first.
result<std::vector<mass_storage::listed>> mass_storage::list(partition_id partition,
                                                             mass_file_kind kind) const {
  std::vector<listed> out;
  std::error_code code;
  fs::directory_iterator files(folder(partition), code);
  if (code == std::errc::no_such_file_or_directory) return out;
  if (code) return fail(errc::io, folder(partition) + ": " + code.message());
  for (; files != fs::directory_iterator{}; files.increment(code)) {
    auto name = files->path().filename().string();
    if (kind == mass_file_kind::log) {
      if (auto n = numbers_of(name, "log"); n && n->size() == 3)
        out.push_back({files->path().string(), kind, (*n)[0], (*n)[1], (*n)[2]});
    } else if (auto n = numbers_of(name, "checkpoint"); n && n->size() == 2) {
      out.push_back({files->path().string(), kind, (*n)[0], (*n)[0], (*n)[1]});
    }
    if (code) return fail(errc::io, folder(partition) + ": " + code.message());
  }
  std::sort(out.begin(), out.end(), [&](const listed& a, const listed& b) {
    if (kind == mass_file_kind::checkpoint)
      return std::tie(a.epoch, a.last) < std::tie(b.epoch, b.last);
    return std::tie(a.first, b.epoch, b.last) < std::tie(b.first, a.epoch, a.last);
  });
  return out;
}

epoch_history mass_storage::history(partition_id partition) const {
  epoch_history newest;
  auto consider = [&](const std::vector<listed>& files) {
    std::vector<const listed*> order;
    order.reserve(files.size());
    for (const auto& file : files) order.push_back(&file);
    std::sort(order.begin(), order.end(), [](const listed* a, const listed* b) {
      return std::tie(b->epoch, b->last) < std::tie(a->epoch, a->last);
    });
    for (const auto* file : order) {
      auto in = mass_file_reader::open(file->path);
      if (!in) continue;
      const auto& found = in->header().history;
      if (!found.empty() && (newest.empty() || newest.back().epoch < found.back().epoch))
        newest = found;
      return;
    }
  };
  if (auto logs = list(partition, mass_file_kind::log)) consider(*logs);
  if (auto points = list(partition, mass_file_kind::checkpoint)) consider(*points);
  return newest;
}

result<version> mass_storage::flushed_up_to(partition_id partition,
                                            const epoch_history& mine) const {
  auto files = list(partition, mass_file_kind::log);
  if (!files) return tl::unexpected<error>(files.error());
  version best;
  for (auto it = files->rbegin(); it != files->rend(); ++it) {
    if (it->last <= best.seq.value) continue;
    auto in = mass_file_reader::open(it->path);
    if (!in) {
      ++damaged_;
      continue;
    }
    auto shared = fork_point(in->header().last, in->header().history, mine);
    // A fork inside this file: what it shares with us is written again rather than guessed at.
    if (shared && *shared == in->header().last && best.seq < shared->seq) best = *shared;
  }
  return best;
}

result<std::vector<std::pair<mass_storage::listed, mass_file_header>>>
mass_storage::checkpoints(partition_id partition) const {
  auto files = list(partition, mass_file_kind::checkpoint);
  if (!files) return tl::unexpected<error>(files.error());
  auto truth = history(partition);
  std::vector<std::pair<listed, mass_file_header>> out;
  for (auto it = files->rbegin(); it != files->rend(); ++it) {
    auto in = mass_file_reader::open(it->path);
    if (!in || in->header().kind != mass_file_kind::checkpoint
        || in->header().partition != partition) {
      ++damaged_;
      continue;
    }
    auto reaches = epoch_of(in->header().last.seq, truth) != epoch{};
    if (reaches && !on_history(in->header().last, truth)) {
      ++fenced_;
      continue;
    }
    out.emplace_back(*it, in->header());
  }
  return out;
}

result<mass_file_header> mass_storage::newest_checkpoint(partition_id partition) const {
  auto found = checkpoints(partition);
  if (!found) return tl::unexpected<error>(found.error());
  if (found->empty()) return fail(errc::not_found, "checkpoint of " + to_string(partition));
  return found->front().second;
}

// ------------------------------------------------------------------------------------------------
// reading

result<mass_storage::log_end> mass_storage::read_log(partition_id partition, version after,
                                                     const entry_sink& sink) const {
  auto files = list(partition, mass_file_kind::log);
  if (!files) return tl::unexpected<error>(files.error());
  log_end at{after, std::nullopt, history(partition), 0};
  std::optional<error> damage;
  uint64_t damage_last = 0;
  for (const auto& file : *files) {
    if (file.last <= at.version.seq.value) continue;
    if (file.first > at.version.seq.value + 1) {
      if (damage) return tl::unexpected<error>(*damage);
      return fail(errc::gap, to_string(partition) + ": the log lacks what follows on "
                                 + to_string(at.version));
    }
    auto passed = read_segment(file, at, sink);
    if (passed) continue;
    if (passed.error().code != errc::checksum) return tl::unexpected<error>(passed.error());
    ++damaged_;
    damage = passed.error();
    damage_last = std::max(damage_last, file.last);
  }
  if (damage && damage_last > at.version.seq.value) return tl::unexpected<error>(*damage);
  return at;
}

/// The whole segment is checked before its first entry is given away: what a damaged file says is
/// not believed in part.
result<void> mass_storage::read_segment(const listed& file, log_end& at,
                                        const entry_sink& sink) const {
  std::error_code code;
  auto size = fs::file_size(file.path, code);
  if (!code && size > segment_bytes_max) return fail(errc::oversize, file.path);
  auto in = mass_file_reader::open(file.path);
  if (!in) return tl::unexpected<error>(in.error());
  std::vector<log_entry> entries;
  for (;;) {
    auto payload = in->next();
    if (!payload) return tl::unexpected<error>(payload.error());
    if (!*payload) break;
    auto entry = wire::decode<log_entry>(**payload);
    if (!entry) return fail(errc::checksum, file.path + ": " + entry.error().detail);
    entries.push_back(std::move(*entry));
  }
  if (in->header().records != entries.size())
    return fail(errc::checksum, file.path + ": entries are missing");
  at.bytes_read += in->bytes_read();
  for (const auto& entry : entries) {
    if (entry.version.seq <= at.version.seq) continue;
    auto truth = epoch_of(entry.version.seq, at.history);
    if (truth != epoch{} && truth != entry.version.epoch) {
      ++fenced_;
      continue;
    }
    if (entry.version.seq.value != at.version.seq.value + 1)
      return fail(errc::gap, file.path + ": entries do not follow on " + to_string(at.version));
    if (auto taken = sink(entry); !taken) return taken;
    at.version = entry.version;
    at.digest.reset();
  }
  if (in->header().has_digest && in->header().last == at.version)
    at.digest = digest::from_sums(in->header().digest);
  return {};
}

result<mass_file_header> mass_storage::read_checkpoint(partition_id partition,
                                                       const std::function<result<void>()>& begin,
                                                       const rows_sink& sink, order which) const {
  auto found = checkpoints(partition);
  if (!found) return tl::unexpected<error>(found.error());
  if (which == order::oldest_first) std::reverse(found->begin(), found->end());
  error last{errc::not_found, "checkpoint of " + to_string(partition)};
  for (const auto& [file, header] : *found) {
    if (auto begun = begin(); !begun) return tl::unexpected<error>(begun.error());
    auto whole = read_checkpoint_file(file, sink);
    if (whole) return header;
    if (whole.error().code != errc::checksum) return tl::unexpected<error>(whole.error());
    ++damaged_;
    last = whole.error();
  }
  return tl::unexpected<error>(last);
}

result<void> mass_storage::read_checkpoint_file(const listed& file, const rows_sink& sink) const {
  auto in = mass_file_reader::open(file.path);
  if (!in) return tl::unexpected<error>(in.error());
  uint64_t rows_read = 0;
  for (;;) {
    auto payload = in->next();
    if (!payload) return tl::unexpected<error>(payload.error());
    if (!*payload) break;
    auto rows = wire::unpack_rows(**payload);
    if (!rows) return fail(errc::checksum, file.path + ": " + rows.error().detail);
    rows_read += rows->size();
    if (auto taken = sink(*rows); !taken) return taken;
  }
  if (rows_read != in->header().records)
    return fail(errc::checksum, file.path + ": rows are missing");
  return {};
}

} // namespace harbinger
