#pragma once

/// The catalog of the simulated centre: survives it, every change durable at once; and the mail
/// between the centre's actors, which takes its time, in order for each receiver.

#include <array>

#include "catalog/catalog.hpp"
#include "tests/support/sim_parts.hpp"

namespace harbinger::sim {

/// What a centre's disk holds.
struct catalog_disk {
  catalog_view view;
  harbinger::term term; ///< of the newest life
};

enum class role : uint8_t { keeper, bridge, recovery, versions, board };
constexpr std::array followers{role::bridge, role::recovery, role::versions, role::board};

class mail {
public:
  mail(engine& world, process& in) : world_(world), in_(in) {}
  /// To whoever plays the role; lost when he is replaced before it is read.
  void to(role whom, std::function<void()> what) {
    auto& box = boxes_[static_cast<size_t>(whom)];
    auto delay = world_.between(duration::zero(), milliseconds(2));
    if (world_.chance(0.01)) delay = world_.between(milliseconds(5), milliseconds(100));
    box.newest = std::max(box.newest, world_.now + delay);
    world_.after(box.newest - world_.now, in_, [&box, player = box.player, what = std::move(what)] {
      if (box.player == player) what();
    });
  }
  /// An answer for the one who plays the role now.
  template <class T>
  std::function<void(T)> answer(role whom, std::function<void(T)> take) {
    auto player = boxes_[static_cast<size_t>(whom)].player;
    return [this, whom, player, take = std::move(take)](T what) {
      to(whom, [this, whom, player, take, what = std::move(what)] {
        if (boxes_[static_cast<size_t>(whom)].player == player) take(what);
      });
    };
  }
  void replaced(role whom) { ++boxes_[static_cast<size_t>(whom)].player; }

private:
  struct box {
    uint64_t player = 0;
    time_point newest{};
  };
  engine& world_;
  process& in_;
  std::array<box, 6> boxes_;
};

} // namespace harbinger::sim
