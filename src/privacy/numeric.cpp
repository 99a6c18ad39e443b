#include "privacy/numeric.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace starling {
namespace {

constexpr double kInvSqrtPi = 0.56418958354775628695;

// Continued fraction of erfc (Abramowitz and Stegun 7.1.14), evaluated from its tail.
double erfcx_fraction(double x) {
  const int terms = static_cast<int>(12.0 + 600.0 / (x * x));
  double tail = x;
  for (int k = terms; k >= 1; --k) tail = x + 0.5 * k / tail;
  return kInvSqrtPi / tail;
}

// x^2 to twice the working precision, so that e^(x^2) keeps its last digits.
double exp_square(double x) {
  const double square = x * x;
  return std::exp(square) * (1.0 + std::fma(x, x, -square));
}

}  // namespace

// Newton's method on the Legendre polynomial.
GaussLegendre gauss_legendre(int points) {
  GaussLegendre rule;
  for (int i = 0; i < points; ++i) {
    double x = -std::cos(std::numbers::pi * (i + 0.75) / (points + 0.5));
    double slope = 0.0;
    for (int iteration = 0; iteration < 50; ++iteration) {
      double before = 1.0, here = x;
      for (int n = 2; n <= points; ++n) {
        before = std::exchange(here, ((2.0 * n - 1.0) * x * here - (n - 1.0) * before) / n);
      }
      slope = points * (x * here - before) / (x * x - 1.0);
      const double step = here / slope;
      x -= step;
      if (std::abs(step) < 1e-16) break;
    }
    rule.node.push_back(0.5 * (1.0 + x));
    rule.weight.push_back(1.0 / ((1.0 - x * x) * slope * slope));
  }
  return rule;
}

double log_add_exp(double a, double b) {
  const double high = std::max(a, b);
  const double low = std::min(a, b);
  if (std::isinf(high)) return high;
  return high + std::log1p(std::exp(low - high));
}

std::complex<double> log1p(std::complex<double> z) {
  const double square = 2.0 * z.real() + std::norm(z);  // |1 + z|^2 - 1
  const double real = square > -0.5 ? 0.5 * std::log1p(square)
                                    : 0.5 * std::log(std::max(std::norm(1.0 + z), 1e-30));
  return {real, std::atan2(z.imag(), 1.0 + z.real())};
}

std::complex<double> expm1(std::complex<double> z) {
  const double half = std::sin(0.5 * z.imag());
  const double growth = std::exp(z.real());
  return {std::expm1(z.real()) - 2.0 * growth * half * half, growth * std::sin(z.imag())};
}

double log_expm1(double x) {
  return x > 30.0 ? x + std::log1p(-std::exp(-x)) : std::log(std::expm1(x));
}

double log1p_expm1_over(double x, double q) {
  if (q == 1.0) return x;
  if (x > 30.0) return log_add_exp(log_expm1(x) - std::log(q), 0.0);
  return std::log1p(std::expm1(x) / q);
}

double erfcx(double x) { return x < 4.0 ? exp_square(x) * std::erfc(x) : erfcx_fraction(x); }

double log_normal_cdf(double x) {
  const double y = -x * std::numbers::sqrt2 / 2.0;
  if (x > 0.0) return std::log1p(-0.5 * std::erfc(-y));
  return y < 4.0 ? std::log(0.5 * std::erfc(y)) : std::log(0.5 * erfcx(y)) - y * y;
}

}  // namespace starling
