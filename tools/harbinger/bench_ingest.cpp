#include <chrono>
#include <random>
#include <thread>

#include <msgpack.hpp>
#include <zmq.hpp>

#include "app/process.hpp"
#include "bench.hpp"
#include "predict/features.hpp"
#include "telemetry/gate.hpp"
#include "telemetry/metrics.hpp"
#include "wire/codec.hpp"
#include "wire/telemetry_codec.hpp"

namespace harbinger {

namespace {

using steady = std::chrono::steady_clock;
constexpr uint32_t nodes = 500;
constexpr uint32_t batches_per_node = 40;
constexpr uint32_t rows_per_batch = 5;
constexpr int64_t wall_ms = 1'800'000'000'000;

std::string node_name(uint32_t n) { return "n" + std::to_string(n); }

/// What `nodes` nodes publish in a while, encoded; one after another as they would come.
std::vector<std::string> make_payload() {
  std::mt19937_64 engine(1);
  std::uniform_real_distribution<double> uniform;
  auto metrics = telemetry::catalogue_specs();
  std::vector<std::string> bodies;
  for (uint32_t b = 0; b < batches_per_node; ++b) {
    for (uint32_t n = 0; n < nodes; ++n) {
      telemetry_batch batch{node_id{node_name(n)}, incarnation{1}, b + 1, metrics, {}};
      for (uint32_t r = 0; r < rows_per_batch; ++r) {
        sample_row row{unix_ms{wall_ms + (b * rows_per_batch + r) * 1000}, {}};
        for (const auto& metric : metrics)
          row.values.push_back(metric.kind == metric_kind::counter
                                   ? (b * rows_per_batch + r) * 100.0 + uniform(engine)
                                   : uniform(engine));
        batch.rows.push_back(std::move(row));
      }
      bodies.push_back(wire::encode(batch));
    }
  }
  return bodies;
}

/// Sends the payload through a pair of loopback sockets and has `take` called with each body;
/// returns seconds.
template <class Take>
double receive_all(const std::vector<std::string>& bodies, Take take) {
  zmq::context_t context(1);
  zmq::socket_t receiver(context, ZMQ_PULL);
  receiver.bind("tcp://127.0.0.1:*");
  auto endpoint = receiver.get(zmq::sockopt::last_endpoint);
  std::thread sender([&] {
    zmq::socket_t socket(context, ZMQ_PUSH);
    socket.connect(endpoint);
    for (const auto& body : bodies) socket.send(zmq::buffer(body));
    socket.set(zmq::sockopt::linger, -1);
  });
  zmq::message_t message;
  (void)receiver.recv(message); // the first one starts the clock
  take(std::string_view(message.data<char>(), message.size()));
  auto begun = steady::now();
  for (size_t i = 1; i < bodies.size(); ++i) {
    (void)receiver.recv(message);
    take(std::string_view(message.data<char>(), message.size()));
  }
  double seconds = to_seconds(steady::now() - begun);
  sender.join();
  return seconds;
}

} // namespace

result<bench_rows> bench_ingest(const bench_options& options) {
  auto bodies = make_payload();
  const double rows = static_cast<double>(bodies.size()) * rows_per_batch;
  std::vector<node_row> known;
  for (uint32_t n = 0; n < nodes; ++n) {
    node_row row;
    row.id = node_id{node_name(n)};
    row.life = incarnation{1};
    known.push_back(row);
  }
  std::vector<double> ours, bare;
  for (uint32_t run = 0; run < options.runs; ++run) {
    if (interrupted()) return fail(errc::cancelled, "interrupted");
    wire::telemetry_reader reader;
    telemetry::gate gate;
    gate.set_nodes(known, true);
    predict::feature_engine engine(predict::make_scales({60, 600, 3600}, 3600, 10));
    ours.push_back(rows / receive_all(bodies, [&](std::string_view body) {
                     auto batch = reader.read(body);
                     if (!batch) return;
                     if (auto accepted =
                             gate.admit(std::move(*batch), unix_ms{wall_ms + 1'000'000}))
                       engine.add(*accepted, wall_ms);
                   }));
    if (gate.counters().rows_accepted != bodies.size() * rows_per_batch)
      return fail(errc::internal, "the gate accepted "
                                      + std::to_string(gate.counters().rows_accepted)
                                      + " rows only");
    uint64_t fields = 0;
    bare.push_back(rows / receive_all(bodies, [&](std::string_view body) {
                     auto handle = msgpack::unpack(body.data(), body.size());
                     fields += handle.get().via.map.size;
                   }));
    if (fields == 0) return fail(errc::internal, "nothing was unpacked");
    if (options.say)
      options.say("ingest " + std::to_string(run + 1) + '/' + std::to_string(options.runs));
  }
  return bench_rows{make_row("ingest", "decode + validate + features", "rows/s", better::more, ours,
                             "bare ZeroMQ + msgpack::unpack", bare, 0.8)};
}

} // namespace harbinger
