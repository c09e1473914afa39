#include "app/campaign.hpp"

#include <algorithm>
#include <cstdio>
#include <random>

#include "app/campaign_history.hpp"
#include "app/cluster.hpp"
#include "app/load.hpp"
#include "app/observers.hpp"
#include "app/quick_settings.hpp"
#include "app/trouble_driver.hpp"
#include "history/journal.hpp"

namespace harbinger {

namespace {

using steady = std::chrono::steady_clock;

constexpr double trouble_max_s = 75;

constexpr std::array mixture{
    trouble_kind::memory_leak, trouble_kind::cpu_starvation, trouble_kind::error_storm,
    trouble_kind::bulk_load,   trouble_kind::memory_leak,    trouble_kind::cpu_starvation,
    trouble_kind::error_storm, trouble_kind::memory_plateau, trouble_kind::memory_leak,
    trouble_kind::load_burst,  trouble_kind::cpu_starvation, trouble_kind::error_storm,
    trouble_kind::bulk_load,   trouble_kind::memory_leak,    trouble_kind::short_stalls,
    trouble_kind::few_errors,  trouble_kind::bulk_load,      trouble_kind::none,
};

class one_run {
public:
  one_run(const campaign_options& options, uint32_t index)
      : options_(options),
        engine_(options.seed * 1'000'003 + index),
        kind_(campaign_kind(options, index)) {
    char name[64];
    std::snprintf(name, sizeof name, "%llu-%03u-%s", static_cast<unsigned long long>(options.seed),
                  index, std::string{name_of(kind_)}.c_str());
    info_.name = name;
    info_.trouble = std::string{name_of(kind_)};
    info_.seed = engine_();
    info_.sample_ms = 200;
  }

  const std::string& name() const { return info_.name; }

  result<std::string> run() {
    auto done = record();
    if (done) done = keep();
    cluster_.reset();
    if (!done) return tl::unexpected<error>(done.error());
    return summary_;
  }

private:
  double random(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(engine_);
  }

  result<> record();
  result<> start();
  result<> bulk_load();
  result<> trouble(load& traffic);
  result<> nobody_else_died();
  result<> keep();

  const campaign_options& options_;
  std::mt19937_64 engine_;
  trouble_kind kind_;
  campaign_run info_;
  std::unique_ptr<cluster> cluster_;
  std::string summary_;
};

result<> one_run::start() {
  cluster_options c;
  c.programs = options_.programs;
  c.nodes = options_.nodes;
  c.with_trouble = true;
  c.central = quick_central_settings();
  c.central["history.keep"] = "true";
  c.node = quick_node_settings();
  auto prepared = cluster::prepare(c);
  if (!prepared) return tl::unexpected<error>(prepared.error());
  cluster_ = std::move(*prepared);
  if (auto started = cluster_->start(seconds(20)); !started) return started;
  for (const char* volume : {"inodes", "extents"}) {
    if (auto made = cluster_->create_volume(volume, 12, 2, seconds(10)); !made) return made;
    preload_options p;
    p.control_endpoint = cluster_->control_endpoint();
    p.volume = volume;
    p.bytes_per_partition = static_cast<uint64_t>(random(0.5, 8.0) * (1 << 20));
    if (auto filled = preload(p); !filled)
      return fail(filled.error().code, "preload: " + filled.error().detail);
  }
  return {};
}

result<> one_run::record() {
  auto begun = steady::now();
  if (auto started = start(); !started) return started;
  load_options l;
  l.control_endpoint = cluster_->control_endpoint();
  l.volumes = {"inodes", "extents"};
  l.seed = info_.seed;
  l.writes_per_s = random(40, 200);
  l.reads_per_s = random(40, 200);
  info_.attributes["writes_per_s"] = std::to_string(static_cast<int>(l.writes_per_s));
  load traffic(l);
  traffic.start();
  if (!pause_for(from_seconds(random(options_.warm_up_min_s, options_.warm_up_max_s))))
    return fail(errc::cancelled, "interrupted");
  if (auto done = trouble(traffic); !done) return done;
  auto left = from_seconds(options_.length_min_s) - (steady::now() - begun);
  if (!pause_for(std::max<duration>(left, from_seconds(options_.tail_s))))
    return fail(errc::cancelled, "interrupted");
  traffic.stop();
  info_.end_ms = moment_now().wall_time.value;
  return nobody_else_died();
}

result<> one_run::nobody_else_died() {
  for (auto& node : cluster_->nodes())
    if (!(info_.death_ms && node.name == info_.node.value))
      if (auto end = node.daemon.ended())
        return fail(errc::unavailable, node.name + " ended too, with " + to_string(*end));
  return {};
}

/// What the centre kept becomes part of the campaign; it is complete when the centre has ended.
result<> one_run::keep() {
  cluster_->stop(seconds(10));
  auto kept = read_journal(cluster_->central_state() + '/' + journal_directory);
  if (!kept) return tl::unexpected<error>(kept.error());
  if (kept->segments_lost + kept->lines_lost > 0)
    return fail(errc::malformed, "the centre's history is damaged");
  if (kept->data.samples.empty()) return fail(errc::not_found, "the centre kept no sample");
  return add_run(options_.out, history_of_run(std::move(kept->data), info_));
}

result<> one_run::bulk_load() {
  info_.trouble_start_ms = moment_now().wall_time.value;
  if (auto made = cluster_->create_volume("bulk", 12, 2, seconds(10)); !made) return made;
  preload_options p;
  p.control_endpoint = cluster_->control_endpoint();
  p.volume = "bulk";
  p.bytes_per_partition = static_cast<uint64_t>(random(2, 10) * (1 << 20));
  auto filled = preload(p);
  if (!filled) return fail(filled.error().code, "bulk load: " + filled.error().detail);
  summary_ = std::to_string(filled->bytes >> 20) + " MiB filled in";
  return {};
}

result<> one_run::trouble(load& traffic) {
  if (kind_ == trouble_kind::none) return {};
  if (kind_ == trouble_kind::bulk_load) return bulk_load();
  auto& node = cluster_->nodes()[engine_() % cluster_->nodes().size()];
  auto used = address_space_of(node.daemon.pid());
  trouble_plan plan(kind_, info_.seed,
                    node_memory_default_bytes - std::min(used, node_memory_default_bytes));
  info_.node = node_id{node.name};
  info_.trouble_start_ms = moment_now().wall_time.value;
  info_.attributes["plan"] = plan.describe_numbers();
  death_watch watch(node.daemon.pid());
  trouble_driver driver(plan, node);
  auto begun = steady::now();
  while (!driver.over()) {
    traffic.set_factor(driver.load_factor());
    if (auto death = watch.seen()) {
      auto end = node.daemon.wait(seconds(1));
      info_.death_ms = death->wall_time.value;
      info_.attributes["death"] = end ? to_string(*end) : "?";
      char text[128];
      std::snprintf(text, sizeof text, "%s died %.1f s after the onset (%s)", node.name.c_str(),
                    to_seconds(death->at - begun), info_.attributes["death"].c_str());
      summary_ = text;
      return {};
    }
    if (steady::now() - begun > from_seconds(trouble_max_s))
      return fail(errc::timeout, node.name + " outlived its trouble");
    if (!pause_for(milliseconds(20))) return fail(errc::cancelled, "interrupted");
  }
  summary_ = "passed on " + node.name;
  return {};
}

} // namespace

trouble_kind campaign_kind(const campaign_options& options, uint32_t index) {
  if (!options.kinds.empty()) return options.kinds[index % options.kinds.size()];
  return mixture[index % mixture.size()];
}

result<uint32_t> run_campaign(const campaign_options& options) {
  auto before = campaign_so_far(options.out);
  if (!before) return tl::unexpected<error>(before.error());
  uint32_t made = 0;
  for (uint32_t index = options.first; index < options.first + options.runs; ++index) {
    one_run run(options, index);
    auto done =
        has_run(*before, run.name()) ? fail(errc::conflict, "it is there already") : run.run();
    if (interrupted()) return fail(errc::cancelled, "interrupted");
    if (done) ++made;
    if (options.say) options.say(run.name() + ": " + (done ? *done : to_string(done.error())));
  }
  return made;
}

} // namespace harbinger
