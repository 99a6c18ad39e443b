#include "privacy/calibrate_start.h"

#include <cmath>
#include <limits>

#include "privacy/estimate.h"
#include "privacy/terms.h"
#include "starling/core/error.h"

namespace starling {
namespace {

constexpr double kTolerance = 1e-4;
constexpr double kClearExcess = 0.05;
constexpr double kMostExcess = 5.0;
constexpr double kUnknownDistance = 0.25;

}  // namespace

double estimated_log_delta(const Composition& composition, double epsilon) {
  try {
    return estimated_log_delta(resolve_terms(composition.events, composition.relation), epsilon);
  } catch (const InputError&) {
    return std::numeric_limits<double>::quiet_NaN();
  }
}

Start::Start(const PrivacyTarget& target, const std::function<Composition(double)>& composition_of,
             double low, double high, bool safe_above)
    : target_(target),
      composition_of_(composition_of),
      low_(low),
      high_(high),
      safe_above_(safe_above),
      at_(root(target.epsilon)) {}

// The estimate errs by about the same factor a little further on. A small excess is scaled up,
// since roots are rough.
double Start::distance(double excess) const {
  const double size = std::abs(excess);
  if (!std::isfinite(excess)) return kUnknownDistance;
  const double clear = std::copysign(std::clamp(size, kClearExcess, kMostExcess), excess);
  const double away = std::abs(root(target_.epsilon * std::exp(-clear)) - at_);
  return away * size / std::abs(clear);
}

double Start::root(double epsilon) const {
  const double log_delta = std::log(target_.delta);
  double low = low_, high = high_;
  while (high - low > kTolerance) {
    const double middle = 0.5 * (low + high);
    const double estimate = estimated_log_delta(composition_of_(std::exp(middle)), epsilon);
    const bool safe = estimate <= log_delta;
    (safe == safe_above_ ? high : low) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace starling
