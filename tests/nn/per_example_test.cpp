#include <unistd.h>

#include <cstdio>

#include "nn/per_example_harness.h"
#include "starling/core/error.h"
#include "starling/core/files.h"
#include "starling/core/log.h"

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

TEST(PerExample, LogsHowTheNormsOfEachParameterAreTaken) {
  const auto path = ::testing::TempDir() + "starling_norms_" + std::to_string(::getpid());
  log::to_file(path);
  nn::Sequential model(nn::Conv1d(2, 3, 3), nn::Flatten(), nn::Linear(12, 7));
  auto subject = subject_of(model, {2, 6});
  PerExampleGradients engine(subject.parameters);
  for (int step = 0; step < 2; ++step)
    engine.backward(subject.losses(subject.inputs(5)), Clipping());
  log::close_file();
  const std::string lines = read_file(path);
  std::remove(path.c_str());
  const std::string first =
      std::string("per-example gradients: 0.weight: ") +
      (test_device().is_cpu() ? "direct kernel, kept"
                              : "one convolution with a group an example, kept");
  ASSERT_NE(lines.find(first), std::string::npos) << lines;
  EXPECT_EQ(lines.find(first, lines.find(first) + 1), std::string::npos) << "said once";
  EXPECT_NE(lines.find("2.weight: norms of both sides"), std::string::npos) << lines;
  EXPECT_NE(lines.find("2.bias: gradients of each example"), std::string::npos) << lines;
}

}  // namespace
}  // namespace starling::testing
