#include "starling/core/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "starling/core/error.h"

namespace starling {
namespace {

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw Error(path + ": " + what + ": " + std::strerror(errno));
}

class Descriptor {
 public:
  Descriptor(const std::string& path, int flags, unsigned mode = 0)
      : path_(path), value_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {
    if (value_ < 0) fail(path, "cannot be opened");
  }
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int value() const { return value_; }
  void sync() const {
    if (::fsync(value_) != 0) fail(path_, "cannot be flushed to the disk");
  }

 private:
  std::string path_;
  int value_;
};

void write_all(int descriptor, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path, "cannot be written");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

std::string folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}  // namespace

std::string read_file(const std::string& path, uint64_t limit) {
  // O_NONBLOCK: a named pipe must not make the reader wait.
  const Descriptor file(path, O_RDONLY | O_NONBLOCK);
  struct stat status {};
  if (::fstat(file.value(), &status) != 0) fail(path, "cannot be examined");
  if (!S_ISREG(status.st_mode)) throw Error(path + ": is not a regular file");
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size > limit)
    throw Error(path + ": has " + std::to_string(size) + " bytes; at most " +
                std::to_string(limit) + " are read");
  std::string bytes(size, '\0');
  size_t have = 0;
  while (have < size) {
    const ssize_t got = ::read(file.value(), bytes.data() + have, size - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path, "cannot be read");
    if (got == 0) throw Error(path + ": became shorter while it was read");
    have += static_cast<size_t>(got);
  }
  return bytes;
}

void write_file_atomically(const std::string& path, std::string_view bytes, unsigned mode) {
  const std::string temporary = path + ".tmp";
  ::unlink(temporary.c_str());  // what an earlier crash left
  try {
    const Descriptor file(temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
    write_all(file.value(), bytes, temporary);
    file.sync();
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail(path, "cannot be replaced");
  Descriptor(folder_of(path), O_RDONLY | O_DIRECTORY).sync();
}

DurableFile::DurableFile(const std::string& path) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail(path, "cannot be opened");
  Descriptor(folder_of(path), O_RDONLY | O_DIRECTORY).sync();
}

DurableFile::~DurableFile() { ::close(descriptor_); }

void DurableFile::append(std::string_view bytes) {
  write_all(descriptor_, bytes, path_);
  if (::fdatasync(descriptor_) != 0) fail(path_, "cannot be flushed to the disk");
}

FileLock::FileLock(const std::string& path)
    : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644)) {
  if (descriptor_ < 0) fail(path, "cannot be opened");
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const bool taken = errno == EWOULDBLOCK;
  const std::string problem = taken ? "another writer has it open; wait until it ends, or end it"
                                    : std::string("cannot be locked: ") + std::strerror(errno);
  ::close(descriptor_);
  throw Error(path + ": " + problem);
}

FileLock::~FileLock() { ::close(descriptor_); }

}  // namespace starling
