#include "prefetch/in_time.hpp"

#include <algorithm>

namespace harbinger {

transfer_room::transfer_room(std::vector<double> deadlines_s,
                             const std::vector<double>& bytes_per_s)
    : deadlines_(std::max<size_t>(1, deadlines_s.size())) {
  deadlines_s.resize(deadlines_);
  left_.reserve(bytes_per_s.size() * deadlines_);
  for (double rate : bytes_per_s)
    for (double deadline : deadlines_s) left_.push_back(rate * deadline);
}

bool transfer_room::fits(const transfer& t) const {
  for (auto thing : t.uses) {
    if (thing == transfer::nothing) continue;
    for (size_t d = t.deadline; d < deadlines_; ++d)
      if (left_[thing * deadlines_ + d] < t.bytes) return false;
  }
  return true;
}

void transfer_room::change(const transfer& t, double bytes) {
  for (auto thing : t.uses) {
    if (thing == transfer::nothing) continue;
    for (size_t d = t.deadline; d < deadlines_; ++d) left_[thing * deadlines_ + d] += bytes;
  }
}

void transfer_room::occupy(const transfer& t) {
  auto first = t;
  first.deadline = 0;
  take(first);
}

namespace {

bool goes_through(const transfer& t, uint32_t thing) {
  return std::find(t.uses.begin(), t.uses.end(), thing) != t.uses.end();
}

bool share_a_thing(const transfer& a, const transfer& b) {
  return std::any_of(a.uses.begin(), a.uses.end(), [&](uint32_t thing) {
    return thing != transfer::nothing && goes_through(b, thing);
  });
}

/// So many large ones that did not fit are tried.
constexpr size_t exchanges_max = 8;

/// By so many things a search is bounded.
constexpr size_t bounds_max = 6;

class choice {
public:
  choice(const std::vector<transfer>& list, transfer_room& room)
      : list_(list), room_(room), taken_(list.size()) {}

  std::vector<bool> make() {
    fill();
    if (refused_.empty()) return taken_;
    exchange();
    for (size_t i = 0, from = 0; i < cores_max && steps_left_ > 0; ++i) {
      auto first =
          std::find(taken_.begin() + static_cast<std::ptrdiff_t>(from), taken_.end(), false);
      if (first == taken_.end()) break;
      auto middle = static_cast<size_t>(first - taken_.begin());
      from = search_around(middle) + 1;
    }
    fill();
    return taken_;
  }

private:
  void set(size_t i, bool take) {
    if (taken_[i] == take) return;
    taken_[i] = take;
    take ? room_.take(list_[i]) : room_.give_back(list_[i]);
    gain_ += take ? list_[i].gain : -list_[i].gain;
  }
  void fill() {
    refused_.clear();
    for (size_t i = 0; i < list_.size(); ++i) {
      if (taken_[i]) continue;
      if (room_.fits(list_[i]))
        set(i, true);
      else
        refused_.push_back(i);
    }
  }

  /// One that is a large part of the whole may be worth more than many that are better a byte.
  void exchange() {
    constexpr double large = 0.01;
    auto refused = refused_;
    std::erase_if(refused, [&](size_t i) { return list_[i].gain < large * gain_; });
    std::stable_sort(refused.begin(), refused.end(),
                     [&](size_t a, size_t b) { return list_[a].gain > list_[b].gain; });
    if (refused.size() > exchanges_max) refused.resize(exchanges_max);
    for (auto i : refused)
      if (!taken_[i]) try_exchange(i);
  }
  void try_exchange(size_t wanted) {
    auto before = taken_;
    auto gain_before = gain_;
    std::vector<size_t> given_back;
    for (size_t i = list_.size(); i-- > 0 && !room_.fits(list_[wanted]);)
      if (taken_[i] && share_a_thing(list_[i], list_[wanted])) {
        set(i, false);
        given_back.push_back(i);
      }
    if (room_.fits(list_[wanted])) {
      set(wanted, true);
      fill();
      if (gain_ > gain_before) return;
    }
    for (size_t i = 0; i < list_.size(); ++i)
      if (!before[i]) set(i, false);
    for (size_t i = 0; i < list_.size(); ++i) set(i, before[i]);
    gain_ = gain_before;
  }

  /// All choices among those that share what is short for `middle`. Returns the last looked at.
  size_t search_around(size_t middle) {
    uint32_t thing = transfer::nothing;
    for (auto t : list_[middle].uses)
      if (t != transfer::nothing
          && (thing == transfer::nothing || room_.left(t) < room_.left(thing)))
        thing = t;
    if (thing == transfer::nothing) return middle;
    core_.clear();
    bool all = list_.size() <= core_max;
    auto add = [&](size_t i) {
      if (core_.size() < core_max && (all || goes_through(list_[i], thing))) core_.push_back(i);
    };
    size_t last = middle;
    for (; last < list_.size() && core_.size() < core_max / 2; ++last) add(last);
    for (size_t i = middle; i-- > 0;) add(i);
    for (; last < list_.size() && core_.size() < core_max; ++last) add(last);
    search();
    return last - 1;
  }
  void search() {
    std::sort(core_.begin(), core_.end(), [&](size_t a, size_t b) {
      return list_[a].gain * list_[b].bytes > list_[b].gain * list_[a].bytes;
    });
    best_.assign(core_.size(), false);
    best_gain_ = 0.0;
    for (size_t i = 0; i < core_.size(); ++i) {
      best_[i] = taken_[core_[i]];
      if (best_[i]) best_gain_ += list_[core_[i]].gain;
    }
    for (auto i : core_) set(i, false);
    find_what_is_short();
    branch(0, 0.0);
    for (size_t i = 0; i < core_.size(); ++i) set(core_[i], best_[i]);
  }
  void find_what_is_short() {
    things_.clear();
    for (auto i : core_)
      for (auto t : list_[i].uses) {
        if (t == transfer::nothing || things_.size() == bounds_max
            || std::find(things_.begin(), things_.end(), t) != things_.end())
          continue;
        double bytes = 0.0;
        for (auto k : core_) bytes += goes_through(list_[k], t) ? list_[k].bytes : 0.0;
        if (bytes > room_.left(t)) things_.push_back(t);
      }
  }
  void branch(size_t next, double gain) {
    if (gain > best_gain_) {
      best_gain_ = gain;
      for (size_t i = 0; i < core_.size(); ++i) best_[i] = taken_[core_[i]];
    }
    if (next == core_.size() || steps_left_ == 0) return;
    --steps_left_;
    constexpr double rounding = 1e-9;
    if (bound(next, gain) <= best_gain_ * (1.0 + rounding)) return;
    auto i = core_[next];
    if (room_.fits(list_[i])) {
      set(i, true);
      branch(next + 1, gain + list_[i].gain);
      set(i, false);
    }
    branch(next + 1, gain);
  }
  double bound(size_t next, double gain) const {
    double least = gain;
    for (size_t i = next; i < core_.size(); ++i) least += list_[core_[i]].gain;
    for (auto thing : things_) least = std::min(least, bound_by(thing, next, gain));
    return least;
  }
  /// As if parts of transfers could be taken, and only `thing` were short.
  double bound_by(uint32_t thing, size_t next, double gain) const {
    double left = room_.left(thing);
    for (; next < core_.size(); ++next) {
      const auto& t = list_[core_[next]];
      bool through = goes_through(t, thing);
      if (through && t.bytes > left) {
        gain += left > 0.0 ? t.gain * left / t.bytes : 0.0;
        left = 0.0;
        continue;
      }
      if (through) left -= t.bytes;
      gain += t.gain;
    }
    return gain;
  }

  const std::vector<transfer>& list_;
  transfer_room& room_;
  std::vector<bool> taken_;
  std::vector<size_t> refused_;
  double gain_ = 0.0;
  std::vector<size_t> core_;
  std::vector<bool> best_;
  double best_gain_ = 0.0;
  std::vector<uint32_t> things_; ///< that bound it
  size_t steps_left_ = core_steps_max;
};

} // namespace

std::vector<bool> choose_in_time(const std::vector<transfer>& list, transfer_room& room) {
  return choice(list, room).make();
}

} // namespace harbinger
