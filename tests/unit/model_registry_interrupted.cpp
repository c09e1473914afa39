/// The registry of models, killed between any two steps and on a full disk.

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "../support/registry_stage.hpp"

using namespace harbinger;
using namespace harbinger::predict;
using namespace harbinger::test;

// The steps that change what is on disk, counted; this program's own functions take the place of
// the C library's, so the code under test knows nothing of it.
namespace {
enum class trouble { none, kill, full };
trouble armed = trouble::none;
int steps_left = 0;            ///< until the trouble
std::vector<std::string> seen; ///< when wanted, what was done
bool watching = false;

void note(const std::string& what) {
  if (watching) seen.push_back(what);
}
std::string base_name(std::string_view path) {
  return std::string(path.substr(path.find_last_of('/') + 1));
}
std::string name_of_open(int fd) {
  auto link = "/proc/self/fd/" + std::to_string(fd);
  std::error_code problem;
  auto path = std::filesystem::read_symlink(link, problem);
  return std::filesystem::is_directory(path, problem) ? "directory" : path.filename().string();
}

bool strikes() { return armed != trouble::none && steps_left-- == 0; }
void kill_if_armed() {
  if (armed == trouble::kill) ::_exit(42);
}
} // namespace

extern "C" ssize_t write(int fd, const void* bytes, size_t count) {
  if (strikes()) {
    ::syscall(SYS_write, fd, bytes, count / 2);
    kill_if_armed();
    errno = ENOSPC;
    return -1;
  }
  return ::syscall(SYS_write, fd, bytes, count);
}
extern "C" int fsync(int fd) {
  if (strikes()) {
    kill_if_armed();
    errno = ENOSPC;
    return -1;
  }
  if (watching) note("fsync " + name_of_open(fd));
  return 0; // nobody pulls the plug here, and it takes long
}
extern "C" int rename(const char* from, const char* to) noexcept {
  if (strikes()) {
    kill_if_armed();
    errno = ENOSPC;
    return -1;
  }
  if (watching) note("rename " + base_name(to));
  return static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}
extern "C" int unlink(const char* path) noexcept {
  if (armed == trouble::kill && strikes()) ::_exit(42);
  if (watching) note("unlink " + base_name(path));
  return static_cast<int>(::syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

namespace {

/// What can be done to a registry of champions 1 and 2 and candidate 3.
struct change {
  const char* what;
  size_t models_max;
  std::function<result<void>(model_registry&)> make_it;
};
const std::vector<change>& changes() {
  auto add = [](auto& r) { return r.add(make(4), {}, 9).map([](auto) {}); };
  static const std::vector<change> all{
      {"add", 4, add},
      {"add and prune", 3, add},
      {"promote", 4, [](auto& r) { return r.promote(name(3), "me", "", 9); }},
      {"rollback", 4, [](auto& r) { return r.rollback("me", "", 9).map([](auto) {}); }}};
  return all;
}

struct snapshot {
  std::vector<registered_model> models;
  std::vector<promotion> promotions;
  std::string champion;
  friend bool operator==(const snapshot&, const snapshot&) = default;
};
/// Does it in a process of its own, which is killed before that step; false: it had no such step.
bool killed_at(int step, const std::function<bool()>& work) {
  auto child = ::fork();
  BOOST_REQUIRE(child >= 0);
  if (child == 0) {
    armed = trouble::kill;
    steps_left = step;
    ::_exit(work() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  BOOST_REQUIRE(WIFEXITED(status));
  BOOST_REQUIRE((WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 42));
  return WEXITSTATUS(status) == 42;
}

snapshot taken(const model_registry& r) { return {r.list(), r.promotions(), r.champion_version()}; }

void furnish(const temp_dir& at) {
  auto r = with_champions(at, {1, 2});
  added(r, 3);
}
/// Every listed model is whole, and nothing else of ours lies about.
void check_consistent(const temp_dir& at, const model_registry& r) {
  std::set<std::string> expected{"registry.json", "lock"};
  for (const auto& m : r.list()) {
    BOOST_TEST((m.state != model_state::refused));
    BOOST_TEST(r.load(m.version).has_value());
    expected.insert(m.version + ".hbmodel");
  }
  BOOST_TEST(files(at) == expected, boost::test_tools::per_element());
}

} // namespace

BOOST_AUTO_TEST_CASE(every_step_is_on_the_disk_before_the_next_is_taken) {
  temp_dir at;
  auto r = opened(at, {3, {}});
  for (int n : {1, 2, 3}) added(r, n);
  seen.clear();
  watching = true;
  added(r, 4);
  watching = false;
  auto listed = std::vector<std::string>{"fsync registry.json.part", "rename registry.json",
                                         "fsync directory"};
  std::vector<std::string> expected{"fsync " + file(4) + ".part", "rename " + file(4),
                                    "fsync directory"};
  expected.insert(expected.end(), listed.begin(), listed.end());
  expected.push_back("unlink " + file(1));
  expected.insert(expected.end(), listed.begin(), listed.end());
  BOOST_TEST(seen == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(killed_between_any_two_steps_it_opens_as_before_or_after) {
  using outline = std::pair<std::set<std::string>, std::string>;
  auto outline_of = [](const model_registry& r) {
    return outline{versions(r), r.champion_version()};
  };
  for (const auto& [what, models_max, make_it] : changes()) {
    temp_dir start, end;
    furnish(start);
    copy_all(start, end);
    const registry_options options{models_max, {}};
    const auto before = outline_of(opened(start, options));
    auto changed = opened(end, options);
    BOOST_REQUIRE(make_it(changed).has_value());
    const auto after = outline_of(changed);
    BOOST_TEST((before != after));
    bool finished = false;
    int as_before = 0, as_after = 0;
    for (int step = 0; !finished; ++step) {
      BOOST_TEST_CONTEXT(what << ", killed before step " << step) {
        temp_dir at;
        copy_all(start, at);
        finished = !killed_at(step, [&] {
          auto r = model_registry::open(at.path(), options, 5); // takes no steps
          return r && make_it(*r);
        });
        std::optional<model_registry> r = opened(at, options);
        check_consistent(at, *r);
        as_before += outline_of(*r) == before;
        as_after += outline_of(*r) == after;
        BOOST_TEST(as_before + as_after == step + 1);
        if (outline_of(*r) == before) BOOST_TEST(make_it(*r).has_value());
        BOOST_TEST((outline_of(*r) == after));
        check_consistent(at, *r);
        auto last = taken(*r);
        r.reset();
        BOOST_TEST((taken(opened(at, options)) == last));
      }
    }
    BOOST_TEST(as_before >= 3, what << ": " << as_before);
    BOOST_TEST(as_after >= 2, what << ": " << as_after);
  }
}

BOOST_AUTO_TEST_CASE(killed_while_a_champion_steps_down_the_next_start_ends_it) {
  bool finished = false;
  for (int step = 0; !finished; ++step) {
    temp_dir at;
    furnish(at);
    flip_a_byte(at, file(2));
    finished = !killed_at(step, [&] { return model_registry::open(at.path(), {}, 5).has_value(); });
    auto r = opened(at);
    BOOST_TEST(r.champion_version() == name(1));
    BOOST_TEST((state_of(r, 2) == model_state::refused));
    BOOST_TEST(r.promotions().size() == 3u);
  }
}

BOOST_AUTO_TEST_CASE(killed_while_making_registry_json_anew_it_is_made_at_the_next_start) {
  bool finished = false;
  for (int step = 0; !finished; ++step) {
    temp_dir at;
    furnish(at);
    at.put("registry.json", "?");
    finished = !killed_at(step, [&] { return model_registry::open(at.path(), {}, 5).has_value(); });
    auto r = opened(at);
    BOOST_TEST((versions(r) == std::set{name(1), name(2), name(3)}));
    BOOST_TEST(at.get("registry.json.damaged-1") == "?");
    BOOST_TEST(!files(at).contains("registry.json.damaged-2"));
  }
}

BOOST_AUTO_TEST_CASE(on_a_full_disk_the_state_before_stays) {
  for (const auto& [what, models_max, make_it] : changes()) {
    const registry_options options{models_max, {}};
    bool finished = false;
    int refused = 0;
    for (int step = 0; !finished; ++step) {
      BOOST_TEST_CONTEXT(what << ", no room at step " << step) {
        temp_dir at;
        furnish(at);
        std::optional<model_registry> r = opened(at, options);
        auto before = taken(*r);
        armed = trouble::full;
        steps_left = step;
        auto done = make_it(*r);
        finished = steps_left >= 0;
        armed = trouble::none;
        if (!done) {
          ++refused;
          BOOST_TEST((done.error().code == errc::no_space));
          BOOST_TEST((taken(*r) == before));
          BOOST_TEST(r->champion(1)->version() == name(2));
        }
        check_consistent(at, *r);
        auto last = taken(*r);
        r = std::nullopt;
        r = opened(at, options);
        BOOST_TEST((taken(*r) == last));
        if (!done) BOOST_TEST(make_it(*r).has_value()); // there is room again
      }
    }
    BOOST_TEST(refused >= 3, what << " was refused only " << refused << " times");
  }
}

BOOST_AUTO_TEST_CASE(a_champion_steps_down_on_a_full_disk_too) {
  temp_dir at;
  furnish(at);
  {
    auto r = opened(at);
    flip_a_byte(at, file(2));
    armed = trouble::full;
    steps_left = 0;
    auto now = r.champion(1);
    armed = trouble::none;
    BOOST_TEST(now->version() == name(1));
    BOOST_TEST(warned(r, "could not be written down: no_space"));
  }
  BOOST_TEST(opened(at).champion_version() == name(1));
}
