#include "privacy/calibrate_start.h"

#include <cmath>
#include <limits>

#include "privacy/estimate.h"
#include "privacy/terms.h"
#include "starling/core/error.h"

namespace starling {
namespace {

constexpr double kTolerance = 1e-4;

}  // namespace

double estimated_log_delta(const Composition& composition, double epsilon) {
  try {
    return estimated_log_delta(resolve_terms(composition.events, composition.relation), epsilon);
  } catch (const InputError&) {
    return std::numeric_limits<double>::quiet_NaN();
  }
}

double estimated_start(const PrivacyTarget& target,
                       const std::function<Composition(double)>& composition_of, double low,
                       double high, bool safe_above) {
  const double log_delta = std::log(target.delta);
  while (high - low > kTolerance) {
    const double middle = 0.5 * (low + high);
    const double estimate = estimated_log_delta(composition_of(std::exp(middle)), target.epsilon);
    const bool safe = estimate <= log_delta;
    (safe == safe_above ? high : low) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace starling
