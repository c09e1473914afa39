#include "bare_writes.hpp"

#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <rocksdb/db.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace harbinger {

namespace {

/// One byte back for each whole message: four bytes of length, then as many.
class answering_server {
public:
  result<void> start() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (listener_ < 0 || ::bind(listener_, generic, size) != 0 || ::listen(listener_, 256) != 0
        || ::getsockname(listener_, generic, &size) != 0)
      return fail(errc::io, "loopback socket");
    port_ = address.sin_port;
    poll_ = ::epoll_create1(EPOLL_CLOEXEC);
    return poll_ < 0 ? fail(errc::io, "epoll") : result<void>{};
  }
  ~answering_server() {
    if (thread_.joinable()) {
      ::shutdown(stop_[0], SHUT_RDWR);
      thread_.join();
    }
    for (int fd : {listener_, poll_, stop_[0], stop_[1]})
      if (fd >= 0) ::close(fd);
    for (auto& c : served_) ::close(c.descriptor);
  }
  /// The asking end of a new connection; before run().
  result<int> connect() {
    int one = 1;
    int asking = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = port_;
    if (asking < 0 || ::connect(asking, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      return fail(errc::io, "can not connect over loopback");
    int answering = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (answering < 0) return fail(errc::io, "accept");
    ::setsockopt(asking, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ::setsockopt(answering, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    served_.push_back({answering, {}});
    return asking;
  }
  result<void> run() {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stop_) != 0)
      return fail(errc::io, "socketpair");
    for (size_t i = 0; i <= served_.size(); ++i) {
      epoll_event e{};
      e.events = EPOLLIN;
      e.data.u64 = i;
      ::epoll_ctl(poll_, EPOLL_CTL_ADD, i < served_.size() ? served_[i].descriptor : stop_[1], &e);
    }
    thread_ = std::thread([this] { serve(); });
    return {};
  }

private:
  struct connection {
    int descriptor;
    std::string got;
  };
  void serve() {
    std::vector<epoll_event> events(256);
    for (;;) {
      int count = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        if (events[static_cast<size_t>(i)].data.u64 == served_.size()) return;
        take(served_[events[static_cast<size_t>(i)].data.u64]);
      }
    }
  }
  static void take(connection& c) {
    char buffer[65536];
    auto size = ::recv(c.descriptor, buffer, sizeof buffer, MSG_DONTWAIT);
    if (size <= 0) return;
    c.got.append(buffer, static_cast<size_t>(size));
    uint32_t length = 0;
    while (c.got.size() >= sizeof length) {
      std::memcpy(&length, c.got.data(), sizeof length);
      if (c.got.size() < sizeof length + length) return;
      c.got.erase(0, sizeof length + length);
      (void)!::send(c.descriptor, "k", 1, MSG_NOSIGNAL);
    }
  }

  int listener_ = -1, poll_ = -1;
  int stop_[2]{-1, -1};
  uint16_t port_ = 0;
  std::vector<connection> served_;
  std::thread thread_;
};

bool ask(int descriptor, std::string_view bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    auto size = ::send(descriptor, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (size <= 0) return false;
    sent += static_cast<size_t>(size);
  }
  char answer = 0;
  return ::recv(descriptor, &answer, 1, 0) == 1;
}

class rocks_writes : public bare_writes {
public:
  ~rocks_writes() override {
    for (int fd : asking_) ::close(fd);
  }
  result<void> prepare(const std::string& directory, size_t writers, size_t databases) {
    for (size_t i = 0; i < databases; ++i) {
      rocksdb::Options options;
      options.create_if_missing = true;
      options.compression = rocksdb::kLZ4Compression; // as the store's own
      options.write_buffer_size = 32 << 20;
      options.max_background_jobs = 2;
      rocksdb::DB* made = nullptr;
      auto s = rocksdb::DB::Open(options, directory + std::to_string(i), &made);
      if (!s.ok()) return fail(errc::io, s.ToString());
      databases_.emplace_back(made);
    }
    if (auto started = server_.start(); !started) return started;
    for (size_t i = 0; i < writers; ++i) {
      auto fd = server_.connect();
      if (!fd) return tl::unexpected<error>(fd.error());
      asking_.push_back(*fd);
    }
    return server_.run();
  }
  std::vector<one_write> writers(const write_shape& shape) override {
    std::vector<one_write> out;
    for (size_t i = 0; i < asking_.size(); ++i)
      out.push_back([this, shape, i](uint64_t number) { return write(shape, i, number); });
    return out;
  }

private:
  result<void> write(const write_shape& shape, size_t writer, uint64_t number) {
    rocksdb::WriteBatch batch;
    for (const auto& op : shaped_batch(shape, writer, number))
      batch.Put(op.key.data, op.value.data);
    auto length = static_cast<uint32_t>(batch.Data().size());
    std::string message(reinterpret_cast<const char*>(&length), sizeof length);
    if (!ask(asking_[writer], message.append(batch.Data())))
      return fail(errc::io, "no answer over loopback");
    rocksdb::WriteOptions durable;
    durable.sync = true;
    for (auto& db : databases_)
      if (auto s = db->Write(durable, &batch); !s.ok()) return fail(errc::io, s.ToString());
    return {};
  }

  std::vector<std::unique_ptr<rocksdb::DB>> databases_;
  std::vector<int> asking_;
  answering_server server_;
};

} // namespace

result<std::unique_ptr<bare_writes>> bare_writes::open(const std::string& directory, size_t writers,
                                                       size_t databases) {
  auto made = std::make_unique<rocks_writes>();
  if (auto ready = made->prepare(directory, writers, databases); !ready)
    return tl::unexpected<error>(ready.error());
  return std::unique_ptr<bare_writes>(std::move(made));
}

} // namespace harbinger
