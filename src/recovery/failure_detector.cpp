#include "recovery/failure_detector.hpp"

#include <algorithm>
#include <cmath>

namespace harbinger::detection {

double phi_of(double silence_ms, double mean_ms, double deviation_ms) {
  double y = (silence_ms - mean_ms) / deviation_ms;
  double e = std::exp(-y * (1.5976 + 0.070566 * y * y));
  double tail = y > 0 ? e / (1.0 + e) : 1.0 - 1.0 / (1.0 + e);
  return tail > 0.0 ? std::min(1000.0, -std::log10(tail)) : 1000.0;
}

failure_detector::failure_detector(const recovery_settings& settings, uint32_t heartbeat_ms,
                                   uint32_t tick_ms)
    : settings_(settings), heartbeat_ms_(heartbeat_ms), tick_ms_(tick_ms) {}

actions failure_detector::step(const event& what, time_point now) {
  actions out;
  std::visit([&](auto& e) { on(e, now, out); }, what);
  return out;
}

void failure_detector::on(const watch& what, time_point now, actions&) {
  auto& who = subjects_[what.node];
  if (who.life == what.life && who.last != time_point{}) return;
  if (what.life < who.life) return;
  who = subject{};
  who.life = what.life;
  who.last = now;
}

void failure_detector::on(const forget& what, time_point, actions&) { subjects_.erase(what.node); }

void failure_detector::on(const heartbeat& what, time_point now, actions& out) {
  auto it = subjects_.find(what.node);
  if (it == subjects_.end() || it->second.life != what.life) return;
  auto& who = it->second;
  if (who.heard) {
    // One long silence must not make the next one look normal for a hundred heartbeats.
    double longest = 3.0 * std::max<double>(settings_.silence_min_ms, heartbeat_ms_);
    double interval = std::clamp(to_ms(now - who.last), 0.0, longest);
    who.intervals_ms.push_back(interval);
    who.sum += interval;
    who.squares += interval * interval;
    if (who.intervals_ms.size() > samples_max) {
      double oldest = who.intervals_ms.front();
      who.intervals_ms.pop_front();
      who.sum -= oldest;
      who.squares -= oldest * oldest;
    }
  }
  who.heard = true;
  who.last = std::max(who.last, now);
  bool was_suspect = who.suspect;
  who.suspect = false;
  who.condemned = false;
  who.round.reset();
  if (was_suspect) out.push_back(cleared{what.node, what.life});
}

void failure_detector::on(const probe_ended& what, time_point now, actions& out) {
  for (auto& [id, who] : subjects_) {
    if (!who.round) continue;
    auto asked = who.round->asked.find(what.probe);
    if (asked == who.round->asked.end()) continue;
    asked->second.second = what.outcome;
    bool all = std::all_of(who.round->asked.begin(), who.round->asked.end(),
                           [](auto& entry) { return entry.second.second.has_value(); });
    if (all) end_round(id, who, now, out);
    return;
  }
}

void failure_detector::on(const look&, time_point now, actions& out) {
  doubt_oneself(now, out);
  for (auto& [id, who] : subjects_) judge(id, who, now, out);
}

void failure_detector::doubt_oneself(time_point now, actions& out) {
  double gap = last_look_ ? to_ms(now - *last_look_) : 0.0;
  last_look_ = now;
  if (gap <= 2.0 * tick_ms_) return;
  double stall = gap - 2.0 * tick_ms_;
  for (auto& [id, who] : subjects_) {
    who.last = std::min(now, who.last + from_seconds(stall / 1e3));
    // Answers that did not come while we slept prove nothing: ask again.
    who.round.reset();
    who.next_round = now + from_seconds(heartbeat_ms_ / 1e3);
  }
  if (gap > 4.0 * tick_ms_) out.push_back(stalled{stall});
}

void failure_detector::judge(const node_id& id, subject& who, time_point now, actions& out) {
  double silence = to_ms(now - who.last);
  double silence_min =
      who.heard ? settings_.silence_min_ms : std::max(settings_.silence_min_ms, first_word_ms);
  double suspicion = phi(who, now);
  if (silence < silence_min || suspicion < settings_.phi_dead) return;
  if (!who.suspect) {
    who.suspect = true;
    who.next_round = std::max(now, who.next_round);
    out.push_back(suspected{id, who.life, suspicion, silence});
  }
  if (who.round) {
    if (now >= who.round->ends) end_round(id, who, now, out);
    return;
  }
  if (now < who.next_round) return;
  if (who.condemned) {
    condemn(id, who, who.reason, now, out);
    return;
  }
  begin_round(id, who, now, out);
}

void failure_detector::begin_round(const node_id& id, subject& who, time_point now, actions& out) {
  auto probers = probers_for(id, who.rounds++);
  if (probers.empty()) {
    condemn(id, who, "there is no other node to ask", now, out);
    return;
  }
  who.round.emplace();
  who.round->ends = now + milliseconds(2 * settings_.probe_timeout_ms);
  for (auto& prober : probers) {
    who.round->asked[next_probe_] = {prober, std::nullopt};
    out.push_back(ask{next_probe_++, prober, id});
  }
}

void failure_detector::end_round(const node_id& id, subject& who, time_point now, actions& out) {
  std::string unreachable_for;
  bool alive = false;
  for (auto& [probe, asked] : who.round->asked) {
    alive = alive || asked.second == probe_outcome::alive;
    if (asked.second == probe_outcome::unreachable)
      unreachable_for += (unreachable_for.empty() ? "" : ", ") + asked.first.value;
  }
  who.round.reset();
  who.next_round = now + milliseconds(settings_.probe_timeout_ms);
  if (alive || unreachable_for.empty()) return;
  condemn(id, who, "not reached by " + unreachable_for + " either", now, out);
}

void failure_detector::condemn(const node_id& id, subject& who, std::string reason, time_point now,
                               actions& out) {
  who.condemned = true;
  who.reason = std::move(reason);
  who.next_round = now + milliseconds(settings_.retry_ms);
  out.push_back(died{id, who.life, phi(who, now), to_ms(now - who.last), who.reason});
}

std::vector<node_id> failure_detector::probers_for(const node_id& id, size_t round) const {
  std::vector<node_id> trusted, doubtful;
  for (auto& [other, who] : subjects_)
    if (other != id) (who.suspect ? doubtful : trusted).push_back(other);
  // When all others are silent too, the fault may be ours; only their answers could tell.
  auto& from = trusted.empty() ? doubtful : trusted;
  std::vector<node_id> chosen;
  size_t wanted = std::min<size_t>(settings_.probes, from.size());
  for (size_t i = 0; i < wanted; ++i)
    chosen.push_back(from[(round * settings_.probes + i) % from.size()]);
  return chosen;
}

double failure_detector::mean_ms(const subject& who) const {
  if (who.intervals_ms.empty()) return heartbeat_ms_;
  return std::max(heartbeat_ms_ / 2, who.sum / static_cast<double>(who.intervals_ms.size()));
}

double failure_detector::deviation_ms(const subject& who) const {
  double floor = heartbeat_ms_ / 2;
  if (who.intervals_ms.size() < 2) return floor;
  double n = static_cast<double>(who.intervals_ms.size());
  double mean = who.sum / n;
  return std::max(floor, std::sqrt(std::max(0.0, who.squares / n - mean * mean)));
}

double failure_detector::phi(const subject& who, time_point now) const {
  return phi_of(to_ms(now - who.last), mean_ms(who), deviation_ms(who));
}

std::vector<failure_detector::row> failure_detector::rows(time_point now) const {
  std::vector<row> out;
  for (auto& [id, who] : subjects_)
    out.push_back({id, who.life, who.suspect, phi(who, now), to_ms(now - who.last), mean_ms(who),
                   deviation_ms(who), who.intervals_ms.size()});
  return out;
}

std::optional<double> failure_detector::silence_ms(const node_id& node, time_point now) const {
  auto it = subjects_.find(node);
  if (it == subjects_.end()) return std::nullopt;
  return to_ms(now - it->second.last);
}

} // namespace harbinger::detection
