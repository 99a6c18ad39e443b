#include "starling/federated/compression.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "starling/core/error.h"

namespace starling {
namespace {

using Vector = std::vector<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();

const RandomKey kKey = RandomKey::from_seed(5);
StreamId id(int64_t round, int64_t client = 0) { return {Purpose::compression, client, round}; }

Vector random_values(size_t size, uint64_t seed = 1) {
  RandomStream stream(RandomKey::from_seed(seed), {Purpose::probe});
  Vector values(size);
  for (double& value : values) value = stream.normal();
  return values;
}

Vector through(const CommunicationSpec& spec, const Vector& values, int64_t round = 0) {
  Vector out(values.size(), 99.0);
  decode(spec, encode(spec, values, kKey, id(round)), kKey, id(round), out);
  return out;
}

std::vector<CommunicationSpec> every_codec() {
  return {NoCompression{},         QuantizeCompression{2},
          QuantizeCompression{5},  QuantizeCompression{8},
          QuantizeCompression{16}, TopKCompression{0.01},
          TopKCompression{0.5},    TopKCompression{1.0},
          RandomKCompression{0.1}, RandomKCompression{0.3, false},
          Float16Compression{}};
}

double norm2(const Vector& values) {
  return std::inner_product(values.begin(), values.end(), values.begin(), 0.0);
}

TEST(Bytes, AreExactlyThoseEncoded) {
  for (const size_t size : {0, 1, 7, 8, 9, 100, 1001}) {
    for (const auto& spec : every_codec()) {
      const Vector values = random_values(size);
      EXPECT_EQ(static_cast<int64_t>(encode(spec, values, kKey, id(0)).size()),
                upload_bytes(spec, static_cast<int64_t>(size)))
          << to_string(spec) << " " << size;
    }
  }
}

TEST(Bytes, ByHand) {
  EXPECT_EQ(upload_bytes(NoCompression{}, 1000), 4000);
  EXPECT_EQ(upload_bytes(Float16Compression{}, 1000), 2000);
  EXPECT_EQ(upload_bytes(QuantizeCompression{8}, 1000), 1004);
  EXPECT_EQ(upload_bytes(QuantizeCompression{3}, 1001), 4 + 376);  // ceil(3003 / 8)
  EXPECT_EQ(upload_bytes(RandomKCompression{0.05}, 1000), 200);
  EXPECT_EQ(upload_bytes(TopKCompression{0.01}, 1000), 10 * 4 + 10 * 4);
  EXPECT_EQ(upload_bytes(TopKCompression{0.1}, 1000), 100 * 4 + 125);  // a bitmap is less
  EXPECT_EQ(upload_bytes(TopKCompression{1e-9}, 1000), 8);             // at least one value
  EXPECT_EQ(download_bytes(1000), 4000);
}

TEST(None, IsFloat32) {
  for (const double value : through(NoCompression{}, {0.1, -3.5, 1e-40}))
    EXPECT_EQ(value, static_cast<double>(static_cast<float>(value)));
  EXPECT_EQ(through(NoCompression{}, {0.1})[0], static_cast<double>(0.1F));
}

TEST(Quantize, ErrsByLessThanOneSpacing) {
  const Vector values = random_values(1000);
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  for (const int64_t bits : {2, 3, 8, 16}) {
    const double spacing = largest / static_cast<double>((int64_t{1} << (bits - 1)) - 1);
    const Vector out = through(QuantizeCompression{bits}, values);
    for (size_t i = 0; i < values.size(); ++i)
      if (!(std::abs(out[i] - values[i]) <= spacing * (1 + 1e-6)))
        ADD_FAILURE() << bits << " bits: " << values[i] << " became " << out[i];
  }
}

TEST(Quantize, KeepsZeroAndTheEnds) {
  const Vector values = {0, 1, -1, 0};
  EXPECT_EQ(through(QuantizeCompression{2}, values), values);
  EXPECT_EQ(through(QuantizeCompression{8}, Vector(9, 0.0)), Vector(9, 0.0));
}

// The mean over rounds is the value itself; a round's deviation is at most half a spacing.
TEST(Quantize, IsUnbiased) {
  const Vector values = {1.0, 0.3, -0.77, 0.01, -0.5};
  constexpr int64_t kRounds = 20000;
  Vector mean(values.size(), 0);
  for (int64_t round = 0; round < kRounds; ++round) {
    const Vector out = through(QuantizeCompression{3}, values, round);
    for (size_t i = 0; i < mean.size(); ++i) mean[i] += out[i] / kRounds;
  }
  for (size_t i = 0; i < mean.size(); ++i)
    EXPECT_NEAR(mean[i], values[i], 6 * 0.5 / 3 / std::sqrt(kRounds)) << i;
}

TEST(TopK, KeepsTheLargestMagnitudes) {
  EXPECT_EQ(through(TopKCompression{0.4}, {0.5, -2, 1, 0.25, -0.75}), (Vector{0, -2, 1, 0, 0}));
  EXPECT_EQ(through(TopKCompression{0.5}, {1, -1, 1, -1}), (Vector{1, -1, 0, 0}));
  for (const double fraction : {0.01, 0.3}) {
    const Vector values = random_values(1000, 2);
    const Vector out = through(TopKCompression{fraction}, values);
    double smallest_kept = 1e9, largest_lost = 0;
    int64_t kept = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      if (out[i] != 0) {
        ++kept;
        EXPECT_EQ(out[i], static_cast<double>(static_cast<float>(values[i])));
        smallest_kept = std::min(smallest_kept, std::abs(values[i]));
      } else {
        largest_lost = std::max(largest_lost, std::abs(values[i]));
      }
    }
    EXPECT_EQ(kept, std::llround(fraction * 1000));
    EXPECT_GE(smallest_kept, largest_lost);
  }
}

TEST(RandomK, WithoutErrorFeedbackIsUnbiased) {
  const Vector values = {1.0, -0.5, 0.25, 2.0};
  constexpr int64_t kRounds = 20000;
  Vector mean(values.size(), 0);
  for (int64_t round = 0; round < kRounds; ++round) {
    const Vector out = through(RandomKCompression{0.5, false}, values, round);
    EXPECT_EQ(std::ranges::count(out, 0.0), 2);
    for (size_t i = 0; i < mean.size(); ++i) mean[i] += out[i] / kRounds;
  }
  for (size_t i = 0; i < mean.size(); ++i)
    EXPECT_NEAR(mean[i], values[i], 6 * std::abs(values[i]) / std::sqrt(kRounds)) << i;
}

TEST(RandomK, WithErrorFeedbackSendsValuesAsTheyAre) {
  const Vector values = {1.0, -0.5, 0.25, 2.0};
  const Vector out = through(RandomKCompression{0.5, true}, values);
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(out[i] == 0.0 || out[i] == values[i]);
  EXPECT_EQ(std::ranges::count(out, 0.0), 2);
}

TEST(RandomK, PlacesDifferByClientAndRound) {
  const Vector values = random_values(100);
  const RandomKCompression spec{0.1};
  const auto bytes = encode(spec, values, kKey, id(0));
  EXPECT_NE(bytes, encode(spec, values, kKey, id(1)));
  EXPECT_NE(bytes, encode(spec, values, kKey, id(0, 1)));
  EXPECT_EQ(bytes, encode(spec, values, kKey, id(0)));
}

// What goes in, comes out or is remembered: after any number of rounds.
TEST(ErrorFeedback, Telescopes) {
  for (const CommunicationSpec& spec : std::vector<CommunicationSpec>{
           TopKCompression{0.1}, RandomKCompression{0.1}, QuantizeCompression{3, true}}) {
    Vector memory, given(50, 0.0), received(50, 0.0);
    for (int64_t round = 0; round < 40; ++round) {
      Vector update = random_values(50, 1000 + static_cast<uint64_t>(round));
      for (size_t i = 0; i < 50; ++i) given[i] += update[i];
      EXPECT_EQ(compress(spec, update, memory, kKey, id(round)), upload_bytes(spec, 50));
      for (size_t i = 0; i < 50; ++i) received[i] += update[i];
      for (size_t i = 0; i < 50; ++i)
        EXPECT_NEAR(received[i] + memory[i], given[i], 1e-9) << to_string(spec);
    }
    EXPECT_GT(norm2(memory), 0) << to_string(spec);
  }
}

// A contraction: the memory of a constant update stays bounded, so that the mean sent converges.
TEST(ErrorFeedback, SendsEverythingInTheLongRun) {
  const Vector constant = random_values(50, 7);
  Vector memory, received(50, 0.0);
  for (int64_t round = 0; round < 2000; ++round) {
    Vector update = constant;
    compress(TopKCompression{0.1}, update, memory, kKey, id(round));
    for (size_t i = 0; i < 50; ++i) received[i] += update[i] / 2000;
  }
  for (size_t i = 0; i < 50; ++i) EXPECT_NEAR(received[i], constant[i], 0.05);
  Vector forgetful = through(TopKCompression{0.1, false}, constant);
  EXPECT_EQ(std::ranges::count(forgetful, 0.0), 45);
}

TEST(ErrorFeedback, WhereItIsOffNothingIsRemembered) {
  for (const CommunicationSpec& spec :
       std::vector<CommunicationSpec>{NoCompression{}, Float16Compression{}, QuantizeCompression{4},
                                      TopKCompression{0.2, false}}) {
    Vector memory, update = random_values(20);
    const Vector expected = through(spec, update);
    compress(spec, update, memory, kKey, id(0));
    EXPECT_EQ(update, expected) << to_string(spec);
    EXPECT_TRUE(memory.empty());
  }
}

TEST(Half, ByHand) {
  EXPECT_EQ(to_half(1.0), 0x3C00);
  EXPECT_EQ(to_half(-2.0), 0xC000);
  EXPECT_EQ(to_half(65504.0), 0x7BFF);
  EXPECT_EQ(to_half(1e9), 0x7BFF);
  EXPECT_EQ(to_half(-1e9), 0xFBFF);
  EXPECT_EQ(to_half(0.0), 0x0000);
  EXPECT_EQ(to_half(std::ldexp(1, -24)), 0x0001);        // the smallest subnormal
  EXPECT_EQ(to_half(std::ldexp(1, -25)), 0x0000);        // a tie, to even
  EXPECT_EQ(to_half(std::ldexp(3, -25)), 0x0002);        // a tie, to even
  EXPECT_EQ(to_half(std::ldexp(1023.9, -24)), 0x0400);   // up into the normal numbers
  EXPECT_EQ(to_half(1 + std::ldexp(1, -11)), 0x3C00);    // a tie, to even
  EXPECT_EQ(to_half(1 + std::ldexp(3, -11)), 0x3C02);    // a tie, to even
  EXPECT_EQ(to_half(std::nextafter(2.0, 0.0)), 0x4000);  // carries into the exponent
  EXPECT_EQ(from_half(0x3555), 0.333251953125);
}

// Every finite half is its own image, and between two neighbours the nearer one is chosen.
TEST(Half, RoundsEveryValueToTheNearest) {
  for (uint32_t bits = 0; bits < 0x7BFF; ++bits) {
    const double low = from_half(static_cast<uint16_t>(bits));
    const double high = from_half(static_cast<uint16_t>(bits + 1));
    ASSERT_LT(low, high);
    ASSERT_EQ(to_half(low), bits);
    const double middle = (low + high) / 2;
    ASSERT_EQ(to_half(middle), bits % 2 == 0 ? bits : bits + 1);
    ASSERT_EQ(to_half(std::nextafter(middle, low)), bits);
    ASSERT_EQ(to_half(std::nextafter(middle, high)), bits + 1);
    ASSERT_EQ(from_half(static_cast<uint16_t>(bits | 0x8000)), -low);
  }
}

TEST(Encode, RefusesWhatIsNotFinite) {
  for (const auto& spec : every_codec())
    for (const double bad : {std::nan(""), kInf, -kInf})
      EXPECT_THROW(encode(spec, Vector{1, bad}, kKey, id(0)), Error) << to_string(spec);
  EXPECT_THROW(encode(NoCompression{}, Vector{1e300}, kKey, id(0)), Error);
}

TEST(Decode, RefusesAnyOtherNumberOfBytes) {
  Vector out(20);
  for (const auto& spec : every_codec()) {
    auto bytes = encode(spec, random_values(20), kKey, id(0));
    bytes.push_back(std::byte{0});
    EXPECT_THROW(decode(spec, bytes, kKey, id(0), out), Error) << to_string(spec);
    bytes.resize(bytes.size() - 2);
    EXPECT_THROW(decode(spec, bytes, kKey, id(0), out), Error) << to_string(spec);
  }
}

TEST(Decode, RefusesPlacesThatAreNone) {
  const TopKCompression spec{0.01};  // 2 of 200: places of 4 bytes, after 8 bytes of values
  auto bytes = encode(spec, random_values(200), kKey, id(0));
  Vector out(200);
  auto same = bytes;
  std::copy_n(same.begin() + 8, 4, same.begin() + 12);
  EXPECT_THROW(decode(spec, same, kKey, id(0), out), Error);
  auto beyond = bytes;
  beyond[13] = std::byte{1};
  EXPECT_THROW(decode(spec, beyond, kKey, id(0), out), Error);
  const TopKCompression dense{0.5};  // a bitmap after 20 bytes of values
  auto more = encode(dense, random_values(10), kKey, id(0));
  more[20] = std::byte{0xFF};
  more[21] = std::byte{0xFF};
  Vector ten(10);
  EXPECT_THROW(decode(dense, more, kKey, id(0), ten), Error);
}

// No bytes of the right number make it crash, or give what is not finite.
TEST(Decode, GivesFiniteValuesOrRefuses) {
  RandomStream stream(kKey, {Purpose::probe});
  int64_t refused = 0;
  for (const auto& spec : every_codec()) {
    for (int trial = 0; trial < 500; ++trial) {
      std::vector<std::byte> bytes(static_cast<size_t>(upload_bytes(spec, 17)));
      for (auto& byte : bytes) byte = static_cast<std::byte>(stream.below(256));
      Vector out(17);
      try {
        decode(spec, bytes, kKey, id(0), out);
        for (const double value : out) EXPECT_TRUE(std::isfinite(value)) << to_string(spec);
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace starling
