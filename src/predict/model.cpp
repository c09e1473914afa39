#include "predict/model.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "core/digest.hpp"
#include "core/ensure.hpp"
#include "predict/reasons.hpp"

namespace harbinger::predict {
namespace {
constexpr std::string_view magic = "HBMODEL1";

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
             std::shared_ptr<const scorer> scorer, harbinger::predict::calibration calibration,
             std::string report)
    : schema_(std::move(schema)),
      scales_(std::move(scales)),
      typical_(std::move(typical)),
      scorer_(std::move(scorer)),
      calibration_(std::move(calibration)),
      report_(std::move(report)) {
  ENSURE(schema_ && typical_.size() == schema_->width());
  ENSURE(scorer_ != nullptr);
  version_ = std::string(scorer_->kind()) + '-'
             + hex64(checksum64(header() + scorer_bytes(*scorer_))).substr(0, 8);
}

std::vector<double> model::complete(std::span<const double> row) const {
  ENSURE(row.size() == typical_.size());
  std::vector<double> out(row.begin(), row.end());
  for (size_t i = 0; i < out.size(); ++i)
    if (!std::isfinite(out[i])) out[i] = typical_[i];
  return out;
}

prediction model::predict(std::span<const double> row) const {
  double score = scorer_->score(complete(row));
  return {calibration_.probability(score), calibration_.uncertainty(score)};
}

std::vector<risk_reason> model::explain(std::span<const double> row, size_t count) const {
  std::map<std::string_view, std::vector<size_t>> groups;
  for (size_t i = 0; i < schema_->width(); ++i) groups[schema_->features[i].metric].push_back(i);
  auto full = complete(row);
  double score = scorer_->score(full), normal = scorer_->score(typical_);
  std::vector<risk_reason> out;
  if (score <= normal) return out;
  for (const auto& [metric, columns] : groups) {
    auto without = full, alone = typical_;
    for (size_t c : columns) {
      without[c] = typical_[c];
      alone[c] = full[c];
    }
    double goes = (score - scorer_->score(without)) / score;
    double comes = (scorer_->score(alone) - normal) / score;
    double weight = std::clamp(std::max(goes, 0.0) / 2 + std::max(comes, 0.0) / 2, 0.0, 1.0);
    if (weight >= 0.01)
      out.push_back({std::string(metric), describe_metric(metric, row, *schema_, scales_), weight});
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.weight > b.weight; });
  if (out.size() > count) out.resize(count);
  return out;
}

std::string model::header() const {
  nlohmann::ordered_json out{{"kind", scorer_->kind()},
                             {"schema", nlohmann::ordered_json::parse(to_json(*schema_))},
                             {"schema_hash", hex64(schema_hash(*schema_, scales_))},
                             {"windows_s", scales_.windows_s},
                             {"horizon_s", scales_.horizon_s},
                             {"stale_after_s", scales_.stale_after_s},
                             {"typical", typical_},
                             {"calibration", nlohmann::ordered_json::array()},
                             {"report", report_}};
  for (const auto& p : calibration_.points())
    out["calibration"].push_back({p.score, p.probability, p.runs});
  return out.dump();
}

std::string model::serialize() const {
  auto head = header();
  auto rest = big_endian(head.size(), 4) + head + scorer_bytes(*scorer_);
  return std::string(magic) + big_endian(checksum64(rest), 8) + rest;
}

result<model> model::parse(std::string_view file) {
  if (!file.starts_with(magic)) return fail(errc::malformed, "not a Harbinger model");
  if (file.size() < magic.size() + 12) return fail(errc::malformed, "the model ends too early");
  auto rest = file.substr(magic.size() + 8);
  if (read_big_endian(file.substr(magic.size(), 8)) != checksum64(rest))
    return fail(errc::checksum, "the model is damaged");
  auto head_size = read_big_endian(rest.substr(0, 4));
  if (head_size > rest.size() - 4) return fail(errc::malformed, "model header");
  try {
    auto in = nlohmann::json::parse(rest.substr(4, head_size));
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
    std::vector<calibration_point> points;
    for (const auto& p : in.at("calibration"))
      points.push_back({p.at(0).get<double>(), p.at(1).get<double>(), p.at(2).get<uint32_t>()});
    std::istringstream scorer_in{std::string(rest.substr(4 + head_size))};
    auto scorer = load_scorer(in.at("kind").get<std::string>(), scorer_in, typical.size());
    if (!scorer) return tl::unexpected<error>(scorer.error());
    return model(std::move(*schema), std::move(scales), std::move(typical), std::move(*scorer),
                 harbinger::predict::calibration(std::move(points)),
                 in.at("report").get<std::string>());
  } catch (const nlohmann::json::exception& e) {
    return fail(errc::malformed, std::string("model header: ") + e.what());
  }
}

result<void> model::save(const std::string& path) const {
  auto bytes = serialize();
  auto part = path + ".part";
  int fd = ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return fail(errc::io, "cannot write " + part);
  size_t written = 0;
  while (written < bytes.size()) {
    auto n = ::write(fd, bytes.data() + written, bytes.size() - written);
    if (n <= 0) break;
    written += static_cast<size_t>(n);
  }
  bool ok = written == bytes.size() && ::fsync(fd) == 0;
  ok &= ::close(fd) == 0;
  if (!ok || std::rename(part.c_str(), path.c_str()) != 0) {
    ::unlink(part.c_str());
    return fail(errc::io, "cannot write " + path);
  }
  return {};
}

result<model> model::load(const std::string& path) {
  std::error_code error;
  auto size = std::filesystem::file_size(path, error);
  if (error) return fail(errc::not_found, path);
  if (size > model_bytes_max) return fail(errc::oversize, path);
  std::ifstream in(path, std::ios::binary);
  std::string bytes(size, '\0');
  if (!in.read(bytes.data(), static_cast<std::streamsize>(size))) return fail(errc::io, path);
  auto parsed = parse(bytes);
  if (!parsed) return fail(parsed.error().code, path + ": " + parsed.error().detail);
  return parsed;
}

} // namespace harbinger::predict
