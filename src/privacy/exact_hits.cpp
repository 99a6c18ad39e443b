#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>

#include "privacy/exact_curve.h"
#include "privacy/numeric.h"

namespace starling {
namespace {

using Complex = std::complex<double>;

constexpr double kPi = std::numbers::pi;
constexpr double kInf = std::numeric_limits<double>::infinity();
const double kLogShare = std::log(1e-6);     // of delta, for aliases and for the truncated tail
const double kLogRest = std::log(1e-5);      // of delta, for outcomes without hits
const double kLogRounding = std::log(1e-4);  // of delta, as much as rounding errors may be
// Of delta, on both sides, for means over the nodes of the real line (Loss::log_hit_decay,
// split_step), which are no proof. README.md says what is proven without it.
const double kLogMargin = std::log(1e-5);
constexpr double kSlack = 1.0;     // covers the errors of cumulants at other tilts
constexpr double kMostWork = 2e8;  // points times nodes
constexpr double kMostPoints = 1e5;
constexpr size_t kBlock = 64;
constexpr double kMostHits = 20.0;  // logarithm of the tilted mean, where a tilt is worth a try
constexpr double kSmallest = 1e-3;  // of a release's transform, relative

// All releases split at one threshold and tilted by theta.
struct SplitSide {
  const Side* side = nullptr;
  double theta = 0.0;
  double threshold = 0.0;
  std::vector<SplitNodes> nodes;

  bool finite() const {
    return std::all_of(nodes.begin(), nodes.end(),
                       [](const SplitNodes& n) { return n.error < 1.0; });
  }
  // Logarithms at another tilt: of the transform of outcomes without hits, and of the expected
  // number of hits, both within kSlack.
  double rest_cumulant(double tilt) const;
  double log_hits(double tilt) const;
  // log(e^(rest) ((1 + hits) - 1)): the transform of outcomes with a hit.
  double cumulant(double tilt) const {
    const double hits = std::exp(log_hits(tilt));
    return rest_cumulant(tilt) + (hits > 30.0 ? hits : std::log(std::expm1(hits)));
  }
};

double log_sum(const std::vector<double>& weights, const std::vector<double>& losses, double tilt) {
  const double largest = tilt > 0.0 ? tilt * losses.back() : 0.0;  // losses rise
  double high = 0.0, sum = 0.0;
  for (size_t k = 0; k < weights.size() && largest > 500.0; ++k) {
    if (weights[k] > 0.0) high = std::max(high, std::log(weights[k]) + tilt * losses[k]);
  }
  for (size_t k = 0; k < weights.size(); ++k) {
    if (!(weights[k] > 0.0)) continue;
    sum += high == 0.0 ? weights[k] * std::exp(tilt * losses[k])
                       : std::exp(std::log(weights[k]) + tilt * losses[k] - high);
  }
  return high + std::log(sum);
}

double SplitSide::rest_cumulant(double tilt) const {
  double total = 0.5 * side->mu_squared * tilt * (1.0 + tilt);
  for (size_t i = 0; i < nodes.size(); ++i) {
    total += side->releases[i].count *
             (nodes[i].cumulant + log_sum(nodes[i].rest, nodes[i].loss, tilt - theta));
  }
  return total;
}

double SplitSide::log_hits(double tilt) const {
  double total = -kInf;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!(nodes[i].hits > 0.0)) continue;
    const double rest = log_sum(nodes[i].rest, nodes[i].loss, tilt - theta);
    const double hits = log_sum(nodes[i].hit, nodes[i].loss, tilt - theta);
    total = log_add_exp(total, std::log(side->releases[i].count) + hits - rest);
  }
  return total;
}

SplitSide split_side(const Side& side, double theta, double t_max, double threshold,
                     bool cut = false) {
  SplitSide split{&side, theta, threshold, {}};
  const double log_count = std::log(side.count());
  for (const Release& release : side.releases) {
    const Loss& loss = *release.loss;
    const double end = cut ? loss.top() : loss.top(theta, log_count);
    split.nodes.push_back(loss.split_nodes(theta, t_max, log_count, threshold, end));
  }
  return split;
}

// The least of a function of log x that falls and then rises, by golden section.
template <class Function>
double minimiser(double low, double high, const Function& function) {
  constexpr double kGolden = 0.61803398874989485;
  double a = high - kGolden * (high - low), b = low + kGolden * (high - low);
  double at_a = function(a), at_b = function(b);
  while (high - low > 0.02) {
    if (!(at_a > at_b)) {
      high = b;
      b = a;
      at_b = at_a;
      a = high - kGolden * (high - low);
      at_a = function(a);
    } else {
      low = a;
      a = b;
      at_a = at_b;
      b = low + kGolden * (high - low);
      at_b = function(b);
    }
  }
  return 0.5 * (low + high);
}

// delta of outcomes without hits is at most e^(log_value - theta epsilon).
struct RestBound {
  double theta = 1.0;
  double log_value = kInf;
  double at(double epsilon) const { return log_value - theta * epsilon; }
};

RestBound rest_bound(const SplitSide& split, double epsilon) {
  const auto log_delta = [&](double log_tilt) {
    const double tilt = std::exp(log_tilt);
    return split.rest_cumulant(tilt) + log_hinge_factor(tilt) - tilt * epsilon;
  };
  const double centre = std::log(split.theta);
  const double tilt = std::exp(minimiser(centre - 2.0, centre + 4.0, log_delta));
  return {tilt, split.rest_cumulant(tilt) + log_hinge_factor(tilt)};
}

// Nodes of another tilt are good to find a bound with, not to prove it. Outcomes beyond the cut
// count as infinite losses, with hits or without.
RestBound proven(const Side& side, double threshold, RestBound rest) {
  const SplitSide own = split_side(side, rest.theta, 0.0, threshold, true);
  if (!own.finite()) return {rest.theta, kInf};
  return {rest.theta, own.rest_cumulant(rest.theta) + log_hinge_factor(rest.theta) + 1e-2};
}

// The period for which aliases stay below their share, as choose_period().
Period period_of(const SplitSide& split, const CurveTarget& target) {
  const double allowed = kLogShare + target.log_delta - 1.0, theta = split.theta;
  const double log_mass = std::min(0.0, split.log_hits(0.0) + kSlack);
  Period best;
  best.length = kInf;
  for (double factor : {1.1, 1.25, 1.5, 2.0, 3.0}) {
    const double second = factor * theta;
    const double cumulant = split.cumulant(second) + kSlack;
    const double length = (cumulant - second * target.epsilon - allowed) / (second - theta);
    if (length < best.length) best = {length, second, cumulant, log_mass};
  }
  best.length = std::max({best.length, (log_mass - allowed) / theta, 1.0 / theta});
  best.log_mass = log_mass;
  return best;
}

// Logarithm of a bound on the integral of |transform| / (pi t^2) beyond t, relative to
// E[e^(theta L); no hit]: a telescoping sum over releases, of which one has its hit and all others
// are at most e^(hits).
double log_tail(const SplitSide& split, double t) {
  double total = -kInf, hits = 0.0;
  for (size_t i = 0; i < split.nodes.size(); ++i) {
    const Release& release = split.side->releases[i];
    hits += release.count * split.nodes[i].hits;
    total = log_add_exp(total, std::log(release.count) +
                                   release.loss->log_hit_decay(split.nodes[i], split.theta, t));
  }
  return total + hits - 0.5 * split.side->mu_squared * t * t - std::log(kPi * t);
}

class HitsContour : public DeltaCurve {
 public:
  HitsContour(const SplitSide& split, const RestBound& rest, const Period& period, double t_max,
              double log_tail)
      : theta_(split.theta),
        rest_(rest),
        period_(period),
        step_(2.0 * kPi / period.length),
        log_infinite_(split.side->log_infinite),
        mu_squared_(split.side->mu_squared),
        error_(std::exp(log_tail)) {
    const size_t points = static_cast<size_t>(std::ceil(t_max / step_)) + 1;
    log_rest_.assign(points, 0.0);
    log_ratio_.assign(points, 0.0);
    rest_error_.assign(points, 0.0);
    ratio_error_.assign(points, 0.0);
    cumulant_ = 0.5 * mu_squared_ * theta_ * (1.0 + theta_);
    for (size_t i = 0; i < split.nodes.size(); ++i) {
      add_release(split.nodes[i], split.side->releases[i].count);
    }
    finish();
  }

  bool sound() const { return sound_; }

  double log_upper(double epsilon) const override {
    const double hits = scale(epsilon) + std::log(std::max(0.0, sum(epsilon)) + error(epsilon));
    return std::min(0.0, log_add_exp(log_add_exp(hits, log_infinite_), rest_.at(epsilon)));
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
    return "contour integral over rare hits, " + std::to_string(size_.size()) + " points";
  }

 private:
  double scale(double epsilon) const { return cumulant_ - theta_ * epsilon; }

  double sum(double epsilon) const {
    double total = 0.0;
    for (size_t j = 0; j < size_.size(); ++j) {
      total += size_[j] * std::cos(phase_[j] - static_cast<double>(j) * step_ * epsilon);
    }
    return total;
  }

  double error(double epsilon) const {
    const double last = static_cast<double>(size_.size()) * step_;
    return error_ + absolute_ * 4e-16 * (10.0 + std::abs(cumulant_) + (theta_ + last) * epsilon);
  }

  void add_release(const SplitNodes& nodes, double count);
  void add_point(const SplitNodes& nodes, double count, size_t j, Complex rest, Complex hit,
                 double mean_size);
  void finish();

  double theta_;
  RestBound rest_;
  Period period_;
  double step_, log_infinite_, mu_squared_, cumulant_ = 0.0;
  std::vector<Complex> log_rest_, log_ratio_;
  std::vector<double> rest_error_, ratio_error_, size_, phase_;
  double error_, absolute_ = 0.0;
  bool sound_ = true;
};

// In eight lanes, so that additions need not wait for each other.
double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double lanes[8] = {};
  const size_t whole = a.size() / 8 * 8;
  for (size_t k = 0; k < whole; k += 8) {
    for (size_t lane = 0; lane < 8; ++lane) lanes[lane] += a[k + lane] * b[k + lane];
  }
  double total = 0.0;
  for (size_t k = whole; k < a.size(); ++k) total += a[k] * b[k];
  for (double lane : lanes) total += lane;
  return total;
}

// e^(itL) - 1 at one t for all losses; turned from point to point by one complex product each.
struct Phases {
  std::vector<double> re, im;

  void set(const std::vector<double>& losses, double t) {
    re.resize(losses.size());
    im.resize(losses.size());
    for (size_t k = 0; k < losses.size(); ++k) {
      const double half = std::sin(0.5 * t * losses[k]);
      re[k] = -2.0 * half * half;
      im[k] = std::sin(t * losses[k]);
    }
  }
  void turn(const Phases& by) {
    for (size_t k = 0; k < re.size(); ++k) {
      const double old = re[k];
      re[k] += by.re[k] + old * by.re[k] - im[k] * by.im[k];
      im[k] += by.im[k] + old * by.im[k] + im[k] * by.re[k];
    }
  }
};

// Set afresh in each block, so that rounding neither grows nor hides small losses.
void HitsContour::add_release(const SplitNodes& nodes, double count) {
  cumulant_ += count * nodes.cumulant;
  double mean_size = 0.0;
  for (size_t k = 0; k < nodes.loss.size(); ++k) {
    mean_size += nodes.rest[k] * std::abs(nodes.loss[k]);
  }
  Phases step, here;
  step.set(nodes.loss, step_);
  for (size_t j = 0; j < log_rest_.size(); ++j) {
    if (j % kBlock == 0) {
      here.set(nodes.loss, static_cast<double>(j) * step_);
    } else {
      here.turn(step);
    }
    const Complex rest(dot(nodes.rest, here.re), dot(nodes.rest, here.im));
    const bool split = !nodes.hit.empty();
    const Complex hit(nodes.hits + (split ? dot(nodes.hit, here.re) : 0.0),
                      split ? dot(nodes.hit, here.im) : 0.0);
    add_point(nodes, count, j, rest, hit, mean_size);
  }
}

void HitsContour::add_point(const SplitNodes& nodes, double count, size_t j, Complex rest,
                            Complex hit, double mean_size) {
  const double t = static_cast<double>(j) * step_;
  const double square = 2.0 * rest.real() + std::norm(rest);  // |1 + rest|^2 - 1
  const double size = std::sqrt(std::max(0.0, 1.0 + square));
  const double error = nodes.error + 3e-14 * std::min(2.0, t * mean_size);
  const double hit_error = nodes.hit_error + 3e-14 * nodes.hits;
  const Complex ratio = hit / (1.0 + rest);
  const double away = std::abs(1.0 + ratio);
  if (!(size > kSmallest && away > kSmallest && error < 0.1 * size)) {
    sound_ = false;
    return;
  }
  log_rest_[j] +=
      count * Complex(0.5 * std::log1p(square), std::atan2(rest.imag(), 1.0 + rest.real()));
  rest_error_[j] += count * -std::log1p(-error / size);
  const double ratio_square = 2.0 * ratio.real() + std::norm(ratio);
  log_ratio_[j] +=
      count * Complex(0.5 * std::log1p(ratio_square), std::atan2(ratio.imag(), 1.0 + ratio.real()));
  const double change = (hit_error + std::abs(ratio) * error) / (size - error);
  if (!(change < 0.5 * away)) sound_ = false;
  ratio_error_[j] += count * (2.0 * change / away + 4e-16 * std::abs(ratio));
}

Complex expm1(Complex z) {
  const double half = std::sin(0.5 * z.imag());
  const double growth = std::exp(z.real());
  return {std::expm1(z.real()) - 2.0 * growth * half * half, growth * std::sin(z.imag())};
}

// e^rest (e^ratio - 1) / (s (1 + s)), the Gaussian part and the rule's weights.
void HitsContour::finish() {
  size_.resize(log_rest_.size());
  phase_.resize(log_rest_.size());
  for (size_t j = 0; j < size_.size(); ++j) {
    const double t = static_cast<double>(j) * step_;
    const Complex s(theta_, t);
    Complex log_factor = log_rest_[j] - std::log(s) - std::log(1.0 + s);
    log_factor += Complex(-0.5 * mu_squared_ * t * t, 0.5 * mu_squared_ * t * (1.0 + 2.0 * theta_));
    const Complex hits = expm1(log_ratio_[j]);
    const double factor = (j == 0 ? 0.5 : 1.0) * step_ / kPi * std::exp(log_factor.real());
    size_[j] = factor * std::abs(hits);
    phase_[j] = log_factor.imag() + std::arg(hits);
    const double relative = rest_error_[j] + 4e-16 * std::abs(log_factor.imag());
    const double change = std::exp(log_ratio_[j].real()) * std::expm1(ratio_error_[j]);
    error_ += factor * (change * std::exp(relative) + std::abs(hits) * std::expm1(relative));
    absolute_ += size_[j];
  }
  if (!std::isfinite(error_)) sound_ = false;
}

// Thresholds from epsilon down, until delta without hits is negligible.
bool choose_threshold(const Side& side, const CurveTarget& target, double epsilon, double theta,
                      SplitSide& split, RestBound& rest) {
  for (double share = 1.0; share > 2e-3; share *= 0.75) {
    split = split_side(side, theta, 0.0, share * epsilon);
    if (!split.finite() || !(split.log_hits(theta) < kMostHits)) return false;
    rest = rest_bound(split, epsilon);
    if (!(rest.at(epsilon) <= target.log_delta + kLogRest)) continue;
    rest = proven(side, split.threshold, rest);
    if (rest.at(epsilon) <= target.log_delta + kLogRest + 0.5) return true;
  }
  return false;
}

// The tilt near Chernoff's for outcomes with a hit.
double hit_tilt(const SplitSide& split, double epsilon) {
  const auto log_delta = [&](double log_tilt) {
    const double tilt = std::exp(log_tilt);
    return split.cumulant(tilt) + log_hinge_factor(tilt) - tilt * epsilon;
  };
  const double centre = std::log(split.theta);
  return std::exp(minimiser(centre - 3.0, centre, log_delta));
}

// The rest as a law of its own, of less than full mass, that ends at Loss::split_end().
class RestLoss : public Loss {
 public:
  RestLoss(const Loss& whole, double threshold, double log_count)
      : whole_(whole),
        threshold_(threshold),
        end_(whole.split_end(threshold)),
        base_(whole.split_nodes(0.0, 0.0, log_count, threshold, end_)) {
    for (double& mass : base_.rest) mass *= std::exp(base_.cumulant);
  }

  TiltedNodes tilted(double theta, double t_max, double log_count) const override {
    SplitNodes nodes = whole_.split_nodes(theta, t_max, log_count, threshold_, end_);
    TiltedNodes rest{std::move(nodes.rest), std::move(nodes.loss), nodes.cumulant, nodes.error};
    if (nodes.place.empty()) return rest;
    const bool fades = nodes.at_end < std::exp(-36.0 - log_count);
    rest.error = fades ? rest.error + 10.0 * nodes.at_end : kInf;
    return rest;
  }
  double cumulant(double theta, double top) const override {
    if (base_.place.empty()) return whole_.cumulant(theta, top);
    double excess = std::expm1(base_.cumulant);
    for (size_t k = 0; k < base_.rest.size(); ++k) {
      excess += base_.rest[k] * std::expm1(theta * base_.loss[k]);
    }
    return std::log1p(excess);
  }
  double variance(double theta, double top) const override {
    if (base_.place.empty()) return whole_.variance(theta, top);
    double sum = 0.0, first = 0.0, second = 0.0;
    for (size_t k = 0; k < base_.rest.size(); ++k) {
      const double away = base_.loss[k] - whole_.anchor();
      const double mass = base_.rest[k] * std::exp(theta * base_.loss[k]);
      sum += mass;
      first += mass * away;
      second += mass * away * away;
    }
    return std::max(0.0, second / sum - first / sum * (first / sum));
  }
  // Within a cell the share of the rest is smallest where the loss is highest.
  std::vector<DecayCell> decay_cells(double theta, double cumulant, double width) const override {
    std::vector<DecayCell> cells = whole_.decay_cells(theta, cumulant, width);
    for (DecayCell& cell : cells) cell.mass *= whole_.rest_share(cell.high, threshold_);
    return cells;
  }
  double top() const override { return end_; }
  double top(double, double) const override { return end_; }
  double largest_theta() const override { return whole_.largest_theta(); }
  bool has_density() const override { return whole_.has_density(); }
  double low() const override { return whole_.low(); }
  double high() const override { return end_; }
  double scale() const override { return whole_.scale(); }
  double loss(double y) const override { return whole_.loss(y); }
  double place(double loss) const override { return whole_.place(loss); }
  double log_density(double y) const override { return whole_.log_density(y); }
  std::vector<LossAtom> atoms() const override { return whole_.atoms(); }
  double anchor() const override { return whole_.anchor(); }
  double atom_spacing() const override { return whole_.atom_spacing(); }

 private:
  const Loss& whole_;
  double threshold_, end_;
  SplitNodes base_;
};

std::unique_ptr<DeltaCurve> rest_contour(const Side& side, const CurveTarget& target,
                                         double threshold) {
  Side rest;
  rest.direction = side.direction;
  rest.mu_squared = side.mu_squared;
  const double log_count = std::log(side.count());
  for (const Release& release : side.releases) {
    rest.releases.push_back(
        {std::make_unique<RestLoss>(*release.loss, threshold, log_count), release.count});
  }
  rest.log_infinite = log_count - 70.0;
  CurveTarget own = target;
  own.theta = choose_theta(rest, chernoff_log_delta(rest, target.centre).theta, target.centre,
                           target.log_delta, true);
  own.epsilon = std::max(0.0, target.centre - 2.0 / own.theta);
  return make_contour(rest, own);
}

std::unique_ptr<DeltaCurve> hits_contour(const Side& side, const CurveTarget& target,
                                         double threshold, const RestBound& rest, double theta) {
  SplitSide split = split_side(side, theta, 0.0, threshold);
  if (!split.finite() || !(split.log_hits(theta) < kMostHits)) return nullptr;
  const double tilt = hit_tilt(split, target.centre);
  split = split_side(side, tilt, 0.0, threshold);
  if (!split.finite()) return nullptr;
  const Period period = period_of(split, target);
  if (!(period.length < kInf)) return nullptr;
  const double step = 2.0 * kPi / period.length;
  const double wanted =
      kLogShare + target.log_delta - split.rest_cumulant(tilt) + tilt * target.epsilon;
  double t_max = 4.0 * step, tail = kInf;
  while (!((tail = log_tail(split, t_max)) <= wanted)) {
    t_max *= 1.15;
    if (t_max > kMostPoints * step) return nullptr;
  }
  const SplitSide fine = split_side(side, tilt, t_max, threshold);
  double nodes = 0.0;
  for (const SplitNodes& release : fine.nodes) nodes += static_cast<double>(release.loss.size());
  if (!fine.finite() || nodes * t_max / step > kMostWork) return nullptr;
  const double log_margin =
      kLogMargin + target.log_delta - split.rest_cumulant(tilt) + tilt * target.centre;
  auto curve =
      std::make_unique<HitsContour>(fine, rest, period, t_max, log_add_exp(tail, log_margin));
  return curve->sound() ? std::move(curve) : nullptr;
}

// Whether some loss of one release reaches far enough above `threshold`.
bool has_hits(const Side& side, double threshold) {
  return std::any_of(side.releases.begin(), side.releases.end(), [&](const Release& release) {
    return release.loss->rest_share(release.loss->loss(release.loss->high()), threshold) < 0.5;
  });
}

bool rounds(const DeltaCurve& curve, const CurveTarget& target) {
  return curve.log_rounding(target.centre) > target.log_delta + kLogRounding;
}

// Large tilts give rare enormous losses too much weight.
std::unique_ptr<DeltaCurve> hits_contour(const Side& side, const CurveTarget& target,
                                         double threshold) {
  double theta = target.theta;
  for (int less = 0; less < 12; ++less, theta *= 0.7) {
    auto curve = hits_contour(side, target, threshold, {1.0, -kInf}, theta);
    if (curve && !rounds(*curve, target)) return curve;
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<DeltaCurve> make_hits(const Side& side, const CurveTarget& target) {
  if (!has_hits(side, target.centre)) return nullptr;
  SplitSide split;
  RestBound rest;
  double theta = target.theta;
  for (int halved = 0; halved < 4; ++halved, theta *= 0.5) {
    if (!choose_threshold(side, target, target.centre, theta, split, rest)) continue;
    auto curve = hits_contour(side, target, split.threshold, rest, theta);
    if (curve && !rounds(*curve, target)) return curve;
  }
  return nullptr;
}

std::unique_ptr<DeltaCurve> make_hits_and_rest(const Side& side, const CurveTarget& target) {
  if (!has_hits(side, target.centre)) return nullptr;
  for (double share : {0.7, 0.45, 0.25}) {
    const double threshold = share * target.centre;
    auto rest = rest_contour(side, target, threshold);
    if (!rest || rounds(*rest, target)) continue;
    auto hits = hits_contour(side, target, threshold);
    if (hits) return std::make_unique<SplitCurve>(std::move(hits), std::move(rest));
  }
  return nullptr;
}

}  // namespace starling
