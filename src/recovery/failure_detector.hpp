#pragma once

/// Who is dead? Phi-accrual suspicion (Hayashibara, Défago, Yared, Katayama: "The phi accrual
/// failure detector", SRDS 2004) with a normal distribution of the time between heartbeats, then
/// questions to other nodes, then a verdict. Doubts itself first: time in which this detector
/// itself did not run is not held against anybody. Pure.

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/settings.hpp"
#include "core/time.hpp"

namespace harbinger::detection {

// --- what happens ---

/// The catalog has this node, alive. Repeated: no effect; another life: the old one is forgotten.
struct watch {
  node_id node;
  incarnation life;
};
/// The catalog has it as dead, or no more.
struct forget {
  node_id node;
};
struct heartbeat {
  node_id node;
  incarnation life;
};
enum class probe_outcome : uint8_t {
  alive,       ///< the prober got an answer from the target
  unreachable, ///< the prober answered, the target did not answer it
  unanswered,  ///< nothing came from the prober itself
};
struct probe_ended {
  uint64_t probe = 0;
  probe_outcome outcome = probe_outcome::unanswered;
};
/// Every tick_ms; what is overdue is found out here.
struct look {};
using event = std::variant<watch, forget, heartbeat, probe_ended, look>;

// --- what to do ---

struct suspected {
  node_id node;
  incarnation life;
  double phi = 0.0;
  double silence_ms = 0.0;
};
struct cleared {
  node_id node;
  incarnation life;
};
/// Ask `prober` whether it reaches `target`; answer with probe_ended.
struct ask {
  uint64_t probe = 0;
  node_id prober;
  node_id target;
};
/// The verdict. Repeated every retry_ms until forget, or until a heartbeat takes it back.
struct died {
  node_id node;
  incarnation life;
  double phi = 0.0;
  double silence_ms = 0.0;
  std::string reason; ///< "n3, n5 can not reach it either"
};
/// The detector itself stood still so long.
struct stalled {
  double by_ms = 0.0;
};
using action = std::variant<suspected, cleared, ask, died, stalled>;
using actions = std::vector<action>;

/// -log10 of the probability that a heartbeat is still to come after `silence` when intervals are
/// normal with this mean and deviation (logistic approximation of the normal tail, as in Akka).
/// Grows with silence; at most 1000.
double phi_of(double silence_ms, double mean_ms, double deviation_ms);

/// A node is declared dead only when all of this holds: silent for silence_min_ms, phi at phi_dead,
/// and a round of probes ended in which nobody reached it and at least one other node said so
/// itself. Only a node that is alone is judged without probes. When nobody answers the probes at
/// all, the fault may be ours: another round with other probers.
class failure_detector {
public:
  static constexpr size_t samples_max = 100;      ///< intervals kept a node
  static constexpr uint32_t first_word_ms = 3000; ///< silence allowed before the first heartbeat

  failure_detector(const recovery_settings& settings, uint32_t heartbeat_ms, uint32_t tick_ms);
  void configure(const recovery_settings& settings) { settings_ = settings; }

  actions step(const event& what, time_point now);

  struct row {
    node_id node;
    incarnation life;
    bool suspect = false;
    double phi = 0.0, silence_ms = 0.0, mean_ms = 0.0, deviation_ms = 0.0;
    size_t samples = 0;
  };
  /// For `harbinger detector`, by node.
  std::vector<row> rows(time_point now) const;
  /// Time since the last heartbeat; nothing for a node that is not watched.
  std::optional<double> silence_ms(const node_id& node, time_point now) const;

private:
  struct probing {
    std::map<uint64_t, std::pair<node_id, std::optional<probe_outcome>>> asked;
    time_point ends;
  };
  struct subject {
    incarnation life;
    time_point last;
    bool heard = false;
    std::deque<double> intervals_ms;
    double sum = 0.0, squares = 0.0;
    bool suspect = false;
    std::optional<probing> round;
    time_point next_round{};
    size_t rounds = 0;
    bool condemned = false;
    std::string reason;
  };

  void on(const watch& what, time_point now, actions& out);
  void on(const forget& what, time_point now, actions& out);
  void on(const heartbeat& what, time_point now, actions& out);
  void on(const probe_ended& what, time_point now, actions& out);
  void on(const look& what, time_point now, actions& out);
  void doubt_oneself(time_point now, actions& out);
  void judge(const node_id& id, subject& who, time_point now, actions& out);
  void begin_round(const node_id& id, subject& who, time_point now, actions& out);
  void end_round(const node_id& id, subject& who, time_point now, actions& out);
  void condemn(const node_id& id, subject& who, std::string reason, time_point now, actions& out);
  std::vector<node_id> probers_for(const node_id& id, size_t round) const;
  double mean_ms(const subject& who) const;
  double deviation_ms(const subject& who) const;
  double phi(const subject& who, time_point now) const;

  recovery_settings settings_;
  double heartbeat_ms_;
  double tick_ms_;
  std::map<node_id, subject> subjects_;
  std::optional<time_point> last_look_;
  uint64_t next_probe_ = 1;
};

} // namespace harbinger::detection
