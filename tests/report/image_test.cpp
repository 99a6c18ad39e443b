#include "starling/report/image.h"

#include <gtest/gtest.h>
#include <png.h>

#include <cstdio>

#include "starling/core/error.h"
#include "starling/core/files.h"

namespace starling {
namespace {

Image decode(const std::string& bytes, int channels) {
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  EXPECT_TRUE(png_image_begin_read_from_memory(&header, bytes.data(), bytes.size()));
  header.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  Image image{header.width, header.height, channels, {}};
  image.pixels.resize(PNG_IMAGE_SIZE(header));
  EXPECT_TRUE(png_image_finish_read(&header, nullptr, image.pixels.data(), 0, nullptr));
  return image;
}

Image ramp(int64_t width, int64_t height, int64_t channels) {
  Image image{width, height, channels, {}};
  for (int64_t i = 0; i < width * height * channels; ++i) {
    image.pixels.push_back(static_cast<uint8_t>(7 * i));
  }
  return image;
}

TEST(Png, LibpngReadsBackEveryPixel) {
  for (const auto& [width, height, channels] :
       std::vector<std::tuple<int, int, int>>{{1, 1, 1}, {31, 7, 1}, {31, 7, 3}, {300, 200, 3}}) {
    const Image image = ramp(width, height, channels);
    const Image back = decode(encode_png(image), channels);
    EXPECT_EQ(back.width, width);
    EXPECT_EQ(back.height, height);
    EXPECT_EQ(back.pixels, image.pixels);
  }
}

TEST(Png, WritesTheSameBytesAsItEncodes) {
  const std::string path = testing::TempDir() + "starling_image_test.png";
  write_png(path, ramp(9, 4, 1));
  EXPECT_EQ(read_file(path), encode_png(ramp(9, 4, 1)));
  std::remove(path.c_str());
}

TEST(Png, RefusesImagesThatAreNot) {
  EXPECT_THROW(encode_png(Image{}), Error);
  EXPECT_THROW(encode_png(Image{2, 2, 2, std::vector<uint8_t>(8)}), Error);
  EXPECT_THROW(encode_png(Image{2, 2, 1, std::vector<uint8_t>(3)}), Error);
  EXPECT_THROW(encode_png(Image{70000, 1, 1, std::vector<uint8_t>(70000)}), Error);
}

}  // namespace
}  // namespace starling
