#include "starling/data/idx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdlib>
#include <random>

#include "data/idx_files.h"
#include "starling/core/error.h"

namespace starling {
namespace {

using namespace testing_files;
using testing::AllOf;
using testing::HasSubstr;

template <class Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

class Idx : public testing::Test {
 protected:
  std::string error(const std::string& bytes, const std::string& name = "images") {
    const std::string path = folder_.write(name, bytes);
    return error_of([&] { read_idx(path); });
  }
  PixelSet pair(const std::string& images, const std::string& labels, IdxLayout layout = {}) {
    return read_idx_images(folder_.write("images", images), folder_.write("labels", labels), "pair",
                           layout);
  }
  TemporaryFolder folder_;
};

TEST_F(Idx, ReadsPlainAndGzipAlike) {
  const std::string bytes = idx_images(10);
  const IdxFile plain = read_idx(folder_.write("plain", bytes));
  EXPECT_EQ(plain.shape, (std::vector<int64_t>{10, 4, 3}));
  EXPECT_EQ(plain.at(12 * 3 + 5), 8);
  EXPECT_EQ(read_idx(folder_.write("packed.gz", gzip(bytes))).bytes, plain.bytes);
  EXPECT_EQ(read_idx(folder_.write("packed-without-suffix", gzip(bytes))).bytes, plain.bytes);
}

TEST_F(Idx, ReadsConcatenatedGzipMembersAsOne) {
  const std::string bytes = idx_images(10);
  std::string members;
  for (char byte : bytes) members += gzip(std::string(1, byte));
  EXPECT_EQ(read_idx(folder_.write("members.gz", members)).size(), 120);
}

TEST_F(Idx, ReadsBigEndianSignedIntegers) {
  const std::string bytes =
      idx_header(12, {3}) + big_endian(1) + big_endian(0xfffffffe) + big_endian(0x01020304);
  const IdxFile idx = read_idx(folder_.write("table", bytes));
  EXPECT_EQ(idx.at(0), 1);
  EXPECT_EQ(idx.at(1), -2);
  EXPECT_EQ(idx.at(2), 0x01020304);
}

TEST_F(Idx, ReadsPairsWithTheirLayout) {
  const PixelSet set = pair(idx_images(6, 2, 3), idx_labels(6, 3, 1), {3, 1, true});
  EXPECT_EQ(set.shape, (std::vector<int64_t>{1, 3, 2}));
  EXPECT_EQ(set.labels, (std::vector<int64_t>{0, 1, 2, 0, 1, 2}));
  const std::vector<uint8_t> first(set.pixels.begin(), set.pixels.begin() + 6);
  EXPECT_EQ(first, (std::vector<uint8_t>{0, 3, 1, 4, 2, 5}));
}

TEST_F(Idx, idx_truncated_NamesFileExpectedAndActualBytes) {
  const std::string whole = idx_images(10);
  ASSERT_EQ(whole.size(), 136u);
  for (size_t size : {0, 1, 3, 4, 15}) {
    EXPECT_THAT(error(whole.substr(0, size)),
                AllOf(HasSubstr("images: "), HasSubstr("header needs"),
                      HasSubstr("found " + std::to_string(size))));
  }
  for (size_t size : {16, 17, 135}) {
    EXPECT_THAT(error(whole.substr(0, size)),
                AllOf(HasSubstr("expected 136 bytes"), HasSubstr("found " + std::to_string(size))));
    EXPECT_THAT(error(gzip(whole.substr(0, size)), "cut.gz"),
                AllOf(HasSubstr("cut.gz: "),
                      HasSubstr("expected 136 bytes, found " + std::to_string(size))));
  }
}

TEST_F(Idx, idx_bad_magic_IsRefused) {
  const std::string rest = idx_images(1).substr(4);
  const auto magic = [&](uint32_t value) { return error(big_endian(value) + rest); };
  EXPECT_THAT(magic(0x00000804), HasSubstr("found 28"));
  EXPECT_THAT(magic(0xdeadbeef), HasSubstr("not an IDX file"));
  EXPECT_THAT(magic(0x03080000), HasSubstr("not an IDX file"));
  EXPECT_THAT(magic(0x00000703), HasSubstr("IDX type 7"));
  EXPECT_THAT(magic(0x00000d03), HasSubstr("IDX type 13"));
  EXPECT_THAT(magic(0x00000800), HasSubstr("0 dimensions"));
  EXPECT_THAT(magic(0x000008ff), HasSubstr("255 dimensions"));
  EXPECT_THAT(magic(0x00000805), HasSubstr("5 dimensions"));
}

TEST_F(Idx, idx_dim_overflow_IsRefusedBeforeAllocation) {
  struct rusage before {
  }, after{};
  getrusage(RUSAGE_SELF, &before);
  for (const auto& extents :
       std::vector<std::vector<uint32_t>>{{0xffffffff, 0xffffffff, 0xffffffff},
                                          {65536, 65536, 65536, 65536},
                                          {0x80000000, 2, 2}}) {
    for (uint8_t type : {8, 12}) {
      const std::string bytes = idx_header(type, extents) + "data";
      EXPECT_THAT(error(bytes), HasSubstr("more than 4 GiB"));
      EXPECT_THAT(error(gzip(bytes), "overflow.gz"), HasSubstr("more than 4 GiB"));
    }
  }
  EXPECT_THAT(error(idx_header(8, {0x80000000}) + "data"), HasSubstr("found 12"));
  EXPECT_THAT(error(gzip(idx_header(8, {0x80000000}) + "data"), "ratio.gz"), HasSubstr("at most"));
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 * 1024);  // KiB
}

TEST_F(Idx, idx_zero_dim_IsAnEmptyDataSet) {
  EXPECT_THAT(error(idx_header(8, {0, 28, 28})), HasSubstr("empty data set"));
  EXPECT_THAT(error(idx_header(8, {10, 0, 28})), HasSubstr("empty data set"));
  EXPECT_THAT(error(idx_header(8, {0})), HasSubstr("empty data set"));
}

TEST_F(Idx, idx_trailing_bytes_AreRefused) {
  for (size_t extra : {1, 1 << 20}) {
    const std::string bytes = idx_images(10) + std::string(extra, 'x');
    EXPECT_THAT(error(bytes), HasSubstr("expected 136 bytes, found more"));
    EXPECT_THAT(error(gzip(bytes), "long.gz"), HasSubstr("expected 136 bytes, found more"));
  }
}

TEST_F(Idx, idx_label_mismatch_NamesBothFilesOrTheIndex) {
  EXPECT_THAT(error_of([&] { pair(idx_images(10), idx_labels(9)); }),
              AllOf(HasSubstr("labels: has 9 labels"), HasSubstr("images has 10 images")));
  std::string labels = idx_labels(10);
  labels[8 + 7] = 10;
  EXPECT_THAT(error_of([&] { pair(idx_images(10), labels); }),
              HasSubstr("label 7 is 10; allowed are 0..9"));
  labels[8 + 7] = static_cast<char>(255);
  EXPECT_THAT(error_of([&] { pair(idx_images(10), labels); }), HasSubstr("label 7 is 255"));
  EXPECT_THAT(error_of([&] {
                pair(idx_images(10), idx_labels(10), {10, 1, false});
              }),
              HasSubstr("label 0 is 0; allowed are 1..10"));
}

TEST_F(Idx, WrongKindsOfFilesAreRefused) {
  EXPECT_THAT(error_of([&] { pair(idx_labels(10), idx_labels(10)); }),
              HasSubstr("expected images"));
  EXPECT_THAT(error_of([&] { pair(idx_images(10), idx_images(10)); }),
              HasSubstr("expected labels"));
}

TEST_F(Idx, gz_truncated_IsNeverReadAsAPrefix) {
  const std::string packed = gzip(idx_images(500));
  for (size_t size : {packed.size() / 2, packed.size() - 8, packed.size() - 1}) {
    EXPECT_THAT(error(packed.substr(0, size), "cut.gz"), HasSubstr("cut.gz: "));
    EXPECT_THAT(error(packed.substr(0, size), "cut.gz"), HasSubstr("incomplete"));
  }
}

TEST_F(Idx, gz_bad_crc_IsRefused) {
  const std::string packed = gzip(idx_images(500));
  for (size_t from_end : {8, 6, 4, 1}) {
    std::string damaged = packed;
    damaged[damaged.size() - from_end] ^= 1;
    EXPECT_THAT(error(damaged, "damaged.gz"), HasSubstr("damaged gzip data"));
  }
  int refused = 0;
  for (size_t at = 10; at + 8 < packed.size(); ++at) {
    std::string damaged = packed;
    damaged[at] ^= 4;
    refused += error_of([&] { parse_idx(damaged, "damaged.gz"); }) != "no error";
  }
  EXPECT_EQ(refused, static_cast<int>(packed.size() - 18));
}

TEST_F(Idx, gz_bomb_StopsAtTheDeclaredSize) {
  struct rusage before {
  }, after{};
  const std::string header = idx_header(8, {10, 28, 28});
  const std::string bomb = gzip(header + std::string(size_t{200} << 20, '\0'));
  getrusage(RUSAGE_SELF, &before);
  EXPECT_THAT(error(bomb, "bomb.gz"), HasSubstr("expected 7856 bytes, found more"));
  EXPECT_THAT(error(gzip(bomb), "nested.gz"), HasSubstr("not an IDX file"));
  std::string members = gzip(header);
  for (int i = 0; i < 1000; ++i) members += gzip(std::string(100000, '\0'));
  EXPECT_THAT(error(members, "members.gz"), HasSubstr("found more"));
  std::string forged = bomb;
  for (size_t i = 1; i <= 4; ++i) forged[forged.size() - i] = 0;
  EXPECT_THAT(error(forged, "forged.gz"), HasSubstr("found more"));
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 * 1024);  // KiB
}

TEST_F(Idx, not_gz_IsRefusedWithAHint) {
  EXPECT_THAT(error("plain words", "x.gz"), HasSubstr("is not gzip; remove it and fetch it again"));
  EXPECT_THAT(error("\n <!DOCTYPE html><html>404", "x.gz"), HasSubstr("web page"));
  EXPECT_THAT(error("", "x.gz"), HasSubstr("is empty"));
  EXPECT_THAT(error(idx_images(2), "x.gz"), HasSubstr("is not gzip"));
  EXPECT_THAT(error(gzip(idx_images(2)) + "tail", "x.gz"), HasSubstr("4 bytes after the end"));
}

TEST_F(Idx, path_traversal_PipesFoldersAndAbsentFilesAreRefused) {
  const std::string pipe = folder_.path("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(error_of([&] { read_idx(pipe); }), HasSubstr("not a regular file"));
  EXPECT_THAT(error_of([&] { read_idx(folder_.path()); }), HasSubstr("not a regular file"));
  EXPECT_THAT(error_of([&] { read_idx(folder_.path("absent")); }), HasSubstr("absent"));
  EXPECT_NE(error_of([&] { read_idx(folder_.path(std::string(4096, 'a'))); }), "no error");
}

// Every mutation is refused with an Error or read as a valid set no larger than the file allows.
void mutate(const std::string& seed, const std::string& name, int count) {
  const size_t most = idx_images(10).size();
  std::mt19937 random(20240601);
  int accepted = 0;
  for (int i = 0; i < count; ++i) {
    std::string bytes = seed;
    for (uint32_t k = 0; k <= random() % 3; ++k) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    try {
      const IdxFile idx = parse_idx(bytes, name);
      ++accepted;
      ASSERT_EQ(idx.bytes.size(),
                static_cast<size_t>(idx.size()) * (idx.type == IdxType::uint8 ? 1 : 4));
      ASSERT_LE(idx.bytes.size(), most);
    } catch (const Error&) {
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, count);
}

TEST_F(Idx, idx_bitflip_fuzz_FiveThousandMutations) {
  mutate(idx_images(10), "mutant", 2500);
  mutate(gzip(idx_images(10)), "mutant.gz", 2500);
}

TEST_F(Idx, idx_bitflip_fuzz_LongHundredThousandMutations) {
  mutate(idx_images(10), "mutant", 50000);
  mutate(gzip(idx_images(10)), "mutant.gz", 50000);
}

TEST_F(Idx, ReadsWriterIdsAndRefusesATableOfOtherImages) {
  std::string table = idx_header(12, {3, 8});
  for (uint32_t row = 0; row < 3; ++row) {
    for (uint32_t column = 0; column < 8; ++column) {
      table += big_endian(column == 0 ? row + 4 : 100 * row + column);
    }
  }
  const std::string path = folder_.write("writers", table);
  EXPECT_EQ(read_qmnist_writers(path, {4, 5}), (std::vector<int64_t>{2, 102}));
  EXPECT_THAT(error_of([&] {
                read_qmnist_writers(path, {4, 6});
              }),
              HasSubstr("row 1 says class 5"));
  EXPECT_THAT(error_of([&] { read_qmnist_writers(path, {4, 5, 6, 7}); }), HasSubstr("has 3 rows"));
  EXPECT_THAT(error_of([&] { read_qmnist_writers(folder_.write("w", idx_labels(9)), {0}); }),
              HasSubstr("expected a table"));
}

TEST_F(Idx, ReadsCifarRecords) {
  std::string record(3073, '\x05');
  record[0] = 3;
  const auto first = folder_.write("one.bin", record + record);
  record[0] = 9;
  const auto second = folder_.write("two.bin", record);
  const PixelSet set = read_cifar10({first, second}, "cifar");
  EXPECT_EQ(set.labels, (std::vector<int64_t>{3, 3, 9}));
  EXPECT_EQ(set.pixels.size(), 3u * 3072u);
  const auto refuse = [&](const std::string& bytes, const std::string& text) {
    EXPECT_THAT(error_of([&] { read_cifar10({folder_.write("bad.bin", bytes)}, "cifar"); }),
                HasSubstr(text));
  };
  refuse(record + "x", "record 1: expected 3073 bytes, found 1");
  refuse("", "empty data set");
  record[0] = 10;
  refuse(record, "label 0 is 10");
}

}  // namespace
}  // namespace starling
