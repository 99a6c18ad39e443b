#include "starling/train/trainer.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "nn/test_device.h"
#include "starling/core/error.h"
#include "starling/nn/state.h"
#include "starling/train/dp_optimizer.h"

namespace starling {
namespace {

namespace nn = torch::nn;
using testing::test_device;

constexpr int64_t kExamples = 96;

std::shared_ptr<Model> on_device(std::shared_ptr<Model> model) {
  model->to(test_device());
  return model;
}

std::shared_ptr<Model> make_model() {
  torch::manual_seed(3);
  return on_device(as_model(nn::Sequential(nn::Linear(6, 12), nn::Tanh(), nn::Linear(12, 3))));
}

// Linearly separable: the class is the largest of the first three features.
Examples make_examples() {
  torch::manual_seed(4);
  const auto features = torch::randn({kExamples, 6});
  return {features, features.slice(1, 0, 3).argmax(1)};
}

LocalPlan plan_of(int64_t steps) {
  LocalPlan plan;
  plan.steps = steps;
  plan.batch_size = 16;
  plan.optimizer = SgdSpec{.learning_rate = 0.5};
  return plan;
}

StreamOwner owner() { return {RandomKey::from_seed(1), 0, 0}; }

// Logits (0, x): the score of class 1 is x itself.
std::shared_ptr<Model> scores_as_they_are() {
  auto model = on_device(as_model(nn::Sequential(nn::Linear(1, 2))));
  torch::NoGradGuard no_grad;
  model->parameters()[0].copy_(torch::tensor({{0.0f}, {1.0f}}));
  model->parameters()[1].zero_();
  return model;
}

Evaluation judged(const std::vector<float>& scores, const std::vector<int64_t>& labels,
                  int64_t batch_size = 100) {
  return evaluate(*scores_as_they_are(),
                  {torch::tensor(scores).unsqueeze(1), torch::tensor(labels)}, batch_size);
}

TEST(TwoClasses, F1AndAucOfAnExampleByHand) {
  // Predicted positive: 3, 1 and 1; of the pairs (3, 1, -2) x (1, -1) four are won and one is tied.
  const auto result = judged({3, 1, -2, 1, -1}, {1, 1, 1, 0, 0});
  EXPECT_DOUBLE_EQ(*result.f1(), 2.0 * 2 / (3 + 3));
  EXPECT_DOUBLE_EQ(*result.auc(), (2 + 1 + 0.5) / 6);
  EXPECT_DOUBLE_EQ(result.accuracy(), 0.6);
}

TEST(TwoClasses, AucIsTheShareOfPairsInOrder_AllPairs) {
  torch::manual_seed(7);
  const auto scores = torch::randint(-20, 20, {200}).to(torch::kFloat);
  const auto labels = torch::randint(0, 2, {200}, torch::kLong);
  double won = 0.0, pairs = 0.0;
  for (int64_t i = 0; i < 200; ++i) {
    for (int64_t j = 0; j < 200; ++j) {
      if (labels[i].item<int64_t>() != 1 || labels[j].item<int64_t>() != 0) continue;
      const float difference = (scores[i] - scores[j]).item<float>();
      won += difference > 0 ? 1.0 : difference == 0 ? 0.5 : 0.0;
      ++pairs;
    }
  }
  for (const int64_t batch : {200, 7}) {
    const auto result = evaluate(*scores_as_they_are(), {scores.unsqueeze(1), labels}, batch);
    EXPECT_DOUBLE_EQ(*result.auc(), won / pairs);
  }
}

TEST(TwoClasses, WhatIsNotDefinedIsAbsent) {
  EXPECT_FALSE(judged({1, 2}, {1, 1}).auc());
  EXPECT_DOUBLE_EQ(*judged({1, 2}, {1, 1}).f1(), 1.0);
  EXPECT_FALSE(judged({-1, -2}, {0, 0}).f1());
  EXPECT_FALSE(judged({1, NAN}, {1, 0}).auc());
  const auto three = evaluate(*make_model(), make_examples(), 50);
  EXPECT_FALSE(three.auc());
  EXPECT_FALSE(three.f1());
}

// One output an example: -0.5 x + 2.
struct Line {
  std::shared_ptr<Model> model = on_device(as_model(nn::Sequential(nn::Linear(1, 1))));
  Line() {
    torch::NoGradGuard no_grad;
    model->parameters()[0].fill_(-0.5);
    model->parameters()[1].fill_(2.0);
  }
};

TEST(Regression, LossesAreSquaredErrorsOfEachExample) {
  Line line;
  const Examples data{torch::tensor({{0.0f}, {2.0f}, {4.0f}}), torch::tensor({1.0f, 1.0f, 3.0f})};
  EXPECT_TRUE(
      torch::equal(example_losses(*line.model, data).cpu(), torch::tensor({1.0f, 0.0f, 9.0f})));
  for (const int64_t batch : {1, 2, 3}) {
    const auto result = evaluate(*line.model, data, batch);
    EXPECT_EQ(result.correct, 0);
    EXPECT_DOUBLE_EQ(result.loss(), 10.0 / 3.0);
  }
}

// Against (y - w x - b)^2, whose gradient is -2 (y - w x - b) (x, 1).
TEST(Regression, AStepFollowsTheGradientByHand) {
  Line line;
  const Examples data{torch::tensor({{0.0f}, {2.0f}}), torch::tensor({1.0f, 3.0f})};
  LocalPlan plan = plan_of(1);
  plan.optimizer = SgdSpec{.learning_rate = 0.25};
  train(*line.model, data, plan, owner());
  // Residuals -1 and 2: the mean gradient is (-2 * 2 * 2, 2 - 4) / 2 = (-4, -1).
  EXPECT_FLOAT_EQ(line.model->parameters()[0].item<float>(), -0.5f + 0.25f * 4.0f);
  EXPECT_FLOAT_EQ(line.model->parameters()[1].item<float>(), 2.0f + 0.25f * 1.0f);
}

TEST(Regression, NeedsOneOutput) {
  const Examples data{torch::zeros({4, 6}), torch::zeros({4})};
  EXPECT_THROW(example_losses(*make_model(), data), Error);
}

TEST(Train, MatchesAHandWrittenLoopOverTheSameBatches) {
  const auto data = make_examples();
  auto model = make_model();
  const auto metrics = train(*model, data, plan_of(7), owner());

  auto reference = make_model();
  torch::optim::SGD sgd(reference->parameters(), torch::optim::SGDOptions(0.5));
  BatchSampler sampler(SamplingKind::shuffle, kExamples, 16, 0, owner());
  for (int64_t step = 0; step < 7; ++step) {
    const auto batch = data.at(sampler.batch(step)).to(test_device());
    sgd.zero_grad();
    nn::functional::cross_entropy(reference->forward(batch.features), batch.labels).backward();
    sgd.step();
  }
  const auto ours = state_of(*model), theirs = state_of(*reference);
  for (size_t i = 0; i < ours.tensors.size(); ++i)
    EXPECT_TRUE(torch::allclose(ours.tensors[i].value, theirs.tensors[i].value, 1e-5, 1e-6));
  EXPECT_EQ(metrics.steps, 7);
  EXPECT_EQ(metrics.examples, 7 * 16);
}

TEST(Train, LearnsASeparableProblem) {
  const auto data = make_examples();
  auto model = make_model();
  const double before = evaluate(*model, data, 10).accuracy();
  train(*model, data, plan_of(200), owner());
  EXPECT_GT(evaluate(*model, data, 10).accuracy(), std::max(0.95, before));
}

TEST(Train, SkipsEmptyPoissonBatchesWithoutPrivacy) {
  auto model = make_model();
  const auto before = state_of(*model);
  auto plan = plan_of(3);
  plan.sampling = SamplingKind::poisson;
  plan.sample_rate = 1e-12;
  EXPECT_EQ(train(*model, make_examples(), plan, owner()).examples, 0);
  EXPECT_TRUE(torch::equal(before.tensors[0].value, state_of(*model).tensors[0].value));
}

TEST(TrainPrivately, PhysicalBatchesDoNotChangeTheResult) {
  const auto data = make_examples();
  const auto privacy =
      plan({.batch_size = 48, .clip_norm = 0.7, .noise_multiplier = 0.8}, kExamples);
  const auto train_with = [&](int64_t physical) {
    auto model = make_model();
    auto local = plan_of(5);
    local.physical_batch = physical;
    train_privately(*model, data, local, {privacy, ledger_entry(privacy, 5, 0, 0)}, owner());
    return state_of(*model);
  };
  const auto whole = train_with(1000), pieces = train_with(7);
  for (size_t i = 0; i < whole.tensors.size(); ++i)
    EXPECT_TRUE(torch::allclose(whole.tensors[i].value, pieces.tensors[i].value, 1e-4, 1e-5));
}

TEST(TrainPrivately, IsRepeatableGivenTheKeyAndDiffersWithoutIt) {
  const auto data = make_examples();
  const auto privacy =
      plan({.batch_size = 16, .clip_norm = 1.0, .noise_multiplier = 1.0}, kExamples);
  const auto train_with = [&](const RandomKey& key) {
    auto model = make_model();
    train_privately(*model, data, plan_of(3), {privacy, ledger_entry(privacy, 3, 0, 0)},
                    {key, 0, 0});
    return state_of(*model).tensors[0].value;
  };
  const auto seeded = RandomKey::from_seed(5);
  EXPECT_TRUE(torch::equal(train_with(seeded), train_with(seeded)));
  EXPECT_FALSE(
      torch::equal(train_with(RandomKey::from_system()), train_with(RandomKey::from_system())));
}

TEST(Evaluate, CountsAndAveragesOverSlicesOfAnySize) {
  const auto data = make_examples();
  auto model = make_model();
  const auto whole = evaluate(*model, data, 1000);
  const auto sliced = evaluate(*model, data, 7);
  EXPECT_EQ(whole.correct, sliced.correct);
  EXPECT_EQ(sliced.examples, kExamples);
  EXPECT_NEAR(whole.loss(), sliced.loss(), 1e-6);
  const double expected = nn::functional::cross_entropy(
                              model->forward(data.to(test_device()).features).cpu(), data.labels)
                              .item<double>();
  EXPECT_NEAR(whole.loss(), expected, 1e-5);
  EXPECT_EQ(
      evaluate(*model, {data.features.slice(0, 0, 0), data.labels.slice(0, 0, 0)}, 8).accuracy(),
      0);
}

}  // namespace
}  // namespace starling
