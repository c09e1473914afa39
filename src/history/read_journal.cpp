#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "history/check.hpp"
#include "history/journal.hpp"
#include "history/journal_files.hpp"
#include "telemetry/metrics.hpp"

namespace harbinger {
namespace {
using journal_files::segment_file;
using journal_text::mark;
using journal_text::mark_kind;
using journal_text::segment;
constexpr size_t problems_max = 10;

/// Puts segments, oldest first, together to a history.
class stitcher {
public:
  explicit stitcher(journal_contents& out) : out_(out), h_(out.data) {}

  void add(segment&& s) {
    watch(s.opened_ms);
    out_.lines_lost += s.lines_lost;
    std::vector<std::vector<size_t>> columns;
    for (const auto& list : s.lists) columns.push_back(columns_of(list));
    auto mark = s.marks.begin();
    for (size_t i = 0; i <= s.rows.size(); ++i) {
      for (; mark != s.marks.end() && mark->rows_before <= i; ++mark) take(mark->what);
      if (i == s.rows.size()) break;
      const auto& life = s.lives[s.rows[i].life];
      take(life, s.rows[i], columns[life.list]);
    }
  }

  void finish() {
    stop_watching();
    for (auto& sample : h_.samples)
      sample.values.resize(h_.metrics.size(), std::numeric_limits<double>::quiet_NaN());
    sort_history(h_);
  }

private:
  enum class condition : uint8_t { alive, failed, left };
  /// Beside each node of the history.
  struct node_facts {
    incarnation life;
    condition now = condition::alive;
    bool watched = true; ///< until now
    int64_t newest_ms = INT64_MIN, newest_arrival_ms = INT64_MIN;
    size_t failure = 0; ///< index of its newest failure in the events
  };

  /// Where the values of a list belong; metrics that are new are added.
  std::vector<size_t> columns_of(const std::vector<metric_spec>& list) {
    std::vector<size_t> out;
    for (const auto& m : list) {
      auto [it, fresh] = metrics_.try_emplace(m.name, h_.metrics.size());
      bool room = h_.metrics.size() < history_limits::metrics_max;
      if (fresh && room) h_.metrics.push_back({m.name, "", {}, false, 0});
      if (fresh && !room) it->second = SIZE_MAX;
      if (it->second != SIZE_MAX) describe(h_.metrics[it->second], m.kind);
      out.push_back(it->second);
    }
    return out;
  }
  /// The newest list says what kind it is.
  static void describe(history_metric& m, metric_kind kind) {
    auto known = telemetry::metric_index(m.name);
    auto catalogue = telemetry::metric_catalogue();
    if (known < catalogue.size()) m.unit = catalogue[known].unit;
    m.reading = kind == metric_kind::counter ? history_reading::counter
                : m.unit == "ratio"          ? history_reading::share
                                             : history_reading::gauge;
    m.comparable = m.reading == history_reading::share;
  }

  /// The clock of the watching goes on; a hole in it, or a jump back, ends what is watched.
  /// Returns the time, which never goes back a little.
  int64_t watch(int64_t ms) {
    if (!watched_ms_ || ms > *watched_ms_ + journal_gap_ms || ms < *watched_ms_ - journal_gap_ms) {
      stop_watching();
      watched_ms_ = ms;
    }
    watched_ms_ = std::max(*watched_ms_, ms);
    return *watched_ms_;
  }
  void stop_watching() {
    for (const auto& [node, i] : open_)
      if (facts_[i].now == condition::alive) end(i, *watched_ms_);
    for (const auto& [node, i] : open_) facts_[i].watched = false;
    open_.clear();
  }
  void end(size_t i, int64_t ms) { h_.nodes[i].last_ms = std::max(ms, h_.nodes[i].first_ms); }

  /// Another life begins at `now_ms`: from then on nobody is compared with this one.
  void hand_over(size_t i, int64_t now_ms) {
    auto& f = facts_[i];
    auto& n = h_.nodes[i];
    auto last_ms = std::max(f.newest_arrival_ms, now_ms - 1);
    if (f.now == condition::failed && n.last_ms > last_ms) n.known_ms = n.last_ms;
    if (f.now == condition::alive || n.last_ms > last_ms) end(i, last_ms);
    f.watched = false;
  }

  /// The node of the history for this life; none when the life is not the newest any more.
  std::optional<size_t> open(const segment::life& life, int64_t now_ms) {
    auto found = open_.find(life.node);
    if (found != open_.end()) {
      auto& f = facts_[found->second];
      if (f.life == life.id) return found->second;
      if (life.id < f.life) return std::nullopt;
      hand_over(found->second, now_ms);
    }
    auto i = h_.nodes.size();
    auto number = ++lives_[life.node];
    history_node n;
    n.id.value = life.node.value + (number > 1 ? '#' + std::to_string(number) : "");
    n.attributes["node"] = life.node.value;
    n.first_ms = n.last_ms = now_ms;
    h_.nodes.push_back(std::move(n));
    facts_.push_back({});
    facts_.back().life = life.id;
    open_[life.node] = i;
    newest_[{life.node, life.id}] = i;
    return i;
  }

  void take(const segment::life& life, segment::row& row, const std::vector<size_t>& columns) {
    auto now_ms = watch(row.arrived_ms);
    auto i = open(life, now_ms);
    if (!i || facts_[*i].now == condition::left || row.time_ms <= facts_[*i].newest_ms) {
      ++out_.rows_unordered;
      return;
    }
    facts_[*i].newest_ms = row.time_ms;
    facts_[*i].newest_arrival_ms = now_ms;
    history_sample s;
    s.node = static_cast<uint32_t>(*i);
    s.time_ms = row.time_ms;
    s.arrived_ms = now_ms;
    s.values.assign(h_.metrics.size(), std::numeric_limits<double>::quiet_NaN());
    for (size_t c = 0; c < columns.size(); ++c)
      if (columns[c] != SIZE_MAX) s.values[columns[c]] = row.values[c];
    h_.samples.push_back(std::move(s));
  }

  void take(const mark& m) {
    if (m.what == mark_kind::until) {
      watch(m.time_ms);
      return;
    }
    auto found = newest_.find({m.node, m.life});
    if (found == newest_.end()) return; // nothing is known of it
    auto i = found->second;
    if (!seen_.insert({i, m.what, m.time_ms, m.text}).second) return; // said again
    auto time_ms = std::max(m.time_ms, h_.nodes[i].first_ms);
    if (m.what == mark_kind::note)
      h_.events.push_back({static_cast<uint32_t>(i), time_ms, happening::note, m.text, 1, 0});
    if (m.what == mark_kind::back) come_back(i, time_ms);
    if (m.what == mark_kind::failed || m.what == mark_kind::left) finish_life(i, m, time_ms);
  }

  void finish_life(size_t i, const mark& m, int64_t time_ms) {
    auto& f = facts_[i];
    auto& n = h_.nodes[i];
    if (f.now != condition::alive) return;
    bool failed = m.what == mark_kind::failed;
    f.now = failed ? condition::failed : condition::left;
    f.failure = h_.events.size();
    h_.events.push_back({static_cast<uint32_t>(i), time_ms,
                         failed ? happening::failure : happening::shutdown, m.text, 1, 0});
    if (f.watched || time_ms < n.last_ms)
      end(i, std::max(time_ms, f.newest_arrival_ms));
    else if (failed && time_ms > n.last_ms)
      n.known_ms = time_ms;
  }

  void come_back(size_t i, int64_t time_ms) {
    auto& f = facts_[i];
    if (f.now != condition::failed) return;
    f.now = condition::alive;
    auto& failure = h_.events[f.failure];
    failure.back_ms = std::max(time_ms, failure.time_ms);
    if (f.watched) end(i, failure.back_ms);
  }

  struct said {
    size_t node;
    mark_kind what;
    int64_t time_ms;
    std::string text;
    friend auto operator<=>(const said&, const said&) = default;
  };
  journal_contents& out_;
  history& h_;
  std::map<std::string, size_t> metrics_;
  std::vector<node_facts> facts_;
  std::map<node_id, size_t> open_;  ///< who is watched: index into nodes
  std::map<node_id, size_t> lives_; ///< how many there were
  std::map<std::pair<node_id, incarnation>, size_t> newest_;
  std::set<said> seen_;
  std::optional<int64_t> watched_ms_;
};

/// One form or the other of a segment that may be closed at this moment.
result<segment> read_either(const std::string& directory, segment_file file) {
  auto got = journal_files::read(directory, file);
  if (got) return got;
  file.packed = !file.packed;
  auto other = journal_files::read(directory, file);
  return other ? std::move(other) : std::move(got);
}

/// The newest segments that fit the limits, newest first.
std::vector<segment> gather(const std::string& directory, std::vector<segment_file> files,
                            const journal_limits& limits, journal_contents& out) {
  std::vector<segment> kept;
  std::set<std::string> metrics;
  size_t rows = 0;
  for (size_t left = files.size(); left-- > 0;) {
    // Both forms are there: the packed one, which comes first, is tried; then the other.
    if (left > 0 && files[left - 1].number == files[left].number) continue;
    auto got = read_either(directory, files[left]);
    if (!got && got.error().code == errc::not_found) continue; // removed for want of room
    if (!got) {
      ++out.segments_lost;
      if (out.problems.size() < problems_max) out.problems.push_back(to_string(got.error()));
      continue;
    }
    for (const auto& list : got->lists)
      for (const auto& m : list) metrics.insert(m.name);
    rows += got->rows.size();
    if (rows > limits.samples_max || rows * metrics.size() > limits.values_max) {
      out.segments_left_out = left + 1;
      break;
    }
    kept.push_back(std::move(*got));
  }
  return kept;
}
} // namespace

journal_limits usual_journal_limits() {
  return {history_limits::samples_max, history_limits::values_max};
}

result<journal_contents> read_journal(const std::string& directory, const journal_limits& limits) {
  auto files = journal_files::list(directory);
  if (!files) return tl::unexpected(files.error());
  if (files->empty()) return fail(errc::not_found, "no history is kept in " + directory);
  journal_contents out;
  auto segments = gather(directory, std::move(*files), limits, out);
  out.segments = segments.size();
  out.data.name = "service";
  out.data.source = "kept by a running service";
  stitcher all(out);
  for (; !segments.empty(); segments.pop_back()) all.add(std::move(segments.back()));
  all.finish();
  if (auto sound = check_history(out.data); !sound) return tl::unexpected(sound.error());
  return out;
}

} // namespace harbinger
