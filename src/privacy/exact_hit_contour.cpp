#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>

#include "privacy/exact_hits.h"
#include "privacy/exact_integral.h"
#include "privacy/exact_phases.h"
#include "privacy/numeric.h"

namespace starling {
namespace {

using Complex = std::complex<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kLogShare = std::log(1e-6);  // of delta, for aliases and for the truncated tail
// Of delta, on both sides, for means over the nodes of the real line (Loss::log_hit_decay,
// split_step), which are no proof. README.md says what is proven without it.
const double kLogMargin = std::log(1e-5);
constexpr double kMostWork = 2e8;  // points times nodes
constexpr double kDropped = 8.0;   // of so many nodes, one or more matters
constexpr double kMostPoints = 1e5;

class HitContour : public IntegralCurve {
 public:
  HitContour(const SplitSide& split, const RestBound& rest, const Period& period, double t_max,
             double tail)
      : IntegralCurve(*split.side, split.theta, period, t_max, tail), rest_(rest) {
    points_.resize(points());
    for (size_t i = 0; i < split.nodes.size(); ++i) {
      add_release(split.nodes[i], split.side->releases[i].count);
    }
    for (size_t j = 0; j < points(); ++j) finish(j);
  }

  double log_upper(double epsilon) const override {
    return std::min(0.0, log_add_exp(IntegralCurve::log_upper(epsilon), rest_.at(epsilon)));
  }

  std::string method() const override {
    return "contour integral over rare hits, " + std::to_string(points()) + " points";
  }

 private:
  // The transform is e^rest (e^ratio - 1), ratio = sum of count log(1 + hit / rest); its size is at
  // most e^log_bound.
  struct Point {
    Complex log_rest, log_ratio;
    double rest_error = 0.0, ratio_error = 0.0, log_bound = 0.0;
    bool known = true;  // whether logarithms could be taken
  };

  void add_release(const SplitNodes& nodes, double count);
  void finish(size_t j);

  RestBound rest_;
  std::vector<Point> points_;
};

void HitContour::add_release(const SplitNodes& nodes, double count) {
  add_cumulant(count * nodes.cumulant);
  double mean_size = 0.0;
  for (size_t k = 0; k < nodes.loss.size(); ++k) {
    mean_size += nodes.rest[k] * std::abs(nodes.loss[k]);
  }
  const bool split = !nodes.hit.empty();
  const double hit_error = nodes.hit_error + kPhaseRounding * nodes.hits;
  std::vector<const std::vector<double>*> weights{&nodes.rest};
  if (split) weights.push_back(&nodes.hit);
  const auto sums = phase_sums(nodes.loss, weights, step(), points());
  for (size_t j = 0; j < points(); ++j) {
    Point& point = points_[j];
    const Complex rest = sums[0][j], hit = split ? nodes.hits + sums[1][j] : 0.0;
    const Complex log_rest = log1p(rest);
    const double size = std::exp(log_rest.real());
    const double error = nodes.error + phase_rounding(t(j), mean_size) + (size < 0.7 ? 3e-16 : 0.0);
    point.log_bound += count * std::log(size + std::abs(hit) + error + hit_error);
    const Complex ratio = hit / (1.0 + rest);
    const double away = std::abs(1.0 + ratio);
    const double change =
        (hit_error + std::abs(ratio) * error) / (size - error) + 4e-16 * std::abs(ratio);
    if (!(error < 0.1 * size && change < 0.1 * away)) {
      point.known = false;
      continue;
    }
    point.log_rest += count * log_rest;
    point.rest_error += count * -std::log1p(-error / size);
    point.log_ratio += count * log1p(ratio);
    point.ratio_error += count * 2.0 * change / away;
  }
}

void HitContour::finish(size_t j) {
  const Point& point = points_[j];
  double phase = point.log_rest.imag();
  const double size = factor(j, phase);
  const Complex hits = expm1(point.log_ratio);
  const double relative = point.rest_error + 4e-16 * std::abs(phase);
  const double change = std::exp(point.log_ratio.real()) * std::expm1(point.ratio_error);
  const double error = std::exp(point.log_rest.real()) *
                       (change * std::exp(relative) + std::abs(hits) * std::expm1(relative));
  const double bound = std::exp(point.log_bound);
  if (point.known && error < bound) {
    const double all = size * std::exp(point.log_rest.real()) * std::abs(hits);
    set_point(j, all, phase + std::arg(hits), size * error);
  } else {
    set_point(j, 0.0, 0.0, size * bound);
  }
}

}  // namespace

std::unique_ptr<DeltaCurve> make_hit_contour(const CurveTarget& target, const SplitSide& near,
                                             const RestBound& rest) {
  const Side& side = *near.side;
  const double threshold = near.threshold;
  const double tilt = hit_tilt(near, target.centre);
  const SplitSide split = split_side(side, tilt, threshold);
  if (!split.finite()) return nullptr;
  const Period period = hit_period(split, target, kLogShare);
  if (!(period.length < kInf)) return nullptr;
  const double step = 2.0 * std::numbers::pi / period.length;
  const double wanted =
      kLogShare + target.log_delta - split.rest_cumulant(tilt) + tilt * target.epsilon;
  const HitTail tail(split);
  const double t_max = tail.truncation(4.0 * step, wanted, kMostPoints * step);
  if (!(t_max < kInf)) return nullptr;
  const double most_nodes = kMostWork / (t_max / step);
  const SplitSide fine = split_side(side, tilt, threshold, t_max, kDropped * most_nodes);
  double nodes = 0.0;
  for (const SplitNodes& release : fine.nodes) nodes += static_cast<double>(release.loss.size());
  if (!fine.finite() || nodes > most_nodes) return nullptr;
  const double log_margin =
      kLogMargin + target.log_delta - split.rest_cumulant(tilt) + tilt * target.centre;
  return std::make_unique<HitContour>(fine, rest, period, t_max,
                                      std::exp(log_add_exp(tail.at(t_max), log_margin)));
}

}  // namespace starling
