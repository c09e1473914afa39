/// Models of a service on disk: added, promoted, rolled back, pruned; kills between any two steps,
/// full disks, damaged and foreign files.

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <fcntl.h>
#include <set>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "../support/temp_dir.hpp"
#include "predict/registry.hpp"
#include "predict/scorer.hpp"

using namespace harbinger;
using namespace harbinger::predict;
using test::temp_dir;

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

schema_ptr small_schema() {
  auto out = std::make_shared<schema>();
  out->series.push_back({"load", 0.01, true, "load", ""});
  for (auto what : {statistic::level, statistic::mean, statistic::trend})
    out->features.push_back({"load", what, 0});
  return out;
}

const std::shared_ptr<const scorer>& machine() {
  static const auto one = [] {
    training_rows rows;
    rows.width = 3;
    for (int i = 0; i < 40; ++i) {
      rows.values.insert(rows.values.end(), 3, i % 2 ? 1.0 : 0.0);
      rows.labels.push_back(static_cast<uint8_t>(i % 2));
    }
    return std::shared_ptr<const scorer>(std::move(*train_logistic(rows)));
  }();
  return one;
}

/// Models of different numbers differ, those of one are equal.
model make(int number, double horizon_s = 60) {
  return model(small_schema(), make_scales({5, 30, 120}, horizon_s, 10), {0, 0, 0}, machine(), {},
               "{\"number\":" + std::to_string(number) + "}");
}
std::string name(int number) { return make(number).version(); }
std::string file(int number) { return name(number) + ".hbmodel"; }

model_registry opened(const temp_dir& at, registry_options options = {}) {
  auto out = model_registry::open(at.path(), std::move(options), 1000);
  BOOST_REQUIRE_MESSAGE(out, (out ? "" : to_string(out.error())));
  return std::move(*out);
}
std::string added(model_registry& to, int number, int64_t now_ms = 2000) {
  auto version = to.add(make(number), {model_origin::trained, "history A", 1500}, now_ms);
  BOOST_REQUIRE_MESSAGE(version, (version ? "" : to_string(version.error())));
  return *version;
}
void promoted(model_registry& in, int number) {
  auto done = in.promote(name(number), "contest", "better by 0.1", 3000);
  BOOST_REQUIRE_MESSAGE(done, (done ? "" : to_string(done.error())));
}
/// Champions in this order, the last is in place.
model_registry with_champions(const temp_dir& at, std::initializer_list<int> numbers) {
  auto out = opened(at);
  for (int n : numbers) {
    added(out, n);
    promoted(out, n);
  }
  return out;
}

model_state state_of(const model_registry& r, int number) {
  for (const auto& m : r.list())
    if (m.version == name(number)) return m.state;
  BOOST_FAIL("not listed: " << number);
  return {};
}
model_refusal refusal_of(const model_registry& r, int number) {
  for (const auto& m : r.list())
    if (m.version == name(number)) return m.refusal;
  return {};
}
std::set<std::string> versions(const model_registry& r) {
  std::set<std::string> out;
  for (const auto& m : r.list()) out.insert(m.version);
  return out;
}
std::set<std::string> files(const temp_dir& at) {
  std::set<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(at.path()))
    out.insert(entry.path().filename().string());
  return out;
}
bool warned(const model_registry& r, std::string_view of) {
  return std::any_of(r.warnings().begin(), r.warnings().end(),
                     [&](const auto& w) { return w.find(of) != std::string::npos; });
}
void flip_a_byte(const temp_dir& at, const std::string& name) {
  auto bytes = at.get(name);
  BOOST_REQUIRE(bytes.size() > 100u);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x10);
  at.put(name, bytes);
}
void copy_all(const temp_dir& from, const temp_dir& to) {
  std::filesystem::copy(from.path(), to.path(), std::filesystem::copy_options::recursive);
}

} // namespace

BOOST_AUTO_TEST_SUITE(keeping)

BOOST_AUTO_TEST_CASE(an_absent_directory_is_made_and_empty) {
  temp_dir at;
  auto r = model_registry::open(at / "deep/models", {}, 1);
  BOOST_REQUIRE(r);
  BOOST_TEST(r->list().empty());
  BOOST_TEST(r->warnings().empty());
  BOOST_TEST(r->champion_version().empty());
  BOOST_TEST((r->champion(1).error().code == errc::not_found));
  BOOST_TEST((r->rollback("me", "", 1).error().code == errc::not_found));
  BOOST_TEST((r->load("forest-00000000").error().code == errc::not_found));
  BOOST_TEST((r->promote("", "me", "", 1).error().code == errc::not_found));
}

BOOST_AUTO_TEST_CASE(everything_is_there_again_after_a_restart) {
  temp_dir at;
  std::vector<registered_model> listed;
  std::vector<promotion> promotions;
  {
    auto r = opened(at);
    added(r, 1);
    added(r, 2);
    promoted(r, 1);
    promoted(r, 2);
    added(r, 3);
    listed = r.list();
    promotions = r.promotions();
  }
  auto r = opened(at);
  BOOST_TEST((r.list() == listed));
  BOOST_TEST((r.promotions() == promotions));
  BOOST_TEST(r.warnings().empty());
  BOOST_TEST(r.champion_version() == name(2));
  BOOST_TEST(r.champion(1)->serialize() == make(2).serialize());
  BOOST_TEST(r.load(name(3))->serialize() == make(3).serialize());
  BOOST_TEST((state_of(r, 1) == model_state::retired));
  BOOST_TEST((state_of(r, 3) == model_state::candidate));
  const auto& m = r.list()[2];
  BOOST_TEST(m.kind == "logistic");
  BOOST_TEST(m.added_ms == 2000);
  BOOST_TEST(m.trained_on == "history A");
  BOOST_TEST(m.trained_until_ms == 1500);
  BOOST_TEST(m.bytes == make(3).serialize().size());
  BOOST_TEST((promotions.back() == promotion{3000, name(2), name(1), "contest", "better by 0.1"}));
}

BOOST_AUTO_TEST_CASE(the_same_model_twice_is_there_once) {
  temp_dir at;
  auto r = opened(at);
  added(r, 1);
  promoted(r, 1);
  promoted(r, 1);
  auto listed = r.list();
  BOOST_TEST(added(r, 1, 9000) == name(1));
  BOOST_TEST((r.list() == listed));
  BOOST_TEST(r.promotions().size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_directory_belongs_to_one_registry_at_a_time) {
  temp_dir at;
  {
    auto r = opened(at);
    auto second = model_registry::open(at.path(), {}, 1);
    BOOST_TEST((second.error().code == errc::in_use));
  }
  BOOST_TEST(model_registry::open(at.path(), {}, 1).has_value());
}

BOOST_AUTO_TEST_CASE(options_without_sense_and_unusable_directories_are_refused) {
  temp_dir at;
  for (size_t models_max : {size_t{0}, size_t{2}, registry_models_max + 1})
    BOOST_TEST((model_registry::open(at.path(), {models_max, {}}, 1).error().code
                == errc::invalid_argument));
  at.put("file", "");
  BOOST_TEST((model_registry::open(at / "file", {}, 1).error().code == errc::io));
}

BOOST_AUTO_TEST_CASE(texts_become_one_bounded_line) {
  temp_dir at;
  {
    auto r = opened(at);
    auto longer = std::string(registry_text_bytes_max - 1, 'x') + "\xc3\xa4" + "more";
    BOOST_REQUIRE(r.add(make(1), {model_origin::imported, "two\nlines\x01", 0}, 1));
    BOOST_REQUIRE(r.promote(name(1), "not utf-8: \xff", longer, 1));
  }
  auto r = opened(at);
  BOOST_TEST(r.warnings().empty());
  BOOST_TEST(r.list()[0].trained_on == "two lines ");
  BOOST_TEST(r.promotions()[0].by == "not utf-8: \xef\xbf\xbd");
  BOOST_TEST(r.promotions()[0].why == std::string(registry_text_bytes_max - 1, 'x'));
}

BOOST_AUTO_TEST_CASE(the_log_of_promotions_is_bounded) {
  temp_dir at;
  auto r = with_champions(at, {1, 2});
  for (size_t i = 0; i < promotions_max + 5; ++i) promoted(r, i % 2 ? 2 : 1);
  BOOST_TEST(r.promotions().size() == promotions_max);
  BOOST_TEST(r.rollback("me", "", 1).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(champions)

BOOST_AUTO_TEST_CASE(rolling_back_twice_goes_back_two_steps) {
  temp_dir at;
  auto r = with_champions(at, {1, 2, 3});
  BOOST_TEST(r.rollback("operator", "too many alarms", 4000).value() == name(2));
  BOOST_TEST(
      (r.promotions().back() == promotion{4000, name(2), name(3), "operator", "too many alarms"}));
  BOOST_TEST((state_of(r, 3) == model_state::retired));
  BOOST_TEST(r.rollback("operator", "", 4001).value() == name(1));
  auto none = r.rollback("operator", "", 4002);
  BOOST_TEST((none.error().code == errc::not_found));
  BOOST_TEST(none.error().detail == "no champion before " + name(1) + " can be used");
  BOOST_TEST(r.champion_version() == name(1));
  promoted(r, 3);
  BOOST_TEST(r.rollback("operator", "", 4003).value() == name(1));
}

BOOST_AUTO_TEST_CASE(rolling_back_passes_over_what_can_not_be_used) {
  temp_dir at;
  auto r = with_champions(at, {1, 2, 3});
  flip_a_byte(at, file(2));
  BOOST_TEST(r.rollback("operator", "", 1).value() == name(1));
  BOOST_TEST((refusal_of(r, 2) == model_refusal::damaged));
}

BOOST_AUTO_TEST_CASE(rolling_back_never_comes_to_the_champion_itself) {
  temp_dir at;
  auto r = with_champions(at, {1, 2, 1});
  flip_a_byte(at, file(2));
  BOOST_TEST((r.rollback("operator", "", 1).error().code == errc::not_found));
  BOOST_TEST(r.champion_version() == name(1));
}

BOOST_AUTO_TEST_CASE(a_damaged_champion_makes_room_for_the_one_before) {
  for (bool reopened : {false, true}) {
    temp_dir at;
    std::optional<model_registry> r = with_champions(at, {1, 2});
    flip_a_byte(at, file(2));
    if (reopened) r.reset();
    if (reopened) r = opened(at);
    BOOST_TEST(r->champion(5000)->version() == name(1));
    BOOST_TEST((state_of(*r, 2) == model_state::refused));
    BOOST_TEST((refusal_of(*r, 2) == model_refusal::damaged));
    BOOST_TEST((state_of(*r, 1) == model_state::champion));
    BOOST_TEST(warned(*r, name(2) + " is refused"));
    BOOST_TEST(r->promotions().back().by == "registry");
    BOOST_TEST(r->promotions().back().replaced == name(2));
    BOOST_TEST((r->promote(name(2), "me", "", 1).error().code == errc::checksum));
    r.reset();
    BOOST_TEST(opened(at).champion_version() == name(1));
  }
}

BOOST_AUTO_TEST_CASE(every_damage_to_a_model_file_is_found) {
  temp_dir at;
  const auto good = make(2).serialize();
  const std::vector<std::tuple<const char*, std::string, model_refusal>> cases{
      {"empty", "", model_refusal::damaged},
      {"cut", good.substr(0, good.size() / 2), model_refusal::damaged},
      {"nearly nothing", good.substr(0, 9), model_refusal::damaged},
      {"longer", good + "x", model_refusal::damaged},
      {"something else", "#!/bin/sh\n", model_refusal::foreign},
      {"another model", make(7).serialize(), model_refusal::foreign}};
  for (const auto& [what, bytes, expected] : cases) {
    BOOST_TEST_CONTEXT(what) {
      temp_dir here;
      auto r = with_champions(here, {1, 2});
      here.put(file(2), bytes);
      BOOST_TEST(r.champion(1)->version() == name(1));
      BOOST_TEST((refusal_of(r, 2) == expected));
      BOOST_TEST(here.get(file(2)) == bytes); // left for whoever wants to know
    }
  }
  temp_dir here;
  auto r = with_champions(here, {1, 2});
  std::filesystem::remove(here / file(2));
  BOOST_TEST(r.champion(1)->version() == name(1));
  BOOST_TEST((refusal_of(r, 2) == model_refusal::missing));
}

BOOST_AUTO_TEST_CASE(without_any_whole_champion_there_is_none) {
  temp_dir at;
  {
    auto r = with_champions(at, {1, 2});
    added(r, 3);
    flip_a_byte(at, file(1));
    flip_a_byte(at, file(2));
    BOOST_TEST((r.champion(1).error().code == errc::not_found));
    BOOST_TEST(r.promotions().back().version.empty());
  }
  auto r = opened(at);
  BOOST_TEST(r.champion_version().empty());
  BOOST_TEST((state_of(r, 3) == model_state::candidate));
  promoted(r, 3);
  BOOST_TEST(r.champion(1)->version() == name(3));
}

BOOST_AUTO_TEST_CASE(a_refused_model_that_is_whole_again_becomes_what_it_was) {
  temp_dir at;
  {
    auto r = with_champions(at, {1, 2});
    added(r, 3);
    for (int n : {2, 3}) std::filesystem::rename(at / file(n), at / ("away" + std::to_string(n)));
    BOOST_TEST(r.champion(1)->version() == name(1));
  }
  BOOST_TEST((refusal_of(opened(at), 3) == model_refusal::missing));
  for (int n : {2, 3}) std::filesystem::rename(at / ("away" + std::to_string(n)), at / file(n));
  auto r = opened(at);
  BOOST_TEST((state_of(r, 2) == model_state::retired)); // nobody loses the place by it
  BOOST_TEST((state_of(r, 3) == model_state::candidate));
  BOOST_TEST(r.champion_version() == name(1));
  BOOST_TEST(warned(r, name(2) + " is whole again"));
}

BOOST_AUTO_TEST_CASE(adding_a_damaged_model_again_mends_it_and_keeps_the_damaged_file) {
  temp_dir at;
  auto r = with_champions(at, {1, 2});
  flip_a_byte(at, file(1));
  flip_a_byte(at, file(2));
  auto damaged = at.get(file(2));
  added(r, 2); // not noticed yet
  BOOST_TEST(r.champion(1)->version() == name(2));
  BOOST_TEST(at.get(file(2) + ".damaged-1") == damaged);
  BOOST_TEST((r.rollback("me", "", 1).error().code == errc::not_found));
  BOOST_TEST((state_of(r, 1) == model_state::refused));
  added(r, 1);
  BOOST_TEST((state_of(r, 1) == model_state::retired));
  BOOST_TEST(r.load(name(1)).has_value());
  BOOST_TEST(r.list().size() == 2u);
}

BOOST_AUTO_TEST_CASE(what_the_service_can_not_use_is_not_promoted) {
  temp_dir at;
  registry_options for_minutes{12, [](const model& m) -> result<void> {
                                 if (m.scales().horizon_s == 60) return {};
                                 return fail(errc::unsupported, "another horizon");
                               }};
  auto hourly = make(1, 3600).version();
  {
    auto r = opened(at);
    BOOST_REQUIRE(r.add(make(1, 3600), {}, 1));
    added(r, 2);
    BOOST_REQUIRE(r.promote(hourly, "me", "", 1));
    promoted(r, 2);
    added(r, 3);
    promoted(r, 3);
  }
  std::optional<model_registry> r = opened(at, for_minutes);
  auto refused = r->promote(hourly, "me", "", 1);
  BOOST_TEST((refused.error().code == errc::unsupported));
  BOOST_TEST(refused.error().detail.find("another horizon") != std::string::npos);
  BOOST_TEST(r->champion_version() == name(3));
  BOOST_TEST(r->rollback("me", "", 1).value() == name(2));
  BOOST_TEST((r->rollback("me", "", 1).error().code == errc::not_found));
  BOOST_TEST(warned(*r, hourly + " was passed over"));
  r.reset();
  // Settings changed under a champion: not usable, but still the champion.
  registry_options nothing{
      12, [](const model&) -> result<void> { return fail(errc::unsupported, "other windows"); }};
  r = opened(at, nothing);
  BOOST_TEST((r->champion(1).error().code == errc::unsupported));
  BOOST_TEST(r->champion_version() == name(2));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(room)

BOOST_AUTO_TEST_CASE(the_oldest_retired_goes_first) {
  temp_dir at;
  auto r = opened(at, {4, {}});
  for (int n : {1, 2, 3, 4}) added(r, n);
  for (int n : {3, 1, 2}) promoted(r, n); // 1 came before 2; 4 is the newest candidate
  added(r, 5);
  BOOST_TEST((versions(r) == std::set{name(1), name(2), name(4), name(5)}));
  BOOST_TEST(!files(at).contains(file(3)));
  added(r, 6); // no retired one may go: the oldest candidate does
  BOOST_TEST((versions(r) == std::set{name(1), name(2), name(5), name(6)}));
  BOOST_TEST(r.rollback("me", "", 1).value() == name(1));
}

BOOST_AUTO_TEST_CASE(champion_its_predecessor_and_the_newest_candidate_are_never_pruned) {
  temp_dir at;
  auto r = opened(at, {3, {}});
  for (int n = 1; n <= 20; ++n) {
    added(r, n);
    if (n % 3 == 0) promoted(r, n);
    BOOST_TEST(r.list().size() <= 3u);
    BOOST_TEST(r.list().back().version == name(n));
  }
  BOOST_TEST((versions(r) == std::set{name(15), name(18), name(20)}));
  BOOST_TEST(r.champion_version() == name(18));
  BOOST_TEST(files(at).size() == 5u); // three models, registry.json, lock
}

BOOST_AUTO_TEST_CASE(what_was_refused_is_let_go_without_touching_its_file) {
  temp_dir at;
  auto r = opened(at, {3, {}});
  added(r, 1);
  added(r, 2);
  flip_a_byte(at, file(1));
  BOOST_TEST(!r.promote(name(1), "me", "", 1));
  added(r, 3);
  added(r, 4);
  BOOST_TEST((versions(r) == std::set{name(2), name(3), name(4)}));
  BOOST_TEST(files(at).contains(file(1)));
}

BOOST_AUTO_TEST_CASE(a_file_that_came_under_the_name_of_a_dropped_model_stays) {
  temp_dir at;
  {
    auto r = opened(at, {3, {}});
    for (int n : {1, 2, 3, 4}) added(r, n);
  }
  at.put(file(1), "put here by hand");
  opened(at);
  BOOST_TEST(at.get(file(1)) == "put here by hand");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(registry_json)

BOOST_AUTO_TEST_CASE(a_damaged_one_is_put_aside_and_made_anew_from_the_files) {
  const std::vector<std::function<std::string(std::string)>> damages{
      [](std::string) { return std::string{}; },
      [](std::string text) { return text.substr(0, text.size() / 2); },
      [](std::string) { return std::string(4096, '\0'); },
      [](std::string) { return std::string(100'000, '['); },
      [](std::string) { return std::string("{\"format\":\"something\"}"); },
      [](std::string text) {
        text[text.find("history A")] = 'H'; // still well-formed
        return text;
      }};
  for (size_t i = 0; i < damages.size(); ++i) {
    BOOST_TEST_CONTEXT("damage " << i) {
      temp_dir at;
      {
        auto r = with_champions(at, {1, 2});
        added(r, 3);
        BOOST_REQUIRE(r.add(make(4), {}, 1));
      }
      flip_a_byte(at, file(4));
      at.put("notes.txt", "mine");
      auto damaged = damages[i](at.get("registry.json"));
      at.put("registry.json", damaged);
      auto r = opened(at);
      BOOST_TEST((versions(r) == std::set{name(1), name(2), name(3)}));
      for (int n : {1, 2, 3}) BOOST_TEST((state_of(r, n) == model_state::candidate));
      BOOST_TEST(r.champion_version().empty());
      BOOST_TEST(warned(r, "registry.json was damaged"));
      BOOST_TEST(warned(r, file(4) + " is not listed and can not be used"));
      BOOST_TEST(at.get("registry.json.damaged-1") == damaged);
      BOOST_TEST(at.get("notes.txt") == "mine");
      BOOST_TEST(files(at).contains(file(4)));
      promoted(r, 2);
      BOOST_TEST(r.champion(1)->version() == name(2));
    }
  }
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_is_noticed_or_harmless) {
  temp_dir at;
  with_champions(at, {1, 2});
  const auto good = at.get("registry.json");
  const auto whole = parse_registry(good).value();
  for (size_t byte = 0; byte < good.size(); ++byte) {
    auto bad = good;
    bad[byte] = static_cast<char>(bad[byte] ^ (1 << byte % 8));
    auto parsed = parse_registry(bad);
    BOOST_TEST((!parsed || *parsed == whole), "byte " << byte);
  }
}

BOOST_AUTO_TEST_CASE(one_that_contradicts_itself_is_damaged) {
  temp_dir at;
  with_champions(at, {1, 2});
  const auto good = parse_registry(at.get("registry.json")).value();
  const std::vector<std::function<void(registry_state&)>> contradictions{
      [](auto& s) { s.models[0].state = model_state::champion; },
      [](auto& s) { s.models[1].state = model_state::retired; },
      [](auto& s) { s.champions.clear(); },
      [](auto& s) { s.models.push_back(s.models[0]); },
      [](auto& s) { s.models.erase(s.models.begin()); },
      [](auto& s) { s.models[0].version = "../../etc/passwd"; },
      [](auto& s) { s.models[0].state = model_state::refused; },
      [](auto& s) { s.dropped.push_back(s.models[0].version); },
      [](auto& s) { s.dropped.push_back("../model"); }};
  BOOST_TEST((parse_registry(to_json(good)).value() == good));
  for (size_t i = 0; i < contradictions.size(); ++i) {
    auto s = good;
    contradictions[i](s);
    BOOST_TEST((parse_registry(to_json(s)).error().code == errc::malformed), "case " << i);
  }
}

BOOST_AUTO_TEST_CASE(one_of_a_newer_program_is_left_as_it_is) {
  temp_dir at;
  with_champions(at, {1});
  auto j = nlohmann::ordered_json::parse(at.get("registry.json"));
  j["version"] = 2;
  at.put("registry.json", j.dump());
  BOOST_TEST((model_registry::open(at.path(), {}, 1).error().code == errc::unsupported));
  BOOST_TEST(at.get("registry.json") == j.dump());
}

BOOST_AUTO_TEST_CASE(damaged_ones_are_not_put_aside_for_ever) {
  temp_dir at;
  for (unsigned n = 1; n <= put_aside_max; ++n)
    at.put("registry.json.damaged-" + std::to_string(n), "");
  at.put("registry.json", "?");
  auto full = model_registry::open(at.path(), {}, 1);
  BOOST_TEST((full.error().code == errc::overloaded));
  BOOST_TEST(at.get("registry.json") == "?");
  std::filesystem::remove(at / "registry.json.damaged-7");
  BOOST_TEST(model_registry::open(at.path(), {}, 1).has_value());
  BOOST_TEST(at.get("registry.json.damaged-7") == "?");
}

BOOST_AUTO_TEST_CASE(files_that_nobody_listed_become_candidates_while_there_is_room) {
  temp_dir at;
  for (int n = 1; n <= 5; ++n) {
    BOOST_REQUIRE(make(n).save(at / file(n)));
    auto when = std::filesystem::file_time_type(std::chrono::hours(24 * n));
    std::filesystem::last_write_time(at / file(n), when);
  }
  BOOST_REQUIRE(make(6).save(at / "my-model.hbmodel")); // not under its own name
  std::filesystem::last_write_time(at / "my-model.hbmodel",
                                   std::filesystem::file_time_type(std::chrono::hours(1)));
  auto r = opened(at, {3, {}});
  BOOST_TEST((versions(r) == std::set{name(3), name(4), name(5)}));
  BOOST_TEST(r.list().back().version == name(5));
  BOOST_TEST((r.list()[0].origin == model_origin::imported));
  BOOST_TEST(warned(r, file(1) + " is not listed and there is no room"));
  for (int n = 1; n <= 5; ++n) BOOST_TEST(files(at).contains(file(n)));
  BOOST_TEST(files(at).contains("my-model.hbmodel"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(interrupted)

namespace {

/// What can be done to a registry of champions 1 and 2, candidate 3, room for four.
struct change {
  const char* what;
  std::function<result<void>(model_registry&)> make_it;
};
const std::vector<change>& changes() {
  static const std::vector<change> all{
      {"add", [](auto& r) { return r.add(make(4), {}, 9).map([](auto) {}); }},
      {"add and prune",
       [](auto& r) {
         return r.add(make(4), {}, 9)
             .and_then([&](auto) { return r.add(make(5), {}, 9); })
             .map([](auto) {});
       }},
      {"promote", [](auto& r) { return r.promote(name(3), "me", "", 9); }},
      {"rollback", [](auto& r) { return r.rollback("me", "", 9).map([](auto) {}); }}};
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
  for (const auto& [what, make_it] : changes()) {
    temp_dir start;
    furnish(start);
    bool finished = false;
    int cut_short = 0;
    for (int step = 0; !finished; ++step) {
      BOOST_TEST_CONTEXT(what << ", killed before step " << step) {
        temp_dir at;
        copy_all(start, at);
        finished = !killed_at(step, [&] {
          auto r = model_registry::open(at.path(), {4, {}}, 5); // takes no steps
          return r && make_it(*r);
        });
        cut_short += !finished;
        auto r = opened(at, {4, {}});
        check_consistent(at, r);
        BOOST_TEST((r.champion_version() == name(2) || r.champion_version() == name(1)
                    || r.champion_version() == name(3)));
        BOOST_TEST(!versions(r).contains(std::string{}));
        auto old = std::set{name(1), name(2)};
        BOOST_TEST(std::includes(versions(r).begin(), versions(r).end(), old.begin(), old.end()));
        // The change made again comes to what it would have come to.
        if (!finished && std::string_view(what) != "rollback") BOOST_TEST(make_it(r).has_value());
        auto again = taken(r);
        check_consistent(at, r);
        { auto gone = std::move(r); }
        BOOST_TEST((taken(opened(at, {4, {}})) == again));
      }
    }
    BOOST_TEST(cut_short >= 4, what << " has only " << cut_short << " steps");
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
  for (const auto& [what, make_it] : changes()) {
    if (std::string_view(what) == "add and prune") continue; // two changes
    bool finished = false;
    int refused = 0;
    for (int step = 0; !finished; ++step) {
      BOOST_TEST_CONTEXT(what << ", no room at step " << step) {
        temp_dir at;
        furnish(at);
        auto r = opened(at, {4, {}});
        auto before = taken(r);
        armed = trouble::full;
        steps_left = step;
        auto done = make_it(r);
        finished = steps_left >= 0;
        armed = trouble::none;
        if (!done) {
          ++refused;
          BOOST_TEST((done.error().code == errc::no_space));
          BOOST_TEST((taken(r) == before));
          BOOST_TEST(r.champion(1)->version() == name(2));
        }
        check_consistent(at, r);
        auto after = taken(r);
        { auto gone = std::move(r); }
        auto again = opened(at, {4, {}});
        BOOST_TEST((taken(again) == after));
        if (!done) BOOST_TEST(make_it(again).has_value()); // there is room again
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

BOOST_AUTO_TEST_SUITE_END()
