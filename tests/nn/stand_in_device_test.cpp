// The device that stands in for a GPU behaves as one where the tests rely on it.

#include "nn/stand_in_device.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <thread>

#include "nn/test_device.h"

namespace starling::testing {
namespace {

namespace nn = torch::nn;

// Where a backward pass goes through.
struct Witness : torch::autograd::Function<Witness> {
  static inline std::thread::id thread;
  static torch::Tensor forward(torch::autograd::AutogradContext*, torch::Tensor x) {
    return x.clone();
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 torch::autograd::variable_list gradients) {
    thread = std::this_thread::get_id();
    return gradients;
  }
};

class StandInDevice : public ::testing::Test {
  void SetUp() override {
    if (test_device().is_cuda()) GTEST_SKIP() << "a process has one kind of device";
  }
};
using StandInDeviceDeathTest = StandInDevice;

TEST_F(StandInDevice, ComputesWhatTheCpuComputes) {
  torch::manual_seed(1);
  nn::Sequential model(nn::Conv2d(2, 4, 3), nn::GroupNorm(2, 4), nn::ReLU(), nn::Flatten(),
                       nn::Linear(16, 3));
  const auto input = torch::randn({5, 2, 4, 4});
  const auto expected = model->forward(input);
  model->to(stand_in_device());
  const auto output = model->forward(input.to(stand_in_device()));
  EXPECT_FALSE(output.is_cpu());
  EXPECT_TRUE(torch::allclose(output.cpu(), expected));
}

TEST_F(StandInDevice, RefusesTensorsOfTwoDevices) {
  const auto here = torch::ones({2, 2}), there = here.to(stand_in_device());
  EXPECT_THROW(here + there, c10::Error);
  EXPECT_THROW(there.mm(here), c10::Error);
  EXPECT_THROW(there.index_select(0, torch::zeros({1}, torch::kInt64)), c10::Error);
}

TEST_F(StandInDevice, RunsBackwardOnAThreadOfItsOwn) {
  const auto leaf = torch::ones({2}, torch::requires_grad());
  Witness::apply(leaf).sum().backward();
  EXPECT_EQ(Witness::thread, std::this_thread::get_id()) << "on the CPU";
  Witness::apply(leaf.to(stand_in_device())).sum().backward();
  EXPECT_NE(Witness::thread, std::this_thread::get_id());
}

TEST_F(StandInDeviceDeathTest, MemoryIsOutOfTheCpusReach) {
  const auto tensor = torch::ones({2}).to(stand_in_device());
  EXPECT_DEATH(
      {
        volatile float value = tensor.const_data_ptr<float>()[0];
        static_cast<void>(value);
      },
      "");
}

}  // namespace
}  // namespace starling::testing
