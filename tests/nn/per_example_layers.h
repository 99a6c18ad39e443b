#pragma once
// What the tests of the layer families share.

#include "nn/per_example_harness.h"

namespace starling::testing {

class PerExampleLayers : public ::testing::Test {
 protected:
  void SetUp() override { torch::manual_seed(7); }
};

template <class Holder>
void expect_exact(Holder module, std::vector<int64_t> shape, const std::string& what) {
  expect_one_at_a_time(subject_of(std::move(module), std::move(shape)), what);
}

}  // namespace starling::testing
