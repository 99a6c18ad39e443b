// What a GPU would need: float32 products that are float32, and the same ones every time. The flags
// are LibTorch's, and the same in every build of it.

#include <ATen/Context.h>

#include "nn/per_example_harness.h"

namespace starling::testing {
namespace {

using at::Float32Backend;
using at::Float32Op;
using at::Float32Precision;

constexpr Float32Op kOperations[] = {Float32Op::CONV, Float32Op::RNN, Float32Op::MATMUL};

TEST(FullPrecision, HoldsFromTheEngineOnWhateverWasSetBefore) {
  auto& context = at::globalContext();
  const auto subject = subject_of(torch::nn::Linear(3, 2), {3});
  PerExampleGradients engine(subject.parameters);
  for (const auto reduced : {Float32Precision::TF32, Float32Precision::BF16}) {
    const auto backend =
        reduced == Float32Precision::TF32 ? Float32Backend::CUDA : Float32Backend::MKLDNN;
    for (const auto operation : kOperations)
      context.setFloat32Precision(backend, operation, reduced);
    context.setBenchmarkCuDNN(true);
    context.setDeterministicCuDNN(false);
    engine.backward(subject.losses(subject.inputs(2)), Clipping());
    for (const auto operation : kOperations)
      EXPECT_EQ(context.float32Precision(backend, operation), Float32Precision::IEEE);
    EXPECT_FALSE(context.benchmarkCuDNN());
    EXPECT_TRUE(context.deterministicCuDNN());
    EXPECT_FALSE(context.allowTF32CuDNN());
    EXPECT_FALSE(context.allowTF32CuBLAS());
  }
}

}  // namespace
}  // namespace starling::testing
