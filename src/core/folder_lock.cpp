#include "starling/core/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "starling/core/error.h"

namespace starling {
namespace {

int open_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor < 0)
    throw Error(path + ": the run folder cannot be locked: " + std::strerror(errno));
  return descriptor;
}

// Its last owner may have removed the file between the open and the lock.
bool is_still_at(const std::string& path, int descriptor) {
  struct stat held {
  }, named{};
  return ::fstat(descriptor, &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
         held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

std::string owner_of(int descriptor) {
  std::array<char, 24> text{};
  const ssize_t size = ::pread(descriptor, text.data(), text.size() - 1, 0);
  std::string owner(text.data(), size > 0 ? static_cast<size_t>(size) : 0);
  owner = owner.substr(0, owner.find('\n'));
  const bool digits = !owner.empty() && owner.find_first_not_of("0123456789") == owner.npos;
  return digits ? "process " + owner : "another process";
}

void name_owner(int descriptor, const std::string& path) {
  const std::string text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(descriptor, 0) != 0 ||
      ::pwrite(descriptor, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    throw Error(path + ": cannot be written: " + std::strerror(errno));
}

}  // namespace

FolderLock::FolderLock(const std::string& folder) : path_(folder + "/" + kName) {
  for (;;) {
    descriptor_ = open_file(path_);
    try {
      if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0)
        throw Error(folder + ": " + owner_of(descriptor_) +
                    " is writing this run folder; wait for its end, or name another folder");
      if (is_still_at(path_, descriptor_)) {
        name_owner(descriptor_, path_);
        return;
      }
    } catch (...) {
      ::close(descriptor_);
      throw;
    }
    ::close(descriptor_);
  }
}

FolderLock::~FolderLock() {
  ::unlink(path_.c_str());
  ::close(descriptor_);
}

}  // namespace starling
