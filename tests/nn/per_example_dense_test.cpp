// Linear layers as they are, against one example at a time.

#include "nn/per_example_layers.h"

namespace starling::testing {
namespace {

namespace nn = torch::nn;

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Linear2d) {
  expect_exact(nn::Sequential(nn::Linear(6, 5), nn::Tanh(), nn::Linear(5, 3)), {6}, "2-D");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Linear3d) {
  expect_exact(nn::Sequential(nn::Linear(6, 5), nn::Tanh(), nn::Linear(5, 3)), {4, 6}, "3-D");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_LinearLongSequence) {
  expect_exact(nn::Sequential(nn::Linear(3, 2), nn::Tanh(), nn::Linear(2, 3)), {37, 3}, "long");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_LinearShortSequenceOfWideRows) {
  expect_exact(nn::Sequential(nn::Linear(40, 30), nn::Tanh()), {2, 40}, "wide");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_LinearWithoutBias) {
  expect_exact(nn::Sequential(nn::Linear(nn::LinearOptions(6, 5).bias(false))), {6}, "weight only");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_BiasOnly) {
  nn::Sequential model(nn::Linear(6, 5), nn::Tanh(), nn::Linear(5, 3));
  for (auto& item : model->named_parameters()) {
    if (item.key().find("weight") != std::string::npos) item.value().set_requires_grad(false);
  }
  expect_exact(model, {6}, "bias only");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_FrozenFirstLayer) {
  nn::Sequential model(nn::Linear(6, 5), nn::Tanh(), nn::Linear(5, 3));
  for (auto& item : model->named_parameters()) {
    if (item.key()[0] == '0') item.value().set_requires_grad(false);
  }
  expect_exact(model, {6}, "frozen");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_TimeMajorLinear) {
  nn::Linear linear(6, 5);
  auto subject = subject_of(linear, {4, 6});
  subject.losses = [linear](const torch::Tensor& inputs) mutable {
    return loss_of(linear->forward(inputs.transpose(0, 1)).tanh().transpose(0, 1));
  };
  expect_one_at_a_time(subject, "time-major");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Bilinear) {
  nn::Bilinear bilinear(3, 3, 2);
  auto subject = subject_of(nn::Sequential(nn::Linear(3, 3)), {3});
  bilinear->to(test_device(), torch::kFloat64);
  subject.parameters = parameters_of(bilinear);
  subject.losses = [bilinear](const torch::Tensor& inputs) mutable {
    return loss_of(bilinear->forward(inputs, inputs.sin()));
  };
  expect_one_at_a_time(subject, "bilinear");
}

// One pass draws the masks of the whole batch, so the examples' gradients come from its own graph.
TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Dropout) {
  nn::Sequential model(nn::Linear(6, 20), nn::Dropout(0.5), nn::Linear(20, 3));
  const auto subject = subject_of(model, {6});
  const auto losses = subject.losses(subject.inputs(5));
  Answer expected;
  for (const auto& leaf : trainable(subject)) expected.sums.push_back(torch::zeros_like(leaf));
  for (int64_t b = 0; b < 5; ++b) {
    const auto gradients = torch::autograd::grad({losses[b]}, trainable(subject), {}, true);
    double square = 0;
    for (const auto& gradient : gradients) square += gradient.square().sum().item<double>();
    for (size_t p = 0; p < gradients.size(); ++p)
      expected.sums[p] += gradients[p] * std::min(1.0, 0.5 / std::sqrt(square));
  }
  Clipping clipping;
  clipping.norm = 0.5;
  PerExampleGradients(subject.parameters).backward(losses, clipping);
  for (size_t p = 0; p < expected.sums.size(); ++p) {
    const auto difference = trainable(subject)[p].grad() - expected.sums[p];
    EXPECT_LT(difference.abs().max().item<double>(), kTolerance) << p;
  }
}

}  // namespace
}  // namespace starling::testing
