/// The learning machines: what they learn, and what their bytes are worth.

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "predict/scorer.hpp"
#include "predict/trees.hpp"
#include "predict/tuning.hpp"

using namespace harbinger;
using namespace harbinger::predict;

namespace {
double unit(std::mt19937_64& engine) { return static_cast<double>(engine() >> 11) * 0x1p-53; }

/// `width` values -1..1 a row, of which some are missing; label by `rule`.
template <class Rule>
training_rows draw(size_t rows, size_t width, uint64_t seed, Rule rule, double missing = 0) {
  std::mt19937_64 engine(seed);
  training_rows out;
  out.width = width;
  for (size_t i = 0; i < rows; ++i) {
    for (size_t c = 0; c < width; ++c) out.values.push_back(2 * unit(engine) - 1);
    auto row = std::span(out.values).last(width);
    out.labels.push_back(rule(row) > unit(engine));
    for (double& v : row)
      if (unit(engine) < missing) v = std::nan("");
  }
  return out;
}

double slope(std::span<const double> x) { return x[1] + 0.5 * x[3] > 0.6 ? 0.95 : 0.02; }
double exclusive(std::span<const double> x) { return (x[0] > 0) != (x[2] > 0) ? 0.95 : 0.05; }

/// Share of pairs in the right order.
double area(const scorer& machine, const training_rows& rows) {
  std::vector<double> scores(rows.size());
  machine.scores(rows.values, rows.size(), scores);
  double right = 0, pairs = 0;
  for (size_t i = 0; i < rows.size(); ++i)
    for (size_t k = 0; k < rows.size(); ++k)
      if (rows.labels[i] && !rows.labels[k]) {
        right += scores[i] > scores[k] ? 1 : scores[i] == scores[k] ? 0.5 : 0;
        pairs += 1;
      }
  return right / pairs;
}

/// Small ones, so that the tests stay quick.
hyper_values small(std::string_view kind) {
  if (kind == "forest") return {{"trees", 20}};
  if (kind == "boosting") return {{"rounds", 60}};
  if (kind == "network") return {{"hidden", 8}};
  return {};
}

std::unique_ptr<scorer> trained(std::string_view kind, const training_rows& rows, uint64_t seed = 1,
                                unsigned threads = 2) {
  auto out = train_scorer(kind, rows, small(kind), nullptr, seed, threads);
  BOOST_REQUIRE_MESSAGE(out, (out ? "" : to_string(out.error())));
  return std::move(out->machine);
}

std::string bytes_of(const scorer& machine) {
  std::ostringstream out;
  machine.save(out);
  return out.str();
}

result<std::unique_ptr<scorer>> load(std::string_view kind, const std::string& bytes,
                                     size_t width) {
  std::istringstream in(bytes);
  return load_scorer(kind, in, width);
}

const training_rows& holed() {
  static const auto rows = draw(1500, 6, 4, slope, 0.1);
  return rows;
}
} // namespace

BOOST_AUTO_TEST_CASE(every_kind_learns_what_a_plane_can_part) {
  auto rows = draw(2000, 6, 1, slope), later = draw(800, 6, 2, slope);
  for (auto kind : scorer_kinds()) BOOST_TEST(area(*trained(kind, rows), later) > 0.9, kind);
}

BOOST_AUTO_TEST_CASE(all_but_the_logistic_learn_what_only_two_features_together_tell) {
  auto rows = draw(3000, 6, 1, exclusive), later = draw(800, 6, 2, exclusive);
  for (auto kind : scorer_kinds()) {
    double found = area(*trained(kind, rows), later);
    if (kind == "logistic")
      BOOST_TEST(found < 0.6);
    else
      BOOST_TEST(found > 0.88, kind << ' ' << found);
  }
}

BOOST_AUTO_TEST_CASE(a_second_layer_learns_too) {
  auto rows = draw(2000, 6, 1, exclusive), later = draw(500, 6, 2, exclusive);
  auto machine = train_scorer("network", rows, {{"hidden", 8}, {"hidden2", 4}});
  BOOST_REQUIRE(machine.has_value());
  BOOST_TEST(area(*machine->machine, later) > 0.88);
  auto again = load("network", bytes_of(*machine->machine), 6);
  BOOST_REQUIRE(again.has_value());
  BOOST_TEST((*again)->score(later.row(3)) == machine->machine->score(later.row(3)));
}

BOOST_AUTO_TEST_CASE(that_a_value_is_missing_can_be_what_tells) {
  auto make = [](uint64_t seed) {
    auto out = draw(2000, 4, seed, [](auto) { return 0.5; });
    std::mt19937_64 engine(seed + 100);
    for (size_t i = 0; i < out.size(); ++i)
      if (unit(engine) < (out.labels[i] ? 0.9 : 0.1)) out.values[i * 4 + 2] = std::nan("");
    return out;
  };
  auto rows = make(1), later = make(2);
  for (auto kind : scorer_kinds()) {
    auto machine = trained(kind, rows);
    BOOST_TEST(machine->takes_missing());
    BOOST_TEST(area(*machine, later) > 0.85, kind);
  }
}

BOOST_AUTO_TEST_CASE(a_batch_scores_bit_for_bit_like_its_rows) {
  for (auto kind : scorer_kinds()) {
    auto machine = trained(kind, holed());
    for (size_t rows : {0, 1, 7, 8, 63, 65, 500}) {
      std::vector<double> out(rows + 1, -1);
      machine->scores(std::span(holed().values).first(rows * 6), rows, out);
      for (size_t i = 0; i < rows; ++i)
        BOOST_TEST_REQUIRE(out[i] == machine->score(holed().row(i)), kind);
      BOOST_TEST(out[rows] == -1);
    }
  }
}

BOOST_AUTO_TEST_CASE(scores_are_finite_shares_whatever_comes_in) {
  std::vector<double> wild{std::nan(""), INFINITY, -INFINITY, 1e308, -1e308, 5e-324};
  for (auto kind : scorer_kinds()) {
    auto machine = trained(kind, holed());
    for (size_t turn = 0; turn < wild.size(); ++turn) {
      std::rotate(wild.begin(), wild.begin() + 1, wild.end());
      double s = machine->score(wild);
      BOOST_TEST((s >= 0 && s <= 1), kind << ' ' << s);
    }
    std::vector<double> nothing(6, std::nan(""));
    BOOST_TEST(std::isfinite(machine->score(nothing)), kind);
  }
}

BOOST_AUTO_TEST_CASE(infinite_values_in_training_count_as_missing) {
  auto rows = holed(), infinite = holed();
  for (double& v : infinite.values)
    if (std::isnan(v)) v = INFINITY;
  for (auto kind : scorer_kinds())
    BOOST_TEST(bytes_of(*trained(kind, rows)) == bytes_of(*trained(kind, infinite)), kind);
}

BOOST_AUTO_TEST_CASE(a_saved_machine_scores_bit_for_bit_the_same) {
  for (auto kind : scorer_kinds()) {
    auto machine = trained(kind, holed());
    auto again = load(kind, bytes_of(*machine), 6);
    BOOST_REQUIRE_MESSAGE(again, kind);
    BOOST_TEST((*again)->kind() == kind);
    BOOST_TEST(bytes_of(**again) == bytes_of(*machine));
    for (size_t i = 0; i < holed().size(); i += 3)
      BOOST_TEST_REQUIRE((*again)->score(holed().row(i)) == machine->score(holed().row(i)), kind);
  }
}

BOOST_AUTO_TEST_CASE(the_same_seed_gives_the_same_bytes_with_one_thread_or_more) {
  auto rows = draw(6000, 6, 9, slope, 0.05); // several pieces for the threads
  for (auto kind : scorer_kinds()) {
    auto first = bytes_of(*trained(kind, rows, 5, 1));
    BOOST_TEST(first == bytes_of(*trained(kind, rows, 5, 1)), kind);
    BOOST_TEST(first == bytes_of(*trained(kind, rows, 5, 2)), kind);
    BOOST_TEST(first == bytes_of(*trained(kind, rows, 5, 3)), kind);
    if (kind != "logistic") BOOST_TEST(first != bytes_of(*trained(kind, rows, 6, 2)), kind);
  }
}

BOOST_AUTO_TEST_CASE(torn_and_foreign_bytes_are_refused) {
  for (auto kind : scorer_kinds()) {
    auto good = bytes_of(*trained(kind, holed()));
    for (size_t length = 0; length < good.size(); length += 1 + good.size() / 97) {
      auto torn = load(kind, good.substr(0, length), 6);
      BOOST_TEST_REQUIRE(!torn, kind);
      BOOST_TEST((torn.error().code == errc::malformed));
    }
    BOOST_TEST(!load(kind, good + 'x', 6), kind);
    BOOST_TEST(!load(kind, good, 2), kind);
    BOOST_TEST(!load(kind, std::string(5000, '\xff'), 6), kind);
    BOOST_TEST(!load(kind, std::string(5000, '\0'), 6), kind);
    for (auto other : scorer_kinds())
      if (other != kind) BOOST_TEST(!load(other, good, 6), kind << " as " << other);
  }
  BOOST_TEST((load("oracle", "", 6).error().code == errc::unsupported));
}

BOOST_AUTO_TEST_CASE(damaged_bytes_are_refused_or_score_within_bounds) {
  for (auto kind : scorer_kinds()) {
    auto good = bytes_of(*trained(kind, holed()));
    std::mt19937_64 engine(17);
    for (int turn = 0; turn < 300; ++turn) {
      auto bad = good;
      for (int i = 0; i < 3; ++i) bad[engine() % bad.size()] = static_cast<char>(engine());
      if (auto machine = load(kind, bad, 6))
        for (size_t i = 0; i < 50; ++i) {
          double s = (*machine)->score(holed().row(i));
          BOOST_TEST_REQUIRE(!std::isinf(s), kind);
        }
    }
  }
}

BOOST_AUTO_TEST_CASE(validation_stops_early_and_says_where) {
  // Nothing is to be learned: every round past the first few makes the later rows worse.
  auto rows = draw(1000, 6, 1, [](auto) { return 0.3; }),
       later = draw(1000, 6, 2, [](auto) { return 0.3; });
  for (std::string kind : {"boosting", "network"}) {
    auto free = train_scorer(kind, rows, {{"rounds", 150}});
    auto stopped = train_scorer(kind, rows, {{"rounds", 150}}, &later);
    BOOST_REQUIRE((free && stopped));
    BOOST_TEST(stopped->used.at("rounds") < (kind == "boosting" ? 30 : 12), kind);
    BOOST_TEST(bytes_of(*stopped->machine).size() <= bytes_of(*free->machine).size());
    auto brier = [&](const scorer& s) {
      double sum = 0;
      for (size_t i = 0; i < later.size(); ++i)
        sum += std::pow(s.score(later.row(i)) - later.labels[i], 2);
      return sum;
    };
    BOOST_TEST(brier(*stopped->machine) < brier(*free->machine), kind);
  }
}

BOOST_AUTO_TEST_CASE(no_more_trees_are_kept_than_can_be_scored_in_time) {
  auto rows = draw(100, 4, 1, slope);
  auto machine = train_scorer("boosting", rows, {{"rounds", 1000}, {"bags", 8}, {"depth", 8}});
  BOOST_REQUIRE(machine.has_value());
  BOOST_TEST(machine->used.at("rounds") == std::floor(2500 / 64.0));
}

BOOST_AUTO_TEST_CASE(a_heavy_row_counts_like_its_repetition) {
  auto rows = draw(1200, 4, 3, [](auto x) { return x[0] > 0 ? 0.4 : 0.1; });
  auto heavy = rows, repeated = rows;
  for (size_t i = 0; i < rows.size(); ++i) {
    bool more = rows.labels[i] == 1;
    heavy.weights.push_back(more ? 3.0f : 1.0f);
    for (int k = 0; more && k < 2; ++k) {
      auto row = rows.row(i);
      repeated.values.insert(repeated.values.end(), row.begin(), row.end());
      repeated.labels.push_back(1);
    }
  }
  std::vector<double> probe(4, 0.5);
  for (auto kind : scorer_kinds()) {
    hyper_values h;
    if (kind != "forest") h["positive_power"] = 0;
    double plain = train_scorer(kind, rows, h)->machine->score(probe),
           weighted = train_scorer(kind, heavy, h)->machine->score(probe),
           doubled = train_scorer(kind, repeated, h)->machine->score(probe);
    BOOST_TEST(weighted > plain + 0.1, kind);
    BOOST_TEST(std::fabs(weighted - doubled) < 0.12, kind << ' ' << weighted << ' ' << doubled);
  }
}

BOOST_AUTO_TEST_CASE(a_forest_says_nearly_a_probability_though_its_trees_see_more_deaths) {
  auto rule = [](std::span<const double> x) { return x[0] > 0.5 ? 0.06 : 0.01; };
  auto machine =
      train_scorer("forest", draw(20'000, 4, 1, rule), {{"trees", 30}, {"leaf_rows_min", 50}});
  BOOST_REQUIRE(machine.has_value());
  auto later = draw(4000, 4, 2, rule);
  double mean = 0;
  for (size_t i = 0; i < later.size(); ++i)
    mean += machine->machine->score(later.row(i)) / static_cast<double>(later.size());
  BOOST_TEST(mean > 0.015);
  BOOST_TEST(mean < 0.035);
}

BOOST_AUTO_TEST_CASE(equal_rows_without_end_do_not_hold_a_forest_up) {
  training_rows rows; // four different rows, ten thousand times
  rows.width = 3;
  std::mt19937_64 engine(1);
  for (size_t i = 0; i < 10'000; ++i) {
    double a = static_cast<double>(engine() % 2), b = static_cast<double>(engine() % 2);
    rows.values.insert(rows.values.end(), {a, b, 0.0});
    rows.labels.push_back(unit(engine) < (a > 0 && b > 0 ? 0.5 : 0.02));
  }
  auto machine = trained("forest", rows);
  std::vector<double> both{1, 1, 0}, one{1, 0, 0};
  BOOST_TEST(std::fabs(machine->score(both) - 0.5) < 0.1);
  BOOST_TEST(std::fabs(machine->score(one) - 0.02) < 0.04);
  BOOST_TEST(bytes_of(*machine).size() < 20u * 200);
}

BOOST_AUTO_TEST_CASE(rows_that_teach_nothing_are_refused) {
  auto good = draw(100, 3, 1, [](auto) { return 0.5; });
  auto code = [](std::string_view kind, const training_rows& rows) {
    auto out = train_scorer(kind, rows, small(kind));
    return out ? errc::internal : out.error().code;
  };
  for (auto kind : scorer_kinds()) {
    auto few = draw(19, 3, 1, [](auto) { return 0.5; }), one = good, ragged = good, labels = good,
         weights = good;
    std::fill(one.labels.begin(), one.labels.end(), uint8_t{0});
    ragged.values.pop_back();
    labels.labels[5] = 2;
    weights.weights.assign(100, 1.0f);
    weights.weights[7] = -1;
    for (const auto* bad : {&few, &one, &ragged, &labels, &weights})
      BOOST_TEST((code(kind, *bad) == errc::invalid_argument), kind);
    auto wide = draw(50, 4, 1, [](auto) { return 0.5; });
    BOOST_TEST(!train_scorer(kind, good, {}, &wide), kind);
  }
  BOOST_TEST((code("oracle", good) == errc::invalid_argument));
  BOOST_TEST((train_scorer("forest", good, {{"depth", 3}}).error().code == errc::invalid_argument));
}

BOOST_AUTO_TEST_CASE(constant_and_wholly_missing_features_do_no_harm) {
  auto rows = draw(800, 5, 1, slope);
  for (size_t i = 0; i < rows.size(); ++i) {
    rows.values[i * 5] = 7;
    rows.values[i * 5 + 4] = std::nan("");
  }
  for (auto kind : scorer_kinds()) BOOST_TEST(area(*trained(kind, rows), rows) > 0.9, kind);
}

BOOST_AUTO_TEST_CASE(rows_of_which_nearly_all_is_missing_can_be_learned_from) {
  // Most rows are not in a tree's sample, so they come to splits that are unlike them.
  auto rule = [](std::span<const double> x) { return x[0] > 0.5 ? 0.1 : 0.005; };
  auto rows = draw(20'000, 8, 1, rule, 0.8), some = draw(2000, 8, 2, rule, 0.8);
  for (auto kind : scorer_kinds()) BOOST_TEST(area(*trained(kind, rows), some) > 0.5, kind);
}

BOOST_AUTO_TEST_CASE(flat_trees_walk_like_a_walk_by_hand) {
  std::mt19937_64 engine(3);
  std::vector<tree> trees(20);
  for (auto& t : trees) { // grown at random, in any order of children
    t.emplace_back();
    while (t.size() < 60) {
      size_t at = engine() % t.size();
      if (!t[at].leaf()) continue;
      auto left = static_cast<uint32_t>(t.size());
      t.insert(t.end(), 2, {});
      t[at].left = left + engine() % 2;
      t[at].right = left + (t[at].left == left);
      t[at].feature = static_cast<uint16_t>(engine() % 6);
      t[at].threshold = static_cast<float>(unit(engine) - 0.5);
      t[at].missing_left = engine() % 2 != 0;
    }
    for (auto& n : t)
      if (n.leaf()) n.value = static_cast<float>(unit(engine));
  }
  for (bool one_way : {false, true}) {
    if (one_way)
      for (auto& t : trees)
        for (auto& n : t) n.missing_left = true;
    auto flat = flat_trees::make(trees, 6);
    BOOST_REQUIRE(flat.has_value());
    std::vector<double> sums(holed().size());
    flat->sums(holed().values, holed().size(), sums);
    for (size_t i = 0; i < holed().size(); ++i) {
      std::vector<float> row;
      for (double v : holed().row(i)) row.push_back(tree_value(v));
      double sum = 0;
      for (const auto& t : trees) sum += t[leaf_of(t, row.data())].value;
      BOOST_TEST_REQUIRE(sums[i] == sum);
    }
  }
}

BOOST_AUTO_TEST_CASE(trees_that_lead_nowhere_are_refused) {
  tree good(3);
  good[0] = {0.5f, 0, 1, 2, 0, true};
  BOOST_TEST(flat_trees::make(std::array{good}, 1).has_value());
  auto refused = [&](auto change) {
    tree bad = good;
    change(bad);
    return !flat_trees::make(std::array{bad}, 1).has_value();
  };
  BOOST_TEST(refused([](tree& t) { t.clear(); }));
  BOOST_TEST(refused([](tree& t) { t[0].feature = 1; }));
  BOOST_TEST(refused([](tree& t) { t[0].right = 3; }));
  BOOST_TEST(refused([](tree& t) { t[0].right = 1; }));
  BOOST_TEST(refused([](tree& t) { t[0].threshold = NAN; }));
  BOOST_TEST(refused([](tree& t) { t[2].value = INFINITY; }));
  BOOST_TEST(refused([](tree& t) { t.emplace_back(); }));
  BOOST_TEST(refused([](tree& t) { t[1] = {0, 0, 1, 2, 0, true}; }));
  BOOST_TEST(refused([](tree& t) {
    while (t.size() < 2 * tree_depth_max + 5) {
      auto at = static_cast<uint32_t>(t.size());
      t[at - 1] = {0, 0, at, at + 1, 0, true};
      t.insert(t.end(), 2, {});
    }
  }));
  BOOST_TEST(!flat_trees::make({}, 1).has_value());
}
