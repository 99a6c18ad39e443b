#include "starling/train/dp_optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "nn/test_device.h"
#include "starling/core/error.h"
#include "starling/train/batches.h"

namespace starling {
namespace {

namespace nn = torch::nn;
using ::testing::HasSubstr;
using testing::test_device;

constexpr int64_t kWidth = 2000;

DpSgdPlan plan_of(double clip_norm, double noise_multiplier, int64_t batch = 10,
                  int64_t examples = 100) {
  return plan({.batch_size = batch, .clip_norm = clip_norm, .noise_multiplier = noise_multiplier},
              examples);
}

// A model whose parameter moves by exactly -gradient a step, and whose loss for example b is
// <x_b, w>: its gradient is x_b.
struct Line {
  nn::Linear model{nn::LinearOptions(kWidth, 1).bias(false)};
  torch::optim::SGD sgd{model->parameters(), torch::optim::SGDOptions(1.0)};
  PrivacyLedger ledger;

  Line() {
    model->to(test_device());
    zero();
  }
  void zero() {
    torch::NoGradGuard no_grad;
    model->weight.zero_();
  }
  torch::Tensor losses(const torch::Tensor& gradients) {
    return model->forward(gradients.to(test_device())).squeeze(1);
  }
  torch::Tensor moved() const { return -model->weight.detach().squeeze(0).cpu(); }
};

torch::Tensor gradient_of_norm(int64_t examples, double norm) {
  auto gradients = torch::zeros({examples, kWidth});
  gradients.select(1, 0).fill_(norm);
  return gradients;
}

double deviation(const torch::Tensor& values) {
  return values.slice(0, 1).to(torch::kDouble).std(/*unbiased=*/false).item<double>();
}

TEST(DpOptimizer, ClipsEachExampleBeforeTheSumAndDividesByTheExpectedBatch) {
  Line line;
  const auto plan = plan_of(1.0, 1e-6);
  DpOptimizer dp(*line.model, line.sgd, plan, line.ledger, RandomKey::from_seed(1));
  // 4 examples of norm 5 and 3 of norm 0.5; the realised batch of 7 is not the divisor.
  dp.backward(line.losses(gradient_of_norm(4, 5.0)));
  dp.backward(line.losses(gradient_of_norm(3, 0.5)));
  dp.step();
  EXPECT_NEAR(line.moved()[0].item<double>(), (4 * 1.0 + 3 * 0.5) / 10, 1e-5);
}

TEST(DpOptimizer, NoiseHasStandardDeviationSigmaTimesClipOverExpectedBatch) {
  for (const auto& [clip, sigma] : {std::pair{1.0, 2.0}, {3.0, 0.5}, {0.1, 1.0}}) {
    Line line;
    const auto plan = plan_of(clip, sigma);
    DpOptimizer dp(*line.model, line.sgd, plan, line.ledger, RandomKey::from_seed(1));
    dp.backward(line.losses(gradient_of_norm(8, 1.0)));
    dp.step();
    EXPECT_NEAR(deviation(line.moved()) / (sigma * clip / 10), 1.0, 5 / std::sqrt(2.0 * kWidth));
  }
}

TEST(DpOptimizer, empty_batch_IsANoisedAndCountedStep) {
  Line line;
  DpOptimizer dp(*line.model, line.sgd, plan_of(1.0, 1.0), line.ledger, RandomKey::from_seed(1));
  dp.step();
  dp.backward(line.losses(torch::zeros({0, kWidth})));
  dp.step();
  EXPECT_NEAR(deviation(line.moved()) / (std::sqrt(2.0) / 10), 1.0, 5 / std::sqrt(2.0 * kWidth));
  ASSERT_EQ(line.ledger.events_of(Unit::example, 0).events.size(), 1u);
  EXPECT_EQ(line.ledger.events_of(Unit::example, 0).events[0].count, 2);
}

TEST(DpOptimizer, DropsGradientsThatNobodyClipped) {
  Line line;
  line.model->weight.mutable_grad() = torch::full_like(line.model->weight, 1e6);
  DpOptimizer dp(*line.model, line.sgd, plan_of(1.0, 1e-6), line.ledger, RandomKey::from_seed(1));
  dp.backward(line.losses(gradient_of_norm(1, 5.0)));
  dp.step();
  line.losses(gradient_of_norm(9, 100.0)).sum().backward();
  dp.step();
  EXPECT_NEAR(line.moved()[0].item<double>(), 0.1, 1e-4);
  EXPECT_LT(line.moved().slice(0, 1).abs().max().item<double>(), 1e-4);
}

TEST(DpOptimizer, NonFiniteExampleContributesZeroAndIsCounted) {
  Line line;
  DpOptimizer dp(*line.model, line.sgd, plan_of(1.0, 1e-6), line.ledger, RandomKey::from_seed(1));
  auto gradients = gradient_of_norm(3, 5.0);
  gradients[1][5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(dp.backward(line.losses(gradients)).non_finite, 1);
  dp.step();
  EXPECT_NEAR(line.moved()[0].item<double>(), 0.2, 1e-5);
}

TEST(DpOptimizer, StepsAndClientsHaveStreamsOfTheirOwn) {
  const auto noise = [](int64_t client, int64_t round, int steps) {
    Line line;
    const auto plan = plan_of(1.0, 1.0);
    const auto entry = ledger_entry(plan, steps, client, round);
    DpOptimizer dp(*line.model, line.sgd, plan, entry, steps,
                   {RandomKey::from_seed(1), client, round});
    for (int i = 0; i < steps; ++i) {
      line.zero();
      dp.step();
    }
    return line.moved();
  };
  const auto first = noise(0, 0, 1);
  EXPECT_TRUE(torch::equal(first, noise(0, 0, 1)));
  for (const auto& other : {noise(0, 0, 2), noise(1, 0, 1), noise(0, 1, 1)}) {
    const auto pair = torch::stack({first, other});
    EXPECT_LT(std::abs(torch::corrcoef(pair)[0][1].item<double>()), 5 / std::sqrt(kWidth));
  }
}

TEST(DpOptimizer, RecordsTheEventBeforeTheNoise) {
  Line line;
  const auto plan = plan_of(1.0, 1.5);
  DpOptimizer dp(*line.model, line.sgd, plan, line.ledger, RandomKey::from_system());
  for (int i = 0; i < 3; ++i) dp.step();
  const auto spent = line.ledger.events_of(Unit::example, 0);
  ASSERT_EQ(spent.events.size(), 1u);
  EXPECT_EQ(spent.relation, Relation::zero_out);
  EXPECT_EQ(to_json(spent.events[0]), to_json(plan.event(3)));
}

// Trap 9: the ledger counts every noised release.
TEST(DpOptimizer, ALedgerLineCountsEveryStep) {
  const auto plan = plan_of(1.0, 1.5);
  for (const int64_t steps : {1, 2, 7}) {
    const auto entry = ledger_entry(plan, steps, 4, 5);
    EXPECT_EQ(entry.count, steps);
    EXPECT_EQ(to_json(entry.event), to_json(plan.event(1)));
    EXPECT_EQ(entry.unit, Unit::example);
  }
}

TEST(DpOptimizer, RefusesStepsBeyondTheLedgersLine) {
  Line line;
  const auto plan = plan_of(1.0, 1.0);
  DpOptimizer dp(*line.model, line.sgd, plan, ledger_entry(plan, 2, 4, 5), 2,
                 {RandomKey::from_seed(1), 4, 5});
  dp.step();
  dp.step();
  EXPECT_THROW(dp.step(), Error);
}

TEST(DpOptimizer, RefusesALedgerLineThatCountsSomethingElse) {
  Line line;
  const auto plan = plan_of(1.0, 1.0);
  const StreamOwner owner{RandomKey::from_seed(1), 4, 5};
  const auto refuses = [&](LedgerEntry entry) {
    EXPECT_THROW(DpOptimizer(*line.model, line.sgd, plan, entry, 2, owner), Error);
  };
  refuses(ledger_entry(plan, 1, 4, 5));
  refuses(ledger_entry(plan, 2, 3, 5));
  refuses(ledger_entry(plan, 2, 4, 6));
  refuses(ledger_entry(plan_of(1.0, 2.0), 2, 4, 5));
  auto other_relation = ledger_entry(plan, 2, 4, 5);
  other_relation.relation = Relation::replace_one;
  refuses(other_relation);
}

TEST(DpOptimizer, batchnorm_leak_IsRefusedWithItsPathAndARemedy) {
  nn::Sequential model(nn::Linear(4, 4));
  model->push_back("norm", nn::BatchNorm1d(4));
  torch::optim::SGD sgd(model->parameters(), torch::optim::SGDOptions(0.1));
  PrivacyLedger ledger;
  try {
    DpOptimizer(*model, sgd, plan_of(1.0, 1.0), ledger, RandomKey::from_seed(1));
    FAIL() << "accepted";
  } catch (const Error& problem) {
    EXPECT_THAT(problem.what(), HasSubstr("model.norm"));
    EXPECT_THAT(problem.what(), HasSubstr("group_norm"));
  }
}

TEST(DpOptimizer, RefusesWhatWouldNotBePrivate) {
  Line line;
  PrivacyLedger ledger;
  DpSgdPlan no_noise = plan_of(1.0, 1.0);
  no_noise.noise_multiplier = 0.0;
  EXPECT_THROW(DpOptimizer(*line.model, line.sgd, no_noise, ledger, RandomKey::from_seed(1)),
               Error);
  nn::Linear stranger(2, 2);
  torch::optim::SGD both(stranger->parameters(), torch::optim::SGDOptions(0.1));
  EXPECT_THROW(DpOptimizer(*line.model, both, plan_of(1.0, 1.0), ledger, RandomKey::from_seed(1)),
               Error);
}

TEST(DpOptimizer, LeavesFrozenParametersAlone) {
  nn::Sequential model(nn::Linear(4, 4), nn::Linear(4, 1));
  model->to(test_device());
  model->named_parameters()["0.weight"].set_requires_grad(false);
  const auto before = model->named_parameters()["0.weight"].clone();
  torch::optim::SGD sgd(model->parameters(), torch::optim::SGDOptions(1.0));
  PrivacyLedger ledger;
  DpOptimizer dp(*model, sgd, plan_of(1.0, 1.0), ledger, RandomKey::from_seed(1));
  dp.backward(model->forward(torch::randn({5, 4}).to(test_device())).squeeze(1));
  dp.step();
  EXPECT_TRUE(torch::equal(before, model->named_parameters()["0.weight"]));
}

}  // namespace
}  // namespace starling
