#pragma once

/// Which node shall hold a copy of a partition: hard filters, then a weighted score. Pure.
///
/// Two ways to the same answer: `explain` looks at every node and says what it thinks of it,
/// `choose` keeps the nodes in order and looks at few. Tests hold them to the same choice.

#include <array>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/settings.hpp"
#include "fleet/fleet.hpp"
#include "zones/zone_picture.hpp"

namespace harbinger {

struct placer_query {
  partition_number partition = 0;
  uint64_t size_bytes = 0;
  std::span<const node_number> chosen;    ///< for other copies of it: as if they had one
  std::span<const node_number> keep_away; ///< targets that failed
  bool urgent = false;                    ///< who has a free place for it now comes first
};

struct placer_rules {
  placement_settings placement;
  std::vector<std::string> domains; ///< zones.domains
  double space_max = 1.0;           ///< prefetch.space_max
  uint32_t places = 4;              ///< copies that go through one node at once; 1 at least
};

/// Hard filters, in this order, the first that applies is the reason: not up; in a zone; exposed by
/// a zone; already holds a replica or copy of the partition, or was chosen for one; named in
/// `keep_away`; states no capacity; no room under the quota (used + promised + size <= quota *
/// capacity), nor for copies (copies + promised + size <= space_max * capacity); shares the value
/// of a `spread` attribute with a replica or copy that stays (those in zones, or on nodes that are
/// not up, are expected to be lost and do not count). When `spread` alone leaves nobody, it alone
/// is waived. The others never are (P6).
///
/// Fair share: of all copies on safe nodes, the one to place and those still expected included, no
/// node shall have more than the level, by capacity: the least at which whole copies find room
/// everywhere (sum of floor(level * weight) >= copies), or `imbalance` times the mean if that is
/// more. A node that would get past it comes after all others, the least past it first. (Consistent
/// hashing with bounded loads sets such a bound: Mirrokni, Thorup, Zadimoghaddam, SODA 2018.)
///
/// Urgent ones look at places first: of the candidates those come first that have the fewest rounds
/// of `places` copies under way or queued, as source or target, up to rounds_max. Share and score
/// decide among equals: a node that is empty must not get all that can not wait.
///
/// Score: weighted sum of terms in 0..1, larger is better, ties go to the smaller id:
/// * free: room left after this copy;
/// * load: 1 - its share of the heaviest write load;
/// * risk: (1 - its own risk) * (1 - share of zones.domains whose value it shares with a replica
///   that stays); 0 for a node that the brake left out of the zones;
/// * rtt: 10 / (10 + ms) to the partition's primary; 0.5 when not measured;
/// * near: share of the `near` attributes whose value it shares with the primary, beside which its
///   clients are taken to be; 0.5 when there are none;
/// * balance: 1 - its share of the most replicas and copies a node has, by capacity.
/// Scales (heaviest load, most replicas, mean capacity) are those of the last refresh.
///
/// Other strategies, by name, for comparison; they pass the same filters and know no fair share:
/// `random`: any; `power_of_two`: of two random ones the one with fewer copies by capacity
/// (Mitzenmacher 2001); `rendezvous`: the highest weighted hash of node and partition (Thaler,
/// Ravishankar 1998; weights: Schindelhauer, Schomaker 2005). Their chance is a hash of names.
class placer {
public:
  static constexpr uint32_t rounds_max = 15; ///< nodes with more to do count as equally busy

  /// `cluster` outlives it. Knows nobody before the first refresh.
  explicit placer(const fleet& cluster) : cluster_(&cluster) {}

  /// Looks at every node anew; promises stay. O(nodes log nodes).
  void refresh(const zone_picture& zones, const placer_rules& rules);
  /// Looks at these nodes anew: their standing, state, usage or counts changed. At all of them when
  /// one states an attribute that nobody did before.
  void update(std::span<const node_number> changed, const zone_picture& zones);
  /// Each node's probability of failure, by number; shorter: those of zones only. Counts from the
  /// next refresh on.
  void set_risks(std::vector<float> risks) { next_risks_ = std::move(risks); }

  /// The best, or no_number: explain(query).front(), if that is a candidate.
  node_number choose(const placer_query& query) const;
  struct opinion {
    node_number node = no_number;
    bool candidate = false;
    bool over_share = false; ///< of candidates: comes after all others that are as free
    double score = 0.0;      ///< of candidates
    std::string text;        ///< terms of the score, or why it is rejected
  };
  /// Every node: candidates best first (with another strategy its choice, then the rest by score),
  /// then the rejected by id.
  std::vector<opinion> explain(const placer_query& query) const;
  /// All that pass the filters, by id.
  std::vector<node_number> candidates(const placer_query& query) const;
  /// Whether one copy more would get it past its fair share.
  bool has_fair_share(node_number n) const;
  /// Copies by weight, with one more.
  double fullness_with_one_more(node_number n) const;
  /// Whether it passes all filters but `spread`.
  bool passes(const placer_query& query, node_number n) const;
  /// Whether it would pass all filters but spread if so many more bytes were free on it.
  bool passes_with_room(const placer_query& query, node_number n, uint64_t more_bytes) const;

  /// A copy will come to this node, or will not after all: counts until it is taken back.
  void promise(node_number n, uint64_t bytes);
  void release(node_number n, uint64_t bytes);
  /// A promised copy goes elsewhere.
  void move(node_number from, node_number to, uint64_t bytes);
  /// So many copies are going to be placed now, the next one included: the fair share counts them.
  /// promise() takes one off.
  void expect(uint64_t copies) { expected_ = copies; }

  /// Sources and targets of all copies under way, each as often as copies go through it.
  void set_under_way(std::vector<node_number> ends);
  /// An urgent copy will go through this node, or will not after all.
  void queue(node_number n);
  void unqueue(node_number n);

  // for those who judge a placement
  /// Promised ones too.
  uint64_t copies_on(node_number n) const;
  /// Capacity by the mean of safe nodes; 0: not safe.
  double weight_of(node_number n) const { return n < nodes_.size() ? nodes_[n].weight : 0.0; }
  uint64_t safe_nodes() const { return safe_nodes_; }
  struct balance_report {
    double max_over_mean = 1.0; ///< largest copies by weight over the mean
    double bound = 1.0;         ///< the smallest that whole copies allow, whoever places them
    uint64_t copies = 0;        ///< on safe nodes
  };
  balance_report balance() const;
  size_t memory_bytes() const;

private:
  /// Past so many different places all nodes are taken to be near: a looser bound, the same answer.
  static constexpr size_t near_classes_max = 64;
  /// Two ways to add up one score may differ by so much.
  static constexpr double rounding = 1e-9;

  struct node_facts {
    double own_score = 0.0; ///< terms that do not depend on the partition, before its size
    double weight = 0.0;    ///< 0: not a candidate at all
    double fullness = 0.0;  ///< in closed: copies by weight, with one more
    uint32_t near_class = 0;
    uint32_t rank = 0;  ///< in its lane; nodes that come later move the others' ranks
    uint32_t round = 0; ///< whose lane it is in
    uint32_t under_way = 0, queued = 0;
    uint32_t promised_copies = 0;
    uint64_t promised_bytes = 0;
    uint64_t counted_copies = 0; ///< what it adds to copies_
    bool open = false, closed = false;
  };
  struct place_in_order {
    double own_score;
    uint32_t rank;
    node_number node;
    friend bool operator<(const place_in_order& a, const place_in_order& b) {
      if (a.own_score != b.own_score) return a.own_score > b.own_score;
      // Ranks of different times may be equal.
      return a.rank != b.rank ? a.rank < b.rank : a.node < b.node;
    }
  };
  /// Nodes that are as free as each other, in order.
  struct lane {
    std::vector<std::set<place_in_order>> open; ///< by near class
    /// Past their fair share, by fullness.
    std::set<std::pair<double, place_in_order>> closed;
  };
  /// What all nodes are asked about one query.
  struct question {
    const placer_query* query = nullptr;
    std::span<const holder> holders;
    node_number primary = no_number;
    std::vector<node_number> stays;
    bool spread_waived = false;
  };
  enum class verdict : uint8_t {
    passes,
    not_up,
    in_zone,
    exposed,
    replica,
    joiner,
    copy,
    kept_away,
    no_capacity,
    no_room,
    no_room_for_copies,
    spread,
  };
  struct terms {
    double free = 0, load = 0, risk = 0, rtt = 0, near = 0, balance = 0;
    double total() const { return free + load + risk + rtt + near + balance; }
  };
  struct found {
    node_number node = no_number;
    uint32_t round = 0;      ///< 0 unless the copy is urgent
    double over_share = 0.0; ///< how full it would be; 0: not past its fair share
    double score = 0.0;
  };

  question ask(const placer_query& query) const;
  verdict judge(const question& q, node_number n, uint64_t freed_bytes = 0) const;
  verdict judge_spread(const question& q, node_number n, node_number* with = nullptr,
                       attribute_number* by = nullptr) const;
  bool allowed(const question& q, node_number n) const;
  std::string words(const question& q, node_number n, verdict v) const;
  static std::string words(const terms& t);
  void put_first(std::vector<opinion>& candidates, node_number chosen) const;

  terms terms_of(const question& q, node_number n) const;
  /// What does not depend on the partition but by its size.
  terms own_terms_of(node_number n, uint64_t size_bytes) const;
  double shared_domains(const question& q, node_number n) const;
  double nearness(node_number primary, node_number n) const;
  double rtt_term(node_number primary, node_number n) const;
  double risk_of(node_number n) const;
  bool safe(node_number n) const;

  void hash_names(); ///< of nodes that came since
  void count_weight(double weight, int sign);
  double level() const;
  double least_level(uint64_t copies) const;
  bool over_fair_share(node_number n) const;
  double past_share(node_number n) const;
  uint32_t round_of(node_number n) const;
  void settle(node_number n);

  place_in_order place_of(node_number n) const;
  void insert(node_number n);
  void erase(node_number n);
  void reopen() const;
  found opinion_of(const question& q, node_number n) const;
  void look(const question& q, node_number n, found& best) const;
  node_number best_by_score(const question& q) const;
  void look_at_open(const question& q, const lane& nodes, found& best) const;
  void look_at_closed(const question& q, const lane& nodes, found& best) const;
  double more_at_most(const question& q, double near) const;
  node_number best_by_hash(const question& q) const;
  double hash_rank(const question& q, node_number n) const;
  static bool better(const found& a, const found& b, const topology& nodes);

  const fleet* cluster_;
  zone_picture zones_;
  placer_rules rules_;
  std::vector<attribute_number> spread_, near_, domains_;
  size_t attributes_ = 0; ///< that any node stated at the last refresh
  std::vector<float> risks_;
  std::optional<std::vector<float>> next_risks_; ///< none: nothing new
  /// Order and closing are caches of what follows from the rest.
  mutable std::vector<node_facts> nodes_;
  double writes_max_ = 0.0;
  double holdings_max_ = 0.0;
  double capacity_mean_ = 1.0; ///< of safe nodes, at the last refresh
  double capacity_max_ = 0.0;
  double weights_ = 0.0; ///< sum over safe nodes
  uint64_t copies_ = 0;  ///< on safe nodes, promised ones too
  uint64_t safe_nodes_ = 0;
  uint64_t expected_ = 0;
  std::map<double, uint64_t> weight_counts_; ///< of safe nodes
  struct known_level {
    uint64_t copies = 0;
    double level = 0.0;
  };
  mutable std::optional<known_level> level_; ///< none: to be found anew
  std::vector<node_number> under_way_;
  std::vector<uint64_t> hashes_;                        ///< of the ids
  std::vector<std::vector<value_number>> near_classes_; ///< values of each class
  mutable std::vector<lane> lanes_;                     ///< by round
};

} // namespace harbinger
