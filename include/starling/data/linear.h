#pragma once
// A regression problem whose answer is known: y = weights . x + bias + noise. Every x_j is uniform
// on [-1, 1) and the noise normal, so that no model has a mean squared error below noise^2, and
// what a federation learns can be held beside the truth.

#include <cstdint>
#include <vector>

#include "starling/data/dataset.h"

namespace starling {

struct LinearLaw {
  std::vector<double> weights = {2.0};
  double bias = 1.0;
  double noise = 0.1;  // standard deviation
  bool operator==(const LinearLaw&) const = default;
};

// Example i of a split is the same whatever the requested sizes. Errors: InputError unless each
// size is in 1..10,000,000.
DataSplit draw_linear(const LinearLaw& law, int64_t train, int64_t test, uint64_t seed);

}  // namespace starling
