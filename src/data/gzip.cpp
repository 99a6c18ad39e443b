#include "starling/data/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <climits>
#include <cstring>

#include "starling/core/error.h"
#include "starling/core/files.h"

namespace starling {
namespace {

constexpr uint64_t kLargestFile = uint64_t{1} << 32;
constexpr uint64_t kLargestRatio = 1032;
constexpr int kGzipOnly = MAX_WBITS + 16;

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

std::string what_it_seems(std::string_view bytes) {
  const size_t start = bytes.find_first_not_of(" \t\r\n");
  if (bytes.empty()) return "is empty";
  if (start != std::string_view::npos && bytes[start] == '<') {
    return "is not gzip but looks like a web page, perhaps an error page saved by a download";
  }
  return "is not gzip";
}

}  // namespace

class DataFile::Inflater {
 public:
  Inflater(const std::string& path, std::string_view bytes) : path_(path) {
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) throw Error(path + ": zlib cannot start");
    rest_ = bytes;
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  size_t read(std::span<uint8_t> out) {
    size_t done = 0;
    while (done < out.size() && !ended_) done += step(out.subspan(done));
    return done;
  }

  uint64_t most_left() const { return ended_ ? 0 : kLargestRatio * (rest_.size() + 64); }

 private:
  size_t step(std::span<uint8_t> out) {
    const size_t offered = std::min<size_t>(rest_.size(), INT_MAX);
    const size_t room = std::min<size_t>(out.size(), INT_MAX);
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest_.data()));
    stream_.avail_in = static_cast<uInt>(offered);
    stream_.next_out = out.data();
    stream_.avail_out = static_cast<uInt>(room);
    const int result = inflate(&stream_, Z_NO_FLUSH);
    rest_.remove_prefix(offered - stream_.avail_in);
    if (result == Z_STREAM_END) {
      next_member();
    } else if (result == Z_BUF_ERROR ||
               (result == Z_OK && rest_.empty() && stream_.avail_out > 0)) {
      fail("ends in the middle of its gzip data; it is incomplete, fetch it again");
    } else if (result != Z_OK) {
      fail(std::string("is damaged gzip data (") + (stream_.msg ? stream_.msg : "unreadable") +
           "); fetch it again");
    }
    return room - stream_.avail_out;
  }

  void next_member() {
    ended_ = rest_.empty();
    if (ended_) return;
    if (!is_gzip(rest_)) {
      fail("has " + std::to_string(rest_.size()) + " bytes after the end of its gzip data");
    }
    inflateReset(&stream_);
  }

  [[noreturn]] void fail(const std::string& problem) const { throw InputError(path_, problem); }

  const std::string& path_;
  std::string_view rest_;
  z_stream stream_{};
  bool ended_ = false;
};

DataFile::DataFile(std::string path) : DataFile(path, read_file(path, kLargestFile)) {}

DataFile::DataFile(std::string path, std::string bytes)
    : path_(std::move(path)), bytes_(std::move(bytes)) {
  if (is_gzip(bytes_)) {
    inflater_ = std::make_unique<Inflater>(path_, bytes_);
  } else if (path_.ends_with(".gz")) {
    throw InputError(path_, what_it_seems(bytes_) + "; remove it and fetch it again");
  }
}

DataFile::~DataFile() = default;

size_t DataFile::read(std::span<uint8_t> out) {
  if (inflater_) return inflater_->read(out);
  const size_t count = std::min(out.size(), bytes_.size() - at_);
  if (count > 0) std::memcpy(out.data(), bytes_.data() + at_, count);
  at_ += count;
  return count;
}

uint64_t DataFile::most_left() const {
  return inflater_ ? inflater_->most_left() : bytes_.size() - at_;
}

}  // namespace starling
