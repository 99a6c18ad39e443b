#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>

#include "privacy/exact_decay.h"
#include "privacy/exact_integral.h"
#include "privacy/exact_phases.h"
#include "privacy/numeric.h"

namespace starling {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kInf = std::numeric_limits<double>::infinity();
const double kLogShare = std::log(1e-7);  // of delta, for aliases and for the truncated tail
constexpr double kMostWork = 1.5e8;       // points times nodes
constexpr double kMostNodes = 3e5;        // of a release
constexpr double kDropped = 4.0;          // of so many nodes, one or more matters
constexpr double kMostPoints = 2e5;
constexpr double kLogSmallest = -27.0;  // of a release's transform

class Contour : public IntegralCurve {
 public:
  Contour(const Side& side, double theta, const Period& period, double t_max, double tail,
          const std::vector<TiltedNodes>& nodes)
      : IntegralCurve(side, theta, period, t_max, tail) {
    log_size_.assign(points(), 0.0);
    phase_.assign(points(), 0.0);
    log_error_.assign(points(), 0.0);
    for (size_t i = 0; i < nodes.size(); ++i) add_release(nodes[i], side.releases[i].count);
    for (size_t j = 0; j < points(); ++j) finish(j);
  }

  std::string method() const override {
    return "contour integral, " + std::to_string(points()) + " points";
  }

 private:
  // Multiplies the integrand by a release's characteristic function to the power of its count.
  void add_release(const TiltedNodes& nodes, double count);
  void finish(size_t j);

  std::vector<double> log_size_, phase_, log_error_;
};

void Contour::add_release(const TiltedNodes& nodes, double count) {
  add_cumulant(count * nodes.cumulant);
  double mean_size = 0.0;
  for (size_t k = 0; k < nodes.loss.size(); ++k) {
    mean_size += nodes.weight[k] * std::abs(nodes.loss[k]);
  }
  const auto sums = phase_sums(nodes.loss, {&nodes.weight}, step(), points());
  for (size_t j = 0; j < points(); ++j) {
    const std::complex<double> log_ratio = log1p(sums[0][j]);
    const double error = nodes.error + phase_rounding(t(j), mean_size);
    const double log_size = std::max(log_ratio.real(), kLogSmallest);
    log_size_[j] += count * log_size;
    log_error_[j] += count * std::log1p(error * std::exp(-log_size));
    if (log_ratio.real() > kLogSmallest) phase_[j] += count * log_ratio.imag();
  }
}

void Contour::finish(size_t j) {
  double phase = phase_[j];
  const double size = factor(j, phase) * std::exp(log_size_[j]);
  const double relative = log_error_[j] + 4e-16 * std::abs(phase);
  // The true factor is at most e^log_error times the computed one, and at most 1.
  set_point(j, size, phase, size * std::expm1(std::min(relative, 700.0)));
}

}  // namespace

std::unique_ptr<DeltaCurve> make_contour(const Side& side, const CurveTarget& target) {
  const double theta = target.theta;
  if (!std::isfinite(side.cumulant(theta, theta))) return nullptr;
  Decay decay(side, theta);
  const double deviation = std::sqrt(side.tilted_variance(theta));
  const Period period =
      choose_period(side, theta, target.epsilon, target.log_delta, kLogShare, true);
  const double step = 2.0 * kPi / period.length;
  // delta e^(theta epsilon - K) is about 1 / (theta (1 + theta) deviation).
  const double expected = -std::log1p(2.5 * theta * (1.0 + theta) * deviation) - 3.0;
  const double log_tail = kLogShare + expected;
  const double t_max =
      decay.truncation(std::max(1.0 / deviation, step), log_tail, step * kMostPoints);
  if (!(t_max < kInf)) return nullptr;
  std::vector<TiltedNodes> nodes;
  const double most_nodes = std::min(kMostNodes, kDropped * kMostWork * step / t_max);
  double count = 0.0;
  for (const Release& release : side.releases) {
    nodes.push_back(release.loss->tilted({theta, t_max, std::log(side.count()), most_nodes}));
    count += static_cast<double>(nodes.back().loss.size());
    if (!(nodes.back().error < 1.0) || count * t_max / step > kMostWork) return nullptr;
  }
  return std::make_unique<Contour>(side, theta, period, t_max, std::exp(decay.log_tail()),
                                   std::move(nodes));
}

}  // namespace starling
