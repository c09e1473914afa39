#include "catalog/catalog_store.hpp"

#include <chrono>
#include <filesystem>

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include "catalog/database_log.hpp"
#include "catalog/row_fields.hpp"
#include "core/crash_points.hpp"
#include "wire/codec.hpp"

namespace harbinger {

namespace {

constexpr char meta_key[] = "m";

std::string big_endian(uint64_t value) {
  std::string text(8, '\0');
  for (size_t i = 0; i < 8; ++i) text[7 - i] = static_cast<char>(value >> (8 * i));
  return text;
}

uint64_t from_big_endian(std::string_view text) {
  uint64_t value = 0;
  for (char c : text) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

error failed(const rocksdb::Status& status, const std::string& what) {
  auto text = status.ToString();
  bool locked = text.find("lock") != std::string::npos && status.IsIOError();
  auto code = locked                  ? errc::in_use
              : status.IsNoSpace()    ? errc::no_space
              : status.IsCorruption() ? errc::checksum
                                      : errc::io;
  return error{code, what + ": " + text};
}

/// term, revision, next journal number: three big-endian words.
struct meta {
  uint64_t term = 0, revision = 0, journal = 0;
  std::string encode() const {
    return big_endian(term) + big_endian(revision) + big_endian(journal);
  }
  static result<meta> decode(std::string_view text) {
    if (text.size() != 24) return fail(errc::malformed, "catalog: head record");
    return meta{from_big_endian(text.substr(0, 8)), from_big_endian(text.substr(8, 8)),
                from_big_endian(text.substr(16, 8))};
  }
};

std::string key_of(const node_row& row) { return "n" + row.id.value; }
std::string key_of(const volume_row& row) { return "v" + row.name; }
std::string key_of(const partition_row& row) { return "p" + big_endian(row.id.value); }

} // namespace

struct catalog_store::impl {
  std::unique_ptr<rocksdb::DB> db;
  struct meta head;
};

catalog_store::catalog_store(std::unique_ptr<impl> impl) : impl_(std::move(impl)) {}
catalog_store::~catalog_store() = default;

result<std::shared_ptr<catalog_store>> catalog_store::open(const std::string& directory) {
  std::error_code ec;
  std::filesystem::create_directories(directory, ec);
  if (ec) return fail(errc::io, directory + ": " + ec.message());
  rocksdb::Options options;
  options.create_if_missing = true;
  options.info_log = make_database_log("catalog");
  options.write_buffer_size = 4 << 20;
  options.max_open_files = 64;
  rocksdb::DB* db = nullptr;
  auto status = rocksdb::DB::Open(options, directory, &db);
  if (!status.ok()) return tl::unexpected<error>(failed(status, directory));
  auto state = std::make_unique<impl>();
  state->db.reset(db);
  std::string stored;
  status = db->Get(rocksdb::ReadOptions{}, meta_key, &stored);
  if (status.ok()) {
    auto head = meta::decode(stored);
    if (!head) return tl::unexpected<error>(head.error());
    state->head = *head;
  } else if (!status.IsNotFound()) {
    return tl::unexpected<error>(failed(status, directory));
  }
  ++state->head.term;
  reach(crash_point::catalog_term_begun);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  status = db->Put(synced, meta_key, state->head.encode());
  if (!status.ok()) return tl::unexpected<error>(failed(status, directory));
  std::shared_ptr<catalog_store> store{new catalog_store(std::move(state))};
  if (auto rows = store->load(); !rows) return tl::unexpected<error>(rows.error());
  return store;
}

harbinger::term catalog_store::term() const { return harbinger::term{impl_->head.term}; }

result<catalog_view> catalog_store::load() const {
  catalog_view view;
  std::unique_ptr<rocksdb::Iterator> it{impl_->db->NewIterator(rocksdb::ReadOptions{})};
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    auto key = it->key().ToStringView();
    auto value = it->value().ToStringView();
    auto take = [&](auto row) -> result<void> {
      if (!row)
        return fail(errc::malformed, "catalog row " + std::string{key} + ": " + row.error().detail);
      view.put(std::move(*row));
      return {};
    };
    result<void> taken;
    if (key.starts_with('n')) taken = take(wire::decode<node_row>(value));
    if (key.starts_with('v')) taken = take(wire::decode<volume_row>(value));
    if (key.starts_with('p')) taken = take(wire::decode<partition_row>(value));
    if (!taken) return tl::unexpected<error>(taken.error());
  }
  if (!it->status().ok()) return tl::unexpected<error>(failed(it->status(), "catalog"));
  view.set_revision(term(), revision{impl_->head.revision});
  return view;
}

result<void> catalog_store::commit(const partition_map& delta, const std::string& subject,
                                   const std::string& why) {
  catalog::change_note note{delta.revision, subject, why};
  if (delta.nodes.size() == 1) note.row = catalog::row_fields(delta.nodes.front());
  return commit(delta, std::vector{std::move(note)});
}

result<void> catalog_store::commit(const partition_map& delta,
                                   const std::vector<catalog::change_note>& notes) {
  auto head = impl_->head;
  head.revision = delta.revision.value;
  rocksdb::WriteBatch batch;
  for (auto& row : delta.nodes) batch.Put(key_of(row), wire::encode(row));
  for (auto& row : delta.volumes) batch.Put(key_of(row), wire::encode(row));
  for (auto& row : delta.partitions) batch.Put(key_of(row), wire::encode(row));
  event line;
  line.time = unix_ms{
      std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count()};
  line.kind = "catalog_change";
  for (auto& note : notes) {
    line.id = ++head.journal;
    line.subject = note.subject;
    line.text = note.why;
    line.fields = note.row;
    line.fields["term"] = std::to_string(head.term);
    line.fields["revision"] = std::to_string(note.revision.value);
    batch.Put("j" + big_endian(line.id), wire::encode(line));
    if (line.id > journal_max) batch.Delete("j" + big_endian(line.id - journal_max));
  }
  batch.Put(meta_key, head.encode());
  rocksdb::WriteOptions synced;
  synced.sync = true;
  reach(crash_point::catalog_commit_begun);
  auto status = impl_->db->Write(synced, &batch);
  reach(crash_point::catalog_commit_written);
  if (!status.ok()) return tl::unexpected<error>(failed(status, "catalog commit"));
  impl_->head = head;
  return {};
}

result<std::vector<event>> catalog_store::journal(size_t limit) const {
  std::vector<event> lines;
  std::unique_ptr<rocksdb::Iterator> it{impl_->db->NewIterator(rocksdb::ReadOptions{})};
  for (it->SeekForPrev("k"); it->Valid() && lines.size() < limit; it->Prev()) {
    if (!it->key().starts_with("j")) break;
    auto line = wire::decode<event>(it->value().ToStringView());
    if (!line) return tl::unexpected<error>(line.error());
    lines.push_back(std::move(*line));
  }
  return lines;
}

result<row_journal> catalog_store::journal_of(const std::string& subject) const {
  row_journal out;
  std::unique_ptr<rocksdb::Iterator> it{impl_->db->NewIterator(rocksdb::ReadOptions{})};
  bool oldest = true;
  for (it->Seek("j"); it->Valid() && it->key().starts_with("j"); it->Next()) {
    auto value = it->value().ToStringView();
    if (!oldest && value.find(subject) == std::string_view::npos) continue;
    auto line = wire::decode<event>(value);
    if (!line) return tl::unexpected<error>(line.error());
    if (oldest) out.since = line->time, out.whole = line->id == 1;
    oldest = false;
    if (line->subject == subject) out.changes.push_back(std::move(*line));
  }
  if (!it->status().ok()) return tl::unexpected<error>(failed(it->status(), "catalog journal"));
  return out;
}

result<std::optional<partition_row>> catalog_store::stored_partition(partition_id id) const {
  std::string stored;
  auto status = impl_->db->Get(rocksdb::ReadOptions{}, "p" + big_endian(id.value), &stored);
  if (status.IsNotFound()) return std::optional<partition_row>{};
  if (!status.ok()) return tl::unexpected<error>(failed(status, "catalog"));
  auto row = wire::decode<partition_row>(stored);
  if (!row) return tl::unexpected<error>(row.error());
  return std::optional{std::move(*row)};
}

} // namespace harbinger
