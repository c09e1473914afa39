#include "predict/registry.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <sys/stat.h>
#include <tuple>
#include <unistd.h>

#include "core/digest.hpp"

namespace harbinger::predict {
namespace {
namespace fs = std::filesystem;
const std::string registry_name = "registry.json";
constexpr std::string_view suffix = ".hbmodel", unfinished = ".hbmodel.part";

std::string file_name(const std::string& version) { return version + std::string(suffix); }

/// The version that a file's name says; empty: not the name of such a file.
std::string version_of(std::string_view name, std::string_view ending) {
  if (!name.ends_with(ending)) return {};
  name.remove_suffix(ending.size());
  return is_model_version(name) ? std::string(name) : std::string{};
}

int64_t written_ms(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return 0;
  return int64_t{info.st_mtim.tv_sec} * 1000 + info.st_mtim.tv_nsec / 1'000'000;
}

model_refusal refusal_of(errc code) {
  switch (code) {
  case errc::not_found: return model_refusal::missing;
  case errc::checksum: return model_refusal::damaged;
  case errc::unsupported: return model_refusal::foreign;
  default: return model_refusal::none;
  }
}

/// Bytes that are not those that were written: damaged, or something else altogether?
tl::unexpected<error> other_bytes(const std::string& bytes) {
  if (!bytes.empty() && !bytes.starts_with("HBMODEL"))
    return fail(errc::unsupported, "not a Harbinger model");
  auto parsed = model::parse(bytes);
  if (parsed) return fail(errc::unsupported, "this is " + parsed->version());
  if (parsed.error().code == errc::unsupported) return tl::unexpected<error>(parsed.error());
  return fail(errc::checksum, "the model is damaged");
}

result<model> parse_as(const std::string& version, const std::string& bytes) {
  auto parsed = model::parse(bytes);
  if (!parsed) return fail(errc::unsupported, to_string(parsed.error()));
  if (parsed->version() != version) return fail(errc::unsupported, "this is " + parsed->version());
  return parsed;
}

/// Makes the directory, durably.
result<void> make_directory(const fs::path& directory) {
  std::error_code problem;
  bool fresh = fs::create_directories(directory, problem);
  if (problem)
    return fail(problem == std::errc::no_space_on_device ? errc::no_space : errc::io,
                directory.string() + ": " + problem.message());
  if (fresh) sync_directory(fs::absolute(directory / "..").lexically_normal().string());
  return {};
}

} // namespace

model_registry::model_registry(std::string directory, registry_options options, directory_lock lock)
    : directory_(std::move(directory)), options_(std::move(options)), lock_(std::move(lock)) {}

result<model_registry> model_registry::open(const std::string& directory, registry_options options,
                                            int64_t now_ms) {
  if (options.models_max < 3 || options.models_max > registry_models_max)
    return fail(errc::invalid_argument, "a registry keeps 3 to "
                                            + std::to_string(registry_models_max) + " models, not "
                                            + std::to_string(options.models_max));
  if (auto made = make_directory(directory); !made) return tl::unexpected<error>(made.error());
  auto lock = directory_lock::take(directory);
  if (!lock) return tl::unexpected<error>(lock.error());
  model_registry out(directory, std::move(options), std::move(*lock));
  if (auto read = out.read_state(); !read) return tl::unexpected<error>(read.error());
  auto before = out.state_;
  out.clear_away();
  out.examine_listed();
  out.adopt_unlisted();
  if (out.state_ != before) out.commit_or_warn(out.state_);
  (void)out.champion(now_ms); // whether there is one is asked later
  return out;
}

result<void> model_registry::read_state() {
  auto text = read_whole(directory_ + '/' + registry_name, registry_bytes_max);
  if (!text && text.error().code == errc::not_found) return {};
  if (!text && text.error().code == errc::io) return tl::unexpected<error>(text.error());
  auto parsed = text ? parse_registry(*text) : tl::unexpected<error>(text.error());
  if (parsed) {
    state_ = std::move(*parsed);
    return {};
  }
  if (parsed.error().code == errc::unsupported)
    return fail(errc::unsupported, directory_ + ": " + parsed.error().detail);
  auto aside = put_aside(directory_, registry_name);
  if (!aside) return tl::unexpected<error>(aside.error());
  warn(registry_name + " was damaged (" + to_string(parsed.error()) + ") and is now " + *aside
       + "; its models are candidates, none is champion");
  return {};
}

/// What a kill left behind.
void model_registry::clear_away() {
  std::error_code problem;
  std::vector<std::string> parts;
  for (fs::directory_iterator at(directory_, problem), end; !problem && at != end;
       at.increment(problem)) {
    auto name = at->path().filename().string();
    if (name == registry_name + ".part" || !version_of(name, unfinished).empty())
      parts.push_back(at->path().string());
  }
  for (const auto& path : parts) ::unlink(path.c_str());
  remove_dropped();
}

void model_registry::examine_listed() {
  for (const auto& m : std::vector(state_.models)) {
    if (m.state == model_state::champion) continue; // champion() does, and finds another
    auto whole = examine(m);
    if (whole && m.state == model_state::refused) {
      mend(state_, m.version);
      warn(m.version + " is whole again");
    } else if (!whole && m.state != model_state::refused) {
      refuse_if_unusable(state_, m.version, whole.error());
    }
  }
}

void model_registry::adopt_unlisted() {
  std::error_code problem;
  std::vector<std::pair<int64_t, std::string>> found; // newest last
  size_t seen = 0;
  for (fs::directory_iterator at(directory_, problem), end; !problem && at != end;
       at.increment(problem)) {
    auto version = version_of(at->path().filename().string(), suffix);
    if (version.empty() || state_.find(version)) continue;
    if (++seen <= registry_files_max) found.emplace_back(written_ms(at->path().string()), version);
  }
  if (problem) warn(directory_ + " could not be listed: " + problem.message());
  if (seen > found.size())
    warn(std::to_string(seen - found.size()) + " model files were not looked at");
  std::sort(found.begin(), found.end());
  auto listed_ms = written_ms(directory_ + '/' + registry_name);
  std::vector<std::string> adopted;
  for (auto at = found.rbegin(); at != found.rend(); ++at) {
    // One that is newer than the list was being added when we were killed: it makes itself room.
    bool newest = at == found.rbegin() && at->first >= listed_ms;
    if (newest || adopted.size() + state_.models.size() < options_.models_max)
      adopted.push_back(at->second);
    else
      warn(file_name(at->second) + " is not listed and there is no room for it; it stays unused");
  }
  for (auto at = adopted.rbegin(); at != adopted.rend(); ++at) adopt(*at);
}

void model_registry::adopt(const std::string& version) {
  auto bytes = read_whole(path_of(version), model_bytes_max);
  auto parsed = bytes ? parse_as(version, *bytes) : tl::unexpected<error>(bytes.error());
  if (!parsed)
    return warn(file_name(version) + " is not listed and can not be used ("
                + to_string(parsed.error()) + "); it stays as it is");
  state_.models.push_back({.version = version,
                           .kind = std::string(parsed->kind()),
                           .added_ms = written_ms(path_of(version)),
                           .origin = model_origin::imported,
                           .trained_on = "unknown; found in the directory",
                           .bytes = bytes->size(),
                           .xxh3 = checksum64(*bytes)});
  warn(file_name(version) + " was not listed; it is a candidate now");
  prune(state_, std::max(options_.models_max, state_.models.size() - 1));
}

std::string model_registry::path_of(const std::string& version) const {
  return directory_ + '/' + file_name(version);
}

result<void> model_registry::accepted(const model& m) const {
  if (!options_.accepts) return {};
  auto answer = options_.accepts(m);
  if (!answer)
    return fail(errc::unsupported,
                m.version() + " can not be used here: " + to_string(answer.error()));
  return {};
}

result<model> model_registry::examine(const registered_model& m) const {
  auto judged = [&]() -> result<model> {
    auto bytes = read_whole(path_of(m.version), model_bytes_max);
    if (!bytes && bytes.error().code == errc::oversize)
      return fail(errc::unsupported, "larger than any model");
    if (!bytes) return tl::unexpected<error>(bytes.error());
    bool same = bytes->size() == m.bytes && checksum64(*bytes) == m.xxh3;
    return same ? parse_as(m.version, *bytes) : other_bytes(*bytes);
  }();
  if (!judged) return fail(judged.error().code, m.version + ": " + judged.error().detail);
  return judged;
}

result<model> model_registry::load(const std::string& version) const {
  const auto* m = state_.find(version);
  if (!m) return fail(errc::not_found, "no model " + version + " is registered");
  return examine(*m);
}

std::string model_registry::champion_version() const {
  return state_.champions.empty() ? std::string{} : state_.champions.back();
}

result<std::string> model_registry::add(const model& m, const model_source& source,
                                        int64_t now_ms) {
  auto bytes = m.serialize();
  if (bytes.size() > model_bytes_max)
    return fail(errc::oversize, m.version() + " has " + std::to_string(bytes.size()) + " bytes");
  registered_model entry{.version = m.version(),
                         .kind = std::string(m.kind()),
                         .added_ms = now_ms,
                         .origin = source.origin,
                         .trained_on = one_line(source.trained_on),
                         .trained_until_ms = source.trained_until_ms,
                         .bytes = bytes.size(),
                         .xxh3 = checksum64(bytes)};
  auto next = state_;
  std::erase(next.dropped, entry.version);
  auto* listed = next.find(entry.version);
  if (listed && listed->state != model_state::refused) {
    if (listed->xxh3 != entry.xxh3 || listed->bytes != entry.bytes)
      return fail(errc::conflict, "another model has the version " + entry.version);
    if (examine(*listed)) return entry.version;
  }
  auto fresh = put_model_file(entry.version, bytes);
  if (!fresh) return tl::unexpected<error>(fresh.error());
  if (!listed) next.models.push_back(entry);
  if (listed && listed->state == model_state::refused) {
    mend(next, entry.version);
    std::tie(listed->bytes, listed->xxh3) = std::tie(entry.bytes, entry.xxh3);
  }
  prune(next, options_.models_max);
  if (next == state_) return entry.version; // only its file had to be mended
  if (auto done = commit(std::move(next)); !done) {
    if (*fresh) ::unlink(path_of(entry.version).c_str());
    return tl::unexpected<error>(done.error());
  }
  return entry.version;
}

/// True: there was no such file. Whatever else has the name is put aside: it is not ours to delete.
result<bool> model_registry::put_model_file(const std::string& version, const std::string& bytes) {
  auto there = read_whole(path_of(version), model_bytes_max);
  bool fresh = !there && there.error().code == errc::not_found;
  if (!fresh && (!there || *there != bytes)) {
    auto aside = put_aside(directory_, file_name(version));
    if (!aside) return tl::unexpected<error>(aside.error());
    warn(file_name(version) + " was not what it should be and is now " + *aside);
  }
  auto written = write_durably(directory_, file_name(version), bytes);
  if (!written) return tl::unexpected<error>(written.error());
  return fresh;
}

result<void> model_registry::promote(const std::string& version, const std::string& by,
                                     const std::string& why, int64_t now_ms) {
  if (!version.empty() && version == champion_version()) return {};
  auto found = load(version);
  if (!found) {
    auto next = state_;
    if (next.find(version) && refuse_if_unusable(next, version, found.error()))
      commit_or_warn(std::move(next));
    return tl::unexpected<error>(found.error());
  }
  if (auto fits = accepted(*found); !fits) return fits;
  auto next = state_;
  seat(next, {now_ms, version, champion_version(), by, why});
  return commit(std::move(next));
}

result<std::string> model_registry::rollback(const std::string& by, const std::string& why,
                                             int64_t now_ms) {
  auto from = champion_version();
  if (from.empty()) return fail(errc::not_found, "there is no champion");
  auto next = state_;
  auto place = usable_before(next);
  if (!place) {
    if (next != state_) commit_or_warn(std::move(next));
    return fail(errc::not_found, "no champion before " + from + " can be used");
  }
  auto to = next.champions[*place];
  seat_again(next, place, {now_ms, to, from, by, why});
  if (auto done = commit(std::move(next)); !done) return tl::unexpected<error>(done.error());
  return to;
}

result<model> model_registry::champion(int64_t now_ms) {
  while (const auto* seated = state_.champion()) {
    auto found = examine(*seated);
    if (found) {
      if (auto fits = accepted(*found); !fits) return tl::unexpected<error>(fits.error());
      return found;
    }
    if (!step_down(found.error(), now_ms)) return found;
  }
  return fail(errc::not_found, "there is no champion");
}

/// False: it may be readable another time, so it stays.
bool model_registry::step_down(const error& why, int64_t now_ms) {
  auto next = state_;
  auto from = champion_version();
  if (!refuse_if_unusable(next, from, why)) return false;
  auto place = usable_before(next);
  auto to = place ? next.champions[*place] : std::string{};
  seat_again(next, place, {now_ms, to, from, "registry", why.detail});
  warn(place ? to + " is champion again in place of " + from
             : "no champion before " + from + " can be used: there is none now");
  commit_or_warn(std::move(next));
  return true;
}

/// The place of the champion before, among `champions`. Those found unusable on the way are
/// refused.
std::optional<size_t> model_registry::usable_before(registry_state& s) {
  for (size_t place = s.champions.size(); place-- > 0;) {
    auto version = s.champions[place];
    const auto* m = s.find(version);
    if (version == s.champions.back() || m->state == model_state::refused) continue;
    auto found = examine(*m);
    auto fits = found ? accepted(*found) : tl::unexpected<error>(found.error());
    if (fits) return place;
    if (found)
      warn(version + " was passed over: " + fits.error().detail);
    else
      refuse_if_unusable(s, version, found.error());
  }
  return std::nullopt;
}

bool model_registry::refuse_if_unusable(registry_state& s, const std::string& version,
                                        const error& why) {
  auto reason = refusal_of(why.code);
  if (reason == model_refusal::none) {
    warn(version + " can not be read now: " + to_string(why));
    return false;
  }
  refuse(s, version, reason, why.detail);
  warn(version + " is refused: " + to_string(why));
  return true;
}

result<void> model_registry::commit(registry_state next) {
  auto written = write_durably(directory_, registry_name, to_json(next));
  if (!written) return tl::unexpected<error>(written.error());
  if (!*written)
    warn(directory_ + " could not be fsynced: the last change may be lost by a power failure");
  state_ = std::move(next);
  // Named only as long as their files are there: a file of that name may be put here one day.
  if (remove_dropped()) (void)write_durably(directory_, registry_name, to_json(state_));
  return {};
}

void model_registry::commit_or_warn(registry_state next) {
  if (auto done = commit(next); !done) {
    warn("this could not be written down: " + to_string(done.error()));
    state_ = std::move(next);
  }
}

/// True: the list became shorter.
bool model_registry::remove_dropped() {
  return std::erase_if(state_.dropped,
                       [&](const std::string& version) {
                         return ::unlink(path_of(version).c_str()) == 0 || errno == ENOENT;
                       })
         > 0;
}

void model_registry::warn(std::string text) {
  if (warnings_.size() == registry_warnings_max) warnings_.erase(warnings_.begin());
  warnings_.push_back(std::move(text));
}

} // namespace harbinger::predict
