#include "starling/privacy/calibrate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "privacy/calibrate_start.h"
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
  EXPECT_LE(accountant.evaluations, 6);
  accountant.evaluations = 0;
  calibrate_steps(accountant, {1.0, 1e-5}, [](int64_t steps) { return gaussians(50.0, steps); });
  EXPECT_LE(accountant.evaluations, 10);
}

// Counts the questions put to the exact accountant.
class CountingAccountant : public Accountant {
 public:
  std::string name() const override { return "exact"; }
  PrivacyBound epsilon(std::span<const Event> events, Relation relation,
                       double delta) const override {
    ++evaluations;
    return exact_->epsilon(events, relation, delta);
  }
  PrivacyBound delta(std::span<const Event> events, Relation relation,
                     double epsilon) const override {
    return exact_->delta(events, relation, epsilon);
  }
  mutable int evaluations = 0;

 private:
  std::unique_ptr<Accountant> exact_ = make_accountant("exact");
};

TEST(CalibrateTest, RareHitsNeedFewEvaluations) {
  struct Row {
    double rate;
    int64_t steps;
    PrivacyTarget target;
  };
  // Where rdp meets the target only with enormous noise, or none.
  for (const Row& row : {Row{6.71e-6, 7, {0.01196, 2.6e-10}}, Row{3e-5, 40, {0.0119, 4.3e-14}},
                         Row{1.18e-6, 7, {4.959, 8.57e-10}}, Row{0.00307, 819, {36.0, 8.97e-13}}}) {
    const CountingAccountant exact;
    const double noise =
        calibrate_noise_multiplier(exact, row.target, gaussians(1, row.steps, row.rate));
    EXPECT_LE(exact.evaluations, 7) << row.rate;
    EXPECT_TRUE(satisfies(exact, gaussians(noise, row.steps, row.rate), row.target)) << row.rate;
    EXPECT_FALSE(satisfies(exact, gaussians(noise * 0.998, row.steps, row.rate), row.target))
        << row.rate;
  }
}

TEST(CalibrateTest, WhoSeldomTakesPartNeedsTheLeastNoise) {
  const CountingAccountant exact;
  EXPECT_LE(calibrate_noise_multiplier(exact, {1.0, 1.01e-5}, gaussians(1, 10, 1e-6)), 1e-6);
  EXPECT_LE(exact.evaluations, 10);
  EXPECT_GT(calibrate_noise_multiplier(exact, {1.0, 0.5e-5}, gaussians(1, 10, 1e-6)), 0.1);
}

// Millions of epsilon, for which the variance of losses alone estimates far too little noise.
TEST(CalibrateTest, HugeEpsilonsNeedFewEvaluations) {
  const CountingAccountant exact;
  const PrivacyTarget target{1384016.6, 6.26e-13};
  EXPECT_NEAR(calibrate_noise_multiplier(exact, target, gaussians(1, 432789, 0.694)), 0.308, 1e-3);
  EXPECT_LE(exact.evaluations, 7);
}

TEST(CalibrateTest, TheEstimateOfAGaussianIsItsClosedForm) {
  const GaussianAccountant accountant;
  const Composition composition = gaussians(9.0, 70);
  const double delta = accountant.delta(composition.events, composition.relation, 2.0).delta;
  EXPECT_NEAR(estimated_log_delta(composition, 2.0), std::log(delta), 1e-9);
  EXPECT_TRUE(std::isnan(estimated_log_delta(gaussians(-1.0, 1), 1.0)));
}

Composition clipping_rounds(double bit_noise_multiplier, int64_t count) {
  return {Relation::add_remove,
          {Event{AdaptiveClippingMechanism{1.0, bit_noise_multiplier}, NoSampling{}, count}}};
}

TEST(CalibrateTest, AdaptiveClippingStaysBelowTheNoiseOfItsCounts) {
  const auto exact = make_accountant("exact");
  const PrivacyTarget target{1.0, 1e-5};  // 37.306 for 100 releases
  const double noise = calibrate_noise_multiplier(*exact, target, clipping_rounds(20.0, 100));
  EXPECT_NEAR(noise, 37.306, 1e-2);
  EXPECT_THROW(calibrate_noise_multiplier(*exact, target, clipping_rounds(18.0, 100)), InputError);
  EXPECT_THROW(calibrate_noise_multiplier(*exact, {1.0, 0.0}, clipping_rounds(20.0, 100)),
               InputError);
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

TEST(CalibrateTest, NoNumberOfStepsIsAskedForTwice) {
  class Asked : public GaussianAccountant {
   public:
    PrivacyBound epsilon(std::span<const Event> events, Relation relation,
                         double delta) const override {
      EXPECT_TRUE(counts.insert(events[0].count).second) << events[0].count;
      return GaussianAccountant::epsilon(events, relation, delta);
    }
    mutable std::set<int64_t> counts;
  };
  const Asked accountant;
  const auto of = [](int64_t steps) { return gaussians(40.0, steps); };
  EXPECT_GT(calibrate_steps(accountant, {1.0, 1e-5}, of), 10);
  EXPECT_GT(accountant.counts.size(), 3u);
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
