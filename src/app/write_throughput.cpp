#include "app/write_throughput.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "app/process.hpp"
#include "core/digest.hpp"

namespace harbinger {

namespace {

using steady = std::chrono::steady_clock;

struct span_of_time {
  time_point from, until;
};

struct writer_part {
  std::vector<double> taken_ms;
  uint64_t next = 0;
  std::optional<error> failure;
};

void write_on(const one_write& write, span_of_time counted, const std::atomic<bool>& stop,
              writer_part& part) {
  for (auto begun = steady::now(); begun < counted.until && !stop;) {
    if (auto done = write(part.next++); !done) {
      part.failure = done.error();
      return;
    }
    auto ended = steady::now();
    if (begun >= counted.from && ended <= counted.until)
      part.taken_ms.push_back(to_ms(ended - begun));
    begun = ended;
  }
}

} // namespace

double percentile(std::vector<double> values, size_t percent) {
  if (values.empty()) return 0.0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, values.size() * percent / 100)];
}

std::vector<record_op> shaped_batch(const write_shape& shape, size_t writer, uint64_t number) {
  std::vector<record_op> ops;
  ops.reserve(shape.records);
  for (size_t i = 0; i < shape.records; ++i) {
    auto place = (number * shape.records + i) % std::max(shape.keys, 1u);
    auto key = "dir" + std::to_string(writer) + "/file" + std::to_string(place);
    std::string value(shape.value_bytes, '\0');
    uint64_t word = checksum64(key) + number;
    for (auto& byte : value) { // hardly compressible
      word = word * 6364136223846793005u + 1442695040888963407u;
      byte = static_cast<char>(word >> 56);
    }
    ops.push_back({op_kind::put, {std::move(key)}, {std::move(value)}});
  }
  return ops;
}

result<write_figures> measure_writes(const std::vector<one_write>& writers, uint64_t& first,
                                     duration warm_up, duration span) {
  std::vector<writer_part> parts(writers.size());
  std::vector<std::thread> threads;
  std::atomic<bool> stop{false};
  auto from = steady::now() + warm_up;
  span_of_time counted{from, from + span};
  for (size_t i = 0; i < writers.size(); ++i) {
    parts[i].next = first;
    threads.emplace_back([&, i] { write_on(writers[i], counted, stop, parts[i]); });
  }
  while (steady::now() < counted.until && !stop) {
    stop = interrupted();
    std::this_thread::sleep_for(milliseconds(20));
  }
  for (auto& t : threads) t.join();
  std::vector<double> taken;
  uint64_t writes = 0;
  auto begun_at = first;
  for (auto& p : parts) {
    if (p.failure) return tl::unexpected<error>(*p.failure);
    taken.insert(taken.end(), p.taken_ms.begin(), p.taken_ms.end());
    writes += p.next - begun_at;
    first = std::max(first, p.next);
  }
  if (interrupted()) return fail(errc::cancelled, "interrupted");
  return write_figures{static_cast<double>(taken.size()) / to_seconds(span), percentile(taken, 50),
                       percentile(taken, 99), writes};
}

} // namespace harbinger
