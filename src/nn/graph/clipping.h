#pragma once
// From per-example squared norms to the factor each example's gradient is multiplied by.

#include <torch/types.h>

#include "starling/nn/per_example.h"

namespace starling::graph {

struct ClipFactors {
  torch::Tensor values;  // [parameters, B] float64 on the CPU; zero for a non-finite example
  torch::Tensor finite;  // [B] bool on the CPU
  ClippedBackward report;
};

// Errors: Error when the bound is not positive and finite, or layer_norms do not fit.
void check_clipping(const Clipping& clipping, int64_t parameters);

// squared_norms: [parameters, B] float64 on the CPU, one row a parameter. A clipped factor is
// lowered by four roundings of `dtype`, the parameters' type, which covers its own rounding to it.
ClipFactors clip_factors(const torch::Tensor& squared_norms, const Clipping& clipping,
                         torch::ScalarType dtype);

}  // namespace starling::graph
