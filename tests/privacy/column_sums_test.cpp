#include "starling/privacy/column_sums.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "starling/core/error.h"
#include "starling/privacy/accountant.h"

namespace starling {
namespace {

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();
constexpr double kDelta = 1e-5;
constexpr double kDeviations = 5.0;
// Of one release's coordinate: 2^-28 of the clip norm, far below any noise.
constexpr double kRounding = 1e-7;

ColumnSumsPlan plan_of(std::vector<bool> takes_missing, Relation relation = Relation::zero_out,
                       double noise_multiplier = 2.0) {
  return {std::move(takes_missing), relation, noise_multiplier};
}

std::vector<double> released(const ColumnSumsPlan& plan, const std::vector<float>& values,
                             int64_t client = 0) {
  return release_column_sums(plan, values,
                             RandomStream(RandomKey::from_seed(3), {Purpose::noise, client}));
}

// How far the sums before the noise move: both releases have the same noise.
double moved(const ColumnSumsPlan& plan, const std::vector<float>& a, const std::vector<float>& b) {
  const auto first = released(plan, a), second = released(plan, b);
  double squares = 0.0;
  for (size_t i = 0; i < first.size(); ++i)
    squares += (first[i] - second[i]) * (first[i] - second[i]);
  return std::sqrt(squares);
}

TEST(ColumnSums, NoRecordMovesASumByMoreThanTheClipNorm) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> extremes = {-1.0f, 1.0f, 0.0f, 0.7f, -1e30f, 1e30f, inf, -inf, kMissing};
  for (const Relation relation : {Relation::zero_out, Relation::add_remove}) {
    const auto plan = plan_of({false, true}, relation);
    double largest = 0.0;
    for (const float x : extremes)
      for (const float y : extremes)
        largest = std::max(largest, moved(plan, {0.2f, 0.3f}, {0.2f, 0.3f, x, y}));
    EXPECT_LE(largest, plan.clip_norm() + kRounding);
    EXPECT_GT(largest, plan.clip_norm() - kRounding) << "the bound is reached";
  }
}

TEST(ColumnSums, AMissingRecordContributesNothing) {
  const auto plan = plan_of({true, true}, Relation::add_remove);
  EXPECT_EQ(moved(plan, {0.5f, 0.5f}, {0.5f, 0.5f, kMissing, kMissing}), 0.0);
}

// The noise of many releases, and not half or double of it.
TEST(ColumnSums, NoiseHasTheStandardDeviationThatTheEventCounts) {
  const auto plan = plan_of({false, false, true}, Relation::zero_out, 1.5);
  double squares = 0.0;
  constexpr int64_t kReleases = 2000;
  for (int64_t client = 0; client < kReleases; ++client)
    for (const double noise : released(plan, {}, client)) squares += noise * noise;
  const auto draws = static_cast<double>(kReleases * plan.coordinates());
  const double expected = 1.5 * plan.clip_norm();
  EXPECT_EQ(plan.clip_norm(), std::sqrt(7.0));
  EXPECT_NEAR(std::sqrt(squares / draws) / expected, 1.0, kDeviations / std::sqrt(2 * draws));
  EXPECT_EQ(std::get<GaussianMechanism>(plan.event().mechanism).noise_multiplier, 1.5);
  EXPECT_EQ(plan.event().count, 1);
}

TEST(ColumnSums, ReplacingARecordCostsTwiceTheSensitivity) {
  const auto exact = make_accountant("exact");
  const auto epsilon = [&](double noise, Relation relation) {
    return exact
        ->epsilon(std::vector<Event>{plan_of({false}, relation, noise).event()}, relation, kDelta)
        .epsilon;
  };
  EXPECT_NEAR(epsilon(6.0, Relation::replace_one), epsilon(3.0, Relation::zero_out), 1e-6);
}

// Under add_remove the number of records, elsewhere that of a column's known values alone.
TEST(ColumnSums, CountsWhatIsPrivateAndNothingElse) {
  const auto zero_out = plan_of({false, true});
  EXPECT_FALSE(zero_out.counts(0));
  EXPECT_TRUE(zero_out.counts(1));
  EXPECT_EQ(zero_out.coordinates(), 5);
  EXPECT_EQ(plan_of({false, true}, Relation::add_remove).coordinates(), 6);
}

std::vector<float> normal_values(int64_t records, double mean, double deviation) {
  std::mt19937_64 random(7);
  std::normal_distribution<float> normal(static_cast<float>(mean), static_cast<float>(deviation));
  std::vector<float> values;
  for (int64_t i = 0; i < records; ++i) values.push_back(normal(random));
  return values;
}

TEST(ColumnSums, MomentsOfSeveralClientsComeNearTheTruth) {
  constexpr int64_t kRecords = 100'000;
  auto values = normal_values(kRecords, 0.2, 0.25);
  for (size_t i = 0; i < values.size(); i += 4) values[i] = kMissing;
  for (const Relation relation : {Relation::zero_out, Relation::add_remove}) {
    const auto plan = plan_of({true}, relation, 10.0);
    const auto moments =
        column_moments(plan, {released(plan, values, 1), released(plan, values, 2)}, 2 * kRecords);
    ASSERT_EQ(moments.size(), 1u);
    EXPECT_NEAR(moments[0].mean, 0.2, 0.005);
    EXPECT_NEAR(moments[0].deviation, 0.25, 0.005);
  }
}

// The true number of records must not be looked at where it is private.
TEST(ColumnSums, CountedColumnsDoNotDependOnTheNumberOfRecords) {
  const auto plan = plan_of({false}, Relation::add_remove);
  const auto release = released(plan, normal_values(1000, 0.1, 0.2));
  const auto a = column_moments(plan, {release}, 1000), b = column_moments(plan, {release}, 1);
  EXPECT_EQ(a[0].mean, b[0].mean);
  EXPECT_EQ(a[0].deviation, b[0].deviation);
}

TEST(ColumnSums, VarianceIsFlooredByItsNoiseAndMomentsStayInRange) {
  const auto constant = plan_of({false}, Relation::zero_out, 10.0);
  const std::vector<float> same(10'000, 0.5f);
  const auto floored = column_moments(constant, {released(constant, same)}, 10'000);
  const double noise = constant.standard_deviation() / 10'000;
  EXPECT_GE(floored[0].deviation, std::sqrt(noise) * (1 - 1e-12));
  EXPECT_LE(floored[0].deviation, 3 * std::sqrt(noise));

  for (int64_t client = 0; client < 50; ++client) {  // noise alone
    const auto plan = plan_of({true, false}, Relation::add_remove, 1000.0);
    for (const auto& column : column_moments(plan, {released(plan, {0.1f, 0.2f}, client)}, 1)) {
      EXPECT_GE(column.mean, -1.0);
      EXPECT_LE(column.mean, 1.0);
      EXPECT_GT(column.deviation, 0.0);
      EXPECT_LE(column.deviation, 1.0);
    }
  }
}

TEST(ColumnSums, RefusesWhatBoundsNothing) {
  EXPECT_THROW(plan_of({}).validate(), InputError);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double noise : {0.0, -1.0, 0.001, 1001.0, nan})
    EXPECT_THROW(plan_of({false}, Relation::zero_out, noise).validate(), InputError) << noise;
  EXPECT_THROW(released(plan_of({false, false}), {0.1f}), Error) << "part of a record";
}

}  // namespace
}  // namespace starling
