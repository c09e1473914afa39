#pragma once

/// What a node says to the centre and when: hello until welcomed and after each change of term,
/// heartbeats, reports; and which commands are too old to obey. Pure: frames come out, the carrier
/// (actors/node/node_link) sends them.

#include <map>
#include <vector>

#include "core/result.hpp"
#include "core/time.hpp"
#include "messages/control.hpp"
#include "wire/frame.hpp"

namespace harbinger {

class centre_link {
public:
  static constexpr auto hello_again = milliseconds(500); ///< while nobody welcomes us
  /// Heartbeats without an answer after which reports wait: a centre that was away must not first
  /// read what is long past.
  static constexpr uint64_t unanswered_max = 8;
  static constexpr size_t rtts_max = 4096; ///< peers whose round-trip time is kept

  struct identity {
    node_id node;
    incarnation life;
    harbinger::attributes attributes;
    uint64_t capacity_bytes = 0;
  };
  /// `first_id` is larger than any id an earlier link of this process used. `heartbeat` until the
  /// centre says otherwise.
  centre_link(identity who, duration heartbeat, term seen, uint64_t first_id);

  /// Nothing before the replicas are known and the data socket listens (`data_endpoint` is its
  /// address, else empty).
  std::vector<wire::frame> tick(time_point now, const std::string& data_endpoint);
  void welcomed(const node_welcome& m);
  void acknowledged(const heartbeat_ack& m);
  /// Says hello anew at the next tick, e.g. because the centre refused a message.
  void refused();
  /// A report, when the centre knows us and answers.
  std::vector<wire::frame> replicas(std::vector<replica_report> now_held, uint64_t used_bytes,
                                    uint64_t conflicts);
  void rtt(const std::string& peer, double ms); ///< not a number: unknown
  /// stale_term for a command of a centre that has a successor.
  result<void> obey(term commanded);

  term newest_term() const { return term_; }
  bool is_welcome() const { return welcome_; }

private:
  identity who_;
  duration heartbeat_;
  term term_;
  uint64_t last_id_;
  uint64_t beats_ = 0;
  uint64_t unanswered_ = 0; ///< heartbeats since the last answer
  bool know_replicas_ = false;
  bool welcome_ = false;
  time_point hello_due_{};
  time_point beat_due_{};
  std::vector<replica_report> replicas_;
  std::map<std::string, double> rtt_ms_;
};

} // namespace harbinger
