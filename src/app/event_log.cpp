#include "app/event_log.hpp"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <sstream>

#include <nlohmann/json.hpp>

#include "app/event_files.hpp"

namespace harbinger {
namespace {

using json = nlohmann::json;
namespace fs = std::filesystem;

/// Text from elsewhere may be no UTF-8; it is shown with replacement characters then, never
/// refused.
std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace

/// Of one file.
struct event_log::contents {
  std::vector<event> events;
  size_t unreadable = 0;
  uint64_t last_id = 0; ///< given so far: also of lines that can not be read, somebody may have
                        ///< seen theirs

  void read(const std::string& line) {
    if (line.empty()) return;
    auto e = event_files::parse_line(line);
    if (!e || e->id <= last_id) {
      ++unreadable;
      if (!e) ++last_id;
      return;
    }
    last_id = e->id;
    events.push_back(std::move(*e));
  }
  static contents of(std::istream& in) {
    contents out;
    for (std::string line; std::getline(in, line);) out.read(line);
    return out;
  }
};

result<event_log> event_log::open(const std::string& directory, uint64_t limit_bytes) {
  event_log log;
  log.directory_ = directory;
  log.limit_bytes_ = limit_bytes;
  event_files::prepare(directory);
  auto path = event_files::current_file(directory);
  std::ifstream in(path, std::ios::binary);
  auto newest = contents::of(in);
  if (!newest.events.empty()) {
    log.first_id_ = newest.events.front().id;
    log.opened_ms_ = newest.events.front().time.value;
  }
  log.take(std::move(newest));
  std::error_code none;
  auto size = fs::file_size(path, none);
  log.file_bytes_ = none ? 0 : size;
  log.file_.open(path, std::ios::app | std::ios::binary);
  if (!log.file_) return fail(errc::io, path + " can not be written");
  // A line that a crash cut must not swallow the next one.
  log.torn_ = log.file_bytes_ > 0;
  return log;
}

/// The newest file, and of the closed ones before it what memory has room for.
void event_log::take(contents&& newest) {
  auto files = event_files::closed(directory_);
  std::vector<contents> parts;
  size_t have = newest.events.size();
  parts.push_back(std::move(newest));
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    if (have >= kept_max) break;
    auto text = event_files::read_closed(directory_, *file);
    if (!text) continue; // readers of the whole journal tell
    std::istringstream in(std::move(*text));
    parts.push_back(contents::of(in));
    have += parts.back().events.size();
  }
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    unreadable_ += part->unreadable;
    last_id_ = part->events.empty() ? last_id_ + part->last_id : std::max(last_id_, part->last_id);
    std::move(part->events.begin(), part->events.end(), std::back_inserter(kept_));
  }
  while (kept_.size() > kept_max) kept_.pop_front();
}

event_log::added event_log::add(event what, unix_ms now) {
  what.id = ++last_id_;
  what.time = now;
  kept_.push_back(what);
  if (kept_.size() > kept_max) kept_.pop_front();
  added out;
  out.closed = file_bytes_ >= segment_bytes() && close_segment();
  out.written = append(what);
  out.stored = std::move(what);
  return out;
}

uint64_t event_log::segment_bytes() const { return std::min(segment_bytes_max, limit_bytes_ / 4); }

bool event_log::close_segment() {
  file_.close();
  auto closed =
      event_files::close_current(directory_, first_id_ > 0 ? first_id_ : last_id_, opened_ms_);
  bool too_much = !closed && file_bytes_ > limit_bytes_; // there is no other way to keep the limit
  file_.clear();
  file_.open(event_files::current_file(directory_),
             (closed || too_much ? std::ios::trunc : std::ios::app) | std::ios::binary);
  if (!closed && !too_much) return false;
  file_bytes_ = 0;
  first_id_ = 0;
  torn_ = false;
  event_files::keep_limit(directory_, limit_bytes_ - segment_bytes());
  return closed.has_value();
}

bool event_log::append(const event& what) {
  auto line = event_files::format_line(what) + '\n';
  if (torn_) line.insert(0, 1, '\n'); // a full disk may have cut the line before
  file_.clear();
  file_ << line << std::flush;
  file_bytes_ += line.size();
  torn_ = !file_.good();
  if (!torn_ && first_id_ == 0) {
    first_id_ = what.id;
    opened_ms_ = what.time.value;
  }
  return !torn_;
}

std::string event_log::list(uint64_t since, size_t limit) const {
  limit = std::min(limit, listed_max);
  auto first = std::upper_bound(kept_.begin(), kept_.end(), since,
                                [](uint64_t id, const event& e) { return id < e.id; });
  auto count = std::min<size_t>(limit, static_cast<size_t>(kept_.end() - first));
  if (since == 0) first = kept_.end() - static_cast<std::ptrdiff_t>(count);
  std::vector<const event*> chosen;
  for (auto it = first; it != first + static_cast<std::ptrdiff_t>(count); ++it)
    chosen.push_back(&*it);
  return events_document(chosen);
}

std::string events_document(const std::vector<const event*>& events) {
  json rows = json::array();
  for (const auto* e : events)
    rows.push_back(
        {e->id, e->time.value, name_of(e->level), e->kind, e->subject, e->text, e->fields});
  return dump(
      {{"columns", {"id", "time", "level", "kind", "subject", "text", "fields"}}, {"rows", rows}});
}

} // namespace harbinger
