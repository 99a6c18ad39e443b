#include "starling/core/grid.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "starling/core/error.h"

namespace starling {
namespace {

using Wide = __int128;

Wide exact_square(const std::vector<int64_t>& values) {
  Wide sum = 0;
  for (const int64_t v : values) sum += static_cast<Wide>(v) * v;
  return sum;
}

template <typename Value>
std::vector<Value> gaussian(int64_t size, double scale, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal(0.0, scale);
  std::vector<Value> values(static_cast<size_t>(size));
  for (auto& v : values) v = static_cast<Value>(normal(engine));
  return values;
}

TEST(ChooseGrid, IsTheFinestThatCannotWrap) {
  for (const double clip : {1e-6, 0.1, 0.75, 1.0, 3.3, 1e5}) {
    for (const int64_t weight : {int64_t{1}, int64_t{1000}, int64_t{100000000}}) {
      for (const double noise : {0.0, 1.1, 5e3}) {
        const Grid grid = choose_grid({clip, weight, noise * clip});
        const auto worst = [&](int bits) {
          const long double unit = std::ldexp(1.0L, bits);
          return weight * clip * unit + 16.0L * noise * clip * unit;
        };
        const int k = grid.fractional_bits;
        EXPECT_LT(worst(k), 0x1p62L);
        EXPECT_TRUE(worst(k + 1) >= 0x1p62L || std::ldexp(clip, k + 1) > 0x1p40) << clip;
        EXPECT_EQ(grid.radius, static_cast<int64_t>(std::floor(std::ldexp(clip, k))));
        EXPECT_EQ(grid.spacing() * std::ldexp(1.0, k), 1.0);
      }
    }
  }
}

TEST(ChooseGrid, RefusesBoundsThatAreNotPublicNumbers) {
  const double nan = std::nan("");
  for (const double clip : {0.0, -1.0, nan, HUGE_VAL})
    EXPECT_THROW(choose_grid({clip, 1, 1}), Error);
  for (const double noise : {-1.0, nan, HUGE_VAL}) EXPECT_THROW(choose_grid({1, 1, noise}), Error);
  EXPECT_THROW(choose_grid({1, 0, 1}), Error);
  EXPECT_THROW(choose_grid({1, int64_t{1} << 55, 1}), Error);
  EXPECT_THROW(choose_grid({1, 1, 0x1p50}), Error);
}

template <typename Value>
void check_clip(double clip, int64_t size, double scale) {
  const Grid grid = choose_grid({clip, 1000, clip});
  const auto values = gaussian<Value>(size, scale, size + 1);
  std::vector<int64_t> out(values.size());
  const GridClip result = clip_to_grid(grid, std::span<const Value>(values), out);
  EXPECT_TRUE(result.finite);
  EXPECT_LE(exact_square(out), static_cast<Wide>(grid.radius) * grid.radius);
  const double factor = std::min(1.0, clip / result.norm);
  for (size_t i = 0; i < out.size(); ++i) {
    const double exact = static_cast<double>(values[i]) * factor;
    const double decoded = static_cast<double>(out[i]) * grid.spacing();
    ASSERT_LE(std::abs(decoded), std::abs(exact) * (1 + 1e-12));
    ASSERT_LE(std::abs(exact - decoded), grid.spacing() * 1.01 + 1e-11 * clip);
  }
}

TEST(ClipToGrid, clip_exact_NormHoldsExactlyAndRoundingIsTowardZero) {
  for (const double clip : {0.1, 1.0, 3.3}) {
    for (const int64_t size : {1, 2, 3, 17, 1000, 70001}) {
      for (const double scale : {1e-30, 1e-9, 1e-3, 1.0, 1e30}) {
        check_clip<float>(clip, size, scale);
        check_clip<double>(clip, size, scale);
      }
    }
  }
}

TEST(ClipToGrid, TruncationMatchesTheCLibrary) {
  const Grid grid = choose_grid({100.0, 10});
  auto values = gaussian<double>(1001, 1.0, 5);
  values.insert(values.end(), {0.0, -0.0, grid.spacing(), -grid.spacing(), 0.5 * grid.spacing(),
                               -0.5 * grid.spacing(), 1.5 * grid.spacing(), -2.5 * grid.spacing()});
  std::vector<int64_t> out(values.size());
  EXPECT_FALSE(clip_to_grid(grid, std::span<const double>(values), out).clipped);
  for (size_t i = 0; i < out.size(); ++i) {
    EXPECT_EQ(out[i], static_cast<int64_t>(std::trunc(grid.steps(values[i])))) << values[i];
  }
}

TEST(ClipToGrid, EqualCoordinatesAtTheBoundDoNotPassIt) {
  for (int64_t size = 1; size < 300; ++size) {
    const double clip = 1.0 / 3 + 0.01 * static_cast<double>(size);
    const Grid grid = choose_grid({clip, 7});
    const std::vector<double> values(static_cast<size_t>(size), clip);
    std::vector<int64_t> out(values.size());
    EXPECT_TRUE(clip_to_grid(grid, std::span<const double>(values), out).clipped || size == 1);
    EXPECT_LE(exact_square(out), static_cast<Wide>(grid.radius) * grid.radius);
    EXPECT_GE(static_cast<double>(exact_square(out)),
              std::pow(static_cast<double>(grid.radius), 2) * (1 - 1e-9));
  }
}

// One step beside 1.0 is lost when squares add up in double precision; the integers see it.
TEST(ClipToGrid, IntegerNormCatchesWhatDoublePrecisionLoses) {
  const Grid grid = choose_grid({1.0, 10});
  std::vector<float> values(1000, static_cast<float>(grid.spacing()));
  values[0] = 1.0f;
  std::vector<int64_t> out(values.size());
  EXPECT_EQ(clip_to_grid(grid, std::span<const float>(values), out).norm, 1.0);
  EXPECT_LE(exact_square(out), static_cast<Wide>(grid.radius) * grid.radius);
  EXPECT_GE(out[0], grid.radius - 2);
}

TEST(ClipToGrid, clip_exact_NonFiniteContributionsBecomeZero) {
  const Grid grid = choose_grid({1.0, 10});
  for (const float bad : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
    std::vector<float> values(40, 0.5f);
    values[33] = bad;
    std::vector<int64_t> out(40, 9);
    EXPECT_FALSE(clip_to_grid(grid, std::span<const float>(values), out).finite);
    EXPECT_EQ(out, std::vector<int64_t>(40, 0));
  }
  const std::vector<double> huge(10, 1e300);
  std::vector<int64_t> out(10);
  EXPECT_TRUE(clip_to_grid(grid, std::span<const double>(huge), out).clipped);
  EXPECT_NEAR(static_cast<double>(out[0]) * grid.spacing(), 1 / std::sqrt(10.0), 1e-9);
}

TEST(RoundToGrid, RefusesValuesOutsideThePublicRange) {
  const Grid grid = choose_grid({2.0, 10});
  std::vector<float> values = {2.0f, -2.0f, 0.3f};
  std::vector<int64_t> out(3);
  round_to_grid(grid, std::span<const float>(values), out);
  EXPECT_EQ(out[0], grid.radius);
  EXPECT_EQ(out[1], -grid.radius);
  for (const float bad : {2.001f, -3.0f, std::nanf(""), HUGE_VALF}) {
    values[1] = bad;
    EXPECT_THROW(round_to_grid(grid, std::span<const float>(values), out), Error) << bad;
  }
}

TEST(WithinNorm, MatchesExactArithmeticAtTheBoundary) {
  std::mt19937_64 engine(3);
  for (const int shift : {24, 30, 40, 55}) {
    for (int trial = 0; trial < 20; ++trial) {
      std::vector<int64_t> values(1 + engine() % 50);
      for (auto& v : values) v = static_cast<int64_t>(engine() << 1) >> shift;
      const Wide square = exact_square(values);
      auto radius = static_cast<int64_t>(std::sqrt(static_cast<long double>(square)));
      while (static_cast<Wide>(radius) * radius < square) ++radius;
      while (static_cast<Wide>(radius - 1) * (radius - 1) >= square) --radius;
      EXPECT_TRUE(within_norm(values, radius));
      EXPECT_FALSE(within_norm(values, radius - 1));
    }
  }
  EXPECT_FALSE(
      within_norm(std::vector<int64_t>{std::numeric_limits<int64_t>::min()}, int64_t{1} << 60));
  EXPECT_FALSE(within_norm(std::vector<int64_t>{std::numeric_limits<int64_t>::max()}, 1));
  EXPECT_THROW(within_norm({}, std::numeric_limits<int64_t>::max()), Error);
  EXPECT_TRUE(within_norm({}, 0));
  const std::vector<int64_t> many(3000000, int64_t{1} << 20);
  EXPECT_TRUE(within_norm(many, 1816187000));
  EXPECT_FALSE(within_norm(many, 1816185000));
}

std::vector<std::vector<int64_t>> contributions(const Grid& grid, int count, int64_t size) {
  std::vector<std::vector<int64_t>> all;
  for (int c = 0; c < count; ++c) {
    const auto values = gaussian<float>(size, 0.3, 100 + c);
    all.emplace_back(static_cast<size_t>(size));
    clip_to_grid(grid, std::span<const float>(values), all.back());
  }
  return all;
}

TEST(GridSum, IsTheSameInAnyOrderAndGrouping) {
  const Grid grid = choose_grid({1.0, 1000});
  const auto all = contributions(grid, 20, 999);
  GridSum forward(grid, 999), backward(grid, 999), left(grid, 999), right(grid, 999);
  for (int c = 0; c < 20; ++c) {
    forward.add(all[c], 1 + c);
    backward.add(all[19 - c], 20 - c);
    (c % 3 == 0 ? left : right).add(all[c], 1 + c);
  }
  left.merge(right);
  EXPECT_TRUE(std::ranges::equal(forward.values(), backward.values()));
  EXPECT_TRUE(std::ranges::equal(forward.values(), left.values()));
  EXPECT_EQ(forward.weight(), 210);
  EXPECT_EQ(left.weight(), 210);
}

TEST(GridSum, DecodesToTheWeightedSum) {
  const Grid grid = choose_grid({1.0, 1000});
  const auto all = contributions(grid, 5, 33);
  GridSum sum(grid, 33);
  std::vector<double> expected(33), decoded(33);
  for (int c = 0; c < 5; ++c) {
    sum.add(all[c], c + 1);
    for (int i = 0; i < 33; ++i) expected[i] += (c + 1) * static_cast<double>(all[c][i]);
  }
  sum.decode(std::span<double>(decoded), 0.25);
  for (int i = 0; i < 33; ++i) EXPECT_DOUBLE_EQ(decoded[i], expected[i] * 0.25 * grid.spacing());
  sum.clear();
  sum.decode(std::span<double>(decoded));
  EXPECT_EQ(decoded, std::vector<double>(33, 0.0));
  EXPECT_EQ(sum.weight(), 0);
}

TEST(GridSum, TheWorstAdmissibleSumDoesNotWrap) {
  const Grid grid = choose_grid({1.0, 50000000, 3.0});
  GridSum sum(grid, 2);
  sum.add(std::vector<int64_t>{grid.radius, -grid.radius}, 50000000);
  EXPECT_EQ(static_cast<Wide>(sum.values()[0]), static_cast<Wide>(grid.radius) * 50000000);
  const auto tail = static_cast<int64_t>(16 * grid.steps(3.0));
  sum.add_noise(std::vector<int64_t>{tail, -tail});
  EXPECT_GT(sum.values()[0], 0);
  EXPECT_LT(sum.values()[1], 0);
}

TEST(GridSum, OverflowFailsAndLeavesTheSumUnchanged) {
  const Grid grid = choose_grid({1.0, 10});
  GridSum sum(grid, 1), other(grid, 1);
  const std::vector<int64_t> one = {grid.radius};
  sum.add(one, 6);
  other.add(one, 5);
  EXPECT_THROW(sum.add(one, 5), Error);
  EXPECT_THROW(sum.merge(other), Error);
  EXPECT_THROW(sum.add(one, 0), Error);
  EXPECT_THROW(sum.add(one, -3), Error);
  EXPECT_THROW(sum.add(std::vector<int64_t>{grid.radius + 1}), Error);
  EXPECT_THROW(sum.add(std::vector<int64_t>{std::numeric_limits<int64_t>::min()}), Error);
  EXPECT_THROW(sum.add(std::vector<int64_t>{1, 2}), Error);
  EXPECT_EQ(sum.values()[0], 6 * grid.radius);
  EXPECT_EQ(sum.weight(), 6);
  EXPECT_THROW(sum.add_noise(std::vector<int64_t>{std::numeric_limits<int64_t>::max()}), Error);
  EXPECT_THROW(sum.add_noise(std::vector<int64_t>{1}, 1), Error);
  EXPECT_THROW(sum.add_noise(std::vector<int64_t>{1}, -1), Error);
  EXPECT_THROW(sum.merge(GridSum(choose_grid({2.0, 10}), 1)), Error);
}

}  // namespace
}  // namespace starling
