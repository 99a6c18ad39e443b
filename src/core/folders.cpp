#include "core/folders.h"

#include <filesystem>

#include "starling/core/error.h"

namespace starling {

void create_folders(const std::string& path) {
  std::error_code problem;
  std::filesystem::create_directories(path, problem);
  if (problem) throw InputError(path, "cannot be made a folder: " + problem.message());
}

}  // namespace starling
