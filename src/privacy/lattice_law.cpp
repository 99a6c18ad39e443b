#include "privacy/lattice_law.h"

#include <algorithm>
#include <cmath>

#include "privacy/numeric.h"

namespace starling {
namespace {

// Where the tilted density is below e^-kNegligible, the low tail is rounded up to its upper end;
// the high tail, of less than kTailMass under P, counts as an infinite loss.
constexpr double kNegligible = 60.0;
constexpr double kTailMass = 0x1p-140;
constexpr double kMostCells = 0x1p23;

class Builder {
 public:
  Builder(const Loss& loss, double theta, double step, size_t size, bool rest)
      : loss_(loss),
        theta_(theta),
        step_(step),
        span_(-std::expm1(-step)),
        end_(rest ? std::min(loss.top(), loss.rare_from()) : loss.top()),
        size_(size) {
    law_.mass.assign(size, 0.0);
    law_.cumulant = loss.cumulant(theta, std::min(loss.top(), loss.rare_from()));
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
    (*target_)[static_cast<size_t>(place) % size_] += mass;
  }

  // Splits a point mass in the cell [index, index + 1].
  void add(double loss, double log_mass, double index) {
    const double above = loss - at(index);
    const double up = std::clamp(-std::expm1(-above) / span_, 0.0, 1.0);
    const double mass = std::exp(log_mass + theta_ * at(index) - law_.cumulant);
    if (up < 1.0) deposit(index, mass * (1.0 - up));
    deposit(index + 1.0, mass * tilt_up_ * up);
    (target_ == &law_.mass ? law_.variance : law_.rare_variance) +=
        mass * tilt_up_ * step_ * step_ * up * (1.0 - up);
  }

  double log_tilted(double y) const {
    return loss_.log_density(y) + theta_ * loss_.loss(y) - law_.cumulant;
  }

  void add_density();
  void add_cell(double index, double low, double high);

  const Loss& loss_;
  double theta_, step_, span_, end_, tilt_up_ = 1.0;
  size_t size_;
  LatticeLaw law_;
  std::vector<double>* target_ = &law_.mass;
};

void Builder::add_density() {
  const double pace = 0.25 * loss_.scale();
  double low = loss_.low(), high = std::min(loss_.high(), end_);
  const bool unbounded = low < 0.0;
  // A mass beyond y is at most its density there times this width, in either tail.
  const double log_width = std::log(3.0 * (loss_.high() - loss_.low()));
  while (unbounded && low + pace < -pace && log_tilted(low + pace) + log_width < -kNegligible) {
    low += pace;
  }
  while (unbounded && high - pace > low && log_tilted(high - pace) < -kNegligible &&
         loss_.log_density(high - pace) + log_width < -kNegligible - 40.0) {
    high -= pace;
  }
  if (unbounded) law_.infinite_mass = kTailMass;
  const double first = std::floor((loss_.loss(low) - loss_.anchor()) / step_);
  const double last = std::ceil((loss_.loss(high) - loss_.anchor()) / step_);
  if (last - first > kMostCells) {
    law_.cumulant = INFINITY;
    return;
  }
  if (unbounded) deposit(first, std::exp(-kNegligible));
  double from = low;
  for (double index = first; index < last; ++index) {
    const double to =
        index + 1.0 < last ? std::clamp(loss_.place(at(index + 1.0)), from, high) : high;
    if (to > loss_.rare_from() && law_.rare.empty()) {
      law_.rare.assign(size_, 0.0);
      const double split = std::max(from, loss_.rare_from());
      if (split > from) add_cell(index, from, split);
      target_ = &law_.rare;
      from = split;
    }
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

LatticeLaw lattice_law(const Loss& loss, double theta, double step, size_t size, bool rest) {
  return Builder(loss, theta, step, size, rest).build();
}

}  // namespace starling
