#include "privacy/lattice_law.h"

#include <algorithm>
#include <cmath>

#include "privacy/numeric.h"

namespace starling {
namespace {

// Where the density is below e^-kNegligible, the mass beyond is below kTailMass: on the low side it
// is rounded up to the first point, on the high side it counts as an infinite loss.
constexpr double kNegligible = 70.0;
constexpr double kTailMass = 0x1p-90;

class Builder {
 public:
  Builder(const Loss& loss, double theta, double step, size_t size)
      : loss_(loss), theta_(theta), step_(step), span_(-std::expm1(-step)), size_(size) {
    law_.mass.assign(size, 0.0);
    law_.cumulant = loss.tilted(theta, 0.0, 0.0).cumulant;
    tilt_up_ = std::exp(theta * step);
  }

  LatticeLaw build() {
    for (const LossAtom& atom : loss_.atoms()) add(atom.loss, atom.log_mass, nearest(atom.loss));
    if (loss_.has_density()) add_density();
    return std::move(law_);
  }

 private:
  double at(double index) const { return loss_.anchor() + index * step_; }

  // The cell that holds a loss; a loss on a lattice point (to rounding) is that point.
  double nearest(double loss) const {
    const double cells = (loss - loss_.anchor()) / step_;
    const double round = std::round(cells);
    return std::abs(cells - round) < 1e-9 * (1.0 + std::abs(cells)) ? round - 1.0
                                                                    : std::floor(cells);
  }

  void deposit(double index, double mass) {
    const double size = static_cast<double>(size_);
    const double place = index - std::floor(index / size) * size;
    law_.mass[static_cast<size_t>(place) % size_] += mass;
  }

  // Splits a point mass in the cell [index, index + 1].
  void add(double loss, double log_mass, double index) {
    const double above = loss - at(index);
    const double up = std::clamp(-std::expm1(-above) / span_, 0.0, 1.0);
    const double mass = std::exp(log_mass + theta_ * at(index) - law_.cumulant);
    if (up < 1.0) deposit(index, mass * (1.0 - up));
    deposit(index + 1.0, mass * tilt_up_ * up);
    law_.variance += mass * tilt_up_ * step_ * step_ * up * (1.0 - up);
  }

  double log_tilted(double y) const {
    return loss_.log_density(y) + theta_ * loss_.loss(y) - law_.cumulant;
  }

  void add_density();
  void add_cell(double index, double low, double high);

  const Loss& loss_;
  double theta_, step_, span_, tilt_up_ = 1.0;
  size_t size_;
  LatticeLaw law_;
};

void Builder::add_density() {
  const double pace = 0.25 * loss_.scale();
  double low = loss_.low(), high = loss_.high();
  const auto negligible = [&](double y) {
    return std::max(log_tilted(y), loss_.log_density(y)) < -kNegligible;
  };
  while (low + pace < high && negligible(low + pace)) low += pace;
  while (high - pace > low && negligible(high - pace)) high -= pace;
  if (high > 1.0 || low < 0.0) law_.infinite_mass = kTailMass;
  const double first = std::floor((loss_.loss(low) - loss_.anchor()) / step_);
  const double last = std::ceil((loss_.loss(high) - loss_.anchor()) / step_);
  if (low < 0.0) deposit(first, kTailMass * std::exp(theta_ * at(first) - law_.cumulant));
  double from = low;
  for (double index = first; index < last; ++index) {
    const double to =
        index + 1.0 < last ? std::clamp(loss_.place(at(index + 1.0)), from, high) : high;
    if (to > from) add_cell(index, from, to);
    from = to;
  }
}

// Narrow cells take two Gauss-Legendre points, wide ones panels of eight.
void Builder::add_cell(double index, double low, double high) {
  static const GaussLegendre narrow = gauss_legendre(2), wide = gauss_legendre(8);
  const double width = high - low;
  const double panel = 0.25 * loss_.scale();
  const GaussLegendre& rule = width < 0.02 * loss_.scale() ? narrow : wide;
  const double panels = std::max(1.0, std::ceil(width / panel));
  for (double p = 0.0; p < panels; ++p) {
    for (size_t k = 0; k < rule.node.size(); ++k) {
      const double y = low + width * (p + rule.node[k]) / panels;
      const double log_mass = loss_.log_density(y) + std::log(rule.weight[k] * width / panels);
      add(loss_.loss(y), log_mass, index);
    }
  }
}

}  // namespace

LatticeLaw lattice_law(const Loss& loss, double theta, double step, size_t size) {
  return Builder(loss, theta, step, size).build();
}

}  // namespace starling
