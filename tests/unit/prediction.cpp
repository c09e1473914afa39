/// Training, models, scoring, staleness, explanations.

#include <filesystem>
#include <cstring>
#include <fstream>
#include <numeric>
#include <sstream>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "predict/explanation.hpp"
#include "predict/heuristic.hpp"
#include "predict/predictor.hpp"
#include "tests/support/quick_training.hpp"
#include "tests/support/synthetic_runs.hpp"

using namespace harbinger;
using namespace harbinger::predict;
using testing::make_run;
using testing::run_maker;
using testing::synthetic_trouble;

namespace {
const time_scales scales = make_scales({3, 10, 40}, 12, 2);

const model& trained() {
  static const auto m = [] {
    auto out = train(testing::history_of_runs(20), service_schema(),
                     testing::quick_training_of_runs({"forest", "logistic"}, 2000));
    BOOST_REQUIRE_MESSAGE(out, (out ? "" : to_string(out.error())));
    return *out;
  }();
  return m;
}

time_point at(int64_t ms) { return time_point(milliseconds(ms)); }

node_row up(const char* name, uint64_t life = 1) {
  node_row out;
  out.id.value = name;
  out.life.value = life;
  return out;
}

std::vector<node_row> six_nodes() {
  return {up("n1"), up("n2"), up("n3"), up("n4"), up("n5"), up("n6")};
}

predictor make_predictor(bool with_model) {
  predictor out({scales});
  out.set_nodes(six_nodes(), true, at(0));
  if (with_model) BOOST_REQUIRE(out.use(trained()));
  return out;
}

const node_risk& risk_of(const predictor& p, const node_id& node) {
  for (const auto& r : p.risks())
    if (r.node == node) return r;
  throw std::runtime_error("no risk of " + node.value);
}

/// Feeds the run up to `until_ms` and scores there.
void play(predictor& p, const testing::synthetic_run& run, int64_t until_ms) {
  for (const auto& r : run.rows)
    if (r.received_ms <= until_ms) p.add(r.rows, at(r.received_ms));
  p.score(at(until_ms));
}
} // namespace

BOOST_AUTO_TEST_CASE(a_model_finds_deaths_of_runs_it_never_saw) {
  auto report = nlohmann::json::parse(trained().report());
  BOOST_TEST_MESSAGE(report.dump(1));
  auto reached = report["horizons"][0]["validation"];
  BOOST_TEST(reached["roc_auc"].get<double>() > 0.9);
  BOOST_TEST(reached["event_recall"].get<double>() >= 0.75);
  BOOST_TEST(reached["brier"].get<double>() < reached["base_rate"].get<double>());
}

BOOST_AUTO_TEST_CASE(the_risk_of_a_leaking_node_rises_and_names_memory) {
  auto run = make_run(101, synthetic_trouble::leak);
  auto p = make_predictor(true);
  play(p, run, *run.info.trouble_start_ms - 1000);
  BOOST_TEST(risk_of(p, run.info.node).probability < 0.3);
  p = make_predictor(true);
  play(p, run, *run.info.death_ms - 4000);
  const auto& risk = risk_of(p, run.info.node);
  BOOST_TEST(risk.probability > 0.5);
  BOOST_TEST(risk.calibrated);
  BOOST_REQUIRE(!risk.reasons.empty());
  BOOST_TEST((risk.reasons[0].metric == "process.rss_ratio"
              || risk.reasons[0].metric == "process.vsize_ratio"));
  BOOST_TEST(risk.reasons[0].text.find("rising") != std::string::npos);
  BOOST_TEST_MESSAGE(risk.reasons[0].text);
  for (const auto& other : p.risks())
    if (other.node != run.info.node) BOOST_TEST(other.probability < 0.5);
}

BOOST_AUTO_TEST_CASE(a_risk_says_which_group_of_metrics_left_the_nodes_own_past) {
  auto p = make_predictor(false);
  auto run = make_run(101, synthetic_trouble::leak);
  play(p, run, *run.info.death_ms - 4000);
  auto memory = static_cast<size_t>(metric_group::memory);
  BOOST_TEST(risk_of(p, run.info.node).deviations[memory] > 1.0f);
  size_t known = 0;
  for (const auto& r : p.risks())
    for (float x : r.deviations) known += std::isfinite(x);
  BOOST_TEST(known > 0u);
  p.score(at(*run.info.death_ms + 1'000'000)); // stale input says nothing about movement
  for (const auto& r : p.risks())
    for (float x : r.deviations) BOOST_TEST(std::isnan(x));

  movement_reader reader(*service_schema());
  std::vector<double> row(service_schema()->width(), std::numeric_limits<double>::quiet_NaN());
  auto put = [&](const std::string& name, double x) {
    for (size_t i = 0; i < row.size(); ++i)
      if (feature_name(*service_schema(), i) == name) row[i] = x;
  };
  put("process.rss_ratio baseline", 4), put("process.vsize_ratio baseline", 2);
  put("process.rss_ratio peers", 99), put("store.queue baseline", -3);
  auto moved = reader.read(row);
  BOOST_TEST(moved[memory] == 3.0f);
  BOOST_TEST(moved[static_cast<size_t>(metric_group::io)] == -3.0f);
  BOOST_TEST(std::isnan(moved[static_cast<size_t>(metric_group::cpu)]));
}

BOOST_AUTO_TEST_CASE(memory_that_grows_and_stops_is_no_death) {
  auto run = make_run(102, synthetic_trouble::plateau);
  auto p = make_predictor(true);
  play(p, run, *run.info.trouble_start_ms + 30'000);
  BOOST_TEST(risk_of(p, run.info.node).probability < 0.5);
}

BOOST_AUTO_TEST_CASE(silence_never_makes_a_risk_fall) {
  auto run = make_run(103, synthetic_trouble::leak);
  auto p = make_predictor(true);
  auto last = *run.info.death_ms - 2000;
  play(p, run, last);
  double before = risk_of(p, run.info.node).probability,
         width = risk_of(p, run.info.node).uncertainty;
  for (int64_t silent_s = 1; silent_s <= 60; silent_s += 3) {
    p.score(at(last + 1000 * silent_s));
    const auto& now = risk_of(p, run.info.node);
    BOOST_TEST(now.probability >= before - 1e-12);
    if (silent_s > 2) {
      BOOST_TEST(now.uncertainty >= width);
      BOOST_TEST(now.reasons.front().text.find("no telemetry for") != std::string::npos);
    }
    before = std::max(before, now.probability);
    width = now.uncertainty;
  }
  BOOST_TEST(width >= 0.5);
}

BOOST_AUTO_TEST_CASE(a_node_that_never_spoke_is_not_healthy) {
  auto p = make_predictor(true);
  const auto& risks = p.score(at(1000));
  BOOST_REQUIRE(risks.size() == 6u);
  BOOST_TEST(risks[0].uncertainty == 0.5);
  BOOST_TEST(std::isinf(risks[0].input_age_s));
  BOOST_TEST(!risks[0].calibrated);
}

BOOST_AUTO_TEST_CASE(a_dead_node_has_no_risk_and_a_new_life_starts_over) {
  auto run = make_run(104, synthetic_trouble::leak);
  auto p = make_predictor(true);
  play(p, run, *run.info.death_ms - 2000);
  auto dead = up(run.info.node.value.c_str());
  dead.state = node_state::dead;
  p.set_nodes({dead}, false, at(0));
  p.score(at(*run.info.death_ms));
  BOOST_TEST(p.risks().size() == 5u);
  p.set_nodes({up(run.info.node.value.c_str(), 2)}, false, at(0));
  p.score(at(*run.info.death_ms + 1000));
  BOOST_TEST(std::isinf(risk_of(p, run.info.node).input_age_s));
  // What the old life sends late does not count for the new one.
  p.add(run.rows.back().rows, at(*run.info.death_ms + 1000));
}

BOOST_AUTO_TEST_CASE(without_a_model_the_heuristic_speaks_and_says_so) {
  auto run = make_run(105, synthetic_trouble::leak);
  auto p = make_predictor(false);
  play(p, run, *run.info.death_ms - 3000);
  const auto& risk = risk_of(p, run.info.node);
  BOOST_TEST(risk.probability > 0.5);
  BOOST_TEST(!risk.calibrated);
  BOOST_TEST(risk.model == "heuristic");
  BOOST_TEST(!risk.reasons.empty());
}

BOOST_AUTO_TEST_CASE(the_history_is_bounded) {
  auto p = make_predictor(false);
  for (int i = 0; i < 500; ++i) p.score(at(1000 * i));
  BOOST_TEST(p.history(node_id{"n1"})->size() == 120u);
  BOOST_TEST(!p.history(node_id{"n9"}));
}

BOOST_AUTO_TEST_CASE(damaged_and_foreign_models_are_refused) {
  auto good = trained().serialize();
  auto code = [](std::string_view file) { return model::parse(file).error().code; };
  BOOST_TEST((code("") == errc::malformed));
  BOOST_TEST((code("something else") == errc::malformed));
  BOOST_TEST((code(good.substr(0, 12)) == errc::malformed));
  BOOST_TEST((code(good.substr(0, good.size() / 2)) == errc::checksum));
  for (size_t at = 8; at < good.size(); at += good.size() / 13 + 1) {
    auto bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x40);
    BOOST_TEST((code(bad) == errc::checksum));
  }
  BOOST_TEST((model::load("/nonexistent/model").error().code == errc::not_found));
}

BOOST_AUTO_TEST_CASE(a_model_of_other_windows_is_refused_and_the_one_before_stays) {
  auto p = make_predictor(true);
  model other(
      service_schema(), make_scales({1, 2, 3}, 12, 2), trained().typical(),
      [] {
        training_rows rows;
        rows.width = service_schema()->width();
        for (int i = 0; i < 40; ++i) {
          rows.values.insert(rows.values.end(), rows.width, i % 2 ? 1.0 : 0.0);
          rows.labels.push_back(static_cast<uint8_t>(i % 2));
        }
        return std::vector<horizon_machine>{{12, std::move(*train_logistic(rows)), {}}};
      }(),
      "{}");
  auto refused = p.use(std::move(other));
  BOOST_REQUIRE(!refused);
  BOOST_TEST((refused.error().code == errc::unsupported));
  BOOST_TEST(p.model_version() == trained().version());
}

BOOST_AUTO_TEST_CASE(forest_and_logistic_learn_and_survive_their_bytes) {
  training_rows rows;
  rows.width = service_schema()->width();
  for (int i = 0; i < 2000; ++i) { // two parts; feature 5 tells
    for (size_t c = 0; c < rows.width; ++c)
      rows.values.push_back(static_cast<double>((i * 31 + static_cast<int>(c) * 17) % 101));
    rows.labels.push_back(rows.values[rows.values.size() - rows.width + 5] > 80 ? 1 : 0);
  }
  auto forest = train_forest(rows, {});
  auto logistic = train_logistic(rows);
  BOOST_REQUIRE(forest.has_value());
  BOOST_REQUIRE(logistic.has_value());
  for (auto* machine : {&*forest, &*logistic}) {
    double sum[2] = {0, 0}, n[2] = {0, 0};
    for (size_t i = 0; i < rows.size(); ++i) {
      double score = (*machine)->score(rows.row(i));
      BOOST_TEST_REQUIRE(score >= 0.0);
      BOOST_TEST_REQUIRE(score <= 1.0);
      sum[rows.labels[i]] += score;
      n[rows.labels[i]] += 1;
    }
    BOOST_TEST(sum[1] / n[1] > sum[0] / n[0] + 0.4, (*machine)->kind());
    std::stringstream file;
    (*machine)->save(file);
    auto again = (*machine)->kind() == "forest" ? load_forest(file, rows.width)
                                                : load_logistic(file, rows.width);
    BOOST_REQUIRE(again.has_value());
    for (size_t i = 0; i < rows.size(); i += 7)
      BOOST_TEST((*again)->score(rows.row(i)) == (*machine)->score(rows.row(i)));
    std::stringstream narrow(file.str()), torn(file.str().substr(0, file.str().size() / 2));
    BOOST_TEST(!load_logistic(narrow, 3));
    BOOST_TEST(!load_forest(torn, rows.width));
  }
}

BOOST_AUTO_TEST_CASE(a_model_without_a_wanted_horizon_is_refused) {
  predictor p({scales, {600}});
  auto refused = p.accepts(trained());
  BOOST_REQUIRE(!refused);
  BOOST_TEST(to_string(refused.error()).find("10min") != std::string::npos);
  BOOST_TEST(predictor({scales, {12}}).accepts(trained()).has_value());
}

BOOST_AUTO_TEST_CASE(similar_past_cases_say_how_it_ended) {
  auto run = make_run(101, synthetic_trouble::leak);
  auto p = make_predictor(true);
  play(p, run, *run.info.death_ms - 4000);
  auto similar = p.similar_cases(run.info.node, 5);
  BOOST_REQUIRE(similar.size() == 5u);
  auto leaks = std::count_if(similar.begin(), similar.end(), [](const auto& c) {
    return c.found.failed && c.found.label == "memory_leak";
  });
  BOOST_TEST(leaks >= 3);
  BOOST_TEST(p.similar_cases(node_id{"n99"}, 5).empty());
  auto words = explain_in_words(p, run.info.node, at(*run.info.death_ms - 4000));
  BOOST_REQUIRE(words);
  std::string all;
  for (const auto& line : *words) all += line + '\n';
  BOOST_TEST_MESSAGE(all);
  for (const char* part : {"fails within 12s", "memory_leak", "which is fresh", "Model forest"})
    BOOST_TEST(all.find(part) != std::string::npos, part);
  BOOST_TEST(!explain_in_words(p, node_id{"n99"}, at(0)));
}

BOOST_AUTO_TEST_CASE(the_watch_on_the_model_hears_of_deaths) {
  auto run = make_run(106, synthetic_trouble::leak);
  auto p = make_predictor(true);
  for (auto t = run_maker::begin_ms; t < *run.info.death_ms; t += 1000) play(p, run, t);
  auto dead = up(run.info.node.value.c_str());
  dead.state = node_state::dead;
  p.set_nodes({dead}, false, at(*run.info.death_ms));
  p.score(at(*run.info.death_ms + 30'000));
  BOOST_REQUIRE(p.watch());
  BOOST_TEST(p.watch()->calibration().observed > 0.3);
  BOOST_TEST(!make_predictor(false).watch());
}

BOOST_AUTO_TEST_CASE(missing_and_infinite_features_still_give_a_probability) {
  std::vector<double> row(service_schema()->width(), std::nan(""));
  row[3] = INFINITY;
  auto p = trained().predict(row);
  BOOST_TEST(p.probability >= 0.0);
  BOOST_TEST(p.probability <= 1.0);
}

BOOST_AUTO_TEST_CASE(calibration_turns_scores_into_frequencies) {
  std::vector<scored_label> rows;
  for (uint32_t i = 0; i < 1000; ++i) { // score 0.2 means 0.5 here, 0.8 means 0.9
    rows.push_back({0.2, static_cast<uint8_t>(i % 2), 1, i % 50});
    rows.push_back({0.8, static_cast<uint8_t>(i % 10 != 0), 1, i % 50});
  }
  auto c = calibration::fit(rows);
  BOOST_TEST(std::fabs(c.probability(0.2) - 0.5) < 0.02);
  BOOST_TEST(std::fabs(c.probability(0.8) - 0.9) < 0.02);
  BOOST_TEST(c.probability(0.5) > c.probability(0.2));
  BOOST_TEST(c.probability(1e9) <= 0.999);
  for (double s = 0; s < 1; s += 0.01) BOOST_TEST(c.probability(s) <= c.probability(s + 0.01));
  BOOST_TEST(calibration::fit({{0.1, 0, 1, 0}, {0.3, 0, 1, 1}}).empty());
}
