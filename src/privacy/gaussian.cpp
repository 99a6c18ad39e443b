#include "starling/privacy/gaussian.h"

#include <cmath>
#include <limits>
#include <numbers>
#include <string>

#include "privacy/numeric.h"
#include "privacy/terms.h"
#include "starling/core/error.h"
#include "starling/privacy/event_json.h"

namespace starling {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

void check_sigma(double sigma) {
  if (!(sigma > 0.0)) throw InputError("sigma", number_text(sigma) + " is outside (0, inf]");
}

void check_positive_delta(double delta) {
  check_delta(delta);
  if (delta == 0.0) throw InputError("delta", "0 is outside (0, 1]: a Gaussian gives none");
}

// With x = (epsilon sigma - 1/(2 sigma)) / sqrt 2 and y = x + 1/(sqrt 2 sigma), both terms share
// the factor e^-x^2: delta = e^-x^2 (erfcx(x) - erfcx(y)) / 2.
double log_delta(double sigma, double epsilon) {
  const double x = (epsilon * sigma - 0.5 / sigma) / std::numbers::sqrt2;
  const double y = x + 1.0 / (sigma * std::numbers::sqrt2);
  if (x < -0.7) return std::log1p(-0.5 * std::exp(-x * x) * (erfcx(-x) + erfcx(y)));
  return std::log(0.5 * (erfcx(x) - erfcx(y))) - x * x;
}

// The smallest x in [low, high] where `holds`, which is false at low and true at high.
template <class Holds>
double smallest(double low, double high, const Holds& holds) {
  for (int i = 0; i < 200; ++i) {
    const double middle = low + 0.5 * (high - low);
    if (middle <= low || middle >= high) break;
    (holds(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace

double gaussian_log_delta(double sigma, double epsilon) {
  check_sigma(sigma);
  check_epsilon(epsilon);
  if (sigma == kInf || epsilon == kInf) return -kInf;
  return log_delta(sigma, epsilon);
}

double gaussian_delta(double sigma, double epsilon) {
  return std::exp(gaussian_log_delta(sigma, epsilon));
}

double gaussian_epsilon(double sigma, double delta) {
  check_sigma(sigma);
  check_positive_delta(delta);
  const double target = std::log(delta);
  const auto holds = [&](double epsilon) { return log_delta(sigma, epsilon) <= target; };
  if (sigma == kInf || holds(0.0)) return 0.0;
  double high = 1.0;
  while (!holds(high)) high *= 2.0;
  return smallest(0.0, high, holds);
}

double gaussian_noise_multiplier(double epsilon, double delta) {
  check_epsilon(epsilon);
  check_positive_delta(delta);
  const double target = std::log(delta);
  const auto holds = [&](double sigma) { return log_delta(sigma, epsilon) <= target; };
  if (delta == 1.0 || epsilon == kInf) return 0.0;
  double low = 1.0, high = 1.0;
  while (holds(low)) low /= 2.0;
  while (!holds(high)) high *= 2.0;
  return smallest(low, high, holds);
}

}  // namespace starling
