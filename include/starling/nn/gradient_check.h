#pragma once
// Gradients against central differences: for a loss f and a direction d,
//   (f(w + h d) - f(w - h d)) / (2 h)  =  <gradient, d>  + O(h^2).
// An oracle that shares nothing with automatic differentiation but the forward pass. The gradients
// are those that private training sums (nn/per_example.h), without clipping.

#include <torch/types.h>

#include <cstdint>
#include <functional>

#include "starling/nn/probe.h"

namespace starling {

struct GradientCheck {
  int64_t compared = 0;  // derivatives: some coordinates and one random direction a parameter
  int64_t kinks = 0;  // left out: the loss has a corner between w - h d and w + h d (ReLU, pooling)
  double error = 0;   // largest difference, relative to the derivative or, where that is small,
                      // to a hundredth of the largest gradient of the model
};

// forward: as for probe(). The module must hold float64 parameters; it is left as it was, and
// dropout draws the same masks in every pass. `input` gives the shape of synthetic examples.
// Errors: Error where parameters are not float64; Error naming the parameter whose gradient differs
// by more than 1e-4; Error where every derivative met a corner.
GradientCheck check_gradients(torch::nn::Module& module,
                              const std::function<torch::Tensor(const torch::Tensor&)>& forward,
                              const ProbeInput& input);

}  // namespace starling
