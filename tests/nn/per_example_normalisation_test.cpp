// Normalisation and pointwise parameters as they are, against one example at a time.

#include "nn/per_example_layers.h"

namespace starling::testing {
namespace {

namespace nn = torch::nn;

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_GroupNorm) {
  expect_exact(nn::Sequential(nn::Conv2d(2, 6, 2), nn::GroupNorm(3, 6), nn::Tanh()), {2, 4, 4},
               "gn");
  expect_exact(nn::Sequential(nn::GroupNorm(2, 4)), {4}, "gn on rows");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_LayerNorm) {
  expect_exact(
      nn::Sequential(nn::Linear(6, 5), nn::LayerNorm(nn::LayerNormOptions({5})), nn::Tanh()), {6},
      "ln 2-D");
  expect_exact(
      nn::Sequential(nn::Linear(6, 5), nn::LayerNorm(nn::LayerNormOptions({5})), nn::Tanh()),
      {3, 6}, "ln 3-D");
  expect_exact(nn::Sequential(nn::LayerNorm(nn::LayerNormOptions({3, 4}))), {2, 3, 4}, "ln 2 axes");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_InstanceNorm) {
  expect_exact(
      nn::Sequential(nn::Conv2d(2, 3, 2),
                     nn::InstanceNorm2d(nn::InstanceNorm2dOptions(3).affine(true)), nn::Tanh()),
      {2, 4, 4}, "instance norm");
  expect_exact(nn::Sequential(nn::InstanceNorm1d(nn::InstanceNorm1dOptions(3).affine(true))),
               {3, 5}, "instance norm first");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_BatchNormInEvaluation) {
  nn::Sequential model(nn::Linear(4, 3), nn::BatchNorm1d(3), nn::Tanh());
  model->eval();
  expect_exact(model, {4}, "batch norm eval");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_PReLU) {
  expect_exact(nn::Sequential(nn::Linear(4, 3), nn::PReLU()), {4}, "one slope");
  expect_exact(nn::Sequential(nn::Conv2d(2, 3, 2), nn::PReLU(nn::PReLUOptions().num_parameters(3))),
               {2, 4, 4}, "a slope a channel");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_InPlaceReLU) {
  expect_exact(
      nn::Sequential(nn::Linear(6, 5), nn::ReLU(nn::ReLUOptions().inplace(true)), nn::Linear(5, 4),
                     nn::ReLU(nn::ReLUOptions().inplace(true)), nn::Linear(4, 3)),
      {6}, "relu_");
}

struct RawParametersImpl : nn::Module {
  torch::Tensor position = register_parameter("position", torch::randn({4, 3}));
  torch::Tensor scale = register_parameter("scale", torch::randn({}));
  torch::Tensor gain = register_parameter("gain", torch::randn({3}));
  torch::Tensor shift = register_parameter("shift", torch::randn({1, 4, 1}));
  torch::Tensor forward(const torch::Tensor& x) {
    return ((x + position) * scale * gain - 0.5 * shift).tanh() * gain;
  }
};
TORCH_MODULE(RawParameters);

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_RawParametersByBroadcast) {
  expect_exact(RawParameters(), {4, 3}, "raw");
}

struct ClassTokenImpl : nn::Module {
  torch::Tensor token = register_parameter("token", torch::randn({1, 1, 3}));
  nn::Linear linear = register_module("linear", nn::Linear(3, 3));
  torch::Tensor forward(const torch::Tensor& x) {
    return linear(torch::cat({token.expand({x.size(0), 1, 3}), x}, 1)).tanh();
  }
};
TORCH_MODULE(ClassToken);

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_ClassToken) {
  expect_exact(ClassToken(), {4, 3}, "class token");
}

struct ExpandedPositionImpl : nn::Module {
  torch::Tensor position = register_parameter("position", torch::randn({1, 3}));
  torch::Tensor forward(const torch::Tensor& x) { return (x + position.expand({4, 3})).tanh(); }
};
TORCH_MODULE(ExpandedPosition);

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_ExpandedBeforeTheBatch) {
  expect_exact(ExpandedPosition(), {4, 3}, "expand");
}

struct WeightNormImpl : nn::Module {
  torch::Tensor direction = register_parameter("direction", torch::randn({5, 3}));
  torch::Tensor size = register_parameter("size", torch::randn({5, 1}));
  torch::Tensor forward(const torch::Tensor& x) {
    return torch::linear(x, size * direction / direction.norm(2, {1}, true)).tanh();
  }
};
TORCH_MODULE(WeightNorm);

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_WeightNorm) {
  expect_exact(WeightNorm(), {3}, "rows");
  expect_exact(WeightNorm(), {4, 3}, "sequences");
}

}  // namespace
}  // namespace starling::testing
