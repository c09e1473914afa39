#include "predict/cases.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "core/digest.hpp"
#include "core/ensure.hpp"

namespace harbinger::predict {
namespace {
/// `n` of them, evenly spread; all when there are no more.
std::vector<size_t> spread(const std::vector<size_t>& from, size_t n) {
  if (from.size() <= n) return from;
  std::vector<size_t> out;
  for (size_t i = 0; i < n; ++i) out.push_back(from[(2 * i + 1) * from.size() / (2 * n)]);
  return out;
}

/// Chooses rows of the material; indices are those of `rows` and `probability`.
class selection {
public:
  selection(const case_material& material, const case_options& options)
      : m_(material), options_(options) {}

  /// The cases to keep, at most `room`, in order of time, then node.
  std::vector<size_t> choose(size_t room) {
    find_failures();
    auto out = chosen_failures(room / 2);
    auto healthy_room = room / 4;
    for (bool alarmed : {true, false}) {
      auto rows = healthy(alarmed, healthy_room);
      out.insert(out.end(), rows.begin(), rows.end());
    }
    std::sort(out.begin(), out.end(), [&](size_t a, size_t b) { return order(a) < order(b); });
    return out;
  }

  past_case describe(size_t k) const {
    auto i = m_.rows[k];
    past_case out;
    out.node = m_.past.nodes[m_.from.node[i]].id;
    out.time_ms = m_.from.time_ms[i];
    out.failed = label(k) == 1;
    auto failure_in = m_.from.failure_in_ms[i];
    out.then_failed = failure_in >= 0;
    out.after_ms = failure_in >= 0 ? failure_in : m_.from.known_for_ms[i];
    out.probability = m_.probability[k];
    if (out.failed) out.label = labels_.at(failure_of(k));
    return out;
  }

private:
  using failure = std::pair<uint32_t, int64_t>; ///< node, time

  std::optional<uint8_t> label(size_t k) const {
    return m_.from.label(m_.rows[k], options_.horizon_ms);
  }
  failure failure_of(size_t k) const {
    auto i = m_.rows[k];
    return {m_.from.node[i], m_.from.time_ms[i] + m_.from.failure_in_ms[i]};
  }
  std::pair<int64_t, uint32_t> order(size_t k) const {
    return {m_.from.time_ms[m_.rows[k]], m_.from.node[m_.rows[k]]};
  }

  void find_failures() {
    auto off_middle = [&](size_t k) {
      return std::abs(m_.from.failure_in_ms[m_.rows[k]] - options_.horizon_ms / 2);
    };
    for (size_t k = 0; k < m_.rows.size(); ++k) {
      if (label(k) != 1) continue;
      auto [it, fresh] = failures_.try_emplace(failure_of(k), k);
      if (!fresh && off_middle(k) < off_middle(it->second)) it->second = k;
    }
    name_causes();
  }
  /// The codes of the failure; else the attribute; else the last note before it.
  void name_causes() {
    std::map<failure, std::string> notes;
    std::map<failure, std::set<std::string>> codes;
    for (const auto& [key, k] : failures_) labels_[key];
    for (const auto& e : m_.past.events) {
      if (e.code.empty()) continue;
      if (failure key{e.node, e.time_ms}; e.what == happening::failure && labels_.contains(key))
        codes[key].insert(e.code);
      if (e.what != happening::note) continue;
      for (auto it = labels_.lower_bound({e.node, e.time_ms});
           it != labels_.end() && it->first.first == e.node; ++it)
        notes[it->first] = e.code; // events come in order of time
    }
    for (auto& [key, text] : labels_) {
      for (const auto& code : codes[key]) text += (text.empty() ? "" : ", ") + code;
      const auto& attributes = m_.past.nodes[key.first].attributes;
      auto attribute = attributes.find(options_.label_attribute);
      if (text.empty() && attribute != attributes.end()) text = attribute->second;
      if (text.empty() && options_.label_attribute.empty()) text = notes[key];
      if (text.size() > case_base::text_max) text.resize(case_base::text_max);
    }
  }

  std::vector<size_t> chosen_failures(size_t room) const {
    std::map<std::string, std::vector<size_t>> by_cause;
    for (const auto& [key, k] : failures_) by_cause[labels_.at(key)].push_back(k);
    std::vector<std::vector<size_t>> causes;
    for (auto& [cause, rows] : by_cause) {
      std::sort(rows.begin(), rows.end(), [&](size_t a, size_t b) { return order(a) < order(b); });
      causes.push_back(std::move(rows));
    }
    // Rare causes first, so that what they leave goes to the others.
    std::stable_sort(causes.begin(), causes.end(),
                     [](const auto& a, const auto& b) { return a.size() < b.size(); });
    std::vector<size_t> out;
    for (size_t c = 0; c < causes.size(); ++c) {
      auto taken = spread(causes[c], (room - out.size()) / (causes.size() - c));
      out.insert(out.end(), taken.begin(), taken.end());
    }
    return out;
  }

  /// Alarmed: those with the highest probability. Else drawn by a hash of node and time.
  std::vector<size_t> healthy(bool alarmed, size_t room) const {
    std::vector<std::pair<double, size_t>> ranked;
    for (size_t k = 0; k < m_.rows.size(); ++k)
      if (label(k) == 0 && !fails_soon(k) && (m_.probability[k] >= options_.alarm_at) == alarmed)
        ranked.emplace_back(alarmed ? -m_.probability[k] : drawn(k), k);
    std::sort(ranked.begin(), ranked.end(), [&](const auto& a, const auto& b) {
      return std::tuple(a.first, order(a.second)) < std::tuple(b.first, order(b.second));
    });
    std::vector<size_t> out;
    std::map<uint32_t, std::vector<int64_t>> taken; // times, a node
    for (const auto& [rank, k] : ranked) {
      if (out.size() >= room) break;
      auto [time, node] = order(k);
      auto& times = taken[node];
      bool near = std::any_of(times.begin(), times.end(), [&, at = time](int64_t t) {
        return std::abs(t - at) < options_.horizon_ms;
      });
      if (near) continue;
      times.push_back(time);
      out.push_back(k);
    }
    return out;
  }
  /// After the horizon, but not long after: a warning was early rather than false.
  bool fails_soon(size_t k) const {
    auto failure_in = m_.from.failure_in_ms[m_.rows[k]];
    return failure_in >= 0 && failure_in < 2 * options_.horizon_ms;
  }
  double drawn(size_t k) const {
    auto [time, node] = order(k);
    auto name = m_.past.nodes[node].id.value + '@' + std::to_string(time);
    return static_cast<double>(checksum64(name) >> 11);
  }

  const case_material& m_;
  const case_options& options_;
  std::map<failure, size_t> failures_;
  std::map<failure, std::string> labels_;
};

result<void> check(const case_material& m, const feature_profile& profile,
                   const std::vector<double>& weights, const case_options& options) {
  auto bad = [](const char* why) { return fail(errc::invalid_argument, why); };
  if (m.rows.empty()) return bad("no rows to take cases from");
  if (m.probability.size() != m.rows.size()) return bad("cases need one probability a row");
  if (options.horizon_ms < 1) return bad("cases need a horizon");
  if (profile.width() != m.from.width() || weights.size() != m.from.width())
    return bad("the profile or the weights of the cases have other features");
  if (!case_base::good_weights(weights))
    return bad("weights of cases must not be negative, nor all 0");
  if (options.cases_max > case_base::cases_limit)
    return fail(errc::oversize,
                "at most " + std::to_string(case_base::cases_limit) + " cases are kept");
  for (size_t i : m.rows)
    if (i >= m.from.size() || m.from.node[i] >= m.past.nodes.size())
      return bad("a row of the cases is not among the examples, or its node not in the history");
  for (const auto& n : m.past.nodes)
    if (n.id.value.size() > case_base::text_max)
      return fail(errc::oversize, "the name of a node has more than 256 bytes");
  for (double p : m.probability)
    if (!(p >= 0 && p <= 1)) return bad("a probability of the cases is outside 0..1");
  return {};
}

/// Bytes that a case takes at most.
size_t case_bytes(size_t width) { return width + 2 * case_base::text_max + 32; }
/// Bytes before the first case.
size_t head_bytes(size_t width) { return 64 + width * sizeof(double); }
} // namespace

result<case_base> make_cases(const case_material& material, profile_ptr profile,
                             std::vector<double> weights, const case_options& options) {
  ENSURE(profile != nullptr);
  if (auto good = check(material, *profile, weights, options); !good)
    return tl::make_unexpected(good.error());
  auto width = weights.size();
  auto room =
      std::min(options.cases_max, (case_base::bytes_max - head_bytes(width)) / case_bytes(width));
  case_base out(std::move(profile), std::move(weights));
  selection chosen(material, options);
  for (size_t k : chosen.choose(room)) {
    auto values = material.from.row(material.rows[k]);
    std::vector<double> row(values.begin(), values.end());
    out.add(chosen.describe(k), out.positions_of(row));
  }
  out.measure();
  return out;
}

} // namespace harbinger::predict
