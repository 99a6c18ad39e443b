#pragma once
// Where calibration starts its search: an estimate in closed form, no bound. What a search returns
// does not depend on it beyond the tolerance; how many questions it asks does.

#include <functional>

#include "starling/privacy/calibrate.h"

namespace starling {

// The estimate of estimate.h; NaN for events that an accountant would refuse.
double estimated_log_delta(const Composition& composition, double epsilon);

// The root of the estimate over log x in [low, high], to 1e-4; an end where there is none.
// `safe_above`: whether larger x spends less.
double estimated_start(const PrivacyTarget& target,
                       const std::function<Composition(double)>& composition_of, double low,
                       double high, bool safe_above);

}  // namespace starling
