#include "app/cluster.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <arpa/inet.h>
#include <csignal>
#include <cstdlib>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "messages/events.hpp"
#include "net/requester.hpp"

namespace harbinger {

namespace {

namespace fs = std::filesystem;

std::string toml_text(const std::string& text) { return '"' + text + '"'; }

/// Ports that nobody listens on now. All are held open until the last is known, so that they
/// differ.
result<std::vector<uint16_t>> free_ports(size_t count) {
  std::vector<int> held;
  std::vector<uint16_t> ports;
  for (size_t i = 0; i < count; ++i) {
    int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (descriptor >= 0) held.push_back(descriptor);
    if (descriptor < 0 || ::bind(descriptor, generic, size) != 0
        || ::getsockname(descriptor, generic, &size) != 0)
      break;
    ports.push_back(ntohs(address.sin_port));
  }
  for (int descriptor : held) ::close(descriptor);
  if (ports.size() < count)
    return fail(errc::io, std::string{"no free port: "} + std::strerror(errno));
  return ports;
}

std::string local(uint16_t port) { return "tcp://127.0.0.1:" + std::to_string(port); }

result<> write_config(const std::string& file, const std::map<std::string, std::string>& keys) {
  std::ofstream out(file);
  for (const auto& [key, value] : keys) out << key << " = " << value << '\n';
  out.close();
  if (!out) return fail(errc::io, "can not write " + file);
  return {};
}

result<std::string> ask_console(const std::string& state, const std::vector<std::string>& words,
                                duration timeout) {
  auto socket = net::requester::connect("ipc://" + state + "/console.sock");
  if (!socket) return tl::unexpected<error>(socket.error());
  auto reply = socket->call<console_reply>(console_request{words}, timeout);
  if (!reply) return tl::unexpected<error>(reply.error());
  return reply->document;
}

} // namespace

result<std::unique_ptr<cluster>> cluster::prepare(const cluster_options& options) {
  std::unique_ptr<cluster> made(new cluster);
  made->options_ = options;
  if (made->options_.programs.empty()) made->options_.programs = own_directory();
  if (options.directory.empty()) {
    auto own = temporary_directory::make("harbinger-");
    if (!own) return tl::unexpected<error>(own.error());
    if (options.keep) own->keep();
    made->directory_ = own->path();
    made->temporary_ = std::move(*own);
  } else {
    std::error_code code;
    fs::create_directories(options.directory, code);
    made->directory_ = fs::absolute(options.directory, code).string();
  }
  auto ports = free_ports(4 + options.nodes);
  if (!ports) return tl::unexpected<error>(ports.error());
  made->control_ = local((*ports)[0]);
  made->telemetry_ = local((*ports)[1]);
  made->events_ = local((*ports)[2]);
  made->metrics_ = "127.0.0.1:" + std::to_string((*ports)[3]);
  for (uint32_t i = 0; i < options.nodes; ++i) {
    cluster_node node;
    node.name = "n" + std::to_string(i + 1);
    node.rack = "r" + std::to_string(i % std::max(options.racks, 1u) + 1);
    node.data_endpoint = local((*ports)[4 + i]);
    node.directory = made->directory_ + '/' + node.name;
    made->nodes_.push_back(std::move(node));
  }
  if (auto written = made->write_configurations(); !written)
    return tl::unexpected<error>(written.error());
  return made;
}

result<> cluster::write_configurations() {
  std::error_code code;
  fs::create_directories(central_state(), code);
  fs::create_directories(mass_storage(), code);
  std::map<std::string, std::string> keys{
      {"state_dir", toml_text(central_state())},      {"endpoints.control", toml_text(control_)},
      {"endpoints.telemetry", toml_text(telemetry_)}, {"endpoints.events", toml_text(events_)},
      {"endpoints.metrics", toml_text(metrics_)},
  };
  for (const auto& [key, value] : options_.central) keys[key] = value;
  if (auto written = write_config(central_directory() + "/config.toml", keys); !written)
    return written;
  for (const auto& node : nodes_) {
    fs::create_directories(node.directory + "/state", code);
    std::ofstream(node.log_file(), std::ios::app).flush();
    keys = {
        {"state_dir", toml_text(node.directory + "/state")},
        {"node.id", toml_text(node.name)},
        {"node.data", toml_text(node.data_endpoint)},
        {"node.central_control", toml_text(control_)},
        {"node.central_telemetry", toml_text(telemetry_)},
        {"node.attributes",
         "{ rack = " + toml_text(node.rack) + ", host = " + toml_text("h-" + node.name) + " }"},
        {"mass_storage.directory", toml_text(mass_storage())},
        {"telemetry.log_files", '[' + toml_text(node.log_file()) + ']'},
    };
    for (const auto& [key, value] : options_.node) keys[key] = value;
    if (auto written = write_config(node.directory + "/config.toml", keys); !written)
      return written;
  }
  return {};
}

cluster::~cluster() { stop(seconds(3)); }

result<> cluster::start_central() {
  process_options p;
  p.argv = {options_.programs + "/harbingerd", "central", "--config",
            central_directory() + "/config.toml"};
  p.output = central_directory() + "/output.log";
  auto started = process::start(p);
  if (!started) return tl::unexpected<error>(started.error());
  central_ = std::move(*started);
  return {};
}

result<> cluster::start_node(size_t index) {
  auto& node = nodes_.at(index);
  process_options p;
  p.argv = {options_.programs + "/harbingerd", "node", "--config", node.directory + "/config.toml"};
  p.output = node.directory + "/output.log";
  if (options_.with_trouble) {
    p.env["LD_PRELOAD"] = options_.programs + "/libharbinger_trouble.so";
    p.env["HARBINGER_TROUBLE_FILE"] = node.trouble_file();
    // One 64 MiB arena a thread would make the address space say little about the memory in use.
    p.env["MALLOC_ARENA_MAX"] = "2";
    p.address_space_bytes =
        options_.node_memory_bytes != 0 ? options_.node_memory_bytes : node_memory_default_bytes;
    std::error_code code;
    fs::remove(node.trouble_file(), code);
  }
  auto started = process::start(p);
  if (!started) return tl::unexpected<error>(started.error());
  node.daemon = std::move(*started);
  return {};
}

result<> cluster::start(duration timeout) {
  auto until = std::chrono::steady_clock::now() + timeout;
  if (auto started = start_central(); !started) return started;
  for (size_t i = 0; i < nodes_.size(); ++i)
    if (auto started = start_node(i); !started) return started;
  auto all_up = [this](const partition_map& m) {
    return std::count_if(m.nodes.begin(), m.nodes.end(),
                         [](const node_row& n) { return n.state == node_state::up; })
           == static_cast<std::ptrdiff_t>(nodes_.size());
  };
  for (;;) {
    if (interrupted()) return fail(errc::cancelled, "interrupted");
    if (auto end = central_.ended())
      return fail(errc::unavailable, "central ended with " + to_string(*end) + ":\n"
                                         + tail_of(central_directory() + "/output.log"));
    for (auto& node : nodes_)
      if (auto end = node.daemon.ended())
        return fail(errc::unavailable, node.name + " ended with " + to_string(*end) + ":\n"
                                           + tail_of(node.directory + "/output.log"));
    if (auto now = map(milliseconds(300)); now && all_up(*now)) return {};
    if (std::chrono::steady_clock::now() > until)
      return fail(errc::timeout, "not all nodes registered in time; central said last:\n"
                                     + tail_of(central_directory() + "/output.log"));
    pause_for(milliseconds(30));
  }
}

bool cluster::stop(duration patience) {
  bool clean = true;
  std::vector<process*> all;
  for (auto& node : nodes_) all.push_back(&node.daemon);
  all.push_back(&central_);
  for (auto* one : all) {
    one->signal(SIGTERM);
    one->signal(SIGCONT);
  }
  auto until = std::chrono::steady_clock::now() + patience;
  for (auto* one : all) {
    if (one->pid() <= 0) continue;
    auto end =
        one->stop(std::max<duration>(until - std::chrono::steady_clock::now(), duration::zero()));
    clean = clean && end.signal == 0 && end.code == 0;
  }
  return clean;
}

cluster_node* cluster::find(const std::string& name) {
  auto it = std::find_if(nodes_.begin(), nodes_.end(),
                         [&](const auto& node) { return node.name == name; });
  return it == nodes_.end() ? nullptr : &*it;
}

result<std::string> cluster::console(const std::vector<std::string>& words, duration timeout) {
  return ask_console(central_state(), words, timeout);
}

result<std::string> cluster::node_console(size_t index, const std::vector<std::string>& words,
                                          duration timeout) {
  return ask_console(nodes_.at(index).directory + "/state", words, timeout);
}

result<partition_map> cluster::map(duration timeout) {
  auto socket = net::requester::connect(control_);
  if (!socket) return tl::unexpected<error>(socket.error());
  return socket->call<partition_map>(map_request{}, timeout);
}

result<> cluster::create_volume(const std::string& name, uint32_t partitions, uint32_t replicas,
                                duration timeout) {
  auto until = std::chrono::steady_clock::now() + timeout;
  auto socket = net::requester::connect(control_);
  if (!socket) return tl::unexpected<error>(socket.error());
  for (;;) {
    auto made = socket->call<partition_map>(harbinger::create_volume{name, partitions, replicas},
                                            seconds(2));
    if (made || made.error().code == errc::conflict) return {};
    if (interrupted() || std::chrono::steady_clock::now() > until)
      return tl::unexpected<error>(made.error());
    pause_for(milliseconds(50));
  }
}

bool cluster::wait_for_map(const std::function<bool(const partition_map&)>& condition,
                           duration timeout) {
  auto until = std::chrono::steady_clock::now() + timeout;
  auto socket = net::requester::connect(control_);
  while (socket && !interrupted() && !central_.ended()) {
    auto now = socket->call<partition_map>(map_request{}, milliseconds(500));
    if (now && condition(*now)) return true;
    if (std::chrono::steady_clock::now() > until) return false;
    pause_for(milliseconds(15));
  }
  return false;
}

std::string cluster::tail_of(const std::string& file, size_t lines) {
  std::ifstream in(file);
  std::deque<std::string> last;
  for (std::string line; std::getline(in, line);) {
    last.push_back("  " + line + '\n');
    if (last.size() > lines) last.pop_front();
  }
  std::string text;
  for (const auto& line : last) text += line;
  return text.empty() ? "  (nothing)\n" : text;
}

bool fully_replicated(const partition_map& map) {
  std::set<node_id> up;
  for (const auto& node : map.nodes)
    if (node.state == node_state::up) up.insert(node.id);
  return std::all_of(map.partitions.begin(), map.partitions.end(), [&](const partition_row& row) {
    auto members = std::count_if(row.sync_set.begin(), row.sync_set.end(),
                                 [&](const node_id& id) { return up.contains(id); });
    return up.contains(row.primary) && members >= static_cast<std::ptrdiff_t>(row.replicas_wanted);
  });
}

} // namespace harbinger
