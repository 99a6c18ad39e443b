#include "starling/core/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <new>

#include "starling/core/error.h"

namespace starling {
namespace {

constexpr size_t kPiece = size_t{1} << 20;
constexpr int kRead = O_RDONLY | O_NONBLOCK;  // a named pipe must not make the reader wait

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw Error(path + ": " + what + ": " + std::strerror(errno));
}

// The system would see the name up to its NUL only.
void refuse_nul(const std::string& path) {
  if (path.find('\0') != std::string::npos)
    throw Error(path.substr(0, path.find('\0')) + ": a NUL byte follows in the file's name");
}

int open_descriptor(const std::string& path, int flags, unsigned mode) {
  refuse_nul(path);
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (descriptor < 0) fail(path, "cannot be opened");
  return descriptor;
}

struct stat examine(int descriptor, const std::string& path) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) fail(path, "cannot be examined");
  return status;
}

uint64_t size_of_regular(int descriptor, const std::string& path) {
  const auto status = examine(descriptor, path);
  if (!S_ISREG(status.st_mode)) throw Error(path + ": is not a regular file");
  return static_cast<uint64_t>(status.st_size);
}

class Descriptor {
 public:
  Descriptor(const std::string& path, int flags, unsigned mode = 0)
      : path_(path), value_(open_descriptor(path, flags, mode)) {}
  ~Descriptor() { ::close(value_); }
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

std::string memory_for(uint64_t size, const std::string& path) {
  try {
    return std::string(size, '\0');
  } catch (const std::bad_alloc&) {
    throw Error(path + ": has " + std::to_string(size) + " bytes, more than fits into memory");
  }
}

// Fewer than `size` bytes only at the end of the file.
size_t read_some(int descriptor, char* bytes, size_t size, const std::string& path) {
  size_t have = 0;
  while (have < size) {
    const ssize_t got = ::read(descriptor, bytes + have, size - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path, "cannot be read");
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  return have;
}

std::string folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}  // namespace

std::string read_file(const std::string& path, uint64_t limit) {
  const Descriptor file(path, kRead);
  const uint64_t size = size_of_regular(file.value(), path);
  if (size > limit)
    throw Error(path + ": has " + std::to_string(size) + " bytes; at most " +
                std::to_string(limit) + " are read");
  std::string bytes = memory_for(size, path);
  if (read_some(file.value(), bytes.data(), size, path) < size)
    throw Error(path + ": became shorter while it was read");
  return bytes;
}

void read_in_pieces(const std::string& path, const std::function<void(std::string_view)>& take) {
  const Descriptor file(path, kRead);
  size_of_regular(file.value(), path);
  std::string piece(kPiece, '\0');
  for (size_t got = kPiece; got == kPiece;) {
    got = read_some(file.value(), piece.data(), kPiece, path);
    take(std::string_view(piece).substr(0, got));
  }
}

void write_file_atomically(const std::string& path, std::string_view bytes, unsigned mode) {
  refuse_nul(path);
  const std::string temporary = path + ".tmp";
  ::unlink(temporary.c_str());  // what an earlier crash left
  try {
    const Descriptor file(temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
    write_all(file.value(), bytes, temporary);
    file.sync();
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail(path, "cannot be replaced");
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  Descriptor(folder_of(path), O_RDONLY | O_DIRECTORY).sync();
}

DurableFile::DurableFile(const std::string& path) : path_(path) {
  descriptor_ = open_descriptor(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0644);
  try {
    if (S_ISFIFO(examine(descriptor_, path).st_mode))
      throw Error(path + ": is a pipe, not a regular file");
    Descriptor(folder_of(path), O_RDONLY | O_DIRECTORY).sync();
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
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
