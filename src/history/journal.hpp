#pragma once

/// The history that a running service keeps of its nodes: text in a directory, only ever appended
/// to, in segments NNNNNNNNNN-OPENED.journal (a number that grows, and when it was begun). A
/// segment that is full is closed: compressed into NNNNNNNNNN-OPENED.journal.zst, one zstd stream.
/// When there are too many bytes the oldest segments go. Lines end with \n, fields are separated by
/// tabs; times are unix milliseconds; every segment can be read alone:
///
///   harbinger-journal 1 OPENED_MS SESSION   first line. SESSION: of the life of the service
///   metrics LIST KIND:NAME...               a list of metrics (gauge or counter); LIST: 0, 1 ...
///   life LIFE NODE INCARNATION LIST         from here on rows that begin with LIFE are of this
///   life
///                                           of the node, their values in the order of LIST
///   LIFE TIME_MS ARRIVED_MS VALUE...        a row: by the node's clock, by the service's; nothing:
///                                           not measured; numbers read back as the same double
///   failed NODE INCARNATION TIME_MS CAUSE   this life of the node was found to have ended
///   back NODE INCARNATION TIME_MS           it had not: it is heard of again
///   left NODE INCARNATION TIME_MS           it said that it goes: no failure
///   note NODE INCARNATION TIME_MS TEXT      for people and for judging
///   until TIME_MS                           the service was watching until now
///   end XXH3                                last line of a closed segment: 16 hexadecimal digits
///                                           over all lines before it
///
/// A segment begins with the lives it goes on with, and how the newest life of every other node
/// ended; so failed and left may stand there again, and count once.

#include <memory>

#include "core/time.hpp"
#include "history/history.hpp"
#include "messages/catalog.hpp"
#include "messages/telemetry.hpp"

namespace harbinger {

/// Where a service keeps it: <state_dir>/history.
inline constexpr auto journal_directory = "history";

struct journal_options {
  uint64_t segment_bytes =
      8 << 20; ///< a segment is closed past this; at most a quarter of the limit
  uint64_t limit_bytes = 256 << 20; ///< of all segments
  int64_t every_ms = 0;             ///< at least so long between two kept rows of a node; 0: all
  uint64_t session = 0;             ///< of this life of the service: its term
};

/// Counts are of this writer; sizes of all that is there.
struct journal_status {
  uint64_t bytes = 0, segments = 0;
  int64_t oldest_ms = 0; ///< when the oldest segment was begun; 0: there is none
  uint64_t rows = 0, lives = 0, failures = 0, shutdowns = 0;
  uint64_t rows_thinned = 0;     ///< left out by every_ms
  uint64_t rows_dropped = 0;     ///< the disk refused them, or a limit
  uint64_t marks_dropped = 0;    ///< happenings that waited for the disk in vain
  uint64_t segments_removed = 0; ///< for want of room
  std::string trouble;           ///< why the newest attempt to write failed; empty: it did not
};

/// The writer. Rows are buffered until flush(); the files are not synced before they are closed, so
/// a process that dies loses what it did not flush, a host that dies up to half a minute. Never
/// fails for good and never waits: what the disk refuses is dropped and counted, and a new segment
/// is begun when it takes something again. Not thread-safe.
class journal {
public:
  static constexpr size_t buffer_bytes_max = 256 << 10; ///< then it is written without a flush
  static constexpr size_t marks_waiting_max = 1000;     ///< happenings kept for a disk that refuses
  static constexpr size_t segments_max = 4096;          ///< then the oldest go, however small

  /// Makes the directory, and goes on after what is there: in a new segment. in_use: another
  /// process, or another journal, writes there; no_space, io.
  static result<std::unique_ptr<journal>> open(const std::string& directory,
                                               const journal_options& options);
  ~journal(); ///< flushes
  journal(const journal&) = delete;

  /// Rows that were accepted, by the clock of the service.
  void add(const telemetry_rows& rows, unix_ms arrived);
  /// A row of the catalog, each time it changes and when the catalog is read anew; says what failed
  /// or is back (lives.hpp).
  void see(const node_row& row, unix_ms now);
  /// A node said that it goes.
  void leave(const node_id& node, incarnation life, unix_ms now);
  void note(const node_id& node, incarnation life, const std::string& text, unix_ms now);
  /// To be called about once a second. The error of the disk if anything was dropped since the last
  /// call.
  result<> flush(unix_ms now);
  journal_status status() const;

private:
  struct state;
  explicit journal(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

/// A life that nobody watched for longer than this ends there (its fate is not known), and goes on
/// as another node of the history.
constexpr int64_t journal_gap_ms = 60'000;

struct journal_contents {
  history data;
  uint64_t segments = 0;
  uint64_t segments_lost = 0;     ///< cut, damaged, or of another version
  uint64_t segments_left_out = 0; ///< the oldest, past a limit
  uint64_t lines_lost = 0;        ///< that do not parse; a half-written one at an end
  uint64_t rows_unordered = 0;    ///< not later than the one before, of an older life, or after the
                                  ///< goodbye of theirs
  std::vector<std::string> problems; ///< of the segments lost, the first ten
};
struct journal_limits {
  size_t samples_max, values_max;
};
/// The limits of check.hpp.
journal_limits usual_journal_limits();

/// The journal as a history; the newest of it that fits the limits. Nothing is locked: it may be
/// written at the same time. Every life of a node is a node: the first of n3 is "n3", then "n3#2"
/// ..., with attribute node = n3, all in one fleet; one that failed, or left (a shutdown), was
/// watched until then, any other until the watching ended. Metrics are those of all lists; shares
/// and units are told by telemetry/metrics.hpp, shares are comparable. not_found: nothing was ever
/// kept there.
result<journal_contents> read_journal(const std::string& directory,
                                      const journal_limits& limits = usual_journal_limits());

} // namespace harbinger
