#include "predict/recordings.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>
#include <zstd.h>

#include "telemetry/metrics.hpp"

namespace harbinger::predict {
namespace {
namespace fs = std::filesystem;
constexpr std::string_view magic_line = "harbinger-recording,1";

result<std::string> read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(errc::not_found, path);
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad()) return fail(errc::io, path);
  return std::move(text).str();
}

result<void> write_whole(const std::string& path, std::string_view content) {
  auto part = path + ".part";
  {
    std::ofstream out(part, std::ios::binary | std::ios::trunc);
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
    out.flush();
    if (!out) return fail(errc::io, "cannot write " + part);
  }
  std::error_code error;
  fs::rename(part, path, error);
  if (error) return fail(errc::io, path + ": " + error.message());
  return {};
}

result<std::string> decompress(const std::string& packed, const std::string& path) {
  // Streamed: the size in the header is a claim.
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream(ZSTD_createDStream(),
                                                                  ZSTD_freeDStream);
  std::string out, piece(ZSTD_DStreamOutSize(), '\0');
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  size_t left = 1;
  while (in.pos < in.size) {
    ZSTD_outBuffer to{piece.data(), piece.size(), 0};
    left = ZSTD_decompressStream(stream.get(), &to, &in);
    if (ZSTD_isError(left)) return fail(errc::malformed, path + ": " + ZSTD_getErrorName(left));
    if (out.size() + to.pos > recording_bytes_max) return fail(errc::oversize, path);
    out.append(piece.data(), to.pos);
  }
  // What the stream still holds when the input has ended.
  while (left != 0) {
    ZSTD_outBuffer to{piece.data(), piece.size(), 0};
    left = ZSTD_decompressStream(stream.get(), &to, &in);
    if (ZSTD_isError(left) || to.pos == 0) return fail(errc::malformed, path + ": ends too early");
    if (out.size() + to.pos > recording_bytes_max) return fail(errc::oversize, path);
    out.append(piece.data(), to.pos);
  }
  return out;
}

result<std::string> read_csv(const std::string& base) {
  if (std::error_code error; fs::exists(base + ".csv", error)) {
    if (fs::file_size(base + ".csv", error) > recording_bytes_max)
      return fail(errc::oversize, base + ".csv");
    return read_whole(base + ".csv");
  }
  auto packed = read_whole(base + ".csv.zst");
  if (!packed) return packed;
  return decompress(*packed, base + ".csv.zst");
}

std::string header_line() {
  std::string out = "node,time_ms,received_ms";
  for (const auto& m : telemetry::metric_catalogue()) (out += ',') += m.name;
  return out;
}

template <class T>
bool parse(std::string_view text, T& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

std::string_view cut(std::string_view& text, char at) {
  auto end = text.find(at);
  auto out = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return out;
}

/// Reads the lines of one file.
struct line_reader {
  std::shared_ptr<const std::vector<metric_spec>> metrics;
  std::map<node_id, incarnation> lives;
  std::map<node_id, int64_t> newest_ms;
  std::vector<recorded_rows> out;

  result<void> header(std::string_view line) {
    for (std::string_view expected : {"node", "time_ms", "received_ms"})
      if (cut(line, ',') != expected) return fail(errc::malformed, "header");
    auto specs = std::make_shared<std::vector<metric_spec>>();
    while (!line.empty()) {
      auto name = cut(line, ',');
      auto known = telemetry::metric_index(name);
      auto catalogue = telemetry::metric_catalogue();
      // A metric of another version is carried along as a gauge; no feature looks at it.
      specs->push_back({std::string(name),
                        known < catalogue.size() ? catalogue[known].kind : metric_kind::gauge});
    }
    if (specs->empty() || specs->size() > 256)
      return fail(errc::malformed, "header: number of metrics");
    metrics = std::move(specs);
    return {};
  }

  bool row(std::string_view line) {
    recorded_rows one;
    one.rows.node.value = cut(line, ',');
    if (!valid_node_id(one.rows.node.value)) return false;
    auto time = cut(line, ',');
    if (time == "start") {
      newest_ms.erase(one.rows.node);
      return parse(line, lives[one.rows.node].value);
    }
    int64_t time_ms = 0;
    if (!parse(time, time_ms) || time_ms < 0 || !parse(cut(line, ','), one.received_ms))
      return false;
    auto [newest, first] = newest_ms.emplace(one.rows.node, time_ms);
    if (!first && time_ms <= newest->second) return false;
    one.rows.values.reserve(metrics->size());
    for (size_t i = 0; i < metrics->size(); ++i) {
      auto text = cut(line, ',');
      double value = telemetry::missing;
      if (!text.empty() && (!parse(text, value) || !(std::fabs(value) <= 1e18))) return false;
      one.rows.values.push_back(value);
    }
    if (!line.empty()) return false;
    newest->second = time_ms;
    one.rows.life = lives[one.rows.node];
    one.rows.metrics = metrics;
    one.rows.times.push_back(unix_ms{time_ms});
    out.push_back(std::move(one));
    return true;
  }
};

template <class T>
std::optional<T> optional_number(const nlohmann::json& from, const char* key) {
  auto it = from.find(key);
  if (it == from.end() || it->is_null()) return std::nullopt;
  return it->get<T>();
}
} // namespace

result<void> write_run_info(const std::string& directory, const run_info& info) {
  auto or_null = [](const std::optional<int64_t>& t) {
    return t ? nlohmann::json(*t) : nlohmann::json(nullptr);
  };
  nlohmann::ordered_json out{{"format", 1},
                             {"run", info.run},
                             {"trouble", info.trouble},
                             {"node", info.node.value},
                             {"trouble_start_ms", or_null(info.trouble_start_ms)},
                             {"death_ms", or_null(info.death_ms)},
                             {"end_ms", info.end_ms},
                             {"sample_ms", info.sample_ms},
                             {"seed", info.seed},
                             {"attributes", info.attributes}};
  return write_whole(directory + "/" + info.run + ".json", out.dump(1) + "\n");
}

result<run_info> read_run_info(const std::string& directory, const std::string& run) {
  auto path = directory + "/" + run + ".json";
  auto text = read_whole(path);
  if (!text) return tl::unexpected<error>(text.error());
  try {
    auto in = nlohmann::json::parse(*text);
    if (in.at("format").get<int>() != 1) return fail(errc::unsupported, path + ": format");
    run_info out;
    out.run = run;
    out.trouble = in.at("trouble").get<std::string>();
    out.node.value = in.at("node").get<std::string>();
    out.trouble_start_ms = optional_number<int64_t>(in, "trouble_start_ms");
    out.death_ms = optional_number<int64_t>(in, "death_ms");
    out.end_ms = in.at("end_ms").get<int64_t>();
    out.sample_ms = in.at("sample_ms").get<uint32_t>();
    out.seed = optional_number<uint64_t>(in, "seed").value_or(0);
    out.attributes = in.value("attributes", out.attributes);
    if (out.death_ms && out.node.value.empty())
      return fail(errc::malformed, path + ": a death of nobody");
    return out;
  } catch (const nlohmann::json::exception& e) {
    return fail(errc::malformed, path + ": " + e.what());
  }
}

result<std::vector<std::string>> list_runs(const std::string& directory) {
  std::error_code error;
  std::set<std::string> names, described;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    auto name = it->path().filename().string();
    for (std::string_view ending : {".csv", ".csv.zst"})
      if (name.ends_with(ending)) names.insert(name.substr(0, name.size() - ending.size()));
    if (name.ends_with(".json")) described.insert(name.substr(0, name.size() - 5));
  }
  if (error) return fail(errc::not_found, directory + ": " + error.message());
  std::vector<std::string> out;
  std::set_intersection(names.begin(), names.end(), described.begin(), described.end(),
                        std::back_inserter(out));
  return out;
}

result<void> compress_recording(const std::string& csv_path) {
  auto text = read_whole(csv_path);
  if (!text) return tl::unexpected<error>(text.error());
  std::string packed(ZSTD_compressBound(text->size()), '\0');
  auto size = ZSTD_compress(packed.data(), packed.size(), text->data(), text->size(), 19);
  if (ZSTD_isError(size)) return fail(errc::internal, ZSTD_getErrorName(size));
  packed.resize(size);
  if (auto written = write_whole(csv_path + ".zst", packed); !written) return written;
  std::error_code error;
  fs::remove(csv_path, error);
  if (error) return fail(errc::io, csv_path + ": " + error.message());
  return {};
}

result<recording_writer> recording_writer::open(const std::string& path) {
  std::error_code error;
  if (auto parent = fs::path(path).parent_path(); !parent.empty())
    fs::create_directories(parent, error);
  auto size = fs::file_size(path, error);
  bool fresh = error || size == 0;
  recording_writer out;
  out.path_ = path;
  out.out_.open(path, std::ios::binary | std::ios::app);
  if (!out.out_) return fail(errc::io, "cannot write " + path);
  // A line that a killed writer left half is closed, so that it can not run into the next one.
  if (fresh)
    out.out_ << magic_line << '\n' << header_line() << '\n';
  else
    out.out_ << '\n';
  if (auto flushed = out.flush(); !flushed)
    return fail(flushed.error().code, flushed.error().detail);
  return out;
}

result<void> recording_writer::append(const telemetry_rows& rows, unix_ms received) {
  auto [life, first] = lives_.emplace(rows.node, rows.life);
  if (first || life->second != rows.life) {
    out_ << rows.node.value << ",start," << rows.life.value << '\n';
    life->second = rows.life;
  }
  auto catalogue = telemetry::metric_catalogue();
  std::vector<size_t> from(catalogue.size(), SIZE_MAX);
  for (size_t i = 0; i < rows.metrics->size(); ++i)
    if (auto at = telemetry::metric_index((*rows.metrics)[i].name); at < from.size()) from[at] = i;
  std::string line;
  char number[40];
  for (size_t r = 0; r < rows.times.size(); ++r) {
    line = rows.node.value + ',' + std::to_string(rows.times[r].value) + ','
           + std::to_string(received.value);
    for (size_t m = 0; m < from.size(); ++m) {
      line += ',';
      if (from[m] == SIZE_MAX || std::isnan(rows.row(r)[from[m]])) continue;
      // Only the growth of a counter matters, so it keeps more digits.
      int digits = catalogue[m].kind == metric_kind::counter ? 10 : 6;
      auto end = std::to_chars(number, number + sizeof number, rows.row(r)[from[m]],
                               std::chars_format::general, digits)
                     .ptr;
      line.append(number, end);
    }
    line += '\n';
    out_ << line;
  }
  if (out_) return {};
  out_.clear(); // the disk may get room again
  return fail(errc::io, "cannot write " + path_);
}

result<void> recording_writer::flush() {
  out_.flush();
  if (out_) return {};
  out_.clear();
  return fail(errc::io, "cannot write " + path_);
}

result<std::vector<recorded_rows>> read_recording(const std::string& directory,
                                                  const std::string& run, uint64_t& bad_lines) {
  auto content = read_csv(directory + "/" + run);
  if (!content) return tl::unexpected<error>(content.error());
  std::string_view text = *content;
  if (cut(text, '\n') != magic_line) return fail(errc::malformed, run + ": not a recording");
  line_reader reader;
  if (auto header = reader.header(cut(text, '\n')); !header)
    return fail(errc::malformed, run + ": " + header.error().detail);
  while (!text.empty()) {
    auto line = cut(text, '\n');
    if (!line.empty() && !reader.row(line)) ++bad_lines;
  }
  return std::move(reader.out);
}

} // namespace harbinger::predict
