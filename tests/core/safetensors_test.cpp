#include "starling/core/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "starling/core/error.h"

namespace starling {
namespace {

using ::testing::HasSubstr;

std::string file_of(const std::string& header, const std::string& data = "") {
  std::string file;
  for (uint64_t length = header.size(), i = 0; i < 8; ++i, length >>= 8)
    file += static_cast<char>(length & 0xFF);
  return file + header + data;
}

std::string error_of(const std::string& file) {
  try {
    parse_safetensors(file, "m.safetensors");
  } catch (const InputError& problem) {
    return problem.what();
  }
  return "accepted";
}

std::string header_of(const std::string& dtype, const std::string& shape,
                      const std::string& offsets) {
  return R"({"w":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

struct Sample {
  std::string weights = std::string("\0\0\x80\x3f\0\0\0\x40", 8);  // 1.0f, 2.0f
  std::string counter = std::string("\x07\0\0\0\0\0\0\0", 8);
  std::string mask = std::string("\x01\0\x01", 3);
  std::vector<RawTensor> tensors{{"mask", DataType::boolean, {3}, mask},
                                 {"0.weight", DataType::float32, {1, 2}, weights},
                                 {"steps", DataType::int64, {}, counter}};
};

TEST(Safetensors, RoundTripKeepsOrderValuesAndMetadata) {
  const Sample sample;
  const auto file = format_safetensors(sample.tensors, {{"format", "pt"}, {"note", "\"x\"\n"}});
  const auto read = parse_safetensors(file, "m");
  ASSERT_EQ(read.tensors.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(read.tensors[i].name, sample.tensors[i].name);
    EXPECT_EQ(read.tensors[i].type, sample.tensors[i].type);
    EXPECT_EQ(read.tensors[i].shape, sample.tensors[i].shape);
    EXPECT_EQ(read.tensors[i].bytes, sample.tensors[i].bytes);
  }
  EXPECT_EQ(read.metadata.at("note"), "\"x\"\n");
}

TEST(Safetensors, BytesMatchTheFormatsDefinition) {
  const std::string value("\0\0\x80\x3f", 4);
  const RawTensor tensor{"w", DataType::float32, {1}, value};
  const std::string header = R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  const std::string padding((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(format_safetensors({{tensor}}), file_of(header + padding, value));
}

TEST(Safetensors, EveryTensorIsAlignedToItsValues) {
  const Sample sample;
  const auto file = format_safetensors(sample.tensors);
  uint64_t header = 0;
  std::memcpy(&header, file.data(), 8);
  EXPECT_EQ(header % 8, 0u);
  for (const auto& tensor : parse_safetensors(file, "m").tensors)
    EXPECT_EQ((tensor.bytes.data() - file.data()) % bytes_per_value(tensor.type), 0u);
}

TEST(Safetensors, EmptyTensorsAndEmptyFilesAreValid) {
  EXPECT_TRUE(parse_safetensors(file_of("{}"), "m").tensors.empty());
  const auto read = parse_safetensors(file_of(header_of("F32", "[0,3]", "[0,0]")), "m");
  EXPECT_EQ(read.tensors.at(0).bytes.size(), 0u);
}

TEST(Safetensors, WriterRefusesWhatCouldNotBeReadBack) {
  const std::string bytes(4, '\0');
  const RawTensor good{"w", DataType::float32, {1}, bytes};
  auto changed = [&](auto change) {
    RawTensor tensor = good;
    change(tensor);
    return std::vector<RawTensor>{tensor};
  };
  EXPECT_THROW(format_safetensors(changed([](auto& t) { t.shape = {2}; })), Error);
  EXPECT_THROW(format_safetensors(changed([](auto& t) { t.name = "a\nb"; })), Error);
  EXPECT_THROW(format_safetensors(changed([](auto& t) { t.name = ""; })), Error);
  EXPECT_THROW(format_safetensors(changed([](auto& t) { t.name = "__metadata__"; })), Error);
  EXPECT_THROW(format_safetensors(std::vector<RawTensor>{good, good}), Error);
}

TEST(Safetensors, RefusesATruncatedFileAtEveryLength) {
  const auto file = format_safetensors(Sample().tensors);
  for (size_t length = 0; length < file.size(); ++length)
    EXPECT_NE(error_of(file.substr(0, length)), "accepted") << length;
  EXPECT_NE(error_of(file + "x"), "accepted");
}

TEST(Safetensors, RefusesAHeaderLongerThanTheFileOrTheLimit) {
  std::string file = file_of("{}");
  for (const uint64_t length : {uint64_t{3}, uint64_t{1} << 40, ~uint64_t{0}}) {
    std::memcpy(file.data(), &length, 8);
    EXPECT_THAT(error_of(file), HasSubstr("its header claims")) << length;
  }
  std::string long_header = file_of("{" + std::string(kSafetensorsHeaderLimit, ' ') + "}");
  EXPECT_THAT(error_of(long_header), HasSubstr("at most 100000000 are possible"));
}

TEST(Safetensors, RefusesMalformedHeadersByName) {
  const std::string four(4, '\0');
  const std::pair<std::string, std::string> cases[] = {
      {file_of("[]"), "does not begin with {"},
      {file_of(""), "does not begin with {"},
      {file_of("{\"w\":"), "line 1"},
      {file_of(R"({"w":1})"), "/w"},
      {file_of(header_of("F33", "[1]", "[0,4]"), four), "dtype: \"F33\" is not one of"},
      {file_of(header_of("F32", "[-1]", "[0,4]"), four), "/w/shape"},
      {file_of(header_of("F32", "[1.5]", "[0,4]"), four), "/w/shape"},
      {file_of(header_of("F32", "1", "[0,4]"), four), "/w/shape"},
      {file_of(header_of("F32", "[1]", "[0]"), four), "not a pair"},
      {file_of(header_of("F32", "[1]", "[4,0]"), four), "/w/data_offsets"},
      {file_of(header_of("F32", "[1]", "[0,5]"), four), "outside the 4 bytes"},
      {file_of(header_of("F32", "[2]", "[0,4]"), four), "dtype and shape need 8"},
      {file_of(header_of("F32", "[1]", "[0,18446744073709551615]"), four), "w"},
      {file_of(header_of("BOOL", "[1]", "[0,1]"), "\x02"), "neither 0 nor 1"},
      {file_of(header_of("F32", "[4194305,4194305,211106198978564]", "[0,4]"), four), "63 bits"},
      {file_of(header_of("F32", "[0,4611686018427387904,4611686018427387904]", "[0,0]")),
       "63 bits"},
      {file_of(R"({"":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", four), "name is empty"},
      {file_of(R"({"a\n":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", four), "control"},
      {file_of(R"({"a\u0000":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", four), "control"},
      {file_of(R"({"w":{"dtype":"F32","shape":[],"data_offsets":[0,4],"x":1}})", four), "/w/x"},
      {file_of(R"({"w":{"shape":[],"data_offsets":[0,4]}})", four), "\"dtype\" is missing"},
      {file_of(R"({"__metadata__":{"a":1}})"), "/__metadata__/a"},
      {file_of(R"({"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
               R"("w":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
               four),
       "twice"},
      {file_of(header_of("F32", "[1]", "[4,8]"), four + four), "leaves a hole"},
      {file_of(header_of("F32", "[1]", "[0,4]"), four + "x"), "1 bytes after its last tensor"},
      {file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
               R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
               four),
       "overlaps"},
  };
  for (const auto& [file, expected] : cases) {
    EXPECT_THAT(error_of(file), HasSubstr(expected));
    EXPECT_THAT(error_of(file), HasSubstr("m.safetensors"));
  }
}

// Reads every byte that a parsed file points to, so that a sanitizer sees a bad view.
uint64_t touched(const Safetensors& file) {
  uint64_t sum = 0;
  for (const auto& tensor : file.tensors)
    for (const char byte : tensor.bytes) sum += static_cast<unsigned char>(byte);
  return sum;
}

TEST(Safetensors, MutatedFilesAreRefusedOrValid) {
  constexpr int kMutations = 5000;
  const auto original = format_safetensors(Sample().tensors, {{"format", "pt"}});
  std::mt19937_64 random(7);
  int refused = 0;
  for (int trial = 0; trial < kMutations; ++trial) {
    std::string file = original;
    for (uint64_t change = 0; change < 1 + random() % 3; ++change) {
      const size_t at = random() % file.size();
      switch (random() % 3) {
        case 0:
          file[at] = static_cast<char>(random());
          break;
        case 1:
          file.erase(at, 1 + random() % 4);
          break;
        default:
          file.insert(at, 1, static_cast<char>(random()));
          break;
      }
    }
    try {
      const auto read = parse_safetensors(file, "m");
      EXPECT_LE(touched(read), 255 * file.size());
      EXPECT_NO_THROW(format_safetensors(read.tensors, read.metadata));
    } catch (const InputError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, kMutations / 2);
  EXPECT_LT(refused, kMutations);
}

}  // namespace
}  // namespace starling
