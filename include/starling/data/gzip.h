#pragma once
// The bytes of a data file in order, plain or gzip (RFC 1952), never more than the caller asks for:
// a small file that unpacks to gigabytes costs no memory. A damaged, truncated or mislabelled file
// is an InputError that names it; nothing read from it before the error may be used.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace starling {

class DataFile {
 public:
  // gzip is recognised by its first two bytes. A name that ends in ".gz" promises it.
  // Errors: Error where the file is absent, not a regular file or above 4 GiB; InputError, with
  // what the file seems to be, where the promise is broken.
  explicit DataFile(std::string path);
  // The same of bytes in memory; `path` only names them.
  DataFile(std::string path, std::string bytes);
  ~DataFile();
  DataFile(const DataFile&) = delete;
  DataFile& operator=(const DataFile&) = delete;

  // Fills `out` and returns its size, or less at the end of the data. Errors: InputError where the
  // deflate stream is damaged or cut, or a member's checksum or length is wrong.
  size_t read(std::span<uint8_t> out);

  // The most bytes that the rest of the file can hold: what is left of a plain file; for gzip,
  // which packs at most 1032 to 1, an upper bound.
  uint64_t most_left() const;

  bool packed() const { return inflater_ != nullptr; }
  const std::string& path() const { return path_; }

 private:
  class Inflater;
  std::string path_;
  std::string bytes_;
  size_t at_ = 0;
  std::unique_ptr<Inflater> inflater_;
};

}  // namespace starling
