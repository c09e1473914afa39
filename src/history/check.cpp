#include "history/check.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>
#include <unordered_set>

namespace harbinger {
namespace {
using limits = history_limits;

result<> wrong(const std::string& what) { return fail(errc::invalid_argument, what); }

result<> check_text(std::string_view text, const std::string& what, bool may_be_empty) {
  if (text.empty() && !may_be_empty) return wrong(what + " is empty");
  if (text.size() > limits::name_bytes_max)
    return fail(errc::oversize, what + " has more than 256 bytes");
  for (char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      return wrong(what + " has a control character");
  return {};
}

bool in_range(int64_t ms) { return ms >= -limits::time_ms_max && ms <= limits::time_ms_max; }

result<> check_sizes(const history& h) {
  if (h.nodes.size() > limits::nodes_max || h.metrics.size() > limits::metrics_max
      || h.samples.size() > limits::samples_max || h.events.size() > limits::events_max
      || h.samples.size() * h.metrics.size() > limits::values_max)
    return fail(errc::oversize, "a history of " + std::to_string(h.nodes.size()) + " nodes, "
                                    + std::to_string(h.metrics.size()) + " metrics, "
                                    + std::to_string(h.samples.size()) + " samples and "
                                    + std::to_string(h.events.size())
                                    + " events is past the limits");
  if (h.metrics.empty() && !h.samples.empty()) return wrong("samples without a metric");
  return {};
}

result<> check_metrics(const history& h) {
  std::set<std::string> names;
  for (const auto& m : h.metrics) {
    if (auto ok = check_text(m.name, "the name of a metric", false); !ok) return ok;
    if (auto ok = check_text(m.unit, "the unit of metric " + m.name, true); !ok) return ok;
    if (!names.insert(m.name).second) return wrong("metric " + m.name + " stands there twice");
    if (m.name == "node" || m.name == "time_ms" || m.name == "arrived_ms")
      return wrong("a metric can not be named " + m.name);
    if (!(m.floor >= 0) || std::isinf(m.floor))
      return wrong("the floor of metric " + m.name + " is no number of 0 or more");
  }
  return {};
}

result<> check_node(const history_node& n) {
  if (auto ok = check_text(n.id.value, "the id of a node", false); !ok) return ok;
  if (auto ok = check_text(n.fleet, "the fleet of node " + n.id.value, true); !ok) return ok;
  for (const auto& [name, text] : n.attributes) {
    if (auto ok = check_text(name, "the name of an attribute", false); !ok) return ok;
    if (auto ok = check_text(text, "attribute " + name + " of node " + n.id.value, false); !ok)
      return ok;
  }
  if (!in_range(n.first_ms) || !in_range(n.last_ms) || !in_range(n.known_ms))
    return wrong("node " + n.id.value + " is watched at impossible times");
  if (n.last_ms < n.first_ms) return wrong("node " + n.id.value + " is watched to before it began");
  if (n.known_ms != 0 && n.known_ms < n.last_ms)
    return wrong("of node " + n.id.value + " less is known than was watched");
  return {};
}

result<> check_nodes(const history& h) {
  std::unordered_set<std::string_view> ids;
  std::set<std::string_view> attributes;
  for (const auto& n : h.nodes) {
    if (auto ok = check_node(n); !ok) return ok;
    if (!ids.insert(n.id.value).second) return wrong("node " + n.id.value + " stands there twice");
    for (const auto& [name, text] : n.attributes) attributes.insert(name);
  }
  if (attributes.size() > limits::attributes_max)
    return fail(errc::oversize, "more than 256 different attributes");
  return {};
}

std::string nth(const char* what, size_t i) { return what + (" " + std::to_string(i)); }

auto order_of(const history_sample& s) { return std::tuple(arrival_ms(s), s.node, s.time_ms); }

result<> check_samples(const history& h) {
  std::vector<int64_t> newest_ms(h.nodes.size(), INT64_MIN);
  for (size_t i = 0; i < h.samples.size(); ++i) {
    const auto& s = h.samples[i];
    if (s.node >= h.nodes.size()) return wrong(nth("sample", i) + " has no node");
    if (!in_range(s.time_ms) || !in_range(s.arrived_ms))
      return wrong(nth("sample", i) + " has an impossible time");
    if (s.values.size() != h.metrics.size())
      return wrong(nth("sample", i) + " has not as many values as there are metrics");
    for (double x : s.values)
      if (std::isinf(x)) return wrong(nth("sample", i) + " has an infinite value");
    if ((i > 0 && order_of(h.samples[i - 1]) >= order_of(s)) || s.time_ms <= newest_ms[s.node])
      return wrong(nth("sample", i) + " is out of order, or the second of its node and time");
    newest_ms[s.node] = s.time_ms;
  }
  return {};
}

result<> check_events(const history& h) {
  for (size_t i = 0; i < h.events.size(); ++i) {
    const auto& e = h.events[i];
    if (e.node >= h.nodes.size()) return wrong(nth("event", i) + " has no node");
    if (!in_range(e.time_ms) || !in_range(e.back_ms))
      return wrong(nth("event", i) + " has an impossible time");
    if (auto ok = check_text(e.code, "the code of " + nth("event", i), true); !ok) return ok;
    if (!(e.count > 0) || std::isinf(e.count))
      return wrong(nth("event", i) + " has a count that is not above 0");
    if (e.back_ms != 0 && (e.what != happening::failure || e.back_ms < e.time_ms))
      return wrong(nth("event", i) + " is back before it failed, or no failure");
    if (i > 0
        && std::pair(h.events[i - 1].time_ms, h.events[i - 1].node) > std::pair(e.time_ms, e.node))
      return wrong(nth("event", i) + " is out of order");
  }
  return {};
}
} // namespace

result<> check_history(const history& h) {
  for (auto check : {check_sizes, check_metrics, check_nodes, check_samples, check_events})
    if (auto ok = check(h); !ok) return ok;
  for (const auto* names : {&h.numbers, &h.categories})
    for (const auto& name : *names)
      if (auto ok = check_text(name, "the name of an attribute", false); !ok) return ok;
  return {};
}

void sort_history(history& h) {
  std::stable_sort(h.samples.begin(), h.samples.end(),
                   [](const auto& a, const auto& b) { return order_of(a) < order_of(b); });
  std::stable_sort(h.events.begin(), h.events.end(), [](const auto& a, const auto& b) {
    return std::pair(a.time_ms, a.node) < std::pair(b.time_ms, b.node);
  });
}

} // namespace harbinger
