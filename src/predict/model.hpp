#pragma once

/// A trained model as it is stored and used: scorer, calibration, and everything needed to refuse
/// it where it does not fit.
///
/// File: "HBMODEL1", xxh3-64 of the rest (8 bytes, big endian), length of the header (4 bytes, big
/// endian), header (JSON: version, kind, schema, scales, typical values, calibration, report), the
/// scorer's own bytes.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "messages/risk.hpp"
#include "predict/calibration.hpp"
#include "predict/schema.hpp"
#include "predict/scorer.hpp"

namespace harbinger::predict {

inline constexpr size_t model_bytes_max = 64 << 20;

struct prediction {
  double probability = 0;
  double uncertainty = 0.5;
};

class model {
public:
  /// `typical`: what a missing feature is taken for, and what "normal" is in explanations: medians
  /// of healthy rows.
  model(schema_ptr schema, time_scales scales, std::vector<double> typical,
        std::shared_ptr<const scorer> scorer, harbinger::predict::calibration calibration,
        std::string report);

  /// Any row of schema().width() values; NaN and infinite ones count as missing.
  prediction predict(std::span<const double> row) const;
  /// Why: metrics by how much of the probability hangs on them. The weight of a metric is the mean
  /// of two shares: what goes when its features are put back to normal, and what comes when all
  /// others are (correlated metrics hide each other from the first). At most `count`, heaviest
  /// first, none below 1 %.
  std::vector<risk_reason> explain(std::span<const double> row, size_t count) const;

  const predict::schema& schema() const { return *schema_; }
  const time_scales& scales() const { return scales_; }
  bool calibrated() const { return !calibration_.empty(); }
  const std::string& version() const {
    return version_;
  } ///< kind and the first digits of the content's checksum
  std::string_view kind() const { return scorer_->kind(); }
  const std::vector<double>& typical() const { return typical_; }
  const std::string& report() const { return report_; } ///< JSON, as the trainer wrote it

  std::string serialize() const;
  /// malformed, checksum (damaged), unsupported (other file version, or features of a kind that
  /// this program does not know).
  static result<model> parse(std::string_view file);
  /// Written beside and renamed over, so that a reader sees the old or the new one. io on failure.
  result<void> save(const std::string& path) const;
  static result<model> load(const std::string& path);

private:
  std::vector<double> complete(std::span<const double> row) const;
  std::string header() const;

  schema_ptr schema_;
  time_scales scales_;
  std::vector<double> typical_;
  std::shared_ptr<const scorer> scorer_;
  harbinger::predict::calibration calibration_;
  std::string report_;
  std::string version_;
};

} // namespace harbinger::predict
