#include "starling/federated/update_sum.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "starling/core/error.h"

namespace starling {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

using Values = std::vector<double>;

SumRule rule(UpdateClipping clipping, double clip_norm, int64_t size) {
  SumRule rule;
  rule.grid = choose_grid({8.0, 1000, 0.0});
  rule.size = size;
  rule.clipping = clipping;
  rule.clip_norm = clip_norm;
  if (clipping == UpdateClipping::per_layer) rule.layer_ends = {2, size};
  return rule;
}

Values sum_of(const UpdateSum& sum) {
  Values values(sum.sum().values().size());
  sum.sum().decode(std::span(values));
  return values;
}

double norm(const Values& values) {
  double squares = 0.0;
  for (const double value : values) squares += value * value;
  return std::sqrt(squares);
}

TEST(UpdateSum, AddsWeightedUploads) {
  UpdateSum sum(rule(UpdateClipping::none, 0.0, 2));
  sum.add(Values{1.0, -2.0}, 3);
  sum.add(Values{0.5, 0.25});
  EXPECT_EQ(sum_of(sum), (Values{3.5, -5.75}));
  EXPECT_EQ(sum.weight(), 4);
  EXPECT_EQ(sum.clients(), 2);
}

TEST(UpdateSum, upd_atomic_reject_WhatIsRefusedLeavesNoTrace) {
  UpdateSum sum(rule(UpdateClipping::none, 0.0, 2));
  sum.add(Values{2.0, 4.0});
  for (const auto& bad :
       {Values{1.0, kNan}, Values{kInf, 1.0}, Values{1.0, 8.5}, Values{1.0}, Values{1.0, 2.0, 3.0}})
    EXPECT_THROW(sum.add(bad), Error);
  for (const int64_t weight :
       {int64_t{0}, int64_t{-1}, int64_t{1000}, std::numeric_limits<int64_t>::max()})
    EXPECT_THROW(sum.add(Values{1.0, 1.0}, weight), Error) << weight;
  EXPECT_EQ(sum_of(sum), (Values{2.0, 4.0}));
  EXPECT_EQ(sum.clients(), 1);
  EXPECT_EQ(sum.weight(), 1);
}

// Trap 5: whatever a client sends and whatever the kind, one client moves the sum by at most C.
TEST(UpdateSum, upd_norm_server_side_NoUploadMovesTheSumByMoreThanTheClipNorm) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  for (const auto kind :
       {UpdateClipping::flat, UpdateClipping::per_layer, UpdateClipping::automatic}) {
    for (const double size : {1e-300, 1e-30, 1e-3, 1.0, 1e3, 1e30, 1e200}) {
      for (const double clip : {0.01, 1.0, 8.0}) {
        UpdateSum sum(rule(kind, clip, 5));
        Values upload(5);
        for (double& value : upload) value = size * normal(random);
        sum.add(upload);
        EXPECT_LE(norm(sum_of(sum)), clip * (1 + 1e-12)) << size;
      }
    }
  }
}

TEST(UpdateSum, upd_nan_inf_AddsZeroUnderAClip) {
  for (const auto kind :
       {UpdateClipping::flat, UpdateClipping::per_layer, UpdateClipping::automatic}) {
    UpdateSum sum(rule(kind, 1.0, 3));
    sum.add(Values{1.0, kNan, 2.0});
    sum.add(Values{1.0, kInf, 2.0});
    sum.add(Values{0.0, -kInf, 0.0});
    EXPECT_EQ(sum_of(sum), (Values{0.0, 0.0, 0.0}));
    EXPECT_EQ(sum.zeroed(), 3);
    EXPECT_EQ(sum.within(), 0);
    EXPECT_EQ(sum.clients(), 3);
  }
}

TEST(UpdateSum, SmallUploadsPassAsTheyAre) {
  UpdateSum sum(rule(UpdateClipping::flat, 1.0, 2));
  sum.add(Values{0.25, -0.5});
  sum.add(Values{3.0, 4.0});
  EXPECT_EQ(sum.within(), 1);
  EXPECT_NEAR(sum_of(sum)[0], 0.25 + 0.6, 1e-9);
  EXPECT_NEAR(sum_of(sum)[1], -0.5 + 0.8, 1e-9);
}

TEST(UpdateSum, PerLayerClipsEachLayerToItsShare) {
  UpdateSum sum(rule(UpdateClipping::per_layer, 1.0, 4));
  sum.add(Values{30.0, 40.0, 0.1, 0.0});
  const double share = 1.0 / std::sqrt(2.0);
  EXPECT_NEAR(sum_of(sum)[0], 0.6 * share, 1e-9);
  EXPECT_NEAR(sum_of(sum)[1], 0.8 * share, 1e-9);
  EXPECT_NEAR(sum_of(sum)[2], 0.1, 1e-9);
}

TEST(UpdateSum, AutomaticScalesEveryUpload) {
  UpdateSum sum(rule(UpdateClipping::automatic, 1.0, 2));
  sum.add(Values{0.03, 0.04});
  EXPECT_NEAR(sum_of(sum)[0], 0.03 / 0.06, 1e-9);
}

TEST(UpdateSum, SumsMergeToTheSameBytesInAnyOrder) {
  std::mt19937_64 random(2);
  std::normal_distribution<double> normal;
  std::vector<Values> uploads(20, Values(6));
  for (auto& upload : uploads)
    for (double& value : upload) value = normal(random);
  const auto made = rule(UpdateClipping::flat, 1.0, 6);
  UpdateSum whole(made), left(made), right(made);
  for (const auto& upload : uploads) whole.add(upload);
  for (size_t i = uploads.size(); i-- > 0;) (i % 3 == 0 ? left : right).add(uploads[i]);
  right.merge(left);
  EXPECT_TRUE(std::ranges::equal(whole.sum().values(), right.sum().values()));
  EXPECT_EQ(whole.clients(), right.clients());
  EXPECT_EQ(whole.within(), right.within());
}

TEST(UpdateSum, RefusesAClipThatTheGridWasNotChosenFor) {
  EXPECT_THROW(UpdateSum(rule(UpdateClipping::flat, 8.1, 2)), Error);
  EXPECT_THROW(UpdateSum(rule(UpdateClipping::flat, 0.0, 2)), Error);
  EXPECT_THROW(UpdateSum(rule(UpdateClipping::flat, kNan, 2)), Error);
}

}  // namespace
}  // namespace starling
