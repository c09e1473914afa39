#include "history/journal_files.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <tuple>

#include "history/files.hpp"
#include "history/packed.hpp"

namespace harbinger::journal_files {
namespace {
namespace fs = std::filesystem;
constexpr std::string_view packed_ending = ".zst";

bool strip(std::string_view& name, std::string_view ending) {
  if (!name.ends_with(ending)) return false;
  name.remove_suffix(ending.size());
  return true;
}

template <class T>
bool read_number(std::string_view text, T& out) {
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
  return problem == std::errc{} && end == text.data() + text.size();
}

/// Only of names that name() gives.
std::optional<segment_file> parse_name(const std::string& name, std::string_view ending) {
  segment_file out;
  out.ending = ending;
  std::string_view rest = name;
  out.packed = strip(rest, packed_ending);
  if (!strip(rest, ending)) return std::nullopt;
  auto dash = rest.find('-');
  if (dash == std::string_view::npos || !read_number(rest.substr(0, dash), out.number)
      || !read_number(rest.substr(dash + 1), out.opened_ms) || out.name() != name)
    return std::nullopt;
  return out;
}

result<std::string> unpacked(std::string_view packed, const std::string& path) {
  auto source = unpack(packed, path);
  std::string out;
  for (;;) {
    constexpr size_t piece_bytes = 1 << 20;
    auto old = out.size();
    if (old > segment_bytes_max) return fail(errc::oversize, path + ": too much text");
    out.resize(old + piece_bytes);
    auto got = source(out.data() + old, piece_bytes);
    if (!got) return tl::unexpected(got.error());
    out.resize(old + *got);
    if (*got == 0) return out;
  }
}
} // namespace

std::string segment_file::name() const {
  char text[64];
  std::snprintf(text, sizeof text, "%010llu-%lld", static_cast<unsigned long long>(number),
                static_cast<long long>(opened_ms));
  return text + std::string(ending) + std::string(packed ? packed_ending : "");
}

result<std::vector<segment_file>> list(const std::string& directory, std::string_view ending) {
  std::error_code error;
  std::vector<segment_file> out;
  fs::directory_iterator it(directory, error), end;
  if (error) return fail(errc::not_found, directory + ": " + error.message());
  for (; it != end; it.increment(error)) {
    if (error) return fail(errc::io, directory + ": " + error.message());
    auto file = parse_name(it->path().filename().string(), ending);
    if (!file) continue;
    file->bytes = it->file_size(error);
    if (error) continue; // removed in between
    out.push_back(*file);
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return std::tuple(a.number, a.opened_ms, !a.packed)
           < std::tuple(b.number, b.opened_ms, !b.packed);
  });
  return out;
}

result<std::string> read_text(const std::string& directory, const segment_file& file) {
  auto path = directory + '/' + file.name();
  auto text = read_whole_file(path, segment_bytes_max);
  return text && file.packed ? unpacked(*text, path) : text;
}

result<journal_text::segment> read(const std::string& directory, const segment_file& file) {
  auto path = directory + '/' + file.name();
  auto text = read_text(directory, file);
  if (!text) return tl::unexpected(text.error());
  std::string_view body = *text;
  if (file.packed) {
    auto whole = journal_text::verified(body);
    if (!whole) return fail(whole.error().code, path + ": " + whole.error().detail);
    body = *whole;
  }
  auto segment = journal_text::read_segment(body);
  if (!segment) return fail(segment.error().code, path + ": " + segment.error().detail);
  return segment;
}

result<uint64_t> put_packed(const std::string& directory, const segment_file& file,
                            std::string_view text) {
  auto target = file;
  target.packed = true;
  auto from = directory + '/' + file.name(), to = directory + '/' + target.name();
  packer out;
  out.add(text);
  auto bytes = out.finish();
  if (auto ok = write_file(to + ".part", bytes); !ok) {
    ::unlink((to + ".part").c_str());
    return tl::unexpected(ok.error());
  }
  if (::rename((to + ".part").c_str(), to.c_str()) != 0) return os_error(to);
  sync_directory(directory);
  ::unlink(from.c_str());
  return bytes.size();
}

result<uint64_t> pack(const std::string& directory, const segment_file& file) {
  auto text = read_whole_file(directory + '/' + file.name(), segment_bytes_max);
  if (!text) return tl::unexpected(text.error());
  text->resize(text->rfind('\n') + 1); // npos: nothing
  *text += journal_text::end_line(*text);
  return put_packed(directory, file, *text);
}

void tidy(const std::string& directory, std::vector<segment_file>& files, std::string_view ending) {
  std::error_code ignored;
  for (fs::directory_iterator it(directory, ignored), end; it != end; it.increment(ignored)) {
    if (ignored) break;
    auto name = it->path().filename().string();
    if (name.ends_with(".part") && parse_name(name.substr(0, name.size() - 5), ending))
      fs::remove(it->path(), ignored);
  }
  for (size_t i = 1; i < files.size(); ++i)
    if (files[i].number == files[i - 1].number && files[i].opened_ms == files[i - 1].opened_ms)
      fs::remove(directory + '/' + files[i].name(), ignored);
  files.erase(std::unique(files.begin(), files.end(),
                          [](const auto& a, const auto& b) {
                            return a.number == b.number && a.opened_ms == b.opened_ms;
                          }),
              files.end());
}

} // namespace harbinger::journal_files
