#include "privacy/loss_gaussian.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace starling {

namespace {

constexpr double kPi = std::numbers::pi;

}  // namespace

// The integrand is analytic for |Im z| < pi s^2. At height y it grows by at most
// e^(y^2/2s^2 + kappa t y/s^2) cos(y/2s^2)^-p, where p = theta if w has a negative power and kappa
// counts the factors w; the trapezoid rule then errs by 2 e^(... - 2 pi y / h) of E[e^(theta L)].
double PoissonGaussianLoss::step(double theta, double t_max, double log_count) const {
  const double kappa = direction_ == Direction::replace ? 2.0 : 1.0;
  const double power = direction_ == Direction::remove ? 0.0 : theta;
  const double need = kLogAccuracy + log_count;
  double widest = 0.0;
  for (int i = 1; i <= 60; ++i) {
    // Small heights are sampled densely: large powers allow only those.
    const double angle = 0.97 * kPi * std::pow(i / 60.0, 3.0);
    const double growth =
        0.5 * angle * angle * s2_ + kappa * t_max * angle - power * std::log(std::cos(0.5 * angle));
    widest = std::max(widest, 2.0 * kPi * angle * s2_ / (need + growth));
  }
  return std::min(widest, 0.6 * s_);
}

TiltedNodes PoissonGaussianLoss::tilted(const TiltRequest& request) const {
  const double theta = request.theta, log_count = request.log_count;
  const double h = step(theta, request.t_max, log_count);
  const double end = top(theta, log_count);
  const double first = std::floor(low() / h);
  const double last = std::ceil((std::isfinite(end) ? end : top()) / h);
  TiltedNodes nodes;
  nodes.error = INFINITY;
  if (!(last - first < request.most_nodes)) return nodes;
  std::vector<double> log_mass;
  double mean_excess = 0.0, absolute = 0.0, high = 0.0;
  const double log_h = std::log(h);
  for (double k = first; k <= last; ++k) {
    const double y = k * h;
    const double here = loss(y);
    const double mass = log_h + log_density(y);
    if (std::max(mass, mass + theta * here) < high - 60.0 - log_count) continue;
    high = std::max(high, mass + theta * here);
    log_mass.push_back(mass);
    nodes.loss.push_back(here);
  }
  if (high < 300.0) {
    for (size_t k = 0; k < log_mass.size(); ++k) {
      const double excess = excess_mass(log_mass[k], theta * nodes.loss[k]);
      mean_excess += excess;
      absolute += std::abs(excess);
    }
    nodes.cumulant = std::log1p(mean_excess);
  } else {
    double sum = 0.0;
    for (size_t k = 0; k < log_mass.size(); ++k) {
      sum += std::exp(log_mass[k] + theta * nodes.loss[k] - high);
    }
    nodes.cumulant = high + std::log(sum);
  }
  for (size_t k = 0; k < log_mass.size(); ++k) {
    nodes.weight.push_back(std::exp(log_mass[k] + theta * nodes.loss[k] - nodes.cumulant));
  }
  nodes.error = 4.0 * std::exp(-kLogAccuracy - log_count) + 2e-16 * std::abs(nodes.cumulant) +
                1e-15 * std::min(1.0, absolute * std::exp(-nodes.cumulant));
  return nodes;
}

}  // namespace starling
