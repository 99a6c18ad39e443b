#pragma once
// The gradient of each loss by a backward pass of its own: B passes over the whole network. Exact
// for everything autograd can differentiate; the rules are tested against it.

#include <torch/types.h>

#include <vector>

#include "starling/nn/per_example.h"

namespace starling::graph {

// Adds the clipped sum to each parameter's .grad. The graph of `losses` is kept.
ClippedBackward one_at_a_time(const torch::Tensor& losses, const std::vector<torch::Tensor>& leaves,
                              const Clipping& clipping);

// Adds `sum` to the leaf's .grad, which owns its memory and has the leaf's layout.
void add_to_grad(const torch::Tensor& leaf, const torch::Tensor& sum);

}  // namespace starling::graph
