#include "predict/model.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <sstream>

#include <nlohmann/json.hpp>

#include "core/digest.hpp"
#include "core/ensure.hpp"
#include "predict/durable_file.hpp"
#include "predict/reasons.hpp"

namespace harbinger::predict {
namespace {
constexpr std::string_view magic = "HBMODEL2";

std::string big_endian(uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
  return out;
}
uint64_t read_big_endian(std::string_view bytes) {
  uint64_t out = 0;
  for (char c : bytes) out = out << 8 | static_cast<uint8_t>(c);
  return out;
}

std::string scorer_bytes(const scorer& s) {
  std::ostringstream out;
  s.save(out);
  return std::move(out).str();
}
} // namespace

model::model(schema_ptr schema, time_scales scales, std::vector<double> typical,
             std::vector<horizon_machine> horizons, std::string report, model_parts parts)
    : schema_(std::move(schema)),
      scales_(std::move(scales)),
      typical_(std::move(typical)),
      horizons_(std::move(horizons)),
      report_(std::move(report)),
      parts_(std::move(parts)) {
  ENSURE(schema_ && typical_.size() == schema_->width());
  ENSURE(!horizons_.empty() && horizons_.size() <= horizons_max);
  for (size_t h = 0; h < horizons_.size(); ++h) {
    ENSURE(horizons_[h].machine != nullptr);
    ENSURE(h == 0 || horizons_[h - 1].horizon_s < horizons_[h].horizon_s);
    if (horizons_[h].horizon_s == scales_.horizon_s) primary_ = h;
  }
  ENSURE(primary().horizon_s == scales_.horizon_s);
  version_ = std::string(kind()) + '-' + hex64(checksum64(serialize())).substr(0, 8);
}

const std::string* model::part(const std::string& name) const {
  auto it = parts_.find(name);
  return it == parts_.end() ? nullptr : &it->second;
}

prediction model::predict(std::span<const double> row) const {
  std::vector<prediction> out;
  predict(row, 1, out);
  return out[primary_];
}

void model::predict(std::span<const double> values, size_t rows,
                    std::vector<prediction>& out) const {
  ENSURE(values.size() == rows * typical_.size());
  auto width = horizons_.size();
  out.resize(rows * width);
  std::vector<double> scores(rows);
  for (size_t h = 0; h < width; ++h) {
    horizons_[h].machine->scores(values, rows, scores);
    for (size_t i = 0; i < rows; ++i) {
      auto& to = out[i * width + h];
      to = {horizons_[h].calibrated.probability(scores[i]),
            horizons_[h].calibrated.uncertainty(scores[i])};
      if (h > 0 && out[i * width + h - 1].probability > to.probability) to = out[i * width + h - 1];
    }
  }
}

std::vector<risk_reason> model::explain(std::span<const double> row, size_t count) const {
  std::map<std::string_view, std::vector<size_t>> groups;
  for (size_t i = 0; i < schema_->width(); ++i) groups[schema_->features[i].metric].push_back(i);
  const auto& machine = *primary().machine;
  std::vector<double> full(row.begin(), row.end());
  double score = machine.score(full), normal = machine.score(typical_);
  std::vector<risk_reason> out;
  if (score <= normal) return out;
  for (const auto& [metric, columns] : groups) {
    auto without = full, alone = typical_;
    for (size_t c : columns) {
      without[c] = typical_[c];
      alone[c] = full[c];
    }
    double goes = (score - machine.score(without)) / score;
    double comes = (machine.score(alone) - normal) / score;
    double weight = std::clamp(std::max(goes, 0.0) / 2 + std::max(comes, 0.0) / 2, 0.0, 1.0);
    if (weight >= 0.01)
      out.push_back({std::string(metric), describe_metric(metric, row, *schema_, scales_), weight});
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.weight > b.weight; });
  if (out.size() > count) out.resize(count);
  return out;
}

std::string model::header(const std::vector<std::string>& machines) const {
  using json = nlohmann::ordered_json;
  json out{{"schema", json::parse(to_json(*schema_))},
           {"schema_hash", hex64(schema_hash(*schema_, scales_))},
           {"windows_s", scales_.windows_s},
           {"horizon_s", scales_.horizon_s},
           {"stale_after_s", scales_.stale_after_s},
           {"typical", typical_},
           {"horizons", json::array()},
           {"parts", json::array()},
           {"report", report_}};
  for (size_t h = 0; h < horizons_.size(); ++h) {
    const auto& from = horizons_[h];
    json one{{"horizon_s", from.horizon_s},
             {"kind", from.machine->kind()},
             {"bytes", machines[h].size()},
             {"threshold", from.threshold},
             {"calibration", json::array()}};
    for (const auto& p : from.calibrated.points())
      one["calibration"].push_back({p.score, p.probability, p.runs});
    out["horizons"].push_back(std::move(one));
  }
  for (const auto& [name, bytes] : parts_)
    out["parts"].push_back({{"name", name}, {"bytes", bytes.size()}});
  return out.dump();
}

std::string model::serialize() const {
  std::vector<std::string> machines;
  for (const auto& h : horizons_) machines.push_back(scorer_bytes(*h.machine));
  auto head = header(machines);
  auto rest = big_endian(head.size(), 4) + head;
  for (const auto& m : machines) rest += m;
  for (const auto& [name, bytes] : parts_) rest += bytes;
  return std::string(magic) + big_endian(checksum64(rest), 8) + rest;
}

namespace {
/// Cuts the next `size` bytes off; malformed when there are fewer.
result<std::string> cut(std::string_view& from, size_t size) {
  if (size > from.size()) return fail(errc::malformed, "the model ends too early");
  std::string out(from.substr(0, size));
  from.remove_prefix(size);
  return out;
}

result<horizon_machine> read_machine(const nlohmann::json& in, std::string_view& bytes,
                                     size_t width) {
  horizon_machine out;
  in.at("horizon_s").get_to(out.horizon_s);
  in.at("threshold").get_to(out.threshold);
  std::vector<calibration_point> points;
  for (const auto& p : in.at("calibration"))
    points.push_back({p.at(0).get<double>(), p.at(1).get<double>(), p.at(2).get<uint32_t>()});
  out.calibrated = calibration(std::move(points));
  auto own = cut(bytes, in.at("bytes").get<size_t>());
  if (!own) return tl::unexpected<error>(own.error());
  std::istringstream machine_in{std::move(*own)};
  auto machine = load_scorer(in.at("kind").get<std::string>(), machine_in, width);
  if (!machine) return tl::unexpected<error>(machine.error());
  out.machine = std::move(*machine);
  return out;
}

/// What the constructor demands.
bool in_order(const std::vector<horizon_machine>& horizons, double primary_s) {
  bool found = false;
  for (size_t h = 0; h < horizons.size(); ++h) {
    if (h > 0 && !(horizons[h - 1].horizon_s < horizons[h].horizon_s)) return false;
    found |= horizons[h].horizon_s == primary_s;
  }
  return found && horizons.size() <= horizons_max;
}

result<model> read_model(const nlohmann::json& in, std::string_view bytes) {
  time_scales scales{in.at("windows_s").get<std::vector<double>>(),
                     in.at("horizon_s").get<double>(), in.at("stale_after_s").get<double>()};
  if (scales.windows_s.size() != 3) return fail(errc::malformed, "model header: windows");
  auto schema = parse_schema(in.at("schema").dump());
  if (!schema) return tl::unexpected<error>(schema.error());
  if (in.at("schema_hash").get<std::string>() != hex64(schema_hash(**schema, scales)))
    return fail(errc::unsupported, "this program reads the model's features differently");
  auto typical = in.at("typical").get<std::vector<double>>();
  if (typical.size() != (*schema)->width())
    return fail(errc::malformed, "model header: typical values");
  std::vector<horizon_machine> horizons;
  for (const auto& h : in.at("horizons")) {
    auto one = read_machine(h, bytes, typical.size());
    if (!one) return tl::unexpected<error>(one.error());
    horizons.push_back(std::move(*one));
  }
  if (!in_order(horizons, scales.horizon_s)) return fail(errc::malformed, "model header: horizons");
  model_parts parts;
  for (const auto& p : in.at("parts")) {
    auto own = cut(bytes, p.at("bytes").get<size_t>());
    if (!own) return tl::unexpected<error>(own.error());
    parts[p.at("name").get<std::string>()] = std::move(*own);
  }
  if (!bytes.empty()) return fail(errc::malformed, "the model goes on after its end");
  return model(std::move(*schema), std::move(scales), std::move(typical), std::move(horizons),
               in.at("report").get<std::string>(), std::move(parts));
}
} // namespace

result<model> model::parse(std::string_view file) {
  if (file.size() >= magic.size() && file.starts_with(magic.substr(0, magic.size() - 1))
      && !file.starts_with(magic))
    return fail(errc::unsupported, "a model of another version of this program");
  if (!file.starts_with(magic)) return fail(errc::malformed, "not a Harbinger model");
  if (file.size() < magic.size() + 12) return fail(errc::malformed, "the model ends too early");
  auto rest = file.substr(magic.size() + 8);
  if (read_big_endian(file.substr(magic.size(), 8)) != checksum64(rest))
    return fail(errc::checksum, "the model is damaged");
  auto head_size = read_big_endian(rest.substr(0, 4));
  if (head_size > rest.size() - 4) return fail(errc::malformed, "model header");
  try {
    return read_model(nlohmann::json::parse(rest.substr(4, head_size)), rest.substr(4 + head_size));
  } catch (const nlohmann::json::exception& e) {
    return fail(errc::malformed, std::string("model header: ") + e.what());
  }
}

result<void> model::save(const std::string& path) const {
  std::filesystem::path to(path);
  auto directory = to.parent_path().empty() ? std::string(".") : to.parent_path().string();
  auto written = write_durably(directory, to.filename().string(), serialize());
  if (!written) return tl::unexpected<error>(written.error());
  return {};
}

result<model> model::load(const std::string& path) {
  auto bytes = read_whole(path, model_bytes_max);
  if (!bytes) return tl::unexpected<error>(bytes.error());
  auto parsed = parse(*bytes);
  if (!parsed) return fail(parsed.error().code, path + ": " + parsed.error().detail);
  return parsed;
}

} // namespace harbinger::predict
