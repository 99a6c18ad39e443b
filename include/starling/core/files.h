#pragma once
// Files that survive a crash: a write is seen whole or not at all, and is on the disk when the call
// returns. A failed fsync is an error that ends the run: the page cache cannot be trusted after it.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace starling {

// The whole file. Errors: Error when it is absent, not a regular file, larger than `limit` bytes or
// than the memory there is. Nobody waits for a named pipe.
std::string read_file(const std::string& path, uint64_t limit = uint64_t{1} << 32);

// The same in pieces of at most 1 MiB, for files of any size.
void read_in_pieces(const std::string& path, const std::function<void(std::string_view)>& take);

// Temporary file in the same folder, fsync, rename, fsync of the folder.
void write_file_atomically(const std::string& path, std::string_view bytes, unsigned mode = 0644);

// Appends to one open file; each `append` is on the disk when it returns. Errors: Error where it is
// a pipe, and on a failed write or flush.
class DurableFile {
 public:
  explicit DurableFile(const std::string& path);
  ~DurableFile();
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;
  void append(std::string_view bytes);

 private:
  std::string path_;
  int descriptor_;
};

// The one writer of a file, which is made if absent: an advisory lock (flock) that ends with this
// object and, at the latest, with its process, so that a crash leaves none behind. Readers need
// none. Errors: Error where another process, or another object of this one, holds it.
class FileLock {
 public:
  explicit FileLock(const std::string& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace starling
