#pragma once

/// Recorded runs: what telemetry central accepted, and what became of the nodes. Training and tests
/// read them.
///
/// A run NAME is two files in one directory:
///   NAME.csv or NAME.csv.zst  first line "harbinger-recording,1"; second line
///   "node,time_ms,received_ms," and the names of
///                             the metrics of telemetry/metrics.hpp; then one line a row: node, its
///                             own clock, the centre's clock, values with 6 significant digits
///                             (counters: 10), nothing for a missing value. A node that starts
///                             again begins with a line "node,start,INCARNATION".
///   NAME.json                 run_info, as below
/// How a run is made: set prediction.record_file of the centre to DIR/NAME.csv; run; stop the
/// centre (rows are flushed each second, so a killed centre loses no more); then
/// write_run_info(DIR, info) and compress_recording(DIR/NAME.csv). All times are unix milliseconds
/// of the centre's clock, which on one host is everybody's.

#include <cstdint>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/ids.hpp"
#include "core/result.hpp"
#include "core/time.hpp"
#include "messages/common.hpp"
#include "messages/telemetry.hpp"

namespace harbinger::predict {

struct run_info {
  std::string run;              ///< NAME
  std::string trouble = "none"; ///< kind: "memory_leak" ..., or of a harmless look-alike
  node_id node;                 ///< who had it; empty: nobody
  std::optional<int64_t> trouble_start_ms;
  std::optional<int64_t> death_ms; ///< when `node` died; nothing: it lived to the end
  int64_t end_ms = 0;              ///< until here it is known who lives
  uint32_t sample_ms = 0;
  uint64_t seed = 0;
  std::map<std::string, std::string> attributes; ///< free: machine, load, slope ...
};
result<void> write_run_info(const std::string& directory, const run_info& info);
result<run_info> read_run_info(const std::string& directory, const std::string& run);
/// Names of the runs that have both files, sorted. not_found when there is no such directory.
result<std::vector<std::string>> list_runs(const std::string& directory);

/// Replaces FILE.csv by FILE.csv.zst.
result<void> compress_recording(const std::string& csv_path);

/// Appends accepted rows to a file. Owned by telemetry_ingestor; one writer a file. A file that is
/// there is continued.
class recording_writer {
public:
  static result<recording_writer> open(const std::string& path);
  /// io when the disk refuses; the rows are lost then, and counted by the caller.
  result<void> append(const telemetry_rows& rows, unix_ms received);
  result<void> flush();

private:
  std::ofstream out_;
  std::string path_;
  std::map<node_id, incarnation> lives_;
};

/// One step of a replay: rows as the gate let them through (one or more), and when they came.
struct recorded_rows {
  telemetry_rows rows;
  int64_t received_ms = 0;
};
/// In the order they came. Lines that do not parse are passed over and counted in `bad_lines`;
/// malformed when the header is foreign; oversize above recording_bytes_max.
inline constexpr size_t recording_bytes_max = 256 << 20; ///< uncompressed
result<std::vector<recorded_rows>> read_recording(const std::string& directory,
                                                  const std::string& run, uint64_t& bad_lines);

} // namespace harbinger::predict
