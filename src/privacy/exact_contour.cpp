#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>

#include "privacy/exact_curve.h"
#include "privacy/exact_decay.h"
#include "privacy/numeric.h"

namespace starling {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kInf = std::numeric_limits<double>::infinity();
const double kLogShare = std::log(1e-7);  // of delta, for aliases and for the truncated tail
constexpr double kMostWork = 1.5e8;       // points times nodes
constexpr double kMostPoints = 2e5;
constexpr size_t kBlock = 64;

// delta(epsilon) = 1/(2 pi i) integral over theta + it of e^(K(s) - s epsilon) / (s (1 + s)) ds
// (Alghamdi et al. 2022, Theorem 3.1), by the trapezoid rule at t_j = j step.
class Contour : public DeltaCurve {
 public:
  Contour(const Side& side, double theta, const Period& period, double t_max, double tail,
          std::vector<TiltedNodes> nodes)
      : theta_(theta),
        period_(period),
        step_(2.0 * kPi / period.length),
        log_infinite_(side.log_infinite) {
    const size_t points = static_cast<size_t>(std::ceil(t_max / step_)) + 1;
    log_size_.assign(points, 0.0);
    phase_.assign(points, 0.0);
    log_error_.assign(points, 0.0);
    cumulant_ = 0.5 * side.mu_squared * theta * (1.0 + theta);
    for (size_t i = 0; i < nodes.size(); ++i) add_release(nodes[i], side.releases[i].count);
    finish(side.mu_squared, tail);
  }

  double log_upper(double epsilon) const override {
    const double finite = scale(epsilon) + std::log(std::max(0.0, sum(epsilon)) + error(epsilon));
    return std::min(0.0, log_add_exp(finite, log_infinite_));
  }

  double log_lower(double epsilon) const override {
    const double value = sum(epsilon) - error(epsilon);
    if (!(value > 0.0)) return -kInf;
    const double log_value = scale(epsilon) + std::log(value);
    const double log_aliases = period_.log_aliases(theta_, epsilon);
    if (log_aliases >= log_value) return -kInf;
    return log_value + std::log1p(-std::exp(log_aliases - log_value));
  }

  double log_rounding(double epsilon) const override {
    return scale(epsilon) + std::log(error(epsilon));
  }

  std::string method() const override {
    return "contour integral, " + std::to_string(phase_.size()) + " points";
  }

 private:
  double scale(double epsilon) const { return cumulant_ - theta_ * epsilon; }

  double sum(double epsilon) const {
    double total = 0.0;
    for (size_t j = 0; j < phase_.size(); ++j) {
      total += size_[j] * std::cos(phase_[j] - static_cast<double>(j) * step_ * epsilon);
    }
    return total;
  }

  double error(double epsilon) const {
    const double last = static_cast<double>(phase_.size()) * step_;
    return error_ + absolute_ * 4e-16 * (10.0 + std::abs(cumulant_) + (theta_ + last) * epsilon);
  }

  // Multiplies the integrand by a release's characteristic function to the power of its count.
  void add_release(const TiltedNodes& nodes, double count);
  void add_block(const TiltedNodes& nodes, double count, size_t first, double mean_size);
  void finish(double mu_squared, double tail);

  double theta_, cumulant_ = 0.0;
  Period period_;
  double step_, log_infinite_;
  std::vector<double> log_size_, phase_, log_error_, size_;
  double error_ = 0.0, absolute_ = 0.0;
  std::vector<double> re_, im_, turn_re_, turn_im_;
};

void Contour::add_release(const TiltedNodes& nodes, double count) {
  cumulant_ += count * nodes.cumulant;
  const size_t size = nodes.loss.size();
  re_.resize(size);
  im_.resize(size);
  turn_re_.resize(size);
  turn_im_.resize(size);
  double mean_size = 0.0;
  for (size_t k = 0; k < size; ++k) {
    mean_size += nodes.weight[k] * std::abs(nodes.loss[k]);
    const double angle = step_ * nodes.loss[k];
    const double half = std::sin(0.5 * angle);
    turn_re_[k] = -2.0 * half * half;
    turn_im_[k] = std::sin(angle);
  }
  for (size_t first = 0; first < phase_.size(); first += kBlock) {
    add_block(nodes, count, first, mean_size);
  }
}

// e^(itL) - 1 is advanced from point to point by one complex product, and afresh in each block, so
// that rounding neither grows nor hides small losses.
void Contour::add_block(const TiltedNodes& nodes, double count, size_t first, double mean_size) {
  const size_t size = nodes.loss.size();
  const double start = static_cast<double>(first) * step_;
  for (size_t k = 0; k < size; ++k) {
    const double half = std::sin(0.5 * start * nodes.loss[k]);
    re_[k] = -2.0 * half * half;
    im_[k] = std::sin(start * nodes.loss[k]);
  }
  for (size_t j = first; j < std::min(first + kBlock, phase_.size()); ++j) {
    double sum_re = 0.0, sum_im = 0.0;
    for (size_t k = 0; k < size; ++k) {
      sum_re += nodes.weight[k] * re_[k];
      sum_im += nodes.weight[k] * im_[k];
      const double re = re_[k] + turn_re_[k] + re_[k] * turn_re_[k] - im_[k] * turn_im_[k];
      im_[k] += turn_im_[k] + re_[k] * turn_im_[k] + im_[k] * turn_re_[k];
      re_[k] = re;
    }
    const double square = 2.0 * sum_re + sum_re * sum_re + sum_im * sum_im;  // |.|^2 - 1
    const double t = static_cast<double>(j) * step_;
    const double rounding = 3e-14 * std::min(2.0, t * mean_size);
    if (!(square > -1.0 + 1e-24)) {
      log_size_[j] -= count * 27.0;
      log_error_[j] += count * std::log1p((nodes.error + rounding) * std::exp(27.0));
      continue;
    }
    const double log_ratio = 0.5 * std::log1p(square);
    log_size_[j] += count * log_ratio;
    phase_[j] += count * std::atan2(sum_im, 1.0 + sum_re);
    log_error_[j] += count * std::log1p((nodes.error + rounding) * std::exp(-log_ratio));
  }
}

// The factor 1 / (s (1 + s)), the Gaussian part and the rule's weights.
void Contour::finish(double mu_squared, double tail) {
  size_.resize(phase_.size());
  error_ = tail;
  for (size_t j = 0; j < phase_.size(); ++j) {
    const double t = static_cast<double>(j) * step_;
    const std::complex<double> s(theta_, t);
    const std::complex<double> hinge = -std::log(s) - std::log(1.0 + s);
    log_size_[j] += hinge.real() - 0.5 * mu_squared * t * t;
    phase_[j] += hinge.imag() + 0.5 * mu_squared * t * (1.0 + 2.0 * theta_);
    size_[j] = (j == 0 ? 0.5 : 1.0) * step_ / kPi * std::exp(log_size_[j]);
    const double relative = log_error_[j] + 4e-16 * std::abs(phase_[j]);
    // The true factor is at most e^log_error times the computed one, and at most 1.
    error_ += size_[j] * std::expm1(std::min(relative, 700.0));
    absolute_ += size_[j];
  }
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
  double count = 0.0;
  for (const Release& release : side.releases) {
    nodes.push_back(release.loss->tilted(theta, t_max, std::log(side.count())));
    count += static_cast<double>(nodes.back().loss.size());
    if (!(nodes.back().error < 1.0) || count * t_max / step > kMostWork) return nullptr;
  }
  return std::make_unique<Contour>(side, theta, period, t_max, std::exp(decay.log_tail()),
                                   std::move(nodes));
}

}  // namespace starling
