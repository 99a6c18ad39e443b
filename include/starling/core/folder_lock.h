#pragma once
// One process at a time writes a run folder: flock on <folder>/.lock, which holds the owner's
// process id. The kernel gives the lock back when its owner ends, however it ends, so that a file
// that a crash left is no obstacle.

#include <string>

namespace starling {

class FolderLock {
 public:
  // Errors: Error naming the process that holds the folder.
  explicit FolderLock(const std::string& folder);
  ~FolderLock();  // removes the file
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  static constexpr const char* kName = ".lock";

 private:
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace starling
