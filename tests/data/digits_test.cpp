#include "starling/data/digits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "starling/core/error.h"
#include "starling/core/hash.h"

namespace starling {
namespace {

std::string fingerprint(const PixelSet& set) {
  std::string bytes(set.pixels.begin(), set.pixels.end());
  bytes.append(set.labels.begin(), set.labels.end());
  bytes.append(set.owners.begin(), set.owners.end());
  return sha256_hex(bytes);
}

TEST(Digits, GoldenHashOfSeedOne) {
  const PixelSplit split = draw_digits(500, 100, 1);
  EXPECT_EQ(fingerprint(split.train),
            "279af409faae1368f9a17a159d20df672b4af3422ee494556ca9e213b99b9061");
  EXPECT_EQ(fingerprint(split.test),
            "ef7b755f23c8dcd54d56aee02d610697cae38e13c0a8a6113c72f0e1e300a6d0");
}

TEST(Digits, OtherSeedsAndTheTwoSplitsDiffer) {
  const PixelSplit one = draw_digits(100, 100, 1), two = draw_digits(100, 100, 2);
  EXPECT_NE(one.train.pixels, two.train.pixels);
  EXPECT_NE(one.train.labels, two.train.labels);
  EXPECT_NE(one.train.pixels, one.test.pixels);
}

TEST(Digits, TheFirstOfABiggerSetAreTheSmallerSet) {
  PixelSplit longer = draw_digits(300, 200, 3);
  const PixelSplit shorter = draw_digits(100, 50, 3);
  keep_first(longer.train, 100);
  keep_first(longer.test, 50);
  EXPECT_EQ(longer.train.pixels, shorter.train.pixels);
  EXPECT_EQ(longer.train.owners, shorter.train.owners);
  EXPECT_EQ(longer.test.labels, shorter.test.labels);
}

TEST(Digits, ShapesClassesAndWritersAreAsStated) {
  const DataSplit split = make_digits(2000, 500);
  EXPECT_EQ(split.train.size(), 2000);
  EXPECT_EQ(split.test.size(), 500);
  EXPECT_EQ(split.train.shape, (std::vector<int64_t>{1, 28, 28}));
  EXPECT_EQ(split.train.example_size(), 784);
  EXPECT_EQ(split.train.features.size(), 2000u * 784u);
  for (int64_t digit = 0; digit < 10; ++digit) {
    // Binomial(2000, 0.1): mean 200, standard deviation 13.4.
    EXPECT_NEAR(std::count(split.train.labels.begin(), split.train.labels.end(), digit), 200, 80);
  }
  for (int64_t owner : split.train.owners) EXPECT_TRUE(owner >= 0 && owner < kDigitsWriters);
  for (int64_t owner : split.test.owners) {
    EXPECT_TRUE(owner >= kDigitsWriters && owner < 2 * kDigitsWriters);
  }
}

TEST(Digits, ThePublicConstantsNormalise) {
  const Dataset data = make_digits(4000, 1).train;
  double sum = 0.0, square = 0.0;
  for (float value : data.features) {
    sum += value;
    square += static_cast<double>(value) * value;
  }
  const double mean = sum / data.features.size();
  EXPECT_NEAR(mean, 0.0, 0.03);
  EXPECT_NEAR(std::sqrt(square / data.features.size() - mean * mean), 1.0, 0.03);
}

// The share of test images whose nearest class mean is their own: a linear rule. Chance is 0.1; the
// images must be harder than that rule and yet carry their class.
TEST(Digits, NearestClassMeanIsFarFromPerfectAndFarFromChance) {
  const DataSplit split = make_digits(4000, 1000);
  const int64_t size = split.train.example_size();
  std::vector<std::vector<double>> means(10, std::vector<double>(size, 0.0));
  for (int64_t i = 0; i < split.train.size(); ++i) {
    const int64_t label = split.train.labels[i];
    const auto count = std::count(split.train.labels.begin(), split.train.labels.end(), label);
    for (int64_t j = 0; j < size; ++j) {
      means[label][j] += split.train.features[i * size + j] / static_cast<double>(count);
    }
  }
  int64_t right = 0;
  for (int64_t i = 0; i < split.test.size(); ++i) {
    std::vector<double> distance(10, 0.0);
    for (int64_t digit = 0; digit < 10; ++digit) {
      for (int64_t j = 0; j < size; ++j) {
        const double d = split.test.features[i * size + j] - means[digit][j];
        distance[digit] += d * d;
      }
    }
    const auto nearest = std::min_element(distance.begin(), distance.end()) - distance.begin();
    right += nearest == split.test.labels[i];
  }
  EXPECT_GT(right, 450);
  EXPECT_LT(right, 850);
}

TEST(Digits, RefusesSizesOutsideTheRange) {
  EXPECT_THROW(draw_digits(0, 1, 1), InputError);
  EXPECT_THROW(draw_digits(1, -1, 1), InputError);
  EXPECT_THROW(draw_digits(int64_t{1} << 62, 1, 1), InputError);
}

TEST(Pixels, NormalisesEachChannelByItsOwnConstants) {
  const PixelSet set{"pair", {2, 1, 2}, 2, {0, 255, 51, 102}, {1}, {}};
  const Dataset data = to_dataset(set, {{0.5, 0.2}, {0.5, 0.1}});
  const std::vector<float> expected = {-1.0f, 1.0f, 0.0f, 2.0f};
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(data.features[i], expected[i], 1e-6f);
}

TEST(Pixels, RefusesConstantsThatDoNotFit) {
  const PixelSet set{"three", {3, 1, 1}, 2, {0, 1, 2}, {1}, {}};
  EXPECT_THROW(to_dataset(set, {{0.5, 0.5}, {1.0, 1.0}}), InputError);
  EXPECT_THROW(to_dataset(set, {{0.5}, {0.0}}), InputError);
  EXPECT_THROW(to_dataset(set, {{0.5}, {NAN}}), InputError);
  EXPECT_THROW(to_dataset(set, {{INFINITY}, {1.0}}), InputError);
  EXPECT_NO_THROW(to_dataset(set, {{0.5}, {0.5}}));
}

TEST(Pixels, ALimitBeyondTheExamplesIsRefused) {
  PixelSet set{"pair", {1, 1, 1}, 2, {7, 8}, {0, 1}, {3, 4}};
  EXPECT_THROW(keep_first(set, 3), InputError);
  EXPECT_THROW(keep_first(set, 0), InputError);
  keep_first(set, 1);
  EXPECT_EQ(set.pixels, std::vector<uint8_t>{7});
  EXPECT_EQ(set.owners, std::vector<int64_t>{3});
}

}  // namespace
}  // namespace starling
