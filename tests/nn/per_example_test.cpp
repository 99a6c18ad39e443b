#include "nn/per_example_harness.h"

#include "starling/core/error.h"

namespace starling::testing {
namespace {

namespace nn = torch::nn;

TEST(PerExample, RefusesBatchNormInTraining) {
  auto subject = subject_of(nn::Sequential(nn::Linear(4, 3), nn::BatchNorm1d(3)), {4});
  PerExampleGradients engine(subject.parameters);
  try {
    engine.backward(subject.losses(subject.inputs(4)), Clipping());
    FAIL() << "batch normalisation was accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("GroupNorm"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace starling::testing
