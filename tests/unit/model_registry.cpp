/// Models of a service on disk: added, promoted, rolled back, pruned; damaged and foreign files.

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <tuple>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "../support/registry_stage.hpp"

using namespace harbinger;
using namespace harbinger::predict;
using namespace harbinger::test;

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
