#include <boost/test/unit_test.hpp>

#include <random>

#include "versions/fork_point.hpp"

using namespace harbinger;

namespace {

/// A log as the list of its entries' versions, and what the compact history says of it.
struct plain_log {
  std::vector<version> entries;
  epoch_history history() const {
    epoch_history h;
    for (const auto& v : entries)
      if (h.empty() || h.back().epoch != v.epoch) h.push_back({v.epoch, v.seq});
    return h;
  }
  version head() const { return entries.empty() ? version{} : entries.back(); }
};

/// Grows a log by batches of new epochs, each epoch used by one log only from the fork on.
void grow(plain_log& log, std::mt19937_64& random, uint64_t& next_epoch) {
  for (auto epochs = random() % 4; epochs > 0; --epochs) {
    auto e = next_epoch++;
    for (auto n = random() % 5; n > 0; --n)
      log.entries.push_back({epoch{e}, seq_no{log.entries.size() + 1}});
  }
}

} // namespace

BOOST_AUTO_TEST_CASE(fork_point_agrees_with_comparing_entry_by_entry) {
  for (uint64_t seed = 1; seed <= 5000; ++seed) {
    std::mt19937_64 random{seed};
    uint64_t next_epoch = 1;
    plain_log common;
    grow(common, random, next_epoch);
    auto mine = common, truth = common;
    if (!common.entries.empty()
        && random() % 2) { // the last common epoch goes on in one of the two
      auto e = common.head().epoch;
      for (auto n = random() % 4; n > 0; --n)
        mine.entries.push_back({e, seq_no{mine.entries.size() + 1}});
    }
    grow(mine, random, next_epoch);
    grow(truth, random, next_epoch);
    size_t same = 0;
    while (same < mine.entries.size() && same < truth.entries.size()
           && mine.entries[same] == truth.entries[same])
      ++same;
    version expected = same == 0 ? version{} : mine.entries[same - 1];
    // A primary that is alone in its epoch may go on for ever: an epoch of the truth that is its
    // last has no end.
    if (!truth.entries.empty() && mine.entries.size() > same
        && mine.entries[same].epoch == truth.head().epoch)
      continue;
    if (truth.entries.empty()) continue;
    auto found = fork_point(mine.head(), mine.history(), truth.history());
    BOOST_REQUIRE_MESSAGE(found.has_value(), "seed " << seed);
    BOOST_REQUIRE_MESSAGE(*found == expected,
                          "seed " << seed << ": " << *found << " instead of " << expected);
    for (const auto& v : mine.entries)
      BOOST_REQUIRE_MESSAGE(on_history(v, truth.history()) == (v.seq <= expected.seq),
                            "seed " << seed << " at " << v);
  }
}
