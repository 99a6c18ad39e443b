#include "starling/nn/probe.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <string>

#include "nn/stand_in_device.h"
#include "nn/test_device.h"
#include "starling/core/error.h"

namespace starling {
namespace {

namespace nn = torch::nn;

template <class Holder>
ProbeReport probe_of(Holder& module, std::vector<int64_t> shape, int64_t vocabulary = 0) {
  ProbeInput input;
  input.shape = std::move(shape);
  input.vocabulary = vocabulary;
  module->to(testing::test_device());
  return probe(
      *module, [&](const torch::Tensor& x) { return module->forward(x); }, input);
}

template <class Holder>
std::string refusal(Holder& module, std::vector<int64_t> shape) {
  try {
    probe_of(module, std::move(shape));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Probe, AcceptsConvolutionalNetworkWithDropout) {
  torch::manual_seed(2);
  nn::Sequential model(nn::Conv2d(1, 4, 3), nn::GroupNorm(2, 4), nn::ReLU(), nn::Dropout(0.5),
                       nn::Flatten(), nn::Linear(144, 3));
  const auto report = probe_of(model, {1, 8, 8});
  EXPECT_EQ(report.examples, 5);
  EXPECT_TRUE(report.norm_error < 1e-4) << report.norm_error;
  EXPECT_TRUE(report.without_rule.empty());
}

// Nothing but this comparison would show that a device's kernels compute something else.
TEST(Probe, StopsOnADeviceWhoseEngineIsWrong) {
  if (testing::test_device().is_cuda()) GTEST_SKIP() << "a process has one kind of device";
  nn::Sequential model(nn::Conv2d(1, 2, 3), nn::Flatten(), nn::Linear(8, 3));
  model->to(testing::stand_in_device());
  ProbeInput input;
  input.shape = {1, 4, 4};
  const auto forward = [&](const torch::Tensor& x) { return model->forward(x); };
  EXPECT_TRUE(probe(*model, forward, input).norm_error < 1e-4);
  const testing::WrongConvolutions broken;
  try {
    probe(*model, forward, input);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_TRUE(mentions(error.what(), "module 0: the gradient of 0.weight")) << error.what();
  }
}

TEST(Probe, NamesOperationsWithoutRule) {
  nn::Sequential model(nn::Linear(4, 3), nn::PReLU());
  const auto report = probe_of(model, {4});
  ASSERT_EQ(report.without_rule.size(), 1u);
  EXPECT_EQ(report.without_rule[0], "PreluKernelBackward0 (1.weight)");
}

TEST(Probe, AcceptsTokens) {
  nn::Sequential model(nn::Embedding(9, 4), nn::Flatten(), nn::Linear(12, 3));
  EXPECT_TRUE(probe_of(model, {3}, 9).norm_error < 1e-4);
}

TEST(Probe, batchnorm_leak_IsRefusedByPathWithRemedy) {
  nn::Sequential inner(nn::Linear(4, 3), nn::BatchNorm1d(3));
  const auto text = refusal(inner, {4});
  EXPECT_TRUE(mentions(text, "module 1")) << text;
  EXPECT_TRUE(mentions(text, "GroupNorm")) << text;
}

TEST(Probe, AcceptsBatchNormInEvaluation) {
  nn::Sequential model(nn::Linear(4, 3), nn::BatchNorm1d(3));
  model->eval();
  EXPECT_EQ(refusal(model, {4}), "");
}

struct CentredImpl : nn::Module {
  explicit CentredImpl(int kind) : kind(kind) { register_module("linear", linear); }
  torch::Tensor forward(torch::Tensor x) {
    if (kind == 0) x = x - x.mean(0, true);  // a batch-centred input: no gradient shows it
    auto hidden = linear(x);
    if (kind == 1) hidden = hidden - hidden.mean(0, true).detach();
    if (kind == 2) hidden = hidden - hidden.mean(0, true);
    return hidden;
  }
  nn::Linear linear{4, 3};
  int kind;
};
TORCH_MODULE(Centred);

TEST(Probe, batchnorm_leak_StatisticsOverTheBatchAreRefused) {
  for (int kind : {0, 1, 2}) {
    Centred model(kind);
    EXPECT_TRUE(mentions(refusal(model, {4}), "mixes")) << "kind " << kind;
  }
}

TEST(Probe, RefusesOutputWithoutExamplesInFront) {
  struct TimeMajorImpl : nn::Module {
    nn::Linear linear = register_module("linear", nn::Linear(4, 3));
    torch::Tensor forward(const torch::Tensor& x) { return linear(x).transpose(0, 1); }
  };
  auto model = std::make_shared<TimeMajorImpl>();
  EXPECT_TRUE(mentions(refusal(model, {4}), "first axis"));
}

TEST(Probe, LeavesModelAndRandomStateAlone) {
  nn::Sequential model(nn::Linear(4, 3), nn::Dropout(0.5));
  model->to(testing::test_device());
  model[0]->as<nn::Linear>()->weight.mutable_grad() =
      torch::full({3, 4}, 2.0).to(testing::test_device());
  torch::manual_seed(3);
  const auto expected = torch::rand({4});
  torch::manual_seed(3);
  probe_of(model, {4});
  EXPECT_TRUE(torch::equal(torch::rand({4}), expected));
  EXPECT_TRUE(
      torch::equal(model[0]->as<nn::Linear>()->weight.grad().cpu(), torch::full({3, 4}, 2.0)));
  EXPECT_FALSE(model[0]->as<nn::Linear>()->bias.grad().defined());
}

}  // namespace
}  // namespace starling
