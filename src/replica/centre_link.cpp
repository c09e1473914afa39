#include "replica/centre_link.hpp"

#include <algorithm>
#include <cmath>

#include "wire/codec.hpp"

namespace harbinger {

centre_link::centre_link(identity who, duration heartbeat, term seen, uint64_t first_id)
    : who_(std::move(who)), heartbeat_(heartbeat), term_(seen), last_id_(first_id) {}

std::vector<wire::frame> centre_link::tick(time_point now, const std::string& data_endpoint) {
  std::vector<wire::frame> out;
  // A hello without replicas would look like a node that lost everything; one without an endpoint
  // like one that serves.
  if (!know_replicas_ || data_endpoint.empty()) return out;
  if (!welcome_ && now >= hello_due_) {
    hello_due_ = now + hello_again;
    out.push_back(
        wire::make_frame(++last_id_, node_hello{who_.node, who_.life, data_endpoint,
                                                who_.attributes, who_.capacity_bytes, replicas_}));
  }
  if (now >= beat_due_) {
    // Late beats are not made up for; the next is due from now on.
    beat_due_ = now + heartbeat_;
    ++unanswered_;
    out.push_back(wire::make_frame(++last_id_, node_heartbeat{who_.node, who_.life, ++beats_}));
  }
  return out;
}

void centre_link::welcomed(const node_welcome& m) {
  if (m.term < term_) return;
  term_ = m.term;
  welcome_ = true;
  unanswered_ = 0;
  if (m.heartbeat_ms > 0) heartbeat_ = milliseconds(m.heartbeat_ms);
}

void centre_link::acknowledged(const heartbeat_ack& m) {
  unanswered_ = 0;
  if (m.term < term_) return;
  if (!m.known || m.term > term_) welcome_ = false;
  term_ = m.term;
  std::erase_if(rtt_ms_, [&](const auto& r) {
    return std::none_of(m.peers.begin(), m.peers.end(),
                        [&](const auto& p) { return p.node.value == r.first; });
  });
}

void centre_link::refused() { welcome_ = false; }

std::vector<wire::frame> centre_link::replicas(std::vector<replica_report> now_held,
                                               uint64_t used_bytes, uint64_t conflicts) {
  replicas_ = std::move(now_held);
  know_replicas_ = true;
  if (!welcome_ || unanswered_ > unanswered_max) return {};
  return {wire::make_frame(
      ++last_id_, node_report{who_.node, who_.life, used_bytes, conflicts, replicas_, rtt_ms_})};
}

void centre_link::rtt(const std::string& peer, double ms) {
  if (!std::isfinite(ms))
    rtt_ms_.erase(peer);
  else if (rtt_ms_.size() < rtts_max || rtt_ms_.contains(peer))
    rtt_ms_[peer] = ms;
}

result<void> centre_link::obey(term commanded) {
  if (commanded < term_)
    return fail(errc::stale_term, "term " + std::to_string(term_.value) + " has begun");
  if (commanded > term_) {
    term_ = commanded;
    welcome_ = false;
  }
  return {};
}

} // namespace harbinger
