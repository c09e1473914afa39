#pragma once

/// What outlives the actors of a node, and what they share: made once by the daemon, held by
/// context::node.

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "core/settings.hpp"
#include "messages/common.hpp"
#include "replica/copy_table.hpp"
#include "replica/damage_book.hpp"
#include "replica/proposal_memory.hpp"
#include "store/commit_meter.hpp"
#include "store/partition_store.hpp"

namespace harbinger {

class mass_storage; // store/mass_storage.hpp

/// What the copies of this node, as source and as target together, may take so that its writes stay
/// quick. Thread-safe.
class copy_yield {
public:
  void set(yield_limits limits) {
    std::lock_guard guard(mutex_);
    decides_ = foreground_yield(limits);
  }
  void count(uint64_t bytes) {
    std::lock_guard guard(mutex_);
    decides_.count(bytes);
  }
  /// Bytes a second; 0: no limit.
  uint64_t rate(const commit_meter& commits, uint64_t waiting, time_point now) {
    std::lock_guard guard(mutex_);
    return decides_.rate(commits.totals(), waiting, now);
  }
  uint64_t backoffs() const {
    std::lock_guard guard(mutex_);
    return decides_.backoffs();
  }

private:
  mutable std::mutex mutex_;
  foreground_yield decides_{yield_limits{.rise = 0.0}};
};

/// What waits for replica_server, so that it takes many at once. Thread-safe.
class request_inbox {
public:
  static constexpr size_t waiting_max = 100'000;
  static constexpr size_t waiting_bytes_max = 256 << 20; ///< of their bodies

  enum class outcome : uint8_t {
    first, ///< there was nothing before it, somebody has to be woken
    waits, ///< behind others
    full,  ///< at a limit: refused and counted
  };
  outcome put(data_request request) {
    std::lock_guard guard(mutex_);
    auto bytes = request.message.body.size();
    bool room = waiting_.empty() || bytes_ + bytes <= waiting_bytes_max;
    if (waiting_.size() >= waiting_max || !room) {
      ++refused_;
      return outcome::full;
    }
    bytes_ += bytes;
    waiting_.push_back(std::move(request));
    return waiting_.size() == 1 ? outcome::first : outcome::waits;
  }
  std::vector<data_request> take() {
    std::lock_guard guard(mutex_);
    bytes_ = 0;
    return std::exchange(waiting_, {});
  }
  uint64_t refused() const {
    std::lock_guard guard(mutex_);
    return refused_;
  }

private:
  mutable std::mutex mutex_;
  std::vector<data_request> waiting_;
  size_t bytes_ = 0;
  uint64_t refused_ = 0;
};

/// Which partitions were committed to, for who waits for that. Thread-safe.
class commit_news {
public:
  /// Says whether somebody waits. Before looking at a store, so that what comes after the look is
  /// noted.
  void watch(bool wanted) {
    std::lock_guard guard(mutex_);
    watched_ = wanted;
    if (wanted) return;
    changed_.clear();
    woken_ = false;
  }
  /// True: it is the first since take(), somebody has to be woken.
  bool note(partition_id partition) {
    std::lock_guard guard(mutex_);
    if (!watched_) return false;
    changed_.insert(partition);
    return !std::exchange(woken_, true);
  }
  std::set<partition_id> take() {
    std::lock_guard guard(mutex_);
    woken_ = false;
    return std::exchange(changed_, {});
  }

private:
  mutable std::mutex mutex_;
  bool watched_ = false;
  bool woken_ = false;             ///< since the last take()
  std::set<partition_id> changed_; ///< at most the node's partitions
};

/// data_bridge's sockets (data_bridge.hpp).
class data_port {
public:
  virtual ~data_port() = default;
  virtual void reply(data_reply message) = 0;
  virtual void request(peer_request message) = 0;
};

struct node_resources {
  std::shared_ptr<partition_store> store;
  std::shared_ptr<mass_storage> mass; ///< null when mass_storage.directory is empty
  copy_table copies;
  proposal_memory proposals;
  damage_book damage;
  std::atomic<double> store_write_ms{0.0}; ///< the last group commit
  std::atomic<uint64_t> store_queue{0};    ///< writes waiting for the next group commit
  commit_meter commits;                    ///< durable writes of clients and replication
  copy_yield yield;
  /// What copies may take now, bytes a second; 0: no limit.
  uint64_t copy_rate(time_point now) { return yield.rate(commits, store_queue, now); }
  std::atomic<uint64_t> term_seen{0}; ///< newest term of the centre; older commands are refused

  /// How often the centre wants reports, by its newest welcome
  std::atomic<uint32_t> report_ms{1000};

  request_inbox inbox; ///< of replica_server
  commit_news news;    ///< for snapshot_server

  /// Null while there is no data_bridge.
  std::shared_ptr<data_port> port() const {
    std::lock_guard guard(mutex_);
    return port_;
  }
  void open_port(std::shared_ptr<data_port> port) {
    std::lock_guard guard(mutex_);
    port_ = std::move(port);
  }
  void close_port(const std::shared_ptr<data_port>& port) {
    std::lock_guard guard(mutex_);
    if (port_ == port) port_.reset();
  }

  /// The data socket's bound address (a wildcard port resolved), set by data_bridge.
  void set_data_endpoint(std::string endpoint) {
    std::lock_guard guard(mutex_);
    data_endpoint_ = std::move(endpoint);
  }
  std::string data_endpoint() const {
    std::lock_guard guard(mutex_);
    return data_endpoint_;
  }

private:
  mutable std::mutex mutex_;
  std::string data_endpoint_;
  std::shared_ptr<data_port> port_;
};

/// Opens the store (and the mass storage, see its header) of a node. in_use, io, checksum as
/// partition_store::open.
result<std::shared_ptr<node_resources>> open_node_resources(const settings& config);

} // namespace harbinger
