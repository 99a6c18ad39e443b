#include "starling/nn/gradient_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <string>

#include "nn/test_device.h"
#include "starling/core/error.h"

namespace starling {
namespace {

namespace nn = torch::nn;
using ::testing::HasSubstr;

constexpr double kAgreement = 1e-5;

template <class Holder>
GradientCheck check(Holder& module, std::vector<int64_t> shape) {
  ProbeInput input;
  input.shape = std::move(shape);
  module->to(testing::test_device());
  return check_gradients(
      *module, [&](const torch::Tensor& x) { return module->forward(x); }, input);
}

template <class Holder>
std::string refusal(Holder& module, std::vector<int64_t> shape) {
  try {
    check(module, std::move(shape));
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

// x -> x^2, whose backward pass forgets the factor 2.
struct WrongSquare : torch::autograd::Function<WrongSquare> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, torch::Tensor x) {
    context->save_for_backward({x});
    return x * x;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    return {gradients[0] * context->get_saved_variables()[0]};
  }
};

struct WrongNetImpl : nn::Module {
  nn::Linear first{nn::LinearOptions(3, 4)}, second{nn::LinearOptions(4, 2)};
  WrongNetImpl() {
    register_module("first", first);
    register_module("second", second);
  }
  torch::Tensor forward(torch::Tensor x) {
    return second->forward(WrongSquare::apply(first->forward(x)));
  }
};
TORCH_MODULE(WrongNet);

TEST(GradientCheck, AgreesForConvolutionNormalisationAndDropout) {
  torch::manual_seed(3);
  nn::Sequential model(nn::Conv2d(1, 4, 3), nn::GroupNorm(2, 4), nn::Tanh(), nn::Dropout(0.5),
                       nn::Flatten(), nn::Linear(144, 3));
  model->to(torch::kDouble);
  const auto report = check(model, {1, 8, 8});
  // Coordinates: 8 of 36 + 4 + 4 + 4 + 8 of 432 + 3, and a direction for each of 6 parameters.
  EXPECT_EQ(report.compared, 8 + 4 + 4 + 4 + 8 + 3 + 6);
  EXPECT_EQ(report.kinks, 0);
  EXPECT_TRUE(report.error <= kAgreement) << report.error;
}

TEST(GradientCheck, NamesTheParameterWhoseGradientIsWrong) {
  torch::manual_seed(4);
  WrongNet model;
  model->to(torch::kDouble);
  EXPECT_THAT(refusal(model, {3}), HasSubstr("module first: the gradient of first.weight"));
}

TEST(GradientCheck, LeavesCornersOutAndSaysSo) {
  // Biases of zero put the ReLU of an input of zero on its corner.
  nn::Sequential model(nn::Linear(2, 3), nn::Threshold(0.0, 0.0), nn::Linear(3, 2));
  model->to(torch::kDouble);
  {
    torch::NoGradGuard no_grad;
    for (auto& parameter : model->parameters()) parameter.fill_(0.5);
    model->parameters()[0].zero_();
    model->parameters()[1].zero_();
  }
  const auto report = check(model, {2});
  EXPECT_GT(report.kinks, 0);
  EXPECT_GT(report.compared, 0);
}

TEST(GradientCheck, LeavesTheModuleAsItWas) {
  torch::manual_seed(5);
  nn::Sequential model(nn::Linear(4, 3), nn::Tanh());
  model->to(torch::kDouble);
  const auto before = model->parameters()[0].clone();
  check(model, {4});
  EXPECT_TRUE(torch::equal(model->parameters()[0].cpu(), before));
  EXPECT_FALSE(model->parameters()[0].grad().defined());
}

TEST(GradientCheck, NeedsFloat64) {
  nn::Sequential model(nn::Linear(4, 3));
  EXPECT_THAT(refusal(model, {4}), HasSubstr("0.weight is not float64"));
}

}  // namespace
}  // namespace starling
