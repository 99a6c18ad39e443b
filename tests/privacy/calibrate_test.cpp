#include "starling/privacy/calibrate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "privacy/gaussian_accountant.h"
#include "starling/core/error.h"

namespace starling {
namespace {

constexpr double kTightness = 1e-4;  // how much closer to the target a step past the answer lies

Composition gaussians(double noise_multiplier, int64_t count, double rate = 1.0,
                      Relation relation = Relation::add_remove) {
  return {relation, {Event{GaussianMechanism{noise_multiplier}, PoissonSampling{rate}, count}}};
}

TEST(CalibrateTest, NoiseSatisfiesTheTargetAndALittleLessDoesNot) {
  const GaussianAccountant accountant;
  for (const double epsilon : {0.01, 0.5, 1.0, 8.0, 100.0}) {
    for (const double delta : {1e-3, 1e-5, 1e-10}) {
      for (const int64_t count : {1, 100, 1'000'000}) {
        const PrivacyTarget target{epsilon, delta};
        const double noise = calibrate_noise_multiplier(accountant, target, gaussians(1, count));
        EXPECT_TRUE(satisfies(accountant, gaussians(noise, count), target));
        EXPECT_FALSE(satisfies(accountant, gaussians(noise * (1 - kTightness), count), target))
            << epsilon << " " << delta << " " << count << " " << noise;
      }
    }
  }
}

TEST(CalibrateTest, NoiseMatchesTheAnalyticGaussianMechanism) {
  // Balle and Wang 2018: for epsilon 1, delta 1e-5 one release needs sigma 3.7306.
  const double noise =
      calibrate_noise_multiplier(GaussianAccountant(), {1.0, 1e-5}, gaussians(1, 1));
  EXPECT_NEAR(noise, 3.7306, 1e-3);
}

TEST(CalibrateTest, NoiseHasSixDigits) {
  const double noise =
      calibrate_noise_multiplier(GaussianAccountant(), {1.0, 1e-5}, gaussians(1, 100));
  EXPECT_EQ(number_text(noise), number_text(std::stod(number_text(noise))));
  EXPECT_LE(number_text(noise).size(), 7u) << number_text(noise);
}

TEST(CalibrateTest, FewEvaluationsSuffice) {
  const GaussianAccountant accountant;
  calibrate_noise_multiplier(accountant, {1.0, 1e-5}, gaussians(1, 100));
  EXPECT_LE(accountant.evaluations, 16);
  accountant.evaluations = 0;
  calibrate_steps(accountant, {1.0, 1e-5}, [](int64_t steps) { return gaussians(50.0, steps); });
  EXPECT_LE(accountant.evaluations, 24);
}

TEST(CalibrateTest, ZeroTargetsAnswerInfinity) {
  const GaussianAccountant accountant;
  EXPECT_TRUE(std::isinf(calibrate_noise_multiplier(accountant, {0.0, 1e-5}, gaussians(1, 1))));
  EXPECT_TRUE(std::isinf(calibrate_noise_multiplier(accountant, {1.0, 0.0}, gaussians(1, 1))));
}

TEST(CalibrateTest, NothingReleasedNeedsNoNoise) {
  EXPECT_EQ(calibrate_noise_multiplier(GaussianAccountant(), {1.0, 1e-5}, gaussians(1, 0)), 0.0);
  EXPECT_EQ(calibrate_noise_multiplier(GaussianAccountant(), {1.0, 1e-5}, gaussians(1, 9, 0.0)),
            0.0);
}

TEST(CalibrateTest, WhatOtherEventsOverspendIsAnError) {
  const auto with_rest = [](double noise) {
    Composition composition = gaussians(noise, 10);
    composition.events.push_back(Event{GaussianMechanism{0.1}, NoSampling{}, 1});
    return composition;
  };
  EXPECT_THROW(calibrate_noise_multiplier(GaussianAccountant(), {1.0, 1e-5}, with_rest),
               InputError);
}

TEST(CalibrateTest, TargetsOutsideTheirRangeAreErrors) {
  const GaussianAccountant accountant;
  for (const PrivacyTarget wrong :
       {PrivacyTarget{-1, 1e-5}, PrivacyTarget{NAN, 1e-5}, PrivacyTarget{1, -1e-5},
        PrivacyTarget{1, 1.5}, PrivacyTarget{1, NAN}}) {
    EXPECT_THROW(calibrate_noise_multiplier(accountant, wrong, gaussians(1, 1)), InputError);
  }
}

TEST(CalibrateTest, StepsAreTheLastThatSatisfyTheTarget) {
  const GaussianAccountant accountant;
  for (const double noise : {0.5, 3.0, 4.0, 20.0, 1000.0}) {
    const PrivacyTarget target{1.0, 1e-5};
    const auto of = [&](int64_t steps) { return gaussians(noise, steps); };
    const int64_t steps = calibrate_steps(accountant, target, of);
    EXPECT_TRUE(satisfies(accountant, of(steps), target)) << noise;
    EXPECT_FALSE(satisfies(accountant, of(steps + 1), target)) << noise;
  }
}

TEST(CalibrateTest, StepsStopAtTheLimit) {
  const auto of = [](int64_t steps) { return gaussians(1e6, steps); };
  EXPECT_EQ(calibrate_steps(GaussianAccountant(), {8.0, 1e-5}, of, 1234), 1234);
}

TEST(CalibrateTest, SampleRateSatisfiesTheTargetAndALittleMoreDoesNot) {
  const GaussianAccountant accountant;
  const PrivacyTarget target{1.0, 1e-5};
  const auto of = [](double rate) { return gaussians(1.0, 1000, rate); };
  const double rate = calibrate_sample_rate(accountant, target, of);
  EXPECT_GT(rate, 0.0);
  EXPECT_TRUE(satisfies(accountant, of(rate), target));
  EXPECT_FALSE(satisfies(accountant, of(rate * (1 + kTightness)), target));
  EXPECT_EQ(calibrate_sample_rate(accountant, {1e9, 1e-5}, of), 1.0);
}

TEST(CalibrateTest, RoundTripOfNoiseAndSteps) {
  const GaussianAccountant accountant;
  const PrivacyTarget target{2.0, 1e-6};
  for (const int64_t count : {10, 1000, 100'000}) {
    const double noise = calibrate_noise_multiplier(accountant, target, gaussians(1, count));
    const int64_t steps =
        calibrate_steps(accountant, target, [&](int64_t s) { return gaussians(noise, s); });
    EXPECT_GE(steps, count);
    EXPECT_LE(static_cast<double>(steps), static_cast<double>(count) * 1.001 + 1);
  }
}

TEST(CalibrateTest, ReplaceOneNeedsTwiceTheNoise) {
  const GaussianAccountant accountant;
  const double once = calibrate_noise_multiplier(accountant, {1.0, 1e-5}, gaussians(1, 10));
  const double twice = calibrate_noise_multiplier(accountant, {1.0, 1e-5},
                                                  gaussians(1, 10, 1.0, Relation::replace_one));
  EXPECT_NEAR(twice, 2.0 * once, 1e-4 * once);
}

TEST(CalibrateTest, NoiseReplacesEveryMultiplierAndNothingElse) {
  SelectAndRepeatMechanism selection;
  selection.event = std::make_shared<const Event>(Event{GaussianMechanism{1.0}, NoSampling{}, 1});
  const Composition before{
      Relation::zero_out,
      {Event{LaplaceMechanism{2.0}, NoSampling{}, 1},
       Event{TreeMechanism{1.0, 8, 1, 1, 0}, NoSampling{}, 1}, Event{selection, NoSampling{}, 1}}};
  const Composition after = with_noise_multiplier(before, 7.0);
  EXPECT_EQ(std::get<LaplaceMechanism>(after.events[0].mechanism).scale, 2.0);
  EXPECT_EQ(std::get<TreeMechanism>(after.events[1].mechanism).noise_multiplier, 7.0);
  const auto& inner = *std::get<SelectAndRepeatMechanism>(after.events[2].mechanism).event;
  EXPECT_EQ(std::get<GaussianMechanism>(inner.mechanism).noise_multiplier, 7.0);
  EXPECT_EQ(std::get<GaussianMechanism>(selection.event->mechanism).noise_multiplier, 1.0);
}

TEST(BudgetTest, ARoundThatWouldOverspendIsSeenBeforeIt) {
  const GaussianAccountant accountant;
  const PrivacyTarget budget{1.0, 1e-5};
  const Event round{GaussianMechanism{20.0}, NoSampling{}, 1};
  Composition spent{Relation::zero_out, {}};
  int64_t rounds = 0;
  while (!would_exceed(accountant, spent, std::vector<Event>{round}, budget)) {
    spent.events.push_back(round);
    ++rounds;
    ASSERT_LT(rounds, 1000);
  }
  const auto of = [](int64_t steps) { return gaussians(20.0, steps); };
  EXPECT_EQ(rounds, calibrate_steps(accountant, budget, of));
  EXPECT_TRUE(satisfies(accountant, spent, budget));
}

}  // namespace
}  // namespace starling
