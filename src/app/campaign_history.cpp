#include "app/campaign_history.hpp"

#include <algorithm>
#include <filesystem>

#include "history/check.hpp"
#include "history/history_file.hpp"
#include "history/merge.hpp"

namespace harbinger {
namespace {
constexpr const char* campaign_name = "campaign";
constexpr const char* campaign_source =
    "harbinger campaign: clusters on one host, each with one trouble, a look-alike or nothing";

std::map<std::string, std::string> attributes_of(const campaign_run& run, bool faulty) {
  auto out = run.attributes;
  out["run"] = run.name;
  out["trouble"] = run.trouble;
  out["faulty"] = faulty ? "1" : "0";
  out["seed"] = std::to_string(run.seed);
  out["sample_ms"] = std::to_string(run.sample_ms);
  std::erase_if(out, [](const auto& a) { return a.second.empty(); });
  return out;
}

/// A life of the node that goes on as another one keeps its own end.
std::vector<bool> last_lives(const history& h) {
  std::map<std::string, size_t> newest;
  std::vector<bool> out(h.nodes.size());
  for (size_t i = 0; i < h.nodes.size(); ++i) {
    auto [it, fresh] = newest.try_emplace(h.nodes[i].attributes.at("node"), i);
    if (!fresh) out[std::exchange(it->second, i)] = false;
    out[i] = true;
  }
  return out;
}
} // namespace

history history_of_run(history h, const campaign_run& run) {
  h.name = campaign_name;
  h.source = campaign_source;
  std::erase_if(h.events, [](const history_event& e) {
    return e.what == happening::failure || e.what == happening::shutdown;
  });
  auto last = last_lives(h);
  for (uint32_t i = 0; i < h.nodes.size(); ++i) {
    auto& n = h.nodes[i];
    auto name = n.attributes.at("node");
    bool faulty = name == run.node.value;
    bool dies = faulty && last[i] && run.death_ms;
    if (last[i]) n.last_ms = std::max(n.first_ms, dies ? *run.death_ms : run.end_ms);
    n.known_ms = 0;
    if (dies) h.events.push_back({i, n.last_ms, happening::failure, run.trouble, 1, 0});
    bool has_it = faulty || run.node.value.empty();
    if (has_it && last[i] && run.trouble_start_ms)
      h.events.push_back({i, *run.trouble_start_ms, happening::note, "injected", 1, 0});
    n.attributes = attributes_of(run, faulty);
    n.attributes["node"] = name;
    n.fleet = run.name;
    n.id.value.insert(0, run.name + '/');
  }
  sort_history(h);
  return h;
}

bool has_run(const history& campaign, const std::string& run) {
  return std::any_of(campaign.nodes.begin(), campaign.nodes.end(),
                     [&](const auto& n) { return n.fleet == run; });
}

result<history> campaign_so_far(const std::string& directory) {
  auto there = read_history(directory);
  if (there || there.error().code != errc::not_found) return there;
  std::error_code problem;
  if (std::filesystem::exists(directory, problem) && !std::filesystem::is_empty(directory, problem))
    return fail(errc::conflict, directory + " is there, and is no history");
  history none;
  none.name = campaign_name;
  return none;
}

result<> add_run(const std::string& directory, history run) {
  auto before = campaign_so_far(directory);
  if (!before) return tl::unexpected(before.error());
  for (const auto& n : run.nodes)
    if (has_run(*before, n.fleet)) return fail(errc::conflict, n.fleet + " is there already");
  std::vector<merge_part> parts;
  if (!before->nodes.empty()) parts.push_back({std::move(*before), ""});
  parts.push_back({std::move(run), ""});
  auto all = merge_histories(std::move(parts), campaign_name);
  if (!all) return tl::unexpected(all.error());
  return write_history(directory, *all, existing::replace);
}

} // namespace harbinger
