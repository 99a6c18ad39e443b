#include "privacy/loss_gaussian.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace starling {

// P(y > cut) = (1-q) Phi(-cut/s) + q Phi((1-cut)/s); losses of the add direction are bounded.
void PoissonGaussianLoss::cut(double log_mass) {
  if (direction_ == Direction::add) return;
  double low = 0.0, high = 1.0 + 60.0 * s_;
  for (int i = 0; i < 60; ++i) {
    const double y = 0.5 * (low + high);
    const double mass =
        log_add_exp(log_rest_ + log_normal_cdf(-y / s_), log_q_ + log_normal_cdf((1.0 - y) / s_));
    (mass > log_mass ? low : high) = y;
  }
  cut_ = high;
}

double PoissonGaussianLoss::top(double theta, double log_count) const {
  const double end = tilted_high(theta);
  if (end <= cut_) return end;
  const double far = cut_ + 60.0 * s_;
  for (double y = cut_; y < std::min(end, far); y += 0.25 * s_) {
    if (log_tilted(theta, y) + std::log(s_) < -kLogAccuracy - log_count - 10.0) return y;
  }
  return end < far ? end : INFINITY;
}

std::span<const PoissonGaussianLoss::Point> PoissonGaussianLoss::points(double theta,
                                                                        double top) const {
  const double h = grid_step();
  const double first = std::floor(low() / h);
  const double end = std::min(tilted_high(theta), top);
  const double last = std::min(std::ceil(end / h) + 1.0, first + 4e6);
  const size_t count = static_cast<size_t>(last - first) + 1;
  while (points_.size() < count) {
    const double y = (first + static_cast<double>(points_.size())) * h;
    const double log_mass = std::log(h) + log_density(y);
    points_.push_back({std::exp(log_mass), log_mass, loss(y)});
  }
  return std::span(points_).first(count);
}

double PoissonGaussianLoss::cumulant(double theta, double top) const {
  if (std::isinf(top)) return INFINITY;
  double excess = 0.0, high = 0.0;
  for (const Point& point : points(theta, top))
    high = std::max(high, point.log_mass + theta * point.loss);
  const double scale = high < 300.0 ? 0.0 : high;
  for (const Point& point : points(theta, top)) {
    const double growth = theta * point.loss;
    if (point.log_mass + std::max(0.0, growth) < high - 50.0) continue;
    excess += scale == 0.0 && growth < 600.0 ? point.mass * std::expm1(growth)
                                             : std::exp(point.log_mass + growth - scale);
  }
  return scale == 0.0 ? std::log1p(excess) : scale + std::log(excess);
}

TiltedNodes PoissonGaussianLoss::rough_nodes(double theta, double top) const {
  TiltedNodes nodes;
  nodes.cumulant = cumulant(theta, top);
  for (const Point& point : points(theta, top)) {
    const double exponent = point.log_mass + theta * point.loss - nodes.cumulant;
    if (exponent < -50.0) continue;
    nodes.weight.push_back(std::exp(exponent));
    nodes.loss.push_back(point.loss);
  }
  return nodes;
}

// From the point below the split to the point above the cut, with full weights.
double PoissonGaussianLoss::rare_moment(double theta) const {
  if (!(split_ < top())) return 0.0;
  const std::span<const Point> all = points(theta, top());
  double total = 0.0;
  for (size_t k = all.size(); k-- > 0;) {
    total += std::exp(all[k].log_mass + theta * all[k].loss);
    if (low() + static_cast<double>(k) * grid_step() < split_ - grid_step()) break;
  }
  return total;
}

double PoissonGaussianLoss::variance(double theta, double top) const {
  double high = 0.0, sum = 0.0, first = 0.0, second = 0.0;
  for (const Point& point : points(theta, top))
    high = std::max(high, point.log_mass + theta * point.loss);
  for (const Point& point : points(theta, top)) {
    const double exponent = point.log_mass + theta * point.loss - high;
    if (exponent < -50.0) continue;
    const double weight = std::exp(exponent), away = point.loss - anchor();
    sum += weight;
    first += weight * away;
    second += weight * away * away;
  }
  return std::max(0.0, second / sum - first / sum * (first / sum));
}

// In a cell the convex part of the tilted log density is replaced by its tangent, so that what
// remains is concave and smallest at an end.
std::vector<DecayCell> PoissonGaussianLoss::decay_cells(double theta, double cumulant,
                                                        double width) const {
  const double w = width * s_;
  const double power = direction_ == Direction::add ? 0.0 : 1.0 + theta;
  std::vector<DecayCell> cells;
  const double stop =
      std::min(std::max(cut_, 0.0), std::min(tilted_high(theta), low() + 4000.0 * w));
  for (double y = low(); y < stop; y += w) {
    const double left = log_tilted(theta, y) - cumulant;
    const double slope = power * share(y) / s2_;
    const double z0 = y, z1 = y + w;
    // P's convex part log w(z) (1 + theta) against its tangent at the cell's left end.
    const double bend = power == 0.0 ? 0.0 : power * (log_w(z1) - log_w(z0)) - slope * w;
    const double right = log_tilted(theta, z1) - cumulant - bend;
    const double log_mass = std::min(left, right) + std::log(w);
    double least = share(z0), most = share(z1);
    if (direction_ == Direction::add) {
      least = share(-z1);
      most = share(-z0);
    } else if (direction_ == Direction::replace) {
      least = share(z0) + share(-z1);
      most = share(z1) + share(-z0);
    }
    const double mass = least > 0.0 ? std::exp(log_mass) : 0.0;
    cells.push_back({mass, least / s2_ * w / 4.0, most / least, loss(z0), loss(z1)});
  }
  return cells;
}

std::unique_ptr<Loss> make_poisson_gaussian_loss(const PoissonGaussianTerm& term,
                                                 Direction direction) {
  return std::make_unique<PoissonGaussianLoss>(term, direction);
}

}  // namespace starling
