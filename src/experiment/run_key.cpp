#include "experiment/run_key.h"

#include <cstdlib>
#include <filesystem>

#include "core/folders.h"
#include "starling/core/error.h"
#include "starling/core/files.h"

namespace starling::experiment {
namespace {

namespace fs = std::filesystem;

fs::path state_folder() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state != '\0')
    return fs::path(state) / "starling";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return fs::path(home) / ".local" / "state" / "starling";
  throw Error("neither XDG_STATE_HOME nor HOME is set; say with --key-file where to keep the key");
}

std::string default_path(const std::string& run_id) {
  return (state_folder() / "keys" / (run_id + ".key")).string();
}

void write_key(const std::string& path, const RandomKey& key) {
  if (fs::exists(path)) throw InputError(path, "exists already; a key belongs to one run");
  const auto folder = fs::path(path).parent_path();
  if (!folder.empty()) create_folders(folder.string());
  write_file_atomically(path, key.to_hex() + "\n", 0600);
}

// Other noise on the same examples would tell them by subtraction, so there is no way around it.
RandomKey read_key(const std::string& path) {
  if (!fs::exists(path))
    throw InputError(path,
                     "the key of this run is gone, so that its noise cannot be repeated and it "
                     "cannot be resumed; give the file with --key-file, or start a new run");
  std::string text = read_file(path, 1024);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  try {
    return RandomKey::from_hex(text);
  } catch (const Error&) {
    throw InputError(path, "does not hold the key of a run");
  }
}

}  // namespace

std::optional<RandomKey> repeatable_key(const Experiment& experiment) {
  if (!is_private(experiment.privacy))
    return RandomKey::from_seed(static_cast<uint64_t>(experiment.seed));
  if (const auto seed = insecure_seed(experiment.privacy))
    return RandomKey::from_seed(static_cast<uint64_t>(*seed)).derive("insecure");
  return std::nullopt;
}

RunKey::RunKey(const Experiment& experiment, const std::string& run_id, const std::string& key_file,
               bool resumes)
    : kept_(resumes) {
  const auto repeatable = repeatable_key(experiment);
  key_ = repeatable ? *repeatable : RandomKey::from_system();
  if (repeatable) return;
  path_ = key_file.empty() ? default_path(run_id) : key_file;
  if (resumes) {
    key_ = read_key(path_);
  } else {
    write_key(path_, key_);
  }
}

void RunKey::retire() {
  kept_ = false;
  std::error_code ignored;
  if (!path_.empty()) fs::remove(path_, ignored);
}

void RunKey::forget(const std::string& run_id) {
  // The id comes from a file that anyone may have written.
  if (run_id.empty() || fs::path(run_id).filename() != run_id) return;
  std::error_code ignored;
  try {
    fs::remove(default_path(run_id), ignored);
  } catch (const Error&) {  // no state folder, hence no key
  }
}

RunKey::~RunKey() {
  if (!kept_) retire();
}

}  // namespace starling::experiment
