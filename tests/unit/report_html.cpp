#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <random>

#include <nlohmann/json.hpp>

#include "predict/charts.hpp"
#include "predict/report_html.hpp"

using namespace harbinger;
using namespace harbinger::predict;

namespace {

constexpr int64_t hour = 3'600'000, start = 1'400'000'000'000;

judged_rows sample_rows(uint64_t seed, double skill) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform;
  judged_rows out;
  for (uint32_t m = 0; m < 120; ++m) {
    out.machines.push_back({"node-" + std::to_string(m), "rack <" + std::to_string(m % 5) + ">",
                            m % 3 ? "" : "memory leak & more"});
    bool fails = m % 3 == 0;
    for (int64_t i = 0; i < 200; ++i) {
      judged r;
      r.machine = m;
      r.time_ms = start + i * hour;
      if (fails) r.failure_in_ms = (200 - i) * hour;
      r.label = fails && r.failure_in_ms <= 24 * hour;
      double signal =
          r.label ? skill * (1 - static_cast<double>(r.failure_in_ms) / (40.0 * hour)) : 0;
      r.probability = std::clamp(signal + 0.95 * std::pow(uniform(random), 24), 0.001, 0.999);
      if (m % 17 == 0) r.probability /= 10;
      r.score = r.probability;
      out.rows.push_back(r);
    }
  }
  return out;
}

report_series trace(const report_case& c, const std::string& name, double rise) {
  report_series out{name, "MB", {}};
  for (int64_t t = c.at_ms - 96 * hour; t <= c.at_ms + 48 * hour; t += hour)
    out.points.emplace_back(t, (t - c.at_ms) / hour % 17 == 0
                                   ? undefined
                                   : 500 + rise * static_cast<double>(t - c.at_ms) / hour
                                         + 20 * std::sin(static_cast<double>(t / hour)));
  return out;
}

report sample() {
  report r;
  r.title = "Evaluation of <demo> & friends";
  r.version = "1.2.3";
  r.command_line = "harbinger evaluate --history \"h\" --horizon 24h";
  r.seed = 4711;
  r.data = {{"source", "made up <here>"}, {"machines", "120"}};
  r.split = {{"kind", "by time, gap of one horizon"}, {"test", "from 2014-05-13"}};
  r.notes = {"Nothing of this is real."};
  const std::vector<std::pair<std::string, double>> models{{"boosting", 0.9}, {"logistic", 0.45}};
  for (const auto& [name, skill] : models) {
    auto rows = sample_rows(3, skill);
    question q;
    q.horizon_ms = 24 * hour;
    q.threshold = *best_threshold(rows);
    q.bootstrap.replicates = 50;
    report_model m;
    m.name = name;
    m.chosen = name == "boosting";
    m.why = "PR-AUC on validation 0.91 > 0.52";
    m.judged = *judge(rows, q);
    m.more = {{"roc_auc_before",
               "ROC-AUC before any fault",
               "should be near 0.5",
               figure_format::share,
               {0.52, 0.45, 0.6}}};
    for (int i = 0; i < 30; ++i)
      m.importances.push_back({"memory.slope<" + std::to_string(i) + ">", 1.0 / (1 + i)});
    m.misses = worst_misses(rows, m.judged, 2);
    m.false_alarms = worst_false_alarms(rows, m.judged, 2);
    for (auto* cases : {&m.misses, &m.false_alarms})
      for (auto& c : *cases) {
        c.traces.push_back(trace(c, "memory used", 3));
        c.traces.push_back(trace(c, "disk \"x\"", 0));
      }
    r.models.push_back(std::move(m));
  }
  return r;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
size_t count(const std::string& text, const std::string& part) {
  size_t out = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++out;
  return out;
}

} // namespace

BOOST_AUTO_TEST_CASE(the_page_has_every_section_for_every_model) {
  auto page = report_html(sample());
  for (const char* once : {">Figures<", ">Curves<", ">Data<", ">Split<", ">How this was made<"})
    BOOST_TEST(count(page, once) == 1u, once);
  for (const char* each : {">Reliability<", ">Lead times</h3>", ">What it looks at<",
                           ">Worst misses<", ">Worst false alarms<", "What was said and what came",
                           "Warnings that held, by lead time", "Rows by probability"})
    BOOST_TEST(count(page, each) >= 2u, each);
  for (const char* said : {"ROC-AUC", "PR-AUC", "Brier", "calibration error", "event recall",
                           "false alarms per machine-month", "lead time, median", "4711", "1.2.3",
                           "resampling 120 machines", "ROC-AUC before any fault",
                           "by time, gap of one horizon", "And 5 smaller ones."})
    BOOST_TEST(has(page, said), said);
  // To look at it: HARBINGER_REPORT_OUT=/tmp/report.html
  if (const char* path = std::getenv("HARBINGER_REPORT_OUT")) std::ofstream(path) << page;
}

BOOST_AUTO_TEST_CASE(text_from_data_is_escaped_everywhere) {
  auto page = report_html(sample());
  BOOST_TEST(has(page, "Evaluation of &lt;demo&gt; &amp; friends"));
  BOOST_TEST(has(page, "made up &lt;here&gt;"));
  BOOST_TEST(has(page, "--history &quot;h&quot;"));
  BOOST_TEST(has(page, "memory.slope&lt;0&gt;"));
  BOOST_TEST(has(page, "disk &quot;x&quot;"));
  BOOST_TEST(has(page, "rack &lt;"));
  BOOST_TEST(has(page, "memory leak &amp; more"));
  for (const char* raw : {"<demo>", "<here>", "slope<", "rack <", "leak & "})
    BOOST_TEST(!has(page, raw), raw);
  BOOST_TEST(escape_html("a\x01<b>'\"&") == "a?&lt;b&gt;&#39;&quot;&amp;");
}

BOOST_AUTO_TEST_CASE(the_page_needs_nothing_from_elsewhere) {
  auto page = report_html(sample());
  for (const char* foreign : {"<script", "http://", "https://", "@import", "url(", "<link", "<img"})
    BOOST_TEST(!has(page, foreign), foreign);
  BOOST_TEST(has(page, "prefers-color-scheme:dark"));
}

BOOST_AUTO_TEST_CASE(each_opened_tag_is_closed) {
  auto page = report_html(sample());
  for (const char* tag : {"svg", "table", "tr", "td", "th", "div", "p", "dl", "dt", "dd", "h2",
                          "h3", "h4", "text", "details", "span", "small", "code"}) {
    std::string open = std::string("<") + tag, close = std::string("</") + tag + ">";
    BOOST_TEST(count(page, open + ">") + count(page, open + " ") == count(page, close), tag);
  }
  BOOST_TEST(!has(page, "nan"));
  BOOST_TEST(!has(page, "inf\""));
}

BOOST_AUTO_TEST_CASE(small_probabilities_are_drawn_in_decades) {
  auto r = sample();
  r.models.resize(1);
  auto rows = sample_rows(5, 0.9);
  for (auto& row : rows.rows)
    row.probability = std::pow(row.probability, 1.5) / 20 + row.score / 1e4;
  question q;
  q.horizon_ms = 24 * hour;
  q.bootstrap.replicates = 20;
  r.models[0].judged = *judge(rows, q);
  auto page = report_html(r);
  BOOST_TEST(has(page, "decades, 0 below"));
  BOOST_TEST(has(page, ">0.001</text>"));
  if (const char* path = std::getenv("HARBINGER_REPORT_OUT")) std::ofstream(path) << page;
}

BOOST_AUTO_TEST_CASE(figures_without_meaning_are_said_in_words) {
  report r;
  r.title = "one class";
  judged_rows rows;
  rows.machines.push_back({"a", "", ""});
  rows.rows.push_back({});
  question q;
  q.horizon_ms = hour;
  r.models.push_back({"m", false, "", *judge(rows, q), {}, {}, {}, {}});
  auto page = report_html(r);
  BOOST_TEST(has(page, "not defined"));
  BOOST_TEST(has(page, "of one class only"));
  BOOST_TEST(has(page, "There was no failure to miss."));
  BOOST_TEST(has(page, "No intervals: they need two machines"));
  BOOST_TEST(has(report_text(r), "not defined"));
  r.models[0].judged = *judge(judged_rows{}, q);
  BOOST_TEST(has(report_html(r), "there are no rows"));
  r.models.clear();
  BOOST_TEST(has(report_html(r), "No model was judged."));
}

BOOST_AUTO_TEST_CASE(what_is_too_much_is_dropped_and_said) {
  auto r = sample();
  auto& m = r.models[0];
  m.false_alarms.resize(1);
  m.misses.resize(13, m.false_alarms[0]);
  m.false_alarms[0].traces.resize(9, m.false_alarms[0].traces[0]);
  auto page = report_html(r);
  BOOST_TEST(has(page, "And 3 more."));
  BOOST_TEST(has(page, "And 3 more traces."));
}

BOOST_AUTO_TEST_CASE(thinning_a_trace_keeps_extremes_and_gaps) {
  std::vector<std::pair<int64_t, double>> points;
  for (int64_t i = 0; i < 100'000; ++i)
    points.emplace_back(i, i == 77'777 ? 9.0 : i == 5 ? -9.0 : i > 90'000 ? undefined : 0.0);
  auto few = thinned(points);
  BOOST_TEST(few.size() <= report_points_max);
  double low = 0, high = 0;
  size_t gaps = 0;
  for (const auto& [t, v] : few) {
    low = std::min(low, v);
    high = std::max(high, v);
    gaps += std::isnan(v);
  }
  BOOST_TEST(low == -9);
  BOOST_TEST(high == 9);
  BOOST_TEST(gaps > 0u);
  BOOST_TEST(std::is_sorted(few.begin(), few.end(),
                            [](const auto& a, const auto& b) { return a.first < b.first; }));
}

BOOST_AUTO_TEST_CASE(a_case_shows_the_probability_around_it) {
  auto rows = sample_rows(3, 0.45);
  question q;
  q.horizon_ms = 24 * hour;
  q.threshold = 0.3;
  auto j = *judge(rows, q);
  auto misses = worst_misses(rows, j, 1), alarms = worst_false_alarms(rows, j, 1);
  BOOST_TEST_REQUIRE(misses.size() == 1u);
  BOOST_TEST_REQUIRE(alarms.size() == 1u);
  BOOST_TEST(misses[0].failed);
  BOOST_TEST(misses[0].at_ms == start + 200 * hour);
  BOOST_TEST(misses[0].probability.points.size() == 96u);
  BOOST_TEST(misses[0].peak_probability < 0.3);
  BOOST_TEST(alarms[0].peak_probability >= 0.3);
}

BOOST_AUTO_TEST_CASE(the_document_says_the_same_as_the_page) {
  auto r = sample();
  auto doc = nlohmann::json::parse(report_json(r));
  for (const char* key : {"title", "version", "command_line", "seed", "data", "split", "notes"})
    BOOST_TEST(doc.contains(key), key);
  BOOST_TEST_REQUIRE(doc["models"].size() == 2u);
  const auto& m = doc["models"][0];
  BOOST_TEST(m["figures"]["roc_auc"]["value"].get<double>() == r.models[0].judged.roc_auc.value);
  BOOST_TEST(m["figures"]["roc_auc"]["low"].get<double>() == r.models[0].judged.roc_auc.low);
  BOOST_TEST(m["figures"]["roc_auc_before"]["value"].get<double>() == 0.52);
  for (const char* key : {"roc", "pr", "reliability", "reliability_by_width", "lead_times_ms",
                          "importances", "worst_misses", "worst_false_alarms"})
    BOOST_TEST(!m[key].empty(), key);
  BOOST_TEST(m["bootstrap"]["unit"] == "machines");
  // The machine's trace holds NaN: null in the document.
  BOOST_TEST(has(m["worst_false_alarms"][0]["traces"][0].dump(), "null"));
  r.data.push_back({"bytes", "\xff\xfe"});
  BOOST_TEST(has(report_json(r), "bytes"));
}

BOOST_AUTO_TEST_CASE(the_table_for_the_terminal_has_a_line_a_figure_and_a_column_a_model) {
  auto r = sample();
  r.models[1].more.clear();
  auto table = report_text(r);
  BOOST_TEST(has(table, "boosting *"));
  BOOST_TEST(has(table, "logistic"));
  BOOST_TEST(has(table, "* chosen: PR-AUC on validation 0.91 > 0.52"));
  BOOST_TEST(has(table, "ROC-AUC before any fault"));
  for (const auto& f : figures(r.models[0].judged)) BOOST_TEST(has(table, "\n" + f.label), f.label);
  BOOST_TEST(!has(table, " \n"));
}

BOOST_AUTO_TEST_CASE(equal_reports_give_equal_bytes) {
  BOOST_TEST(report_html(sample()) == report_html(sample()));
  BOOST_TEST(report_json(sample()) == report_json(sample()));
}

BOOST_AUTO_TEST_CASE(times_are_told_as_dates_or_days) {
  BOOST_TEST(time_text(1'451'703'840'000, true) == "2016-01-02 03:04");
  BOOST_TEST(time_text(-60'000, true) == "1969-12-31 23:59");
  BOOST_TEST(time_text(36 * hour, false) == "day 1.5");
}

BOOST_AUTO_TEST_CASE(a_title_too_long_for_its_chart_is_cut_at_a_whole_character) {
  chart c;
  c.x = c.y = linear_axis(0, 1, "");
  for (int i = 0; i < 100; ++i) c.title += "ä";
  auto svg = to_svg(c);
  BOOST_TEST(has(svg, "aria-label=\"" + c.title));
  BOOST_TEST(has(svg, "ä...</text>"));
}

BOOST_AUTO_TEST_CASE(axes_have_round_ticks_and_survive_odd_ranges) {
  auto a = linear_axis(0, 1, "", 5);
  BOOST_TEST(a.ticks.size() == 6u);
  BOOST_TEST(a.ticks[1].text == "0.2");
  for (auto [low, high] : {std::pair{3.0, 3.0},
                           {1.0, 0.0},
                           {NAN, 1.0},
                           {0.0, INFINITY},
                           {1e15, 1e15 + 4},
                           {-1e-9, 1e-9}}) {
    auto odd = linear_axis(low, high, "");
    BOOST_TEST(odd.high > odd.low);
    BOOST_TEST(odd.ticks.size() < 15u);
  }
}
