#pragma once
// Pictures as PNG, by libpng: contact sheets of data sets, figures of reports.

#include <cstdint>
#include <string>
#include <vector>

namespace starling {

struct Image {
  int64_t width = 0;
  int64_t height = 0;
  int64_t channels = 1;         // 1 grey, 3 red-green-blue
  std::vector<uint8_t> pixels;  // [height, width, channels]
};

// The bytes of a PNG file. Errors: Error where a side is outside 1..65535, channels is not 1 or 3,
// or `pixels` is of another size.
std::string encode_png(const Image& image);

// Atomically.
void write_png(const std::string& path, const Image& image);

}  // namespace starling
