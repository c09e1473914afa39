#include "actors/telemetry_bridge.hpp"

#include <bit>
#include <chrono>
#include <mutex>
#include <stdexcept>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/names.hpp"
#include "wire/telemetry_codec.hpp"

namespace harbinger {

/// Batches that wait for credit. Used by the reactor's thread (put) and by the actor (credit).
class telemetry_inbox {
public:
  static constexpr size_t waiting_max =
      4096; ///< batches; beyond it the newest is dropped and counted
  static constexpr size_t in_flight_max = 1024; ///< batches handed on and not acknowledged
  /// No word from the ingestor for so long: what it had is gone with it.
  static constexpr auto silence_max = std::chrono::seconds(2);

  explicit telemetry_inbox(context_ptr ctx) : ctx_(std::move(ctx)) {}

  void put(net::incoming&& in) {
    std::lock_guard guard(mutex_);
    auto batch = in.message.type == telemetry_batch::wire_name
                     ? reader_.read(in.message.body)
                     : result<telemetry_rows>(fail(errc::unsupported, in.message.type));
    if (!batch) {
      ++malformed_;
      ++waiting_.malformed;
      if (std::has_single_bit(malformed_)) // 1, 2, 4 ...: said, but never a flood
        spdlog::warn("telemetry_refused count={} reason=\"{}\"", malformed_,
                     to_string(batch.error()));
    } else if (waiting_.batches.size() >= waiting_max) {
      ++dropped_;
      ++waiting_.dropped;
    } else {
      waiting_.batches.push_back(std::move(*batch));
    }
    hand_on();
  }

  void credit(uint64_t batches) {
    std::lock_guard guard(mutex_);
    in_flight_ -= std::min<uint64_t>(batches, in_flight_);
    heard_ = std::chrono::steady_clock::now();
    hand_on();
  }

  std::string show(const net::reactor_counters& socket) {
    std::lock_guard guard(mutex_);
    nlohmann::ordered_json out{{"batches_handed_on", handed_on_},
                               {"waiting", waiting_.batches.size()},
                               {"in_flight", in_flight_},
                               {"malformed", malformed_},
                               {"dropped", dropped_},
                               {"frames_refused", socket.malformed.load()}};
    return out.dump();
  }

private:
  void hand_on() {
    auto now = std::chrono::steady_clock::now();
    if (in_flight_ > 0 && now - heard_ > silence_max) in_flight_ = 0;
    if (in_flight_ >= in_flight_max || (waiting_.batches.empty() && waiting_.malformed == 0))
      return;
    auto count = waiting_.batches.size();
    if (!ctx_->names.find(names::telemetry_ingestor))
      return; // it is being restarted: what came waits
    tell_from_outside<telemetry_ingestor_actor>(ctx_, names::telemetry_ingestor,
                                                std::move(waiting_));
    waiting_ = {};
    if (in_flight_ == 0) heard_ = now;
    in_flight_ += count;
    handed_on_ += count;
  }

  context_ptr ctx_;
  std::mutex mutex_;
  wire::telemetry_reader reader_;
  telemetry_received waiting_;
  uint64_t in_flight_ = 0, malformed_ = 0, dropped_ = 0, handed_on_ = 0;
  std::chrono::steady_clock::time_point heard_{};
};

telemetry_bridge_actor::behavior_type
telemetry_bridge(telemetry_bridge_actor::stateful_pointer<telemetry_bridge_state> self,
                 context_ptr ctx) {
  auto& state = self->state;
  state.inbox = std::make_shared<telemetry_inbox>(ctx);
  state.reactor = std::make_unique<net::reactor>();
  net::socket_options socket;
  socket.kind = net::socket_kind::subscriber;
  socket.endpoint = ctx->config->endpoints.telemetry;
  socket.bind = true;
  socket.message_bytes_max = telemetry_body_max + 1024;
  if (auto added = state.reactor->add(socket); !added)
    throw std::runtime_error("endpoints.telemetry " + socket.endpoint + ": "
                             + to_string(added.error()));
  state.reactor->start([inbox = state.inbox](net::incoming&& in) { inbox->put(std::move(in)); });
  return {
      [=](const tick& taken) { self->state.inbox->credit(taken.round); },
      [=](const show_request&) {
        return show_reply{self->state.inbox->show(self->state.reactor->counters())};
      },
  };
}

} // namespace harbinger
