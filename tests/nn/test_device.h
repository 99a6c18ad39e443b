#pragma once
// Where the tests of the gradient engine and of training put models and examples. The variable
// STARLING_TEST_DEVICE says it: cpu (if unset), stand-in (stand_in_device.h) or cuda, with which
// every test is skipped where LibTorch finds no GPU.

#include <torch/types.h>

namespace starling::testing {

torch::Device test_device();

}  // namespace starling::testing
