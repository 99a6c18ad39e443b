#pragma once
// One transfer by libcurl into a temporary file, which is removed unless it is kept.

#include <cstdint>
#include <functional>
#include <string>

namespace starling {

class Download {
 public:
  explicit Download(std::string temporary);
  ~Download();
  Download(const Download&) = delete;
  Download& operator=(const Download&) = delete;

  // Errors: Error with libcurl's reason, or where more than `limit` bytes arrive.
  void run(const std::string& url, int64_t limit,
           const std::function<void(int64_t done, int64_t total)>& progress);
  int64_t bytes() const { return bytes_; }

  // Moves the file, already flushed to the disk, to its name.
  void keep_as(const std::string& path);

 private:
  static size_t write(char* data, size_t size, size_t count, void* self);

  std::string temporary_;
  int descriptor_;
  int64_t bytes_ = 0;
  int64_t limit_ = 0;
  bool too_long_ = false;
  bool unwritable_ = false;
};

}  // namespace starling
