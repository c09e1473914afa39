#include "predict/examples.hpp"

#include <algorithm>
#include <numeric>

#include "core/digest.hpp"
#include "core/ensure.hpp"
#include "predict/features.hpp"
#include "predict/history_events.hpp"
#include "predict/history_metrics.hpp"

namespace harbinger::predict {
namespace {
constexpr int64_t never = INT64_MAX;

/// What comes to a node, and until when it is watched.
struct fate {
  std::vector<int64_t> failures; ///< ascending
  std::vector<int64_t> back;     ///< parallel: when it worked again; `never`
  int64_t last_ms = 0;
  int64_t known_ms = 0; ///< no other failure until then
};

std::vector<fate> fates_of(const history& from) {
  std::vector<fate> out(from.nodes.size());
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].last_ms = from.nodes[i].last_ms;
    out[i].known_ms = std::max(from.nodes[i].known_ms, from.nodes[i].last_ms);
  }
  for (const auto& e : from.events) {
    auto& f = out[e.node];
    if (e.what == happening::shutdown) f.last_ms = f.known_ms = std::min(f.last_ms, e.time_ms);
    if (e.what != happening::failure) continue;
    f.failures.push_back(e.time_ms);
    f.back.push_back(e.back_ms > 0 ? std::max(e.back_ms, e.time_ms) : never);
  }
  return out;
}

/// One pass over a history in order of time.
class replay {
public:
  replay(const history& from, examples& out, const example_options& options)
      : from_(from),
        out_(out),
        options_(options),
        fates_(fates_of(from)),
        engine_(out.scales, out.schema) {
    rows_.metrics = specs_of(from);
    by_first_.resize(from.nodes.size());
    std::iota(by_first_.begin(), by_first_.end(), size_t{0});
    std::stable_sort(by_first_.begin(), by_first_.end(), [&](size_t a, size_t b) {
      return from.nodes[a].first_ms < from.nodes[b].first_ms;
    });
    by_id_.resize(from.nodes.size());
    std::iota(by_id_.begin(), by_id_.end(), size_t{0});
    std::sort(by_id_.begin(), by_id_.end(),
              [&](size_t a, size_t b) { return from.nodes[a].id < from.nodes[b].id; });
  }

  result<void> run(const std::function<void(double)>& progress) {
    if (from_.nodes.empty()) return {};
    int64_t first = never, last = INT64_MIN;
    for (size_t i = 0; i < from_.nodes.size(); ++i) {
      first = std::min(first, from_.nodes[i].first_ms);
      last = std::max(last, fates_[i].last_ms);
    }
    auto every = options_.every_ms;
    auto steps = (first - options_.phase_ms) / every - 1;
    for (auto now = options_.phase_ms + steps * every; now <= last; now += every) {
      if (now < first) continue;
      learn_until(now);
      if (auto taken = take(now); !taken) return taken;
      if (watched_ == 0) {
        if (arrived_ == by_first_.size()) break;
        // Nobody is watched: on to the last step before somebody is.
        auto next = from_.nodes[by_first_[arrived_]].first_ms;
        now += std::max<int64_t>(0, (next - now - 1) / every) * every;
      }
      if (progress)
        progress(static_cast<double>(now - first) / static_cast<double>(last - first + 1));
    }
    return {};
  }

private:
  /// Everything that is known at `now`: new nodes, then samples in order of arrival, and events.
  void learn_until(int64_t now) {
    for (; arrived_ < by_first_.size() && from_.nodes[by_first_[arrived_]].first_ms <= now;
         ++arrived_) {
      const auto& n = from_.nodes[by_first_[arrived_]];
      engine_.add_node(n.id, n.fleet, n.attributes, n.first_ms);
    }
    while (true) {
      auto sample_ms = sample_ < from_.samples.size() ? arrival_ms(from_.samples[sample_]) : never;
      auto event_ms = event_ < from_.events.size() ? from_.events[event_].time_ms : never;
      if (std::min(sample_ms, event_ms) > now) return;
      if (sample_ms <= event_ms)
        learn(from_.samples[sample_++]);
      else
        learn(from_.events[event_++]);
    }
  }
  void learn(const history_sample& s) {
    if (gone(s.node, arrival_ms(s))) return;
    rows_.node = from_.nodes[s.node].id;
    rows_.times = {unix_ms{s.time_ms}};
    rows_.values = s.values;
    engine_.add(rows_, arrival_ms(s));
  }
  void learn(const history_event& e) {
    if (gone(e.node, e.time_ms)) return;
    for (const auto& code : event_codes(e))
      if (auto at = engine_.event_index(code); at != SIZE_MAX)
        engine_.add_event(from_.nodes[e.node].id, at, e.count, e.time_ms);
  }
  bool gone(uint32_t node, int64_t time_ms) const { return time_ms > fates_[node].last_ms; }

  bool is_down(const fate& f, int64_t now) const {
    auto next = std::upper_bound(f.failures.begin(), f.failures.end(), now);
    return next != f.failures.begin()
           && now < f.back[static_cast<size_t>(next - f.failures.begin()) - 1];
  }
  /// The weight of a row, 0: left out.
  float weight_of(size_t node, int64_t now, int64_t failure_in) const {
    if (options_.healthy_share >= 1 || (failure_in >= 0 && failure_in <= options_.near_ms))
      return 1;
    auto name = from_.nodes[node].id.value + '@' + std::to_string(now);
    double drawn = static_cast<double>(checksum64(name) >> 11) * 0x1.0p-53;
    return drawn < options_.healthy_share ? static_cast<float>(1 / options_.healthy_share) : 0;
  }

  result<void> take(int64_t now) {
    watched_ = 0;
    wanted_.clear();
    for (size_t k = 0; k < by_id_.size(); ++k) {
      auto i = by_id_[k];
      const auto& f = fates_[i];
      if (from_.nodes[i].first_ms > now || now > f.last_ms) continue;
      ++watched_;
      if (is_down(f, now)) continue;
      auto next = std::upper_bound(f.failures.begin(), f.failures.end(), now);
      auto failure_in = next == f.failures.end() ? int64_t{-1} : *next - now;
      auto weight = weight_of(i, now, failure_in);
      if (weight > 0) wanted_.push_back({i, failure_in, weight});
    }
    drop_gone(now);
    if (wanted_.empty()) return {};
    if (out_.size() + wanted_.size() > options_.rows_max)
      return fail(errc::oversize, "more than " + std::to_string(options_.rows_max)
                                      + " examples; decide less often or keep a smaller share");
    std::vector<node_id> ids;
    ids.reserve(wanted_.size());
    for (const auto& w : wanted_) ids.push_back(from_.nodes[w.node].id);
    engine_.table(now, table_, &ids);
    ENSURE(table_.nodes.size() == wanted_.size());
    for (size_t k = 0; k < wanted_.size(); ++k) {
      const auto& w = wanted_[k];
      for (double x : table_.row(k)) out_.values.push_back(static_cast<float>(x));
      out_.node.push_back(static_cast<uint32_t>(w.node));
      out_.time_ms.push_back(now);
      out_.failure_in_ms.push_back(w.failure_in_ms);
      out_.known_for_ms.push_back(fates_[w.node].known_ms - now);
      out_.weight.push_back(w.weight);
    }
    return {};
  }
  /// Nodes that are watched no more are no longer compared with.
  void drop_gone(int64_t now) {
    if (left_.empty()) {
      left_.resize(from_.nodes.size());
      std::iota(left_.begin(), left_.end(), size_t{0});
      std::sort(left_.begin(), left_.end(),
                [&](size_t a, size_t b) { return fates_[a].last_ms < fates_[b].last_ms; });
    }
    for (; next_left_ < left_.size() && fates_[left_[next_left_]].last_ms < now; ++next_left_)
      engine_.forget(from_.nodes[left_[next_left_]].id);
  }

  struct wanted_row {
    size_t node;
    int64_t failure_in_ms;
    float weight;
  };
  const history& from_;
  examples& out_;
  const example_options& options_;
  std::vector<fate> fates_;
  feature_engine engine_;
  feature_table table_;
  telemetry_rows rows_;
  std::vector<size_t> by_first_, by_id_, left_;
  std::vector<wanted_row> wanted_;
  size_t watched_ = 0; ///< at the newest step
  size_t arrived_ = 0, sample_ = 0, event_ = 0, next_left_ = 0;
};
} // namespace

std::optional<uint8_t> examples::label(size_t i, int64_t horizon_ms) const {
  if (failure_in_ms[i] >= 0 && failure_in_ms[i] <= horizon_ms) return uint8_t{1};
  if (known_for_ms[i] < horizon_ms) return std::nullopt;
  return uint8_t{0};
}

result<examples> make_examples(const history& from, schema_ptr schema, const time_scales& scales,
                               const example_options& options,
                               const std::function<void(double)>& progress) {
  if (options.every_ms < 1) return fail(errc::invalid_argument, "decisions must be apart in time");
  if (from.nodes.empty()) return fail(errc::invalid_argument, "the history has no nodes");
  examples out;
  out.schema = std::move(schema);
  out.scales = scales;
  auto done = replay(from, out, options).run(progress);
  if (!done) return tl::unexpected<error>(done.error());
  return out;
}

} // namespace harbinger::predict
