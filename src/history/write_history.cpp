#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "core/digest.hpp"
#include "history/check.hpp"
#include "history/csv.hpp"
#include "history/files.hpp"
#include "history/history_file.hpp"
#include "history/packed.hpp"
#include "messages/common.hpp"

namespace harbinger {
namespace {
namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

/// One table: lines go in, a compressed file and its line in the header come out.
class part {
public:
  template <class Field>
  part& operator<<(const Field& field) {
    if (!first_) line_ += ',';
    first_ = false;
    append_csv(line_, field);
    return *this;
  }
  void end_line() {
    line_ += '\n';
    packer_.add(line_);
    line_.clear();
    first_ = true;
  }
  result<json> save(const std::string& directory, const std::string& name) {
    auto text_bytes = packer_.bytes_in();
    auto bytes = packer_.finish();
    if (bytes.size() > history_part_bytes_max)
      return fail(errc::oversize, name + " would have more than 4 GiB");
    if (auto ok = write_file(directory + '/' + name, bytes); !ok) return tl::unexpected(ok.error());
    return json{{"name", name},
                {"bytes", bytes.size()},
                {"text_bytes", text_bytes},
                {"xxh3", hex64(checksum64(bytes))}};
  }

private:
  packer packer_;
  std::string line_;
  bool first_ = true;
};

using text = std::string_view;

part nodes_part(const history& h) {
  std::set<std::string> attributes;
  for (const auto& n : h.nodes)
    for (const auto& [name, value] : n.attributes) attributes.insert(name);
  part out;
  for (auto name : {"node", "fleet", "first_ms", "last_ms", "known_ms"}) out << text(name);
  for (const auto& name : attributes) out << text("attribute:" + name);
  out.end_line();
  for (const auto& n : h.nodes) {
    out << text(n.id.value) << text(n.fleet) << n.first_ms << n.last_ms << n.known_ms;
    for (const auto& name : attributes) {
      auto it = n.attributes.find(name);
      out << (it == n.attributes.end() ? text{} : text(it->second));
    }
    out.end_line();
  }
  return out;
}

part samples_part(const history& h) {
  part out;
  bool arrivals = std::any_of(h.samples.begin(), h.samples.end(),
                              [](const auto& s) { return s.arrived_ms != 0; });
  out << text("node") << text("time_ms");
  if (arrivals) out << text("arrived_ms");
  for (const auto& m : h.metrics) out << text(m.name);
  out.end_line();
  for (const auto& s : h.samples) {
    out << text(h.nodes[s.node].id.value) << s.time_ms;
    if (arrivals && s.arrived_ms != 0) out << s.arrived_ms;
    if (arrivals && s.arrived_ms == 0) out << text{};
    for (double x : s.values) out << x;
    out.end_line();
  }
  return out;
}

part events_part(const history& h) {
  part out;
  for (auto name : {"node", "time_ms", "what", "code", "count", "back_ms"}) out << text(name);
  out.end_line();
  for (const auto& e : h.events) {
    out << text(h.nodes[e.node].id.value) << e.time_ms << name_of(e.what) << text(e.code) << e.count
        << e.back_ms;
    out.end_line();
  }
  return out;
}

json header_of(const history& h) {
  json metrics = json::array();
  for (const auto& m : h.metrics)
    metrics.push_back({{"name", m.name},
                       {"unit", m.unit},
                       {"reading", name_of(m.reading)},
                       {"comparable", m.comparable},
                       {"floor", m.floor}});
  return {{"format", "harbinger-history"},
          {"version", history_version},
          {"name", h.name},
          {"source", h.source},
          {"on_change", h.on_change},
          {"metrics", std::move(metrics)},
          {"numbers", h.numbers},
          {"categories", h.categories},
          {"nodes", h.nodes.size()},
          {"samples", h.samples.size()},
          {"events", h.events.size()},
          {"files", json::array()}};
}

result<> fill_directory(const std::string& directory, const history& h) {
  auto header = header_of(h);
  using made_by = std::pair<const char*, part (*)(const history&)>;
  for (const auto& [name, make] : {made_by{"nodes.csv.zst", nodes_part},
                                   {"samples.csv.zst", samples_part},
                                   {"events.csv.zst", events_part}}) {
    auto saved = make(h).save(directory, name);
    if (!saved) return tl::unexpected(saved.error());
    header["files"].push_back(std::move(*saved));
  }
  std::string text;
  try {
    text = header.dump(2) + '\n';
  } catch (const nlohmann::json::exception&) {
    return fail(errc::invalid_argument, "a name in the history is not UTF-8");
  }
  if (text.size() > history_header_bytes_max)
    return fail(errc::oversize, "the header would have more than 4 MiB");
  if (auto ok = write_file(directory + "/history.json", text); !ok) return ok;
  sync_directory(directory);
  return {};
}

/// Whether `directory` may be made, or replaced.
result<bool> look(const std::string& directory, existing what) {
  std::error_code error;
  auto status = fs::symlink_status(directory, error);
  if (status.type() == fs::file_type::not_found) return false;
  if (what == existing::refuse) return fail(errc::conflict, directory + " exists");
  bool replaceable = status.type() == fs::file_type::directory
                     && (fs::is_regular_file(directory + "/history.json", error)
                         || fs::is_empty(directory, error));
  if (!replaceable || error)
    return fail(errc::conflict, directory + " is no history, so it is not replaced");
  return true;
}

result<> put_in_place(const std::string& made, const std::string& directory, bool there) {
  if (!there) {
    // Refuses a directory that came up in the meantime, unless it is empty.
    if (::rename(made.c_str(), directory.c_str()) != 0) return os_error(directory);
    return {};
  }
  if (::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, directory.c_str(), RENAME_EXCHANGE) != 0)
    return os_error(directory);
  std::error_code ignored;
  fs::remove_all(made, ignored); // holds the old one now
  return {};
}
} // namespace

result<> write_history(const std::string& given, const history& h, existing what) {
  if (auto ok = check_history(h); !ok) return ok;
  auto directory = given;
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  auto there = look(directory, what);
  if (!there) return tl::unexpected(there.error());
  auto made = directory + ".part-" + std::to_string(::getpid());
  std::error_code error;
  fs::remove_all(made, error);
  fs::create_directories(made, error);
  if (error) return fail(errc::io, made + ": " + error.message());
  auto done = fill_directory(made, h);
  if (done) done = put_in_place(made, directory, *there);
  if (!done) fs::remove_all(made, error);
  if (done)
    sync_directory(fs::path(directory).parent_path().empty()
                       ? "."
                       : fs::path(directory).parent_path().string());
  return done;
}

} // namespace harbinger
