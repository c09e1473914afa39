#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "actors/config_keeper.hpp"
#include "actors/names.hpp"
#include "tests/support/stepped_scheduler.hpp"

using namespace harbinger;

namespace {

struct follower_state {
  static constexpr const char* name = "follower";
};
using told_list = std::shared_ptr<std::vector<double>>;

/// Stands for zone_manager: notes the enter_at it is told.
zone_manager_actor::behavior_type follower(zone_manager_actor::stateful_pointer<follower_state>,
                                           told_list told) {
  return {[](const risk_updated&) {}, [](const catalog_changed&) {},
          [=](const config_changed& changed) { told->push_back(changed.now->zones.enter_at); },
          [](tick) {}, [](const show_request&) { return show_reply{"{}"}; }};
}

struct deterministic {
  caf::actor_system_config cfg;
  caf::actor_system sys{cfg.load<testing::stepped_scheduler>()};
  caf::scoped_actor self{sys, true};
  testing::stepped_scheduler& sched = testing::stepped_scheduler::of(sys);
  context_ptr ctx = std::make_shared<context>();
  std::filesystem::path directory = std::filesystem::temp_directory_path()
                                    / ("harbinger-test-keeper-" + std::to_string(::getpid()));
  told_list told = std::make_shared<std::vector<double>>();
  config_keeper_actor keeper;

  deterministic() {
    sched.clock().current_time += std::chrono::hours(1);
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
    write_file("");
    ctx->config_file = (directory / "central.toml").string();
    ctx->config =
        std::make_shared<const settings>(*load_settings(daemon_role::central, ctx->config_file));
    ctx->wall_clock = [] { return unix_ms{1'000}; };
    restart_follower();
    restart_keeper();
  }
  ~deterministic() {
    caf::anon_send_exit(keeper, caf::exit_reason::kill);
    caf::anon_send_exit(ctx->names.find(names::zone_manager), caf::exit_reason::kill);
    advance(seconds(2));
    std::filesystem::remove_all(directory);
  }
  void write_file(const std::string& text) {
    std::ofstream(directory / "central.toml") << "state_dir = \"" << directory.string() << "\"\n"
                                              << text;
  }
  void restart_follower() {
    ctx->names.set(names::zone_manager, caf::actor_cast<caf::actor>(sys.spawn(follower, told)));
  }
  void restart_keeper() {
    if (keeper) caf::anon_send_exit(keeper, caf::exit_reason::kill);
    keeper = sys.spawn(config_keeper, ctx);
    sched.run();
  }
  void advance(duration time) {
    sched.advance_time(std::chrono::duration_cast<caf::timespan>(time));
    sched.run();
  }
  template <class Message>
  result<std::string> ask(const Message& message) {
    self->send(keeper, message);
    sched.run();
    result<std::string> answer = fail(errc::timeout);
    self->receive([&](const show_reply& r) { answer = r.document; },
                  caf::after(std::chrono::seconds(0)) >> [] {});
    return answer;
  }
  std::string value(const std::string& key) {
    return nlohmann::json::parse(*ask(config_get{key}))["rows"][0][1].get<std::string>();
  }
  result<std::string> command(const std::string& verb) {
    return ask(show_request{"config", {verb}});
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(a_valid_change_is_told_and_survives_a_restart_of_the_keeper,
                        deterministic) {
  BOOST_TEST(ask(config_set{"zones.enter_at", "0.7"}).has_value());
  BOOST_TEST(*told == std::vector<double>{0.7}, boost::test_tools::per_element());
  restart_keeper();
  BOOST_TEST(value("zones.enter_at") == "0.7");
}

BOOST_FIXTURE_TEST_CASE(an_invalid_change_changes_nothing, deterministic) {
  for (const auto& bad : {config_set{"zones.enter_at", "7"}, config_set{"zones.enter", "0.7"},
                          config_set{"zones.enter_at", "0.1"}})
    BOOST_TEST((ask(bad).error().code == errc::invalid_argument));
  BOOST_TEST(value("zones.enter_at") == "0.5");
  BOOST_TEST(told->empty());
  BOOST_TEST(!std::filesystem::exists(config_journal_path(directory.string())));
}

BOOST_FIXTURE_TEST_CASE(a_restarted_follower_is_told_again, deterministic) {
  ask(config_set{"zones.enter_at", "0.7"});
  restart_follower();
  advance(seconds(1));
  advance(seconds(1));
  BOOST_TEST(*told == (std::vector<double>{0.7, 0.7}), boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(rolling_back_undoes_one_change_after_the_other, deterministic) {
  ask(config_set{"zones.enter_at", "0.7"});
  ask(config_set{"zones.enter_at", "0.8"});
  BOOST_TEST(command("rollback").has_value());
  BOOST_TEST(value("zones.enter_at") == "0.7");
  restart_keeper();
  BOOST_TEST(command("rollback").has_value());
  BOOST_TEST(value("zones.enter_at") == "0.5");
  BOOST_TEST((command("rollback").error().code == errc::not_found));
  BOOST_TEST(told->back() == 0.5);
}

BOOST_FIXTURE_TEST_CASE(a_reloaded_file_counts_and_a_bad_one_is_refused_whole, deterministic) {
  write_file("zones.enter_at = 0.6\n");
  BOOST_TEST(command("reload").has_value());
  BOOST_TEST(value("zones.enter_at") == "0.6");
  write_file("zones.enter_at = 0.65\nzones.leave_at = \"low\"\n");
  auto refused = command("reload");
  BOOST_REQUIRE(!refused.has_value());
  BOOST_TEST(refused.error().detail.find("central.toml:3: zones.leave_at: wrong type")
             != std::string::npos);
  BOOST_TEST(value("zones.enter_at") == "0.6");
  BOOST_TEST(command("rollback").has_value());
  BOOST_TEST(value("zones.enter_at") == "0.5");
}

BOOST_FIXTURE_TEST_CASE(what_the_command_line_fixed_can_not_be_set, deterministic) {
  ctx->config_changes = {{"zones.enter_at", "0.9"}};
  restart_keeper();
  BOOST_TEST(ask(config_set{"zones.enter_at", "0.7"}).error().detail.find("command line")
             != std::string::npos);
}
