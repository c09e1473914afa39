#include "app/daemon_process.hpp"

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <netdb.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace harbinger {
namespace {

/// sun_path holds 108 bytes with its end.
constexpr size_t socket_path_max = 107;

std::string owner_of(int file) {
  char buffer[32] = {};
  auto n = ::pread(file, buffer, sizeof buffer - 1, 0);
  std::string pid(buffer, n > 0 ? static_cast<size_t>(n) : 0);
  while (!pid.empty() && pid.back() == '\n') pid.pop_back();
  return pid.empty() ? "another process" : "process " + pid;
}

struct address_list {
  addrinfo* first = nullptr;
  ~address_list() {
    if (first) ::freeaddrinfo(first);
  }
};

/// `address` is HOST:PORT; HOST may be * for all.
result<> check_address(const char* key, const std::string& address) {
  auto colon = address.rfind(':');
  auto host = address.substr(0, colon), port = address.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  address_list found;
  auto problem =
      ::getaddrinfo(host == "*" ? nullptr : host.c_str(), port.c_str(), &hints, &found.first);
  if (problem != 0)
    return fail(errc::invalid_argument,
                std::string{key} + ": " + address + ": " + ::gai_strerror(problem));
  int probe = ::socket(found.first->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return fail(errc::io, std::string{"socket: "} + std::strerror(errno));
  int yes = 1;
  ::setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  int bound = ::bind(probe, found.first->ai_addr, found.first->ai_addrlen);
  auto why = errno;
  ::close(probe);
  if (bound == 0) return {};
  if (why == EADDRINUSE)
    return fail(errc::in_use, std::string{key} + ": " + address + " is in use by another process");
  return fail(errc::invalid_argument,
              std::string{key} + ": " + address + ": " + std::strerror(why));
}

std::string without_scheme(const std::string& endpoint) {
  return endpoint.starts_with("tcp://") ? endpoint.substr(6) : endpoint;
}

} // namespace

result<state_dir_lock> state_dir_lock::take(const std::string& directory) {
  if (directory.size() + std::strlen("/console.sock") > socket_path_max)
    return fail(errc::invalid_argument,
                "state_dir: " + directory
                    + " is longer than 94 bytes, too long for the console's socket");
  std::error_code problem;
  bool fresh = std::filesystem::create_directories(directory, problem);
  if (problem) return fail(errc::io, "state_dir: " + directory + ": " + problem.message());
  if (fresh) std::filesystem::permissions(directory, std::filesystem::perms{0750}, problem);
  auto path = directory + "/lock";
  int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) return fail(errc::io, "state_dir: " + path + ": " + std::strerror(errno));
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    auto detail = "state_dir: " + directory + " is in use by " + owner_of(file);
    ::close(file);
    return fail(errc::in_use, detail);
  }
  auto pid = std::to_string(::getpid()) + '\n';
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, pid.data(), pid.size(), 0) < 0) {
    auto why = errno;
    ::close(file);
    return fail(why == ENOSPC ? errc::no_space : errc::io,
                "state_dir: " + path + ": " + std::strerror(why));
  }
  return state_dir_lock{file};
}

state_dir_lock::state_dir_lock(state_dir_lock&& other) noexcept
    : file_(std::exchange(other.file_, -1)) {}

state_dir_lock::~state_dir_lock() {
  if (file_ >= 0) ::close(file_);
}

result<> check_addresses(daemon_role role, const settings& config) {
  std::vector<std::pair<const char*, std::string>> wanted;
  if (role == daemon_role::central)
    wanted = {{"endpoints.control", config.endpoints.control},
              {"endpoints.telemetry", config.endpoints.telemetry},
              {"endpoints.events", config.endpoints.events},
              {"endpoints.metrics", config.endpoints.metrics}};
  else
    wanted = {{"node.data", config.node.data}, {"node.metrics", config.node.metrics}};
  for (const auto& [key, endpoint] : wanted) {
    if (endpoint.empty()) continue;
    if (auto checked = check_address(key, without_scheme(endpoint)); !checked) return checked;
  }
  return {};
}

void notify_systemd(const std::string& state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un to{};
  if (!path || !*path || std::strlen(path) >= sizeof to.sun_path) return;
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, path, std::strlen(path));
  if (path[0] == '@') to.sun_path[0] = '\0'; // abstract name
  int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return;
  auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  ::sendto(socket, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to),
           size);
  ::close(socket);
}

duration systemd_watchdog() {
  const char* text = std::getenv("WATCHDOG_USEC");
  const char* pid = std::getenv("WATCHDOG_PID");
  if (!text || (pid && std::to_string(::getpid()) != pid)) return duration::zero();
  int64_t us = 0;
  auto [end, problem] = std::from_chars(text, text + std::strlen(text), us);
  return problem == std::errc{} && *end == '\0' && us > 0 ? duration(std::chrono::microseconds(us))
                                                          : duration::zero();
}

} // namespace harbinger
