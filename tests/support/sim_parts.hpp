#pragma once

/// What the processes of a simulated cluster share.

#include <map>
#include <string>

#include "core/settings.hpp"
#include "tests/support/sim_engine.hpp"
#include "tests/support/sim_ledger.hpp"
#include "tests/support/sim_network.hpp"
#include "wire/frame.hpp"

namespace harbinger::sim {

class node;

struct parts {
  engine& world;
  network& net;
  ledger& book;
  settings config;
  size_t append_bytes_max = 4 << 20;
  std::map<std::string, node*> nodes; ///< by data endpoint
  process* centre = nullptr;
  std::function<void(node&, wire::frame)> to_centre; ///< what has arrived there
};

} // namespace harbinger::sim
