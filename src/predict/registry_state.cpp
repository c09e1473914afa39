#include "predict/registry_state.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "core/digest.hpp"
#include "core/ensure.hpp"
#include "messages/common.hpp"

namespace harbinger::predict {
namespace {
using json = nlohmann::ordered_json;
constexpr std::string_view file_format = "harbinger-models";
constexpr int64_t file_version = 1;

/// Texts that are not UTF-8 are written as U+FFFD.
std::string text_of(const json& j, int indent = -1) {
  return j.dump(indent, ' ', false, json::error_handler_t::replace);
}

template <class T>
void keep_newest(std::vector<T>& of, size_t count) {
  if (of.size() > count) of.erase(of.begin(), of.end() - static_cast<std::ptrdiff_t>(count));
}

void vacate(registry_state& s) {
  if (s.champions.empty()) return;
  auto* old = s.find(s.champions.back());
  if (old && old->state == model_state::champion) old->state = model_state::retired;
}

void take_place(registry_state& s, promotion to) {
  if (!to.version.empty()) {
    auto* m = s.find(to.version);
    ENSURE(m != nullptr);
    m->state = model_state::champion;
    m->refusal = model_refusal::none;
    m->refusal_detail.clear();
  }
  to.by = one_line(to.by);
  to.why = one_line(to.why);
  s.promotions.push_back(std::move(to));
  keep_newest(s.promotions, promotions_max);
}

/// Which may go first: 0 to 2; 3: never.
int order_of_going(const registry_state& s, const registered_model& m) {
  if (m.state == model_state::champion) return 3;
  if (s.champions.size() > 1 && m.version == s.champions[s.champions.size() - 2]) return 3;
  if (m.state == model_state::retired) return 0;
  return m.state == model_state::refused ? 1 : 2;
}

json json_of(const registered_model& m) {
  return {{"version", m.version},
          {"kind", m.kind},
          {"added_ms", m.added_ms},
          {"origin", name_of(m.origin)},
          {"trained_on", m.trained_on},
          {"trained_until_ms", m.trained_until_ms},
          {"bytes", m.bytes},
          {"xxh3", hex64(m.xxh3)},
          {"state", name_of(m.state)},
          {"refusal", name_of(m.refusal)},
          {"refusal_detail", m.refusal_detail}};
}

json json_of(const promotion& p) {
  return {{"time_ms", p.time_ms},
          {"version", p.version},
          {"replaced", p.replaced},
          {"by", p.by},
          {"why", p.why}};
}

struct nonsense {
  const char* what;
};

template <class E>
E enum_from(const json& j) {
  auto value = parse_enum<E>(j.get<std::string>());
  if (!value) throw nonsense{"an unknown word"};
  return *value;
}

std::string version_from(const json& j) {
  auto out = j.get<std::string>();
  if (!is_model_version(out)) throw nonsense{"a version"};
  return out;
}

uint64_t checksum_from(const json& j) {
  auto text = j.get<std::string>();
  if (text.size() != 16 || text.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw nonsense{"a checksum"};
  return std::stoull(text, nullptr, 16);
}

registered_model model_from(const json& j) {
  registered_model m;
  m.version = version_from(j.at("version"));
  m.kind = j.at("kind").get<std::string>();
  m.added_ms = j.at("added_ms").get<int64_t>();
  m.origin = enum_from<model_origin>(j.at("origin"));
  m.trained_on = j.at("trained_on").get<std::string>();
  m.trained_until_ms = j.at("trained_until_ms").get<int64_t>();
  m.bytes = j.at("bytes").get<uint64_t>();
  m.xxh3 = checksum_from(j.at("xxh3"));
  m.state = enum_from<model_state>(j.at("state"));
  m.refusal = enum_from<model_refusal>(j.at("refusal"));
  m.refusal_detail = j.at("refusal_detail").get<std::string>();
  return m;
}

/// What a checksum can not tell: that all of it fits together.
void check(const registry_state& s) {
  if (s.models.size() > registry_models_max) throw nonsense{"too many models"};
  std::set<std::string> seen;
  for (const auto& m : s.models) {
    bool seated = !s.champions.empty() && m.version == s.champions.back();
    if (!seen.insert(m.version).second) throw nonsense{"a model stands twice"};
    if ((m.state == model_state::champion) != seated) throw nonsense{"who is champion"};
    if ((m.state == model_state::refused) != (m.refusal != model_refusal::none))
      throw nonsense{"a refusal"};
  }
  for (const auto& version : s.champions)
    if (!seen.contains(version)) throw nonsense{"a champion is not listed"};
  for (const auto& version : s.dropped)
    if (seen.contains(version)) throw nonsense{"a dropped model is listed"};
}

registry_state state_from(const json& j) {
  registry_state s;
  for (const auto& m : j.at("models")) s.models.push_back(model_from(m));
  for (const auto& v : j.at("champions")) s.champions.push_back(version_from(v));
  for (const auto& v : j.at("dropped")) s.dropped.push_back(version_from(v));
  for (const auto& p : j.at("promotions"))
    s.promotions.push_back({p.at("time_ms").get<int64_t>(), p.at("version").get<std::string>(),
                            p.at("replaced").get<std::string>(), p.at("by").get<std::string>(),
                            p.at("why").get<std::string>()});
  check(s);
  return s;
}

} // namespace

registered_model* registry_state::find(std::string_view version) {
  auto at = std::find_if(models.begin(), models.end(),
                         [&](const auto& m) { return m.version == version; });
  return at == models.end() ? nullptr : &*at;
}

const registered_model* registry_state::find(std::string_view version) const {
  return const_cast<registry_state*>(this)->find(version);
}

const registered_model* registry_state::champion() const {
  return champions.empty() ? nullptr : find(champions.back());
}

bool is_model_version(std::string_view text) {
  return !text.empty() && text.size() <= 64
         && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_")
                == std::string_view::npos;
}

std::string one_line(std::string_view text) {
  std::string out(text.substr(0, registry_text_bytes_max));
  if (text.size() > out.size()) {
    size_t end = out.size(); // not in the middle of a character
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    out.resize(end);
  }
  for (auto& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return out;
}

void seat(registry_state& s, promotion to) {
  ENSURE(s.find(to.version) != nullptr);
  vacate(s);
  s.champions.push_back(to.version);
  keep_newest(s.champions, champions_max);
  take_place(s, std::move(to));
}

void seat_again(registry_state& s, std::optional<size_t> place, promotion to) {
  vacate(s);
  s.champions.resize(place ? *place + 1 : 0);
  ENSURE((place ? s.champions.back() : std::string{}) == to.version);
  take_place(s, std::move(to));
}

void refuse(registry_state& s, std::string_view version, model_refusal why,
            const std::string& detail) {
  auto* m = s.find(version);
  ENSURE(m != nullptr && why != model_refusal::none);
  m->state = model_state::refused;
  m->refusal = why;
  m->refusal_detail = one_line(detail);
}

void mend(registry_state& s, std::string_view version) {
  auto* m = s.find(version);
  ENSURE(m != nullptr && m->state == model_state::refused);
  auto names = [&](const promotion& p) { return p.version == version; };
  bool was_champion =
      std::find(s.champions.begin(), s.champions.end(), version) != s.champions.end()
      || std::any_of(s.promotions.begin(), s.promotions.end(), names);
  m->state = was_champion ? model_state::retired : model_state::candidate;
  m->refusal = model_refusal::none;
  m->refusal_detail.clear();
}

void prune(registry_state& s, size_t models_max) {
  ENSURE(models_max >= 3);
  while (s.models.size() > models_max) {
    auto newest = std::find_if(s.models.rbegin(), s.models.rend(),
                               [](const auto& m) { return m.state == model_state::candidate; });
    auto first = s.models.end();
    for (auto m = s.models.begin(); m != s.models.end(); ++m) {
      if (newest != s.models.rend() && &*m == &*newest) continue;
      if (order_of_going(s, *m) == 3) continue;
      if (first == s.models.end() || order_of_going(s, *m) < order_of_going(s, *first)) first = m;
    }
    ENSURE(first != s.models.end());
    if (first->state != model_state::refused) s.dropped.push_back(first->version);
    std::erase(s.champions, first->version);
    s.champions.erase(std::unique(s.champions.begin(), s.champions.end()), s.champions.end());
    s.models.erase(first);
  }
  keep_newest(s.dropped, dropped_max);
}

std::string to_json(const registry_state& s) {
  auto body = [&] {
    json out{{"models", json::array()},
             {"champions", s.champions},
             {"promotions", json::array()},
             {"dropped", s.dropped}};
    for (const auto& m : s.models) out["models"].push_back(json_of(m));
    for (const auto& p : s.promotions) out["promotions"].push_back(json_of(p));
    return out;
  }();
  json out{{"format", file_format},
           {"version", file_version},
           {"xxh3", hex64(checksum64(text_of(body)))}};
  out.update(body);
  return text_of(out, 1) + '\n';
}

result<registry_state> parse_registry(std::string_view text) {
  try {
    // Nothing of ours is nested deeper; the depth of what is damaged must not matter.
    auto shallow = [](int depth, json::parse_event_t, const json&) {
      return depth <= 4 ? true : throw nonsense{"too deep"};
    };
    auto j = json::parse(text, shallow);
    if (j.at("format").get<std::string>() != file_format) throw nonsense{"another format"};
    if (j.at("version").get<int64_t>() > file_version)
      return fail(errc::unsupported, "registry.json was written by a newer program");
    auto sum = checksum_from(j.at("xxh3"));
    for (const char* key : {"format", "version", "xxh3"}) j.erase(key);
    if (checksum64(text_of(j)) != sum) return fail(errc::checksum, "registry.json");
    return state_from(j);
  } catch (const nonsense& e) {
    return fail(errc::malformed, std::string("registry.json: ") + e.what);
  } catch (const json::exception& e) {
    return fail(errc::malformed, std::string("registry.json: ") + e.what());
  }
}

} // namespace harbinger::predict
