// What one step or one round of private training promises, beyond its arithmetic.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "starling/core/error.h"
#include "starling/nn/model.h"
#include "starling/train/dp_optimizer.h"
#include "starling/train/trainer.h"

namespace starling {
namespace {

namespace nn = torch::nn;

constexpr int64_t kExamples = 500;
constexpr int64_t kWidth = 1500;

Examples examples(int64_t count = kExamples) {
  torch::manual_seed(4);
  const auto features = torch::randn({count, 3});
  return {features, features.gt(0).select(1, 0).to(torch::kLong)};
}

LocalMetrics train_with(const DpSgdPlan& privacy, int64_t steps, int64_t count = kExamples) {
  torch::manual_seed(3);
  auto model = as_model(nn::Sequential(nn::Linear(3, 2)));
  LocalPlan local;
  local.steps = steps;
  local.sampling = SamplingKind::poisson;
  local.sample_rate = 1.0;  // the privacy plan decides, not this
  local.batch_size = count;
  return train_privately(*model, examples(count), local,
                         ExampleLevel{privacy, ledger_entry(privacy, steps, 0, 0)},
                         {RandomKey::from_seed(1), 0, 0});
}

TEST(PrivateTraining, sampling_matches_ledger_EachExampleIsTakenAtTheRateCounted) {
  constexpr int64_t kSteps = 60;
  const auto privacy =
      plan({.batch_size = 20, .clip_norm = 1.0, .noise_multiplier = 1.0}, kExamples);
  const double rate = std::get<PoissonSampling>(privacy.event(1).sampling).rate;
  const double trials = static_cast<double>(kSteps * kExamples);
  EXPECT_NEAR(static_cast<double>(train_with(privacy, kSteps).examples), trials * rate,
              5 * std::sqrt(trials * rate * (1 - rate)));
}

TEST(PrivateTraining, RefusesDataOfAnotherSizeThanThePlanAccountsFor) {
  const auto privacy = plan({.sampling = SamplingKind::shuffle,
                             .batch_size = 50,
                             .clip_norm = 1.0,
                             .noise_multiplier = 1.0},
                            kExamples);
  EXPECT_EQ(train_with(privacy, 4).steps, 4);
  EXPECT_THROW(train_with(privacy, 4, 100), Error);
}

// One step of noise alone.
struct Noised {
  nn::Sequential model{nn::Linear(nn::LinearOptions(kWidth, 1).bias(false)),
                       nn::Linear(nn::LinearOptions(1, kWidth).bias(false))};
  torch::optim::SGD sgd{model->parameters(), torch::optim::SGDOptions(1.0)};
  Noised() {
    torch::NoGradGuard no_grad;
    for (auto& parameter : model->parameters()) parameter.zero_();
  }
  torch::Tensor noise(size_t parameter) const {
    return model->parameters()[parameter].detach().reshape(-1);
  }
};

double correlation(const torch::Tensor& a, const torch::Tensor& b) {
  return std::abs(torch::corrcoef(torch::stack({a, b}))[0][1].item<double>());
}

TEST(PrivateTraining, ParametersHaveNoiseOfTheirOwn) {
  Noised line;
  PrivacyLedger ledger;
  const auto privacy = plan({.batch_size = 10, .clip_norm = 1.0, .noise_multiplier = 1.0}, 100);
  DpOptimizer dp(*line.model, line.sgd, privacy, ledger, RandomKey::from_seed(1));
  dp.step();
  EXPECT_GT(line.noise(0).abs().max().item<double>(), 0);
  EXPECT_LT(correlation(line.noise(0), line.noise(1)), 5 / std::sqrt(kWidth));
}

// A release without its line is impossible.
TEST(PrivateTraining, NothingMovesWhereTheLedgerCannotBeWritten) {
  Noised line;
  PrivacyLedger ledger = PrivacyLedger::open("/dev/full");
  const auto privacy = plan({.batch_size = 10, .clip_norm = 1.0, .noise_multiplier = 1.0}, 100);
  DpOptimizer dp(*line.model, line.sgd, privacy, ledger, RandomKey::from_seed(1));
  EXPECT_THROW(dp.step(), Error);
  EXPECT_THROW(dp.step(), Error);
  EXPECT_EQ(line.noise(0).abs().max().item<double>(), 0);
}

TEST(PrivateTraining, NothingMovesInAStepThatTheLineDoesNotCount) {
  Noised line;
  const auto privacy = plan({.batch_size = 10, .clip_norm = 1.0, .noise_multiplier = 1.0}, 100);
  DpOptimizer dp(*line.model, line.sgd, privacy, ledger_entry(privacy, 1, 0, 0), 1,
                 {RandomKey::from_seed(1), 0, 0});
  dp.step();
  const auto after = line.noise(0).clone();
  EXPECT_THROW(dp.step(), Error);
  EXPECT_TRUE(torch::equal(line.noise(0), after));
}

// Equal noise on two releases would be subtracted.
TEST(PrivateTraining, OptimizersThatShareKeyAndLedgerDrawDifferentNoise) {
  Noised one, two;
  PrivacyLedger ledger;
  const auto key = RandomKey::from_seed(1);
  const auto privacy = plan({.batch_size = 10, .clip_norm = 1.0, .noise_multiplier = 1.0}, 100);
  DpOptimizer first(*one.model, one.sgd, privacy, ledger, key);
  DpOptimizer second(*two.model, two.sgd, privacy, ledger, key);
  first.step();
  second.step();
  EXPECT_LT(correlation(one.noise(0), two.noise(0)), 5 / std::sqrt(kWidth));
  EXPECT_EQ(ledger.events_of(Unit::example, 0).events.at(0).count, 2);
}

}  // namespace
}  // namespace starling
