#include "predict/profile.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "core/ensure.hpp"
#include "predict/bytes.hpp"

namespace harbinger::predict {
namespace {
constexpr std::string_view magic = "HBPROF1\n";
constexpr size_t bins_max = feature_profile::edges_max + 1;

float below(float v) { return std::nextafter(v, -std::numeric_limits<float>::infinity()); }

/// As the rows of examples hold it: values beyond a float's are at its end.
float narrow(double value) {
  constexpr double most = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(value, -most, most));
}

struct weighted_value {
  float value;
  float weight;
};

/// The deciles. A value that is several of them gets a bin of its own, so that a flag which was
/// nearly always 0 has a bin for 0, one above and one below.
std::vector<float> edges_of(const std::vector<weighted_value>& ascending, double known) {
  std::vector<float> deciles, out;
  double sum = 0;
  for (const auto& v : ascending) {
    sum += static_cast<double>(v.weight);
    while (deciles.size() < feature_profile::edges_max
           && sum >= known * static_cast<double>(deciles.size() + 1) / bins_max * (1 - 1e-12))
      deciles.push_back(v.value);
  }
  for (size_t i = 0; i < deciles.size(); ++i) {
    float v = deciles[i];
    bool repeats = i + 1 < deciles.size() && deciles[i + 1] == v;
    if (!out.empty() && out.back() == v) continue;
    bool apart = out.empty() || out.back() < below(v);
    if (repeats && apart && std::isfinite(below(v))) out.push_back(below(v));
    out.push_back(v);
  }
  return out;
}

size_t bin_of(const std::vector<float>& edges, float value) {
  return static_cast<size_t>(std::lower_bound(edges.begin(), edges.end(), value) - edges.begin());
}

feature_shape shape_of(std::vector<weighted_value>& known_values, double total) {
  feature_shape out;
  std::sort(known_values.begin(), known_values.end(), [](const auto& a, const auto& b) {
    return a.value != b.value ? a.value < b.value : a.weight < b.weight;
  });
  double known = 0;
  for (const auto& v : known_values) known += static_cast<double>(v.weight);
  out.edges = edges_of(known_values, known);
  std::vector<double> sums(out.edges.size() + 1);
  for (const auto& v : known_values)
    sums[bin_of(out.edges, v.value)] += static_cast<double>(v.weight);
  for (double s : sums) out.shares.push_back(static_cast<float>(s / total));
  out.missing = static_cast<float>(std::max(0.0, 1 - known / total));
  if (known_values.empty()) return out;
  out.lowest = known_values.front().value;
  out.highest = known_values.back().value;
  return out;
}

/// Spreads (splitmix64): rows come in order of time and node, so an even stride could see one node.
uint64_t scatter(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

/// One of each of rows_max equal pieces of 0..n-1, or all.
std::vector<size_t> looked_at(size_t n) {
  std::vector<size_t> out;
  auto pieces = std::min(n, feature_profile::rows_max);
  for (size_t i = 0; i < pieces; ++i) {
    auto from = i * n / pieces, to = (i + 1) * n / pieces;
    out.push_back(from + static_cast<size_t>(scatter(i)) % (to - from));
  }
  return out;
}

/// `value(row, feature)` and `weight(row)` for rows 0..n-1.
template <class Value, class Weight>
result<feature_profile> profile_of(size_t n, size_t width, const Value& value,
                                   const Weight& weight) {
  if (width > training_width_max)
    return fail(errc::oversize, "more than " + std::to_string(training_width_max) + " features");
  auto rows = looked_at(n);
  std::erase_if(rows, [&](size_t i) { return !(weight(i) > 0) || !std::isfinite(weight(i)); });
  double total = 0, squares = 0;
  for (size_t i : rows) {
    double w = static_cast<double>(weight(i));
    total += w;
    squares += w * w;
  }
  if (rows.empty()) return fail(errc::invalid_argument, "a profile of no rows");
  std::vector<feature_shape> shapes;
  std::vector<weighted_value> column;
  for (size_t f = 0; f < width; ++f) {
    column.clear();
    for (size_t i : rows)
      if (double v = value(i, f); std::isfinite(v)) column.push_back({narrow(v), weight(i)});
    shapes.push_back(shape_of(column, total));
  }
  return feature_profile(std::move(shapes), total * total / squares);
}

bool good_share(float x) { return x >= 0 && x <= 1; }

bool good(const feature_shape& s) {
  if (s.edges.size() > feature_profile::edges_max || s.shares.size() != s.edges.size() + 1)
    return false;
  double sum = static_cast<double>(s.missing);
  for (float x : s.shares) sum += static_cast<double>(x);
  return good_share(s.missing) && std::all_of(s.shares.begin(), s.shares.end(), good_share)
         && std::abs(sum - 1) < 1e-3 && std::isfinite(s.lowest) && std::isfinite(s.highest)
         && s.lowest <= s.highest
         && std::all_of(s.edges.begin(), s.edges.end(), [](float e) { return std::isfinite(e); })
         && std::adjacent_find(s.edges.begin(), s.edges.end(), std::greater_equal<>())
                == s.edges.end();
}

bool take_shape(std::istream& in, feature_shape& s) {
  return take_numbers(in, s.edges, feature_profile::edges_max)
         && take_numbers(in, s.shares, bins_max) && take_number(in, s.missing)
         && take_number(in, s.lowest) && take_number(in, s.highest) && good(s);
}
} // namespace

feature_profile::feature_profile(std::vector<feature_shape> shapes, double rows)
    : shapes_(std::move(shapes)), rows_(rows) {
  ENSURE(std::all_of(shapes_.begin(), shapes_.end(), good));
  ENSURE(rows_ > 0 && std::isfinite(rows_));
}

size_t feature_profile::bin(size_t feature, double value) const {
  const auto& s = shapes_[feature];
  return std::isfinite(value) ? bin_of(s.edges, narrow(value)) : s.shares.size();
}

double feature_profile::share(size_t feature, size_t bin) const {
  const auto& s = shapes_[feature];
  return static_cast<double>(bin < s.shares.size() ? s.shares[bin] : s.missing);
}

std::optional<double> feature_profile::rank(size_t feature, double value) const {
  const auto& s = shapes_[feature];
  double known = 0;
  for (float x : s.shares) known += static_cast<double>(x);
  if (!std::isfinite(value) || known <= 0) return std::nullopt;
  float v = narrow(value);
  if (v < s.lowest) return 0.0;
  if (v > s.highest) return 1.0;
  auto b = bin_of(s.edges, v);
  double before = 0;
  for (size_t i = 0; i < b; ++i) before += static_cast<double>(s.shares[i]);
  float from = b == 0 ? s.lowest : s.edges[b - 1];
  float to = b == s.edges.size() ? s.highest : s.edges[b];
  double inside = 0.5;
  if (from < below(to)) {
    double low = static_cast<double>(from), high = static_cast<double>(to);
    inside = std::clamp((static_cast<double>(v) - low) / (high - low), 0.0, 1.0);
  }
  return std::clamp((before + inside * static_cast<double>(s.shares[b])) / known, 0.0, 1.0);
}

std::string feature_profile::serialize() const {
  std::ostringstream out;
  out << magic;
  put_number(out, rows_);
  put_number(out, static_cast<uint32_t>(width()));
  for (const auto& s : shapes_) {
    put_numbers(out, s.edges);
    put_numbers(out, s.shares);
    for (float x : {s.missing, s.lowest, s.highest}) put_number(out, x);
  }
  return std::move(out).str();
}

result<feature_profile> feature_profile::parse(std::string_view bytes) {
  if (!bytes.starts_with(magic)) return fail(errc::malformed, "not a profile of features");
  std::istringstream in{std::string(bytes.substr(magic.size()))};
  double rows = 0;
  uint32_t width = 0;
  if (!take_number(in, rows) || !take_number(in, width) || !(rows > 0) || !std::isfinite(rows))
    return fail(errc::malformed, "the profile's beginning");
  if (width > training_width_max) return fail(errc::oversize, "features in the profile");
  std::vector<feature_shape> shapes;
  for (feature_shape s; shapes.size() < width; shapes.push_back(s))
    if (!take_shape(in, s))
      return fail(errc::malformed, "the profile of feature " + std::to_string(shapes.size()));
  if (in.peek() != std::istringstream::traits_type::eof())
    return fail(errc::malformed, "something follows the profile");
  return feature_profile(std::move(shapes), rows);
}

result<feature_profile> make_profile(const examples& from, std::span<const size_t> rows) {
  for (size_t i : rows)
    if (i >= from.size())
      return fail(errc::invalid_argument, "no example " + std::to_string(i) + " for the profile");
  return profile_of(
      rows.size(), from.width(),
      [&](size_t i, size_t f) { return static_cast<double>(from.row(rows[i])[f]); },
      [&](size_t i) { return from.weight[rows[i]]; });
}

result<feature_profile> make_profile(const training_rows& from) {
  return profile_of(
      from.size(), from.width, [&](size_t i, size_t f) { return from.row(i)[f]; },
      [&](size_t i) { return static_cast<float>(from.weight(i)); });
}

} // namespace harbinger::predict
