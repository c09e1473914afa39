#include <algorithm>
#include <chrono>
#include <sstream>
#include <thread>

#include "app/process.hpp"
#include "bench.hpp"
#include "predict/synthetic_rows.hpp"

namespace harbinger {

namespace {

using namespace predict;
using steady = std::chrono::steady_clock;
constexpr double train_s_max = 60;

struct timed_training {
  double seconds = 0;
  std::string bytes; ///< of the machine
};

/// With the usual hyper-parameters.
result<timed_training> train_once(const char* kind, const training_rows& rows, unsigned threads) {
  if (interrupted()) return fail(errc::cancelled, "interrupted");
  auto begun = steady::now();
  auto trained = train_scorer(kind, rows, {}, nullptr, 1, threads);
  timed_training out;
  out.seconds = to_seconds(steady::now() - begun);
  if (!trained) return tl::unexpected<error>(trained.error());
  std::ostringstream text;
  trained->machine->save(text);
  out.bytes = std::move(text).str();
  return out;
}

result<bench_row> training_row(const bench_options& options, const char* kind,
                               const training_rows& rows, unsigned threads) {
  std::vector<double> ours, alone;
  for (uint32_t run = 0; run < options.runs; ++run) {
    auto several = train_once(kind, rows, threads);
    if (!several) return tl::unexpected<error>(several.error());
    auto one = train_once(kind, rows, 1);
    if (!one) return tl::unexpected<error>(one.error());
    if (several->bytes != one->bytes)
      return fail(errc::internal, std::string(kind) + " depends on the number of threads");
    ours.push_back(several->seconds);
    alone.push_back(one->seconds);
    if (options.say)
      options.say("training " + std::string(kind) + ' ' + std::to_string(run + 1) + '/'
                  + std::to_string(options.runs));
  }
  auto row = make_row("training",
                      std::string(kind) + ", 100,000 x 60, " + std::to_string(threads) + " threads",
                      "s", better::less, ours, "one thread", alone, 1);
  row.value_max = train_s_max;
  return row;
}

} // namespace

result<bench_rows> bench_training(const bench_options& options) {
  auto rows = synthetic_rows({});
  if (!rows) return tl::unexpected<error>(rows.error());
  auto threads = std::max(1u, std::thread::hardware_concurrency());
  bench_rows out;
  for (const char* kind : {"forest", "boosting"}) {
    auto row = training_row(options, kind, *rows, threads);
    if (!row) return tl::unexpected<error>(row.error());
    out.push_back(std::move(*row));
  }
  return out;
}

} // namespace harbinger
