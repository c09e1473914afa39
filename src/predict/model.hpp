#pragma once

/// A trained model as it is stored and used: for each horizon a machine and its calibration, and
/// everything needed to refuse it where it does not fit.
///
/// File: "HBMODEL2", xxh3-64 of the rest (8 bytes, big endian), length of the header (4 bytes, big
/// endian), header (JSON: schema, scales, typical values, horizons, report, names and sizes of the
/// parts), the machines' own bytes, the parts' bytes.

#include <map>
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

/// What answers for one horizon.
struct horizon_machine {
  double horizon_s = 0;
  std::shared_ptr<const scorer> machine;
  harbinger::predict::calibration calibrated;
  double threshold = 0.5; ///< the probability with the best F1 on validation
};
inline constexpr size_t horizons_max = 8;

/// Bytes that belong to a model and are of use beside it, by name (profile.hpp, cases.hpp).
using model_parts = std::map<std::string, std::string>;
namespace model_part {
inline constexpr const char* profile = "profile"; ///< feature_profile of what it learned from
inline constexpr const char* cases = "cases";     ///< case_base, of that profile
} // namespace model_part

class model {
public:
  /// `typical`: what "normal" is in explanations: medians of healthy rows. `horizons`: 1..8,
  /// ascending, one of them that of the scales. `report`: JSON.
  model(schema_ptr schema, time_scales scales, std::vector<double> typical,
        std::vector<horizon_machine> horizons, std::string report, model_parts parts = {});

  /// Any row of schema().width() values at the horizon of the scales. NaN: not known; infinite ones
  /// too.
  prediction predict(std::span<const double> row) const;
  /// `rows` rows one after the other; out[i * horizons().size() + h] of row i. A longer horizon is
  /// never less probable than a shorter one: it takes over the shorter one's answer where its own
  /// is lower. Bit for bit what predict() says.
  void predict(std::span<const double> values, size_t rows, std::vector<prediction>& out) const;
  /// Why, at the horizon of the scales: metrics by how much of the probability hangs on them. The
  /// weight of a metric is the mean of two shares: what goes when its features are put back to
  /// normal, and what comes when all others are (correlated metrics hide each other from the
  /// first). At most `count`, heaviest first, none below 1 %.
  std::vector<risk_reason> explain(std::span<const double> row, size_t count) const;

  const predict::schema& schema() const { return *schema_; }
  const schema_ptr& shared_schema() const { return schema_; }
  const time_scales& scales() const { return scales_; }
  const std::vector<horizon_machine>& horizons() const { return horizons_; }
  const horizon_machine& primary() const { return horizons_[primary_]; } ///< that of the scales
  size_t primary_index() const { return primary_; }
  bool calibrated() const { return !primary().calibrated.empty(); }
  /// Kind and the first digits of the content's checksum.
  const std::string& version() const { return version_; }
  std::string_view kind() const { return primary().machine->kind(); }
  const std::vector<double>& typical() const { return typical_; }
  const std::string& report() const { return report_; }   ///< JSON, as the trainer wrote it
  const std::string* part(const std::string& name) const; ///< null: it has none

  std::string serialize() const;
  /// malformed, checksum (damaged), unsupported (other file version, or features of a kind that
  /// this program does not know).
  static result<model> parse(std::string_view file);
  /// Written beside and renamed over, so that a reader sees the old or the new one. no_space, io.
  result<void> save(const std::string& path) const;
  static result<model> load(const std::string& path);

private:
  std::string header(const std::vector<std::string>& machines) const;

  schema_ptr schema_;
  time_scales scales_;
  std::vector<double> typical_;
  std::vector<horizon_machine> horizons_;
  size_t primary_ = 0;
  std::string report_;
  model_parts parts_;
  std::string version_;
};

} // namespace harbinger::predict
