#include "starling/train/distill.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <limits>

#include "starling/core/error.h"
#include "starling/nn/state.h"

namespace starling {
namespace {

namespace nn = torch::nn;

constexpr double kTolerance = 1e-5;

double largest(const torch::Tensor& difference) { return difference.abs().max().item<double>(); }

TEST(DistillationLosses, MatchTheirDefinitionWrittenOut) {
  torch::manual_seed(1);
  const auto logits = torch::randn({5, 4}, torch::kDouble);
  const auto teacher = torch::randn({5, 4}, torch::kDouble);
  const auto labels = torch::tensor({0, 3, 1, 1, 2});
  const DistillationLoss loss{.temperature = 3.0, .hard_weight = 0.25};
  const auto losses = distillation_losses(logits, soften(teacher, 3.0), labels, loss);
  for (int64_t i = 0; i < 5; ++i) {
    double soft = 0.0, of_student = 0.0, of_teacher = 0.0, hard = 0.0;
    const auto z = [&](int64_t k) { return logits[i][k].item<double>(); };
    const auto v = [&](int64_t k) { return teacher[i][k].item<double>(); };
    for (int64_t k = 0; k < 4; ++k) {
      of_student += std::exp(z(k) / 3);
      of_teacher += std::exp(v(k) / 3);
      hard += std::exp(z(k));
    }
    for (int64_t k = 0; k < 4; ++k) {
      const double p = std::exp(v(k) / 3) / of_teacher;
      soft += p * std::log(p / (std::exp(z(k) / 3) / of_student));
    }
    const double expected =
        0.75 * 9 * soft + 0.25 * (std::log(hard) - z(labels[i].item<int64_t>()));
    EXPECT_NEAR(losses[i].item<double>(), expected, 1e-12);
  }
}

// Hinton et al. 2015, equation 4: for a high temperature the gradient is (z - v) / classes, for
// logits of mean 0; without the factor T^2 it would vanish.
TEST(DistillationLosses, GradientAtHighTemperatureIsTheDifferenceOfLogits) {
  torch::manual_seed(2);
  const auto centred = [] {
    const auto values = torch::randn({6, 5}, torch::kDouble);
    return values - values.mean(1, true);
  };
  const auto logits = centred().requires_grad_();
  const auto teacher = centred();
  distillation_losses(logits, soften(teacher, 1e4), {}, {1e4, 0.0}).sum().backward();
  EXPECT_LT(largest(logits.grad() - (logits.detach() - teacher) / 5), 1e-3);
}

TEST(DistillationLosses, AreNothingForTheTeacherItselfAndFiniteForCertainTargets) {
  const auto logits = torch::tensor({{2.0, -1.0, 0.5}});
  EXPECT_LT(largest(distillation_losses(logits, soften(logits, 4), {}, {4.0, 0.0})), 1e-6);
  const auto certain = torch::tensor({{1.0, 0.0, 0.0}});
  EXPECT_LT(largest(distillation_losses(logits, certain, {}, {1.0, 0.0}) -
                    torch::nn::functional::cross_entropy(logits, torch::tensor({0}))),
            kTolerance);
}

TEST(DistillationLosses, OfLabelsAloneAreCrossEntropy) {
  const auto logits = torch::randn({3, 4});
  const auto labels = torch::tensor({1, 0, 3});
  const auto expected = torch::nn::functional::cross_entropy(
      logits, labels, nn::functional::CrossEntropyFuncOptions().reduction(torch::kNone));
  EXPECT_LT(largest(distillation_losses(logits, {}, labels, {4.0, 1.0}) - expected), kTolerance);
}

// The class is the largest of the first three features.
Examples make_examples(int64_t count) {
  torch::manual_seed(4);
  const auto features = torch::randn({count, 6});
  return {features, features.slice(1, 0, 3).argmax(1)};
}

std::shared_ptr<Model> make_student() {
  torch::manual_seed(5);
  return as_model(nn::Sequential(nn::Linear(6, 16), nn::ReLU(), nn::Linear(16, 3)));
}

// Knows the law of the labels.
std::shared_ptr<Model> make_teacher() {
  auto model = as_model(nn::Sequential(nn::Linear(nn::LinearOptions(6, 3).bias(false))));
  torch::NoGradGuard no_grad;
  model->parameters()[0].copy_(6 * torch::eye(3, 6));
  return model;
}

LocalPlan plan_of(int64_t steps) {
  LocalPlan plan;
  plan.steps = steps;
  plan.batch_size = 16;
  plan.optimizer = SgdSpec{.learning_rate = 0.3};
  return plan;
}

const StreamOwner kOwner{RandomKey::from_seed(1), 0, 0};

double accuracy_of(Model& model, const Examples& data) {
  return evaluate(model, data, 64).accuracy();
}

TEST(Distill, StudentOfAnotherArchitectureLearnsWithoutLabels) {
  const auto data = make_examples(400);
  const auto teacher = make_teacher();
  ASSERT_EQ(accuracy_of(*teacher, data), 1.0);
  const auto student = make_student();
  ASSERT_LT(accuracy_of(*student, data), 0.6);
  const auto targets = soften(logits_of(*teacher, data.features, 64), 2.0);
  const auto metrics =
      distill(*student, {data.features, {}}, targets, {2.0, 0.0}, plan_of(300), kOwner);
  EXPECT_EQ(metrics.steps, 300);
  EXPECT_EQ(metrics.examples, 300 * 16);
  EXPECT_GT(accuracy_of(*student, data), 0.95);
}

TEST(Distill, TargetsDecideWhereLabelsWeighNothing) {
  auto data = make_examples(400);
  const auto targets = soften(logits_of(*make_teacher(), data.features, 64), 2.0);
  const auto right = make_student(), wrong = make_student();
  distill(*right, data, targets, {2.0, 0.0}, plan_of(40), kOwner);
  data.labels.zero_();
  distill(*wrong, data, targets, {2.0, 0.0}, plan_of(40), kOwner);
  EXPECT_EQ(to_safetensors(state_of(*right)), to_safetensors(state_of(*wrong)));
}

TEST(Distill, ByLabelsAloneIsPlainTraining) {
  const auto data = make_examples(96);
  const auto distilled = make_student(), trained = make_student();
  distill(*distilled, data, torch::zeros({96, 3}), {1.0, 1.0}, plan_of(12), kOwner);
  train(*trained, data, plan_of(12), kOwner);
  const auto a = state_of(*distilled), b = state_of(*trained);
  EXPECT_LT(l2_norm(subtract(a, b)), kTolerance);
  EXPECT_GT(l2_norm(subtract(a, state_of(*make_student()))), 0.1);
}

TEST(LogitsOf, IsTheForwardPassInEvaluationModeWhateverTheBatch) {
  const auto data = make_examples(50);
  const auto model = as_model(nn::Sequential(nn::Linear(6, 3), nn::Dropout(0.5)));
  const auto logits = logits_of(*model, data.features, 7);
  EXPECT_FALSE(logits.requires_grad());
  EXPECT_LT(largest(logits - model->forward(data.features)), kTolerance);
}

TEST(Distill, RefusesWhatDoesNotFit) {
  const auto data = make_examples(20);
  const auto student = make_student();
  const auto targets = torch::full({20, 3}, 1.0 / 3);
  const auto attempt = [&](const Examples& examples, const torch::Tensor& wanted,
                           const DistillationLoss& loss) {
    distill(*student, examples, wanted, loss, plan_of(1), kOwner);
  };
  EXPECT_NO_THROW(attempt(data, targets, {2.0, 0.5}));
  EXPECT_THROW(attempt(data, targets, {0.0, 0.5}), Error);
  EXPECT_THROW(attempt(data, targets, {std::numeric_limits<double>::quiet_NaN(), 0.5}), Error);
  EXPECT_THROW(attempt(data, targets, {2.0, 1.5}), Error);
  EXPECT_THROW(attempt(data, targets.slice(0, 0, 19), {2.0, 0.5}), Error);
  EXPECT_THROW(attempt({data.features, {}}, targets, {2.0, 0.5}), Error);
}

}  // namespace
}  // namespace starling
