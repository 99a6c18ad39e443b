#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>

#include "privacy/numeric.h"
#include "privacy/rdp_terms.h"

namespace starling {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kTail = 14.0;          // standard deviations; e^-98 lies beyond
constexpr double kAccuracy = 38.0;      // quadrature error below e^-38 of the moment
constexpr double kFar = 60.0;           // log ratio beyond which a mixture has one part
constexpr double kSmallestSigma = 0.1;  // below: whole orders and chords

// log C(n, k) for all k.
std::vector<double> log_binomials(int n) {
  std::vector<double> logs(n + 1);
  const double top = std::lgamma(n + 1.0);
  for (int k = 0; k <= n; ++k) logs[k] = top - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0);
  return logs;
}

// log(1 + sum of e^logs).
double log1p_sum_exp(const std::vector<double>& logs) {
  double high = 0.0;
  for (double value : logs) high = std::max(high, value);
  double sum = 0.0;
  for (double value : logs) sum += std::exp(value - high);
  return high == 0.0 ? std::log1p(sum) : high + std::log(sum + std::exp(-high));
}

// A(n) - 1 = sum_k C(n,k) (1-q)^(n-k) q^k (e^((k^2-k)/2s^2) - 1): all terms are positive.
double rdp_whole_order(const PoissonGaussianTerm& term, int n) {
  const std::vector<double> binomials = log_binomials(n);
  const double log_q = std::log(term.rate);
  const double log_rest = std::log1p(-term.rate);
  const double half = 0.5 / (term.sigma * term.sigma);
  std::vector<double> logs;
  for (int k = 2; k <= n; ++k) {
    const double exponent = half * k * (k - 1.0);
    if (exponent == 0.0) continue;
    logs.push_back(binomials[k] + (n - k) * log_rest + k * log_q + log_expm1(exponent));
  }
  return log1p_sum_exp(logs) / (n - 1.0);
}

// (1 + u)^a - 1 - a u >= 0, without cancellation.
double bernoulli_excess(double u, double log1p_u, double a) {
  if (std::abs(a * u) < 1e-3) {
    return 0.5 * a * (a - 1.0) * u * u *
           (1.0 + (a - 2.0) * u / 3.0 * (1.0 + (a - 3.0) * u / 4.0 * (1.0 + (a - 4.0) * u / 5.0)));
  }
  return std::expm1(a * log1p_u) - a * u;
}

// One node of the trapezoid rule on D_a's moment E_Q[(1+u)^a - 1 - a u], u = P/Q - 1.
struct Node {
  double log_weight;  // log(h Q density)
  double u;
  double log1p_u;
};

// Sums of nodes, scaled by e^high so that they do not overflow.
struct ScaledSum {
  double high = 0.0;
  double sum = 0.0;

  double rdp(double a) const {
    const double log_moment = high == 0.0 ? std::log1p(sum) : high + std::log(sum);
    return log_moment / (a - 1.0);
  }
};

// Values below e^-60 of the largest do not change the sum; below e^600 it needs no scale.
ScaledSum sum_nodes(std::span<const Node> nodes, double a) {
  double high = 0.0;
  for (const Node& node : nodes) high = std::max(high, node.log_weight + a * node.log1p_u);
  ScaledSum result{high < 600.0 ? 0.0 : high, 0.0};
  for (const Node& node : nodes) {
    const double growth = a * node.log1p_u;
    const double size = node.log_weight + std::max(0.0, growth);
    if (high > 1.0 && size < high - 60.0) continue;
    result.sum += growth > 50.0 ? std::exp(size - result.high)
                                : std::exp(node.log_weight - result.high) *
                                      bernoulli_excess(node.u, node.log1p_u, a);
  }
  return result;
}

// The rule errs by e^(y^2/2s^2 - 2 pi y / h) for every height y within the strip |Im z| < pi s^2.
double quadrature_step(double s) {
  const double height = std::min(0.9 * kPi * s * s, s * std::sqrt(2.0 * kAccuracy));
  return std::min(0.7 * s, 2.0 * kPi * height / (kAccuracy + 0.5 * height * height / (s * s)));
}

// Q = N(0, s^2), 1 + u = 1 - q + q e^((2z-1)/2s^2). The integrand is analytic for |Im z| < pi s^2
// and grows there by at most e^(y^2/2s^2), so the rule errs by e^(y^2/2s^2 - 2 pi y / h).
class AddRemoveMoment {
 public:
  explicit AddRemoveMoment(const PoissonGaussianTerm& term) : term_(term) {
    step_ = quadrature_step(term.sigma);
    first_ = std::floor(-kTail * term.sigma / step_);
  }

  double rdp(double a) {
    const double last = std::ceil((a + kTail * term_.sigma) / step_);
    extend(static_cast<size_t>(last - first_) + 1);
    return sum_nodes(std::span(nodes_).first(static_cast<size_t>(last - first_) + 1), a).rdp(a);
  }

 private:
  void extend(size_t count) {
    const double s2 = term_.sigma * term_.sigma;
    const double log_scale = std::log(step_ / (term_.sigma * std::sqrt(2.0 * kPi)));
    while (nodes_.size() < count) {
      const double z = (first_ + static_cast<double>(nodes_.size())) * step_;
      const double exponent = (2.0 * z - 1.0) / (2.0 * s2);
      const double u = term_.rate * std::expm1(std::min(exponent, 700.0));
      const double log1p_u = exponent < 500.0 ? std::log1p(u) : std::log(term_.rate) + exponent;
      nodes_.push_back({log_scale - z * z / (2.0 * s2), u, log1p_u});
    }
  }

  PoissonGaussianTerm term_;
  double step_ = 0.0;
  double first_ = 0.0;
  std::vector<Node> nodes_;
};

// Q = (1-q) N(0) + q N(-1) with density w_-(z) N(z; 0, s^2), P likewise with w_+;
// w_(+-) = 1 + q (e^((+-2z-1)/2s^2) - 1), u = (w_+ - w_-) / w_-. The rule converges geometrically,
// so grids are halved until two agree. Beyond far_ P is its shifted part and Q the other one: there
// the integrand is a Gaussian around a, of which kTail standard deviations are taken.
class ReplaceMoment {
 public:
  explicit ReplaceMoment(const PoissonGaussianTerm& term)
      : term_(term), log_q_(std::log(term.rate)), log_rest_(std::log1p(-term.rate)) {
    const double s2 = term.sigma * term.sigma;
    step_ = quadrature_step(term.sigma);
    first_ = std::floor((-1.0 - kTail * term.sigma) / step_);
    far_ = s2 * (kFar + std::abs(log_q_ - log_rest_)) + 0.5;
    log_scale_ = std::log(step_ / (term.sigma * std::sqrt(2.0 * kPi)));
  }

  double rdp(double a) {
    double coarse = mean(a, 1);
    for (size_t grids = 2; grids <= 6; ++grids) {
      const double fine = mean(a, grids);
      if (std::abs(fine - coarse) <= 1e-7 * fine) return fine;
      coarse = fine;
    }
    return 2.0 * a / (term_.sigma * term_.sigma);
  }

 private:
  // Grid 0 has the first step; grid k >= 1 the points halfway between those of the grids before.
  double mean(double a, size_t grids) {
    std::vector<ScaledSum> sums;
    for (size_t level = 0; level < grids; ++level) {
      sums.push_back(sum_nodes(near(level, a), a));
      sums.push_back(sum_nodes(beyond(level, a), a));
    }
    double high = 0.0;
    for (const ScaledSum& sum : sums) high = std::max(high, sum.high);
    double total = 0.0;
    for (const ScaledSum& sum : sums) total += sum.sum * std::exp(sum.high - high);
    return ScaledSum{high, total * std::pow(0.5, grids - 1.0)}.rdp(a);
  }

  struct Grid {
    double origin, step;
    double index(double z) const { return std::ceil((z - origin) / step); }
    double at(double index) const { return origin + index * step; }
  };
  Grid grid(size_t level) const {
    const double step = level < 2 ? step_ : step_ * std::pow(0.5, level - 1.0);
    return {first_ * step_ + (level == 0 ? 0.0 : 0.5 * step), step};
  }

  std::span<const Node> near(size_t level, double a) {
    if (level >= near_.size()) near_.resize(level + 1);
    std::vector<Node>& nodes = near_[level];
    const Grid points = grid(level);
    const double end = std::min(far_, 2.0 * a + kTail * term_.sigma);
    const size_t count = static_cast<size_t>(std::max(points.index(end), 0.0));
    while (nodes.size() < count) {
      nodes.push_back(node(points.at(static_cast<double>(nodes.size()))));
    }
    return std::span(nodes).first(count);
  }

  std::vector<Node> beyond(size_t level, double a) const {
    const Grid points = grid(level);
    const double s2 = term_.sigma * term_.sigma, reach = kTail * term_.sigma;
    const double end = points.index(a + reach);
    std::vector<Node> nodes;
    for (double k = points.index(std::max(far_, a - reach)); k < end; ++k) {
      const double z = points.at(k);
      const double log_ratio = log_q_ - log_rest_ + (2.0 * z - 1.0) / (2.0 * s2);
      const double u = std::exp(std::min(log_ratio, 700.0));
      nodes.push_back({log_scale_ - z * z / (2.0 * s2) + log_rest_, u, log_ratio});
    }
    return nodes;
  }

  Node node(double z) const {
    const double s2 = term_.sigma * term_.sigma;
    const double log_plus = log_add_exp(log_rest_, log_q_ + (2.0 * z - 1.0) / (2.0 * s2));
    const double log_minus = log_add_exp(log_rest_, log_q_ + (-2.0 * z - 1.0) / (2.0 * s2));
    const double size = std::abs(z) / s2;
    const double log_difference = log_q_ - 0.5 / s2 + size + std::log(-std::expm1(-2.0 * size));
    const double u = std::copysign(std::exp(std::min(log_difference - log_minus, 700.0)), z);
    const double log1p_u = std::abs(u) < 0.5 ? std::log1p(u) : log_plus - log_minus;
    return {log_scale_ - z * z / (2.0 * s2) + log_minus, u, log1p_u};
  }

  PoissonGaussianTerm term_;
  double log_q_, log_rest_;
  double step_ = 0.0, first_ = 0.0, far_ = 0.0, log_scale_ = 0.0;
  std::vector<std::vector<Node>> near_;
};

class AddRemoveRdp {
 public:
  explicit AddRemoveRdp(const PoissonGaussianTerm& term) : term_(term), moment_(term) {}

  double at(double order) {
    const double below = std::floor(order);
    if (order == below && order <= 1e5) return whole(static_cast<int>(order));
    if (order > 1e5) return order / (2.0 * term_.sigma * term_.sigma);
    if (term_.sigma >= kSmallestSigma) return moment_.rdp(order);
    const double low = below < 2.0 ? 0.0 : whole(static_cast<int>(below));
    return rdp_chord(order, low, whole(static_cast<int>(below) + 1));
  }

 private:
  double whole(int n) {
    const auto [place, fresh] = known_.try_emplace(n, 0.0);
    if (fresh) place->second = rdp_whole_order(term_, n);
    return place->second;
  }

  PoissonGaussianTerm term_;
  AddRemoveMoment moment_;
  std::map<int, double> known_;
};

}  // namespace

double rdp_chord(double order, double rdp_below, double rdp_above) {
  const double below = std::floor(order);
  const double share = order - below;
  return ((1.0 - share) * (below - 1.0) * rdp_below + share * below * rdp_above) / (order - 1.0);
}

std::vector<double> rdp_poisson_gaussian(const PoissonGaussianTerm& term,
                                         std::span<const double> orders) {
  AddRemoveRdp add_remove(term);
  ReplaceMoment replace(term);
  std::vector<double> rdp;
  for (double order : orders) {
    const double unsampled = (term.replace ? 4.0 : 1.0) * order / (2.0 * term.sigma * term.sigma);
    double value = unsampled;
    if (!term.replace) {
      value = add_remove.at(order);
    } else if (term.sigma >= kSmallestSigma && order <= 1e5) {
      value = replace.rdp(order);
    }
    rdp.push_back(std::min(unsampled, value * (1.0 + kRdpMargin)));
  }
  return rdp;
}

}  // namespace starling
