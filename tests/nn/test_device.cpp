#include "nn/test_device.h"

#include <gtest/gtest.h>
#include <torch/cuda.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "nn/stand_in_device.h"

namespace starling::testing {
namespace {

std::string wanted() {
  const char* name = std::getenv("STARLING_TEST_DEVICE");
  return name == nullptr ? "cpu" : name;
}

class Availability : public ::testing::Environment {
  void SetUp() override {
    if (wanted() == "cuda" && !torch::cuda::is_available())
      GTEST_SKIP() << "STARLING_TEST_DEVICE is cuda, and LibTorch finds no GPU";
    // LibTorch gives a thread to each device that it knows at the first backward pass.
    if (wanted() != "cuda") stand_in_device();
    test_device();
  }
};

const auto* const kAvailability = ::testing::AddGlobalTestEnvironment(new Availability);

}  // namespace

torch::Device test_device() {
  if (wanted() == "cpu") return torch::kCPU;
  if (wanted() == "cuda") return torch::Device(torch::kCUDA, 0);
  if (wanted() == "stand-in") return stand_in_device();
  throw std::runtime_error("STARLING_TEST_DEVICE is " + wanted() +
                           "; it may be cpu, stand-in, cuda");
}

}  // namespace starling::testing
