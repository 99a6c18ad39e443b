#include "experiment/run_key.h"

#include <cstdlib>
#include <filesystem>

#include "starling/core/error.h"
#include "starling/core/files.h"

namespace starling::experiment {
namespace {

namespace fs = std::filesystem;

RandomKey make_key(const Experiment& experiment) {
  if (!is_private(experiment.privacy))
    return RandomKey::from_seed(static_cast<uint64_t>(experiment.seed));
  if (const auto seed = insecure_seed(experiment.privacy))
    return RandomKey::from_seed(static_cast<uint64_t>(*seed)).derive("insecure");
  return RandomKey::from_system();
}

fs::path state_folder() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state != '\0')
    return fs::path(state) / "starling";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return fs::path(home) / ".local" / "state" / "starling";
  throw Error("neither XDG_STATE_HOME nor HOME is set; say with --key-file where to keep the key");
}

}  // namespace

RunKey::RunKey(const Experiment& experiment, const std::string& run_id, const std::string& key_file)
    : key_(make_key(experiment)) {
  if (!key_.secure()) return;
  path_ = key_file.empty() ? (state_folder() / "keys" / (run_id + ".key")).string() : key_file;
  if (fs::exists(path_)) throw InputError(path_, "exists already; a key belongs to one run");
  const auto folder = fs::path(path_).parent_path();
  if (!folder.empty()) fs::create_directories(folder);
  write_file_atomically(path_, key_.to_hex() + "\n", 0600);
}

RunKey::~RunKey() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove(path_, ignored);
}

}  // namespace starling::experiment
