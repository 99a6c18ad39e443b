#include "starling/privacy/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "starling/core/error.h"
#include "starling/privacy/event_json.h"

namespace starling {
namespace {

using ::testing::HasSubstr;

PlanOptions options(SamplingKind sampling, Relation relation, int64_t batch) {
  PlanOptions result;
  result.sampling = sampling;
  result.relation = relation;
  result.batch_size = batch;
  result.clip_norm = 2.0;
  result.noise_multiplier = 1.5;
  return result;
}

std::string error_of(const PlanOptions& wrong, int64_t examples) {
  try {
    plan(wrong, examples, "x.json: /local");
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(PlanTest, PoissonTakesRateDivisorNoiseAndEventFromOneValue) {
  const DpSgdPlan p = plan(options(SamplingKind::poisson, Relation::zero_out, 60), 600);
  EXPECT_EQ(p.sample_rate, 0.1);
  EXPECT_EQ(p.divisor(), 60.0);
  EXPECT_EQ(p.noise_standard_deviation(), 3.0);
  EXPECT_EQ(to_json(p.event(30)).dump(),
            R"({"mechanism":"gaussian","noise_multiplier":1.5,"count":30,)"
            R"("sampling":{"kind":"poisson","rate":0.1}})");
  EXPECT_EQ(p.steps_per_epoch(), 10);
}

TEST(PlanTest, DivisorTimesRateFollowsTheCohortEverywhere) {
  // rate * examples is the mean batch; a divisor below it would release more than was accounted
  // for.
  for (const int64_t examples : {1, 2, 7, 31, 32, 33, 1000}) {
    const DpSgdPlan p = plan(options(SamplingKind::poisson, Relation::zero_out, 32), examples);
    EXPECT_NEAR(p.sample_rate * static_cast<double>(examples), p.divisor(), 1e-12) << examples;
    EXPECT_LE(p.sample_rate, 1.0);
  }
}

TEST(PlanTest, AddRemoveTakesNothingFromTheNumberOfExamples) {
  PlanOptions given = options(SamplingKind::poisson, Relation::add_remove, 60);
  EXPECT_THAT(error_of(given, 600), HasSubstr("give sample_rate"));
  given.sample_rate = 0.1;
  const DpSgdPlan few = plan(given, 3);
  const DpSgdPlan many = plan(given, 1'000'000);
  EXPECT_EQ(few.sample_rate, many.sample_rate);
  EXPECT_EQ(few.divisor(), many.divisor());
  EXPECT_EQ(few.examples, 0);
  EXPECT_EQ(many.examples, 0);
  EXPECT_EQ(plan(given, 0).divisor(), 60.0);
}

TEST(PlanTest, sampling_matches_ledger_ShuffleIsNotAmplified) {
  const DpSgdPlan p = plan(options(SamplingKind::shuffle, Relation::zero_out, 32), 100);
  EXPECT_EQ(p.steps_per_epoch(), 4);
  EXPECT_EQ(p.divisor(), 32.0);
  for (const auto& [steps, epochs] :
       std::vector<std::pair<int64_t, int64_t>>{{0, 0}, {1, 1}, {4, 1}, {5, 2}, {8, 2}}) {
    EXPECT_EQ(p.event(steps).count, epochs) << steps;
  }
  EXPECT_TRUE(std::holds_alternative<NoSampling>(p.event(4).sampling));
}

TEST(PlanTest, ShuffleUnderAddRemoveIsRefused) {
  EXPECT_THAT(error_of(options(SamplingKind::shuffle, Relation::add_remove, 10), 100),
              HasSubstr("x.json: /local: relation add_remove does not go with shuffle"));
}

TEST(PlanTest, FixedIsWithoutReplacementUnderReplaceOneOnly) {
  const DpSgdPlan p = plan(options(SamplingKind::fixed, Relation::replace_one, 25), 100);
  const auto sampling = std::get<WithoutReplacement>(p.event(7).sampling);
  EXPECT_EQ(sampling.batch, 25);
  EXPECT_EQ(sampling.examples, 100);
  EXPECT_EQ(p.event(7).count, 7);
  for (const Relation relation : {Relation::zero_out, Relation::add_remove}) {
    EXPECT_THAT(error_of(options(SamplingKind::fixed, relation, 25), 100),
                HasSubstr("replace_one only"));
  }
}

TEST(PlanTest, BatchLargerThanTheDataBecomesTheWholeData) {
  EXPECT_EQ(plan(options(SamplingKind::shuffle, Relation::zero_out, 500), 100).batch_size, 100);
  EXPECT_EQ(plan(options(SamplingKind::poisson, Relation::zero_out, 500), 100).divisor(), 100.0);
}

TEST(PlanTest, WrongNumbersAreRefusedByName) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double wrong : {nan, -1.0, infinity}) {
    PlanOptions bad = options(SamplingKind::poisson, Relation::zero_out, 10);
    bad.noise_multiplier = wrong;
    EXPECT_THAT(error_of(bad, 100), HasSubstr("noise_multiplier"));
  }
  for (const double wrong : {nan, 0.0, -1.0, infinity}) {
    PlanOptions bad = options(SamplingKind::poisson, Relation::zero_out, 10);
    bad.clip_norm = wrong;
    EXPECT_THAT(error_of(bad, 100), HasSubstr("clip_norm"));
  }
  for (const double wrong : {nan, 0.0, -0.1, 1.1, infinity}) {
    PlanOptions bad = options(SamplingKind::poisson, Relation::zero_out, 10);
    bad.sample_rate = wrong;
    EXPECT_THAT(error_of(bad, 100), HasSubstr("sample_rate"));
  }
  EXPECT_THAT(error_of(options(SamplingKind::poisson, Relation::zero_out, 0), 100),
              HasSubstr("batch_size 0"));
  for (const auto kind : {SamplingKind::poisson, SamplingKind::shuffle}) {
    EXPECT_THAT(error_of(options(kind, Relation::zero_out, 10), 0), HasSubstr("examples 0"));
  }
}

TEST(PlanTest, SampleRateWithoutPoissonIsRefused) {
  PlanOptions bad = options(SamplingKind::shuffle, Relation::zero_out, 10);
  bad.sample_rate = 0.1;
  EXPECT_THAT(error_of(bad, 100), HasSubstr("poisson"));
}

TEST(PlanTest, ChangedPlansFailValidation) {
  DpSgdPlan p = plan(options(SamplingKind::shuffle, Relation::zero_out, 10), 100);
  p.expected_batch = 5.0;
  EXPECT_THROW(p.validate(), InputError);
  p = plan(options(SamplingKind::shuffle, Relation::zero_out, 10), 100);
  p.batch_size = 101;
  p.expected_batch = 101.0;
  EXPECT_THROW(p.validate(), InputError);
  p = plan(options(SamplingKind::poisson, Relation::zero_out, 10), 100);
  p.clip_norm = 1e300;
  p.noise_multiplier = 1e300;
  EXPECT_THROW(p.validate(), InputError);
  EXPECT_THROW(p.event(-1), Error);
}

}  // namespace
}  // namespace starling
