#include "console.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <set>
#include <thread>

#include <editline/readline.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "app/console_client.hpp"
#include "app/console_routes.hpp"
#include "app/table.hpp"

namespace harbinger {

std::atomic<bool> interrupted{false};

void catch_interrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = true; };
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

namespace {

constexpr auto follow_period = milliseconds(200);
constexpr int history_max = 1000;
constexpr auto completion_timeout = milliseconds(500);

exit_code report(const error& e) {
  std::cerr << "harbinger: " << to_string(e) << '\n';
  return exit_code_of(e.code);
}

exit_code print_answer(const result<std::string>& answer, bool json) {
  if (!answer) return report(answer.error());
  std::cout << (json ? *answer + '\n' : render_document(*answer)) << std::flush;
  return std::cout ? exit_code::ok : exit_code::failure;
}

/// Prints the new events; the highest id seen.
uint64_t print_events(const std::string& document, bool json, uint64_t since) {
  auto listing = nlohmann::json::parse(document, nullptr, false);
  if (!listing.contains("rows")) return since;
  for (size_t i = 0; i < listing["rows"].size(); ++i) {
    if (json) {
      nlohmann::json e;
      for (size_t c = 0; c < listing["columns"].size(); ++c)
        e[listing["columns"][c].get<std::string>()] = listing["rows"][i][c];
      std::cout << e.dump() << '\n';
    } else {
      std::cout << render_event_line(document, i) << '\n';
    }
    since = std::max(since, listing["rows"][i][0].get<uint64_t>());
  }
  std::cout << std::flush;
  return since;
}

/// Words that can follow; what readline asks for with static functions only.
std::vector<std::string> completions;

char* next_completion(const char* text, int state) {
  static size_t at = 0;
  if (state == 0) at = 0;
  while (at < completions.size())
    if (const auto& word = completions[at++]; word.starts_with(text)) return ::strdup(word.c_str());
  return nullptr;
}

/// The daemon of the console that runs; what stands in its listings can be completed.
console_client* completing = nullptr;

/// First column of a listing; empty when nobody answers soon.
std::vector<std::string> names_in(const std::vector<std::string>& listing) {
  auto answer = completing ? completing->ask(listing, completion_timeout)
                           : result<std::string>{fail(errc::unavailable)};
  auto json = nlohmann::json::parse(answer.value_or("{}"), nullptr, false);
  std::vector<std::string> names;
  if (json.is_object() && json.contains("rows"))
    for (const auto& row : json["rows"])
      names.push_back(row.at(0).is_string() ? row[0].get<std::string>() : row.at(0).dump());
  return names;
}

/// What can stand for a word of a usage line: itself, or the names of what it is a name for
/// ("[NODE]").
std::vector<std::string> candidates(std::string word) {
  if (std::islower(static_cast<unsigned char>(word[0]))) return {word};
  std::erase_if(word, [](char c) { return c == '[' || c == ']' || c == '.'; });
  if (word == "ACTOR") return names_in({"tree"});
  if (word == "NODE" || word.starts_with("NODE|")) return names_in({"nodes"});
  if (word == "PARTITION") return names_in({"partitions"});
  if (word == "VERSION") return names_in({"model", "list"});
  if (word == "ID") return names_in({"zones"});
  std::vector<std::string> keys;
  if (word == "KEY")
    for (const auto& key : config_keys()) keys.push_back(key.name);
  return keys;
}

/// Whether the words so far are a beginning of this usage; its names stand for any word.
bool fits(const std::vector<std::string>& usage, const std::vector<std::string>& known) {
  if (usage.size() <= known.size()) return false;
  for (size_t i = 0; i < known.size(); ++i)
    if (std::islower(static_cast<unsigned char>(usage[i][0])) && usage[i] != known[i]) return false;
  return true;
}

char** complete(const char* text, int start, int) {
  completions.clear();
  std::string before(rl_line_buffer, static_cast<size_t>(start));
  auto known = split_words(before).value_or(std::vector<std::string>{});
  std::vector<std::string> lines{"help", "quit"};
  for (auto role : {daemon_role::central, daemon_role::node})
    for (const auto& command : console_commands(role)) lines.push_back(command.usage);
  std::set<std::string> next;
  for (const auto& line : lines) {
    auto usage = split_words(line).value_or(std::vector<std::string>{});
    if (fits(usage, known)) next.insert(usage[known.size()]);
  }
  for (const auto& word : next)
    for (auto& candidate : candidates(word)) completions.push_back(std::move(candidate));
  std::sort(completions.begin(), completions.end());
  completions.erase(std::unique(completions.begin(), completions.end()), completions.end());
  rl_attempted_completion_over = 1;
  return rl_completion_matches(text, next_completion);
}

std::string history_file() {
  const char* home = std::getenv("HOME");
  return home && *home ? std::string{home} + "/.harbinger_history" : std::string{};
}

/// Lines from a terminal, with editing; from anything else as they are. False at the end.
class line_source {
public:
  line_source() : terminal_(::isatty(STDIN_FILENO) == 1) {
    if (!terminal_) return;
    rl_readline_name = const_cast<char*>("harbinger");
    rl_attempted_completion_function = complete;
    using_history();
    stifle_history(history_max);
    if (!history_file().empty()) read_history(history_file().c_str());
  }
  ~line_source() {
    if (terminal_ && !history_file().empty()) write_history(history_file().c_str());
  }

  bool next(std::string& line) {
    if (!terminal_) return static_cast<bool>(std::getline(std::cin, line));
    char* read = readline("harbinger> ");
    if (!read) {
      std::cout << '\n';
      return false;
    }
    line = read;
    std::free(read);
    if (line.find_first_not_of(" \t") != std::string::npos) add_history(line.c_str());
    return true;
  }
  bool terminal() const { return terminal_; }

private:
  bool terminal_;
};

void print_help() {
  for (auto role : {daemon_role::central, daemon_role::node}) {
    std::cout << (role == daemon_role::central ? "central:\n" : "node:\n");
    for (const auto& command : console_commands(role)) {
      auto usage = command.usage;
      usage.resize(std::max<size_t>(usage.size() + 1, 42), ' ');
      std::cout << "  " << usage << command.effect << '\n';
    }
  }
  std::cout << "here:\n  help, quit\n";
}

} // namespace

exit_code ask_and_print(const std::string& state_dir, const std::vector<std::string>& words,
                        bool json) {
  auto client = console_client::connect(state_dir);
  if (!client) return report(client.error());
  return print_answer(client->ask(words, console_timeout(words)), json);
}

exit_code follow_events(const std::string& state_dir, uint64_t since, bool json) {
  catch_interrupt();
  std::string limit = since == 0 ? "20" : "1000";
  bool reached = false;
  while (!interrupted) {
    // Connected anew each time that fails: a restarted daemon is followed on.
    auto client = console_client::connect(state_dir);
    if (!client && !reached) return report(client.error());
    while (client && !interrupted) {
      auto answer = client->ask({"events", std::to_string(since), limit}, seconds(2));
      if (!answer && !reached) return report(answer.error());
      if (!answer) break;
      reached = true;
      limit = "1000";
      since = print_events(*answer, json, since);
      std::this_thread::sleep_for(follow_period);
    }
    std::this_thread::sleep_for(follow_period);
  }
  return exit_code::ok;
}

exit_code run_console(const std::string& state_dir, bool json) {
  auto client = console_client::connect(state_dir);
  if (!client) return report(client.error());
  line_source lines;
  completing = &*client;
  auto last = exit_code::ok;
  for (std::string line; lines.next(line);) {
    auto words = split_words(line);
    if (!words) {
      last = report(words.error());
      continue;
    }
    if (words->empty() || (*words)[0][0] == '#') continue;
    if ((*words)[0] == "quit" || (*words)[0] == "exit") break;
    if ((*words)[0] == "help") {
      print_help();
      continue;
    }
    last = print_answer(client->ask(*words, console_timeout(*words)), json);
    // A restarted daemon has a new socket.
    if (last == exit_code::unreachable)
      if (auto again = console_client::connect(state_dir)) client = std::move(again);
  }
  completing = nullptr;
  return lines.terminal() ? exit_code::ok : last;
}

} // namespace harbinger
