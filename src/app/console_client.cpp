#include "app/console_client.hpp"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "messages/events.hpp"

namespace harbinger {
namespace {

/// ZeroMQ would wait for a socket that nobody has; this says at once what is wrong.
result<> somebody_listens(const std::string& path, const std::string& state_dir) {
  sockaddr_un to{};
  if (path.size() >= sizeof to.sun_path)
    return fail(errc::invalid_argument, path + ": too long for a socket");
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, path.c_str(), path.size() + 1);
  int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return fail(errc::io, std::string{"socket: "} + std::strerror(errno));
  int connected = ::connect(probe, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  auto why = errno;
  ::close(probe);
  if (connected == 0) return {};
  if (why == EACCES || why == EPERM)
    return fail(errc::unavailable, path + ": belongs to another user");
  return fail(errc::unavailable, "no harbingerd runs with the state directory " + state_dir + " ("
                                     + std::strerror(why) + ")");
}

} // namespace

result<console_client> console_client::connect(const std::string& state_dir) {
  auto path = state_dir + "/console.sock";
  if (auto listens = somebody_listens(path, state_dir); !listens)
    return tl::unexpected<error>(listens.error());
  auto requester = net::requester::connect("ipc://" + path);
  if (!requester) return tl::unexpected<error>(requester.error());
  return console_client{std::move(*requester)};
}

result<std::string> console_client::ask(const std::vector<std::string>& words, duration timeout) {
  auto reply = requester_.call<console_reply>(console_request{words}, timeout);
  if (!reply) return tl::unexpected<error>(reply.error());
  return std::move(reply->document);
}

duration console_timeout(const std::vector<std::string>& words) {
  if (words.empty()) return seconds(7);
  if (words[0] == "verify") return seconds(605);
  if (words[0] == "explain" || words[0] == "events") return seconds(62); // of the past
  return words[0] == "drill" || words[0] == "rebuild" ? seconds(125) : seconds(7);
}

result<std::vector<std::string>> split_words(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  bool inside = false;
  char quote = 0;
  for (char c : line) {
    if (quote != 0) {
      if (c == quote)
        quote = 0;
      else
        word += c;
    } else if (c == '"' || c == '\'') {
      quote = c, inside = true;
    } else if (c == ' ' || c == '\t') {
      if (inside) words.push_back(std::exchange(word, {}));
      inside = false;
    } else {
      word += c, inside = true;
    }
  }
  if (quote != 0) return fail(errc::invalid_argument, "a quote is not closed");
  if (inside) words.push_back(word);
  return words;
}

} // namespace harbinger
