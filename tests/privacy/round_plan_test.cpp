#include "starling/privacy/round_plan.h"

#include <gtest/gtest.h>

#include <cmath>

#include "starling/core/error.h"

namespace starling {
namespace {

RoundPlan poisson() {
  RoundPlan plan;
  plan.clients = 1000;
  plan.sample_rate = 0.1;
  plan.clip_norm = 2.0;
  plan.noise_multiplier = 1.5;
  return plan;
}

RoundPlan tree() {
  RoundPlan plan = poisson();
  plan.cohort_kind = CohortKind::tree;
  plan.relation = Relation::zero_out;
  plan.cohort = 50;
  plan.tree = TreePlan{8, 2, 3};
  return plan;
}

TEST(RoundPlan, EventOfAPoissonRound) {
  const Event event = poisson().event();
  EXPECT_EQ(std::get<GaussianMechanism>(event.mechanism).noise_multiplier, 1.5);
  EXPECT_EQ(std::get<PoissonSampling>(event.sampling).rate, 0.1);
  EXPECT_EQ(poisson().releases(7), 1);
}

TEST(RoundPlan, FixedCohortsAreSampledWithoutReplacement) {
  RoundPlan plan = poisson();
  plan.cohort_kind = CohortKind::fixed;
  plan.cohort = 30;
  EXPECT_THROW(plan.validate(), InputError);  // add_remove
  plan.relation = Relation::replace_one;
  plan.validate();
  const auto sampling = std::get<WithoutReplacement>(plan.event().sampling);
  EXPECT_EQ(sampling.batch, 30);
  EXPECT_EQ(sampling.examples, 1000);
  EXPECT_EQ(plan.divisor(), 30.0);
}

// Traps 7 and 8: a public divisor, and the sensitivity that capped weights give.
TEST(RoundPlan, DivisorAndNoiseFollowTheWeightCap) {
  RoundPlan plan = poisson();
  EXPECT_EQ(plan.divisor(), 100.0);
  EXPECT_EQ(plan.noise_standard_deviation(plan.clip_norm), 3.0);
  plan.weight_cap = 20;
  EXPECT_EQ(plan.divisor(), 2000.0);
  EXPECT_EQ(plan.noise_standard_deviation(plan.clip_norm), 60.0);
}

// Trap 13.
TEST(RoundPlan, AdaptiveClippingPaysForItsCount) {
  RoundPlan plan = poisson();
  plan.adaptive = AdaptiveClipPlan{0.5, 0.2, 5.0};
  plan.validate();
  EXPECT_DOUBLE_EQ(plan.sum_noise_multiplier(),
                   1.0 / std::sqrt(1.0 / (1.5 * 1.5) - 1.0 / (10.0 * 10.0)));
  const auto mechanism = std::get<AdaptiveClippingMechanism>(plan.event().mechanism);
  EXPECT_EQ(mechanism.noise_multiplier, 1.5);
  EXPECT_EQ(mechanism.bit_noise_multiplier, 5.0);
  plan.adaptive->bit_noise_multiplier = 0.75;
  EXPECT_THROW(plan.validate(), InputError);
}

TEST(RoundPlan, ATreeIsChargedWholeWhenItBegins) {
  tree().validate();
  const auto mechanism = std::get<TreeMechanism>(tree().event().mechanism);
  EXPECT_EQ(mechanism.leaves, 8);
  EXPECT_EQ(mechanism.restarts, 1);
  EXPECT_EQ(mechanism.max_participations, 2);
  EXPECT_EQ(mechanism.min_separation, 3);
  for (int64_t round = 0; round < 24; ++round)
    EXPECT_EQ(tree().releases(round), round % 8 == 0 ? 1 : 0) << round;
}

TEST(RoundPlan, RefusesWhatIsNotAccountedFor) {
  RoundPlan plan = tree();
  plan.relation = Relation::add_remove;
  EXPECT_THROW(plan.validate(), InputError);
  plan = tree();
  plan.adaptive = AdaptiveClipPlan{};
  EXPECT_THROW(plan.validate(), InputError);
  for (const double rate : {0.0, -0.1, 1.1, std::nan("")}) {
    plan = poisson();
    plan.sample_rate = rate;
    EXPECT_THROW(plan.validate(), InputError) << rate;
  }
  for (const double clip : {0.0, -1.0, std::nan("")}) {
    plan = poisson();
    plan.clip_norm = clip;
    EXPECT_THROW(plan.validate(), InputError) << clip;
  }
}

}  // namespace
}  // namespace starling
