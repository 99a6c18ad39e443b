#pragma once
// The privacy loss of the Poisson-sampled Gaussian: its law (loss_gaussian.cpp), the quadrature of
// the tilted law (loss_gaussian_tilted.cpp), and that of a law split into rare hits and the rest
// (loss_gaussian_split.cpp).

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <vector>

#include "privacy/loss.h"
#include "privacy/numeric.h"

namespace starling {

constexpr double kTailDeviations = 13.0;  // e^-84 lies beyond
constexpr double kLogAccuracy = 32.0;     // of a quadrature

// e^log_mass (e^growth - 1), also where e^growth overflows.
inline double excess_mass(double log_mass, double growth) {
  return growth < 600.0 ? std::exp(log_mass) * std::expm1(growth) : std::exp(log_mass + growth);
}

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
        log_norm_(-std::log(term.sigma * std::sqrt(2.0 * std::numbers::pi))) {}

  TiltedNodes tilted(const TiltRequest& request) const override;
  TiltedNodes rough_nodes(double theta, double top) const override;
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
  double low() const override { return -kTailDeviations * s_; }
  double high() const override {
    return (direction_ == Direction::add ? 0.0 : 1.0) + kTailDeviations * s_;
  }
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
    if (direction_ == Direction::add) return kTailDeviations * s_;
    return (direction_ == Direction::remove ? 1.0 : 2.0) * (1.0 + theta) + kTailDeviations * s_;
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

}  // namespace starling
