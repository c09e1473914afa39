/// Twins: the store of the simulated nodes (tests/support/memory_store.hpp) and the real one get
/// the same random calls and give the same answers.

#include <boost/test/unit_test.hpp>

#include <random>

#include "store/head_codec.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/support/seeds.hpp"
#include "tests/support/temp_dir.hpp"

using namespace harbinger;

namespace {

std::string text(const partition_head& h) {
  return encode_head(h) + " committed " + std::to_string(h.committed.value);
}
template <class T>
std::string text(const result<T>& r, auto&& show) {
  return r ? "ok " + show(*r) : "refused " + std::string(to_string(r.error().code));
}
std::string text(const result<partition_head>& r) {
  return text(r, [](const partition_head& h) { return text(h); });
}
std::string text(const result<store_written>& r) {
  return text(r, [](const store_written& w) {
    auto out = text(w.head);
    for (const auto& o : w.outcomes)
      out +=
          ' ' + to_string(o.entry) + std::string(name_of(o.verdict)) + to_string(o.decided) + o.key;
    return out;
  });
}
std::string text(const result<store_rewound>& r) {
  return text(r, [](const store_rewound& w) {
    return text(w.head) + to_string(w.fork) + ' ' + std::to_string(w.undone) + ' '
           + std::to_string(w.journalled);
  });
}
std::string text(const std::vector<log_entry>& entries) {
  std::string out;
  for (const auto& e : entries) out += to_string(e.version) + wire::encode(e);
  return out;
}
std::string text(const std::vector<record_row>& rows) {
  std::string out;
  for (const auto& row : rows) out += row.key.data + '=' + row.value.data + ' ';
  return out;
}

struct twins {
  std::mt19937_64 random;
  test::temp_dir directory;
  uint64_t quota_bytes;
  std::shared_ptr<partition_store> real;
  sim::memory_store fake;
  std::map<partition_id, std::vector<record_row>> snapshot; // to copy from
  std::map<std::string, uint64_t> done;                     // calls that were not refused

  explicit twins(uint64_t seed)
      : random(seed), quota_bytes(seed % 3 == 0 ? 600 : 0), fake(quota_bytes) {
    reopen();
  }
  uint64_t pick(uint64_t below) { return random() % below; }
  void reopen() {
    real.reset();
    auto opened = partition_store::open({directory.path(), false, quota_bytes});
    BOOST_REQUIRE(opened);
    real = *opened;
    fake.reopen();
  }
  void same(const std::string& what, const std::string& a, const std::string& b) {
    BOOST_REQUIRE_MESSAGE(a == b, what << ": the real store says " << a << ", the fake " << b);
    done[what] += !a.starts_with("refused");
  }

  partition_id a_partition() { return make_partition_id(1, static_cast<uint32_t>(pick(3))); }
  std::string a_key() { return "k" + std::to_string(pick(12)); }
  std::vector<record_op> some_ops() {
    std::vector<record_op> ops;
    for (auto n = 1 + pick(3); n > 0; --n) {
      if (pick(4) == 0)
        ops.push_back({op_kind::erase, {a_key()}, {}});
      else
        ops.push_back({op_kind::put, {a_key()}, {std::string(pick(30), 'v')}});
    }
    return ops;
  }
  write_batch some_batch() {
    write_batch out;
    out.ops = some_ops();
    if (pick(5) == 0) out.ops.push_back({op_kind::erase_range, {a_key()}, {a_key()}});
    if (pick(5) == 0) out.conditions = {{condition_kind::present, {a_key()}, {}}};
    if (pick(3) == 0) {
      out.client = "c" + std::to_string(pick(3));
      out.request = 1 + pick(20);
    }
    return out;
  }
  version a_version() { return {epoch{pick(4)}, seq_no{pick(12)}}; }

  store_write a_write() {
    store_write w;
    w.partition = a_partition();
    auto head = fake.head(w.partition).value_or(partition_head{});
    w.create = pick(3) == 0;
    w.epoch =
        epoch{head.epoch.value + (pick(8) == 0 ? 1 : 0) - (head.epoch.value && pick(12) == 0)};
    w.previous = pick(8) == 0 ? a_version() : head.version;
    if (pick(4) == 0) {
      w.change.emplace();
      if (pick(2)) w.change->role = static_cast<replica_role>(pick(4));
      if (pick(2)) w.change->state = static_cast<replica_state>(1 + pick(3));
      if (pick(2)) w.change->revision = revision{pick(50)};
      if (pick(4) == 0) w.change->epoch = epoch{pick(6)};
    }
    auto last = w.previous;
    if (pick(6) == 0 && last.seq.value > 2) last.seq.value -= 2; // some that are in already
    if (last != w.previous) w.previous = last;
    for (auto n = pick(4); n > 0; --n) {
      last = {std::max(last.epoch, pick(3) ? w.epoch : last.epoch),
              seq_no{last.seq.value + (pick(20) == 0 ? 2 : 1)}};
      w.entries.push_back({last, some_batch()});
    }
    w.committed = seq_no{pick(12)};
    return w;
  }

  void step() {
    auto p = a_partition();
    auto head = fake.head(p).value_or(partition_head{});
    switch (pick(15)) {
    case 0:
    case 1:
    case 2:
    case 3: {
      std::vector<store_write> group;
      for (auto n = 1 + (quota_bytes ? 0 : pick(3)); n > 0; --n) group.push_back(a_write());
      auto a = real->write(group), b = fake.write(group);
      for (size_t i = 0; i < group.size(); ++i) same("write", text(a[i]), text(b[i]));
      break;
    }
    case 4: {
      auto after =
          pick(2) ? a_version()
                  : version{head.history.empty()
                                ? epoch{}
                                : epoch_at(head.history, seq_no{head.version.seq.value / 2 + 1}),
                            seq_no{head.version.seq.value / 2 + 1}};
      seq_no up_to{pick(20)};
      auto bytes = pick(2) ? 100 : 100'000;
      auto show = [](const std::vector<logged_entry>& log) {
        std::string out;
        for (const auto& e : log) out += text({e.entry}) + (e.idle ? " idle" : "");
        return out;
      };
      same("logged_after", text(real->logged_after(p, after, up_to, bytes), show),
           text(fake.logged_after(p, after, up_to, bytes), show));
      break;
    }
    case 5: {
      auto key = a_key();
      auto show = [](const partition_store::value& v) {
        return std::to_string(v.found) + v.bytes + to_string(v.version);
      };
      same("get", text(real->get(p, key), show), text(fake.get(p, key), show));
      break;
    }
    case 6: {
      auto from = a_key();
      auto limit = static_cast<uint32_t>(pick(5));
      auto show = [](const rows_reply& r) {
        return text(r.rows) + std::to_string(r.more) + r.next.data + to_string(r.version);
      };
      same("scan", text(real->scan(p, from, limit, 60), show),
           text(fake.scan(p, from, limit, 60), show));
      break;
    }
    case 7: {
      auto a = real->open_snapshot(p), b = fake.open_snapshot(p);
      auto show = [&](const std::shared_ptr<partition_snapshot>& s) {
        auto page = s->read("", false, 100'000, 1000);
        return text(s->head()) + text(page->rows);
      };
      same("snapshot", text(a, show), text(b, show));
      if (b) snapshot[p] = (*b)->read("", false, 100'000, 1000)->rows;
      break;
    }
    case 8:
    case 9: {
      copy_id copy{head.copy.value + pick(3)};
      if (pick(6) == 0 && copy.value > 0) --copy.value;
      same("begin_copy", text(real->begin_copy(p, copy, "s")), text(fake.begin_copy(p, copy, "s")));
      auto rows = snapshot[p];
      auto half = rows.begin() + static_cast<ptrdiff_t>(rows.size() / 2);
      std::vector<record_row> first(rows.begin(), half), second(half, rows.end());
      auto chunk = pick(8) == 0 ? 1 : 0;
      same("ingest_rows", text(real->ingest_rows(p, copy, chunk, first)),
           text(fake.ingest_rows(p, copy, chunk, first)));
      if (pick(20) == 0) reopen();
      same("ingest_rows", text(real->ingest_rows(p, copy, 1, second)),
           text(fake.ingest_rows(p, copy, 1, second)));
      break;
    }
    case 10: {
      harbinger::digest sum;
      if (pick(4))
        for (const auto& row : snapshot[p]) sum.add(row.key.data, row.value.data);
      auto v = a_version();
      epoch_history history{{epoch{1}, seq_no{1}}, {epoch{2}, seq_no{5}}};
      auto state = pick(2) ? replica_state::following : replica_state::copying;
      same("finish_copy", text(real->finish_copy(p, head.copy, v, sum, history, state)),
           text(fake.finish_copy(p, head.copy, v, sum, history, state)));
      break;
    }
    case 13: {
      epoch_history truth{{epoch{1}, seq_no{1}}};
      if (pick(2)) truth.push_back({epoch{1 + pick(3)}, seq_no{2 + pick(10)}});
      same("rewind", text(real->rewind(p, truth)), text(fake.rewind(p, truth)));
      break;
    }
    case 11: {
      if (pick(3)) break;
      epoch_history truth;
      if (pick(2)) truth = {{epoch{1}, seq_no{1 + pick(4)}}, {epoch{3}, seq_no{4 + pick(6)}}};
      auto show = [](uint64_t n) { return std::to_string(n); };
      same("drop", text(real->drop(p, truth), show), text(fake.drop(p, truth), show));
      break;
    }
    case 12: {
      seq_no keep{pick(12)};
      auto a = real->trim_log(p, keep), b = fake.trim_log(p, keep);
      same("trim_log", a ? "ok" : std::string(to_string(a.error().code)),
           b ? "ok" : std::string(to_string(b.error().code)));
      break;
    }
    default:
      if (pick(12) == 0) reopen();
      break;
    }
    compare();
  }
  void compare() {
    auto a = real->heads(), b = fake.heads();
    BOOST_REQUIRE(a.size() == b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      BOOST_REQUIRE_MESSAGE(text(a[i]) == text(b[i]), "heads differ");
      BOOST_REQUIRE(fake.verify(b[i].partition).has_value()
                    == real->verify(b[i].partition).has_value());
    }
    BOOST_REQUIRE(real->used_bytes() == fake.used_bytes());
    BOOST_REQUIRE(real->conflict_count() == fake.conflict_count());
    auto x = *real->conflicts(1000), y = *fake.conflicts(1000);
    BOOST_REQUIRE(x.size() == y.size());
    for (size_t i = 0; i < x.size(); ++i)
      BOOST_REQUIRE((x[i].partition == y[i].partition && x[i].entry == y[i].entry));
  }
};

} // namespace

BOOST_AUTO_TEST_CASE(random_calls_get_the_same_answers) {
  std::map<std::string, uint64_t> done;
  for (auto seed : test::seeds(12)) {
    BOOST_TEST_CONTEXT(test::repeat_with(seed)) {
      twins pair(seed);
      for (int i = 0; i < 400; ++i) pair.step();
      for (const auto& [what, count] : pair.done) done[what] += count;
    }
  }
  for (const auto& [what, count] : done) BOOST_TEST_CONTEXT(what) BOOST_TEST(count > 0u);
}
