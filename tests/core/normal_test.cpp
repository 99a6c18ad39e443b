#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/normal_kernels.h"
#include "starling/core/error.h"
#include "starling/core/random.h"

namespace starling {
namespace {

RandomKey key_of(bool secure) {
  return secure ? RandomKey::from_hex(std::string(62, '3') + "a1") : RandomKey::from_seed(11);
}

template <typename Value>
std::vector<Value> normals(bool secure, int64_t count) {
  RandomStream stream(key_of(secure), {Purpose::noise, 0, 0, sizeof(Value)});
  std::vector<Value> values(static_cast<size_t>(count));
  stream.add_normal(std::span<Value>(values), 1.0);
  return values;
}

double lower_tail(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }

// Bounds of one in a thousand: 1.95 for the root of n times the Kolmogorov-Smirnov distance, 6.0
// for Anderson and Darling's statistic.
template <typename Value>
void expect_normal(std::vector<Value> z) {
  std::sort(z.begin(), z.end());
  const double n = static_cast<double>(z.size());
  double distance = 0, anderson = 0;
  for (size_t i = 0; i < z.size(); ++i) {
    const double p = lower_tail(z[i]);
    distance = std::max({distance, (i + 1) / n - p, p - i / n});
    anderson -=
        (2 * i + 1) / n * (std::log(p) + std::log(lower_tail(-double{z[z.size() - 1 - i]})));
  }
  EXPECT_LT(distance * std::sqrt(n), 1.95);
  EXPECT_LT(anderson - n, 6.0);
}

template <typename Value>
void expect_moments(const std::vector<Value>& z) {
  const double n = static_cast<double>(z.size());
  double sums[5] = {};
  for (const double x : z) {
    for (int k = 1; k <= 4; ++k) sums[k] += std::pow(x, k);
  }
  EXPECT_NEAR(sums[1] / n, 0, 4 / std::sqrt(n));
  EXPECT_NEAR(sums[2] / n, 1, 4 * std::sqrt(2 / n));
  EXPECT_NEAR(sums[3] / n, 0, 4 * std::sqrt(15 / n));
  EXPECT_NEAR(sums[4] / n, 3, 4 * std::sqrt(96 / n));
}

template <typename Value>
void expect_tails(const std::vector<Value>& z) {
  for (const double bound : {2.0, 3.0, 4.0, 4.5}) {
    for (const double sign : {-1.0, 1.0}) {
      const double expected = static_cast<double>(z.size()) * lower_tail(-bound);
      const auto found = std::ranges::count_if(z, [&](double x) { return sign * x > bound; });
      EXPECT_NEAR(static_cast<double>(found), expected, 4.5 * std::sqrt(expected) + 1) << bound;
    }
  }
}

// Correlations at lags within and across vectors and blocks (a block's pairs are 1024 apart), of
// the values and of their squares, each against five standard deviations.
template <typename Value>
void expect_no_correlation(const std::vector<Value>& z) {
  for (const size_t lag : {1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 512, 1023, 1024, 1025, 2048}) {
    double product = 0, squares = 0;
    for (size_t i = 0; i + lag < z.size(); ++i) {
      const double x = z[i], y = z[i + lag];
      product += x * y;
      squares += (x * x - 1) * (y * y - 1);
    }
    const double n = static_cast<double>(z.size() - lag);
    EXPECT_LT(std::abs(product), 5 * std::sqrt(n)) << "lag " << lag;
    EXPECT_LT(std::abs(squares), 5 * std::sqrt(4 * n)) << "lag " << lag;
  }
}

template <typename Value>
void check_distribution(int64_t count) {
  for (const bool secure : {false, true}) {
    SCOPED_TRACE(secure ? "AES" : "Philox");
    const auto z = normals<Value>(secure, count);
    expect_moments(z);
    expect_tails(z);
    expect_no_correlation(z);
    expect_normal(z);
  }
}

TEST(AddNormal, PassesKolmogorovSmirnovAndAndersonDarling_Float) {
  check_distribution<float>(1000000);
}
TEST(AddNormal, PassesKolmogorovSmirnovAndAndersonDarling_Double) {
  check_distribution<double>(400000);
}
TEST(AddNormal, LongPassesKolmogorovSmirnovAndAndersonDarling_Float) {
  check_distribution<float>(10000000);
}
TEST(AddNormal, LongPassesKolmogorovSmirnovAndAndersonDarling_Double) {
  check_distribution<double>(10000000);
}

TEST(Normal, ScalarDrawsAreNormal) {
  RandomStream stream(key_of(true), {Purpose::probe});
  std::vector<double> z(200000);
  for (auto& x : z) x = stream.normal();
  expect_moments(z);
  expect_normal(z);
  expect_no_correlation(z);
}

// The reference is Box and Muller's formula with the C library in long double.
template <typename Value, typename Word>
void compare_with_formula(Word radius, Word angle, double tolerance) {
  Value z[2] = {0, 0};
  add_normal_pairs(NormalPairs<Word, Value>{&radius, &angle, z, 1, 1, 1});
  const int bits = std::numeric_limits<Word>::digits;
  const bool upper = radius >> (bits - 1) != 0;
  const Word mirrored = static_cast<Word>(~radius);
  const long double c =
      std::ldexp(static_cast<long double>(upper ? mirrored : radius) + 0.5L, -bits);
  const long double r = std::sqrt(-2 * (upper ? std::log1p(-c) : std::log(c)));
  EXPECT_NEAR(static_cast<double>(std::hypot(static_cast<long double>(z[0]), z[1]) / r), 1.0,
              tolerance)
      << radius;
  const Word rest = angle & ((Word(1) << (bits - 3)) - 1);
  const long double x = std::ldexp(static_cast<long double>(rest) + 0.5L, 3 - bits) * M_PIl / 4;
  const Value small = std::min(std::abs(z[0]), std::abs(z[1]));
  EXPECT_NEAR(static_cast<double>(small / (r * std::sin(x))), 1.0, tolerance) << angle;
}

TEST(NormalKernel, MatchesTheFormulaAtEveryScale) {
  RandomStream stream(key_of(false), {Purpose::probe});
  for (int i = 0; i < 20000; ++i) {
    const uint64_t radius = stream.next() >> (i % 48);
    const uint64_t angle = stream.next();
    for (const uint64_t end : {radius, ~radius}) {
      compare_with_formula<double, uint64_t>(end, angle, 1e-14);
      const auto word = static_cast<uint32_t>(end >> 32);
      if (word >= kRefineBelow) {
        compare_with_formula<float, uint32_t>(word, static_cast<uint32_t>(angle), 1e-6);
      }
    }
  }
}

TEST(NormalKernel, AnglesCoverEightEqualArcs) {
  std::vector<int> arcs(8);
  RandomStream stream(key_of(false), {Purpose::probe, 1});
  constexpr int kDraws = 80000;
  for (int i = 0; i < kDraws; ++i) {
    const uint32_t radius = 1u << 31, angle = static_cast<uint32_t>(stream.next());
    float z[2] = {0, 0};
    add_normal_pairs(FloatPairs{&radius, &angle, z, 1, 1, 1});
    ++arcs[(z[0] > 0) * 4 + (z[1] > 0) * 2 + (std::abs(z[0]) > std::abs(z[1]))];
  }
  for (const int count : arcs) EXPECT_NEAR(count, kDraws / 8, 500);
}

TEST(NormalKernel, AllInstructionSetsGiveTheSameBits) {
  std::vector<VectorTarget> targets = {VectorTarget::baseline};
  if (vector_target() >= VectorTarget::avx2) targets.push_back(VectorTarget::avx2);
  if (vector_target() >= VectorTarget::avx512) targets.push_back(VectorTarget::avx512);
  if (targets.size() == 1) GTEST_SKIP() << "this CPU has no AVX2: one path, nothing to compare";
  RandomStream stream(key_of(false), {Purpose::probe, 2});
  constexpr int64_t kPairs = 5001;
  std::vector<uint64_t> radius(kPairs), angle(kPairs);
  std::vector<uint32_t> radius32(kPairs), angle32(kPairs);
  for (int64_t i = 0; i < kPairs; ++i) {
    radius[i] = stream.next() >> (i % 60);
    angle[i] = stream.next();
    radius32[i] = static_cast<uint32_t>(stream.next() >> (32 + i % 20));
    angle32[i] = static_cast<uint32_t>(stream.next());
  }
  std::vector<float> floats, first_floats;
  std::vector<double> doubles, first_doubles;
  for (const auto target : targets) {
    floats.assign(2 * kPairs, 0.25f);
    doubles.assign(2 * kPairs, 0.25);
    EXPECT_TRUE(add_normal_pairs(
        FloatPairs{radius32.data(), angle32.data(), floats.data(), kPairs, 1.7f, 0.3f}, target));
    add_normal_pairs(DoublePairs{radius.data(), angle.data(), doubles.data(), kPairs, 1.7, 0.3},
                     target);
    if (target == VectorTarget::baseline) {
      first_floats = floats;
      first_doubles = doubles;
    }
    EXPECT_EQ(std::memcmp(floats.data(), first_floats.data(), floats.size() * sizeof(float)), 0);
    EXPECT_EQ(std::memcmp(doubles.data(), first_doubles.data(), doubles.size() * sizeof(double)),
              0);
  }
}

// The 95-bit uniform of the refinement reaches 11.5 standard deviations, with the right formula.
TEST(NormalKernel, RefinedRadiusMatchesTheFormulaToElevenStandardDeviations) {
  double largest = 0;
  for (int shift = 0; shift < 64; ++shift) {
    for (const uint32_t high : {0u, 1u, 77u, kRefineBelow - 1}) {
      const uint64_t low = ~uint64_t{0} >> shift;
      const NormalPair z = refined_normal_pair(high, low, 0x9abcdef1u);
      const long double u =
          std::ldexp(high + std::ldexp(static_cast<long double>(low >> 1) + 0.5L, -63), -32);
      const double r = static_cast<double>(std::sqrt(-2 * std::log(u)));
      EXPECT_NEAR(std::hypot(z.first, z.second) / r, 1.0, 1e-9);
      largest = std::max(largest, std::hypot(z.first, z.second));
    }
  }
  EXPECT_GT(largest, 11.0);
}

// Given a leading word of 0, the radius passes 8 with probability exp(-32) 2^32.
TEST(NormalKernel, TailBeyondEightStandardDeviationsHasItsProbability) {
  RandomStream stream(key_of(true), {Purpose::probe, 3});
  constexpr int kDraws = 2000000;
  int64_t beyond = 0;
  for (int i = 0; i < kDraws; ++i) {
    const NormalPair z = refined_normal_pair(0, stream.next(), 0x12345678u);
    beyond += std::hypot(z.first, z.second) > 8;
  }
  const double expected = kDraws * std::exp(-32.0) * 0x1p32;
  EXPECT_NEAR(static_cast<double>(beyond), expected, 4 * std::sqrt(expected));
}

TEST(AddNormal, RefinesRareUniformsInsteadOfSkippingThem) {
  // 2^-16 of the pairs are refined: some of 4 million values; none may stay without noise.
  const auto z = normals<float>(true, 4000000);
  EXPECT_EQ(std::ranges::count(z, 0.0f), 0);
  EXPECT_GT(*std::ranges::max_element(z), 4.8f);
}

// A million values hold a dozen that are refined by further words of the stream.
template <typename Value>
std::vector<Value> normals_on_threads(int threads, bool secure, int64_t size, int drawn) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(threads);
  RandomStream stream(key_of(secure), {Purpose::noise});
  std::vector<Value> values(static_cast<size_t>(size), Value(1));
  for (int i = 0; i < drawn; ++i) stream.next();
  stream.add_normal(std::span(values).first(values.size() / 3), 1.5, 0.5);
  stream.add_normal(std::span(values).subspan(values.size() / 3), 1.5, 0.5);
  values.push_back(static_cast<Value>(stream.next()));
  omp_set_num_threads(before);
  return values;
}

TEST(AddNormal, GivesTheSameOnAnyNumberOfThreads) {
  struct Case {
    bool secure;
    int64_t size;
    int drawn;  // 128 words are kept at hand: refinement needs more at once, or the third time
  };
  for (const auto& [secure, size, drawn] :
       {Case{true, 1'000'001, 0}, Case{true, 1'000'001, 126}, Case{false, 1'000'001, 0},
        Case{true, 98'303, 0}, Case{false, 98'305, 0}}) {
    const auto floats = normals_on_threads<float>(1, secure, size, drawn);
    const auto doubles = normals_on_threads<double>(1, secure, size, drawn);
    for (const int threads : {2, 3, 40}) {
      EXPECT_EQ(normals_on_threads<float>(threads, secure, size, drawn), floats) << threads;
      EXPECT_EQ(normals_on_threads<double>(threads, secure, size, drawn), doubles) << threads;
    }
  }
}

TEST(AddNormal, ScalesShiftsAndTakesAnyLength) {
  for (const int64_t size : {0, 1, 2, 3, 5, 63, 2047, 2048, 2049, 4097}) {
    RandomStream a(key_of(true), {Purpose::noise}), b(key_of(true), {Purpose::noise});
    std::vector<float> plain(size), shifted(size, 3.0f);
    std::vector<double> wide(size, 1.0);
    a.add_normal(std::span<float>(plain), 1.0);
    b.add_normal(std::span<float>(shifted), 2.0, 0.5);
    a.add_normal(std::span<double>(wide), 1.0);
    for (int64_t i = 0; i < size; ++i) {
      EXPECT_NE(plain[i], 0.0f) << i;
      EXPECT_EQ(shifted[i], 0.5f * (3.0f + 2.0f * plain[i])) << i;
      EXPECT_NE(wide[i], 1.0) << i;
    }
  }
}

TEST(AddNormal, ZeroDeviationOnlyScales) {
  RandomStream stream(key_of(false), {Purpose::noise});
  std::vector<float> values(100, 4.0f);
  stream.add_normal(std::span<float>(values), 0.0, 0.25);
  EXPECT_EQ(values, std::vector<float>(100, 1.0f));
}

TEST(AddNormal, RefusesDeviationsThatAreNoNumbers) {
  RandomStream stream(key_of(false), {Purpose::noise});
  std::vector<float> values(4);
  std::vector<double> wide(4);
  for (const double bad : {-1.0, std::nan(""), HUGE_VAL}) {
    EXPECT_THROW(stream.add_normal(std::span<float>(values), bad), Error);
    EXPECT_THROW(stream.add_normal(std::span<double>(wide), bad), Error);
  }
  EXPECT_THROW(stream.add_normal(std::span<float>(values), 1e39), Error);
  EXPECT_THROW(stream.add_normal(std::span<float>(values), 1.0, std::nan("")), Error);
}

}  // namespace
}  // namespace starling
