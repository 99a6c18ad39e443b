#include "starling/train/batches.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "starling/core/error.h"

namespace starling {
namespace {

StreamOwner owner(int64_t client = 0, int64_t round = 0) {
  return {RandomKey::from_seed(7), client, round};
}

TEST(BatchSampler, ShuffleShowsEveryExampleOnceAnEpochInFreshOrder) {
  BatchSampler sampler(SamplingKind::shuffle, 10, 4, 0.0, owner());
  std::vector<std::vector<int64_t>> epochs(2);
  for (int64_t step = 0; step < 6; ++step) {
    const auto batch = sampler.batch(step);
    EXPECT_EQ(batch.size(), step % 3 == 2 ? 2u : 4u);
    epochs[step / 3].insert(epochs[step / 3].end(), batch.begin(), batch.end());
  }
  for (const auto& epoch : epochs) EXPECT_EQ(std::set(epoch.begin(), epoch.end()).size(), 10u);
  EXPECT_NE(epochs[0], epochs[1]);
}

TEST(BatchSampler, PoissonBatchSizesHaveTheBinomialsMeanAndVariance) {
  constexpr int64_t kExamples = 200;
  constexpr double kRate = 0.05;
  constexpr int kSteps = 4000;
  BatchSampler sampler(SamplingKind::poisson, kExamples, 0, kRate, owner());
  double sum = 0, squares = 0;
  int empty = 0;
  for (int64_t step = 0; step < kSteps; ++step) {
    const auto size = static_cast<double>(sampler.batch(step).size());
    sum += size;
    squares += size * size;
    empty += size == 0;
  }
  const double mean = sum / kSteps;
  const double variance = squares / kSteps - mean * mean;
  const double expected_mean = kExamples * kRate;
  const double expected_variance = expected_mean * (1 - kRate);
  EXPECT_NEAR(mean, expected_mean, 5 * std::sqrt(expected_variance / kSteps));
  EXPECT_NEAR(variance, expected_variance, 0.12 * expected_variance);
}

TEST(BatchSampler, PoissonBatchesMayBeEmpty) {
  BatchSampler sampler(SamplingKind::poisson, 3, 0, 0.01, owner());
  int empty = 0;
  for (int64_t step = 0; step < 100; ++step) empty += sampler.batch(step).empty();
  EXPECT_GT(empty, 80);
}

TEST(BatchSampler, FixedDrawsDistinctExamplesOfExactlyTheBatchSize) {
  BatchSampler sampler(SamplingKind::fixed, 10, 4, 0.0, owner());
  for (int64_t step = 0; step < 50; ++step) {
    const auto batch = sampler.batch(step);
    EXPECT_EQ(std::set(batch.begin(), batch.end()).size(), 4u);
  }
  EXPECT_EQ(BatchSampler(SamplingKind::fixed, 3, 4, 0.0, owner()).batch(0).size(), 3u);
}

TEST(BatchSampler, IsAFunctionOfKeyClientRoundAndStep) {
  for (const auto kind : {SamplingKind::shuffle, SamplingKind::poisson, SamplingKind::fixed}) {
    const auto draw = [&](StreamOwner who, int64_t step) {
      return BatchSampler(kind, 100, 30, 0.3, std::move(who)).batch(step);
    };
    EXPECT_EQ(draw(owner(1, 2), 3), draw(owner(1, 2), 3)) << to_string(kind);
    EXPECT_NE(draw(owner(1, 2), 3), draw(owner(2, 2), 3)) << to_string(kind);
    EXPECT_NE(draw(owner(1, 2), 3), draw(owner(1, 3), 3)) << to_string(kind);
    EXPECT_NE(draw(owner(1, 2), 3), draw(owner(1, 2), 2)) << to_string(kind);
  }
}

TEST(BatchSampler, RefusesAClientWithoutExamples) {
  EXPECT_THROW(BatchSampler(SamplingKind::poisson, 0, 1, 0.5, owner()), Error);
}

}  // namespace
}  // namespace starling
