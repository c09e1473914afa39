#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <random>

#include "app/config.hpp"
#include "app/config_history.hpp"
#include "app/quick_settings.hpp"

using namespace harbinger;

namespace {

const std::string least_node = "node.id = \"n1\"\nmass_storage.directory = \"/m\"\n";

result<settings> central(const std::string& text, const std::vector<config_change>& changes = {}) {
  return parse_settings(daemon_role::central, text, "central.toml", changes);
}
std::string refusal(const result<settings>& r) { return r ? "accepted" : r.error().detail; }

} // namespace

BOOST_AUTO_TEST_CASE(the_table_and_the_committed_files_agree) {
  for (auto role : {daemon_role::central, daemon_role::node}) {
    auto path = std::string{HARBINGER_SOURCE_DIR "/config/"} + std::string{name_of(role)} + ".toml";
    auto text = read_text_file(path);
    BOOST_REQUIRE(text.has_value());
    BOOST_TEST(*text == documented_config(role),
               path << " differs from: harbingerd " << name_of(role) << " --print-config");
    auto parsed = parse_settings(role, *text, path);
    BOOST_TEST(parsed.has_value(), refusal(parsed));
  }
}

BOOST_AUTO_TEST_CASE(what_a_key_gets_it_can_set_again) {
  const settings defaults;
  for (const auto& key : config_keys()) {
    if (key.required) continue;
    auto role = key.central ? daemon_role::central : daemon_role::node;
    auto parsed = parse_settings(
        role, (role == daemon_role::node ? least_node : "") + key.name + " = " + key.get(defaults),
        "f");
    BOOST_TEST_CONTEXT(key.name) {
      BOOST_REQUIRE_MESSAGE(parsed.has_value(), refusal(parsed));
      BOOST_TEST(key.get(*parsed) == key.get(defaults));
      BOOST_TEST(!key.effect.empty());
    }
  }
}

BOOST_AUTO_TEST_CASE(mistakes_are_refused_with_file_line_key_and_reason) {
  BOOST_TEST(refusal(central("threads = 2\n\nthreds = 3\n"))
             == "central.toml:3: threds: unknown key");
  BOOST_TEST(refusal(central("[zones]\nenter_at = \"high\"\n"))
             == "central.toml:2: zones.enter_at: wrong type, wanted a number");
  BOOST_TEST(refusal(central("[zones]\nenter_at = 1.5\n"))
             == "central.toml:2: zones.enter_at: 1.5 is out of range 0.0..1.0");
  BOOST_TEST(refusal(central("[zones]\nenter_at = nan\n")).find("out of range")
             != std::string::npos);
  BOOST_TEST(refusal(central("threads = -1\n"))
             == "central.toml:1: threads: -1 is out of range 1..64");
  BOOST_TEST(refusal(central("threads = 2.0\n"))
             == "central.toml:1: threads: wrong type, wanted an integer");
  BOOST_TEST(refusal(central("a = \n")).starts_with("central.toml:1: "));
  BOOST_TEST(refusal(central("threads = 1\nthreads = 2\n")).starts_with("central.toml:2: "));
  BOOST_TEST(refusal(central("[endpoints]\ncontrol = \"tcp://x:99999\"\n"))
                 .find("the port must be 1..65535")
             != std::string::npos);
  BOOST_TEST(refusal(central("[node]\nid = \"n1\"\n"))
             == "central.toml:2: node.id: is not a key of this role (central)");
  BOOST_TEST(refusal(central("threads = 1979-05-27\n"))
             == "central.toml:1: threads: wrong type, wanted integer");
  BOOST_TEST(refusal(central("[zones]\nescalate_at = 0.0\n"))
             == "central.toml:2: zones.escalate_at: 0.0 is out of range 0.01..1.0");
  BOOST_TEST(refusal(central("[zones]\nescalated_max = 16385\n"))
             == "central.toml:2: zones.escalated_max: 16385 is out of range 0..16384");
}

BOOST_AUTO_TEST_CASE(rules_between_keys_name_the_line_too) {
  BOOST_TEST(refusal(central("[zones]\nenter_at = 0.3\nleave_at = 0.4\n"))
             == "central.toml:3: zones.leave_at: must be less than zones.enter_at");
  BOOST_TEST(refusal(central("zones.enter_at = 0.1\n"))
             == "central.toml: zones.leave_at: must be less than zones.enter_at");
  BOOST_TEST(refusal(central("prediction.models = [\"oracle\"]\n")).find("\"oracle\" is no kind")
             != std::string::npos);
  BOOST_TEST(refusal(central("prediction.more_horizons_s = [60, 3600]\n")).find("twice")
             != std::string::npos);
  BOOST_TEST(refusal(central("prediction.windows_s = [10, 5]\n")).find("must grow")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_node_needs_its_name_and_its_mass_storage) {
  auto parse = [](const std::string& text) {
    return parse_settings(daemon_role::node, text, "node.toml");
  };
  BOOST_TEST(refusal(parse("")) == "node.toml: node.id: is required");
  BOOST_TEST(refusal(parse("node.id = \"n1\""))
             == "node.toml: mass_storage.directory: is required");
  BOOST_TEST(
      refusal(parse("node.id = \"n 1\"")).starts_with("node.toml:1: node.id: \"n 1\" is not"));
  auto good = parse(least_node + "node.attributes = { rack = \"r1\" }");
  BOOST_REQUIRE(good.has_value());
  BOOST_TEST(good->node.attributes.at("rack") == "r1");
}

BOOST_AUTO_TEST_CASE(changes_win_over_the_file) {
  auto changed = central(
      "threads = 3", {{"threads", "4"}, {"log_level", "debug"}, {"zones.domains", "[\"rack\"]"}});
  BOOST_REQUIRE_MESSAGE(changed.has_value(), refusal(changed));
  BOOST_TEST(changed->threads == 4u);
  BOOST_TEST(changed->log_level == "debug");
  BOOST_TEST(changed->zones.domains.size() == 1u);
  BOOST_TEST(refusal(central("", {{"threads", "many"}}))
             == "threads: \"many\" is not a TOML value");
  BOOST_TEST(refusal(central("", {{"threads", "1\nv2 = 3"}}))
             == "threads: wrong type, wanted integer");
  BOOST_TEST(!parse_config_change("threads").has_value());
  BOOST_TEST(parse_config_change(" threads = 3 ")->value == "3");
}

BOOST_AUTO_TEST_CASE(differences_list_keys_with_both_values) {
  settings from, to;
  to.zones.enter_at = 0.75;
  auto found = differences(from, to);
  BOOST_REQUIRE(found.size() == 1u);
  BOOST_TEST(found[0].key == "zones.enter_at");
  BOOST_TEST(found[0].from == "0.5");
  BOOST_TEST(found[0].to == "0.75");
}

BOOST_AUTO_TEST_CASE(random_bytes_never_get_through_and_never_throw) {
  std::mt19937 engine(20);
  auto base = documented_config(daemon_role::central);
  for (int i = 0; i < 3000; ++i) {
    auto text = base;
    for (int k = 0; k < 3; ++k) text[engine() % text.size()] = static_cast<char>(engine());
    if (engine() % 4 == 0) text.resize(engine() % text.size());
    auto parsed = parse_settings(daemon_role::central, text, "f");
    if (!parsed)
      BOOST_TEST(parsed.error().detail.starts_with("f:"),
                 "seed 20, round " << i << ": " << parsed.error().detail);
  }
}

// --- changes at run time ---

namespace {

config_history::entry set_entry(const config_history& history, const std::string& key,
                                const std::string& from, const std::string& to) {
  auto after = history.entries().empty() ? std::map<std::string, std::string>{}
                                         : history.entries().back().after;
  after[key] = to;
  return history.make("set", {{key, from, to}}, after, unix_ms{5});
}

} // namespace

BOOST_AUTO_TEST_CASE(the_journal_reads_back_what_was_written) {
  config_history history;
  history.add(set_entry(history, "threads", "2", "3"));
  history.add(set_entry(history, "zones.domains", "[]", "[\"a b\"]"));
  std::string text;
  for (const auto& e : history.entries()) text += config_history::line_of(e);
  auto back = config_history::parse(text);
  BOOST_REQUIRE(back.has_value());
  BOOST_TEST(back->entries().size() == 2u);
  BOOST_TEST((back->overrides()
              == std::vector<config_change>{{"threads", "3"}, {"zones.domains", "[\"a b\"]"}}));
  BOOST_TEST(config_history::parse(text.substr(0, text.size() - 5))->entries().size() == 1u,
             "a cut last line is passed over");
  BOOST_TEST(config_history::parse("nonsense\n" + text).error().detail.starts_with("line 1: "));
}

BOOST_AUTO_TEST_CASE(rolling_back_goes_one_change_further_each_time) {
  config_history history;
  history.add(set_entry(history, "threads", "2", "3"));
  history.add(set_entry(history, "threads", "3", "4"));
  BOOST_TEST(history.next_to_undo()->id == 2u);
  history.add(history.make("rollback", {}, {{"threads", "3"}}, unix_ms{}, 2));
  BOOST_TEST(history.next_to_undo()->id == 1u);
  history.add(history.make("rollback", {}, {}, unix_ms{}, 1));
  BOOST_TEST((history.next_to_undo().error().code == errc::not_found));
}

BOOST_AUTO_TEST_CASE(a_journal_survives_a_crash_in_the_middle_of_a_line) {
  auto directory = std::filesystem::temp_directory_path() / "harbinger-test-config-journal";
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  config_history history;
  for (int i = 0; i < 2; ++i) {
    auto e = set_entry(history, "threads", "2", std::to_string(3 + i));
    BOOST_REQUIRE(append_config_journal(directory.string(), history, e).has_value());
    history.add(e);
  }
  auto path = config_journal_path(directory.string());
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 4);
  auto cut = read_config_journal(directory.string());
  BOOST_REQUIRE(cut.has_value());
  BOOST_TEST(cut->entries().size() == 1u);
  auto e = set_entry(*cut, "threads", "3", "9");
  BOOST_REQUIRE(append_config_journal(directory.string(), *cut, e).has_value());
  auto whole = read_config_journal(directory.string());
  BOOST_REQUIRE(whole.has_value());
  BOOST_TEST(whole->entries().size() == 2u);
  BOOST_TEST(whole->overrides()[0].value == "9");
  std::filesystem::remove_all(directory);
}

BOOST_AUTO_TEST_CASE(quick_settings_are_settings) {
  auto centre = parsed_quick_settings();
  BOOST_REQUIRE_MESSAGE(centre, refusal(centre));
  BOOST_TEST(centre->prediction.horizon_s == 20.0);
  BOOST_TEST(centre->prediction.windows_s == (std::vector<double>{3, 10, 40}),
             boost::test_tools::per_element());
  std::vector<config_change> changes;
  for (const auto& [key, value] : quick_node_settings()) changes.push_back({key, value});
  auto node = parse_settings(daemon_role::node, least_node, "node.toml", changes);
  BOOST_TEST(node.has_value(), refusal(node));
}
