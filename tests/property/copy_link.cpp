/// copy_pull and copy_source over a link that loses, repeats, delays, reorders and damages, between
/// sources that crash, trim their logs and lag, and a target that crashes. At every moment a copy
/// that calls itself complete holds exactly a state that the primary was in (P3); once the faults
/// end it becomes equal.

#include <boost/test/unit_test.hpp>

#include <deque>
#include <random>

#include "prefetch/copy_pull.hpp"
#include "prefetch/copy_source.hpp"
#include "wire/rows.hpp"

using namespace harbinger;

namespace {

using rows_map = std::map<std::string, std::string>;
constexpr partition_id part{7};

digest digest_of(const rows_map& rows) {
  digest sum;
  for (const auto& [key, value] : rows) sum.add(key, value);
  return sum;
}

/// What the primary wrote: every state it was ever in.
struct truth {
  std::vector<log_entry> log;
  std::vector<rows_map> states{rows_map{}};
  epoch_history history{{epoch{1}, seq_no{1}}};

  version head() const { return log.empty() ? version{} : log.back().version; }
  void write(std::mt19937_64& random) {
    log_entry entry;
    entry.version = {history.back().epoch, seq_no{log.size() + 1}};
    auto state = states.back();
    for (int i = 0; i < 3; ++i) {
      auto key = "k" + std::to_string(random() % 40);
      if (random() % 4 == 0) {
        entry.batch.ops.push_back({op_kind::erase, bytes{key}, {}});
        state.erase(key);
      } else {
        auto value = std::string(random() % 50, 'v') + std::to_string(random());
        entry.batch.ops.push_back({op_kind::put, bytes{key}, bytes{value}});
        state[key] = value;
      }
    }
    log.push_back(entry);
    states.push_back(state);
  }
};

class frozen_rows final : public snapshot_reader {
public:
  explicit frozen_rows(rows_map rows) : rows_(std::move(rows)) {}
  result<slice> read(const std::string& from, size_t bytes_max) override {
    wire::row_packer packer;
    auto it = rows_.lower_bound(from);
    for (; it != rows_.end() && packer.size_bytes() < bytes_max; ++it)
      packer.add(it->first, it->second);
    bool end = it == rows_.end();
    return slice{packer.finish(), end ? std::string{} : it->first, end};
  }

private:
  rows_map rows_;
};

/// A node that serves: it has the first `holds` entries of the truth, and its log from `trimmed`
/// on.
struct source_node {
  std::string endpoint;
  std::unique_ptr<copy_source> sessions;
  size_t holds = 0, trimmed = 0;
  bool up = true;

  copy_reply answer(const truth& t, const send_to_source& ask, time_point now) {
    if (const auto* m = std::get_if<snapshot_open>(&ask.message)) {
      snapshot_opened info;
      info.version = holds == 0 ? version{} : t.log[holds - 1].version;
      info.digest = digest_of(t.states[holds]).sums();
      info.records = t.states[holds].size();
      info.history = t.history;
      auto made =
          m->resume.empty()
              ? sessions->open(part, info, std::make_unique<frozen_rows>(t.states[holds]), now)
              : sessions->resume(part, m->resume, now);
      return reply(ask.id, made);
    }
    if (const auto* m = std::get_if<snapshot_pull>(&ask.message))
      return reply(ask.id, sessions->pull(*m, now));
    const auto& m = std::get<delta_pull>(ask.message);
    if (m.after.seq.value < trimmed) return {ask.id, error{errc::log_trimmed, {}}};
    delta_batch batch;
    batch.partition = part;
    batch.head = holds == 0 ? version{} : t.log[holds - 1].version;
    batch.digest = digest_of(t.states[holds]).total();
    batch.history = t.history;
    for (size_t i = m.after.seq.value; i < holds && batch.entries.size() < 4; ++i)
      batch.entries.push_back(t.log[i]);
    return {ask.id, batch};
  }
  template <class T>
  static copy_reply reply(uint64_t id, const result<T>& made) {
    if (made) return {id, *made};
    return {id, made.error()};
  }
};

/// The target's store: what is durable, and what is.
struct target_store {
  local_replica local;
  rows_map rows;

  result<void> apply(const copy_action& action, copy_id copy) {
    if (const auto* a = std::get_if<begin_copy>(&action)) {
      rows.clear();
      local = {true, replica_role::copy, replica_state::copying, copy, {}, 0, 0, a->cursor};
    } else if (const auto* a = std::get_if<ingest_chunk>(&action)) {
      if (a->index < local.chunks) return {};
      if (a->index > local.chunks) return fail(errc::gap);
      for (const auto& row : a->rows.rows())
        if (!rows.emplace(row.key, row.value).second)
          return fail(errc::internal, "a row came twice");
      ++local.chunks;
    } else if (const auto* a = std::get_if<finish_copy>(&action)) {
      if (digest_of(rows) != digest::from_sums(a->digest)) return fail(errc::checksum);
      local.state = replica_state::following;
      local.version = a->version;
    } else if (const auto* a = std::get_if<apply_deltas>(&action)) {
      if (a->entries.front().version.seq.value != local.version.seq.value + 1)
        return fail(errc::gap);
      for (const auto& entry : a->entries) {
        for (const auto& op : entry.batch.ops) {
          if (op.kind == op_kind::put)
            rows[op.key.data] = op.value.data;
          else
            rows.erase(op.key.data);
        }
        local.version = entry.version;
      }
    } else if (const auto* a = std::get_if<mark_copy>(&action)) {
      local.state = a->state;
    }
    local.digest = digest_of(rows).total();
    return {};
  }
};

bool answers(const copy_action& action) {
  return std::holds_alternative<finish_copy>(action)
         || std::holds_alternative<apply_deltas>(action);
}

struct world {
  std::mt19937_64 random;
  time_point now = time_point{} + std::chrono::hours(1);
  truth t;
  std::vector<source_node> sources;
  target_store store;
  std::unique_ptr<copy_pull> pull;
  std::shared_ptr<token_bucket> bucket = std::make_shared<token_bucket>();
  std::multimap<time_point, std::function<void()>> link;
  double loss = 0.1, repeat = 0.1, damage = 0.05;
  uint64_t lives = 0;
  start_copy command;

  explicit world(uint64_t seed) : random(seed) {
    for (auto name : {"a", "b"}) sources.push_back({name, nullptr, 0, 0, true});
    for (auto& s : sources) restart(s);
    command.partition = part;
    command.copy = copy_id{1};
    command.sources = {{node_id{"a"}, "a"}, {node_id{"b"}, "b"}};
    command.rate_bytes_per_s = random() % 2 ? 0 : 20'000;
    for (int i = 0; i < 60; ++i) t.write(random);
    sources[0].holds = t.log.size();
    restart_target();
  }

  bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(random) < p; }
  void restart(source_node& s) {
    s.sessions = std::make_unique<copy_source>("life" + std::to_string(++lives),
                                               copy_source_limits{.chunk_bytes = 150});
  }
  copy_limits limits() const {
    copy_limits out;
    out.credits = 4;
    out.retry = milliseconds(50);
    out.reply_timeout = milliseconds(100);
    out.retries_max = 4;
    return out;
  }
  void restart_target() {
    pull = std::make_unique<copy_pull>(part, limits(), bucket);
    auto begun = pull->begin(command, store.local, now);
    BOOST_REQUIRE(begun);
    run(*begun);
  }

  void run(const copy_actions& actions) {
    bool refused = false;
    for (const auto& action : actions) {
      if (const auto* send = std::get_if<send_to_source>(&action)) {
        post(*send);
      } else if (!refused) {
        auto done = store.apply(action, pull->copy());
        check();
        refused = !done;
        if (done && !answers(action)) continue;
        run(pull->step(copy_stored{done}, store.local, now));
      }
    }
  }

  /// A request on its way; its reply takes the same risks.
  void post(const send_to_source& ask) {
    transfer([this, ask] {
      for (auto& s : sources) {
        if (s.endpoint != ask.endpoint || !s.up) continue;
        auto reply = s.answer(t, ask, now);
        if (auto* chunk = std::get_if<snapshot_chunk>(&reply.message);
            chunk && !chunk->rows.empty() && chance(damage)) {
          std::string bytes{chunk->rows.view()};
          bytes[random() % bytes.size()] ^= 1;
          chunk->rows = blob(std::move(bytes));
        }
        transfer([this, reply, life = pull.get()] {
          if (pull.get() == life) run(pull->step(reply, store.local, now));
        });
      }
    });
  }
  void transfer(std::function<void()> what) {
    if (chance(loss)) return;
    auto copies = chance(repeat) ? 2 : 1;
    for (int i = 0; i < copies; ++i) link.emplace(now + milliseconds(1 + random() % 30), what);
  }

  void advance(duration d) {
    auto end = now + d;
    while (!link.empty() && link.begin()->first <= end) {
      now = std::max(now, link.begin()->first);
      auto what = std::move(link.begin()->second);
      link.erase(link.begin());
      what();
    }
    now = end;
    run(pull->step(copy_tick{}, store.local, now));
  }

  /// P3.
  void check() const {
    if (!store.local.present || store.local.state == replica_state::copying) return;
    auto seq = store.local.version.seq.value;
    BOOST_REQUIRE(seq < t.states.size());
    BOOST_REQUIRE(store.rows == t.states[seq]);
  }

  void mishap() {
    auto& s = sources[random() % sources.size()];
    switch (random() % 8) {
    case 0: restart(s); break;
    case 1: s.up = !s.up; break;
    case 2: s.trimmed = s.holds > 3 ? s.holds - 3 : 0; break;
    case 3: restart_target(); break;
    case 4:
      if (store.local.state != replica_state::copying) break;
      store = {}; // nothing was durable yet
      restart_target();
      break;
    case 5: std::swap(command.sources[0], command.sources[1]); break;
    default: break;
    }
    if (random() % 20 == 0)
      t.history.push_back({epoch{t.history.back().epoch.value + 1}, seq_no{t.log.size() + 1}});
    t.write(random);
    sources[0].holds = t.log.size();
    sources[1].holds = t.log.size() - random() % 3;
  }
};

} // namespace

BOOST_AUTO_TEST_CASE(a_copy_is_always_a_state_of_the_primary_and_ends_equal) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      world w(seed);
      for (int i = 0; i < 150; ++i) {
        if (w.chance(0.3)) w.mishap();
        w.advance(milliseconds(10));
      }
      w.loss = w.repeat = w.damage = 0;
      for (auto& s : w.sources) {
        s.up = true;
        s.trimmed = 0;
        s.holds = w.t.log.size();
      }
      for (int i = 0; i < 1000 && w.store.local.version != w.t.head(); ++i) {
        if (w.pull->progress().state == replica_state::failed)
          w.restart_target(); // as the centre does
        w.advance(milliseconds(10));
      }
      BOOST_REQUIRE(w.store.local.state == replica_state::following);
      BOOST_REQUIRE(w.store.local.version == w.t.head());
      BOOST_REQUIRE(w.store.rows == w.t.states.back());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_slow_budget_is_kept) {
  world w(3);
  w.loss = w.repeat = w.damage = 0;
  w.command.copy = copy_id{2};
  w.command.rate_bytes_per_s = 1000;
  w.restart_target();
  auto begun = w.now;
  uint64_t most = 0;
  for (int i = 0; i < 100; ++i) {
    w.advance(milliseconds(10));
    auto allowed =
        1000 * to_seconds(w.now - begun) + 100 + 4 * 250; // rate, burst, what was under way
    BOOST_REQUIRE(static_cast<double>(w.pull->progress().copied_bytes)
                  <= allowed * 2); // compressed on the way
    most = w.pull->progress().copied_bytes;
  }
  BOOST_TEST(most > 0u);
}
