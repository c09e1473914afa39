#pragma once

/// The models of a service: a directory with VERSION.hbmodel for each and registry.json, which says
/// where they came from, which of them is in use (the champion) and which were before.
///
/// Every change is durable before it is answered: first a new model's file, then registry.json in
/// one step. A change that fails (no_space, io) changes nothing. Killed at any moment, the registry
/// opens again as it was before the change or after it. What is found not to be as it should be
/// goes on without: a champion whose file is damaged makes room for the one before it, a damaged
/// registry.json is put aside and made anew, and warnings() say so. No file is deleted but those of
/// models that prune() let go, and unfinished ones (*.part) of our own.
///
/// Not for several threads at once; a directory belongs to one registry at a time.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/result.hpp"
#include "predict/durable_file.hpp"
#include "predict/model.hpp"
#include "predict/registry_state.hpp"

namespace harbinger::predict {

/// Whether this service can use a model (its features, horizon ...); the error's detail says why
/// not.
using accepts_model = std::function<result<void>(const model&)>;

struct registry_options {
  size_t models_max = 12; ///< 3..registry_models_max
  accepts_model accepts;  ///< none: every model
};

/// Where a model comes from.
struct model_source {
  model_origin origin = model_origin::trained;
  std::string trained_on;       ///< for people; made one line
  int64_t trained_until_ms = 0; ///< of the newest row it learned from, unix time; 0: unknown
};

/// Since the registry was opened; of more the oldest are forgotten.
inline constexpr size_t registry_warnings_max = 100;
/// Files VERSION.hbmodel that are looked at when opening; others stay as they are.
inline constexpr size_t registry_files_max = 2000;

class model_registry {
public:
  /// Makes the directory when there is none. Looks at every model: what is missing, damaged or
  /// foreign is refused, what was refused and is whole again becomes what it was. Model files that
  /// are not listed (a change was cut short, or somebody put them there) are candidates as long as
  /// there is room, added when the file was written, newest last; the newest makes itself room if
  /// it was written after registry.json. A damaged registry.json becomes
  /// registry.json.damaged-N; all models are then candidates, for nobody knows any more which of
  /// them had been found good.
  /// in_use: another registry has this directory. unsupported: registry.json is of a newer program.
  /// invalid_argument: options. overloaded: see put_aside. no_space, io.
  static result<model_registry> open(const std::string& directory, registry_options options,
                                     int64_t now_ms);

  /// Candidate from now on; its version. One that is listed already stays as it is, and is mended
  /// where its file was not whole. Beyond models_max an older one goes (see prune). oversize: more
  /// than model_bytes_max; conflict: another model has this version; no_space, io.
  result<std::string> add(const model& m, const model_source& source, int64_t now_ms);

  /// Champion from now on; nothing happens if it is. not_found: not listed, or no file. checksum,
  /// unsupported: its file is damaged or foreign; it is then refused. unsupported, with the reason:
  /// not accepted. no_space, io.
  result<void> promote(const std::string& version, const std::string& by, const std::string& why,
                       int64_t now_ms);

  /// The champion before is champion again, and its version given; the one before that, where its
  /// file can not be used or it is not accepted. The champion of now is no longer in the line, so
  /// that rolling back twice goes back two steps. not_found: there is none. no_space, io.
  result<std::string> rollback(const std::string& by, const std::string& why, int64_t now_ms);

  /// If the champion's file is missing, damaged or foreign it is refused, and the place goes to the
  /// champion before as with rollback. That holds even if it can not be written down, and is then
  /// found again at the next start. not_found: there is no champion. unsupported: it is not
  /// accepted, with the reason; it stays champion, for settings change. io: it can not be read
  /// now; it stays champion.
  result<model> champion(int64_t now_ms);
  /// Empty: there is none.
  std::string champion_version() const;

  /// Changes nothing. not_found, checksum (damaged), unsupported (foreign), io.
  result<model> load(const std::string& version) const;

  /// In the order they were added.
  const std::vector<registered_model>& list() const { return state_.models; }
  /// Oldest first, at most promotions_max.
  const std::vector<promotion>& promotions() const { return state_.promotions; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  /// The same, and forgets them: for who logs each once.
  std::vector<std::string> take_warnings() { return std::exchange(warnings_, {}); }

private:
  model_registry(std::string directory, registry_options options, directory_lock lock);
  result<void> read_state();
  void clear_away();
  void examine_listed();
  void adopt_unlisted();
  void adopt(const std::string& version);
  result<model> examine(const registered_model& m) const;
  result<bool> put_model_file(const std::string& version, const std::string& bytes);
  result<void> commit(registry_state next);
  void commit_or_warn(registry_state next);
  bool remove_dropped();
  bool refuse_if_unusable(registry_state& s, const std::string& version, const error& why);
  std::optional<size_t> usable_before(registry_state& s);
  bool step_down(const error& why, int64_t now_ms);
  result<void> accepted(const model& m) const;
  std::string path_of(const std::string& version) const;
  void warn(std::string text);

  std::string directory_;
  registry_options options_;
  directory_lock lock_;
  registry_state state_;
  std::vector<std::string> warnings_;
};

} // namespace harbinger::predict
