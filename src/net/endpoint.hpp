#pragma once

/// What ZeroMQ does not check of an endpoint.

#include <string>

namespace harbinger::net {

/// The path of a Unix socket's endpoint; empty for any other.
std::string ipc_path(const std::string& endpoint);

/// Whether somebody accepts connections at a Unix socket's path. ZeroMQ itself would unlink the
/// path and take it over.
bool listened_to(const std::string& path);

/// ZeroMQ takes port 99999 for 34463.
bool port_too_large(const std::string& endpoint);

} // namespace harbinger::net
