#pragma once
// Runs the program as a user does.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace starling::testing {

struct Outcome {
  int code = -1;
  std::string out;
  std::string err;
};

inline std::string file_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A folder of this test's own, removed at its end.
class Folder {
 public:
  explicit Folder(const std::string& name)
      : path_(std::filesystem::temp_directory_path() /
              ("starling_" + name + "_" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return (path_ / name).string();
  }

 private:
  std::filesystem::path path_;
};

// `arguments` go through the shell: quote what needs it. `environment` is "NAME=value ...".
inline Outcome starling(const std::string& arguments, const std::string& environment = "") {
  const Folder folder("outcome");
  const std::string command = environment + " '" + STARLING_PROGRAM + "' " + arguments + " >'" +
                              (folder / "out") + "' 2>'" + (folder / "err") + "' </dev/null";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          file_text(folder / "out"), file_text(folder / "err")};
}

// `starling run` of this experiment into `out` of the folder, with its key there too.
inline Outcome run_into(const Folder& folder, const std::string& experiment, const std::string& out,
                        const std::string& more = "") {
  const auto file = folder.write("experiment.json", experiment);
  return starling("run '" + file + "' --out '" + (folder / out) + "' " + more,
                  "XDG_STATE_HOME='" + (folder / "state") + "'");
}

}  // namespace starling::testing
