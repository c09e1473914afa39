#pragma once

/// Histories on disk: a directory that any tool with JSON, CSV and zstd can read and write.
///
///   history.json     {"format": "harbinger-history", "version": 1, "name", "source", "on_change",
///                    "metrics": [{"name", "unit", "reading", "comparable", "floor"}],
///                    "numbers": [..], "categories": [..], "nodes", "samples", "events": how many,
///                    "files": [{"name", "bytes", "text_bytes", "xxh3"}]}; xxh3: 64 bits of the
///                    compressed bytes, 16 hexadecimal digits
///   nodes.csv.zst    node,fleet,first_ms,last_ms,known_ms,attribute:NAME...
///   samples.csv.zst  node,time_ms,METRIC...   in the order of the header; nothing: not measured.
///                    node,time_ms,arrived_ms,METRIC... when a sample has an arrival of its own
///   events.csv.zst   node,time_ms,what,code,count,back_ms
/// Rows are in the order that history.hpp demands; numbers read back as the same double. What the
/// fields mean stands in history.hpp, the limits in check.hpp.

#include <string>

#include "history/history.hpp"

namespace harbinger {

constexpr int history_version = 1;
constexpr uint64_t history_header_bytes_max = 4ULL << 20;
constexpr uint64_t history_part_bytes_max = 4ULL << 30; ///< compressed

enum class existing : uint8_t { refuse, replace };

/// Writes into a directory beside it and puts that in its place, so that there is never half a
/// history; equal histories give equal bytes. `existing::replace` replaces a history (in one step)
/// or an empty directory, never anything else. conflict: something is there; invalid_argument,
/// oversize: check_history refuses it; io, no_space. Attributes with an empty text are not kept.
result<> write_history(const std::string& directory, const history& h,
                       existing what = existing::refuse);

/// not_found: no such directory, or no history in it. unsupported: of another format or a newer
/// version. checksum: a file that is cut or damaged. malformed, with file and line: it can not be
/// read, or breaks a promise of history.hpp. oversize: past a limit.
result<history> read_history(const std::string& directory);

} // namespace harbinger
