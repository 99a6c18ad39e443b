#pragma once
// Where calibration starts its search: an estimate in closed form, no bound. What a search returns
// does not depend on it beyond the tolerance; how many questions it asks does.

#include <functional>

#include "starling/privacy/calibrate.h"

namespace starling {

// The estimate of estimate.h; NaN for events that an accountant would refuse.
double estimated_log_delta(const Composition& composition, double epsilon);

class Start {
 public:
  // `safe_above`: whether larger x spends less.
  Start(const PrivacyTarget& target, const std::function<Composition(double)>& composition_of,
        double low, double high, bool safe_above);

  // The root of the estimate over log x in [low, high], to 1e-4; an end where there is none.
  double at() const { return at_; }
  // How far the truth's root lies from it, roughly, where the true epsilon there is e^excess times
  // the target.
  double distance(double excess) const;

 private:
  double root(double epsilon) const;

  PrivacyTarget target_;
  std::function<Composition(double)> composition_of_;
  double low_, high_;
  bool safe_above_;
  double at_;
};

}  // namespace starling
