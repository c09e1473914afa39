#pragma once

/// A whole cluster on this machine: one `harbingerd central` and some `harbingerd node` processes
/// on loopback, each with its own state directory below one directory. For the demo, the campaign,
/// the benchmarks and the end-to-end tests. Not thread-safe; processes end with the thread that
/// started them (app/process.hpp).

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/process.hpp"
#include "app/temporary_directory.hpp"
#include "core/result.hpp"
#include "messages/catalog.hpp"

namespace harbinger {

struct cluster_options {
  std::string
      programs; ///< directory of harbingerd and libharbinger_trouble.so; empty: beside this program
  std::string directory; ///< made if need be; empty: a new one under $TMPDIR or /tmp
  bool keep = false;     ///< leave the directory behind
  uint32_t nodes = 6;    ///< n1, n2 ...
  uint32_t racks = 3;    ///< node i is in rack r(i mod racks + 1); each node is a host of its own
  bool with_trouble = false; ///< preload the trouble library and limit the memory of nodes
  uint64_t node_memory_bytes =
      0; ///< RLIMIT_AS of a node when with_trouble; 0: node_memory_default_bytes
  std::map<std::string, std::string>
      central; ///< more configuration, as TOML literals: {"zones.enter_at", "0.6"}
  std::map<std::string, std::string> node; ///< the same for every node
};

/// Room for the node's own mappings (threads, arenas, RocksDB) and some hundred MiB to lose.
inline constexpr uint64_t node_memory_default_bytes = 1024ull << 20;

/// One row of the cluster.
struct cluster_node {
  std::string name;
  std::string rack;
  std::string data_endpoint;
  std::string directory; ///< its own: config.toml, state/, output.log, storage.log, trouble
  harbinger::process daemon;
  std::string log_file() const {
    return directory + "/storage.log";
  } ///< the watched error log of its storage software
  std::string trouble_file() const {
    return directory + "/trouble";
  } ///< read by the trouble library
};

class cluster {
public:
  /// Writes the configurations; starts nothing yet. Ports are free ones of the moment.
  static result<std::unique_ptr<cluster>> prepare(const cluster_options& options);
  ~cluster(); ///< stops everything; removes a directory of its own unless `keep`
  cluster(const cluster&) = delete;
  cluster& operator=(const cluster&) = delete;

  /// Starts all and waits until every node is registered and up. The error names who failed and the
  /// last lines it wrote.
  result<> start(duration timeout);
  result<> start_central();
  result<> start_node(size_t index);
  /// SIGTERM to all, SIGKILL after `patience`. True when every process ended by itself with exit
  /// code 0.
  bool stop(duration patience);

  process& central() { return central_; }
  std::vector<cluster_node>& nodes() { return nodes_; }
  cluster_node* find(const std::string& name);
  const std::string& directory() const { return directory_; }
  std::string central_directory() const { return directory_ + "/central"; }
  std::string central_state() const { return directory_ + "/central/state"; }
  std::string mass_storage() const { return directory_ + "/mass"; }
  const std::string& control_endpoint() const { return control_; }
  const std::string& events_endpoint() const { return events_; }

  /// One console command of the centre: its JSON document.
  result<std::string> console(const std::vector<std::string>& words, duration timeout = seconds(5));
  /// The same at a node.
  result<std::string> node_console(size_t index, const std::vector<std::string>& words,
                                   duration timeout = seconds(5));
  /// The partition map, whole.
  result<partition_map> map(duration timeout = seconds(2));
  /// Creates the volume; retries until enough nodes are up, at most `timeout`.
  result<> create_volume(const std::string& name, uint32_t partitions, uint32_t replicas,
                         duration timeout);
  /// Asks for the map until it fulfils `condition`; false at the timeout, an interrupt, or the end
  /// of the centre.
  bool wait_for_map(const std::function<bool(const partition_map&)>& condition, duration timeout);

  /// Last lines of a process's output, to explain a failure.
  static std::string tail_of(const std::string& file, size_t lines = 12);

private:
  cluster() = default;
  result<> write_configurations();

  cluster_options options_;
  std::optional<temporary_directory> temporary_; ///< goes when the processes have ended
  std::string directory_;
  std::string control_, telemetry_, events_, metrics_;
  process central_;
  std::vector<cluster_node> nodes_;
};

/// Every partition has a primary that is up, and as many sync members that are up as it wants.
bool fully_replicated(const partition_map& map);

} // namespace harbinger
