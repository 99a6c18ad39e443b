#include "starling/train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "starling/core/error.h"

namespace starling {
namespace {

constexpr double kTolerance = 1e-15;

void expect_factor(const Schedule& schedule, int64_t round, int64_t rounds, double expected) {
  const double factor = learning_rate_factor(schedule, round, rounds);
  EXPECT_TRUE(std::abs(factor - expected) <= kTolerance)
      << "round " << round << ": " << factor << ", expected " << expected;
}

TEST(Schedule, ConstantIsOne) {
  for (const int64_t round : {0, 1, 99}) expect_factor(ConstantSchedule{}, round, 100, 1.0);
}

TEST(Schedule, StepMatchesHandValues) {
  const StepSchedule step{.every = 3, .gamma = 0.5};
  const double expected[] = {1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25};
  for (int64_t round = 0; round < 8; ++round) expect_factor(step, round, 8, expected[round]);
}

TEST(Schedule, ExponentialMatchesHandValues) {
  const double expected[] = {1, 0.9, 0.81, 0.729};
  for (int64_t round = 0; round < 4; ++round)
    expect_factor(ExponentialSchedule{.gamma = 0.9}, round, 4, expected[round]);
}

TEST(Schedule, CosineMatchesHandValues) {
  expect_factor(CosineSchedule{}, 0, 4, 1.0);
  expect_factor(CosineSchedule{}, 1, 4, 0.5 * (1.0 + std::sqrt(0.5)));
  expect_factor(CosineSchedule{}, 2, 4, 0.5);
  expect_factor(CosineSchedule{.floor = 0.2}, 2, 4, 0.6);
  expect_factor(CosineSchedule{.floor = 1.0}, 3, 4, 1.0);
}

TEST(Schedule, InverseMatchesHandValues) {
  const double expected[] = {1, 1 / 1.5, 0.5, 1 / 2.5};
  for (int64_t round = 0; round < 4; ++round)
    expect_factor(InverseSchedule{.decay = 0.5}, round, 4, expected[round]);
}

TEST(Schedule, NeverGrowsAndStartsAtOne) {
  const Schedule schedules[] = {ConstantSchedule{}, StepSchedule{.every = 7, .gamma = 0.3},
                                ExponentialSchedule{.gamma = 0.97}, CosineSchedule{.floor = 0.1},
                                InverseSchedule{.decay = 0.2}};
  for (const auto& schedule : schedules) {
    double before = 1.0;
    expect_factor(schedule, 0, 50, 1.0);
    for (int64_t round = 0; round < 50; ++round) {
      const double factor = learning_rate_factor(schedule, round, 50);
      EXPECT_TRUE(factor > 0.0 && factor <= before) << "kind " << schedule.index() << ", " << round;
      before = factor;
    }
  }
}

TEST(Schedule, RefusesRoundsOutside) {
  EXPECT_THROW(learning_rate_factor(ConstantSchedule{}, -1, 3), Error);
  EXPECT_THROW(learning_rate_factor(ConstantSchedule{}, 3, 3), Error);
}

}  // namespace
}  // namespace starling
