#include "privacy/lattice_group.h"

#include <algorithm>
#include <cmath>

#include "privacy/fft.h"
#include "privacy/lattice_law.h"
#include "privacy/numeric.h"

namespace starling {
namespace {

constexpr size_t kLongest = size_t{1} << 15;  // of the fine lattice, or what the coarse one has
constexpr double kRounding = 2.3e-16;
// The tilted mass that may lie beyond the fine lattice and wrap around: e^-48.
constexpr double kLogBeyond = -48.0;

size_t power_of_two(double least) {
  size_t size = 64;
  while (static_cast<double>(size) < least) size *= 2;
  return size;
}

struct Range {
  double low, high;
};

// Where the sum of `count` losses lies but for a chance of 2 e^kLogBeyond under the tilted law:
// Chernoff's bounds at the best of some tilts, upward and downward.
Range reach(const std::vector<double>& mass, double total, double count, double step) {
  size_t last = mass.size();
  while (last > 1 && mass[last - 1] == 0.0) --last;
  const double widest = static_cast<double>(last) * step;
  Range range{0.0, INFINITY};
  for (double tilt = 0.5 / widest; tilt * widest < 400.0; tilt *= 1.5) {
    for (double sign : {-1.0, 1.0}) {
      const double growth = std::exp(sign * tilt * step);
      double factor = 1.0, excess = 0.0;
      for (size_t i = 0; i < last; ++i) {
        excess += mass[i] * (factor - 1.0);
        factor *= growth;
      }
      const double end = (count * std::log1p(excess / total) - kLogBeyond) / (sign * tilt);
      if (sign > 0.0) range.high = std::min(range.high, end);
      if (sign < 0.0) range.low = std::max(range.low, end);
    }
  }
  return range;
}

// The law of the sum of `count` releases; mass becomes that of the sum. Returns the error.
double compose(std::vector<double>& mass, double total, double count) {
  const double size = static_cast<double>(mass.size());
  double moved = 0.0, square = 0.0;
  for (size_t i = 1; i < mass.size(); ++i) moved += mass[i];
  mass[0] = -moved;  // the characteristic function less 1: the anchor needs no transform
  std::vector<std::complex<double>> spectrum = real_fft(mass);
  for (auto& value : spectrum) value = std::exp(count * log1p(value / total));
  mass = inverse_real_fft(spectrum);
  for (double& part : mass) {
    square += part * part;
    part = std::max(part, 0.0);
  }
  // The transform errs by its rounding error times count, in the mean square as its inverse does.
  const double relative = kRounding * std::log2(size) * (3.0 + 2.0 * count * moved / total);
  return std::sqrt(size * square) * relative + 4.0 * std::exp(kLogBeyond);
}

// To the coarse lattice, whose steps are `steps` fine ones; `first` is the least fine index.
std::vector<double> round_up(const std::vector<double>& fine, double first, double theta,
                             double step, double steps, size_t size) {
  std::vector<double> mass(size, 0.0);
  const double span = -std::expm1(-step), tilt_up = std::exp(theta * step);
  size_t place = static_cast<size_t>(first) % fine.size();
  for (size_t i = 0; i < fine.size(); ++i) {
    const double cells = (first + static_cast<double>(i)) / steps;
    const double whole = std::floor(cells), above = (cells - whole) * step;
    const double up = std::clamp(-std::expm1(-above) / span, 0.0, 1.0);
    const double part = fine[place] * std::exp(-theta * above);
    if (++place == fine.size()) place = 0;
    const size_t index = static_cast<size_t>(whole);
    mass[index % size] += part * (1.0 - up);
    mass[(index + 1) % size] += part * tilt_up * up;
  }
  return mass;
}

}  // namespace

GroupLaw group_law(const Loss& loss, double count, double theta, double step, size_t size,
                   double steps) {
  const double longest = static_cast<double>(std::max(size, kLongest));
  const double widest = loss.loss(std::min(loss.top(), loss.rare_from())) - loss.anchor();
  for (; steps >= 2.0; steps /= 2.0) {
    const double fine = step / steps;
    if (widest / fine + 4.0 > longest) continue;
    LatticeLaw law = lattice_law(loss, theta, fine, power_of_two(widest / fine + 4.0), true);
    if (!std::isfinite(law.cumulant)) return {};
    double total = 0.0;
    for (double mass : law.mass) total += mass;
    const Range range = reach(law.mass, total, count, fine);
    const double length = range.high - range.low;
    if (!(length < 0.5 * step * static_cast<double>(size))) return {};
    if (length / fine + 4.0 > longest) continue;
    law.mass.resize(std::max(law.mass.size(), power_of_two(length / fine + 4.0)), 0.0);
    GroupLaw group;
    group.steps = steps;
    group.error = compose(law.mass, total, count);
    group.cumulant = count * (law.cumulant + std::log(total));
    group.variance = count * law.variance / total;
    group.mass = round_up(law.mass, std::floor(range.low / fine), theta, step, steps, size);
    return group;
  }
  return {};
}

}  // namespace starling
