#include "store/head_codec.hpp"

#include "store/keys.hpp"

namespace harbinger {
namespace {

constexpr char format = 2; // 2: log entries have conditions and clients

struct writer {
  std::string out;
  void number(uint64_t value) { keys::put_be64(out, value); }
  void text(std::string_view value) {
    number(value.size());
    out.append(value);
  }
};

struct reader {
  std::string_view in;
  bool ok = true;
  uint64_t number() {
    if (in.size() < 8) {
      ok = false;
      return 0;
    }
    auto value = keys::get_be64(in);
    in.remove_prefix(8);
    return value;
  }
  std::string text() {
    auto size = number();
    if (!ok || size > in.size()) {
      ok = false;
      return {};
    }
    std::string value(in.substr(0, size));
    in.remove_prefix(size);
    return value;
  }
};

} // namespace

std::string encode_head(const partition_head& h) {
  writer w;
  w.out.push_back(format);
  w.number(h.version.epoch.value);
  w.number(h.version.seq.value);
  w.number(static_cast<uint64_t>(h.role));
  w.number(static_cast<uint64_t>(h.state));
  w.number(h.epoch.value);
  w.number(h.revision.value);
  w.number(h.committed.value);
  w.number(h.undo_start.value);
  for (auto sum : h.digest.sums()) w.number(sum);
  w.number(h.records);
  w.number(h.size_bytes);
  w.number(h.log_start.epoch.value);
  w.number(h.log_start.seq.value);
  w.number(h.history.size());
  for (const auto& start : h.history) {
    w.number(start.epoch.value);
    w.number(start.first_seq.value);
  }
  w.text(h.configuration);
  w.number(h.copy.value);
  w.number(h.chunks);
  w.text(h.cursor);
  w.text(h.failure);
  w.number(checksum64(w.out));
  return std::move(w.out);
}

result<partition_head> decode_head(partition_id partition, std::string_view bytes) {
  auto where = "head of partition " + to_string(partition);
  if (bytes.size() < 9
      || checksum64(bytes.substr(0, bytes.size() - 8))
             != keys::get_be64(bytes.substr(bytes.size() - 8)))
    return fail(errc::checksum, where);
  if (bytes[0] != format)
    return fail(errc::unsupported, where + ": format " + std::to_string(bytes[0]));
  reader r{bytes.substr(1, bytes.size() - 9)};
  partition_head h;
  h.partition = partition;
  h.version.epoch.value = r.number();
  h.version.seq.value = r.number();
  h.role = static_cast<replica_role>(r.number());
  h.state = static_cast<replica_state>(r.number());
  h.epoch.value = r.number();
  h.revision.value = r.number();
  h.committed.value = r.number();
  h.undo_start.value = r.number();
  std::array<uint64_t, digest::buckets> sums{};
  for (auto& sum : sums) sum = r.number();
  h.digest = digest::from_sums(sums);
  h.records = r.number();
  h.size_bytes = r.number();
  h.log_start.epoch.value = r.number();
  h.log_start.seq.value = r.number();
  auto epochs = r.number();
  for (uint64_t i = 0; i < epochs && r.ok; ++i) {
    epoch_start start;
    start.epoch.value = r.number();
    start.first_seq.value = r.number();
    h.history.push_back(start);
  }
  h.configuration = r.text();
  h.copy.value = r.number();
  h.chunks = r.number();
  h.cursor = r.text();
  h.failure = r.text();
  if (!r.ok || !r.in.empty()) return fail(errc::checksum, where + ": wrong length");
  return h;
}

} // namespace harbinger
