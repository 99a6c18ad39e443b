#pragma once
// Many equal releases composed on a finer lattice before their sum is rounded to the lattice of all
// others. Losses much smaller than a step move it by about their own size each when they are
// rounded one by one; their sum is rounded once. The fine law dominates the releases' exact law and
// the coarse law dominates the fine one (lattice_law.h).

#include <vector>

#include "privacy/loss.h"

namespace starling {

struct GroupLaw {
  // Of the sum of `count` releases without hits less `count` anchors, tilted, index modulo size;
  // sums to about 1. Empty where the fine lattice would be too long.
  std::vector<double> mass;
  double cumulant = 0.0;  // mass is e^(theta l - cumulant) times P's
  double variance = 0.0;  // of the fine rounding, as LatticeLaw::variance, over all releases
  double steps = 0.0;     // fine steps to a coarse one
  double error = 0.0;     // sum over indices of how far a mass may be off
};

// At most `steps` fine steps, a power of two, make one coarse one. For losses that are nowhere
// below the anchor.
GroupLaw group_law(const Loss& loss, double count, double theta, double step, size_t size,
                   double steps);

}  // namespace starling
