#include "nn/graph/full_precision.h"

#include <ATen/Context.h>

#include <mutex>

namespace starling::graph {
namespace {

using at::Float32Backend;
using at::Float32Op;
using at::Float32Precision;

void set_float32(at::Context& context) {
  context.setAllowTF32CuDNN(false);  // so that the older interface gives the same answer
  const auto set = [&](Float32Backend backend, Float32Op operation) {
    context.setFloat32Precision(backend, operation, Float32Precision::IEEE);
  };
  set(Float32Backend::GENERIC, Float32Op::ALL);
  for (const auto backend : {Float32Backend::CUDA, Float32Backend::MKLDNN})
    for (const auto operation :
         {Float32Op::ALL, Float32Op::CONV, Float32Op::RNN, Float32Op::MATMUL})
      set(backend, operation);
}

}  // namespace

void use_full_precision() {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  auto& context = at::globalContext();
  set_float32(context);
  context.setAllowFP16ReductionCuBLAS(false);
  context.setAllowBF16ReductionCuBLAS(false);
  context.setAllowFP16AccumulationCuBLAS(false);
  context.setBenchmarkCuDNN(false);
  context.setDeterministicCuDNN(true);
}

}  // namespace starling::graph
