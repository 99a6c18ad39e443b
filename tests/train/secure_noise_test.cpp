// Secure noise: sums, clipping and noise on an integer grid.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "nn/test_device.h"
#include "starling/core/error.h"
#include "starling/core/grid.h"
#include "starling/train/dp_optimizer.h"
#include "starling/train/trainer.h"

namespace starling {
namespace {

namespace nn = torch::nn;
using ::testing::HasSubstr;
using testing::test_device;

constexpr int64_t kWidth = 1500;
constexpr double kDivisor = 16;  // a power of two: division is exact
constexpr int64_t kCapacity = int64_t{1} << 31;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

DpSgdPlan plan_of(double clip_norm, double noise_multiplier) {
  return plan({.batch_size = static_cast<int64_t>(kDivisor),
               .clip_norm = clip_norm,
               .noise_multiplier = noise_multiplier},
              200);
}

Grid grid_of(const DpSgdPlan& plan) {
  return choose_grid({plan.clip_norm, kCapacity, plan.noise_standard_deviation()});
}

// A float64 model that moves by -gradient a step and whose loss for example b is <x_b, w>.
struct Line {
  nn::Linear model{nn::LinearOptions(kWidth, 1).bias(false)};
  std::unique_ptr<torch::optim::SGD> sgd;
  PrivacyLedger ledger;

  Line() {
    model->to(test_device(), torch::kDouble);
    torch::NoGradGuard no_grad;
    model->weight.zero_();
    sgd = std::make_unique<torch::optim::SGD>(model->parameters(), torch::optim::SGDOptions(1.0));
  }
  // What one step over the gradients [B, kWidth] releases, times the divisor.
  torch::Tensor release(const DpSgdPlan& plan, const torch::Tensor& gradients, NoiseKind noise,
                        Clipping::Kind clipping = Clipping::Kind::flat) {
    DpOptimizer dp(*model, *sgd, plan, ledger, RandomKey::from_seed(1));
    dp.set_clipping(clipping);
    dp.set_noise(noise);
    for (int64_t b = 0; b < gradients.size(0); ++b)
      report = dp.backward(forward(gradients.slice(0, b, b + 1)).squeeze(1));
    dp.step();
    return -model->weight.detach().squeeze(0).cpu() * kDivisor;
  }
  torch::Tensor forward(const torch::Tensor& gradients) {
    return model->forward(gradients.to(test_device()));
  }
  ClippedBackward report;
};

torch::Tensor released(const DpSgdPlan& plan, const torch::Tensor& gradients,
                       NoiseKind noise = NoiseKind::secure,
                       Clipping::Kind clipping = Clipping::Kind::flat) {
  return Line().release(plan, gradients, noise, clipping);
}

torch::Tensor examples(int64_t count, double scale) {
  torch::manual_seed(5);
  return scale * torch::randn({count, kWidth}, torch::kDouble);
}

std::vector<int64_t> in_grid_steps(const torch::Tensor& values, const Grid& grid) {
  std::vector<int64_t> steps;
  for (int64_t i = 0; i < values.size(0); ++i)
    steps.push_back(std::llrint(grid.steps(values[i].item<double>())));
  return steps;
}

torch::Tensor difference_of_one_more(const DpSgdPlan& plan, const torch::Tensor& example,
                                     Clipping::Kind clipping) {
  const auto others = examples(6, 0.3);
  const auto with = released(plan, torch::cat({others, example}), NoiseKind::secure, clipping);
  return with - released(plan, others, NoiseKind::secure, clipping);
}

TEST(SecureNoise, float_lsb_mironov_ReleasesAreWholeGridStepsOverTheDivisor) {
  for (const auto& [clip, sigma] : {std::pair{1.0, 1.0}, {0.3, 2.0}, {20.0, 0.01}}) {
    const auto plan = plan_of(clip, sigma);
    const double spacing = grid_of(plan).spacing();
    const auto steps = released(plan, examples(5, 1.0)) / spacing;
    EXPECT_TRUE(torch::equal(steps, steps.round())) << clip;
    EXPECT_FALSE(torch::equal(steps / 2, (steps / 2).round())) << clip;
    const auto fast = released(plan, examples(5, 1.0), NoiseKind::fast) / spacing;
    EXPECT_FALSE(torch::equal(fast, fast.round())) << clip;
  }
}

TEST(SecureNoise, empty_batch_HasStandardDeviationSigmaTimesClipAsAny) {
  for (const auto& [clip, sigma] : {std::pair{1.0, 2.0}, {3.0, 0.5}, {0.1, 1.0}}) {
    const auto noise = released(plan_of(clip, sigma), torch::zeros({0, kWidth}, torch::kDouble));
    const double deviation = noise.square().mean().sqrt().item<double>();
    EXPECT_NEAR(deviation / (sigma * clip), 1.0, 5 / std::sqrt(2.0 * kWidth));
  }
}

// The same noise is drawn with and without the example, so that the difference is its contribution.
TEST(SecureNoise, clip_exact_NoExampleMovesTheGridSumByMoreThanTheClipNorm) {
  for (const auto clipping :
       {Clipping::Kind::flat, Clipping::Kind::per_layer, Clipping::Kind::automatic}) {
    for (const double scale : {1e-9, 1e-3, 1.0, 1e6, 1e150}) {
      for (const double clip : {1.0, 0.37}) {
        const auto plan = plan_of(clip, 0.5);
        const auto grid = grid_of(plan);
        const auto moved = difference_of_one_more(plan, scale * examples(1, 1.0), clipping);
        const auto steps = in_grid_steps(moved, grid);
        EXPECT_TRUE(within_norm(steps, grid.radius)) << scale;
        EXPECT_EQ(within_norm(steps, grid.radius / 1000 * 999), scale < 1) << scale;
      }
    }
  }
}

TEST(SecureNoise, NonFiniteExampleContributesZeroAndIsCounted) {
  const auto plan = plan_of(1.0, 0.5);
  for (const double bad : {static_cast<double>(NAN), kInfinity, -kInfinity}) {
    auto example = examples(1, 1.0);
    example[0][7] = bad;
    EXPECT_EQ(
        difference_of_one_more(plan, example, Clipping::Kind::flat).abs().max().item<double>(),
        0.0);
    Line line;
    line.release(plan, example, NoiseKind::secure);
    EXPECT_EQ(line.report.non_finite, 1);
    EXPECT_EQ(line.report.clipped, 0);
  }
}

TEST(SecureNoise, AgreesWithFastNoiseToGridResolutionWhereThereIsHardlyAny) {
  const auto plan = plan_of(1.0, 1e-8);
  const double spacing = grid_of(plan).spacing();
  const auto gradients = torch::cat({examples(4, 1.0), examples(4, 0.001)});
  for (const auto clipping :
       {Clipping::Kind::flat, Clipping::Kind::per_layer, Clipping::Kind::automatic}) {
    const auto secure = released(plan, gradients, NoiseKind::secure, clipping);
    const auto fast = released(plan, gradients, NoiseKind::fast, clipping);
    const double apart = (secure - fast).abs().max().item<double>();
    EXPECT_LE(apart, 8 * spacing + 12 * plan.noise_standard_deviation());
    EXPECT_GT(fast.abs().max().item<double>(), 1000 * spacing);
  }
}

TEST(SecureNoise, ReportsNormsAndClippingAsFastNoiseDoes) {
  for (const double scale : {0.001, 1.0}) {
    Line secure, fast;
    secure.release(plan_of(1.0, 1.0), examples(1, scale), NoiseKind::secure);
    fast.release(plan_of(1.0, 1.0), examples(1, scale), NoiseKind::fast);
    EXPECT_NEAR(secure.report.norms[0].item<double>() / fast.report.norms[0].item<double>(), 1,
                1e-12);
    EXPECT_EQ(secure.report.clipped, fast.report.clipped);
  }
}

TEST(SecureNoise, DropsGradientsThatNobodyClippedAndTheLastStepsSum) {
  Line line;
  line.model->weight.mutable_grad() = torch::full_like(line.model->weight, 1e6);
  DpOptimizer dp(*line.model, *line.sgd, plan_of(1.0, 1e-6), line.ledger, RandomKey::from_seed(1));
  dp.set_noise(NoiseKind::secure);
  dp.backward(line.forward(examples(1, 1.0)).squeeze(1));
  dp.step();
  const auto before = line.model->weight.detach().clone();
  EXPECT_NEAR(before.norm().item<double>() * kDivisor, 1.0, 1e-3);
  line.forward(examples(1, 100.0)).sum().backward();
  dp.step();
  EXPECT_LT((line.model->weight.detach() - before).abs().max().item<double>(), 1e-5);
}

// An infinity in one example's activations would reach the gradients of its whole batch.
TEST(SecureNoise, RefusesSeveralExamplesAtOnceAndAChangeInsideAStep) {
  Line line;
  DpOptimizer dp(*line.model, *line.sgd, plan_of(1.0, 1.0), line.ledger, RandomKey::from_seed(1));
  dp.set_noise(NoiseKind::secure);
  try {
    dp.backward(line.forward(examples(2, 1.0)).squeeze(1));
    FAIL() << "accepted";
  } catch (const Error& problem) {
    EXPECT_THAT(problem.what(), HasSubstr("[2]"));
    EXPECT_THAT(problem.what(), HasSubstr("one example at a time"));
  }
  EXPECT_THROW(dp.backward(line.forward(examples(1, 1.0))), Error);
  EXPECT_THROW(dp.backward(torch::zeros({1}, torch::kDouble)), Error);
  EXPECT_THROW(dp.set_noise(NoiseKind::fast), Error);
}

TEST(SecureNoise, RecordsTheSameEvent) {
  Line secure, fast;
  const auto plan = plan_of(1.0, 1.5);
  secure.release(plan, examples(1, 1.0), NoiseKind::secure);
  fast.release(plan, examples(1, 1.0), NoiseKind::fast);
  const auto ours = secure.ledger.events_of(Unit::example, 0);
  const auto theirs = fast.ledger.events_of(Unit::example, 0);
  ASSERT_EQ(ours.events.size(), 1u);
  EXPECT_EQ(to_json(ours.events[0]), to_json(theirs.events[0]));
  EXPECT_EQ(ours.relation, theirs.relation);
}

struct TiedImpl : nn::Module {
  nn::Linear first{nn::LinearOptions(kWidth, 1).bias(false)}, second{first};
  TiedImpl() {
    register_module("first", first);
    register_module("second", second);
  }
};

TEST(DpOptimizer, NoisesATiedParameterOnce) {
  for (const auto kind : {NoiseKind::fast, NoiseKind::secure}) {
    const auto model = std::make_shared<TiedImpl>();
    model->to(test_device());
    torch::optim::SGD sgd(model->first->parameters(), torch::optim::SGDOptions(1.0));
    PrivacyLedger ledger;
    const auto before = model->first->weight.detach().clone();
    DpOptimizer dp(*model, sgd, plan_of(1.0, 1.0), ledger, RandomKey::from_seed(1));
    dp.set_noise(kind);
    dp.step();
    const auto moved = (model->first->weight.detach() - before) * kDivisor;
    EXPECT_NEAR(moved.square().mean().sqrt().item<double>(), 1.0, 5 / std::sqrt(2.0 * kWidth));
  }
}

using MakeModel = std::shared_ptr<Model> (*)();

std::shared_ptr<Model> normalised_network() {
  torch::manual_seed(3);
  return as_model(nn::Sequential(nn::Conv2d(1, 2, 3), nn::GroupNorm(1, 2), nn::ReLU(),
                                 nn::Flatten(), nn::Linear(32, 3)));
}

// Of layers that need no autograd.
std::shared_ptr<Model> plain_network() {
  torch::manual_seed(3);
  return as_model(nn::Sequential(nn::Conv2d(1, 2, 3), nn::ReLU(), nn::MaxPool2d(2), nn::Flatten(),
                                 nn::Linear(8, 3)));
}

struct Trained {
  torch::Tensor parameters;
  LocalMetrics metrics;
};

// Every `bad`th of 40 images has a pixel that is not a number.
Trained trained(MakeModel make, const ExampleLevel& privacy, const RandomKey& key,
                int64_t bad = 41) {
  torch::manual_seed(4);
  Examples data{torch::randn({40, 1, 6, 6}), torch::randint(0, 3, {40}, torch::kLong)};
  for (int64_t i = bad; i < 40; i += bad) data.features[i][0][2][3] = NAN;
  auto model = make();
  model->to(test_device());
  LocalPlan local;
  local.steps = 3;
  const auto metrics = train_privately(*model, data, local, privacy, {key, 0, 0});
  std::vector<torch::Tensor> parts;
  for (const auto& parameter : model->parameters())
    parts.push_back(parameter.detach().flatten().cpu());
  return {torch::cat(parts), metrics};
}

TEST(SecureNoise, TrainingAgreesWithFastNoiseAndIsRepeatableUnderASeed) {
  const auto quiet = plan({.batch_size = 16, .clip_norm = 0.5, .noise_multiplier = 1e-6}, 40);
  const auto seed = RandomKey::from_seed(9);
  for (const MakeModel make : {normalised_network, plain_network}) {
    for (const auto clipping :
         {Clipping::Kind::flat, Clipping::Kind::per_layer, Clipping::Kind::automatic}) {
      ExampleLevel privacy{quiet, ledger_entry(quiet, 3, 0, 0), clipping, NoiseKind::fast};
      const auto fast = trained(make, privacy, seed, 5);
      privacy.noise = NoiseKind::secure;
      const auto secure = trained(make, privacy, seed, 5);
      EXPECT_TRUE(torch::allclose(fast.parameters, secure.parameters, 1e-4, 1e-5));
      EXPECT_EQ(fast.metrics.clipped, secure.metrics.clipped);
      EXPECT_EQ(fast.metrics.non_finite, secure.metrics.non_finite);
      EXPECT_GT(secure.metrics.non_finite, 0);
      EXPECT_TRUE(torch::equal(secure.parameters, trained(make, privacy, seed, 5).parameters));
    }
  }
  ExampleLevel privacy{quiet, ledger_entry(quiet, 3, 0, 0), Clipping::Kind::flat,
                       NoiseKind::secure};
  EXPECT_FALSE(torch::equal(trained(plain_network, privacy, RandomKey::from_system()).parameters,
                            trained(plain_network, privacy, RandomKey::from_system()).parameters));
}

TEST(SecureNoise, TakesAnExampleByItsGradientOnly) {
  Line line;
  DpOptimizer dp(*line.model, *line.sgd, plan_of(1.0, 1.0), line.ledger, RandomKey::from_seed(1));
  const auto gradient = torch::ones({1, kWidth}, torch::kDouble);
  EXPECT_THROW(dp.add_example({gradient}), Error) << "fast noise sums batches";
  dp.step();
  dp.set_noise(NoiseKind::secure);
  EXPECT_THROW(dp.add_example({}), Error);
  EXPECT_THROW(dp.add_example({gradient.t()}), Error);
  EXPECT_EQ(dp.add_example({gradient}).clipped, 1);
}

}  // namespace
}  // namespace starling
