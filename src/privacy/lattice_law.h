#pragma once
// One release's privacy loss rounded to the lattice anchor + i step, so that the rounded pair
// dominates the exact one: a loss between two points goes to the upper one with probability
// u = (1 - e^-(l - l_i)) / (1 - e^-step), to the lower one otherwise. That keeps the mass under P
// and (u e^-l_(i+1) + (1 - u) e^-l_i = e^-l) the mass under Q, and moves delta(epsilon), which is
// convex in e^epsilon, to its chords ("connect the dots", Doroshenko et al. 2022).

#include <vector>

#include "privacy/loss.h"

namespace starling {

struct LatticeLaw {
  std::vector<double> mass;    // tilted, index modulo size; sums to about 1 with `rare`
  std::vector<double> rare;    // of hits (Loss::rare_from), empty without any
  double cumulant = 0.0;       // mass is e^(theta l - cumulant) times P's
  double infinite_mass = 0.0;  // P's mass that counts as an infinite loss
  double variance = 0.0;       // mean over the tilted law of the rounding's variance given the loss
  double rare_variance = 0.0;  // the same over hits
};

// With `rest`, without hits.
LatticeLaw lattice_law(const Loss& loss, double theta, double step, size_t size, bool rest);

}  // namespace starling
