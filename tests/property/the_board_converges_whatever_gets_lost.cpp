#include <boost/test/unit_test.hpp>

#include <random>

#include "tests/support/board_world.hpp"

using namespace harbinger;
using harbinger::test::board_world;

/// P8: replies lost before or after they took effect, foreign changes of the rows, prefetchers
/// killed, the board restarted, nodes dying. Afterwards, left alone, every partition at risk has
/// one ready copy on a safe node, and every copy one prefetcher.
BOOST_AUTO_TEST_CASE(the_board_comes_to_the_same_end_after_any_losses) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random{seed};
    auto chance = [&](uint64_t one_in) { return random() % one_in == 0; };
    board_world w(8, 6);
    w.risk("n1", 0.9);
    std::map<copy_key, copy_id> ids;
    int dead = 0;
    for (int round = 0; round < 80; ++round) {
      w.now += milliseconds(100 + random() % 2000);
      auto actions = w.board->step(w.catalog, w.config, w.now);
      std::set<partition_id> swapped;
      auto carry_some = [&](auto& again, board_actions todo) -> void {
        w.carry(todo);
        for (const auto& order : todo.begin) {
          auto& known = ids[{order.partition, order.target.node}];
          BOOST_REQUIRE_MESSAGE(order.copy >= known,
                                "seed " << seed << ": a copy id went backwards");
          known = order.copy;
        }
        for (const auto& change : todo.swap) {
          if (chance(6)) continue; // never arrived
          auto row = w.apply(change);
          if (chance(6)) continue; // took effect, the answer got lost
          again(again, w.board->swapped(change.row.id, row, w.catalog, w.now));
        }
      };
      carry_some(carry_some, std::move(actions));
      if (chance(3)) w.report_copies();
      if (chance(10)) { // somebody else changes a row
        auto row = w.row(static_cast<uint32_t>(random() % 6));
        row.revision = revision{++w.revisions};
        w.catalog.put(row);
      }
      if (chance(10) && !w.prefetchers.empty()) {
        auto killed = w.prefetchers.begin()->first;
        w.prefetchers.erase(killed);
        w.board->prefetcher_ended(killed);
      }
      if (chance(15)) {
        w.restart_board();
        w.prefetchers.clear();
        w.board->zones(w.zones);
        w.report_copies();
      }
      if (chance(20) && dead < 2) w.set_state("n" + std::to_string(7 + dead++), node_state::dead);
      for (uint32_t i = 0; i < 6; ++i)
        BOOST_REQUIRE_MESSAGE(w.row(i).copies.size() <= 3, "seed " << seed);
    }
    for (int round = 0; round < 400; ++round) {
      w.report_copies();
      w.step(milliseconds(200));
    }
    for (uint32_t i = 0; i < 6; ++i) {
      const auto& copies = w.row(i).copies;
      BOOST_REQUIRE_MESSAGE(!copies.empty() && copies.size() <= 2,
                            "seed " << seed << " partition " << i << " has " << copies.size());
      for (const auto& c : copies) {
        BOOST_REQUIRE_MESSAGE(c.ready, "seed " << seed);
        BOOST_REQUIRE_MESSAGE(w.catalog.node(c.node)->state == node_state::up, "seed " << seed);
        BOOST_REQUIRE_MESSAGE(c.node != node_id{"n1"} && c.node != node_id{"n2"}, "seed " << seed);
        BOOST_REQUIRE_MESSAGE(w.prefetchers.count({w.row(i).id, c.node}) == 1,
                              "seed " << seed << " without a prefetcher");
      }
    }
    size_t copies = 0;
    for (uint32_t i = 0; i < 6; ++i) copies += w.row(i).copies.size();
    BOOST_REQUIRE_MESSAGE(w.prefetchers.size() == copies,
                          "seed " << seed << " has prefetchers without a copy");
  }
}
