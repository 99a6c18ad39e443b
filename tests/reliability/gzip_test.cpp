// Case 9 at its full size; the other cases of IDX and gzip files are in tests/data/idx_test.cpp.

#include <gmock/gmock.h>

#include "reliability/limits.h"
#include "starling/data/idx.h"

namespace starling::reliability {
namespace {

using namespace testing_files;
using testing::HasSubstr;

constexpr int64_t kAllowedMemory = int64_t{200} << 20;
constexpr uint64_t kPiece = uint64_t{16} << 20;
constexpr uint64_t kTenGigabytes = uint64_t{10} << 30;

// One gzip member that unpacks to `head` and `zeros` zero bytes, about a thousandth of them long:
// a deflate block that ends in a full flush may be repeated.
std::string bomb(const std::string& head, uint64_t zeros) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
  std::string buffer(uint64_t{1} << 20, '\0');
  const auto flushed = [&](const std::string& bytes) {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    deflate(&stream, Z_FULL_FLUSH);
    return buffer.substr(0, buffer.size() - stream.avail_out);
  };
  std::string file = flushed(head);
  const std::string piece = flushed(std::string(kPiece, '\0'));
  deflateEnd(&stream);
  for (uint64_t done = 0; done < zeros; done += kPiece) file += piece;
  return file;
}

using GzBomb = Hostile;

TEST_F(GzBomb, gz_bomb_OfTenGigabytesStopsAtTheDeclaredSize) {
  const std::string header = idx_header(8, {10, 28, 28});
  const std::string file = bomb(header, kTenGigabytes);
  ASSERT_LT(file.size(), uint64_t{16} << 20);
  const int64_t before = peak_memory();
  EXPECT_THAT(refusal([&] { parse_idx(file, "bomb.gz"); }),
              HasSubstr("bomb.gz: expected 7856 bytes, found more"));
  EXPECT_LT(peak_memory() - before, kAllowedMemory);
}

// The header itself may claim a lot: no more is taken than the packed bytes can hold.
TEST_F(GzBomb, gz_bomb_ThatDeclaresItsSizeIsBoundByItsPackedBytes) {
  const std::string header = idx_header(8, {0xfff0, 0x100, 0x100});
  const int64_t before = peak_memory();
  EXPECT_THAT(refusal([&] { parse_idx(bomb(header, kPiece), "bomb.gz"); }), HasSubstr("at most"));
  EXPECT_LT(peak_memory() - before, kAllowedMemory);
}

TEST_F(GzBomb, gz_bomb_OfAThousandMembersIsOneBoundedFile) {
  const std::string header = idx_header(8, {10, 28, 28});
  std::string members = gzip(header);
  const std::string member = gzip(std::string(uint64_t{1} << 20, '\0'));
  for (int i = 0; i < 1000; ++i) members += member;
  const int64_t before = peak_memory();
  EXPECT_THAT(refusal([&] { parse_idx(members, "members.gz"); }), HasSubstr("found more"));
  EXPECT_LT(peak_memory() - before, kAllowedMemory);
}

}  // namespace
}  // namespace starling::reliability
