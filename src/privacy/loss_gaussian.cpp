#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>

#include "privacy/loss.h"
#include "privacy/numeric.h"

namespace starling {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kTail = 13.0;  // standard deviations; e^-84 lies beyond
constexpr double kLogAccuracy = 32.0;
constexpr double kMostNodes = 3e5;

// Heights above the real line, as shares of the strip's pi.
const std::vector<double> kAngles = [] {
  std::vector<double> angles;
  for (int i = 1; i <= 14; ++i) angles.push_back(0.97 * kPi * std::pow(i / 14.0, 2.5));
  return angles;
}();
// Means over the law at some height are sums over the nodes of the real line.
constexpr double kGrowthSlack = 2.0;

// w(z) = 1 - q + q e^((2z-1)/2s^2) is the ratio of the sampled Gaussian to N(0, s^2).
//   remove   P = w N(0, s^2), Q = N(0, s^2):               L = log w(z),              y = z
//   add      P = N(0, s^2),   Q = w N(0, s^2):             L = -log w(z),             y = -z
//   replace  P = w N(0, s^2), Q = w(-z) N(0, s^2):         L = log w(z) - log w(-z),  y = z
class PoissonGaussianLoss : public Loss {
 public:
  PoissonGaussianLoss(const PoissonGaussianTerm& term, Direction direction)
      : direction_(direction),
        s_(term.sigma),
        s2_(term.sigma * term.sigma),
        log_q_(std::log(term.rate)),
        log_rest_(std::log1p(-term.rate)),
        q_(term.rate),
        log_norm_(-std::log(term.sigma * std::sqrt(2.0 * kPi))) {}

  TiltedNodes tilted(double theta, double t_max, double log_count) const override;
  double cumulant(double theta, double top) const override;
  double variance(double theta, double top) const override;
  void cut(double log_mass) override;
  void split(double loss) override {
    if (direction_ != Direction::add) split_ = loss < 1e300 ? place(loss) : INFINITY;
  }
  double rare_from() const override { return split_; }
  double rare_moment(double theta) const override;
  SplitNodes split_nodes(const SplitRequest& request) const override;
  HitDecay hit_decay(const SplitNodes& nodes, double theta) const override;
  double split_end(double threshold) const override {
    return splits(threshold) ? place(threshold) + 12.0 * split_width() : high();
  }
  double rest_share(double here, double threshold) const override {
    if (!splits(threshold)) return 1.0;
    const double away = (place(here) - place(threshold)) / split_width();
    return 0.5 * std::erfc(away / std::numbers::sqrt2);
  }
  double top() const override { return std::min(cut_, high()); }
  double top(double theta, double log_count) const override;
  std::vector<DecayCell> decay_cells(double theta, double cumulant, double width) const override;

  bool has_density() const override { return true; }
  double low() const override { return -kTail * s_; }
  double high() const override { return (direction_ == Direction::add ? 0.0 : 1.0) + kTail * s_; }
  double scale() const override { return std::min(s_, s2_); }

  double loss(double y) const override {
    if (direction_ == Direction::remove) return log_w(y);
    if (direction_ == Direction::add) return -log_w(-y);
    return log_w(y) - log_w(-y);
  }

  double place(double loss) const override {
    if (direction_ == Direction::remove) return inverse_log_w(loss);
    if (direction_ == Direction::add) return -inverse_log_w(-loss);
    return loss < 0.0 ? -place_replace(-loss) : place_replace(loss);
  }

  double log_density(double y) const override {
    return log_norm_ - y * y / (2.0 * s2_) + (direction_ == Direction::add ? 0.0 : log_w(y));
  }

  std::vector<LossAtom> atoms() const override { return {}; }
  double atom_spacing() const override { return 0.0; }
  double anchor() const override {
    if (direction_ == Direction::remove) return log_rest_;
    return direction_ == Direction::add ? -log_rest_ : 0.0;
  }

 private:
  double log_w(double z) const {
    const double exponent = (2.0 * z - 1.0) / (2.0 * s2_);
    if (exponent < 30.0) return std::log1p(q_ * std::expm1(exponent));
    return log_add_exp(log_rest_, log_q_ + exponent);
  }

  // The share of the shifted component, which is s^2 times the derivative of log w.
  double share(double z) const {
    const double odds = log_q_ - log_rest_ + (2.0 * z - 1.0) / (2.0 * s2_);
    return 1.0 / (1.0 + std::exp(-odds));
  }

  double inverse_log_w(double loss) const {
    const double rise = loss - log_rest_;
    if (!(rise > 0.0)) return -INFINITY;
    return s2_ * (log_expm1(rise) + log_rest_ - log_q_) + 0.5;
  }

  // e^L (1 - q + q e^(..-z)) = 1 - q + q e^(..+z): a quadratic in x = e^(z/s^2).
  double place_replace(double loss) const {
    const double log_r = log_q_ - log_rest_ - 0.5 / s2_;
    if (loss == 0.0) return 0.0;
    const double log_half = log_expm1(loss) - std::log(2.0) - log_r;  // (e^L - 1) / 2r
    return s2_ * (log_half + log_add_exp(0.0, 0.5 * log_add_exp(0.0, loss - 2.0 * log_half)));
  }

  // log of the tilted density before division by e^K.
  double log_tilted(double theta, double y) const { return log_density(y) + theta * loss(y); }

  double step(double theta, double t_max, double log_count) const;
  double argument(double y, double angle) const;
  double growth(double theta, double angle) const;
  // The split rises as Phi(y / width): sharp against the loss, which grows over s^2, and no sharper
  // than the quadrature bears.
  double split_width() const { return 0.1 * std::min(s_, s2_); }
  bool splits(double threshold) const { return direction_ != Direction::add && threshold < 1e300; }
  double split_step(const SplitNodes& coarse, double theta, double t_max, double need) const;
  SplitNodes split_nodes_at(double h, const SplitRequest& request) const;
  double grid_step() const { return std::min(0.5 * s_, 0.7 * s2_); }
  double tilted_high(double theta) const {
    if (direction_ == Direction::add) return kTail * s_;
    return (direction_ == Direction::remove ? 1.0 : 2.0) * (1.0 + theta) + kTail * s_;
  }

  struct Point {
    double mass;
    double log_mass;
    double loss;
  };

  Direction direction_;
  double s_, s2_, log_q_, log_rest_, q_, log_norm_;
  // A grid that serves every theta.
  std::span<const Point> points(double theta, double top) const;

  double cut_ = INFINITY, split_ = INFINITY;
  mutable std::vector<Point> points_;
};

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
  for (const Point& point : points(theta, top)) {
    const double growth = theta * point.loss;
    if (point.log_mass + std::max(0.0, growth) < high - 50.0) continue;
    excess +=
        high < 300.0 ? point.mass * std::expm1(growth) : std::exp(point.log_mass + growth - high);
  }
  return high < 300.0 ? std::log1p(excess) : high + std::log(excess);
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

TiltedNodes PoissonGaussianLoss::tilted(double theta, double t_max, double log_count) const {
  const double h = step(theta, t_max, log_count);
  const double end = top(theta, log_count);
  const double first = std::floor(low() / h);
  const double last = std::ceil((std::isfinite(end) ? end : top()) / h);
  TiltedNodes nodes;
  nodes.error = INFINITY;
  if (!(last - first < kMostNodes)) return nodes;
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
      const double excess = std::exp(log_mass[k]) * std::expm1(theta * nodes.loss[k]);
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

// arg of w at height y = angle s^2 above the real line: by how much e^(itL) grows there, or shrinks
// below it, is e^(t argument).
double PoissonGaussianLoss::argument(double y, double angle) const {
  const auto of_w = [&](double z) {
    const double log_odds = log_q_ - log_rest_ + (2.0 * z - 1.0) / (2.0 * s2_);
    if (log_odds > 40.0) return angle;
    const double odds = std::exp(log_odds);
    return std::atan2(odds * std::sin(angle), 1.0 + odds * std::cos(angle));
  };
  if (direction_ == Direction::replace) return of_w(y) + of_w(-y);
  return of_w(direction_ == Direction::add ? -y : y);
}

// Of all factors at that height but e^(itL), the smooth split's included: the normal distribution
// function Phi has |Phi(a + ib)| <= e^(b^2/2) Phi(a).
double PoissonGaussianLoss::growth(double theta, double angle) const {
  const double power = direction_ == Direction::remove ? 0.0 : theta;
  const double height = angle * s2_ / split_width();
  return 0.5 * (angle * angle * s2_ + height * height) - power * std::log(std::cos(0.5 * angle));
}

std::vector<double> logarithms(std::span<const double> weights) {
  std::vector<double> logs;
  for (double weight : weights) logs.push_back(std::log(weight));
  return logs;
}

// log sum of weights e^(t argument). A weight far below the largest may matter most.
double log_mean_growth(std::span<const double> log_weights, std::span<const double> arguments,
                       double t) {
  double high = -INFINITY, sum = 0.0;
  for (size_t k = 0; k < log_weights.size(); ++k) {
    high = std::max(high, log_weights[k] + t * arguments[k]);
  }
  for (size_t k = 0; k < log_weights.size(); ++k) {
    const double exponent = log_weights[k] + t * arguments[k] - high;
    if (exponent > -40.0) sum += std::exp(exponent);
  }
  return high + std::log(sum);
}

// As step(), but e^(t argument) is averaged over the law instead of bounded by its largest value.
double PoissonGaussianLoss::split_step(const SplitNodes& coarse, double theta, double t_max,
                                       double need) const {
  double widest = 0.0;
  std::vector<double> arguments(coarse.place.size());
  const std::vector<double> log_rest = logarithms(coarse.rest), log_hit = logarithms(coarse.hit);
  for (double angle : kAngles) {
    for (size_t k = 0; k < arguments.size(); ++k) arguments[k] = argument(coarse.place[k], angle);
    double more = log_mean_growth(log_rest, arguments, t_max);
    if (coarse.hits > 0.0) {
      const double hits = log_mean_growth(log_hit, arguments, t_max);
      more = std::max(more, hits - std::log(coarse.hits));
    }
    const double all = need + growth(theta, angle) + more + kGrowthSlack;
    widest = std::max(widest, 2.0 * kPi * angle * s2_ / all);
  }
  return std::min(widest, 0.6 * s_);
}

// Nodes whose weights do not matter, of which there are fewer than e^12.
void drop_negligible(SplitNodes& nodes, double least) {
  size_t kept = 0;
  for (size_t k = 0; k < nodes.loss.size(); ++k) {
    const bool hit = !nodes.hit.empty() && nodes.hit[k] > least * nodes.hits;
    if (!hit && !(nodes.rest[k] > least)) continue;
    nodes.place[kept] = nodes.place[k];
    nodes.loss[kept] = nodes.loss[k];
    nodes.rest[kept] = nodes.rest[k];
    if (!nodes.hit.empty()) nodes.hit[kept] = nodes.hit[k];
    ++kept;
  }
  for (auto* list : {&nodes.place, &nodes.loss, &nodes.rest, &nodes.hit}) {
    if (!list->empty()) list->resize(kept);
  }
}

SplitNodes PoissonGaussianLoss::split_nodes(const SplitRequest& request) const {
  const double need = kLogAccuracy + request.log_count;
  double h = 0.0;
  for (double angle : kAngles) {
    h = std::max(h, 2.0 * kPi * angle * s2_ / (need + growth(request.theta, angle)));
  }
  SplitNodes nodes = split_nodes_at(std::min(h, 0.6 * s_), request);
  if (request.t_max == 0.0 || !std::isfinite(nodes.error)) return nodes;
  nodes = split_nodes_at(split_step(nodes, request.theta, request.t_max, need), request);
  drop_negligible(nodes, std::exp(-need - 12.0));
  return nodes;
}

SplitNodes PoissonGaussianLoss::split_nodes_at(double h, const SplitRequest& request) const {
  const double theta = request.theta, log_count = request.log_count;
  const double middle = splits(request.threshold) ? place(request.threshold) : INFINITY;
  SplitNodes nodes;
  nodes.error = INFINITY;
  const double first = std::floor(low() / h), last = std::ceil(request.end / h);
  if (!(last - first < request.most_nodes)) return nodes;
  double excess = 0.0, absolute = 0.0;
  for (double k = first; k <= last; ++k) {
    const double y = k * h, here = loss(y), log_mass = std::log(h) + log_density(y);
    const double mass = std::exp(log_mass),
                 away = (y - middle) / (split_width() * std::numbers::sqrt2);
    const double hit = 0.5 * std::erfc(-away), rest = 0.5 * std::erfc(away);
    const double tilted = log_mass + theta * here;
    if (std::log(rest) + tilted > 300.0) return nodes;
    const double part = (rest > 0.0 ? mass * rest * std::expm1(theta * here) : 0.0) - mass * hit;
    excess += part;
    absolute += std::abs(part);
    nodes.place.push_back(y);
    nodes.loss.push_back(here);
    nodes.rest.push_back(rest > 0.0 ? std::exp(tilted + std::log(rest)) : 0.0);
    if (middle < INFINITY) nodes.hit.push_back(hit * std::exp(tilted));
  }
  nodes.cumulant = std::log1p(excess);
  const double scale = std::exp(-nodes.cumulant);
  for (double& weight : nodes.rest) weight *= scale;
  for (double& weight : nodes.hit) nodes.hits += weight *= scale;
  const double accuracy = 5.0 * std::exp(-kLogAccuracy - log_count);
  nodes.error =
      accuracy + 2e-16 * std::abs(nodes.cumulant) + 1e-15 * std::min(1.0, absolute * scale);
  nodes.at_end = nodes.rest.back();
  nodes.hit_error = nodes.hits * (accuracy + 1e-14) + 10.0 * scale * std::exp(-42.0 - log_count);
  return nodes;
}

HitDecay PoissonGaussianLoss::hit_decay(const SplitNodes& nodes, double theta) const {
  HitDecay decay;
  if (!(nodes.hits > 0.0)) return decay;
  decay.log_hit = logarithms(nodes.hit);
  for (double angle : kAngles) {
    decay.growth.push_back(growth(theta, angle) + kGrowthSlack);
    std::vector<double>& arguments = decay.arguments.emplace_back();
    for (double y : nodes.place) arguments.push_back(argument(y, angle));
  }
  // The real line itself.
  decay.growth.push_back(0.0);
  decay.arguments.emplace_back(nodes.place.size(), 0.0);
  return decay;
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

// N(mu^2/2, mu^2): needed on a lattice only; transforms take it in closed form.
class GaussianLoss : public Loss {
 public:
  explicit GaussianLoss(double mu_squared) : mu_(std::sqrt(mu_squared)) {}

  TiltedNodes tilted(double theta, double, double) const override {
    TiltedNodes nodes;
    nodes.cumulant = 0.5 * mu_ * mu_ * theta * (1.0 + theta);
    for (double y = -6.0; y <= 6.0; y += 0.5) {
      nodes.weight.push_back(0.5 * std::exp(-0.5 * y * y) / std::sqrt(2.0 * kPi));
      nodes.loss.push_back(mu_ * y + mu_ * mu_ * (0.5 + theta));
    }
    return nodes;
  }
  std::vector<DecayCell> decay_cells(double, double, double) const override { return {}; }
  bool has_density() const override { return true; }
  double low() const override { return -kTail; }
  double high() const override { return kTail; }
  double scale() const override { return std::min(1.0, 1.0 / mu_); }
  double loss(double y) const override { return mu_ * y + 0.5 * mu_ * mu_; }
  double place(double loss) const override { return loss / mu_ - 0.5 * mu_; }
  double log_density(double y) const override { return -0.5 * y * y - 0.5 * std::log(2.0 * kPi); }
  std::vector<LossAtom> atoms() const override { return {}; }
  double anchor() const override { return 0.0; }
  double atom_spacing() const override { return 0.0; }

 private:
  double mu_;
};

}  // namespace

std::unique_ptr<Loss> make_poisson_gaussian_loss(const PoissonGaussianTerm& term,
                                                 Direction direction) {
  return std::make_unique<PoissonGaussianLoss>(term, direction);
}

std::unique_ptr<Loss> make_gaussian_loss(double mu_squared) {
  return std::make_unique<GaussianLoss>(mu_squared);
}

double HitDecay::at(double t) const {
  double best = log_hit.empty() ? -INFINITY : INFINITY;
  for (size_t i = 0; i < growth.size(); ++i) {
    best = std::min(best, log_mean_growth(log_hit, arguments[i], -t) + growth[i]);
  }
  return best;
}

}  // namespace starling
