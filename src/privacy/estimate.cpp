#include "privacy/estimate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <variant>

#include "privacy/numeric.h"
#include "starling/privacy/gaussian.h"

namespace starling {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kTolerance = 1e-2;  // of an epsilon, relative

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

struct Estimate {
  double epsilon;
  double mu_squared = 0.0;
  double log_hits = -kInf;
  // Of releases with so little noise that each tells whom it took: how many take the record, mean
  // and variance of their losses.
  double taken = 0.0, mean = 0.0, variance = 0.0;

  void add(const Term& term);
  void add_sampled(double rate, double sigma, double count);
};

// With w(z) - 1 = q (e^((2z - 1) / (2 s^2)) - 1), the second moment of w - 1 up to z, and the delta
// of one release by amplification.
void Estimate::add_sampled(double rate, double sigma, double count) {
  const double loss = std::clamp(epsilon, 1e-2, 1.0);
  const double z = 0.5 + sigma * sigma * std::log1p(std::expm1(loss) / rate);
  const double log_top = 1.0 / (sigma * sigma) + log_normal_cdf((z - 2.0) / sigma);
  const double moment = std::exp(std::min(log_top, 600.0)) - 2.0 * normal_cdf((z - 1.0) / sigma) +
                        normal_cdf(z / sigma);
  mu_squared += count * rate * rate * std::max(0.0, moment);
  const double hits = gaussian_log_delta(sigma, log1p_expm1_over(epsilon, rate));
  log_hits = log_add_exp(log_hits, std::log(count * rate) + hits);
  const double told = 0.5 / (sigma * sigma) + std::log(rate);
  if (told > 0.0) {
    taken += count * rate;
    mean += count * rate * told;
    variance += count * rate * (1.0 / (sigma * sigma) + (1.0 - rate) * told * told);
  }
}

void Estimate::add(const Term& term) {
  const double n = term.count;
  if (const auto* t = std::get_if<GaussianTerm>(&term.kind)) {
    mu_squared += n * t->mu_squared;
  } else if (const auto* t = std::get_if<PoissonGaussianTerm>(&term.kind)) {
    add_sampled(t->rate, t->sigma, t->replace ? 2.0 * n : n);
  } else if (const auto* t = std::get_if<WithoutReplacementTerm>(&term.kind)) {
    add_sampled(std::min(t->rate, 0.999), t->sigma, n);
  } else if (const auto* t = std::get_if<LaplaceTerm>(&term.kind)) {
    mu_squared += n * t->rate * t->rate / (t->scale * t->scale);
  } else if (const auto* t = std::get_if<ResponseTerm>(&term.kind)) {
    mu_squared += n * 2.0 * (t->high - t->low) * std::log(t->high / t->low);
  } else if (const auto* t = std::get_if<ZcdpTerm>(&term.kind)) {
    mu_squared += n * 2.0 * t->rho;
  } else if (const auto* t = std::get_if<SelectTerm>(&term.kind)) {
    for (const Term& base : t->base) add(base);
  } else {
    mu_squared = kInf;
  }
}

}  // namespace

double estimated_log_delta(std::span<const Term> terms, double epsilon) {
  Estimate estimate{epsilon};
  for (const Term& term : terms) estimate.add(term);
  if (!(estimate.mu_squared < kInf)) return 0.0;
  const double body = estimate.mu_squared > 0.0
                          ? gaussian_log_delta(1.0 / std::sqrt(estimate.mu_squared), epsilon)
                          : -kInf;
  const double above = (estimate.mean - epsilon) / std::sqrt(estimate.variance);
  // A single one is a hit.
  const double told = estimate.taken > 1.0 ? log_normal_cdf(above) : -kInf;
  return std::min(0.0, log_add_exp(log_add_exp(body, estimate.log_hits), told));
}

double estimated_epsilon(std::span<const Term> terms, double log_delta, double low, double high) {
  while (high > (1.0 + kTolerance) * low) {
    const double middle = std::sqrt(low * high);
    (estimated_log_delta(terms, middle) <= log_delta ? high : low) = middle;
  }
  return high;
}

}  // namespace starling
