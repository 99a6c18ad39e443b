#include <algorithm>
#include <cmath>
#include <limits>

#include "privacy/exact_curve.h"
#include "privacy/fft.h"
#include "privacy/lattice_grid.h"
#include "privacy/lattice_group.h"
#include "privacy/lattice_law.h"
#include "privacy/numeric.h"

namespace starling {
namespace {

using Complex = std::complex<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kLogShare = std::log(1e-6);  // of delta, for what wraps around
constexpr double kRounding = 2.3e-16;
constexpr double kSmallestRest = 1e-8;
// Outcomes with more hits than this, e^kLogUnlikely of those with a hit, are left out.
constexpr double kLogUnlikely = -80.0;

// The least n with n log(n / mean) - n + mean >= certainty: a sum of independent numbers in [0, 1]
// with this mean is larger with a chance of at most e^-certainty (Bennett).
double unlikely(double mean, double certainty) {
  if (!(mean > 0.0)) return 0.0;
  double low = mean, high = mean + certainty + std::sqrt(2.0 * certainty * mean);
  while (high > 1.01 * low) {
    const double middle = 0.5 * (low + high);
    (middle * (std::log(middle / mean) - 1.0) + mean < certainty ? low : high) = middle;
  }
  return high;
}

// What rounding adds to the sum, S, given the exact losses: independent two-point variables of
// range `step`, each centred but for a mean of at most half its variance (since E[e^-S] = 1), whose
// variances add up to at most `variance` but for a negligible chance under the tilted law; `fine`
// of it are of smaller ranges, in groups, where a coarse rounding depends on the fine ones but is
// centred and bounded given them. One of range `step` and variance v has E|S_i| <=
// (2 + step) v / step, and any sum of variance v has E|S| <= sqrt(v) + v / 2, so that
// E|S| <= spread().
//
// At a loss y away from epsilon, rounding raises the hinge by at most e^|y| E[x_+ e^x],
// x = |S| - |y|, where only S of one sign count. For every k > 1, x_+ e^x <= e^(kx - 1) / (k - 1),
// and Bennett's inequality gives
//   e^|y| E[x_+ e^x] <= e^(v (e^(k step) - 1 - k step) + k variance / 2 - 1 - r |y|) / r,
// v = variance / step^2, r = k - 1. Jensen's gives E[e^(-r |y + S|)] >= e^(-r |y| - r spread()). So
// rounding raises the hinge by at most E[bump(y + S)], a function of the ROUNDED loss:
// bump(y) = scale e^(-r |y|).
struct Rounding {
  double step, variance, fine = 0.0;

  double spread() const {
    const double apart = (2.0 + step) * (variance - fine) / step + std::sqrt(fine) + 0.5 * fine;
    return std::min(apart, std::sqrt(variance) + 0.5 * variance);
  }
  double log_scale(double rate) const {
    const double k = (rate + 1.0) * step, v = variance / (step * step);
    return v * (std::expm1(k) - k) + 0.5 * (rate + 1.0) * variance + rate * spread() - 1.0 -
           std::log(rate);
  }
};

// What `count` variances of roundings to steps of `step`, of the given mean sum, add up to, but for
// a chance e^-certainty.
struct RoundingVariance {
  double step, mean, count;

  double bound(double certainty) const {
    const double largest = 0.25 * step * step;
    return largest * std::min(count, unlikely(mean / largest, certainty));
  }
};

// delta'(epsilon) of the sum of rounded losses. Rounding keeps the masses of both P and Q, so each
// rounded pair dominates the exact one (Doroshenko et al. 2022) and delta' >= delta.
class Lattice : public DeltaCurve {
 public:
  Lattice(const Side& side, double theta, double step, size_t size, double start)
      : theta_(theta),
        step_(step),
        start_(start),
        log_cut_(side.log_infinite),
        hits_only_(side.hits),
        rest_only_(side.rest),
        hits_(!side.rest && side.splits()),
        log_rest_(side.log_rest),
        rest_theta_(side.rest_theta),
        log_spectrum_(size / 2 + 1),
        hit_rounding_(hits_ ? size / 2 + 1 : 0),
        log_hit_spectrum_(hits_ ? size / 2 + 1 : 0),
        size_(size) {}

  // False where the law spans too many cells. With `fine_steps`, nearly all releases without hits
  // are composed on a lattice so much finer.
  bool add_release(const Loss& loss, double count, double fine_steps) {
    LatticeLaw law = lattice_law(loss, theta_, step_, size_, rest_only_);
    if (!std::isfinite(law.cumulant)) return false;
    // The characteristic function less 1: the anchor's own mass needs no transform.
    double moved = 0.0;
    for (size_t i = 1; i < size_; ++i) moved += law.mass[i];
    const double total = law.mass[0] + moved;
    law.mass[0] = -moved;
    const std::vector<Complex> spectrum = real_fft(law.mass);
    double single = count;
    if (fine_steps > 0.0) {
      single = single_releases(law, total, moved, count);
      if (!(single < 0.25 * count) || !add_group(loss, count - single, fine_steps)) return false;
    }
    for (size_t j = 0; j < spectrum.size(); ++j) {
      log_spectrum_[j] += single * log1p(spectrum[j] / total);
    }
    if (hits_ && !law.rare.empty()) add_hits(law.rare, spectrum, total, count);
    rounding_ += single * std::min(1.0, 2.0 * moved / total);
    cumulant_ += single * (law.cumulant + std::log(total));
    offset_ += count * loss.anchor();
    infinite_ += count * law.infinite_mass;
    count_ += count;
    variance_ += (single * law.variance + count * law.rare_variance) / total;
    return true;
  }

  void finish(const Period& period) {
    std::vector<Complex> spectrum(log_spectrum_.size());
    double error = 0.0;
    for (size_t j = 0; j < spectrum.size(); ++j) {
      const Complex rest = std::exp(log_spectrum_[j]);
      const Complex hits = hits_only_ ? expm1(log_hit_spectrum_[j])
                           : hits_    ? std::exp(log_hit_spectrum_[j])
                                      : 1.0;
      spectrum[j] = rest * hits;
      double group = 1.0;
      if (groups_ > 0.0) {
        // The rounding error of a group's transform does not fall with its size.
        error += groups_ * std::abs(spectrum[j]);
        spectrum[j] *= group_spectrum_[j];
        group = std::abs(group_spectrum_[j]) + group_error_;
      }
      error += (2.0 + rounding_) * std::abs(spectrum[j]);
      if (hits_) error += hit_rounding_[j] * group * std::abs(rest) * (1.0 + std::abs(hits));
    }
    spectrum.front() = spectrum.front().real();
    spectrum.back() = spectrum.back().real();
    total_ = spectrum.front().real();
    mass_ = inverse_real_fft(spectrum);
    const double levels = std::log2(static_cast<double>(size_));
    mass_error_ = kRounding * levels * error / static_cast<double>(spectrum.size());
    period_ = period;
    period_.length = static_cast<double>(size_) * step_;
    log_spectrum_.clear();
    log_hit_spectrum_.clear();
    group_spectrum_.clear();
  }

  double log_upper(double epsilon) const override {
    if (epsilon < start_) return 0.0;
    const double log_sum = cumulant_ - theta_ * epsilon + std::log(sum(epsilon) + error());
    const double log_lost =
        period_.second_cumulant + 0.5 - period_.second_theta * (start_ + period_.length);
    const double log_rest = log_add_exp(log_lost, log_infinite());
    const double log_no_hit = log_rest_ - rest_theta_ * epsilon;
    return std::min(0.0, log_add_exp(log_add_exp(log_sum, log_rest), log_no_hit));
  }

  double log_lower(double epsilon) const override {
    if (epsilon < start_) return -kInf;
    const double above = sum(epsilon);
    if (!(above > error())) return -kInf;
    // The chance of more rounding than certified matters little.
    const double unlikely = 1e-5 * std::min(above, total_);
    const double certainty = std::log((1.0 + total_) / unlikely);
    const double value = above - error() - excess(epsilon, certainty) - 4.0 * unlikely;
    if (!(value > 0.0)) return -kInf;
    const double log_value = cumulant_ - theta_ * epsilon + std::log(value);
    const double log_rest = log_add_exp(period_.log_aliases(theta_, epsilon) + 0.5, log_infinite());
    if (log_rest >= log_value) return -kInf;
    return log_value + std::log1p(-std::exp(log_rest - log_value));
  }

  double log_rounding(double epsilon) const override {
    return cumulant_ - theta_ * epsilon + std::log(error());
  }

  std::string method() const override {
    return "lattice of " + std::to_string(size_) + " losses, rounded up";
  }

 private:
  // With r and b the transforms of a hit and of none, outcomes with j hits have C(count, j) r^j
  // b^(count - j). The returned number m of releases is as large as j may be but for a negligible
  // chance; then all of them hold b^(count - m), which is composed apart.
  double single_releases(const LatticeLaw& law, double total, double moved, double count) const {
    double hits = 0.0;
    for (double part : law.rare) hits += count * part / total;
    if (hits == 0.0) return 0.0;
    const double most = hits / (1.0 - 2.0 * moved / total);  // count |r / b|
    if (!(most > 0.0)) return count;
    double single = 32.0;
    while (single < count && (single + 1.0) * std::log(most) - std::lgamma(single + 2.0) + most >
                                 std::log(hits) + kLogUnlikely) {
      single *= 2.0;
    }
    return single;
  }

  // Rounding the sum once to this lattice is one more independent rounding. False where the fine
  // lattice would be too long.
  bool add_group(const Loss& loss, double count, double fine_steps) {
    const GroupLaw group = group_law(loss, count, theta_, step_, size_, fine_steps);
    if (group.mass.empty()) return false;
    const std::vector<Complex> spectrum = real_fft(group.mass);
    group_spectrum_.resize(spectrum.size(), 1.0);
    for (size_t j = 0; j < spectrum.size(); ++j) group_spectrum_[j] *= spectrum[j];
    group_error_ += group.error;
    groups_ += 1.0;
    cumulant_ += group.cumulant;
    group_variances_.push_back({step_ / group.steps, group.variance, count});
    return true;
  }

  // The ratio of hits to the rest, of which `spectrum` holds the transform less 1 times `total`.
  void add_hits(const std::vector<double>& rare, const std::vector<Complex>& spectrum, double total,
                double count) {
    double mass = 0.0;
    for (double part : rare) mass += part;
    const std::vector<Complex> hits = real_fft(rare);
    for (size_t j = 0; j < hits.size(); ++j) {
      Complex rest = total + spectrum[j];
      // What is transformed vanishes there like a power of this.
      const double size = std::abs(rest) / total;
      if (!(size > kSmallestRest)) rest = total * kSmallestRest;
      log_hit_spectrum_[j] += count * log1p(hits[j] / rest);
      hit_rounding_[j] += count * mass * (2.0 + 2.0 * total / std::abs(rest)) /
                          std::max(std::abs(rest + hits[j]), total * kSmallestRest);
    }
  }

  double error() const {
    const double cells = std::min(static_cast<double>(size_), 1.0 + 1.0 / (theta_ * step_));
    // A group's own error is spread by all others, which have mass total_.
    return mass_error_ * cells + (1e-14 + std::expm1(group_error_)) * total_;
  }

  double log_infinite() const { return log_add_exp(log_cut_, std::log(infinite_ + 1e-300)); }

  // sum over losses l > epsilon of p~(l) (1 - e^(epsilon - l)) e^(-theta (l - epsilon)).
  double sum(double epsilon) const {
    const double index = std::ceil((epsilon - offset_) / step_);
    const double away = offset_ + index * step_ - epsilon;
    const double last = std::floor((start_ + period_.length - offset_) / step_) - 1.0;
    const double fall = std::exp(-step_), tilt_fall = std::exp(-theta_ * step_);
    double hinge = std::exp(-away), tilt = std::exp(-theta_ * away), total = 0.0;
    size_t place = wrap(index);
    for (double i = index; i <= last && tilt > 1e-22; ++i) {
      total += mass_[place] * (1.0 - hinge) * tilt;
      hinge *= fall;
      tilt *= tilt_fall;
      if (++place == size_) place = 0;
    }
    return std::max(0.0, total);
  }

  // delta' - delta <= E[bump(L' - epsilon)], scaled like sum(), for the best of some rates of
  // Rounding; what lies out of reach is below e^-certainty of the total.
  double excess(double epsilon, double certainty) const {
    const double surely = certainty + std::log(1.0 + groups_);
    const double tilt_up = std::exp(theta_ * step_), largest = 0.25 * step_ * step_;
    Rounding rounding{
        step_,
        groups_ * largest + RoundingVariance{step_, variance_ * tilt_up, count_}.bound(surely)};
    for (RoundingVariance fine : group_variances_) {
      fine.mean *= tilt_up;
      rounding.fine += fine.bound(surely);
    }
    rounding.variance += rounding.fine;
    const double widest = std::sqrt(rounding.variance + step_ * step_);
    double least = kInf;
    for (double rate = 0.7 / widest; rate * step_ < 8.0; rate *= 1.6) {
      if (!(rate - theta_ > 0.2 * rate)) continue;
      const double log_scale = rounding.log_scale(rate);
      const double log_least = -certainty - std::max(0.0, log_scale);
      const double bumps = bump_sum(epsilon, rate + theta_, log_least, 1) +
                           bump_sum(epsilon, rate - theta_, log_least, -1);
      least = std::min(least, std::exp(log_scale) * bumps);
    }
    return least;
  }

  // sum over losses on one side of epsilon of p~(l) e^(-rate |l - epsilon|), as far as the factor
  // is above e^log_least.
  double bump_sum(double epsilon, double rate, double log_least, int direction) const {
    const double cells = (epsilon - offset_) / step_;
    const double first = direction > 0 ? std::ceil(cells) : std::ceil(cells) - 1.0;
    const double away = std::abs(first - cells) * step_, reach = -log_least / rate;
    const double count = std::floor((reach - away) / step_) + 1.0;
    if (count > 0.5 * static_cast<double>(size_)) return kInf;
    const double fall = std::exp(-rate * step_);
    double factor = std::exp(-rate * away), total = 0.0;
    size_t place = wrap(first);
    for (double i = 0.0; i < count; ++i) {
      total += (std::abs(mass_[place]) + mass_error_) * factor;
      factor *= fall;
      place =
          direction > 0 ? (place + 1 == size_ ? 0 : place + 1) : (place == 0 ? size_ : place) - 1;
    }
    return total;
  }

  size_t wrap(double index) const {
    const double size = static_cast<double>(size_);
    return static_cast<size_t>(index - std::floor(index / size) * size) % size_;
  }

  double theta_, step_, start_, log_cut_;
  double offset_ = 0.0, cumulant_ = 0.0, infinite_ = 0.0, count_ = 0.0;
  double rounding_ = 0.0, mass_error_ = 0.0, variance_ = 0.0;
  const bool hits_only_, rest_only_, hits_;
  double log_rest_, rest_theta_, total_ = 1.0;
  Period period_;
  std::vector<Complex> log_spectrum_;
  std::vector<double> hit_rounding_;
  std::vector<Complex> group_spectrum_;
  double groups_ = 0.0, group_error_ = 0.0;
  std::vector<RoundingVariance> group_variances_;
  std::vector<Complex> log_hit_spectrum_;
  std::vector<double> mass_;
  size_t size_;
};

std::unique_ptr<DeltaCurve> make_lattice(const Side& side, const CurveTarget& target, bool group) {
  const double theta = target.theta;
  std::vector<Member> members = make_members(side, theta, group);
  std::unique_ptr<Loss> gaussian;
  if (side.mu_squared > 0.0) {
    gaussian = make_gaussian_loss(side.mu_squared);
    members.push_back({gaussian.get(), 1.0, gaussian->tilted({theta})});
  }
  if (members.size() * kSmallestLattice * 4 > 4 * kMostCells) return nullptr;
  const Period period =
      choose_period(side, theta, target.epsilon, target.log_delta, kLogShare, false);
  const double start = target.epsilon - 2.0 / theta;
  // Rounding errors of the transform grow with the number of losses that a release reaches.
  const double tolerance = side.hits ? 1e-4 : 4e-5;
  const Grid grid = choose_grid(members, target, period.length + 16.0 / theta, tolerance);
  if (!grid.tight && target.most_losses < kLargestLattice) return nullptr;
  if (group) choose_groups(members, grid);
  auto lattice = std::make_unique<Lattice>(side, theta, grid.step, grid.size, start);
  for (const Member& member : members) {
    if (!lattice->add_release(*member.loss, member.count, member.fine_steps)) return nullptr;
  }
  lattice->finish(period);
  return lattice;
}

}  // namespace

std::unique_ptr<DeltaCurve> make_lattice(const Side& side, const CurveTarget& target) {
  const bool may_group = std::any_of(side.releases.begin(), side.releases.end(),
                                     [&](const Release& r) { return may_be_grouped(side, r); });
  auto lattice = may_group ? make_lattice(side, target, true) : nullptr;
  return lattice ? std::move(lattice) : make_lattice(side, target, false);
}

}  // namespace starling
