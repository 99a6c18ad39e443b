#pragma once
// Programs that a test starts: each with its process id kept, killed by that id alone, and bounded
// in time and memory.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace starling::reliability {

inline constexpr std::chrono::seconds kChildTime{120};

struct ChildOptions {
  std::vector<std::pair<std::string, std::string>> environment;
  std::string output = "/dev/null";  // stdout and stderr
  rlim_t file_size = RLIM_INFINITY;  // RLIMIT_FSIZE, SIGXFSZ ignored: writes beyond it fail
  rlim_t address_space = RLIM_INFINITY;
};

class Child {
 public:
  Child(const std::vector<std::string>& command, const ChildOptions& options = {}) {
    pid_ = ::fork();
    if (pid_ == 0) become(command, options);
  }
  ~Child() {
    if (!done_) kill(SIGKILL), wait();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  void kill(int signal) const {
    if (!done_) ::kill(pid_, signal);
  }
  bool running() { return !done_ && !reap(WNOHANG); }
  // The exit code, or 128 + signal. A child that hangs is killed and fails the test.
  int wait() {
    const auto end = std::chrono::steady_clock::now() + kChildTime;
    while (!done_ && !reap(WNOHANG)) {
      if (std::chrono::steady_clock::now() > end) {
        ADD_FAILURE() << "process " << pid_ << " hangs";
        ::kill(pid_, SIGKILL);
        reap(0);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  }

 private:
  bool reap(int flags) { return done_ = ::waitpid(pid_, &status_, flags) == pid_; }

  [[noreturn]] static void become(const std::vector<std::string>& command,
                                  const ChildOptions& options) {
    for (const auto& [name, value] : options.environment) ::setenv(name.c_str(), value.c_str(), 1);
    const rlimit files{options.file_size, options.file_size};
    const rlimit memory{options.address_space, options.address_space};
    ::setrlimit(RLIMIT_FSIZE, &files);
    ::setrlimit(RLIMIT_AS, &memory);
    ::signal(SIGXFSZ, options.file_size == RLIM_INFINITY ? SIG_DFL : SIG_IGN);
    const int output = ::open(options.output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
    std::vector<char*> arguments;
    for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }

  pid_t pid_;
  int status_ = 0;
  bool done_ = false;
};

inline int run_child(const std::vector<std::string>& command, const ChildOptions& options = {}) {
  return Child(command, options).wait();
}

inline std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  std::istringstream text(contents(path));
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

}  // namespace starling::reliability
