#include "predict/cases.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <numeric>
#include <sstream>
#include <tuple>

#include "core/digest.hpp"
#include "core/ensure.hpp"
#include "history/time_text.hpp"
#include "predict/bytes.hpp"

namespace harbinger::predict {
namespace {
constexpr std::string_view magic = "HBCASE1\n";
constexpr uint8_t missing = 255;
constexpr int steps = 254; ///< of a position

/// A value that is known, of a feature that no learned row knew, stands in the middle.
uint8_t position_of(const feature_profile& profile, size_t feature, double value) {
  if (!std::isfinite(value)) return missing;
  return static_cast<uint8_t>(std::lround(profile.rank(feature, value).value_or(0.5) * steps));
}

void put_text(std::ostream& out, const std::string& text) {
  put_number(out, static_cast<uint16_t>(text.size()));
  out << text;
}
bool take_text(std::istream& in, std::string& text) {
  uint16_t size = 0;
  if (!take_number(in, size) || size > case_base::text_max) return false;
  text.resize(size);
  return static_cast<bool>(in.read(text.data(), size));
}

bool take_case(std::istream& in, past_case& out) {
  uint8_t end = 0; ///< 0: none known, 1: a failure, 2: one within the horizon
  bool whole = take_text(in, out.node.value) && take_number(in, out.time_ms) && take_number(in, end)
               && take_number(in, out.after_ms) && take_text(in, out.label)
               && take_number(in, out.probability);
  out.failed = end == 2;
  out.then_failed = end != 0;
  return whole && end <= 2 && out.after_ms >= 0 && out.probability >= 0 && out.probability <= 1;
}

uint64_t name_of_profile(const feature_profile& profile) { return checksum64(profile.serialize()); }

std::string rounded_duration(int64_t ms) {
  double s = static_cast<double>(ms) / 1000;
  auto text = [](double x, const char* unit) {
    return std::to_string(std::llround(x)) + ' ' + unit;
  };
  if (s < 120) return text(s, "s");
  if (s < 120 * 60) return text(s / 60, "min");
  return s < 48 * 3600 ? text(s / 3600, "h") : text(s / 86'400, "d");
}
} // namespace

std::vector<double> feature_weights(const schema& of, const std::vector<importance>& metrics) {
  std::map<std::string, double> lost, features;
  for (const auto& f : of.features) features[f.metric] += 1;
  double sum = 0;
  for (const auto& m : metrics)
    if (m.lost > 0 && std::isfinite(m.lost) && features.contains(m.metric)) {
      lost[m.metric] += m.lost;
      sum += m.lost;
    }
  std::vector<double> out;
  for (const auto& f : of.features)
    out.push_back((sum > 0 ? lost[f.metric] : 1.0) / features[f.metric]);
  return out;
}

case_base::case_base(profile_ptr profile, std::vector<double> weights)
    : profile_(std::move(profile)), weights_(std::move(weights)) {
  ENSURE(profile_ && profile_->width() == weights_.size() && good_weights(weights_));
  weights_sum_ = std::accumulate(weights_.begin(), weights_.end(), 0.0);
}

bool case_base::good_weights(const std::vector<double>& weights) {
  double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  return sum > 0 && std::isfinite(sum)
         && std::all_of(weights.begin(), weights.end(), [](double w) { return w >= 0; });
}

void case_base::add(past_case one, std::span<const uint8_t> positions) {
  ENSURE(positions.size() == weights_.size());
  cases_.push_back(std::move(one));
  positions_.insert(positions_.end(), positions.begin(), positions.end());
}

std::vector<uint8_t> case_base::positions_of(std::span<const double> row) const {
  std::vector<uint8_t> out;
  for (size_t f = 0; f < row.size(); ++f) out.push_back(position_of(*profile_, f, row[f]));
  return out;
}

std::span<const uint8_t> case_base::positions(size_t i) const {
  return {positions_.data() + i * weights_.size(), weights_.size()};
}

double case_base::distance(std::span<const uint8_t> a, std::span<const uint8_t> b) const {
  double sum = 0;
  for (size_t f = 0; f < weights_.size(); ++f) {
    if (a[f] == b[f]) continue;
    bool half_known = a[f] == missing || b[f] == missing;
    sum += weights_[f] * (half_known ? 1.0 : std::abs(a[f] - b[f]) / static_cast<double>(steps));
  }
  return sum / weights_sum_;
}

/// Of many cases not all pairs are looked at, but some 45,000.
void case_base::measure() {
  double sum = 0, pairs = 0;
  auto stride = std::max<size_t>(1, cases_.size() * cases_.size() / 90'000);
  for (size_t i = 0; i < cases_.size(); ++i)
    for (size_t j = i + stride; j < cases_.size(); j += stride, ++pairs)
      sum += distance(positions(i), positions(j));
  apart_ = pairs > 0 ? sum / pairs : 0;
}

std::vector<similar_case> case_base::nearest(std::span<const double> row, size_t count) const {
  ENSURE(row.size() == weights_.size());
  auto asked = positions_of(row);
  std::vector<similar_case> out;
  for (size_t i = 0; i < cases_.size(); ++i) {
    double d = distance(asked, positions(i));
    double similarity = std::max(0.0, 1 - (apart_ > 0 ? d / apart_ : d));
    out.push_back({&cases_[i], d, similarity});
  }
  auto end = out.begin() + static_cast<ptrdiff_t>(std::min(count, out.size()));
  std::partial_sort(out.begin(), end, out.end(), [](const auto& a, const auto& b) {
    return std::tie(a.distance, b.found->time_ms, a.found->node)
           < std::tie(b.distance, a.found->time_ms, b.found->node);
  });
  out.erase(end, out.end());
  return out;
}

std::string case_base::serialize() const {
  std::ostringstream out;
  out << magic;
  put_number(out, name_of_profile(*profile_));
  put_numbers(out, weights_);
  put_number(out, static_cast<uint32_t>(cases_.size()));
  for (size_t i = 0; i < cases_.size(); ++i) {
    const auto& c = cases_[i];
    put_text(out, c.node.value);
    put_number(out, c.time_ms);
    put_number(out, static_cast<uint8_t>(c.failed + c.then_failed));
    put_number(out, c.after_ms);
    put_text(out, c.label);
    put_number(out, c.probability);
    for (uint8_t p : positions(i)) put_number(out, p);
  }
  return std::move(out).str();
}

result<case_base> case_base::parse(std::string_view bytes, profile_ptr profile) {
  ENSURE(profile != nullptr);
  if (bytes.size() > bytes_max) return fail(errc::oversize, "past cases");
  if (!bytes.starts_with(magic)) return fail(errc::malformed, "not a collection of past cases");
  std::istringstream in{std::string(bytes.substr(magic.size()))};
  uint64_t made_with = 0;
  uint32_t count = 0;
  std::vector<double> weights;
  if (!take_number(in, made_with) || !take_numbers(in, weights, training_width_max)
      || !good_weights(weights) || !take_number(in, count))
    return fail(errc::malformed, "the beginning of the past cases");
  if (weights.size() != profile->width() || made_with != name_of_profile(*profile))
    return fail(errc::malformed, "the past cases were made with another profile");
  if (count > cases_limit) return fail(errc::oversize, "number of past cases");
  case_base out(std::move(profile), std::move(weights));
  std::vector<uint8_t> positions(out.weights_.size());
  for (past_case one; out.size() < count; out.add(one, positions)) {
    bool whole = take_case(in, one);
    for (auto& p : positions) whole = whole && take_number(in, p);
    if (!whole) return fail(errc::malformed, "past case " + std::to_string(out.size()));
  }
  if (in.peek() != std::istringstream::traits_type::eof())
    return fail(errc::malformed, "something follows the past cases");
  out.measure();
  return out;
}

std::string describe_case(const past_case& one, std::optional<double> similarity) {
  auto when = time_text(one.time_ms).substr(0, 16); // to the minute
  std::replace(when.begin(), when.end(), 'T', ' ');
  auto out = one.node.value + " at " + when;
  char text[40];
  if (similarity) {
    std::snprintf(text, sizeof text, " (similarity %.2f)", *similarity);
    out += text;
  }
  auto after = rounded_duration(one.after_ms);
  if (!one.failed)
    return out + ": lived on for " + after + (one.then_failed ? ", then failed" : "");
  return out + ": failed " + after + " later" + (one.label.empty() ? "" : " (" + one.label + ")");
}

} // namespace harbinger::predict
