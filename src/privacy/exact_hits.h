#pragma once
// The parts of exact_hits.cpp: contour integrals of outcomes with a hit and of those without.

#include <memory>

#include "privacy/exact_split.h"

namespace starling {

// Outcomes with a hit at the threshold of `near` or above, at a tilt no larger than its own, where
// it is usable(); `rest` bounds the others. Each returns nullptr where the transform would take too
// much work.
std::unique_ptr<DeltaCurve> make_hit_contour(const CurveTarget& target, const SplitSide& near,
                                             const RestBound& rest);
// Outcomes without one.
std::unique_ptr<DeltaCurve> make_rest_contour(const Side& side, const CurveTarget& target,
                                              double threshold);

}  // namespace starling
