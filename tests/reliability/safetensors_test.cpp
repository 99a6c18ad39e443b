// Cases 22, 23 and 27 as far as the format decides them: models and updates from strangers.

#include <gmock/gmock.h>

#include <limits>

#include "reliability/limits.h"
#include "starling/core/files.h"
#include "starling/core/safetensors.h"

namespace starling::reliability {
namespace {

using testing::HasSubstr;

using Updates = Hostile;

std::string file_of(const std::string& header, const std::string& data = "") {
  std::string file;
  for (uint64_t length = header.size(), i = 0; i < 8; ++i, length >>= 8)
    file += static_cast<char>(length & 0xFF);
  return file + header + data;
}

std::string tensor(const std::string& dtype, const std::string& shape, const std::string& range) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + range + "}";
}

std::string refused(const std::string& file) {
  return refusal([&] { parse_safetensors(file, "update"); });
}

TEST_F(Updates, upd_shape_DtypesThatNoModelHasAreRefused) {
  for (const char* dtype : {"C64", "F8_E4M3", "U64", "f32", "", "float32"})
    EXPECT_THAT(refused(file_of(R"({"w":)" + tensor(dtype, "[1]", "[0,4]") + "}", "abcd")),
                HasSubstr("/w/dtype"));
}

TEST_F(Updates, upd_huge_ShapesOverflowBeforeAnyAllocation) {
  const int64_t before = peak_memory();
  for (const char* shape :
       {"[2147483648,2147483648]", "[4194305,4194305,211106198978564]",
        "[9223372036854775807,9223372036854775807]", "[65536,65536,65536,65536]",
        "[9223372036854775807]", "[0,9223372036854775807,3]"})
    for (const char* range : {"[0,4]", "[0,0]", "[0,9223372036854775807]"})
      EXPECT_NE(refused(file_of(R"({"w":)" + tensor("F32", shape, range) + "}", "abcd")), "");
  EXPECT_LT(peak_memory() - before, int64_t{64} << 20);
}

TEST_F(Updates, upd_huge_AHeaderOf101MegabytesIsRefused) {
  const std::string header = "{" + std::string(101'000'000, ' ') + "}";
  EXPECT_THAT(refused(file_of(header)), HasSubstr("at most 100000000 are possible"));
}

TEST_F(Updates, upd_huge_AMessageLongerThanDeclaredIsRefused) {
  const std::string header = R"({"w":)" + tensor("F32", "[1]", "[0,4]") + "}";
  EXPECT_THAT(refused(file_of(header, "abcdX")), HasSubstr("1 bytes after its last tensor"));
  EXPECT_THAT(refused(file_of(header, "abc")), HasSubstr("outside the 3 bytes"));
}

// Many names are no error of the format; they must only not cost more than they weigh.
TEST_F(Updates, upd_huge_AHundredThousandNamesAreReadInLinearMemory) {
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i)
    header += (i ? ",\"" : "\"") + std::to_string(i) + "\":" + tensor("F32", "[0]", "[0,0]");
  const int64_t before = peak_memory();
  EXPECT_EQ(parse_safetensors(file_of(header + "}"), "update").tensors.size(), 100'000u);
  EXPECT_LT(peak_memory() - before, int64_t{400} << 20);
}

TEST_F(Updates, upd_huge_AHundredThousandMetadataAreReadOnce) {
  std::string header = R"({"__metadata__":{)";
  for (int i = 0; i < 100'000; ++i) header += (i ? ",\"" : "\"") + std::to_string(i) + "\":\"\"";
  EXPECT_EQ(parse_safetensors(file_of(header + "}}"), "update").metadata.size(), 100'000u);
}

TEST_F(Updates, upd_huge_HeadersOfTinyValuesAreBounded) {
  std::string header = R"({"w":[)";
  while (header.size() < 99'000'000) header += "[],";
  header.back() = ']';
  const int64_t before = peak_memory();
  EXPECT_THAT(refused(file_of(header + "}")), HasSubstr("more than 4000000"));
  EXPECT_LT(peak_memory() - before, int64_t{1} << 30);
}

// What `pickle.dumps` and `torch.save` make of an object whose __reduce__ is (os.system, "touch
// ..."): protocol 0 and 2, and the zip around the latter. The format has no way to run them.
TEST_F(Updates, model_pickle_IsRefusedAndRunsNothing) {
  const std::string pwned = folder_.path("pwned");
  const std::string command = "touch " + pwned;
  const std::string plain = "cposix\nsystem\n(S'" + command + "'\ntR.";
  std::string binary =
      "\x80\x02"
      "cposix\nsystem\nX";
  for (uint32_t length = command.size(), i = 0; i < 4; ++i, length >>= 8)
    binary += static_cast<char>(length & 0xFF);
  binary += command + "\x85R.";
  const std::string zip = std::string("PK\x03\x04", 4) + std::string(26, '\0') +
                          "archive/data.pkl" + binary + "PK\x05\x06";
  for (const std::string& file : {plain, binary, zip, file_of(plain), file_of("{}", binary)}) {
    const std::string path = folder_.write("model.safetensors", file);
    EXPECT_NE(refusal([&] { parse_safetensors(read_file(path), path); }), "");
  }
  EXPECT_FALSE(std::filesystem::exists(pwned));
}

}  // namespace
}  // namespace starling::reliability
