#pragma once
// Epsilon and delta in closed form, roughly: where a search starts. No bound.

#include <span>

#include "privacy/terms.h"

namespace starling {

// An estimate of log delta(epsilon): one Gaussian of the variance that losses up to
// min(epsilon, 1) have, and the chance that one sampled release alone passes epsilon. A few tenths
// off in the noise multiplier.
double estimated_log_delta(std::span<const Term> terms, double epsilon);

// The epsilon in [low, high], low > 0, where the estimate is log_delta, to a hundredth; an end
// where there is none.
double estimated_epsilon(std::span<const Term> terms, double log_delta, double low, double high);

}  // namespace starling
