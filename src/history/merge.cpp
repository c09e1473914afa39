#include "history/merge.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "history/check.hpp"

namespace harbinger {
namespace {

/// For each part, whether one of its names is also in another part.
template <class NamesOf>
std::vector<bool> clashes(const std::vector<merge_part>& parts, NamesOf names_of) {
  std::map<std::string, size_t> parts_with;
  for (const auto& part : parts)
    for (const auto& name : names_of(part.data)) ++parts_with[name];
  std::vector<bool> out;
  for (const auto& part : parts) {
    auto names = names_of(part.data);
    out.push_back(std::any_of(names.begin(), names.end(),
                              [&](const auto& name) { return parts_with[name] > 1; }));
  }
  return out;
}
std::set<std::string> ids_of(const history& h) {
  std::set<std::string> out;
  for (const auto& n : h.nodes) out.insert(n.id.value);
  return out;
}
std::set<std::string> fleets_of(const history& h) {
  std::set<std::string> out;
  for (const auto& n : h.nodes) out.insert(n.fleet);
  return out;
}

result<> check_prefixes(const std::vector<merge_part>& parts, const std::vector<bool>& needed) {
  std::set<std::string> used;
  for (size_t p = 0; p < parts.size(); ++p) {
    if (!needed[p]) continue;
    if (parts[p].prefix.empty())
      return fail(errc::invalid_argument,
                  "a history without a name has ids or fleets that another has too: name it");
    if (!used.insert(parts[p].prefix).second)
      return fail(errc::invalid_argument, "two histories named " + parts[p].prefix
                                              + " have ids or fleets in common: name them apart");
  }
  return {};
}

/// Where the metrics of a part are in the whole.
result<std::vector<size_t>> add_metrics(history& to, const history& from) {
  std::vector<size_t> out;
  for (const auto& m : from.metrics) {
    auto at = std::find_if(to.metrics.begin(), to.metrics.end(),
                           [&](const auto& known) { return known.name == m.name; });
    out.push_back(static_cast<size_t>(at - to.metrics.begin()));
    if (at == to.metrics.end())
      to.metrics.push_back(m);
    else if (at->unit != m.unit || at->reading != m.reading || at->comparable != m.comparable
             || at->floor != m.floor)
      return fail(errc::invalid_argument, "metric " + m.name + " means something else in "
                                              + from.name
                                              + ": unit, reading, comparable or floor differ");
  }
  return out;
}

void add_names(std::vector<std::string>& to, const std::vector<std::string>& from) {
  for (const auto& name : from)
    if (std::find(to.begin(), to.end(), name) == to.end()) to.push_back(name);
}

void add_rows(history& to, history&& from, const std::vector<size_t>& columns) {
  auto first = static_cast<uint32_t>(to.nodes.size() - from.nodes.size());
  for (auto& s : from.samples) {
    s.node += first;
    std::vector<double> values(to.metrics.size(), std::numeric_limits<double>::quiet_NaN());
    for (size_t i = 0; i < columns.size(); ++i) values[columns[i]] = s.values[i];
    s.values = std::move(values);
    to.samples.push_back(std::move(s));
  }
  for (auto& e : from.events) {
    e.node += first;
    to.events.push_back(std::move(e));
  }
}
} // namespace

result<history> merge_histories(std::vector<merge_part> parts, const std::string& name) {
  history out;
  out.name = name;
  if (parts.empty()) return fail(errc::invalid_argument, "nothing to merge");
  for (auto& part : parts)
    if (part.prefix.empty()) part.prefix = part.data.name;
  auto same_ids = clashes(parts, ids_of), same_fleets = clashes(parts, fleets_of);
  std::vector<bool> needed;
  for (size_t p = 0; p < parts.size(); ++p) needed.push_back(same_ids[p] || same_fleets[p]);
  if (auto ok = check_prefixes(parts, needed); !ok) return tl::unexpected(ok.error());
  out.on_change = parts.front().data.on_change;
  std::vector<std::string> sources;
  for (size_t p = 0; p < parts.size(); ++p) {
    auto& [from, prefix] = parts[p];
    if (from.on_change != out.on_change)
      return fail(errc::invalid_argument, "samples come on change in some of the histories only");
    auto columns = add_metrics(out, from);
    if (!columns) return tl::unexpected(columns.error());
    add_names(out.numbers, from.numbers);
    add_names(out.categories, from.categories);
    add_names(sources, {from.source});
    for (const auto& n : from.nodes) {
      out.nodes.push_back(n);
      auto& added = out.nodes.back();
      if (same_ids[p]) added.id.value.insert(0, prefix + '/');
      if (same_fleets[p]) added.fleet = n.fleet.empty() ? prefix : prefix + '/' + n.fleet;
    }
    add_rows(out, std::move(from), *columns);
  }
  for (const auto& source : sources) out.source += (out.source.empty() ? "" : "; ") + source;
  for (auto& s : out.samples)
    s.values.resize(out.metrics.size(), std::numeric_limits<double>::quiet_NaN());
  sort_history(out);
  if (auto sound = check_history(out); !sound) return tl::unexpected(sound.error());
  return out;
}

} // namespace harbinger
