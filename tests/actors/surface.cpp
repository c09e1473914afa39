/// What people and other programs see of a daemon: its console, its events, its metrics.

#include <boost/test/unit_test.hpp>

#include <future>

#include "app/console_client.hpp"
#include "tests/support/surface_stage.hpp"

using namespace harbinger;
using namespace harbinger::testing;

// --- console ---

BOOST_FIXTURE_TEST_CASE(a_line_gets_its_document_over_the_socket, console_stage) {
  auto placement = start_scripted(names::prefetch_coordinator, {.document = R"({"asked":"1.0"})"});
  auto answering = std::async(std::launch::async, [&]() -> result<std::string> {
    auto client = console_client::connect(directory.string());
    if (!client) return tl::unexpected<error>(client.error());
    return client->ask({"placement", "1.0"}, seconds(30));
  });
  BOOST_TEST(eventually(
      [&] { return answering.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }));
  auto document = answering.get();
  BOOST_REQUIRE_MESSAGE(document, (document ? "" : to_string(document.error())));
  BOOST_TEST(*document == R"({"asked":"1.0"})");
  BOOST_TEST(placement->asked == 1u);
}

BOOST_FIXTURE_TEST_CASE(only_the_owner_may_open_the_console, console_stage) {
  BOOST_TEST(socket_mode() == 0600u);
}

BOOST_FIXTURE_TEST_CASE(lines_that_can_not_be_answered_get_a_clear_error, console_stage) {
  auto model = start_scripted(names::model_keeper, {.document = fail(errc::io, "no model file")});
  BOOST_TEST(refusal({"nonsense"}) == "not_found: unknown command \"nonsense\"; try help");
  BOOST_TEST(refusal({}) == "invalid_argument: empty command; try help");
  BOOST_TEST(refusal({"kill"}) == "invalid_argument: usage: kill ACTOR (see tree)");
  BOOST_TEST(refusal({"plan"}) == "unavailable: prefetch_coordinator is not running now");
  BOOST_TEST(refusal({"show", "nobody", "x"}) == "unavailable: nobody is not running now");
  BOOST_TEST(refusal({"model"}) == "io: no model file");
  start_scripted(names::config_keeper);
  BOOST_TEST(refusal({"config", "get"}) == "not_found: config_keeper has nothing of that kind");
  BOOST_TEST(still_answers());
}

BOOST_FIXTURE_TEST_CASE(frames_that_are_no_questions_are_refused_and_the_console_goes_on,
                        console_stage) {
  auto body = wire::encode(console_request{{"status"}});
  BOOST_TEST(refusal_of(answer_to(person->send({"console.request", 0, "no msgpack"})))
                 .starts_with("malformed: "));
  BOOST_TEST(refusal_of(answer_to(person->send({"console.request", 0, body.substr(0, 5)})))
                 .starts_with("malformed: "));
  BOOST_TEST(refusal_of(answer_to(person->send({"node.ping", 0, body})))
             == "unsupported: expected console.request, got node.ping");
  stranger odd{endpoint};
  for (const auto& parts :
       {words{"alone"}, words{"no header", body}, words{"", ""}, words{"a", "b", "c", "d", "e"}}) {
    odd.send(parts);
    std::optional<error_reply> why;
    BOOST_TEST(eventually([&] { return (why = odd.refused()).has_value(); }));
    if (why) BOOST_TEST(why->code == "malformed");
  }
  BOOST_TEST(still_answers());
}

BOOST_FIXTURE_TEST_CASE(a_line_that_is_too_long_is_refused_and_the_console_goes_on, console_stage) {
  for (size_t mib : {1, 2, 7})
    BOOST_TEST(refusal({"show", names::console, std::string(mib << 20, 'x')}).substr(0, 9)
               == "oversize:");
  BOOST_TEST(refusal(words(10'001, "x")) == "oversize: more than 10000 words");
  BOOST_TEST(still_answers());
}

BOOST_FIXTURE_TEST_CASE(a_flood_in_one_frame_costs_only_its_own_connection, console_stage) {
  person->send({"console.request", 0, std::string(32 << 20, 'x')}); // ZeroMQ hangs up, unread
  sit_down();
  BOOST_TEST(still_answers());
}

BOOST_FIXTURE_TEST_CASE(an_answer_too_large_for_a_frame_is_an_error_that_says_so, console_stage) {
  auto model = start_scripted(names::model_keeper, {.document = std::string(8 << 20, 'x')});
  BOOST_TEST(refusal({"model"}) == "oversize: the answer is larger than 8 MiB; ask for less");
  model->document = std::string((8 << 20) - 64, 'x'); // just fits
  auto fits = ask({"model"});
  BOOST_TEST((fits && *fits == *model->document));
}

BOOST_FIXTURE_TEST_CASE(a_child_that_does_not_answer_in_time_is_named, console_stage) {
  auto model = start_scripted(names::model_keeper, {.document = "late", .silent = true});
  start_scripted(names::zone_manager, {.document = "zones"});
  auto slow = person->send(line_frame({"model"}));
  BOOST_REQUIRE(eventually([&] { return model->asked == 1; }));
  BOOST_TEST(ask({"zones"}).value() == "zones"); // nobody waits for the slow one
  advance(milliseconds(4900));
  BOOST_TEST(!person->receive(milliseconds(20)).has_value());
  advance(milliseconds(200));
  BOOST_TEST(refusal_of(answer_to(slow)) == "timeout: model_keeper did not answer in time");
  model->silent = false, model->document = "now"; // the kept question is answered first, too late
  BOOST_TEST(ask({"model"}).value() == "now");
}

BOOST_FIXTURE_TEST_CASE(a_child_that_dies_with_the_question_does_not_keep_it, console_stage) {
  auto model = start_scripted(names::model_keeper, {.silent = true});
  auto lost = person->send(line_frame({"model"}));
  BOOST_REQUIRE(eventually([&] { return model->asked == 1; }));
  model->kept.clear();
  kill(names::model_keeper);
  advance(seconds(6));
  BOOST_TEST(refusal_of(answer_to(lost)) == "timeout: model_keeper did not answer in time");
  BOOST_TEST(refusal({"model"}) == "unavailable: model_keeper is not running now");
}

BOOST_FIXTURE_TEST_CASE(more_questions_than_the_limit_are_refused_until_some_are_answered,
                        console_stage) {
  auto model = start_scripted(names::model_keeper, {.document = "model", .silent = true});
  for (size_t i = 0; i < console_questions_max; ++i) person->send(line_frame({"model"}));
  BOOST_REQUIRE(eventually([&] { return model->asked == console_questions_max; }));
  BOOST_TEST(refusal({"model"}) == "overloaded: too many questions at once");
  advance(seconds(6));
  model->silent = false;
  BOOST_TEST(ask({"model"}).value() == "model");
}

BOOST_FIXTURE_TEST_CASE(status_is_answered_with_the_parts_that_are_there, console_stage) {
  start(names::event_publisher, event_publisher);
  raise("node_dead", severity::alert);
  auto zones = start_scripted(names::zone_manager, {.silent = true});
  auto id = person->send(line_frame({"status"}));
  BOOST_REQUIRE(eventually([&] { return zones->asked == 1; }));
  advance(milliseconds(2100));
  auto answer = answer_to(id);
  BOOST_REQUIRE(answer);
  auto status = nlohmann::json::parse(*answer);
  BOOST_TEST(status["role"] == "central");
  BOOST_REQUIRE(status["alerts"].size() == 1u);
  BOOST_TEST(status["alerts"][0]["text"] == "node_dead at n1");
  auto missing = status["missing"].get<words>();
  std::sort(missing.begin(), missing.end());
  BOOST_TEST(missing
                 == (words{"copies: unavailable: recovery_coordinator is not running now",
                           "nodes: unavailable: catalog_keeper is not running now",
                           "partitions: unavailable: catalog_keeper is not running now",
                           "zones: timeout: zone_manager did not answer in time"}),
             boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(a_node_s_console_knows_its_node_and_its_own_commands, console_stage) {
  kill(names::console);
  ctx->role = daemon_role::node;
  ctx->life = incarnation{7};
  config->node.id = node_id{"n4"};
  start(names::console, console);
  auto status = nlohmann::json::parse(ask_anew({"status"}).value());
  BOOST_TEST(status["node"] == "n4");
  BOOST_TEST(status["incarnation"] == 7);
  BOOST_TEST(refusal({"zones"})
             == "not_found: zones: not known to this role, ask the other daemon");
}

BOOST_FIXTURE_TEST_CASE(a_killed_console_answers_on_the_same_path_again, console_stage) {
  auto model = start_scripted(names::model_keeper, {.document = "model", .silent = true});
  person->send(line_frame({"model"})); // under way when the console dies
  BOOST_REQUIRE(eventually([&] { return model->asked == 1; }));
  kill(names::console);
  start(names::console, console);
  BOOST_TEST(socket_mode() == 0600u);
  model->silent = false;
  BOOST_TEST(ask_anew({"model"}).value() == "model"); // by the socket that was there before
}

BOOST_FIXTURE_TEST_CASE(a_console_can_be_killed_through_itself, console_stage) {
  kill(names::console);
  auto root = sys.spawn(supervisor, ctx,
                        supervisor_plan{"root", {}, {child(names::console, ctx, console)}});
  BOOST_REQUIRE(eventually([&] { return static_cast<bool>(ctx->names.find(names::console)); }));
  BOOST_REQUIRE(ask_anew({"tree"}));
  auto before = ctx->names.find(names::console);
  BOOST_TEST(ask({"kill", names::console}).value() == R"({"killed":"console"})");
  advance(milliseconds(50));
  BOOST_TEST((ctx->names.find(names::console) != before));
  auto tree = ask_anew({"tree"});
  BOOST_REQUIRE(tree);
  auto row = nlohmann::json::parse(*tree)["rows"][1];
  BOOST_TEST(row[0] == names::console);
  BOOST_TEST(row[5] == 1); // restarts
}

BOOST_FIXTURE_TEST_CASE(a_second_console_on_the_same_directory_quits_and_harms_nobody,
                        console_stage) {
  auto reason = end_of(child(names::console, ctx, console));
  BOOST_TEST(reason.find(endpoint + ": somebody listens there") != std::string::npos, reason);
  BOOST_TEST(still_answers());
}

// --- event_publisher ---

BOOST_FIXTURE_TEST_CASE(events_are_numbered_written_and_published, events_stage) {
  restart();
  subscriber heard{events_endpoint, {"event"}};
  wait_for(heard);
  auto first = listed_events().back()[0].get<uint64_t>() + 1;
  raise("zone_formed", severity::warning);
  raise("node_dead", severity::alert);
  BOOST_REQUIRE(eventually([&] { return heard.all<event>().size() == 2; }));
  auto published = heard.all<event>();
  auto written = lines();
  BOOST_REQUIRE(written.size() == first + 1);
  for (size_t i : {0u, 1u}) {
    auto line = nlohmann::json::parse(written[first - 1 + i]);
    BOOST_TEST(published[i].id == first + i);
    BOOST_TEST(line["id"] == first + i);
    BOOST_TEST(line["time"] == 1'000);
    BOOST_TEST(published[i].time.value == 1'000);
    BOOST_TEST(line["kind"] == published[i].kind);
    BOOST_TEST(line["fields"]["why"] == "test");
  }
  BOOST_TEST(published[1].kind == "node_dead");
  BOOST_TEST((published[1].level == severity::alert));
  BOOST_TEST(published[1].text == "node_dead at n1");
  BOOST_TEST(count_of("harbinger_events_total") == static_cast<double>(first + 1));
}

BOOST_FIXTURE_TEST_CASE(a_restarted_publisher_goes_on_numbering_and_keeps_its_subscribers,
                        events_stage) {
  config->endpoints.events = "tcp://127.0.0.1:" + std::to_string(free_port());
  restart();
  subscriber heard{config->endpoints.events, {"event"}};
  wait_for(heard);
  auto before = listed_events();
  restart();
  BOOST_TEST(listed_events() == before);
  wait_for(heard);
  auto last = listed_events().back()[0].get<uint64_t>();
  BOOST_TEST(last > before.back()[0].get<uint64_t>());
  BOOST_TEST(lines().size() == last); // one each, none twice
  raise("after");
  BOOST_REQUIRE(eventually([&] { return !heard.all<event>().empty(); }));
  BOOST_TEST(heard.all<event>()[0].id == last + 1);
}

BOOST_FIXTURE_TEST_CASE(a_line_cut_by_a_crash_costs_that_line_only, events_stage) {
  restart();
  for (const char* kind : {"one", "two", "three"}) raise(kind);
  kill(names::event_publisher);
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 20);
  restart();
  BOOST_TEST(ids_and_kinds(listed_events()) == (words{"1 one", "2 two"}),
             boost::test_tools::per_element());
  raise("four");
  restart();
  auto kept = ids_and_kinds(listed_events());
  BOOST_REQUIRE(kept.size() == 3u);
  BOOST_TEST(kept[1] == "2 two");
  BOOST_TEST(kept[2].ends_with(" four"));
  BOOST_TEST(lines().size() == 4u); // the cut line stays, on a line of its own
}

BOOST_FIXTURE_TEST_CASE(rubbish_in_the_file_stops_nothing, events_stage) {
  std::ofstream(file, std::ios::binary)
      << std::string("\0\xff\n{}\n[1,2]\nnull\n", 18) << std::string(100'000, '[');
  restart();
  raise("one");
  restart();
  auto kept = ids_and_kinds(listed_events());
  BOOST_REQUIRE(kept.size() == 1u);
  BOOST_TEST(kept[0].ends_with(" one")); // lines that can not be read keep their numbers
}

BOOST_FIXTURE_TEST_CASE(events_are_listed_by_number_and_limit, events_stage) {
  restart();
  for (int i = 1; i <= 150; ++i) raise("event_" + std::to_string(i));
  auto first_and_last = [&](words filter) {
    auto rows = listed_events(std::move(filter));
    return std::to_string(rows.size()) + ": " + rows.front()[0].dump() + ".."
           + rows.back()[0].dump();
  };
  BOOST_TEST(first_and_last({}) == "100: 51..150");
  BOOST_TEST(first_and_last({"0", "10"}) == "10: 141..150");
  BOOST_TEST(first_and_last({"20"}) == "100: 21..120");
  BOOST_TEST(first_and_last({"20", "3"}) == "3: 21..23");
  BOOST_TEST(first_and_last({"0", "18446744073709551615"}) == "150: 1..150");
  BOOST_TEST(listed_events({"150"}).empty());
  BOOST_TEST(listed_events({"0", "0"}).empty());
}

BOOST_FIXTURE_TEST_CASE(words_that_are_no_filter_are_refused, events_stage) {
  restart();
  for (const words& bad : {words{"yesterday"}, words{"-1"}, words{"1x"}, words{""},
                           words{"1", "many"}, words{"99999999999999999999"}}) {
    auto answer = show(names::event_publisher, "events", bad);
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST(to_string(answer.error())
               == "invalid_argument: \"" + bad.back()
                      + "\" is not a number; wanted: events [SINCE-ID [LIMIT]]");
  }
  BOOST_TEST(to_string(show(names::event_publisher, "zones").error())
             == "not_found: event_publisher shows events, not zones");
}

BOOST_FIXTURE_TEST_CASE(zones_and_changes_of_the_map_are_published_on_topics_of_their_own,
                        events_stage) {
  restart();
  subscriber all{events_endpoint}, only_zones{events_endpoint, {"zones"}};
  wait_for(all);
  partition_map change;
  change.previous = revision{6}, change.revision = revision{7};
  change.volumes = {{"files", 1, 8, 2}};
  zone formed;
  formed.id = zone_id{3};
  formed.members = {node_id{"n1"}, node_id{"n2"}};
  BOOST_REQUIRE(eventually([&] { // until the second subscription stands too
    tell<event_publisher_actor>(names::event_publisher,
                                zone_map{term{2}, 9, {formed}, false, {}, {}});
    return !only_zones.all<zone_map>().empty();
  }));
  tell<event_publisher_actor>(names::event_publisher,
                              catalog_changed{std::make_shared<const partition_map>(change)});
  BOOST_REQUIRE(eventually([&] { return !all.all<partition_map>().empty(); }));
  auto map = all.all<partition_map>()[0];
  BOOST_TEST((map.previous == revision{6} && map.revision == revision{7} && !map.whole));
  BOOST_REQUIRE(map.volumes.size() == 1u);
  BOOST_TEST(map.volumes[0].partitions == 8u);
  auto zones = all.all<zone_map>()[0];
  BOOST_TEST(zones.generation == 9u);
  BOOST_TEST(zones.zones.at(0).members.size() == 2u);
  raise("not_a_zone");
  BOOST_REQUIRE(eventually([&] { return all.all<event>().size() == 1; }));
  BOOST_TEST(only_zones.all<event>().empty());
  BOOST_TEST(only_zones.all<partition_map>().empty());
}

BOOST_FIXTURE_TEST_CASE(a_node_keeps_events_and_publishes_nothing, events_stage) {
  ctx->role = daemon_role::node;
  restart();
  raise("copy_started");
  tell<event_publisher_actor>(names::event_publisher, zone_map{});
  BOOST_TEST(ids_and_kinds(listed_events()) == words{"1 copy_started"});
  BOOST_TEST(!std::filesystem::exists(directory / "events.sock"));
}

BOOST_FIXTURE_TEST_CASE(a_publisher_that_can_not_work_ends_and_says_why, events_stage) {
  taken_port port;
  config->endpoints.events = "tcp://" + port.address();
  auto reason = end_of(child(names::event_publisher, ctx, event_publisher));
  BOOST_TEST(reason.find("endpoints.events tcp://" + port.address() + ": in_use")
                 != std::string::npos,
             reason);
  std::filesystem::remove(file);
  std::filesystem::create_directory(file);
  reason = end_of(child(names::event_publisher, ctx, event_publisher));
  BOOST_TEST(reason.find(file.string() + " can not be written") != std::string::npos, reason);
}

// --- metrics_exporter ---

BOOST_FIXTURE_TEST_CASE(a_scrape_shows_what_was_counted, metrics_stage) {
  auto port = free_port();
  serve_at("127.0.0.1:" + std::to_string(port));
  counter(ctx, "harbinger_test_total", "of this test", {{"node", "n1"}}).Increment(3);
  BOOST_TEST(http_get(port, "/metrics").starts_with("HTTP/1.1 200 OK"));
  BOOST_TEST(scraped(port, "harbinger_test_total") == words{"harbinger_test_total{node=\"n1\"} 3"});
  counter(ctx, "harbinger_test_total", "of this test", {{"node", "n1"}}).Increment();
  BOOST_TEST(scraped(port, "harbinger_test_total") == words{"harbinger_test_total{node=\"n1\"} 4"});
  BOOST_TEST(shown()["listening"] == true);
}

BOOST_FIXTURE_TEST_CASE(a_killed_exporter_serves_again_and_every_metric_once, metrics_stage) {
  auto port = free_port();
  auto address = "127.0.0.1:" + std::to_string(port);
  serve_at(address);
  counter(ctx, "harbinger_test_total", "of this test").Increment(3);
  for (int i = 0; i < 3; ++i) {
    kill(names::metrics_exporter);
    serve_at(address);
    BOOST_TEST(shown()["listening"] == true);
    BOOST_TEST(scraped(port, "harbinger_test_total") == words{"harbinger_test_total 3"});
  }
}

BOOST_FIXTURE_TEST_CASE(a_port_in_use_is_an_alert_and_is_taken_when_it_is_free, metrics_stage) {
  start(names::event_publisher, event_publisher);
  taken_port port;
  serve_at(port.address());
  BOOST_TEST(shown()["listening"] == false);
  BOOST_TEST(!shown()["failure"].get<std::string>().empty());
  for (int i = 0; i < 3; ++i) advance(seconds(5)); // it is tried again, and said once
  auto said = listed_events();
  BOOST_REQUIRE(said.size() == 1u);
  BOOST_TEST(said[0][2] == "alert");
  BOOST_TEST(said[0][3] == "metrics_unavailable");
  BOOST_TEST(said[0][5] == "metrics can not be served at " + port.address());
  port.release();
  counter(ctx, "harbinger_test_total", "of this test").Increment();
  advance(seconds(5));
  BOOST_TEST(shown()["listening"] == true);
  BOOST_TEST(shown()["failure"] == "");
  BOOST_TEST(scraped(port.number, "harbinger_test_total") == words{"harbinger_test_total 1"});
}

BOOST_FIXTURE_TEST_CASE(an_address_without_sense_ends_nothing, metrics_stage) {
  start(names::event_publisher, event_publisher);
  serve_at("nowhere:at:all");
  BOOST_TEST(shown()["listening"] == false);
  BOOST_TEST(listed_events().back()[5] == "metrics can not be served at nowhere:at:all");
}

BOOST_FIXTURE_TEST_CASE(without_an_address_nothing_is_served_and_nobody_is_alarmed, metrics_stage) {
  start(names::event_publisher, event_publisher);
  serve_at("");
  BOOST_TEST(shown()["listening"] == false);
  BOOST_TEST(listed_events().empty());
}
