#pragma once
// What the tests of the layer families share.

#include "nn/per_example_harness.h"

namespace starling::testing {

class PerExampleLayers : public ::testing::Test {
 protected:
  void SetUp() override { torch::manual_seed(7); }
};

}  // namespace starling::testing
