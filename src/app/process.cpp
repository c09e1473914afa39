#include "app/process.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <limits.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace harbinger {

namespace {

volatile std::sig_atomic_t interrupt_seen = 0;

std::vector<std::string> environment_with(const std::map<std::string, std::string>& changes) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string text = *entry;
    if (!changes.contains(text.substr(0, text.find('=')))) result.push_back(std::move(text));
  }
  for (const auto& [name, value] : changes) result.push_back(name + '=' + value);
  return result;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (auto& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// Between fork and exec only async-signal-safe calls are allowed: everything is prepared before.
[[noreturn]] void become(char** argv, char** env, const char* output, uint64_t address_space_bytes,
                         pid_t owner, int failure) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != owner) ::_exit(127);
  struct sigaction normal {};
  normal.sa_handler = SIG_DFL;
  for (int number : {SIGINT, SIGTERM, SIGPIPE, SIGHUP}) ::sigaction(number, &normal, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  int input = ::open("/dev/null", O_RDONLY);
  int log = ::open(output, O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (input < 0 || log < 0 || ::dup2(input, 0) < 0 || ::dup2(log, 1) < 0 || ::dup2(log, 2) < 0) {
    int why = errno;
    (void)!::write(failure, &why, sizeof why);
    ::_exit(127);
  }
  rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
#ifdef __SANITIZE_ADDRESS__
  address_space_bytes = 0; // AddressSanitizer takes terabytes of it
#endif
  if (address_space_bytes != 0) {
    rlimit limit{address_space_bytes, address_space_bytes};
    ::setrlimit(RLIMIT_AS, &limit);
  }
  ::execve(argv[0], argv, env);
  int why = errno;
  (void)!::write(failure, &why, sizeof why);
  ::_exit(127);
}

} // namespace

std::string to_string(const process_end& end) {
  if (end.signal == 0) return "exit code " + std::to_string(end.code);
  return "signal " + std::to_string(end.signal) + " (" + ::strsignal(end.signal) + ")";
}

result<process> process::start(const process_options& options) {
  if (options.argv.empty()) return fail(errc::invalid_argument, "no program named");
  auto arguments = options.argv;
  auto environment = environment_with(options.env);
  auto argv = pointers_to(arguments);
  auto env = pointers_to(environment);
  std::string output = options.output.empty() ? "/dev/null" : options.output;
  int failure[2];
  if (::pipe2(failure, O_CLOEXEC) != 0)
    return fail(errc::io, std::string{"pipe: "} + std::strerror(errno));
  pid_t owner = ::getpid();
  pid_t pid = ::fork();
  if (pid == 0)
    become(argv.data(), env.data(), output.c_str(), options.address_space_bytes, owner, failure[1]);
  int fork_error = errno;
  ::close(failure[1]);
  if (pid < 0) {
    ::close(failure[0]);
    return fail(errc::io, std::string{"fork: "} + std::strerror(fork_error));
  }
  ::setpgid(pid, pid); // in both, so that neither can be too early
  int why = 0;
  ssize_t got = 0;
  do got = ::read(failure[0], &why, sizeof why);
  while (got < 0 && errno == EINTR);
  ::close(failure[0]);
  process child;
  child.pid_ = pid;
  if (got == sizeof why) {
    child.wait(seconds(1));
    return fail(errc::io, options.argv[0] + ": " + std::strerror(why));
  }
  return child;
}

process::process(process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), end_(std::move(other.end_)) {}

process& process::operator=(process&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(end_, other.end_);
  return *this;
}

process::~process() {
  if (pid_ <= 0) return;
  ::kill(-pid_, SIGKILL);
  wait(seconds(5));
}

std::optional<process_end> process::ended() {
  if (end_ || pid_ <= 0) return end_;
  int status = 0;
  pid_t answer = 0;
  do answer = ::waitpid(pid_, &status, WNOHANG);
  while (answer < 0 && errno == EINTR);
  if (answer == 0) return std::nullopt;
  process_end end;
  end.at = std::chrono::steady_clock::now();
  end.wall_time = unix_ms{
      std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count()};
  if (answer > 0 && WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  if (answer > 0 && WIFEXITED(status)) end.code = WEXITSTATUS(status);
  end_ = end;
  return end_;
}

std::optional<process_end> process::wait(duration timeout) {
  auto until = std::chrono::steady_clock::now() + timeout;
  while (!ended()) {
    if (std::chrono::steady_clock::now() >= until) return std::nullopt;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return end_;
}

void process::signal(int number) {
  if (pid_ > 0 && !ended()) ::kill(pid_, number);
}

process_end process::stop(duration patience) {
  signal(SIGTERM);
  signal(SIGCONT); // a stopped process hears SIGTERM only then
  if (!wait(patience) && pid_ > 0) {
    ::kill(-pid_, SIGKILL);
    wait(seconds(5));
  }
  return end_.value_or(process_end{});
}

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupt_seen = 1; };
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGHUP, &action, nullptr);
}

bool interrupted() { return interrupt_seen != 0; }

bool pause_for(duration time) {
  auto until = std::chrono::steady_clock::now() + time;
  for (;;) {
    if (interrupted()) return false;
    auto left = until - std::chrono::steady_clock::now();
    if (left <= duration::zero()) return true;
    std::this_thread::sleep_for(std::min<duration>(left, milliseconds(20)));
  }
}

// By number: Debian 12's <sys/pidfd.h> can not be linked from C++ (it lacks extern "C").
int open_handle(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }
void signal_handle(int handle, int number) {
  ::syscall(SYS_pidfd_send_signal, handle, number, nullptr, 0);
}

uint64_t address_space_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  uint64_t pages = 0;
  file >> pages;
  return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::string own_directory() {
  char buffer[PATH_MAX];
  ssize_t length = ::readlink("/proc/self/exe", buffer, sizeof buffer);
  if (length <= 0) return ".";
  std::string path(buffer, static_cast<size_t>(length));
  return path.substr(0, path.rfind('/'));
}

} // namespace harbinger
