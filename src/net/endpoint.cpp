#include "net/endpoint.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace harbinger::net {

std::string ipc_path(const std::string& endpoint) {
  return endpoint.starts_with("ipc://") ? endpoint.substr(6) : "";
}

bool listened_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return false;
  path.copy(address.sun_path, path.size());
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool connected =
      fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  if (fd >= 0) ::close(fd);
  return connected;
}

bool port_too_large(const std::string& endpoint) {
  auto port = endpoint.substr(endpoint.rfind(':') + 1);
  return endpoint.starts_with("tcp://") && port.find_first_not_of("0123456789") == std::string::npos
         && (port.size() > 5 || (!port.empty() && std::stoi(port) > 65535));
}

} // namespace harbinger::net
