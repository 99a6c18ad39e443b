#include "nn/per_example_harness.h"

namespace starling::testing {
namespace {

namespace nn = torch::nn;

TEST(PerExample, MatchesOneExampleAtATime_Linear) {
  torch::manual_seed(1);
  expect_one_at_a_time(
      subject_of(nn::Sequential(nn::Linear(6, 5), nn::Tanh(), nn::Linear(5, 3)), {6}), "Linear");
}

}  // namespace
}  // namespace starling::testing
