#include "app/config_builders.hpp"

/// Keys of zones, copies and placement.

namespace harbinger {

using namespace config_builders;
using enum where_used;

namespace {

void zone_keys(std::vector<config_key>& k) {
  k.push_back(
      number({"zones.enter_at", central, live, "probability", "risk at which a node enters a zone"},
             0, 1, FIELD(zones.enter_at)));
  k.push_back(number({"zones.leave_at", central, live, "probability",
                      "risk below which it may leave; less than enter_at"},
                     0, 1, FIELD(zones.leave_at)));
  k.push_back(number({"zones.escalate_at", central, live, "probability",
                      "when every member of a partition's sync set is in, or exposed to, a zone of "
                      "this probability or more, a copy outside of it joins the sync set until the "
                      "zones are gone: their loss at one instant loses nothing, a write waits for "
                      "one more acknowledgement; 1: practically never"},
                     0.01, 1, FIELD(zones.escalate_at)));
  k.push_back(integer({"zones.escalated_max", central, live, "partitions",
                       "most partitions with such a copy at once; past it the riskiest, and one "
                       "alert; at most half of it for those in which a member shall leave its node "
                       "(evacuate_at); 0: none, then no node is emptied either"},
                      0, 16384, FIELD(zones.escalated_max)));
  k.push_back(number({"zones.evacuate_at", central, live, "probability",
                      "when a node in a zone is this likely to fail, its primaries are handed over "
                      "to members outside of the zones, and it leaves sync sets as copies take its "
                      "place: its failure stops nothing then; a hand-over stops a partition for "
                      "some ms; planned maintenance needs no such probability, the brake suspends "
                      "what is predicted; 1: never for a prediction"},
                     0.01, 1, FIELD(zones.evacuate_at)));
  k.push_back(integer({"zones.enter_rounds", central, live, "scorings",
                       "consecutive scorings at enter_at or above before it enters"},
                      1, 1000, FIELD(zones.enter_rounds)));
  k.push_back(number({"zones.minimum_stay_s", central, live, "s", "shortest stay in a zone"}, 0,
                     day_s, FIELD(zones.minimum_stay_s)));
  k.push_back(number({"zones.share_max", central, live, "share",
                      "brake: largest share of the nodes up that may be in zones; past it the "
                      "riskiest, and one alert"},
                     0.01, 1, FIELD(zones.share_max)));
  k.push_back(
      number({"zones.capacity_share_max", central, live, "share", "the same of their capacity"},
             0.01, 1, FIELD(zones.capacity_share_max)));
  k.push_back(number({"zones.concentration_p", central, live, "probability",
                      "a whole domain becomes one zone when so many risky members would be rarer "
                      "than this by chance"},
                     1e-9, 0.5, FIELD(zones.concentration_p)));
  k.push_back(
      texts({"zones.domains", central, live, "", "node attributes that make nodes fail together"},
            FIELD(zones.domains)));
  k.push_back(
      number({"zones.exposed_share_max", central, live, "share",
              "largest share of the nodes up that may be exposed; past it the widest domains "
              "expose nobody, so that safe nodes are left"},
             0, 1, FIELD(zones.exposed_share_max)));
  k.push_back(number({"zones.comovement_min", central, live, "correlation",
                      "nodes at risk whose telemetry moved together at least so much become one "
                      "zone; 1: never"},
                     0.1, 1, FIELD(zones.comovement_min)));
}

void prefetch_keys(std::vector<config_key>& k) {
  k.push_back(number({"prefetch.none_alive_target", central, live, "probability",
                      "chance that a partition may have of losing every replica and copy within "
                      "the horizon; smaller: more copies"},
                     1e-9, 1, FIELD(prefetch.none_alive_target)));
  k.push_back(integer({"prefetch.copies_max", central, live, "", "most copies of one partition"}, 0,
                      8, FIELD(prefetch.copies_max)));
  k.push_back(
      integer({"prefetch.concurrent_max", central, live, "", "most copies under way at once"}, 1,
              10'000, FIELD(prefetch.concurrent_max)));
  k.push_back(integer({"prefetch.concurrent_per_node_max", central, live, "",
                       "most copies under way from or to one node; at most concurrent_max"},
                      1, 1000, FIELD(prefetch.concurrent_per_node_max)));
  k.push_back(
      integer({"prefetch.rate_bytes_per_s", central, live, "bytes/s", "limit of one copy; 0: none"},
              0, bytes_most, FIELD(prefetch.rate_bytes_per_s)));
  k.push_back(integer({"prefetch.total_bytes_per_s", central, live, "bytes/s",
                       "limit of all copies under way together; 0: none"},
                      0, bytes_most, FIELD(prefetch.total_bytes_per_s)));
  k.push_back(integer({"prefetch.node_bytes_per_s", central, live, "bytes/s",
                       "limit of all copies from one node, and of all to one node; 0: none"},
                      0, bytes_most, FIELD(prefetch.node_bytes_per_s)));
  k.push_back(text({"prefetch.link_attribute", central, live, "",
                    "attribute whose values are joined by links, such as rack: a copy between two "
                    "values uses the link of each; empty: no links"},
                   "", any_text, FIELD(prefetch.link_attribute)));
  k.push_back(integer({"prefetch.link_bytes_per_s", central, live, "bytes/s",
                       "limit of all copies out of one value of link_attribute, and of all into "
                       "it; 0: none"},
                      0, bytes_most, FIELD(prefetch.link_bytes_per_s)));
  k.push_back(number({"prefetch.space_max", central, live, "share",
                      "largest share of a node's capacity that copies may take; past it those that "
                      "outlived their zone go, least useful first"},
                     0.01, 1, FIELD(prefetch.space_max)));
  k.push_back(number({"prefetch.preempt_factor", central, live, "times",
                      "a copy under way gives way to one that waits and is worth so many times as "
                      "much; 0: never"},
                     0, 1e6, FIELD(prefetch.preempt_factor)));
  k.push_back(integer({"prefetch.retry_ms", both, restart, "ms",
                       "centre: pause before a copy without progress is ordered again; node: pause "
                       "before a source is asked again"},
                      10, minute_ms, FIELD(prefetch.retry_ms)));
  k.push_back(integer({"prefetch.retries_max", both, restart, "",
                       "centre: orders without any progress, per source, before a copy is given "
                       "up; node: failures at one source before the next"},
                      0, 1000, FIELD(prefetch.retries_max)));
  k.push_back(number(
      {"prefetch.keep_after_zone_s", central, live, "s", "copies outlive their zone so long"}, 0,
      30 * day_s, FIELD(prefetch.keep_after_zone_s)));
  k.push_back(integer({"prefetch.chunk_bytes", node, restart, "bytes",
                       "size of one piece of a snapshot that this node gives to others"},
                      4096, 4 << 20, FIELD(prefetch.chunk_bytes)));
  k.push_back(integer({"prefetch.credits", node, restart, "chunks",
                       "pieces this node has asked a source for and not got yet, per copy"},
                      1, 256, FIELD(prefetch.credits)));
  k.push_back(
      number({"prefetch.yield_rise", node, restart, "times",
              "copies from and to this node slow down while its durable writes take more "
              "than so many times what they take without copies, in the mean or the slowest of "
              "them; 0: never"},
             0, 100, FIELD(prefetch.yield_rise)));
  k.push_back(
      integer({"prefetch.floor_bytes_per_s", node, restart, "bytes/s",
               "what copies may take however slow writes are, so that one at risk finishes"},
              65'536, bytes_most, FIELD(prefetch.floor_bytes_per_s)));
}

void placement_keys(std::vector<config_key>& k) {
  k.push_back(number({"placement.quota", central, live, "share",
                      "largest share of a node's capacity that may be used"},
                     0.01, 1, FIELD(placement.quota)));
  k.push_back(texts({"placement.spread", central, live, "",
                     "attributes that replicas of a partition must not share"},
                    FIELD(placement.spread)));
  k.push_back(texts({"placement.near", central, live, "",
                     "attributes that a node shares with those near it; clients are taken to be "
                     "near the primary"},
                    FIELD(placement.near)));
  k.push_back(
      number({"placement.weight_free", central, live, "weight", "how much free space counts"}, 0, 1,
             FIELD(placement.weight_free)));
  k.push_back(
      number({"placement.weight_load", central, live, "weight", "how much a low load counts"}, 0, 1,
             FIELD(placement.weight_load)));
  k.push_back(
      number({"placement.weight_risk", central, live, "weight", "how much a low risk counts"}, 0, 1,
             FIELD(placement.weight_risk)));
  k.push_back(number(
      {"placement.weight_rtt", central, live, "weight", "how much nearness to the source counts"},
      0, 1, FIELD(placement.weight_rtt)));
  k.push_back(number({"placement.weight_near", central, live, "weight",
                      "how much nearness to the primary's clients counts"},
                     0, 1, FIELD(placement.weight_near)));
  k.push_back(
      number({"placement.weight_balance", central, live, "weight", "how much few partitions count"},
             0, 1, FIELD(placement.weight_balance)));
  k.push_back(number({"placement.imbalance", central, live, "times",
                      "a node that would get more than so many times its fair share of copies, by "
                      "capacity, comes after all others"},
                     1, 100, FIELD(placement.imbalance)));
  k.push_back(text({"placement.strategy", central, live, "",
                    "how one of the nodes that pass the filters is chosen; all but weighted are "
                    "for comparison"},
                   "weighted, random, power_of_two, rendezvous", check_strategy,
                   FIELD(placement.strategy)));
}

} // namespace

void config_builders::protection_keys(std::vector<config_key>& k) {
  zone_keys(k);
  prefetch_keys(k);
  placement_keys(k);
}

} // namespace harbinger
