#pragma once
// delta(epsilon) = 1/(2 pi i) integral over theta + it of e^(K(s) - s epsilon) / (s (1 + s)) ds
// (Alghamdi et al. 2022, Theorem 3.1), by the trapezoid rule at t_j = j step: what every integrand
// shares.

#include <vector>

#include "privacy/exact_curve.h"

namespace starling {

class IntegralCurve : public DeltaCurve {
 public:
  // `tail` bounds the integral beyond the last point, relative to e^(K(theta) - theta epsilon).
  IntegralCurve(const Side& side, double theta, const Period& period, double t_max, double tail);

  double log_upper(double epsilon) const override;
  double log_lower(double epsilon) const override;
  double log_rounding(double epsilon) const override;

 protected:
  size_t points() const { return size_.size(); }
  double t(size_t j) const { return static_cast<double>(j) * step_; }
  double step() const { return step_; }
  double theta() const { return theta_; }
  // Adds to K(theta).
  void add_cumulant(double cumulant) { cumulant_ += cumulant; }
  // The factor of one point besides the releases: 1 / (s (1 + s)), the Gaussian mechanisms and the
  // rule's weight. Returns its size and adds its phase to `phase`.
  double factor(size_t j, double& phase) const;
  // The integrand at one point, and how far off it may be.
  void set_point(size_t j, double size, double phase, double error);

 private:
  double scale(double epsilon) const { return cumulant_ - theta_ * epsilon; }
  double sum(double epsilon) const;
  double error(double epsilon) const;

  double theta_;
  Period period_;
  double step_, log_infinite_, mu_squared_, cumulant_;
  std::vector<double> size_, phase_;
  double error_, absolute_ = 0.0;
};

}  // namespace starling
