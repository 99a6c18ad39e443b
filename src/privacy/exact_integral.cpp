#include "privacy/exact_integral.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>

#include "privacy/numeric.h"

namespace starling {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kInf = std::numeric_limits<double>::infinity();

}  // namespace

IntegralCurve::IntegralCurve(const Side& side, double theta, const Period& period, double t_max,
                             double tail)
    : theta_(theta),
      period_(period),
      step_(2.0 * kPi / period.length),
      log_infinite_(side.log_infinite),
      mu_squared_(side.mu_squared),
      cumulant_(0.5 * side.mu_squared * theta * (1.0 + theta)),
      error_(tail) {
  const size_t points = static_cast<size_t>(std::ceil(t_max / step_)) + 1;
  size_.assign(points, 0.0);
  phase_.assign(points, 0.0);
}

double IntegralCurve::log_upper(double epsilon) const {
  const double finite = scale(epsilon) + std::log(std::max(0.0, sum(epsilon)) + error(epsilon));
  return std::min(0.0, log_add_exp(finite, log_infinite_));
}

double IntegralCurve::log_lower(double epsilon) const {
  const double value = sum(epsilon) - error(epsilon);
  if (!(value > 0.0)) return -kInf;
  const double log_value = scale(epsilon) + std::log(value);
  const double log_aliases = period_.log_aliases(theta_, epsilon);
  if (log_aliases >= log_value) return -kInf;
  return log_value + std::log1p(-std::exp(log_aliases - log_value));
}

double IntegralCurve::log_rounding(double epsilon) const {
  return scale(epsilon) + std::log(error(epsilon));
}

double IntegralCurve::factor(size_t j, double& phase) const {
  const std::complex<double> s(theta_, t(j));
  const std::complex<double> hinge = -std::log(s) - std::log(1.0 + s);
  phase += hinge.imag() + 0.5 * mu_squared_ * t(j) * (1.0 + 2.0 * theta_);
  const double log_size = hinge.real() - 0.5 * mu_squared_ * t(j) * t(j);
  return (j == 0 ? 0.5 : 1.0) * step_ / kPi * std::exp(log_size);
}

void IntegralCurve::set_point(size_t j, double size, double phase, double error) {
  size_[j] = size;
  phase_[j] = phase;
  error_ += error;
  absolute_ += size;
}

double IntegralCurve::sum(double epsilon) const {
  double total = 0.0;
  for (size_t j = 0; j < size_.size(); ++j)
    total += size_[j] * std::cos(phase_[j] - t(j) * epsilon);
  return total;
}

double IntegralCurve::error(double epsilon) const {
  const double last = t(size_.size());
  return error_ + absolute_ * 4e-16 * (10.0 + std::abs(cumulant_) + (theta_ + last) * epsilon);
}

}  // namespace starling
