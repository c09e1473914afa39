#include "history/journal.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "history/files.hpp"
#include "history/journal_files.hpp"
#include "history/lives.hpp"

namespace harbinger {
namespace {
using journal_files::segment_file;
using journal_text::mark;
using journal_text::mark_kind;

constexpr int64_t until_every_ms = 10'000;
constexpr size_t packed_at_once_max =
    4; ///< segments left behind by a full disk, each time one more
constexpr size_t restore_tries_max = 3;

result<int> lock_directory(const std::string& directory) {
  auto path = directory + "/lock";
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return os_error(path);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  ::close(fd);
  return fail(errc::in_use, directory + " is written by another process");
}

template <class Take>
void each_line(std::string_view text, Take take) {
  while (!text.empty()) {
    auto end = text.find('\n') + 1;
    take(text.substr(0, end));
    text.remove_prefix(end);
  }
}
struct metric_list {
  std::shared_ptr<const std::vector<metric_spec>> given;
  std::vector<size_t> columns; ///< of `given`: the usable ones
};
/// The segment that is written. Its first lines may wait in the buffer: then fd is -1.
struct open_segment {
  uint64_t id = 0; ///< of this writer
  segment_file file;
  int fd = -1;
  std::vector<metric_list> lists; ///< without list 0, which is empty
  size_t lives = 0;
  int64_t until_ms = 0;
};
struct declared_life {
  incarnation life;
  uint64_t segment = 0; ///< id of the one in which `number` and `list` hold
  size_t number = 0, list = 0;
  std::optional<int64_t> kept_ms; ///< time of the newest row that was kept
};
} // namespace

struct journal::state {
  std::string directory;
  journal_options options;
  int lock = -1;
  std::vector<segment_file> closed;
  std::optional<open_segment> now;
  uint64_t last_number = 0, last_id = 0;
  std::string buffer;
  uint64_t buffer_rows = 0;
  std::vector<std::string> waiting; ///< lines of happenings that the disk refused
  life_book book;
  std::map<node_id, declared_life> declared;
  journal_status counts;
  std::optional<error> refused; ///< since the last flush

  ~state() {
    if (now && now->fd >= 0) ::close(now->fd);
    if (lock >= 0) ::close(lock);
  }

  // --- lines ---

  void begin_segment(int64_t now_ms) {
    if (now) return;
    now.emplace();
    now->id = ++last_id;
    now->file = {last_number + 1, now_ms, false, 0};
    now->until_ms = now_ms;
    buffer = journal_text::format_line(now_ms, options.session) + journal_text::metrics_line(0, {});
    for (const auto& [node, life] : book.lives()) {
      if (life.state == life_book::state::alive && life.heard) {
        auto& d = declared[node];
        if (d.life != life.id) d = {life.id, 0, 0, 0, {}};
        d.segment = now->id;
        d.number = now->lives++;
        d.list = 0;
        buffer += journal_text::life_line(d.number, node, life.id, 0);
      } else if (life.state != life_book::state::alive) {
        auto what = life.state == life_book::state::failed ? mark_kind::failed : mark_kind::left;
        buffer += journal_text::mark_line({what, node, life.id, life.ended_ms, life.cause});
      }
    }
    for (const auto& line : waiting) buffer += line;
    waiting.clear();
  }

  void put(const life_book::marks& marks, int64_t now_ms) {
    for (const auto& m : marks) {
      begin_segment(now_ms);
      buffer += journal_text::mark_line(m);
      counts.failures += m.what == mark_kind::failed;
      counts.shutdowns += m.what == mark_kind::left;
    }
  }

  /// The number of the list in this segment; nothing when there are too many.
  std::optional<size_t> list_of(const std::shared_ptr<const std::vector<metric_spec>>& metrics) {
    for (size_t i = 0; i < now->lists.size(); ++i)
      if (now->lists[i].given == metrics) return i + 1;
    for (size_t i = 0; i < now->lists.size(); ++i)
      if (*now->lists[i].given == *metrics) return i + 1;
    if (now->lists.size() + 1 >= journal_text::lists_max) return std::nullopt;
    metric_list list{metrics, {}};
    std::vector<metric_spec> usable;
    for (size_t i = 0; i < metrics->size(); ++i) {
      if (!journal_text::usable_metric((*metrics)[i].name)) continue;
      list.columns.push_back(i);
      usable.push_back((*metrics)[i]);
    }
    now->lists.push_back(std::move(list));
    buffer += journal_text::metrics_line(now->lists.size(), usable);
    return now->lists.size();
  }

  /// Makes the life known to this segment, with the list of its rows. False: a limit.
  bool declare(declared_life& d, const telemetry_rows& rows) {
    auto list = list_of(rows.metrics);
    bool known = d.segment == now->id;
    if (!list || (!known && now->lives >= journal_text::lives_max)) return false;
    if (known && d.list == *list) return true;
    if (!known) d.number = now->lives++;
    d.segment = now->id;
    d.list = *list;
    buffer += journal_text::life_line(d.number, rows.node, rows.life, d.list);
    return true;
  }

  void add_row(declared_life& d, const telemetry_rows& rows, size_t i, int64_t arrived_ms) {
    auto time_ms = rows.times[i].value;
    if (d.kept_ms && time_ms >= *d.kept_ms && time_ms - *d.kept_ms < options.every_ms) {
      ++counts.rows_thinned;
      return;
    }
    begin_segment(arrived_ms);
    if (!declare(d, rows)) {
      ++counts.rows_dropped;
      return;
    }
    d.kept_ms = time_ms;
    journal_text::append_row(buffer, d.number, time_ms, arrived_ms, rows.row(i),
                             now->lists[d.list - 1].columns);
    ++buffer_rows;
    if (buffer.size() >= buffer_bytes_max) write_out();
  }

  // --- files ---

  bool open_file() {
    while (now->fd < 0) {
      auto path = directory + '/' + now->file.name();
      now->fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
      if (now->fd < 0 && errno != EEXIST) return false;
      if (now->fd < 0) ++now->file.number;
    }
    last_number = now->file.number;
    return true;
  }

  /// How much of the buffer the disk took; errno says why not all.
  size_t write_some() {
    size_t done = 0;
    while (done < buffer.size()) {
      auto n = ::write(now->fd, buffer.data() + done, buffer.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n == 0) errno = ENOSPC;
      if (n <= 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  void write_out() {
    if (!now || buffer.empty()) return;
    size_t done = open_file() ? write_some() : 0;
    if (done == buffer.size()) {
      now->file.bytes += done;
      counts.rows += buffer_rows;
      counts.trouble.clear();
      buffer.clear();
      buffer_rows = 0;
      if (now->file.bytes >= options.segment_bytes) roll();
      return;
    }
    refused = os_error(directory).value();
    counts.trouble = to_string(*refused);
    lose_rest(done);
  }

  /// The disk took the first `done` bytes of the buffer. Whole lines stay, the segment ends; what
  /// happened to nodes is kept for the next one.
  void lose_rest(size_t done) {
    auto kept = std::string_view(buffer).substr(0, done).rfind('\n') + 1; // npos: nothing
    now->file.bytes += kept;
    if (now->fd >= 0 && kept < done)
      (void)!::ftruncate(now->fd, static_cast<off_t>(now->file.bytes)); // else readers pass it over
    uint64_t lost = 0;
    each_line(std::string_view(buffer).substr(kept), [&](std::string_view line) {
      lost += journal_text::is_row(line);
      auto m = journal_text::read_mark(line.substr(0, line.size() - 1));
      if (!m || m->what == mark_kind::until
          || std::find(waiting.begin(), waiting.end(), line) != waiting.end())
        return;
      if (waiting.size() < marks_waiting_max)
        waiting.emplace_back(line);
      else
        ++counts.marks_dropped;
    });
    counts.rows += buffer_rows - lost;
    counts.rows_dropped += lost;
    buffer.clear();
    buffer_rows = 0;
    close_segment();
  }

  void close_segment() {
    if (now->fd >= 0) ::close(now->fd);
    if (now->fd >= 0 && now->file.bytes == 0)
      ::unlink((directory + '/' + now->file.name()).c_str());
    if (now->file.bytes > 0) closed.push_back(now->file);
    now.reset();
  }

  void roll() {
    close_segment();
    pack_closed(packed_at_once_max);
    keep_limit();
  }

  void pack_closed(size_t most) {
    for (auto& file : closed) {
      if (file.packed) continue;
      if (most-- == 0) return;
      auto packed = journal_files::pack(directory, file);
      if (!packed) return; // it is readable as it is; the next time
      file.packed = true;
      file.bytes = *packed;
    }
  }

  void keep_limit() {
    uint64_t bytes = options.segment_bytes; // room for the one that is written
    for (const auto& file : closed) bytes += file.bytes;
    size_t gone = 0;
    for (; gone < closed.size(); ++gone) {
      if (bytes <= options.limit_bytes && closed.size() - gone < segments_max) break;
      ::unlink((directory + '/' + closed[gone].name()).c_str());
      bytes -= closed[gone].bytes;
    }
    closed.erase(closed.begin(), closed.begin() + static_cast<ptrdiff_t>(gone));
    counts.segments_removed += gone;
  }

  /// What the newest readable segment knows of the lives.
  void restore() {
    size_t tries = 0;
    for (auto it = closed.rbegin(); it != closed.rend() && tries < restore_tries_max; ++it, ++tries)
      if (auto segment = journal_files::read(directory, *it))
        return book.restore(*segment, segment->session == options.session);
  }
};

journal::journal(std::unique_ptr<state> s) : state_(std::move(s)) {}

journal::~journal() { state_->write_out(); }

result<std::unique_ptr<journal>> journal::open(const std::string& directory,
                                               const journal_options& options) {
  std::error_code problem;
  std::filesystem::create_directories(directory, problem);
  if (problem)
    return fail(problem == std::errc::no_space_on_device ? errc::no_space : errc::io,
                directory + ": " + problem.message());
  auto lock = lock_directory(directory);
  if (!lock) return tl::unexpected(lock.error());
  auto s = std::make_unique<state>();
  s->directory = directory;
  s->options = options;
  s->options.segment_bytes = std::min(options.segment_bytes, options.limit_bytes / 4);
  s->lock = *lock;
  auto files = journal_files::list(directory);
  if (!files) return tl::unexpected(files.error());
  s->closed = std::move(*files);
  journal_files::tidy(directory, s->closed);
  if (!s->closed.empty()) s->last_number = s->closed.back().number;
  s->restore();
  s->pack_closed(SIZE_MAX);
  s->keep_limit();
  return std::unique_ptr<journal>(new journal(std::move(s)));
}

void journal::add(const telemetry_rows& rows, unix_ms arrived) {
  auto& s = *state_;
  life_book::marks marks;
  if (!s.book.hear(rows.node, rows.life, arrived.value, marks)) {
    s.counts.rows_dropped += rows.times.size();
    return;
  }
  auto [it, fresh] = s.declared.try_emplace(rows.node);
  auto& d = it->second;
  if (fresh || d.life != rows.life) {
    d = {rows.life, 0, 0, 0, {}};
    ++s.counts.lives;
  }
  s.put(marks, arrived.value);
  for (size_t i = 0; i < rows.times.size(); ++i) s.add_row(d, rows, i, arrived.value);
}

void journal::see(const node_row& row, unix_ms now) {
  life_book::marks marks;
  state_->book.see(row, now.value, marks);
  state_->put(marks, now.value);
}

void journal::leave(const node_id& node, incarnation life, unix_ms now) {
  life_book::marks marks;
  state_->book.leave(node, life, now.value, marks);
  state_->put(marks, now.value);
}

void journal::note(const node_id& node, incarnation life, const std::string& text, unix_ms now) {
  state_->put({{mark_kind::note, node, life, now.value, text}}, now.value);
}

result<> journal::flush(unix_ms now) {
  auto& s = *state_;
  if (s.now && std::abs(now.value - s.now->until_ms) >= until_every_ms) {
    s.buffer += journal_text::mark_line({mark_kind::until, {}, {}, now.value, ""});
    s.now->until_ms = now.value;
  }
  s.write_out();
  auto refused = std::exchange(s.refused, std::nullopt);
  if (refused) return tl::unexpected(std::move(*refused));
  return {};
}

journal_status journal::status() const {
  const auto& s = *state_;
  auto out = s.counts;
  for (const auto& file : s.closed) out.bytes += file.bytes;
  out.segments = s.closed.size() + (s.now ? 1 : 0);
  if (s.now) out.bytes += s.now->file.bytes;
  if (!s.closed.empty())
    out.oldest_ms = s.closed.front().opened_ms;
  else if (s.now)
    out.oldest_ms = s.now->file.opened_ms;
  return out;
}

} // namespace harbinger
