#include "starling/report/image.h"

#include <png.h>

#include "starling/core/error.h"
#include "starling/core/files.h"

namespace starling {
namespace {

constexpr int64_t kLargestSide = 65535;

void check(const Image& image) {
  const auto side = [](int64_t extent) { return extent >= 1 && extent <= kLargestSide; };
  if (!side(image.width) || !side(image.height)) {
    throw Error("an image of " + std::to_string(image.width) + " x " +
                std::to_string(image.height) + " pixels is outside 1..65535 a side");
  }
  if (image.channels != 1 && image.channels != 3) {
    throw Error("an image has 1 or 3 channels, not " + std::to_string(image.channels));
  }
  const int64_t size = image.width * image.height * image.channels;
  if (static_cast<int64_t>(image.pixels.size()) != size) {
    throw Error("an image needs " + std::to_string(size) + " bytes, found " +
                std::to_string(image.pixels.size()));
  }
}

}  // namespace

std::string encode_png(const Image& image) {
  check(image);
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = static_cast<png_uint_32>(image.width);
  header.height = static_cast<png_uint_32>(image.height);
  header.format = image.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(header);
  std::string bytes(size, '\0');
  if (!png_image_write_to_memory(&header, bytes.data(), &size, 0, image.pixels.data(), 0,
                                 nullptr)) {
    throw Error(std::string("libpng: ") + header.message);
  }
  bytes.resize(size);
  return bytes;
}

void write_png(const std::string& path, const Image& image) {
  write_file_atomically(path, encode_png(image));
}

}  // namespace starling
