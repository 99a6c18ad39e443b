#include "train/adam_bc.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "starling/nn/model.h"
#include "starling/train/dp_optimizer.h"
#include "starling/train/optimizer.h"
#include "starling/train/trainer.h"

namespace starling {
namespace {

namespace nn = torch::nn;

constexpr double kTolerance = 1e-12;

torch::Tensor zeros(int64_t size) {
  return torch::zeros({size}, torch::dtype(torch::kDouble).requires_grad(true));
}

// Takes a step for each row of `gradients`: [steps, size].
torch::Tensor after(torch::optim::Optimizer& optimizer, torch::Tensor parameter,
                    const torch::Tensor& gradients) {
  for (int64_t i = 0; i < gradients.size(0); ++i) {
    parameter.mutable_grad() = gradients[i].clone();
    optimizer.step();
  }
  return parameter.detach();
}

torch::Tensor after(const AdamBcSpec& spec, double factor, double deviation,
                    const torch::Tensor& gradients) {
  const auto parameter = zeros(gradients.size(1));
  AdamBc optimizer({parameter}, spec, factor, deviation);
  return after(optimizer, parameter, gradients);
}

// Algorithm 1 of the paper, by hand: the third gradient leaves less than the floor.
TEST(AdamBc, MatchesTheAlgorithmByHand) {
  const AdamBcSpec spec{.learning_rate = 0.4, .betas = {0.8, 0.9}, .floor = 0.04};
  const double deviation = 0.5;
  double m = 0.0, v = 0.0, expected = 0.0;
  const std::vector<double> gradients = {2.0, -1.0, 0.1, 0.0};
  for (size_t i = 0; i < gradients.size(); ++i) {
    const double g = gradients[i], t = static_cast<double>(i + 1);
    m = 0.8 * m + 0.2 * g;
    v = 0.9 * v + 0.1 * g * g;
    const double second = v / (1 - std::pow(0.9, t)) - 0.25;
    expected -= 0.5 * 0.4 * (m / (1 - std::pow(0.8, t))) / std::sqrt(std::max(second, 0.04));
  }
  const auto rows = torch::tensor(gradients, torch::kDouble).unsqueeze(1);
  EXPECT_NEAR(after(spec, 0.5, deviation, rows).item<double>(), expected, kTolerance);
  const double step = after(spec, 1.0, deviation, rows.slice(0, 2, 3)).item<double>();
  EXPECT_NEAR(step, -0.4 * 0.1 / 0.2, kTolerance);
}

TEST(AdamBc, IsAdamWhereThereIsNoNoise) {
  torch::manual_seed(1);
  const auto gradients = torch::randn({20, 6}, torch::kDouble);
  const auto parameter = zeros(6);
  torch::optim::Adam adam({parameter}, torch::optim::AdamOptions(0.01).betas({0.7, 0.95}).eps(0));
  const auto expected = after(adam, parameter, gradients);
  const auto actual =
      after({.learning_rate = 0.01, .betas = {0.7, 0.95}, .floor = 1e-30}, 1.0, 0.0, gradients);
  EXPECT_TRUE(torch::allclose(actual, expected, 0, 1e-10));
}

// A gradient of 0.1 in noise of deviation 0.1: Adam divides by sqrt(0.02), and not by 0.1.
TEST(AdamBc, NoiseDoesNotShortenTheSteps) {
  torch::manual_seed(2);
  constexpr int64_t kSteps = 4000, kSize = 256;
  constexpr double kSignal = 0.1, kRate = 1e-3;
  const auto gradients = torch::randn({kSteps, kSize}, torch::kDouble).mul(0.1).add(kSignal);
  const double full = -kRate * kSteps;
  EXPECT_NEAR(after({.learning_rate = kRate}, 1.0, 0.1, gradients).mean().item<double>() / full,
              1.0, 0.05);
  EXPECT_NEAR(after({.learning_rate = kRate}, 1.0, 0.0, gradients).mean().item<double>() / full,
              std::sqrt(0.5), 0.02);
}

TEST(AdamBc, AParameterWithoutGradientStays) {
  const auto parameter = zeros(2);
  AdamBc optimizer({parameter}, {}, 1.0, 0.0);
  optimizer.step();
  EXPECT_TRUE(parameter.detach().eq(0).all().item<bool>());
}

torch::Tensor trained_privately(const OptimizerSpec& optimizer) {
  torch::manual_seed(3);
  auto model = as_model(nn::Sequential(nn::Linear(3, 2)));
  const auto before = nn::utils::parameters_to_vector(model->parameters()).detach().clone();
  const auto features = torch::randn({60, 3});
  const Examples data{features, features.select(1, 0).gt(0).to(torch::kLong)};
  const auto privacy = plan({.batch_size = 20, .clip_norm = 0.5, .noise_multiplier = 3.0}, 60);
  LocalPlan local;
  local.optimizer = optimizer;
  train_privately(*model, data, local, ExampleLevel{privacy, ledger_entry(privacy, 1, 0, 0)},
                  {RandomKey::from_seed(1), 0, 0});
  return nn::utils::parameters_to_vector(model->parameters()).detach() - before;
}

// The noised gradient that both are given is minus SGD's step; noise on the mean has deviation
// 3 * 0.5 / 20.
TEST(AdamBc, SubtractsThePlansOwnNoise) {
  const auto gradient = -trained_privately(SgdSpec{.learning_rate = 1.0});
  const AdamBcSpec spec{.learning_rate = 0.1, .floor = 1e-4};
  const auto expected =
      -0.1 * gradient / gradient.square().sub(0.075 * 0.075).clamp_min(1e-4).sqrt();
  EXPECT_TRUE(torch::allclose(trained_privately(spec), expected, 1e-3, 1e-4));
}

}  // namespace
}  // namespace starling
