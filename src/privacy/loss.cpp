#include "privacy/loss.h"

#include <algorithm>
#include <cmath>

#include "privacy/numeric.h"
#include "privacy/rdp_terms.h"

namespace starling {
namespace {

// Nodes and their masses under P become the tilted law.
TiltedNodes tilt(std::vector<double> losses, const std::vector<double>& log_masses, double theta) {
  TiltedNodes nodes;
  double high = 0.0;
  for (size_t k = 0; k < losses.size(); ++k) {
    high = std::max(high, log_masses[k] + theta * losses[k]);
  }
  double excess = 0.0, sum = 0.0, absolute = 0.0;
  for (size_t k = 0; k < losses.size(); ++k) {
    sum += std::exp(log_masses[k] + theta * losses[k] - high);
    if (high >= 300.0) continue;
    const double part = std::exp(log_masses[k]) * std::expm1(theta * losses[k]);
    excess += part;
    absolute += std::abs(part);
  }
  nodes.cumulant = high < 300.0 ? std::log1p(excess) : high + std::log(sum);
  for (size_t k = 0; k < losses.size(); ++k) {
    nodes.weight.push_back(std::exp(log_masses[k] + theta * losses[k] - nodes.cumulant));
  }
  nodes.loss = std::move(losses);
  nodes.error = 2e-16 * std::abs(nodes.cumulant) +
                2e-15 * std::min(1.0, absolute * std::exp(-nodes.cumulant));
  return nodes;
}

// A shift of 1 under Laplace noise of scale b, kept with probability q. Before sampling the loss at
// x is (2x - 1)/b within [0, 1] and constant outside; w(x) = 1 - q + q e^((2x-1)/b).
//   remove  P = w Q, Q = Laplace(0): L = log w(x),   y = x
//   add     P = Laplace(0):          L = -log w(x),  y = 1 - x
class LaplaceLoss : public Loss {
 public:
  LaplaceLoss(const LaplaceTerm& term, Direction direction)
      : adds_(direction == Direction::add && term.rate < 1.0), b_(term.scale), q_(term.rate) {}

  TiltedNodes tilted(const TiltRequest& request) const override {
    const double theta = request.theta, t_max = request.t_max;
    static const GaussLegendre rule = gauss_legendre(16);
    std::vector<double> losses, log_masses;
    for (const LossAtom& atom : atoms()) {
      losses.push_back(atom.loss);
      log_masses.push_back(atom.log_mass);
    }
    const double panels = std::min(std::ceil((t_max + theta + 2.0) / b_ / 2.0) + 1.0, 20000.0);
    for (double panel = 0.0; panel < panels; ++panel) {
      for (size_t k = 0; k < rule.node.size(); ++k) {
        const double y = (panel + rule.node[k]) / panels;
        losses.push_back(loss(y));
        log_masses.push_back(log_density(y) + std::log(rule.weight[k] / panels));
      }
    }
    TiltedNodes nodes = tilt(std::move(losses), log_masses, theta);
    if (panels == 20000.0) nodes.error = 1.0;
    return nodes;
  }
  double cumulant(double theta, double) const override {
    return q_ == 1.0 ? log_laplace_moment(b_, 1.0 + theta) : tilted({theta}).cumulant;
  }
  double largest_theta() const override { return 100.0 + 200.0 * b_; }
  std::vector<DecayCell> decay_cells(double, double, double) const override { return {}; }

  bool has_density() const override { return true; }
  double low() const override { return 0.0; }
  double high() const override { return 1.0; }
  double scale() const override { return std::min(1.0, b_); }
  double loss(double y) const override { return adds_ ? -log_w(1.0 - y) : log_w(y); }
  double place(double loss) const override {
    return adds_ ? 1.0 - inverse_log_w(-loss) : inverse_log_w(loss);
  }
  double log_density(double y) const override {
    const double x = adds_ ? 1.0 - y : y;
    return -x / b_ - std::log(2.0 * b_) + (adds_ ? 0.0 : log_w(x));
  }
  std::vector<LossAtom> atoms() const override {
    const double below = log_w(0.0), above = log_w(1.0);
    const double half = std::log(0.5);
    if (adds_) return {{-below, half}, {-above, half - 1.0 / b_}};
    return {{above, half - 1.0 / b_ + above}, {below, half + below}};
  }
  double anchor() const override {
    if (q_ == 1.0) return 1.0 / b_;
    return adds_ ? -log_w(0.0) : log_w(0.0);
  }
  double atom_spacing() const override { return log_w(1.0) - log_w(0.0); }

 private:
  double log_w(double x) const {
    const double unsampled = (2.0 * x - 1.0) / b_;
    if (q_ == 1.0) return unsampled;
    if (unsampled < 30.0) return std::log1p(q_ * std::expm1(unsampled));
    return log_add_exp(std::log1p(-q_), std::log(q_) + unsampled);
  }
  double inverse_log_w(double loss) const {
    if (q_ == 1.0) return 0.5 * (1.0 + loss * b_);
    const double rise = loss - std::log1p(-q_);
    if (!(rise > 0.0)) return -INFINITY;
    return 0.5 * (1.0 + b_ * (log_expm1(rise) + std::log1p(-q_) - std::log(q_)));
  }

  bool adds_;
  double b_, q_;
};

class ResponseLoss : public Loss {
 public:
  explicit ResponseLoss(const ResponseTerm& term) : term_(term) {}

  TiltedNodes tilted(const TiltRequest& request) const override {
    const double theta = request.theta;
    std::vector<double> losses, log_masses;
    for (const LossAtom& atom : atoms()) {
      losses.push_back(atom.loss);
      log_masses.push_back(atom.log_mass);
    }
    return tilt(std::move(losses), log_masses, theta);
  }
  std::vector<DecayCell> decay_cells(double, double, double) const override { return {}; }
  bool has_density() const override { return false; }
  double low() const override { return 0.0; }
  double high() const override { return 0.0; }
  double scale() const override { return 1.0; }
  double loss(double) const override { return 0.0; }
  double place(double) const override { return 0.0; }
  double log_density(double) const override { return -INFINITY; }
  std::vector<LossAtom> atoms() const override {
    const double loss = anchor();
    std::vector<LossAtom> all{{loss, std::log(term_.high)}, {-loss, std::log(term_.low)}};
    if (term_.rest > 0.0) all.push_back({0.0, std::log(term_.rest)});
    return all;
  }
  double anchor() const override { return std::log(term_.high / term_.low); }
  double atom_spacing() const override { return term_.rest > 0.0 ? anchor() : 2.0 * anchor(); }

 private:
  ResponseTerm term_;
};

}  // namespace

const char* direction_name(Direction direction) {
  if (direction == Direction::remove) return "remove";
  return direction == Direction::add ? "add" : "replace";
}

SplitNodes Loss::split_nodes(const SplitRequest& request) const {
  TiltedNodes nodes = tilted({request.theta, request.t_max, request.log_count});
  return {
      {}, std::move(nodes.loss), std::move(nodes.weight), {}, nodes.cumulant, 0.0, nodes.error, 0.0,
      0.0};
}

double Loss::variance(double theta, double) const {
  const TiltedNodes nodes = tilted({theta});
  double mean = 0.0, square = 0.0;
  for (size_t k = 0; k < nodes.loss.size(); ++k) mean += nodes.weight[k] * nodes.loss[k];
  for (size_t k = 0; k < nodes.loss.size(); ++k) {
    const double away = nodes.loss[k] - mean;
    square += nodes.weight[k] * away * away;
  }
  return square;
}

std::unique_ptr<Loss> make_laplace_loss(const LaplaceTerm& term, Direction direction) {
  return std::make_unique<LaplaceLoss>(term, direction);
}

std::unique_ptr<Loss> make_response_loss(const ResponseTerm& term) {
  return std::make_unique<ResponseLoss>(term);
}

std::unique_ptr<Loss> make_loss(const TermKind& kind, Direction direction) {
  if (const auto* poisson = std::get_if<PoissonGaussianTerm>(&kind)) {
    return make_poisson_gaussian_loss(*poisson, direction);
  }
  if (const auto* laplace = std::get_if<LaplaceTerm>(&kind)) {
    return make_laplace_loss(*laplace, direction);
  }
  if (const auto* response = std::get_if<ResponseTerm>(&kind)) return make_response_loss(*response);
  return nullptr;
}

}  // namespace starling
