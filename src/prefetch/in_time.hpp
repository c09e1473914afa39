#pragma once

/// Which transfers are made when not all of them can be done before their deadlines. Pure.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace harbinger {

struct transfer {
  static constexpr uint32_t nothing = UINT32_MAX;
  double gain = 0.0; ///< of being done in time
  double bytes = 0.0;
  uint32_t deadline = 0; ///< place among the room's deadlines
  /// Things with a rate that it goes through, by their place in the room.
  std::array<uint32_t, 5> uses{nothing, nothing, nothing, nothing, nothing};
};

/// What is left of each thing with a rate until each deadline.
///
/// A set of transfers fits when each thing can carry all that goes through it and is due by then,
/// for each deadline: in order of their deadlines they are all in time, if any order is (Jackson
/// 1955), and that order is best for all things alike.
class transfer_room {
public:
  /// `deadlines_s` ascending. About 8 bytes for each pair of thing and deadline.
  transfer_room(std::vector<double> deadlines_s, const std::vector<double>& bytes_per_s);

  bool fits(const transfer& t) const;
  void take(const transfer& t) { change(t, -t.bytes); }
  void give_back(const transfer& t) { change(t, t.bytes); }
  /// What comes before everything that has a deadline.
  void occupy(const transfer& t);
  /// Until the last deadline.
  double left(uint32_t thing) const { return left_[(thing + 1) * deadlines_ - 1]; }

private:
  void change(const transfer& t, double bytes);

  size_t deadlines_;
  std::vector<double> left_; ///< by thing, then deadline
};

/// Which of `list` are made: those in `list`'s order that fit, then bettered: a transfer that did
/// not fit takes the place of others where that gains more, and around the first ones that did not
/// fit all choices are tried, by branch and bound with the fractional bound (the core of Balas and
/// Zemel 1980; Pisinger 1997). Of up to core_max transfers the choice is the best there is, unless
/// it takes more than core_steps_max steps to find. `list` is sorted by gain a byte, best first.
/// `room` keeps what is left.
std::vector<bool> choose_in_time(const std::vector<transfer>& list, transfer_room& room);

inline constexpr size_t core_max = 32;
inline constexpr size_t cores_max = 8; ///< so many places are looked at
inline constexpr size_t core_steps_max = 5000;

} // namespace harbinger
