#include "simulate/report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>

namespace harbinger::simulate {

namespace {

std::string format(const char* how, double value) {
  char text[64];
  std::snprintf(text, sizeof text, how, value);
  return text;
}

std::string grouped(double value) {
  auto digits = format("%.0f", std::abs(value));
  std::string out;
  if (value < 0 && digits != "0") out += '-';
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::optional<double> cut_of(double without, double with) {
  if (!(without > 0)) return std::nullopt;
  return 1 - with / without;
}

/// Adds a line with a value of each side.
class lines {
public:
  explicit lines(const report& r) : report_(r) {}
  void section(std::string name) { section_ = std::move(name); }
  template <class F>
  void add(std::string key, std::string label, std::string unit, F value) {
    figure_row row{section_, std::move(key), std::move(label), std::move(unit), {}, {}};
    if (report_.without) row.without = static_cast<double>(value(*report_.without));
    if (report_.with) row.with = static_cast<double>(value(*report_.with));
    rows_.push_back(std::move(row));
  }
  std::vector<figure_row> take() { return std::move(rows_); }

private:
  const report& report_;
  std::string section_;
  std::vector<figure_row> rows_;
};

void add_outages(lines& out) {
  out.section("Unavailability");
  out.add("unserved_s", "partition-seconds not served", "s",
          [](const accounts& a) { return a.all().seconds; });
  for (auto kind : {outage_kind::failover, outage_kind::all_lost}) {
    std::string name = enum_names(kind)[static_cast<size_t>(kind)];
    bool failover = kind == outage_kind::failover;
    out.add("unserved_" + name + "_s",
            failover ? "  until a member took over" : "  all members gone", "s",
            [=](const accounts& a) { return a.of(kind).seconds; });
    out.add("outages_" + name, "    partitions, each time", "",
            [=](const accounts& a) { return a.of(kind).count; });
  }
  out.add("unserved_handed_over_s", "  handed over in time", "s",
          [](const accounts& a) { return a.handed_over().seconds; });
  out.add("handed_over", "    partitions, each time", "",
          [](const accounts& a) { return a.handed_over().count; });
  for (size_t c = 0; c < causes; ++c) {
    auto cause = static_cast<failure_cause>(c);
    std::string name = enum_names(cause)[c];
    out.add("unserved_by_" + name + "_s", "  because of: " + name, "s",
            [=](const accounts& a) { return a.of(cause).seconds; });
    out.add("unserved_all_lost_by_" + name + "_s", "    all members gone", "s",
            [=](const accounts& a) { return a.of(cause, outage_kind::all_lost).seconds; });
  }
  out.add("longest_outage_s", "longest outage of a partition", "s",
          [](const accounts& a) { return a.all().longest_s; });
  out.add("requests_unserved", "requests that met an unserved partition", "",
          [](const accounts& a) { return a.all().requests; });
  out.add("lost_tails", "partitions served again without their last writes", "",
          [](const accounts& a) { return a.lost_tails; });
  out.add("writes_waited_s", "besides, writes waited for a dead secondary: partition-seconds", "s",
          [](const accounts& a) { return a.waited().seconds; });
  out.add("writes_waited", "  partitions, each time", "",
          [](const accounts& a) { return a.waited().count; });
}

void add_exposure(lines& out) {
  out.section("Redundancy");
  out.add("exposed_s", "partition-seconds with a member missing", "s",
          [](const accounts& a) { return a.restores().exposed_partition_s; });
  out.add("restores", "times it was whole again", "",
          [](const accounts& a) { return a.restores().count; });
  out.add("restore_mean_s", "  after, mean", "s",
          [](const accounts& a) { return a.restores().mean_s; });
  out.add("restore_p99_s", "  after, p99", "s",
          [](const accounts& a) { return a.restores().p99_s; });
  out.add("restore_longest_s", "  after, longest", "s",
          [](const accounts& a) { return a.restores().longest_s; });
}

void add_coverage(lines& out) {
  out.section("Covered in time");
  auto sum = [](auto member) {
    return [member](const accounts& a) {
      uint64_t all = 0;
      for (const auto& c : a.covered) all += c.*member;
      return all;
    };
  };
  out.add("failures", "node failures", "", sum(&coverage::failures));
  out.add("failures_in_zones", "  that were in a zone", "", sum(&coverage::predicted));
  out.add("failures_covered", "  and every partition they held had a copy", "",
          sum(&coverage::covered));
  out.add("replicas_lost", "replicas that were lost", "", sum(&coverage::replicas));
  out.add("replicas_covered", "  with a copy ready", "", sum(&coverage::replicas_covered));
  out.add("handed_over_in_time", "primaries handed over before their node failed", "",
          [](const accounts& a) { return a.handed_over_in_time; });
  out.add("left_in_time", "members that left a node before it failed", "",
          [](const accounts& a) { return a.left_in_time; });
  out.add("escalated", "copies that joined as all members were in danger", "",
          [](const accounts& a) { return a.escalated; });
}

void add_cost(lines& out) {
  out.section("Cost");
  out.add("protective_copies", "copies because of risk", "",
          [](const accounts& a) { return a.protective.begun; });
  out.add("protective_bytes", "  bytes moved", "bytes",
          [](const accounts& a) { return a.protective.bytes; });
  out.add("restoring_copies", "copies to restore members", "",
          [](const accounts& a) { return a.restoring.begun; });
  out.add("restoring_bytes", "  bytes moved", "bytes",
          [](const accounts& a) { return a.restoring.bytes; });
  out.add("aborted_copies", "copies that came to nothing", "",
          [](const accounts& a) { return a.protective.aborted + a.restoring.aborted; });
  out.add("following_bytes", "changes sent to copies that waited", "bytes",
          [](const accounts& a) { return a.following_bytes; });
  out.add("rebuilt_bytes", "rebuilt from mass storage", "bytes",
          [](const accounts& a) { return a.rebuilt_bytes; });
  out.add("copies_used", "copies that became members", "",
          [](const accounts& a) { return a.copies_used; });
  out.add("copies_unused", "copies that went again, or wait at the end", "",
          [](const accounts& a) { return a.copies_unused; });
  out.add("unused_bytes", "  bytes moved for them", "bytes",
          [](const accounts& a) { return a.unused_bytes; });
  out.add("left", "members that left a node at risk", "", [](const accounts& a) { return a.left; });
  out.add("left_for_nothing", "  and it did not fail (false alarms)", "",
          [](const accounts& a) { return a.left - a.left_in_time; });
  out.add("joined_to_leave", "copies that joined for that", "",
          [](const accounts& a) { return a.joined_to_leave; });
  out.add("zone_node_s", "node-time in zones", "s",
          [](const accounts& a) { return a.zone_node_s; });
  out.add("zone_changes", "zone changes", "", [](const accounts& a) { return a.zone_changes; });
  out.add("brakes", "times the brake held", "", [](const accounts& a) { return a.brakes; });
}

void add_balance(lines& out) {
  out.section("Balance (of hourly samples)");
  auto over = [](auto member, bool largest) {
    return [=](const accounts& a) {
      double sum = 0, most = 0, count = 0;
      for (const auto& s : a.samples) {
        double x = s.*member;
        sum += x;
        most = std::max(most, x);
        ++count;
      }
      return largest ? most : sum / std::max(1.0, count);
    };
  };
  out.add("copies_over_best_mean", "copies on the fullest safe node, over the best possible: mean",
          "", over(&sample::copies_over_best, false));
  out.add("replicas_balance_mean", "members on a node, largest over mean: mean", "",
          over(&sample::replicas_max_over_mean, false));
  out.add("replicas_balance_worst", "  worst", "", over(&sample::replicas_max_over_mean, true));
}

void add_budgets(lines& out) {
  out.section("Budgets (most seen)");
  auto peak = [&](const char* key, const char* label, const char* unit, auto which) {
    out.add(key, label, unit, [=](const accounts& a) { return which(a.budgets).seen; });
  };
  peak("concurrent_most", "copies under way", "", [](const auto& b) { return b.concurrent; });
  peak("concurrent_per_node_most", "  of one node", "",
       [](const auto& b) { return b.concurrent_per_node; });
  peak("copy_rate_most", "rate of one copy", "bytes/s", [](const auto& b) { return b.copy_rate; });
  peak("total_rate_most", "rate of all copies", "bytes/s",
       [](const auto& b) { return b.total_rate; });
  peak("copy_space_most", "share of a node that copies took", "",
       [](const auto& b) { return b.copy_space; });
  peak("zone_share_most", "share of nodes in zones", "",
       [](const auto& b) { return b.zone_share; });
  out.add("unsafe_targets", "copies begun to a node that was not safe", "",
          [](const accounts& a) { return a.budgets.unsafe_targets; });
  out.add("budgets_held", "all budgets held (1: yes)", "",
          [](const accounts& a) { return a.budgets_held(); });
}

} // namespace

std::string to_text(double value, const std::string& unit) {
  if (!std::isfinite(value)) return "-";
  if (unit.starts_with("bytes")) {
    static constexpr std::array names{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t i = 0;
    for (; std::abs(value) >= 1024 && i + 1 < names.size(); ++i) value /= 1024;
    return format(i == 0 ? "%.0f " : "%.1f ", value) + names[i] + unit.substr(5);
  }
  if (unit == "s") {
    if (std::abs(value) < 1000) return format("%.3g s", value);
    return grouped(value) + " s";
  }
  if (value == std::round(value) || std::abs(value) >= 1000) return grouped(value);
  return format("%.3f", value);
}

std::optional<double> report::cut() const {
  if (!without || !with) return std::nullopt;
  return cut_of(without->all().seconds, with->all().seconds);
}
std::optional<double> report::cut(outage_kind kind) const {
  if (!without || !with) return std::nullopt;
  return cut_of(without->of(kind).seconds, with->of(kind).seconds);
}
std::optional<double> report::cut(failure_cause cause) const {
  if (!without || !with) return std::nullopt;
  return cut_of(without->of(cause).seconds, with->of(cause).seconds);
}

void count_failures(report& r, const std::vector<failure>& failures) {
  std::set<uint32_t> events;
  for (const auto& f : failures) {
    ++r.failures[static_cast<size_t>(f.cause)];
    events.insert(f.event);
  }
  r.events = events.size();
}

std::vector<figure_row> figures(const report& r) {
  lines out(r);
  add_outages(out);
  add_exposure(out);
  add_coverage(out);
  add_cost(out);
  add_balance(out);
  add_budgets(out);
  return out.take();
}

std::vector<outage_row> largest_outages(const report& r) {
  std::map<uint32_t, outage_row> by_event;
  for (const auto* side : {&r.without, &r.with}) {
    if (!*side) continue;
    for (const auto& [number, e] : (*side)->events()) {
      auto& row = by_event[number];
      row.event = number;
      row.cause = e.cause;
      row.first_s = e.first_s;
      row.nodes = e.nodes;
      row.in_zones = e.in_zones;
      row.lead_s = e.lead_s;
      (side == &r.with ? row.with : row.without) = e.seconds;
    }
  }
  std::vector<outage_row> rows;
  for (const auto& [number, row] : by_event)
    if (row.without.value_or(0) + row.with.value_or(0) > 0) rows.push_back(row);
  auto size = [](const outage_row& o) {
    return std::max(o.without.value_or(0), o.with.value_or(0));
  };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const auto& a, const auto& b) { return size(a) > size(b); });
  rows.resize(std::min(rows.size(), largest_outages_count));
  return rows;
}

namespace {

std::string padded(const std::string& text, size_t width, bool right) {
  std::string pad(width > text.size() ? width - text.size() : 0, ' ');
  return right ? pad + text : text + pad;
}

std::string percent(const std::optional<double>& share) {
  return share ? format("%.1f %%", 100 * *share) : "not defined";
}

std::string outages_text(const report& r, size_t label, size_t value) {
  auto rows = largest_outages(r);
  if (rows.empty()) return "";
  auto out = "\n" + padded("The largest outages", label, false);
  if (r.without) out += padded("without", value, true);
  if (r.with) out += padded("with", value, true);
  out += "\n";
  for (const auto& o : rows) {
    auto text = format("  day %.2f, ", o.first_s / 86'400)
                + std::string(enum_names(o.cause)[static_cast<size_t>(o.cause)]) + ": "
                + grouped(o.nodes) + (o.nodes == 1 ? " node" : " nodes");
    if (r.with)
      text += ", " + grouped(o.in_zones) + " in a zone"
              + (o.in_zones > 0 ? format(" for %.1f min", o.lead_s / 60) : "");
    out += padded(text, label, false);
    if (o.without) out += padded(to_text(*o.without, "s"), value, true);
    if (o.with) out += padded(to_text(*o.with, "s"), value, true);
    out += "\n";
  }
  return out;
}

} // namespace

std::string report_text(const report& r) {
  const auto& o = r.options;
  std::string out = grouped(o.site.nodes) + " nodes, " + grouped(o.site.partitions)
                    + " partitions of " + to_text(o.site.mean_size_bytes, "bytes") + " on "
                    + std::to_string(o.site.replicas) + " each, " + format("%g", o.days)
                    + " days, seed " + std::to_string(o.seed) + "\n";
  out += "failures: " + r.failures_from + ";";
  for (size_t c = 0; c < causes; ++c)
    out += " " + std::string(enum_names(failure_cause{})[c]) + " "
           + grouped(static_cast<double>(r.failures[c]));
  out += "; " + grouped(static_cast<double>(r.events)) + " events\n";
  out += "predictor: " + r.predicted_by;
  if (r.recall && r.precision)
    out += "; came out at recall " + format("%.3f", *r.recall) + ", precision "
           + format("%.3f", *r.precision);
  out += "\n";
  for (const auto& note : r.notes) out += note + "\n";
  constexpr size_t label = 66, value = 18;
  std::string section;
  for (const auto& row : figures(r)) {
    if (row.section != section) {
      out += "\n" + padded(row.section, label, false);
      if (r.without) out += padded("without", value, true);
      if (r.with) out += padded("with", value, true);
      out += "\n";
      section = row.section;
    }
    out += padded("  " + row.label, label, false);
    if (row.without) out += padded(to_text(*row.without, row.unit), value, true);
    if (row.with) out += padded(to_text(*row.with, row.unit), value, true);
    out += "\n";
  }
  out += outages_text(r, label, value);
  if (r.with && r.without)
    out += "\nunavailability cut by " + percent(r.cut())
           + " (until a member took over: " + percent(r.cut(outage_kind::failover))
           + ", all members gone: " + percent(r.cut(outage_kind::all_lost)) + ")\n";
  return out;
}

} // namespace harbinger::simulate
