#include "app/config_history.hpp"

#include <cerrno>
#include <cstring>
#include <set>

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

namespace harbinger {
namespace {

using json = nlohmann::json;

config_history::entry entry_from(const json& j) {
  config_history::entry e;
  e.id = j.at("id").get<uint64_t>();
  e.time = unix_ms{j.at("time").get<int64_t>()};
  e.kind = j.at("kind").get<std::string>();
  e.undoes = j.at("undoes").get<uint64_t>();
  for (const auto& c : j.at("changes"))
    e.changes.push_back({c.at("key").get<std::string>(), c.at("from").get<std::string>(),
                         c.at("to").get<std::string>()});
  e.before = j.at("before").get<std::map<std::string, std::string>>();
  e.after = j.at("after").get<std::map<std::string, std::string>>();
  return e;
}

result<> write_whole(const std::string& path, int flags, const std::string& text) {
  int file = ::open(path.c_str(), flags | O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) return fail(errc::io, path + ": " + std::strerror(errno));
  size_t done = 0;
  while (done < text.size()) {
    auto n = ::write(file, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    done += static_cast<size_t>(n);
  }
  bool durable = done == text.size() && ::fsync(file) == 0;
  auto why = errno;
  ::close(file);
  if (durable) return {};
  return fail(why == ENOSPC ? errc::no_space : errc::io, path + ": " + std::strerror(why));
}

} // namespace

std::string config_history::line_of(const entry& e) {
  json changes = json::array();
  for (const auto& c : e.changes)
    changes.push_back({{"key", c.key}, {"from", c.from}, {"to", c.to}});
  json j{{"id", e.id},         {"time", e.time.value}, {"kind", e.kind},  {"undoes", e.undoes},
         {"changes", changes}, {"before", e.before},   {"after", e.after}};
  return j.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
}

result<config_history> config_history::parse(std::string_view journal) {
  config_history history;
  size_t number = 0;
  while (!journal.empty()) {
    auto end = journal.find('\n');
    auto line = journal.substr(0, end);
    bool cut = end == std::string_view::npos;
    journal.remove_prefix(cut ? journal.size() : end + 1);
    ++number;
    if (line.empty()) continue;
    try {
      history.add(entry_from(json::parse(line)));
    } catch (const json::exception& e) {
      if (cut) break;
      return fail(errc::malformed, "line " + std::to_string(number) + ": " + e.what());
    }
  }
  return history;
}

std::vector<config_change> config_history::overrides() const {
  std::vector<config_change> changes;
  if (!entries_.empty())
    for (const auto& [key, value] : entries_.back().after) changes.push_back({key, value});
  return changes;
}

result<config_history::entry> config_history::next_to_undo() const {
  std::set<uint64_t> undone;
  for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) {
    if (it->undoes != 0)
      undone.insert(it->undoes);
    else if (!undone.contains(it->id))
      return *it;
  }
  return fail(errc::not_found, "no change is left that could be rolled back");
}

config_history::entry config_history::make(std::string kind, std::vector<config_difference> changes,
                                           std::map<std::string, std::string> after, unix_ms now,
                                           uint64_t undoes) const {
  entry e{1, now, std::move(kind), undoes, std::move(changes), {}, std::move(after)};
  if (!entries_.empty()) {
    e.id = entries_.back().id + 1;
    e.before = entries_.back().after;
  }
  return e;
}

void config_history::add(entry e) {
  entries_.push_back(std::move(e));
  if (entries_.size() > entries_max)
    entries_.erase(entries_.begin(), entries_.begin() + entries_max / 2);
}

result<settings> effective_settings(daemon_role role, std::string_view text,
                                    const std::string& file, const config_history& history,
                                    const std::vector<config_change>& command_line) {
  auto changes = history.overrides();
  changes.insert(changes.end(), command_line.begin(), command_line.end());
  return parse_settings(role, text, file, changes);
}

std::string config_journal_path(const std::string& state_dir) {
  return state_dir + "/config.journal";
}

result<config_history> read_config_journal(const std::string& state_dir) {
  auto text = read_text_file(config_journal_path(state_dir));
  if (!text && text.error().code == errc::not_found) return config_history{};
  if (!text) return tl::unexpected<error>(text.error());
  auto history = config_history::parse(*text);
  if (!history)
    return fail(errc::malformed, config_journal_path(state_dir) + ": " + history.error().detail);
  return history;
}

result<> append_config_journal(const std::string& state_dir, const config_history& history,
                               const config_history::entry& e) {
  auto path = config_journal_path(state_dir);
  if (history.entries().size() + 1 <= config_history::entries_max) {
    auto before = read_text_file(path);
    // After a crash in the middle of a line, the cut line has to go before anything follows it.
    if (before && !before->empty() && before->back() != '\n')
      if (auto cut = ::truncate(path.c_str(), static_cast<off_t>(before->rfind('\n') + 1));
          cut != 0)
        return fail(errc::io, path + ": " + std::strerror(errno));
    return write_whole(path, O_APPEND, config_history::line_of(e));
  }
  auto shortened = history;
  shortened.add(e);
  std::string text;
  for (const auto& kept : shortened.entries()) text += config_history::line_of(kept);
  if (auto written = write_whole(path + ".new", O_TRUNC, text); !written) return written;
  if (::rename((path + ".new").c_str(), path.c_str()) != 0)
    return fail(errc::io, path + ": " + std::strerror(errno));
  return {};
}

} // namespace harbinger
