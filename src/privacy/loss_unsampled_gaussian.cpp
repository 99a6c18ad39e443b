#include <algorithm>
#include <cmath>
#include <numbers>

#include "privacy/loss.h"

namespace starling {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kTail = 13.0;  // standard deviations; e^-84 lies beyond

// N(mu^2/2, mu^2): needed on a lattice only; transforms take it in closed form.
class GaussianLoss : public Loss {
 public:
  explicit GaussianLoss(double mu_squared) : mu_(std::sqrt(mu_squared)) {}

  TiltedNodes tilted(const TiltRequest& request) const override {
    const double theta = request.theta;
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

std::unique_ptr<Loss> make_gaussian_loss(double mu_squared) {
  return std::make_unique<GaussianLoss>(mu_squared);
}

}  // namespace starling
