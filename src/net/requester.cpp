#include "net/requester.hpp"

#include <algorithm>
#include <chrono>

#include <zmq.hpp>
#include <zmq_addon.hpp>

namespace harbinger::net {
namespace {
constexpr size_t message_bytes_max = 9 << 20;

/// Never destroyed: at exit it would wait for requesters that other threads still hold.
zmq::context_t& shared_context() {
  static auto* context = new zmq::context_t{1};
  return *context;
}

/// False after `wait`, or when a signal came: callers check the clock and go on.
bool readable(zmq::socket_t& socket, milliseconds wait) {
  zmq::pollitem_t item{socket.handle(), 0, ZMQ_POLLIN, 0};
  try {
    return zmq::poll(&item, 1, std::max(wait, milliseconds(0))) > 0;
  } catch (const zmq::error_t& e) {
    if (e.num() != EINTR) throw;
    return false;
  }
}
} // namespace

struct requester::impl {
  zmq::socket_t socket{shared_context(), zmq::socket_type::dealer};
  std::string endpoint;
  uint64_t last_id = 0;
};

requester::requester(std::unique_ptr<impl> impl) : impl_(std::move(impl)) {}
requester::requester(requester&&) noexcept = default;
requester& requester::operator=(requester&&) noexcept = default;
requester::~requester() = default;

result<requester> requester::connect(const std::string& endpoint) {
  try {
    auto made = std::make_unique<impl>();
    made->endpoint = endpoint;
    made->socket.set(zmq::sockopt::linger, 0);
    made->socket.set(zmq::sockopt::maxmsgsize, static_cast<int64_t>(message_bytes_max));
    made->socket.set(zmq::sockopt::reconnect_ivl, 20);
    made->socket.set(zmq::sockopt::reconnect_ivl_max, 200);
    made->socket.connect(endpoint);
    return requester(std::move(made));
  } catch (const zmq::error_t& e) {
    return fail(errc::invalid_argument, endpoint + ": " + e.what());
  }
}

uint64_t requester::send(wire::frame request) {
  request.id = ++impl_->last_id;
  auto header = wire::encode_header(request.type, request.id);
  // A full queue drops the request: the caller sees a timeout, as for any other lost message.
  if (impl_->socket.send(zmq::buffer(header), zmq::send_flags::sndmore | zmq::send_flags::dontwait))
    (void)impl_->socket.send(zmq::buffer(request.body), zmq::send_flags::dontwait);
  return request.id;
}

std::optional<wire::frame> requester::receive(duration timeout) {
  auto until = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    // Rounded up, so that the last part of a millisecond is slept and not spun away.
    auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
    if (!readable(impl_->socket, left)) {
      if (left <= milliseconds(0)) return std::nullopt;
      continue;
    }
    std::vector<zmq::message_t> parts;
    if (!zmq::recv_multipart(impl_->socket, std::back_inserter(parts), zmq::recv_flags::dontwait))
      continue;
    if (parts.size() != 2) continue;
    auto head = wire::decode_header(parts[0].to_string_view());
    if (head) return wire::frame{std::move(head->type), head->id, parts[1].to_string()};
  }
}

result<wire::frame> requester::receive_id(uint64_t id, duration timeout) {
  auto until = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    auto left = until - std::chrono::steady_clock::now();
    auto reply = left > duration::zero() ? receive(left) : std::nullopt;
    if (!reply) return fail(errc::timeout, impl_->endpoint + " did not answer");
    if (reply->id == id || (reply->id == 0 && reply->type == error_reply::wire_name))
      return *std::move(reply);
  }
}

void requester::wait_any(const std::vector<requester*>& of, duration timeout) {
  std::vector<zmq::pollitem_t> items;
  for (auto* r : of) items.push_back({r->impl_->socket.handle(), 0, ZMQ_POLLIN, 0});
  auto wait = std::max(std::chrono::ceil<milliseconds>(timeout), milliseconds(0));
  try {
    zmq::poll(items.data(), items.size(), wait);
  } catch (const zmq::error_t& e) {
    if (e.num() != EINTR) throw;
  }
}

} // namespace harbinger::net
