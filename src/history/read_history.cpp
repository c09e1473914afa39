#include <algorithm>
#include <limits>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "core/digest.hpp"
#include "history/check.hpp"
#include "history/csv.hpp"
#include "history/files.hpp"
#include "history/history_file.hpp"
#include "history/packed.hpp"
#include "messages/common.hpp"

namespace harbinger {
namespace {
using nlohmann::json;

struct counts {
  size_t nodes = 0, samples = 0, events = 0;
};

class history_reader {
public:
  explicit history_reader(std::string directory) : directory_(std::move(directory)) {}

  result<history> read() {
    auto ok = header();
    if (ok) ok = nodes();
    if (ok) ok = samples();
    if (ok) ok = events();
    if (!ok) return tl::unexpected(ok.error());
    if (auto sound = check_history(out_); !sound)
      return fail(sound.error().code == errc::oversize ? errc::oversize : errc::malformed,
                  directory_ + ": " + sound.error().detail);
    return std::move(out_);
  }

private:
  result<> header() {
    auto path = directory_ + "/history.json";
    auto text = read_whole_file(path, history_header_bytes_max);
    if (!text) return tl::unexpected(text.error());
    try {
      header_ = json::parse(*text);
      if (!header_.is_object() || header_.value("format", "") != "harbinger-history")
        return fail(errc::unsupported, path + " is no header of a history");
      auto version = header_.at("version").get<int>();
      if (version != history_version)
        return fail(errc::unsupported, path + ": version " + std::to_string(version)
                                           + "; this program reads version "
                                           + std::to_string(history_version));
      return take_header(path);
    } catch (const json::exception& e) {
      return fail(errc::malformed, path + ": " + e.what());
    }
  }

  result<> take_header(const std::string& path) {
    header_.at("name").get_to(out_.name);
    header_.at("source").get_to(out_.source);
    header_.at("on_change").get_to(out_.on_change);
    header_.at("numbers").get_to(out_.numbers);
    header_.at("categories").get_to(out_.categories);
    for (const auto& m : header_.at("metrics")) {
      auto reading = parse_enum<history_reading>(m.at("reading").get<std::string>());
      if (!reading)
        return fail(errc::malformed, path + ": no such reading: " + m.at("reading").dump());
      out_.metrics.push_back(
          {m.at("name"), m.at("unit"), *reading, m.at("comparable"), m.at("floor")});
    }
    counts_ = {header_.at("nodes"), header_.at("samples"), header_.at("events")};
    if (counts_.nodes > history_limits::nodes_max || counts_.samples > history_limits::samples_max
        || counts_.events > history_limits::events_max
        || counts_.samples * out_.metrics.size() > history_limits::values_max)
      return fail(errc::oversize, path + ": more rows than the limits allow");
    return {};
  }

  /// Opens a part and proves that it is whole.
  result<csv_reader> open(const std::string& name) {
    auto path = directory_ + '/' + name;
    auto packed = read_whole_file(path, history_part_bytes_max);
    if (!packed) return tl::unexpected(packed.error());
    packed_ = std::move(*packed);
    try {
      const auto& files = header_.at("files");
      auto entry = std::find_if(files.begin(), files.end(),
                                [&](const json& f) { return f.at("name") == name; });
      if (entry == files.end())
        return fail(errc::malformed, directory_ + "/history.json does not name " + name);
      if (auto bytes = entry->at("bytes").get<uint64_t>(); bytes != packed_.size())
        return fail(errc::checksum, path + ": " + std::to_string(packed_.size())
                                        + " bytes, where the header says " + std::to_string(bytes));
      if (entry->at("xxh3").get<std::string>() != hex64(checksum64(packed_)))
        return fail(errc::checksum, path + ": damaged");
    } catch (const json::exception& e) {
      return fail(errc::malformed, directory_ + "/history.json: " + e.what());
    }
    return csv_reader::open(path, unpack(packed_, path));
  }

  static result<> expect(const csv_reader& in, const std::vector<std::string>& columns) {
    auto wanted = columns.size();
    if (in.columns().size() >= wanted
        && std::equal(columns.begin(), columns.end(), in.columns().begin()))
      return {};
    return tl::unexpected(in.at_line(errc::malformed, "not the columns that the format demands"));
  }

  /// Record by record; as many as the header says.
  template <class Take>
  result<> each(csv_reader& in, size_t wanted, Take take) {
    std::vector<std::string_view> fields;
    size_t n = 0;
    for (;;) {
      auto more = in.next(fields);
      if (!more) return tl::unexpected(more.error());
      if (!*more) break;
      if (++n > wanted) break;
      if (const char* what = take(fields)) return tl::unexpected(in.at_line(errc::malformed, what));
    }
    if (n == wanted) return {};
    return tl::unexpected(
        in.at_line(errc::malformed, (n > wanted ? "more than the " : "ends before the ")
                                        + std::to_string(wanted) + " rows that the header says"));
  }

  result<> nodes() {
    auto in = open("nodes.csv.zst");
    if (!in) return tl::unexpected(in.error());
    if (auto ok = expect(*in, {"node", "fleet", "first_ms", "last_ms", "known_ms"}); !ok) return ok;
    constexpr std::string_view prefix = "attribute:";
    std::vector<std::string> attributes;
    for (size_t i = 5; i < in->columns().size(); ++i) {
      if (in->columns()[i].rfind(prefix, 0) != 0)
        return tl::unexpected(
            in->at_line(errc::malformed, "column '" + in->columns()[i] + "' is unknown"));
      attributes.push_back(in->columns()[i].substr(prefix.size()));
    }
    return each(*in, counts_.nodes, [&](const auto& f) -> const char* {
      history_node n;
      n.id = node_id{std::string(f[0])};
      n.fleet = f[1];
      if (!read_number(f[2], n.first_ms) || !read_number(f[3], n.last_ms)
          || !read_number(f[4], n.known_ms))
        return "a time that is no whole number";
      for (size_t i = 0; i < attributes.size(); ++i)
        if (!f[5 + i].empty()) n.attributes[attributes[i]] = f[5 + i];
      if (!index_.emplace(n.id.value, static_cast<uint32_t>(out_.nodes.size())).second)
        return "a node that stands there twice";
      out_.nodes.push_back(std::move(n));
      return nullptr;
    });
  }

  /// The two fields that samples and events begin with.
  template <class Row>
  const char* begin_row(const std::vector<std::string_view>& f, Row& row) {
    key_.assign(f[0]);
    auto it = index_.find(key_);
    if (it == index_.end()) return "a node that nodes.csv does not have";
    row.node = it->second;
    return read_number(f[1], row.time_ms) ? nullptr : "a time that is no whole number";
  }

  result<> samples() {
    auto in = open("samples.csv.zst");
    if (!in) return tl::unexpected(in.error());
    std::vector<std::string> columns{"node", "time_ms"};
    bool arrivals = in->columns().size() > 2 && in->columns()[2] == "arrived_ms";
    if (arrivals) columns.push_back("arrived_ms");
    auto first = columns.size();
    for (const auto& m : out_.metrics) columns.push_back(m.name);
    if (auto ok = expect(*in, columns); !ok) return ok;
    return each(*in, counts_.samples, [&](const auto& f) -> const char* {
      history_sample s;
      if (auto* what = begin_row(f, s)) return what;
      if (arrivals && !f[2].empty() && !read_number(f[2], s.arrived_ms))
        return "an arrival that is no whole number";
      s.values.assign(out_.metrics.size(), std::numeric_limits<double>::quiet_NaN());
      for (size_t i = 0; i < s.values.size(); ++i)
        if (!f[first + i].empty() && !read_number(f[first + i], s.values[i]))
          return "a value that is no number";
      out_.samples.push_back(std::move(s));
      return nullptr;
    });
  }

  result<> events() {
    auto in = open("events.csv.zst");
    if (!in) return tl::unexpected(in.error());
    if (auto ok = expect(*in, {"node", "time_ms", "what", "code", "count", "back_ms"}); !ok)
      return ok;
    return each(*in, counts_.events, [&](const auto& f) -> const char* {
      history_event e;
      if (auto* what = begin_row(f, e)) return what;
      auto kind = parse_enum<happening>(f[2]);
      if (!kind) return "no such kind of event";
      e.what = *kind;
      e.code = f[3];
      if (!read_number(f[4], e.count) || !read_number(f[5], e.back_ms)) return "no number";
      out_.events.push_back(std::move(e));
      return nullptr;
    });
  }

  std::string directory_, packed_, key_;
  json header_;
  counts counts_;
  history out_;
  std::unordered_map<std::string, uint32_t> index_;
};
} // namespace

result<history> read_history(const std::string& directory) {
  return history_reader(directory).read();
}

} // namespace harbinger
