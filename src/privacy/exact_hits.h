#pragma once
// The parts of exact_hits.cpp: contour integrals of outcomes with a hit and of those without.

#include <memory>

#include "privacy/exact_split.h"

namespace starling {

// Outcomes with a hit at `threshold` or above, tilted near `theta`; `rest` bounds the others. Each
// returns nullptr where the transform would take too much work.
std::unique_ptr<DeltaCurve> make_hit_contour(const Side& side, const CurveTarget& target,
                                             double threshold, const RestBound& rest, double theta);
// Outcomes without one.
std::unique_ptr<DeltaCurve> make_rest_contour(const Side& side, const CurveTarget& target,
                                              double threshold);

}  // namespace starling
