#include "predict/model_diff.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include <nlohmann/json.hpp>

#include "predict/calibration.hpp"

namespace harbinger::predict {
namespace {
using json = nlohmann::ordered_json;
constexpr const char* absent = "-";

std::string shortest(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}
std::string brief(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::general, 6).ptr};
}

std::string joined(const std::vector<double>& values) {
  std::string out;
  for (double v : values) out += (out.empty() ? "" : ", ") + shortest(v);
  return out;
}

class rows {
public:
  void add(std::string what, std::string a, std::string b) {
    if (a != b) out_.push_back({std::move(what), std::move(a), std::move(b)});
  }
  void add(std::string what, double a, double b) {
    if (a == b || (std::isnan(a) && std::isnan(b))) return;
    auto left = brief(a), right = brief(b);
    if (left != right) return add(std::move(what), std::move(left), std::move(right));
    add(std::move(what), shortest(a), shortest(b));
  }
  /// Of the rows from `first` on only `count` stay.
  void limit(size_t first, size_t count, const char* of) {
    if (out_.size() - first <= count) return;
    auto more = out_.size() - first - count;
    out_.resize(first + count);
    out_.push_back({std::string(of) + " ... and " + std::to_string(more) + " more", "", ""});
  }
  size_t size() const { return out_.size(); }
  std::vector<difference> take() { return std::move(out_); }

private:
  std::vector<difference> out_;
};

/// Typical values by the names of their features. Two features of one name are told apart by #2.
std::map<std::string, double> named_features(const model& m) {
  std::map<std::string, double> out;
  for (size_t i = 0; i < m.schema().width(); ++i) {
    auto name = feature_name(m.schema(), i), unique = name;
    for (int n = 2; out.contains(unique); ++n) unique = name + " #" + std::to_string(n);
    out.emplace(std::move(unique), m.typical()[i]);
  }
  return out;
}

using features = std::map<std::string, double>;

void add_features(rows& to, const features& a, const features& b, size_t count) {
  to.add("features", static_cast<double>(a.size()), static_cast<double>(b.size()));
  auto first = to.size();
  for (const auto& [name, typical] : a)
    if (!b.contains(name)) to.add("feature " + name, "yes", absent);
  for (const auto& [name, typical] : b)
    if (!a.contains(name)) to.add("feature " + name, absent, "yes");
  to.limit(first, count, "feature");
}

double distance(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b) ? 0 : 1;
  return a == b ? 0 : std::abs(a - b) / (1 + std::max(std::abs(a), std::abs(b)));
}

void add_typical(rows& to, const features& a, const features& b, size_t count) {
  std::vector<std::pair<double, std::string>> moved;
  for (const auto& [name, typical] : a)
    if (auto other = b.find(name); other != b.end())
      if (double far = distance(typical, other->second); far > 0) moved.emplace_back(-far, name);
  std::sort(moved.begin(), moved.end());
  auto first = to.size();
  for (const auto& [far, name] : moved)
    to.add("typical " + name + " (moved " + brief(std::round(-far * 1000) / 1000) + ")", a.at(name),
           b.at(name));
  to.limit(first, count, "typical");
}

/// Nothing: not JSON. What is nested too deep is left out.
std::optional<json> parsed(std::string_view text) {
  auto shallow = [](int depth, json::parse_event_t, const json&) {
    return depth <= diff_depth_max;
  };
  auto out = json::parse(text, shallow, false);
  if (out.is_discarded()) return std::nullopt;
  return out;
}

/// The header of the model's file (model.hpp).
std::optional<json> header_of(const model& m) {
  auto file = m.serialize();
  if (file.size() < 20) return std::nullopt;
  size_t bytes = 0;
  for (size_t i = 16; i < 20; ++i) bytes = bytes << 8 | static_cast<uint8_t>(file[i]);
  return parsed(std::string_view(file).substr(20, bytes));
}

/// "calibration", or "outlooks[1].calibration": every one in the header, by its place.
using calibrations = std::map<std::string, calibration>;
void collect(const json& from, const std::string& place, calibrations& to) {
  if (!from.is_structured()) return;
  size_t index = 0;
  for (const auto& [key, value] : from.items()) {
    auto here = from.is_array() ? place + '[' + std::to_string(index++) + ']'
                                : place + (place.empty() ? "" : ".") + key;
    if (key != "calibration" || !value.is_array()) {
      collect(value, here, to);
      continue;
    }
    std::vector<calibration_point> points;
    for (const auto& p : value)
      if (p.is_array() && p.size() >= 2 && p[0].is_number() && p[1].is_number())
        points.push_back({p[0].get<double>(), p[1].get<double>(), 1});
    to.emplace(here, calibration(std::move(points)));
  }
}

void add_calibrations(rows& to, const model& a, const model& b) {
  calibrations left, right;
  if (auto header = header_of(a)) collect(*header, "", left);
  if (auto header = header_of(b)) collect(*header, "", right);
  for (const auto& [place, one] : left)
    if (!right.contains(place)) to.add(place, "yes", absent);
  for (const auto& [place, other] : right) {
    auto at = left.find(place);
    if (at == left.end()) {
      to.add(place, absent, "yes");
      continue;
    }
    to.add(place, static_cast<double>(at->second.points().size()),
           static_cast<double>(other.points().size()));
    for (double score : {0.1, 0.25, 0.5, 0.75, 0.9})
      to.add(place + " at " + brief(score), at->second.probability(score),
             other.probability(score));
  }
}

/// Every leaf by its path, as text; numbers as they are.
struct leaf {
  std::optional<double> number;
  std::string text;
};
using leaves = std::vector<std::pair<std::string, leaf>>;
void flatten(const json& from, const std::string& path, leaves& to) {
  if (from.is_structured()) {
    size_t index = 0;
    for (const auto& [key, value] : from.items())
      flatten(value,
              from.is_array() ? path + '[' + std::to_string(index++) + ']'
                              : path + (path.empty() ? "" : ".") + key,
              to);
    return;
  }
  if (from.is_discarded()) return;
  auto text = from.is_string() ? from.get<std::string>() : from.dump();
  to.push_back({path, {from.is_number() ? std::optional(from.get<double>()) : std::nullopt, text}});
}

std::string shown(const std::string& text) {
  if (text.size() <= diff_text_bytes_max) return text;
  size_t end = diff_text_bytes_max; // not in the middle of a character
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

void add_leaf(rows& to, const std::string& path, const leaf* a, const leaf* b) {
  if (a && b && a->number && b->number) return to.add("report " + path, *a->number, *b->number);
  if (a && b && a->text == b->text && a->number.has_value() == b->number.has_value()) return;
  auto left = a ? shown(a->text) : absent, right = b ? shown(b->text) : absent;
  if (left == right) right += " (differs)";
  to.add("report " + path, std::move(left), std::move(right));
}

void add_reports(rows& to, const std::string& a, const std::string& b, size_t count) {
  if (a == b) return;
  auto left = parsed(a), right = parsed(b);
  auto first = to.size();
  if (!left || !right) {
    leaf whole_a{{}, a}, whole_b{{}, b};
    return add_leaf(to, "(not JSON)", &whole_a, &whole_b);
  }
  leaves leaves_a, leaves_b;
  flatten(*left, "", leaves_a);
  flatten(*right, "", leaves_b);
  std::map<std::string_view, const leaf*> in_a, in_b;
  for (const auto& [path, value] : leaves_a) in_a.emplace(path, &value);
  for (const auto& [path, value] : leaves_b) in_b.emplace(path, &value);
  for (const auto& [path, value] : leaves_a) {
    auto other = in_b.find(path);
    add_leaf(to, path, &value, other == in_b.end() ? nullptr : other->second);
  }
  for (const auto& [path, value] : leaves_b)
    if (!in_a.contains(path)) add_leaf(to, path, nullptr, &value);
  to.limit(first, count, "report");
}

} // namespace

std::vector<difference> compare_models(const model& a, const model& b, const diff_limits& limits) {
  rows out;
  out.add("version", a.version(), b.version());
  out.add("kind", std::string(a.kind()), std::string(b.kind()));
  out.add("horizon_s", a.scales().horizon_s, b.scales().horizon_s);
  out.add("windows_s", joined(a.scales().windows_s), joined(b.scales().windows_s));
  out.add("stale_after_s", a.scales().stale_after_s, b.scales().stale_after_s);
  const auto left = named_features(a), right = named_features(b);
  add_features(out, left, right, limits.features);
  add_typical(out, left, right, limits.typical);
  add_calibrations(out, a, b);
  add_reports(out, a.report(), b.report(), limits.report);
  return out.take();
}

} // namespace harbinger::predict
