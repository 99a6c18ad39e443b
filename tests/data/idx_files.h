#pragma once
// Small IDX and gzip files for tests, in a folder that goes away with the test.

#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

namespace starling::testing_files {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "starling_data_XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string path(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path(name);
  }

 private:
  std::filesystem::path path_;
};

inline std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

inline std::string idx_header(uint8_t type, const std::vector<uint32_t>& extents) {
  std::string bytes{'\0', '\0', static_cast<char>(type), static_cast<char>(extents.size())};
  for (uint32_t extent : extents) bytes += big_endian(extent);
  return bytes;
}

// n images of rows x columns, pixel j of image i being (i + j) mod 256.
inline std::string idx_images(uint32_t n, uint32_t rows = 4, uint32_t columns = 3) {
  std::string bytes = idx_header(8, {n, rows, columns});
  for (uint32_t i = 0; i < n; ++i) {
    for (uint32_t j = 0; j < rows * columns; ++j) bytes += static_cast<char>(i + j);
  }
  return bytes;
}

// n labels 0..classes-1 in turn, plus `first`.
inline std::string idx_labels(uint32_t n, uint32_t classes = 10, uint32_t first = 0) {
  std::string bytes = idx_header(8, {n});
  for (uint32_t i = 0; i < n; ++i) bytes += static_cast<char>(first + i % classes);
  return bytes;
}

// window_bits: MAX_WBITS + 16 for gzip, -MAX_WBITS for bare deflate.
inline std::string deflated(const std::string& bytes, int window_bits = MAX_WBITS + 16) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline std::string gzip(const std::string& bytes) { return deflated(bytes); }

}  // namespace starling::testing_files
