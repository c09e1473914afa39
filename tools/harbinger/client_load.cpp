#include "client_commands.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <mutex>
#include <random>
#include <sstream>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "app/client.hpp"
#include "app/table.hpp"
#include "console.hpp"
#include "core/digest.hpp"

namespace harbinger {
namespace {

using json = nlohmann::json;
using clock_type = std::chrono::steady_clock;

constexpr size_t latencies_kept_max = 2'000'000;
constexpr size_t examples_max = 10;

struct written {
  std::string key;
  uint64_t checksum = 0;
};

/// What the threads share.
class load_board {
public:
  explicit load_board(const client_load_options& options) : options_(options) {
    if (!options.acks.empty()) acks_.open(options.acks, std::ios::app | std::ios::binary);
  }
  bool can_write() const { return options_.acks.empty() || acks_.good(); }

  void acknowledged(const written& w, double ms) {
    std::lock_guard guard(mutex_);
    writes_.push_back(w);
    keep(write_ms_, ms);
    if (acks_.is_open())
      acks_ << options_.volume << '\t' << w.key << '\t' << hex64(w.checksum) << '\n' << std::flush;
  }
  void read(bool right, const std::string& key, double ms) {
    std::lock_guard guard(mutex_);
    ++reads_;
    keep(read_ms_, ms);
    if (right) return;
    ++wrong_;
    if (examples_.size() < examples_max)
      examples_.push_back("acknowledged and not read back: " + key);
  }
  void failed(const char* what, const error& why) {
    std::lock_guard guard(mutex_);
    ++failed_;
    if (examples_.size() < examples_max)
      examples_.push_back(std::string{what} + ": " + to_string(why));
  }
  /// Any acknowledged write; nothing while there is none.
  std::optional<written> pick(std::mt19937_64& engine) const {
    std::lock_guard guard(mutex_);
    if (writes_.empty()) return std::nullopt;
    return writes_[engine() % writes_.size()];
  }

  json summary(double seconds) {
    std::lock_guard guard(mutex_);
    return {{"seconds", seconds},
            {"acknowledged_writes", writes_.size()},
            {"writes_per_s", static_cast<double>(writes_.size()) / seconds},
            {"write_ms", quantiles(write_ms_)},
            {"reads", reads_},
            {"reads_per_s", static_cast<double>(reads_) / seconds},
            {"read_ms", quantiles(read_ms_)},
            {"failed", failed_},
            {"wrong_reads", wrong_},
            {"examples", examples_}};
  }
  bool clean() const { return failed_ == 0 && wrong_ == 0 && can_write(); }

private:
  static void keep(std::vector<float>& list, double ms) {
    if (list.size() < latencies_kept_max) list.push_back(static_cast<float>(ms));
  }
  static json quantiles(std::vector<float>& list) {
    if (list.empty()) return {};
    std::sort(list.begin(), list.end());
    auto at = [&](double q) {
      return list[static_cast<size_t>(q * static_cast<double>(list.size() - 1))];
    };
    return {{"p50", at(0.5)}, {"p99", at(0.99)}, {"max", list.back()}};
  }

  const client_load_options& options_;
  mutable std::mutex mutex_;
  std::ofstream acks_;
  std::vector<written> writes_;
  std::vector<float> write_ms_, read_ms_;
  uint64_t reads_ = 0, wrong_ = 0, failed_ = 0;
  std::vector<std::string> examples_;
};

double ms_since(clock_type::time_point begin) { return to_ms(clock_type::now() - begin); }

std::string random_value(std::mt19937_64& engine, size_t bytes) {
  std::string value(bytes, ' ');
  for (auto& c : value) c = static_cast<char>('a' + engine() % 26);
  return value;
}

bool over(clock_type::time_point begin, const client_load_options& options) {
  return interrupted || (options.seconds > 0 && ms_since(begin) > options.seconds * 1000);
}

void write_loop(const client_target& target, const client_load_options& options, load_board& board,
                const std::string& prefix, uint64_t seed) {
  std::mt19937_64 engine(seed);
  auto begin = clock_type::now();
  auto cluster = client::connect(target.central);
  if (!cluster) return board.failed("connect", cluster.error());
  for (uint64_t number = 0; !over(begin, options); ++number) {
    if (options.writes_per_s > 0)
      std::this_thread::sleep_until(
          begin + from_seconds(static_cast<double>(number) / options.writes_per_s));
    auto key = prefix + std::to_string(number);
    auto value = random_value(engine, options.value_bytes);
    auto sent = clock_type::now();
    auto stored = cluster->put(options.volume, key, value);
    if (stored)
      board.acknowledged({key, checksum64(value)}, ms_since(sent));
    else
      board.failed("write", stored.error());
  }
}

void read_loop(const client_target& target, const client_load_options& options, load_board& board,
               uint64_t seed) {
  std::mt19937_64 engine(seed);
  auto begin = clock_type::now();
  auto cluster = client::connect(target.central);
  if (!cluster) return board.failed("connect", cluster.error());
  while (!over(begin, options)) {
    auto one = board.pick(engine);
    if (!one) {
      std::this_thread::sleep_for(milliseconds(10));
      continue;
    }
    auto sent = clock_type::now();
    auto got = cluster->get(options.volume, one->key);
    if (got)
      board.read(got->found && checksum64(got->value.data) == one->checksum, one->key,
                 ms_since(sent));
    else
      board.failed("read", got.error());
  }
}

exit_code print_summary(const client_target& target, const json& summary, bool clean) {
  std::cout << (target.json ? summary.dump() + '\n' : render_document(summary.dump()))
            << std::flush;
  return clean ? exit_code::ok : exit_code::failure;
}

exit_code verify_acks(const client_target& target, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::cerr << "harbinger: " << path << ": can not be read\n";
    return exit_code::refused;
  }
  auto cluster = client::connect(target.central);
  if (!cluster) {
    std::cerr << "harbinger: " << to_string(cluster.error()) << '\n';
    return exit_code_of(cluster.error().code);
  }
  uint64_t checked = 0, lost = 0, unreadable = 0;
  std::vector<std::string> examples;
  for (std::string line; !interrupted && std::getline(file, line);) {
    std::istringstream parts(line);
    std::string volume, key, checksum;
    if (!std::getline(parts, volume, '\t') || !std::getline(parts, key, '\t')
        || !(parts >> checksum))
      continue;
    ++checked;
    auto got = cluster->get(volume, key);
    bool right = got && got->found && hex64(checksum64(got->value.data)) == checksum;
    if (right) continue;
    ++(got ? lost : unreadable);
    if (examples.size() < examples_max)
      examples.push_back(key + (got ? ": lost" : ": " + to_string(got.error())));
  }
  json summary{
      {"checked", checked}, {"lost", lost}, {"unreadable", unreadable}, {"examples", examples}};
  return print_summary(target, summary, lost == 0 && unreadable == 0);
}

} // namespace

exit_code client_load(const client_target& target, const client_load_options& options) {
  catch_interrupt();
  if (!options.verify.empty()) return verify_acks(target, options.verify);
  {
    auto cluster = client::connect(target.central);
    auto found = cluster ? cluster->volume(options.volume)
                         : result<volume_row>{tl::unexpected<error>(cluster.error())};
    if (!found) {
      std::cerr << "harbinger: " << to_string(found.error()) << '\n';
      return exit_code_of(found.error().code);
    }
  }
  load_board board(options);
  if (!board.can_write()) {
    std::cerr << "harbinger: " << options.acks << ": can not be written\n";
    return exit_code::refused;
  }
  // Keys of their own for each run, so that every acknowledged value stays what it was.
  auto seed = static_cast<uint64_t>(clock_type::now().time_since_epoch().count())
              ^ static_cast<uint64_t>(::getpid()) << 40;
  auto begin = clock_type::now();
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < options.writers; ++i)
    threads.emplace_back([&, i] {
      write_loop(target, options, board, "load/" + hex64(seed) + '/' + std::to_string(i) + '/',
                 seed + i);
    });
  for (uint32_t i = 0; i < options.readers; ++i)
    threads.emplace_back([&, i] { read_loop(target, options, board, ~seed + i); });
  for (auto& thread : threads) thread.join();
  return print_summary(target, board.summary(ms_since(begin) / 1000), board.clean());
}

} // namespace harbinger
