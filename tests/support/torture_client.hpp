#pragma once

/// One client of a tortured cluster: reads, writes, erases, swaps and counts on keys that others
/// use at the same time, and notes what it was told (torture_judge.hpp).

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "app/client.hpp"
#include "tests/support/torture_judge.hpp"

namespace harbinger::torture {

inline constexpr size_t registers = 10; ///< keys in use at one time
inline constexpr size_t counters = 4;
/// Then other keys are used, so that no history becomes too long to be judged.
inline constexpr auto generation = seconds(4);

inline int64_t now_ns() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

/// The volume of a key: each has one letter for it in front.
struct volumes {
  std::string a, b;
  const std::string& of(const std::string& key) const { return key[0] == 'a' ? a : b; }
};
inline std::string key_in_volume(size_t n, const std::string& rest) {
  return (n % 2 ? "a" : "b") + rest + std::to_string(n);
}
inline std::string counter_key(size_t n) { return key_in_volume(n, ".count."); }

class client {
public:
  /// `deadline` of each call. A client that is not patient gets answers of unknown outcome.
  client(std::string control, volumes where, size_t number, uint64_t seed, duration deadline)
      : control_(std::move(control)), where_(std::move(where)), number_(number), random_(seed) {
    options_.deadline = deadline;
    options_.attempt = milliseconds(250);
    options_.seed = seed + 1;
  }

  /// Until `stop`. `done` counts acknowledged writes.
  void run(const std::atomic<bool>& stop, std::atomic<uint64_t>& done) {
    auto connected = harbinger::client::connect(control_, options_);
    if (!connected) return failed("connect", connected.error());
    service_ = &*connected;
    auto begun = std::chrono::steady_clock::now();
    while (!stop) {
      auto age = (std::chrono::steady_clock::now() - begun) / generation;
      auto key = key_in_volume(random_() % registers, "." + std::to_string(age) + ".");
      auto before = record_.writes.size();
      one(key);
      done += record_.writes.size() - before;
      std::this_thread::sleep_for(std::chrono::microseconds(random_() % 16'000));
    }
    service_ = nullptr;
  }
  const torture::record& noted() const { return record_; }

private:
  void one(const std::string& key) {
    switch (random_() % 20) {
    default: return void(read(key));
    case 7:
    case 8:
    case 9:
    case 10:
    case 11: return put(key);
    case 12: return erase(key);
    case 13:
    case 14:
    case 15: return swap(key);
    case 16:
    case 17:
    case 18:
    case 19: return raise(counter_key(random_() % counters));
    }
  }
  std::string new_value() {
    return "c" + std::to_string(number_) + "." + std::to_string(++values_);
  }
  void failed(const char* doing, const error& why) {
    ++record_.failures[std::string(doing) + ": " + std::string(to_string(why.code))];
  }
  partition_id partition_of(const std::string& key) {
    auto found = service_->partition_of(where_.of(key), key);
    return found ? *found : partition_id{};
  }
  static bool unknown(const error& why) {
    return why.code == errc::timeout && why.detail.starts_with("outcome unknown");
  }

  std::optional<sim::register_value> read(const std::string& key) {
    auto asked = now_ns();
    auto got = service_->get(where_.of(key), key);
    auto answered = now_ns();
    if (!got) return failed("read", got.error()), std::nullopt;
    sim::register_value value;
    if (got->found) value = got->value.data;
    record_.history[key].push_back({sim::operation::kind::read, value, asked, answered});
    record_.versions.push_back(
        {partition_of(key), got->version, asked, answered, false, "read of " + key});
    return value;
  }
  /// A write, as `op` in the history of its key when that is a register.
  void note(const std::string& key, record_op what, sim::operation op, int64_t asked,
            const result<version>& outcome) {
    op.asked = asked;
    op.answered = now_ns();
    if (outcome) {
      record_.versions.push_back({partition_of(key), *outcome, asked, op.answered, true,
                                  key + " by c" + std::to_string(number_) + ", its write "
                                      + std::to_string(record_.writes.size())});
      record_.writes.push_back({partition_of(key), *outcome, std::move(what)});
    } else {
      failed("write", outcome.error());
      if (!unknown(outcome.error())) return; // it did not happen
      op.answered = sim::operation::forever;
    }
    record_.history[key].push_back(std::move(op));
  }
  void put(const std::string& key) {
    auto value = new_value();
    auto asked = now_ns();
    auto outcome = service_->put(where_.of(key), key, value);
    note(key, {op_kind::put, {key}, {value}}, {sim::operation::kind::write, value}, asked, outcome);
  }
  void erase(const std::string& key) {
    auto asked = now_ns();
    auto outcome = service_->erase(where_.of(key), key);
    note(key, {op_kind::erase, {key}, {}}, {sim::operation::kind::write, {}}, asked, outcome);
  }
  void swap(const std::string& key) {
    auto found = read(key);
    if (!found) return;
    compare_and_set(key, *found, new_value());
  }
  result<version> compare_and_set(const std::string& key, const sim::register_value& expected,
                                  const std::string& value) {
    auto asked = now_ns();
    auto outcome = service_->compare_and_set(where_.of(key), key, expected, value);
    if (!outcome && outcome.error().code == errc::condition_failed) {
      record_.history[key].push_back(
          {sim::operation::kind::refused, {}, asked, now_ns(), expected});
      return outcome;
    }
    sim::operation op{sim::operation::kind::swap, value};
    op.expected = expected;
    note(key, {op_kind::put, {key}, {value}}, std::move(op), asked, outcome);
    return outcome;
  }
  /// Not in the histories: values of counters are not unique.
  void raise(const std::string& key) {
    auto got = service_->get(where_.of(key), key);
    if (!got) return failed("read", got.error());
    std::optional<std::string> before;
    if (got->found) before = got->value.data;
    auto next = std::to_string(before ? std::stoull(*before) + 1 : 1);
    auto outcome = service_->compare_and_set(where_.of(key), key, before, next);
    auto& count = record_.counters[key];
    if (outcome) {
      ++count.acknowledged;
      record_.writes.push_back({partition_of(key), *outcome, {op_kind::put, {key}, {next}}});
    } else if (unknown(outcome.error())) {
      ++count.unknown;
      failed("raise", outcome.error());
    } else if (outcome.error().code != errc::condition_failed) {
      failed("raise", outcome.error());
    }
  }

  std::string control_;
  volumes where_;
  size_t number_;
  std::mt19937_64 random_;
  client_options options_;
  harbinger::client* service_ = nullptr;
  uint64_t values_ = 0;
  torture::record record_;
};

} // namespace harbinger::torture
