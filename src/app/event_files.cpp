#include "app/event_files.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <mutex>

#include <nlohmann/json.hpp>

#include "history/files.hpp"

namespace harbinger::event_files {
namespace {

using json = nlohmann::json;
namespace fs = std::filesystem;

constexpr std::string_view ending = ".jsonl";

std::string older_versions_file(const std::string& state_dir) {
  return state_dir + "/events.1.jsonl";
}

bool each_line_of(std::string_view text, const take_line& take) {
  while (!text.empty()) {
    auto end = std::min(text.find('\n'), text.size());
    if (end > 0 && !take(text.substr(0, end))) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

result<> move_to_closed(const std::string& state_dir, const std::string& from, uint64_t first_id,
                        int64_t opened_ms) {
  segment file{first_id, opened_ms, false, 0, ending};
  auto path = [&] { return closed_directory(state_dir) + '/' + file.name(); };
  while (fs::exists(path())) ++file.number;
  std::error_code error;
  fs::rename(from, path(), error);
  if (error) return fail(errc::io, from + ": " + error.message());
  return {};
}

} // namespace

std::string current_file(const std::string& state_dir) { return state_dir + "/events.jsonl"; }
std::string closed_directory(const std::string& state_dir) { return state_dir + "/events"; }

std::string format_line(const event& e) {
  return json{{"id", e.id},        {"time", e.time.value}, {"level", name_of(e.level)},
              {"kind", e.kind},    {"subject", e.subject}, {"text", e.text},
              {"fields", e.fields}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<event> parse_line(std::string_view line) {
  try {
    auto j = json::parse(line);
    event e;
    e.id = j.at("id").get<uint64_t>();
    e.time = unix_ms{j.at("time").get<int64_t>()};
    e.level = parse_enum<severity>(j.at("level").get<std::string>()).value_or(severity::info);
    e.kind = j.at("kind").get<std::string>();
    e.subject = j.at("subject").get<std::string>();
    e.text = j.at("text").get<std::string>();
    e.fields = j.at("fields").get<std::map<std::string, std::string>>();
    return e;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

void prepare(const std::string& state_dir) {
  std::error_code ignored;
  fs::create_directories(closed_directory(state_dir), ignored);
  auto files = closed(state_dir);
  journal_files::tidy(closed_directory(state_dir), files, ending);
  auto older = older_versions_file(state_dir);
  if (!fs::exists(older, ignored)) return;
  std::ifstream in(older, std::ios::binary);
  std::optional<event> first;
  for (std::string line; !first && std::getline(in, line);) first = parse_line(line);
  (void)move_to_closed(state_dir, older, first ? first->id : 0, first ? first->time.value : 0);
}

std::vector<segment> closed(const std::string& state_dir) {
  return journal_files::list(closed_directory(state_dir), ending).value_or(std::vector<segment>{});
}

result<> close_current(const std::string& state_dir, uint64_t first_id, int64_t opened_ms) {
  std::error_code ignored;
  fs::create_directories(closed_directory(state_dir), ignored); // somebody may have removed it
  return move_to_closed(state_dir, current_file(state_dir), first_id, opened_ms);
}

size_t keep_limit(const std::string& state_dir, uint64_t limit_bytes) {
  auto files = closed(state_dir);
  uint64_t bytes = 0;
  for (const auto& file : files) bytes += file.bytes;
  size_t gone = 0;
  for (; gone < files.size() && bytes > limit_bytes; ++gone) {
    bytes -= files[gone].bytes;
    std::error_code ignored;
    fs::remove(closed_directory(state_dir) + '/' + files[gone].name(), ignored);
  }
  return gone;
}

result<> pack_closed(const std::string& state_dir) {
  static std::mutex one_at_a_time;
  std::lock_guard guard(one_at_a_time);
  for (const auto& file : closed(state_dir)) {
    if (file.packed) continue;
    auto text = journal_files::read_text(closed_directory(state_dir), file);
    if (!text) continue; // it went meanwhile
    auto packed = journal_files::put_packed(closed_directory(state_dir), file, *text);
    if (!packed) return tl::unexpected<error>(packed.error());
  }
  return {};
}

result<std::string> read_closed(const std::string& state_dir, const segment& file) {
  auto text = journal_files::read_text(closed_directory(state_dir), file);
  if (text || file.packed || text.error().code != errc::not_found) return text;
  auto packed = file;
  packed.packed = true;
  return journal_files::read_text(closed_directory(state_dir), packed);
}

size_t each_line(const std::string& state_dir, int64_t from_ms, const take_line& take) {
  // Opened before the closed ones are listed: what is closed meanwhile comes twice, and not never.
  std::ifstream current(current_file(state_dir), std::ios::binary);
  auto files = closed(state_dir);
  size_t lost = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    if (i + 1 < files.size() && files[i + 1].opened_ms < from_ms) continue;
    auto text = read_closed(state_dir, files[i]);
    if (!text && text.error().code != errc::not_found) ++lost;
    if (text && !each_line_of(*text, take)) return lost;
  }
  for (std::string line; std::getline(current, line);)
    if (!line.empty() && !take(line)) break;
  return lost;
}

} // namespace harbinger::event_files
