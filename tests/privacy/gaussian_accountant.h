#pragma once
// A small accountant for tests of what is built on accountants: exact for unsampled Gaussians,
// whose composition is one Gaussian of mu^2 = sum of count / noise_multiplier^2 (Dong, Roth and Su
// 2019). A sample rate scales mu, which bounds nothing and is monotone, as searches need.

#include <cmath>
#include <span>

#include "starling/core/error.h"
#include "starling/privacy/accountant.h"

namespace starling {

class GaussianAccountant : public Accountant {
 public:
  std::string name() const override { return "gaussian"; }

  PrivacyBound delta(std::span<const Event> events, Relation relation,
                     double epsilon) const override {
    ++evaluations;
    return {epsilon, delta_of(mu_of(events, relation), epsilon), 0.0, "closed form"};
  }

  PrivacyBound epsilon(std::span<const Event> events, Relation relation,
                       double delta) const override {
    ++evaluations;
    const double mu = mu_of(events, relation);
    double low = 0.0;
    if (delta_of(mu, low) <= delta) return {0.0, delta, 0.0, "closed form"};
    double high = 1.0;
    while (delta_of(mu, high) > delta) {
      high *= 2.0;
      if (high > 1e12) return {INFINITY, delta, 0.0, "closed form"};
    }
    while (high - low > 1e-13 * high) {
      const double middle = 0.5 * (low + high);
      (delta_of(mu, middle) > delta ? low : high) = middle;
      if (middle == low && middle == high) break;
    }
    return {high, delta, 0.0, "closed form"};
  }

  mutable int evaluations = 0;

 private:
  static double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

  static double delta_of(double mu, double epsilon) {
    if (mu == 0.0) return 0.0;
    if (std::isinf(mu)) return 1.0;
    const double far = normal_cdf(-epsilon / mu - mu / 2.0);
    return normal_cdf(-epsilon / mu + mu / 2.0) - (far > 0.0 ? std::exp(epsilon) * far : 0.0);
  }

  static double mu_of(std::span<const Event> events, Relation relation) {
    double square = 0.0;
    for (const Event& event : events) {
      const auto* gaussian = std::get_if<GaussianMechanism>(&event.mechanism);
      if (!gaussian) throw InputError("event", "not a Gaussian");
      const auto* poisson = std::get_if<PoissonSampling>(&event.sampling);
      const double rate = poisson ? poisson->rate : 1.0;
      if (rate == 0.0 || event.count == 0) continue;
      const double mu = rate / gaussian->noise_multiplier;
      square += static_cast<double>(event.count) * mu * mu;
    }
    return std::sqrt(square) * (relation == Relation::replace_one ? 2.0 : 1.0);
  }
};

}  // namespace starling
