// The exact accountant against an integral of its own: two sampled Gaussian releases, the second in
// closed form (Balle, Barthe and Gaboardi 2018, Theorem 8), the first summed by Simpson's rule in
// 64-bit mantissas on points that crowd where the second is not smooth. No tilt, no transform, no
// lattice.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <random>

#include "starling/privacy/accountant.h"
#include "starling/privacy/event_json.h"

namespace starling {
namespace {

using Real = long double;

constexpr int kPanels = 10000;            // of Simpson's rule
constexpr Real kReach = 14.0L;            // standard deviations
constexpr double kReferenceError = 1e-9;  // of delta

struct Release {
  Real rate, sigma;

  Real log_ratio(Real z) const {
    return std::log1p(rate * std::expm1((2 * z - 1) / (2 * sigma * sigma)));
  }
  Real density(Real z) const {
    const Real scaled = z / sigma;
    return std::exp(-scaled * scaled / 2) / (sigma * std::sqrt(2 * std::numbers::pi_v<Real>));
  }
};

Real normal_cdf(Real x) { return std::erfc(-x / std::numbers::sqrt2_v<Real>) / 2; }

Real gaussian_delta(Real sigma, Real e) {
  return normal_cdf(1 / (2 * sigma) - e * sigma) -
         std::exp(e) * normal_cdf(-1 / (2 * sigma) - e * sigma);
}

// For every real e; the two directions determine each other.
Real one_release(const Release& r, Real e, bool remove) {
  if (e < 0) return -std::expm1(e) + std::exp(e) * one_release(r, -e, !remove);
  if (remove) return r.rate * gaussian_delta(r.sigma, std::log1p(std::expm1(e) / r.rate));
  const Real v = r.rate + std::expm1(-e);
  return v > 0 ? std::exp(e) * v * gaussian_delta(r.sigma, std::log(r.rate / v)) : 0;
}

// The second release's delta has a kink, blurred over e^-11 of its rate at small noise, where the
// first loss leaves exactly the second's smallest (or largest) one.
Real kink(const Release& first, const Release& second, Real e, bool remove) {
  const Real odds = std::exp((remove ? e : -e) - std::log1p(-second.rate)) - 1 + first.rate;
  const Real z = odds > 0 ? first.sigma * first.sigma * std::log(odds / first.rate) + 0.5L : 0;
  return std::clamp(z, -kReach * first.sigma, 1 + kReach * first.sigma);
}

Real two_releases(const Release& first, const Release& second, Real e, bool remove) {
  const Real middle = kink(first, second, e, remove);
  Real total = 0;
  for (const Real end : {-kReach * first.sigma, 1 + kReach * first.sigma}) {
    for (int i = 1; i <= kPanels; ++i) {
      const Real u = static_cast<Real>(i) / kPanels;  // points crowd at the kink as u^4
      const Real z = middle + (end - middle) * u * u * u * u;
      const Real loss = first.log_ratio(z);
      const Real mass = first.density(z) * (remove ? std::exp(loss) : 1);
      const Real weight = (i == kPanels ? 1 : (i % 2 == 1 ? 4 : 2)) * 4 * u * u * u;
      total += weight * std::abs(end - middle) * mass *
               one_release(second, remove ? e - loss : e + loss, remove);
    }
  }
  return total / (3 * kPanels);
}

Real larger_direction(const Release& first, const Release& second, Real e) {
  return std::max(two_releases(first, second, e, true), two_releases(first, second, e, false));
}

Event event_of(const Release& r) {
  return {GaussianMechanism{static_cast<double>(r.sigma)},
          PoissonSampling{static_cast<double>(r.rate)}, 1};
}

// Never below the truth, and no further above it than certified.
void check(const Release& first, const Release& second, double delta) {
  const std::array<Event, 2> events{event_of(first), event_of(second)};
  const PrivacyBound bound = make_accountant("exact")->epsilon(events, Relation::add_remove, delta);
  const std::string what = number_text(static_cast<double>(first.rate)) + " " +
                           number_text(static_cast<double>(first.sigma)) + ", " +
                           number_text(static_cast<double>(second.rate)) + " " +
                           number_text(static_cast<double>(second.sigma)) + ", delta " +
                           number_text(delta) + ": " + bound.detail;
  const auto truth = [&](double e) {
    return static_cast<double>(larger_direction(first, second, e)) / delta;
  };
  EXPECT_LE(truth(bound.epsilon), 1.0 + kReferenceError) << what;
  EXPECT_LE(bound.error, std::max(4e-3, 2e-3 * bound.epsilon)) << what;
  if (bound.error < bound.epsilon) {
    EXPECT_GE(truth(bound.epsilon - bound.error), 1.0 - kReferenceError) << what;
  }
}

TEST(ExactCampaign, TheReferenceIsTheClosedFormOfUnsampledGaussians) {
  const Release sampled{0.999999999999L, 2.0L};
  const Real sum = two_releases(sampled, sampled, 1.0L, true);
  const Real expected = gaussian_delta(2.0L / std::numbers::sqrt2_v<Real>, 1.0L);
  EXPECT_NEAR(static_cast<double>(sum / expected), 1.0, 1e-9);
}

TEST(ExactCampaign, TwoReleasesNeverBelowTheirIntegral_Long) {
  std::mt19937_64 random(2024);
  const auto log_uniform = [&](double low, double high) {
    return std::exp(std::uniform_real_distribution(std::log(low), std::log(high))(random));
  };
  for (int i = 0; i < 200; ++i) {
    const Release first{log_uniform(1e-6, 0.99), log_uniform(0.3, 100.0)};
    const Release other{log_uniform(1e-6, 0.99), log_uniform(0.3, 100.0)};
    check(first, i % 2 == 0 ? first : other, log_uniform(1e-15, 1e-3));
  }
}

}  // namespace
}  // namespace starling
