#pragma once
// The two ways to the noised mean of one step's clipped example gradients,
//   (sum_b clip(g_b, C) + N(0, (noise_multiplier C)^2 I)) / divisor,
// with C, noise_multiplier and divisor of one plan. Both are the Gaussian mechanism of sensitivity
// C on the sum; they differ in arithmetic.

#include <memory>
#include <vector>

#include "starling/core/random.h"
#include "starling/nn/per_example.h"
#include "starling/privacy/plan.h"

namespace starling {

class GradientRelease {
 public:
  virtual ~GradientRelease() = default;

  // Starts a step with an empty sum; what the parameters' .grad holds is dropped.
  virtual void begin() = 0;
  // Adds the clipped gradients of losses [B]; consumes their graph.
  virtual ClippedBackward add(const torch::Tensor& losses, const Clipping& clipping) = 0;
  // Adds one example by its gradient, one tensor a parameter.
  virtual ClippedBackward add_example(const std::vector<torch::Tensor>& gradients,
                                      const Clipping& clipping) = 0;
  // Leaves the noised mean in the parameters' .grad.
  virtual void finish(RandomStream& noise) = 0;
};

// Sums and noise in the parameters' floating-point type.
std::unique_ptr<GradientRelease> float_release(const NamedParameters& parameters,
                                               const DpSgdPlan& plan);

// Sums and noise in integers: each example's clipped gradient is rounded toward zero to a grid
// before the sum, so that the sensitivity is exactly at most C, and the noise is drawn exactly;
// dividing comes after. The grid follows from C, the noise and a constant capacity of 2^31
// examples. Takes one example a call: an infinity in one example's activations would turn the
// gradients of its batch into NaN, so that one example could remove all others from the sum.
std::unique_ptr<GradientRelease> grid_release(const NamedParameters& parameters,
                                              const DpSgdPlan& plan);

}  // namespace starling
