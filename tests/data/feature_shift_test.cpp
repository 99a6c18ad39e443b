#include "starling/data/feature_shift.h"

#include <gtest/gtest.h>

#include <cmath>

#include "starling/core/error.h"

namespace starling {
namespace {

const RandomKey kKey = RandomKey::from_seed(1);

Dataset images(std::vector<float> features, std::vector<int64_t> shape, int64_t count) {
  return {"test",
          std::move(shape),
          2,
          std::move(features),
          std::vector<int64_t>(static_cast<size_t>(count), 0),
          {},
          {}};
}

TEST(RotationShift, TurnsEachClientByItsShareOfTheAngle) {
  // Three clients of one image each: 0, 90 and 180 degrees against the clock.
  const std::vector<float> image = {1, 2, 3, 4};
  Dataset data = images({1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4}, {1, 2, 2}, 3);
  shift_features(RotationShift{.degrees = 180}, {{{0}, {1}, {2}}}, kKey, data);
  const std::vector<float> expected = {1, 2, 3, 4, 2, 4, 1, 3, 4, 3, 2, 1};
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(data.features[i], expected[i], 1e-5F) << i;
}

TEST(RotationShift, TurnsEveryChannelAboutTheCentre) {
  Dataset data = images({1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 8, 7, 6, 5, 4, 3, 2, 1}, {2, 3, 3}, 1);
  shift_features(RotationShift{.degrees = 90}, {{{}, {0}}}, kKey, data);
  const std::vector<float> expected = {3, 6, 9, 2, 5, 8, 1, 4, 7, 7, 4, 1, 8, 5, 2, 9, 6, 3};
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(data.features[i], expected[i], 1e-5F) << i;
}

// A plane is what bilinear interpolation keeps exact: inside, turning it turns its slope.
TEST(RotationShift, InterpolatesBetweenPixels) {
  constexpr int64_t kSide = 9;
  std::vector<float> plane;
  for (int64_t y = 0; y < kSide; ++y)
    for (int64_t x = 0; x < kSide; ++x) plane.push_back(static_cast<float>(x - 4));
  Dataset data = images(plane, {1, kSide, kSide}, 1);
  shift_features(RotationShift{.degrees = 30}, {{{}, {0}}}, kKey, data);
  for (int64_t y = 3; y < 6; ++y)
    for (int64_t x = 3; x < 6; ++x)
      EXPECT_NEAR(data.features[static_cast<size_t>(y * kSide + x)],
                  std::cos(M_PI / 6) * static_cast<double>(x - 4) -
                      std::sin(M_PI / 6) * static_cast<double>(y - 4),
                  1e-5);
}

TEST(RotationShift, RefusesWhatIsNoImage) {
  Dataset data = images({1, 2}, {2}, 1);
  EXPECT_THROW(shift_features(RotationShift{}, {{{0}}}, kKey, data), InputError);
}

TEST(NoiseShift, GrowsFromClientToClient) {
  constexpr int64_t kEach = 200, kSize = 100, kClients = 4;
  Dataset data =
      images(std::vector<float>(kClients * kEach * kSize, 2.0F), {kSize}, kClients * kEach);
  Partition partition;
  for (int64_t k = 0; k < kClients; ++k) {
    partition.clients.emplace_back();
    for (int64_t i = 0; i < kEach; ++i) partition.clients.back().push_back(i * kClients + k);
  }
  Dataset again = data;
  shift_features(NoiseShift{.sigma = 0.5}, partition, kKey, data);
  shift_features(NoiseShift{.sigma = 0.5}, partition, kKey, again);
  EXPECT_EQ(data.features, again.features);
  for (int64_t k = 0; k < kClients; ++k) {
    double square = 0;
    for (const int64_t index : partition.clients[static_cast<size_t>(k)])
      for (int64_t j = 0; j < kSize; ++j) {
        const double noise = data.features[static_cast<size_t>(index * kSize + j)] - 2.0;
        square += noise * noise / (kEach * kSize);
      }
    const double variance = 0.5 * static_cast<double>(k + 1) / kClients;
    EXPECT_NEAR(square, variance, 6 * variance * std::sqrt(2.0 / (kEach * kSize))) << k;
  }
}

TEST(NoShift, LeavesEverythingAsItIs) {
  Dataset data = images({1, 2}, {2}, 1);
  shift_features(NoShift{}, {{{0}}}, kKey, data);
  EXPECT_EQ(data.features, (std::vector<float>{1, 2}));
}

}  // namespace
}  // namespace starling
