#include "explain/sentences.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "explain/when.hpp"
#include "history/time_text.hpp"

namespace harbinger::explain {
namespace {

using row_map = std::map<std::string, std::string>;

std::string value_of(const row_map& row, const std::string& name) {
  auto it = row.find(name);
  return it == row.end() ? std::string{} : it->second;
}

std::string joined(const std::vector<node_id>& ids) {
  std::string text;
  for (const auto& id : ids) text += (text.empty() ? "" : " ") + id.value;
  return text.empty() ? "nobody" : text;
}

std::string number(double value) {
  std::array<char, 32> out{};
  std::snprintf(out.data(), out.size(), "%.3g", value);
  return out.data();
}

constexpr auto holder_of_copy = "the holder of a copy";

/// Where `id` is named in the row: "primary", "in the sync set", "a joiner", "a copy"; else empty.
std::string place_of(const row_map& row, const node_id& id) {
  auto in = [&](const std::string& list) {
    auto ids = node_list(value_of(row, list));
    return std::any_of(ids.begin(), ids.end(), [&](const node_id& each) {
      return each == id || each.value == id.value + "(copying)";
    });
  };
  if (value_of(row, "primary") == id.value) return "its primary";
  if (in("sync_set")) return "a member of its sync set";
  if (in("joiners")) return "a joiner";
  return in("copies") ? holder_of_copy : "";
}

class account_writer {
public:
  account_writer(const picture& then, const known_bounds& bounds) : then_(then), bounds_(bounds) {
    find_row();
  }

  result<account> write() {
    if (then_.asked().at_ms < bounds_.events_since_ms || bounds_.events_since_ms == 0)
      return fail(errc::not_found, before_beginning());
    out_.lines.push_back(headline());
    result<> told;
    if (std::holds_alternative<partition_id>(then_.asked().about)) told = partition();
    if (std::holds_alternative<node_id>(then_.asked().about)) told = node();
    if (std::holds_alternative<zone_id>(then_.asked().about)) told = zone();
    if (!told) return tl::unexpected<error>(told.error());
    decision();
    told_before();
    limits();
    return std::move(out_);
  }

private:
  void add(std::string line) { out_.lines.push_back("  " + std::move(line)); }
  int64_t at() const { return then_.asked().at_ms; }
  std::string before_then(int64_t ms) const {
    return time_text(ms) + " (" + rough_duration(at() - ms) + " before)";
  }
  std::string headline() const {
    return to_string(then_.asked().about) + " at " + time_text(at()) + ", "
           + rough_duration(bounds_.now_ms - at()) + " ago:";
  }
  std::string before_beginning() const {
    if (bounds_.events_since_ms == 0) return "the journal of events is empty";
    return "the journal of events begins at " + time_text(bounds_.events_since_ms) + ", "
           + time_text(at()) + " is before that";
  }

  void find_row() {
    if (then_.row() && then_.row()->fields.contains("revision")) {
      if (then_.row()->fields.contains("primary") || then_.row()->fields.contains("state"))
        out_.row = then_.row()->fields;
      return;
    }
    bool reaches =
        bounds_.catalog_whole || (bounds_.catalog_since_ms > 0 && bounds_.catalog_since_ms <= at());
    if (reaches && !then_.row_changed_later()) out_.row = bounds_.row_now;
  }

  // --- partition ---

  result<> partition() {
    if (out_.row.empty() && then_.told().empty() && !then_.row() && bounds_.row_now.empty())
      return fail(errc::not_found, "no " + to_string(then_.asked().about));
    served_by();
    nodes_not_up();
    zones_of_partition();
    copies();
    return {};
  }

  void served_by() {
    if (out_.row.empty()) {
      out_.not_known.push_back("primary, sync set and copies as the catalog had them: its journal "
                               + (bounds_.catalog_since_ms > 0
                                      ? "begins at " + time_text(bounds_.catalog_since_ms)
                                      : std::string("is empty"))
                               + ", and the row was changed since");
      return;
    }
    auto primary = value_of(out_.row, "primary");
    auto line = primary.empty() ? "No primary: nobody served it"
                                : "Primary " + primary + " in epoch " + value_of(out_.row, "epoch");
    line += "; sync set: " + joined(node_list(value_of(out_.row, "sync_set")));
    if (auto joiners = value_of(out_.row, "joiners"); !joiners.empty())
      line += "; joining: " + joiners;
    auto copies = value_of(out_.row, "copies");
    line += "; copies: " + (copies.empty() ? std::string("none") : copies) + ".";
    add(std::move(line));
    if (then_.row())
      add("So since " + before_then(then_.row()->time.value) + ": " + then_.row()->text + ".");
  }

  void nodes_not_up() {
    for (const auto& [id, node] : then_.nodes()) {
      auto place = place_of(out_.row, id);
      if (node.state == "up" || place.empty()) continue;
      add(id.value + ", " + place + ", was " + node.state + " since " + before_then(node.since_ms)
          + ": " + node.text + ".");
    }
  }

  void zones_of_partition() {
    size_t others = 0;
    for (const auto& [id, z] : then_.zones()) {
      std::string touched;
      for (const auto* list : {&z.members, &z.exposed})
        for (const auto& node : *list)
          if (auto place = place_of(out_.row, node); !place.empty())
            touched += (touched.empty() ? "" : ", ") + node.value + " (" + place
                       + (list == &z.exposed ? ", exposed)" : ")");
      if (touched.empty())
        ++others;
      else
        add(zone_line(z) + "; of the partition's nodes in it: " + touched + ".");
    }
    if (then_.zones().empty())
      add("No zone stood then.");
    else if (others > 0)
      add("Other zones that stood and had none of its nodes: " + std::to_string(others) + ".");
  }

  std::string zone_line(const zone_then& z) const {
    auto line = "zone " + std::to_string(z.id.value) + " (" + z.domain + ") stood";
    if (z.formed_ms > 0) line += " since " + before_then(z.formed_ms);
    line +=
        ", P(one fails) " + number(z.probability) + ", P(all fail) " + number(z.joint_probability);
    if (!z.reasons.empty()) line += ", because " + z.reasons;
    if (z.doubtful) line += " (told before zone_manager was restarted: it may be over)";
    return line;
  }

  void copies() {
    for (const auto& [target, c] : then_.copies()) add(copy_line(c));
    for (const auto& c : then_.ended_copies()) add(copy_line(c));
  }

  std::string copy_line(const copy_then& c) const {
    // The catalog knows best what became of it: a copy that joined is a replica, and not told of.
    auto place = place_of(out_.row, node_id{c.target});
    bool stands = c.state == copy_state::ended || out_.row.empty() || !place.empty();
    bool joined = c.state != copy_state::ended && !place.empty() && place != holder_of_copy;
    auto line = (joined ? "Replica on " : "Copy on ") + c.target
                + (c.source.empty() ? "" : " from " + c.source) + ": "
                + (joined   ? "joined, it is " + place
                   : stands ? std::string(name_of(c.state))
                            : std::string("no longer in the catalog"));
    if (c.began_ms > 0) line += ", begun " + before_then(c.began_ms);
    if (c.ready_ms > 0) line += ", ready " + before_then(c.ready_ms);
    if (c.ended_ms > 0) line += ", ended " + before_then(c.ended_ms) + " (" + c.ended_text + ")";
    if (!c.purpose.empty()) line += "; for " + c.purpose + " by " + c.method;
    if (!c.reason.empty()) line += ", because " + c.reason;
    return line + ".";
  }

  // --- node ---

  result<> node() {
    const auto& id = std::get<node_id>(then_.asked().about);
    auto known = then_.nodes().find(id);
    if (known == then_.nodes().end() && out_.row.empty())
      return fail(errc::not_found, "nothing about node " + id.value + " is in the journals before "
                                       + time_text(at()));
    auto state = value_of(out_.row, "state");
    if (!state.empty() && then_.row())
      add("In the catalog it was " + state + " since " + before_then(then_.row()->time.value) + ": "
          + then_.row()->text + ".");
    if (known != then_.nodes().end())
      add("Events tell that it was " + known->second.state + " since "
          + before_then(known->second.since_ms) + ": " + known->second.text + ".");
    bool in_one = false;
    for (const auto& [zone, z] : then_.zones()) in_one |= node_in_zone(id, z);
    const auto& out = then_.left_out();
    if (std::binary_search(out.begin(), out.end(), id))
      add("It looked at risk, but the brake left it out of the zones.");
    else if (!in_one)
      add("It was in no zone and exposed to none: its risk was under zones.enter_at, as far as "
          "events tell.");
    for (const auto& z : then_.ended_zones()) add("Before that: " + ended_line(z));
    return {};
  }

  bool node_in_zone(const node_id& id, const zone_then& z) {
    bool member = std::binary_search(z.members.begin(), z.members.end(), id);
    bool exposed = std::binary_search(z.exposed.begin(), z.exposed.end(), id);
    if (!member && !exposed) return false;
    add((member ? "It was a member of a zone: " : "It was exposed to a zone: ") + zone_line(z)
        + ".");
    return true;
  }

  std::string ended_line(const zone_then& z) const {
    return "zone " + std::to_string(z.id.value) + " (" + z.domain + ")"
           + (z.formed_ms > 0 ? ", formed " + before_then(z.formed_ms) : std::string{}) + ", over "
           + before_then(z.ended_ms) + ": " + z.ended_text + ".";
  }

  // --- zone ---

  result<> zone() {
    const auto* z = then_.zone();
    if (!z) {
      auto later = then_.zone_formed_later_ms();
      return fail(errc::not_found,
                  to_string(then_.asked().about) + " had not been formed by " + time_text(at())
                      + (later ? "; it was formed at " + time_text(*later) : std::string{}));
    }
    if (z->ended_ms > 0)
      add("It was over: " + ended_line(*z));
    else
      add(zone_line(*z) + ".");
    if (!z->formed_text.empty())
      add("It came about " + before_then(z->formed_ms) + ": " + z->formed_text + ".");
    if (z->changes > 0)
      add("It had changed " + std::to_string(z->changes) + " times, last "
          + before_then(z->changed_ms) + ".");
    add("Members: " + joined(z->members) + "; exposed: " + joined(z->exposed) + ".");
    if (z->ended_ms > 0 && !z->reasons.empty()) add("Its reasons were: " + z->reasons + ".");
    zone_work();
    return {};
  }

  void zone_work() {
    const auto& w = then_.done_for_zone();
    add("Because of it: " + std::to_string(w.copies_begun) + " copies begun, of which "
        + std::to_string(w.copies_ready) + " got ready and " + std::to_string(w.copies_failed)
        + " failed; " + std::to_string(w.escalated) + " partitions escalated.");
    if (w.handed_over + w.left > 0)
      add("Its members were emptied: " + std::to_string(w.handed_over)
          + " primaries were handed over, and " + std::to_string(w.left)
          + " times a member left a sync set.");
    if (w.deaths.empty()) add("None of its members had died by then.");
    for (const auto& e : w.deaths)
      add("Its member " + e.subject + " died " + before_then(e.time.value) + ": " + e.text + ".");
  }

  // --- for all ---

  void decision() {
    if (!then_.decision()) {
      if (!std::holds_alternative<zone_id>(then_.asked().about))
        add("No decision about it is in the journal before then.");
      return;
    }
    const auto& e = *then_.decision();
    add("The last decision about it, " + before_then(e.time.value) + ", event "
        + std::to_string(e.id) + " " + e.kind + ": " + e.text + ".");
    static const std::array<std::string, 4> rules{"reason", "cause", "purpose", "method"};
    static const std::array<std::string, 10> results{"target",  "copy",     "winner",  "epoch",
                                                     "version", "sync_set", "entered", "left",
                                                     "primary", "joiners"};
    auto among = [](const auto& list, const std::string& name) {
      return std::find(list.begin(), list.end(), name) != list.end();
    };
    fields("rule", e, [&](const std::string& name) { return among(rules, name); });
    fields("inputs", e, [&](const std::string& name) {
      return !among(rules, name) && !among(results, name) && name != "rejected"
             && name != "partition";
    });
    fields("result", e, [&](const std::string& name) { return among(results, name); });
    fields("rejected", e, [](const std::string& name) { return name == "rejected"; });
  }

  template <class Wanted>
  void fields(const std::string& label, const event& e, Wanted wanted) {
    std::string text;
    for (const auto& [name, value] : e.fields)
      if (wanted(name) && !value.empty())
        text += (text.empty() ? "" : "; ") + (name == label ? "" : name + " ") + value;
    if (!text.empty()) add("  " + label + ": " + text);
  }

  void told_before() {
    if (then_.told().size() < 2) return;
    add("Told about it until then:");
    for (const auto& e : then_.told())
      add("  " + time_text(e.time.value) + "  " + e.kind + "  " + e.text);
  }

  void limits() {
    if (!bounds_.events_whole)
      out_.not_known.push_back("what came before " + time_text(bounds_.events_since_ms)
                               + ": there the journal of events begins");
    if (bounds_.segments_lost > 0)
      out_.not_known.push_back(std::to_string(bounds_.segments_lost)
                               + " segments of the journal of events can not be read");
    if (then_.centre())
      add("The centre that decided was of term " + field(*then_.centre(), "term") + ", started "
          + before_then(then_.centre()->time.value) + ".");
    for (const auto& what : out_.not_known) add("Not known: " + what + ".");
  }

  const picture& then_;
  const known_bounds& bounds_;
  account out_;
};

} // namespace

result<account> in_words(const picture& then, const known_bounds& bounds) {
  return account_writer{then, bounds}.write();
}

} // namespace harbinger::explain
