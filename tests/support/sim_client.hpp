#pragma once

/// A client of the simulated cluster: one operation after the other, every one recorded with when
/// it was asked and answered. An operation that got no clear answer may have taken effect.

#include "tests/support/history_checker.hpp"
#include "tests/support/sim_centre.hpp"

namespace harbinger::sim {

/// What all clients saw.
struct record_book {
  struct seen { ///< a value read, or written, at a version the service named
    partition_id partition;
    harbinger::version version;
    std::string key;
    register_value value;
    bool write = false;
  };
  struct seen_rows {
    partition_id partition;
    harbinger::version version;
    std::vector<record_row> rows;
  };
  static constexpr size_t scans_max = 400; ///< kept a run for comparing them whole

  std::map<std::pair<partition_id, std::string>, std::vector<operation>> history;
  std::vector<seen> versions;
  std::vector<seen_rows> scans;
  uint64_t written = 0, read = 0, unknown = 0;
};

class client : public process {
public:
  static constexpr size_t hot_keys = 5;   ///< a partition; all operations meet there
  static constexpr size_t cold_keys = 24; ///< make snapshots large enough to be in pieces

  client(parts& all, centre& c, record_book& book, std::string id, uint32_t partitions)
      : all_(all), centre_(c), book_(book), partitions_(partitions) {
    name = std::move(id);
    up = true;
    life = 1;
    auto& w = all.world;
    writes_ = 10 + w.pick(80);
    forgets_ = w.chance(0.4) ? 0.05 : 1.0;
    pace_ = w.chance(0.3) ? milliseconds(8) : milliseconds(60);
  }
  void start() {
    all_.world.after(think(), *this, [this] { next(); });
  }
  void stop() { stopped_ = true; }

private:
  duration think() { return all_.world.between(milliseconds(1), pace_); }
  int64_t clock() const { return all_.world.now.time_since_epoch().count(); }
  void again() {
    ++round_;
    all_.world.after(think(), *this, [this] { next(); });
  }

  /// What each operation is made of: where to, and what to do with no answer in time.
  void next() {
    if (stopped_) return;
    auto partition = make_partition_id(1, static_cast<uint32_t>(all_.world.pick(partitions_)));
    auto target = primary_of(partition);
    if (!target || all_.world.chance(0.01)) return ask_for_map();
    if (all_.world.pick(100) < writes_)
      put(partition, *target);
    else if (all_.world.chance(0.85))
      get(partition, *target);
    else
      scan(partition, *target);
  }
  node* primary_of(partition_id partition) {
    if (!map_) return nullptr;
    for (const auto& row : map_->partitions) {
      if (row.id != partition) continue;
      for (const auto& n : map_->nodes)
        if (n.id == row.primary) return all_.nodes.at(n.data_endpoint);
    }
    return nullptr;
  }
  void ask_for_map() {
    auto round = round_;
    all_.net.send(*this, centre_, [this, round] {
      auto map = centre_.map();
      if (!map) return;
      all_.net.send(centre_, *this, [this, round, map] {
        if (round != round_) return;
        map_ = map;
        again();
      });
    });
    give_up_after(milliseconds(300), [] {});
  }
  void give_up_after(duration patience, std::function<void()> note) {
    all_.world.after(patience, *this, [this, round = round_, note = std::move(note)] {
      if (round != round_) return;
      note();
      forget_map();
      again();
    });
  }
  duration patience() { return all_.world.between(milliseconds(200), milliseconds(1500)); }
  /// Sends, and takes the first answer of this round.
  template <class T, class Ask>
  void send(node& to, Ask ask, std::function<void(const result<T>&)> take) {
    auto round = round_;
    auto back = [this, &to, round, take](const result<T>& answer) {
      all_.net.send(to, *this, [this, round, take, answer] {
        if (round == round_) take(answer);
      });
    };
    all_.net.send(
        *this, to, [&to, ask = std::move(ask), back] { ask(to, back); }, false);
  }
  void finish(const error* why) {
    if (why && why->code != errc::overloaded && why->code != errc::no_space) forget_map();
    again();
  }
  void forget_map() {
    if (all_.world.chance(forgets_)) map_.reset();
  }

  std::string a_key() {
    if (all_.world.chance(0.85)) return "k" + std::to_string(all_.world.pick(hot_keys));
    return "cold" + std::to_string(all_.world.pick(cold_keys));
  }

  // --- writing: a batch of unique values, or an erase ---
  void put(partition_id partition, node& to) {
    put_request m;
    m.partition = partition;
    std::map<std::string, register_value> wanted;
    for (auto n = 1 + all_.world.pick(3); n > 0; --n) {
      auto key = a_key();
      if (wanted.contains(key)) continue;
      if (all_.world.chance(0.08)) {
        wanted[key] = std::nullopt;
        m.batch.ops.push_back({op_kind::erase, {key}, {}});
      } else {
        wanted[key] = "v" + std::to_string(all_.world.next_id());
        m.batch.ops.push_back({op_kind::put, {key}, {*wanted[key]}});
      }
    }
    for (const auto& [key, value] : wanted)
      book_.history[{partition, key}].push_back(
          {operation::kind::write, value, clock(), operation::forever});
    ++book_.written;
    send<version>(
        to, [m](node& n, const auto& back) { n.put(m, back); },
        [this, partition, wanted, asked = clock()](const result<version>& v) {
          if (!v) { // refused, or begun and not finished: who knows
            ++book_.unknown;
            return finish(&v.error());
          }
          for (const auto& [key, value] : wanted) {
            answered(partition, key, value, asked);
            book_.versions.push_back({partition, *v, key, value, true});
          }
          finish(nullptr);
        });
    give_up_after(patience(), [this] { ++book_.unknown; });
  }
  void answered(partition_id partition, const std::string& key, const register_value& value,
                int64_t asked) {
    auto& list = book_.history[{partition, key}];
    for (auto op = list.rbegin(); op != list.rend(); ++op)
      if (op->what == operation::kind::write && op->asked == asked && op->value == value) {
        op->answered = clock();
        return;
      }
  }

  // --- reading ---
  void get(partition_id partition, node& to) {
    auto key = a_key();
    get_request m{partition, {key}};
    send<value_reply>(
        to, [m](node& n, const auto& back) { n.get(m, back); },
        [this, partition, key, asked = clock()](const result<value_reply>& r) {
          if (!r) return finish(&r.error());
          auto value = r->found ? register_value(r->value.data) : std::nullopt;
          was_read(partition, r->version, key, value, asked);
          finish(nullptr);
        });
    give_up_after(patience(), [] {});
  }
  void scan(partition_id partition, node& to) {
    scan_request m{partition, {}, 1000};
    send<rows_reply>(
        to, [m](node& n, const auto& back) { n.scan(m, back); },
        [this, partition, asked = clock()](const result<rows_reply>& r) {
          if (!r) return finish(&r.error());
          std::map<std::string, std::string> rows;
          for (const auto& row : r->rows) rows[row.key.data] = row.value.data;
          for (size_t i = 0; i < hot_keys; ++i) {
            auto key = "k" + std::to_string(i);
            auto row = rows.find(key);
            was_read(partition, r->version, key,
                     row == rows.end() ? std::nullopt : register_value(row->second), asked);
          }
          if (book_.scans.size() < record_book::scans_max)
            book_.scans.push_back({partition, r->version, r->rows});
          finish(nullptr);
        });
    give_up_after(patience(), [] {});
  }
  void was_read(partition_id partition, const version& v, const std::string& key,
                const register_value& value, int64_t asked) {
    ++book_.read;
    book_.history[{partition, key}].push_back({operation::kind::read, value, asked, clock()});
    book_.versions.push_back({partition, v, key, value, false});
  }

  parts& all_;
  centre& centre_;
  record_book& book_;
  uint32_t partitions_;
  std::shared_ptr<const partition_map> map_;
  uint64_t writes_ = 50; ///< of a hundred operations
  double forgets_ = 1.0; ///< the map, after an operation that failed; some are stubborn
  duration pace_{};      ///< longest rest between operations
  uint64_t round_ = 0;
  bool stopped_ = false;
};

} // namespace harbinger::sim
