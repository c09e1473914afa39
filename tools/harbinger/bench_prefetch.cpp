#include <algorithm>
#include <cstring>
#include <filesystem>
#include <random>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/copy_throughput.hpp"
#include "app/process.hpp"
#include "app/temporary_directory.hpp"
#include "bench.hpp"
#include "bench_foreground.hpp"

namespace harbinger {

namespace {

namespace fs = std::filesystem;
using steady = std::chrono::steady_clock;
constexpr size_t copied_bytes = 256 << 20;
constexpr size_t block_bytes = 1 << 20;

std::string random_bytes(size_t count, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::string text(count, '\0');
  for (size_t i = 0; i + 8 <= count; i += 8) {
    auto word = engine();
    std::memcpy(text.data() + i, &word, 8);
  }
  return text;
}

// --- opponents ---

result<double> disk_bytes_per_s(const std::string& directory) {
  auto block = random_bytes(block_bytes, 7);
  auto file = directory + "/raw";
  auto begun = steady::now();
  int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (descriptor < 0) return fail(errc::io, file);
  bool good = true;
  for (size_t done = 0; good && done < copied_bytes; done += block.size())
    good = ::write(descriptor, block.data(), block.size()) == static_cast<ssize_t>(block.size());
  good = good && ::fdatasync(descriptor) == 0;
  double seconds = to_seconds(steady::now() - begun);
  ::close(descriptor);
  fs::remove(file);
  if (!good) return fail(errc::io, "can not write " + file);
  return static_cast<double>(copied_bytes) / seconds;
}

result<double> socket_bytes_per_s() {
  int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener, generic, size) != 0 || ::listen(listener, 1) != 0
      || ::getsockname(listener, generic, &size) != 0)
    return fail(errc::io, "no loopback socket");
  std::thread sender([address] {
    auto block = random_bytes(block_bytes, 8);
    int out = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(out, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
      for (size_t sent = 0; sent < copied_bytes;) {
        auto n =
            ::send(out, block.data(), std::min(block.size(), copied_bytes - sent), MSG_NOSIGNAL);
        if (n <= 0) break;
        sent += static_cast<size_t>(n);
      }
    ::close(out);
  });
  int in = ::accept(listener, nullptr, nullptr);
  std::string buffer(block_bytes, '\0');
  size_t got = 0;
  auto begun = steady::now();
  for (ssize_t n = 0; (n = ::recv(in, buffer.data(), buffer.size(), 0)) > 0;)
    got += static_cast<size_t>(n);
  double seconds = to_seconds(steady::now() - begun);
  sender.join();
  ::close(in);
  ::close(listener);
  if (got != copied_bytes) return fail(errc::io, "the loopback socket broke");
  return static_cast<double>(got) / seconds;
}

/// What was written before is on disk: neither side pays for the other's, or for the source's.
void settle_disk(const std::string& directory) {
  int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY);
  if (descriptor < 0) return;
  ::syncfs(descriptor);
  ::close(descriptor);
}

result<double> copy_bytes_per_s(partition_store& source, const std::string& directory) {
  fs::remove_all(directory);
  settle_disk(fs::path(directory).parent_path());
  copy_throughput_options options;
  options.directory = directory;
  options.stop = interrupted;
  auto copied = measure_copy(source, options);
  if (!copied) return tl::unexpected<error>(copied.error());
  return static_cast<double>(copied->bytes) / copied->seconds;
}

struct round_figures {
  double copy = 0.0, disk = 0.0, socket = 0.0; ///< bytes/s
};

/// Who comes first changes from round to round, so that neither always has the quieter half.
result<round_figures> measure_round(partition_store& source, const std::string& directory,
                                    bool copy_first) {
  round_figures out;
  auto copy = [&]() -> result<void> {
    auto speed = copy_bytes_per_s(source, directory + "/target");
    if (speed) out.copy = *speed;
    return speed ? result<void>{} : tl::unexpected<error>(speed.error());
  };
  auto raw = [&]() -> result<void> {
    settle_disk(directory);
    auto disk = disk_bytes_per_s(directory), socket = socket_bytes_per_s();
    if (disk) out.disk = *disk;
    if (socket) out.socket = *socket;
    if (!disk) return tl::unexpected<error>(disk.error());
    return socket ? result<void>{} : tl::unexpected<error>(socket.error());
  };
  if (interrupted()) return fail(errc::cancelled, "interrupted");
  auto first = copy_first ? copy() : raw();
  if (!first) return tl::unexpected<error>(first.error());
  auto second = copy_first ? raw() : copy();
  if (!second) return tl::unexpected<error>(second.error());
  return out;
}

} // namespace

result<bench_rows> bench_prefetch(const bench_options& options) {
  auto directory = temporary_directory::make("harbinger-bench-");
  if (!directory) return tl::unexpected<error>(directory.error());
  auto source = partition_store::open({directory->path() + "/source", false, 0});
  if (!source) return tl::unexpected<error>(source.error());
  if (auto filled = fill_for_copy(**source, {.bytes = copied_bytes}); !filled)
    return tl::unexpected<error>(filled.error());
  // Not counted: the source still compacts what it was filled with, and memory is taken in.
  if (auto warm = measure_round(**source, directory->path(), true); !warm)
    return tl::unexpected<error>(warm.error());
  std::vector<double> ours, slower, ratios;
  for (uint32_t run = 0; run < options.runs; ++run) {
    if (interrupted()) return fail(errc::cancelled, "interrupted");
    auto round = measure_round(**source, directory->path(), run % 2 == 0);
    if (!round) return tl::unexpected<error>(round.error());
    constexpr double mib = 1 << 20;
    ours.push_back(round->copy / mib);
    slower.push_back(std::min(round->disk, round->socket) / mib);
    ratios.push_back(round->copy / std::min(round->disk, round->socket));
    if (options.say)
      options.say("prefetch " + std::to_string(run + 1) + '/' + std::to_string(options.runs));
  }
  auto row = make_row("prefetch", "store to store over loopback", "MiB/s", better::more, ours,
                      "slower of raw disk and raw socket", slower, 0.9);
  std::sort(ratios.begin(), ratios.end());
  row.figures = {{"ratio of a round, median", ratios[ratios.size() / 2]},
                 {"ratio of a round, least", ratios.front()},
                 {"ratio of a round, most", ratios.back()}};
  source->reset();
  fs::remove_all(directory->path() + "/source");
  auto foreground = measure_foreground(options, directory->path());
  if (!foreground) return tl::unexpected<error>(foreground.error());
  return bench_rows{row, *foreground};
}

} // namespace harbinger
