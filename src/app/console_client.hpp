#pragma once

#include <string>
#include <vector>

#include "core/result.hpp"
#include "core/time.hpp"
#include "net/requester.hpp"

namespace harbinger {

/// Asks the daemon that runs with a state directory. Blocking, one object a thread.
class console_client {
public:
  /// unavailable at once when no daemon listens there.
  static result<console_client> connect(const std::string& state_dir);
  /// The document (messages/events.hpp), or why there is none. timeout: no answer in time.
  result<std::string> ask(const std::vector<std::string>& words, duration timeout);

private:
  explicit console_client(net::requester requester) : requester_(std::move(requester)) {}
  net::requester requester_;
};

/// How long an answer to this line may take: a little longer than the daemon's own limit.
duration console_timeout(const std::vector<std::string>& words);

/// A line of the console as words; '...' and "..." keep blanks together. invalid_argument: a quote
/// is not closed.
result<std::vector<std::string>> split_words(const std::string& line);

} // namespace harbinger
