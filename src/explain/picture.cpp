#include "explain/picture.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

namespace harbinger::explain {
namespace {

/// What follows from a decision and was not one itself.
constexpr std::array outcomes{"prefetch_ready",      "partition_available", "redundancy_restored",
                              "conflict_journalled", "digest_differs",      "replica_damaged",
                              "replica_repaired",    "node_suspect",        "node_joined"};

bool is_decision(const std::string& kind) {
  return kind != "catalog_change"
         && std::find(outcomes.begin(), outcomes.end(), kind) == outcomes.end();
}

template <class T>
T number_of(const std::string& text) {
  T value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

template <class T>
void push_bounded(std::deque<T>& list, T value, size_t most) {
  list.push_back(std::move(value));
  if (list.size() > most) list.pop_front();
}

bool holds(const std::vector<node_id>& sorted, const node_id& id) {
  return std::binary_search(sorted.begin(), sorted.end(), id);
}

/// "zone 3" as words of their own: not "zone 31".
bool mentions_zone(const std::string& text, zone_id zone) {
  auto wanted = "zone " + std::to_string(zone.value);
  for (size_t at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1)) {
    auto end = at + wanted.size();
    if (end >= text.size() || text[end] < '0' || text[end] > '9') return true;
  }
  return false;
}

bool because_of(const event& e, zone_id zone) {
  auto zones = node_list(field(e, "zones"));
  auto id = node_id{std::to_string(zone.value)};
  if (std::find(zones.begin(), zones.end(), id) != zones.end()) return true;
  constexpr std::array texts{"zones", "reason", "cause"};
  return std::any_of(texts.begin(), texts.end(),
                     [&](const char* name) { return mentions_zone(field(e, name), zone); });
}

} // namespace

std::string field(const event& e, const std::string& name) {
  auto it = e.fields.find(name);
  return it == e.fields.end() ? std::string{} : it->second;
}

std::vector<node_id> node_list(const std::string& text) {
  std::vector<node_id> list;
  std::string word;
  for (char c : text + ' ') {
    if (c != ',' && c != ' ') {
      word += c;
    } else if (!word.empty()) {
      list.push_back(node_id{word});
      word.clear();
    }
  }
  std::sort(list.begin(), list.end());
  return list;
}

std::string to_string(const topic& about) {
  if (const auto* node = std::get_if<node_id>(&about)) return "node " + node->value;
  if (const auto* zone = std::get_if<zone_id>(&about)) return "zone " + std::to_string(zone->value);
  return "partition " + to_string(std::get<partition_id>(about));
}

bool may_concern(const topic& about, std::string_view line) {
  // The newest of each name is the event's own: fields come before, and text has no bare quotes.
  auto value_of = [&](std::string_view name) {
    auto at = line.rfind(name);
    return at == std::string_view::npos ? std::string_view{} : line.substr(at + name.size());
  };
  constexpr std::array always{"zone_", "node_", "centre_started\"", "actor_ended\""};
  auto kind = value_of(R"("kind":")"), subject = value_of(R"("subject":")");
  auto begins = [&](std::string_view with) { return kind.starts_with(with); };
  if (std::any_of(always.begin(), always.end(), begins)) return true;
  if (const auto* node = std::get_if<node_id>(&about))
    return subject.starts_with(node->value + '"');
  if (const auto* partition = std::get_if<partition_id>(&about))
    return subject.starts_with(to_string(*partition) + '"');
  bool may_name_it = begins("prefetch_started\"") || begins("partition_escalated\"")
                     || begins("partition_promoted\"") || begins("partition_deescalated\"");
  auto number = std::to_string(std::get<zone_id>(about).value);
  return may_name_it ? line.find(number) != std::string_view::npos : begins("prefetch_");
}

void picture::take(const event& e) {
  if (e.time.value > asked_.at_ms) {
    if (e.kind == "catalog_change" && is_about(e)) row_changed_later_ = true;
    const auto* zone = std::get_if<zone_id>(&asked_.about);
    if (zone && e.kind == "zone_formed" && is_about(e) && !formed_later_ms_)
      formed_later_ms_ = e.time.value;
    return;
  }
  if (e.kind == "catalog_change") {
    if (is_about(e)) row_ = e;
    return;
  }
  if (e.kind == "centre_started") {
    end_all_zones(e);
    centre_ = e;
  }
  if (e.kind == "actor_ended" && e.subject == "zone_manager")
    for (auto& [id, zone] : zones_) zone.doubtful = true;
  if (e.kind.starts_with("node_")) take_node(e);
  if (e.kind.starts_with("zone_")) take_zone(e);
  if (std::holds_alternative<zone_id>(asked_.about)) take_zone_work(e);
  if (!is_about(e)) return;
  if (e.kind.starts_with("prefetch_")) take_copy(e);
  if (is_decision(e.kind)) decision_ = e;
  push_bounded(told_, e, told_max);
}

bool picture::is_about(const event& e) const {
  if (const auto* node = std::get_if<node_id>(&asked_.about)) return e.subject == node->value;
  if (const auto* partition = std::get_if<partition_id>(&asked_.about))
    return e.subject == to_string(*partition);
  return e.subject == to_string(asked_.about);
}

// --- nodes ---

void picture::take_node(const event& e) {
  auto life = number_of<uint64_t>(field(e, "incarnation"));
  auto& node = nodes_[node_id{e.subject}];
  std::string state = "up";
  if (e.kind == "node_suspect") state = "suspect";
  if (e.kind == "node_dead") state = "dead";
  // The end of a life by a restart is told after the new life has said hello.
  if (state == "dead" && life > 0 && life < node.life) return;
  node.life = std::max(node.life, life);
  if (node.state != state || node.since_ms == 0) node.since_ms = e.time.value;
  node.state = std::move(state);
  node.text = e.text;
}

// --- zones ---

bool picture::zone_concerns(const zone_then& z) const {
  if (const auto* zone = std::get_if<zone_id>(&asked_.about)) return z.id == *zone;
  if (const auto* node = std::get_if<node_id>(&asked_.about))
    return holds(z.members, *node) || holds(z.exposed, *node);
  return false;
}

void picture::end_zone(std::map<zone_id, zone_then>::iterator it, const event& e,
                       std::string text) {
  auto zone = std::move(it->second);
  zones_.erase(it);
  zone.ended_ms = e.time.value;
  zone.ended_text = std::move(text);
  if (zone_concerns(zone)) push_bounded(ended_zones_, std::move(zone), ended_max);
}

void picture::end_all_zones(const event& e) {
  while (!zones_.empty())
    end_zone(zones_.begin(), e, "the centre was started anew and knew of no zones");
  left_out_.clear();
}

void picture::take_zone(const event& e) {
  if (e.kind == "zone_brake") {
    left_out_ = node_list(field(e, "left_out"));
    return;
  }
  zone_id id{number_of<uint64_t>(field(e, "zone"))};
  auto it = zones_.find(id);
  if (e.kind == "zone_dissolved") {
    if (it != zones_.end()) end_zone(it, e, e.text);
    return;
  }
  if (e.kind == "zone_formed" && it != zones_.end())
    end_zone(it, e, "its number was given again: what became of it is not known");
  bool fresh = !zones_.contains(id);
  auto& zone = zones_[id];
  if (fresh) {
    zone.id = id;
    zone.formed_ms = e.kind == "zone_formed" ? e.time.value : 0;
    zone.formed_text = e.kind == "zone_formed" ? e.text : "";
    if (std::get_if<zone_id>(&asked_.about) && zone_concerns(zone)) {
      work_ = {};
      begun_for_zone_.clear();
    }
  } else {
    ++zone.changes;
  }
  zone.domain = field(e, "domain");
  zone.members = node_list(field(e, "members"));
  zone.exposed = node_list(field(e, "exposed"));
  zone.probability = std::strtod(field(e, "probability").c_str(), nullptr);
  zone.joint_probability = std::strtod(field(e, "joint_probability").c_str(), nullptr);
  zone.reasons = field(e, "reasons");
  zone.changed_ms = e.time.value;
  zone.doubtful = false;
}

const zone_then* picture::zone() const {
  const auto* id = std::get_if<zone_id>(&asked_.about);
  if (!id) return nullptr;
  if (auto it = zones_.find(*id); it != zones_.end()) return &it->second;
  return ended_zones_.empty() ? nullptr : &ended_zones_.back();
}

void picture::take_zone_work(const event& e) {
  const auto* known = zone();
  if (!known) return;
  bool standing = known->ended_ms == 0;
  if (e.kind == "node_dead" && holds(known->members, node_id{e.subject})
      && work_.deaths.size() < ended_max)
    work_.deaths.push_back(e);
  if (e.kind.starts_with("partition_") && because_of(e, known->id)) {
    work_.escalated += e.kind == "partition_escalated";
    work_.handed_over += e.kind == "partition_promoted"; // the cause of a failover names no zone
    work_.left += e.kind == "partition_deescalated";
  }
  if (!e.kind.starts_with("prefetch_")) return;
  auto copy = e.subject + '@' + field(e, "target");
  if (e.kind == "prefetch_started" && standing && because_of(e, known->id)) {
    ++work_.copies_begun;
    begun_for_zone_.insert(copy);
    return;
  }
  if (e.kind == "prefetch_fell_back" || begun_for_zone_.erase(copy) == 0) return;
  work_.copies_ready += e.kind == "prefetch_ready";
  work_.copies_failed += e.kind == "prefetch_failed";
}

// --- copies ---

void picture::take_copy(const event& e) {
  auto target = field(e, "target");
  if (target.empty()) return; // nobody could take one: only told
  auto end = [&](const std::string& why) {
    auto old = copies_.extract(target);
    if (old.empty()) return;
    old.mapped().state = copy_state::ended;
    old.mapped().ended_ms = e.time.value;
    old.mapped().ended_text = why;
    push_bounded(ended_copies_, std::move(old.mapped()), ended_max);
  };
  if (e.kind == "prefetch_evicted" || e.kind == "prefetch_failed") {
    end(e.text);
    return;
  }
  auto number = field(e, "copy");
  if (e.kind == "prefetch_started") end("another attempt followed");
  if (copies_.size() >= copies_max) return;
  auto& copy = copies_[target];
  copy.target = target;
  if (auto source = field(e, "source"); !source.empty()) copy.source = source;
  copy.copy = number;
  if (e.kind == "prefetch_fell_back") copy.method = "mass storage: no replica could be read";
  if (e.kind == "prefetch_ready") {
    copy.state = copy_state::ready;
    copy.ready_ms = e.time.value;
  }
  if (e.kind != "prefetch_started") return;
  copy.began_ms = e.time.value;
  copy.purpose = field(e, "purpose");
  copy.method = field(e, "method");
  copy.reason = field(e, "reason");
  copy.rejected = field(e, "rejected");
}

} // namespace harbinger::explain
