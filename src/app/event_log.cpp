#include "app/event_log.hpp"

#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

namespace harbinger {
namespace {

using json = nlohmann::json;
namespace fs = std::filesystem;

std::string newest_file(const std::string& directory) { return directory + "/events.jsonl"; }
std::string older_file(const std::string& directory) { return directory + "/events.1.jsonl"; }

/// Text from elsewhere may be no UTF-8; it is shown with replacement characters then, never
/// refused.
std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json to_json(const event& e) {
  return {{"id", e.id},        {"time", e.time.value}, {"level", name_of(e.level)},
          {"kind", e.kind},    {"subject", e.subject}, {"text", e.text},
          {"fields", e.fields}};
}

std::optional<event> from_json(const std::string& line) {
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

} // namespace

result<event_log> event_log::open(const std::string& directory) {
  event_log log;
  log.directory_ = directory;
  log.read(older_file(directory));
  log.read(newest_file(directory));
  std::error_code none;
  auto size = fs::file_size(newest_file(directory), none);
  log.file_bytes_ = none ? 0 : size;
  log.file_.open(newest_file(directory), std::ios::app | std::ios::binary);
  if (!log.file_) return fail(errc::io, newest_file(directory) + " can not be written");
  // A line that a crash cut must not swallow the next one.
  log.torn_ = log.file_bytes_ > 0;
  return log;
}

void event_log::read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) continue;
    auto e = from_json(line);
    if (!e || e->id <= last_id_) {
      ++unreadable_;
      if (!e) ++last_id_; // it had a number, and somebody may have seen it
      continue;
    }
    last_id_ = e->id;
    kept_.push_back(std::move(*e));
    if (kept_.size() > kept_max) kept_.pop_front();
  }
}

event_log::added event_log::add(event what, unix_ms now) {
  what.id = ++last_id_;
  what.time = now;
  kept_.push_back(what);
  if (kept_.size() > kept_max) kept_.pop_front();
  bool written = append(what);
  return {std::move(what), written};
}

bool event_log::append(const event& what) {
  auto line = dump(to_json(what)) + '\n';
  if (torn_) line.insert(0, 1, '\n'); // a full disk may have cut the line before
  if (file_bytes_ + line.size() > file_bytes_max) {
    file_.close();
    std::error_code ignored;
    fs::rename(newest_file(directory_), older_file(directory_), ignored);
    file_bytes_ = 0;
    file_.clear();
    file_.open(newest_file(directory_), std::ios::trunc | std::ios::binary);
  }
  file_.clear();
  file_ << line << std::flush;
  file_bytes_ += line.size();
  torn_ = !file_.good();
  return !torn_;
}

std::string event_log::list(uint64_t since, size_t limit) const {
  limit = std::min(limit, listed_max);
  auto first = std::upper_bound(kept_.begin(), kept_.end(), since,
                                [](uint64_t id, const event& e) { return id < e.id; });
  auto count = std::min<size_t>(limit, static_cast<size_t>(kept_.end() - first));
  if (since == 0) first = kept_.end() - static_cast<std::ptrdiff_t>(count);
  json rows = json::array();
  for (auto it = first; it != first + static_cast<std::ptrdiff_t>(count); ++it)
    rows.push_back(
        {it->id, it->time.value, name_of(it->level), it->kind, it->subject, it->text, it->fields});
  return dump(
      {{"columns", {"id", "time", "level", "kind", "subject", "text", "fields"}}, {"rows", rows}});
}

} // namespace harbinger
