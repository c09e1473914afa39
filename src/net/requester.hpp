#pragma once

/// A blocking client of one router: for command lines, tests and the client library. Not
/// thread-safe.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "core/time.hpp"
#include "wire/codec.hpp"

namespace harbinger::net {

class requester {
public:
  /// Connects in the background; nothing fails before the first call times out. invalid_argument:
  /// bad endpoint.
  static result<requester> connect(const std::string& endpoint);
  requester(requester&&) noexcept;
  requester& operator=(requester&&) noexcept;
  ~requester();

  /// Sends and waits for the reply with the same id; older replies are dropped. timeout when none
  /// comes in time.
  template <class Reply, class Request>
  result<Reply> call(const Request& request, duration timeout) {
    auto id = send(wire::frame{std::string{Request::wire_name}, 0, wire::encode(request)});
    auto reply = receive_id(id, timeout);
    if (!reply) return tl::unexpected<error>(reply.error());
    return wire::read_frame<Reply>(*reply);
  }

  /// Pipelined use: send returns the id given to the request; receive the next reply, whichever it
  /// is.
  uint64_t send(wire::frame request);
  std::optional<wire::frame> receive(duration timeout);
  result<wire::frame> receive_id(uint64_t id, duration timeout);
  /// Until one of them has something to receive, or a signal came, or the time is over.
  static void wait_any(const std::vector<requester*>& of, duration timeout);

private:
  struct impl;
  explicit requester(std::unique_ptr<impl> impl);
  std::unique_ptr<impl> impl_;
};

} // namespace harbinger::net
