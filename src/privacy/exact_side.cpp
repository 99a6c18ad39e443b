#include "privacy/exact_side.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "privacy/golden_section.h"
#include "privacy/numeric.h"

namespace starling {
namespace {

constexpr double kLogThetaMin = -9.0;

// The minimum of a function that falls, then rises: steps outward from 0, then golden section.
template <class Function>
double minimise(double log_theta_max, const Function& function) {
  // A cumulant that overflows to not-a-number lies far beyond the minimum.
  const auto f = [&](double x) {
    const double value = function(x);
    return std::isnan(value) ? std::numeric_limits<double>::infinity() : value;
  };
  double middle = 0.0, best = f(0.0), step = 0.5;
  double other = f(step);
  if (!(other < best)) {
    step = -step;
    other = f(step);
  }
  double behind = -step;
  while (other < best && middle + step > kLogThetaMin && middle + step < log_theta_max) {
    behind = middle;
    middle += step;
    best = other;
    step *= 1.3;
    other = f(middle + step);
  }
  return golden_section(std::min(behind, middle + step), std::max(behind, middle + step), 0.01, f);
}

double log_theta_max(const Side& side) {
  double largest = 1e9;
  for (const Release& release : side.releases) {
    largest = std::min(largest, release.loss->largest_theta());
  }
  return std::log(largest);
}

// One unit covers the error of cumulant().
constexpr double kSlack = 1.0;
// Hits with a larger chance (its logarithm) are not worth a transform of their own.
constexpr double kRare = -0.5;

// The transform of outcomes with a hit is at most e^K times sum of count E[e^(theta L); hit], since
// every E[e^(theta L)] >= 1.
double log_hit_moment(const Side& side, double theta) {
  double moment = 0.0;
  for (const Release& release : side.releases) {
    moment += release.count * release.loss->rare_moment(theta);
  }
  return std::log(moment);
}

double rest_cumulant(const Side& side, double theta) {
  double total = 0.5 * side.mu_squared * theta * (1.0 + theta);
  for (const Release& release : side.releases) {
    const double top = std::min(release.loss->top(), release.loss->rare_from());
    total += release.count * release.loss->cumulant(theta, top);
  }
  return total;
}

}  // namespace

bool Side::split_hits(double start, double epsilon, double log_mass) {
  hits = false;
  log_hits = 0.0;
  log_rest = -std::numeric_limits<double>::infinity();
  for (double least = start; least > 1e-3 * epsilon; least *= 0.8) {
    for (Release& release : releases) release.loss->split(least);
    if (!splits()) break;
    log_hits = std::min(0.0, log_hit_moment(*this, 0.0));
    if (log_hits > kRare) break;
    const auto log_delta_at = [&](double log_theta) {
      const double theta = std::exp(log_theta);
      return rest_cumulant(*this, theta) + log_hinge_factor(theta) - theta * epsilon;
    };
    const double log_theta = minimise(log_theta_max(*this), log_delta_at);
    if (!(log_delta_at(log_theta) <= log_mass)) continue;
    hits = true;
    threshold = least;
    rest_theta = std::exp(log_theta);
    // cumulant() is good to eight digits.
    log_rest = log_delta_at(log_theta) + rest_theta * epsilon + 1e-2;
    return true;
  }
  log_hits = 0.0;
  for (Release& release : releases) release.loss->split(INFINITY);
  return false;
}

bool Side::splits() const {
  return std::any_of(releases.begin(), releases.end(), [](const Release& release) {
    return std::isfinite(release.loss->rare_from());
  });
}

void Side::cut(double log_mass) {
  log_infinite = log_mass;
  for (Release& release : releases) release.loss->cut(log_mass - std::log(count()));
}

double Side::count() const {
  double total = 0.0;
  for (const Release& release : releases) total += release.count;
  return std::max(total, 1.0);
}

double Side::cumulant(double theta) const {
  if (rest) return rest_cumulant(*this, theta);
  double total = 0.5 * mu_squared * theta * (1.0 + theta);
  for (const Release& release : releases) {
    total += release.count * release.loss->cumulant(theta, release.loss->top());
  }
  return hits ? total + std::min(0.0, log_hit_moment(*this, theta)) : total;
}

double Side::cumulant(double theta, double transform_theta) const {
  const double log_count = std::log(count());
  double total = 0.5 * mu_squared * theta * (1.0 + theta);
  for (const Release& release : releases) {
    const double top = release.loss->top(transform_theta, log_count);
    total += release.count * release.loss->cumulant(theta, top);
  }
  return total;
}

double Side::tilted_variance(double theta) const {
  double total = mu_squared;
  for (const Release& release : releases) {
    total += release.count * release.loss->variance(theta, release.loss->top());
  }
  return total;
}

Side make_side(std::span<const Term> terms, Direction direction) {
  Side side;
  side.direction = direction;
  for (const Term& term : terms) {
    if (const auto* gaussian = std::get_if<GaussianTerm>(&term.kind)) {
      side.mu_squared += term.count * gaussian->mu_squared;
    } else {
      side.releases.push_back({make_loss(term.kind, direction), term.count});
    }
  }
  return side;
}

double log_hinge_factor(double theta) {
  return theta * std::log(theta) - (1.0 + theta) * std::log1p(theta);
}

Chernoff chernoff_epsilon(const Side& side, double log_delta) {
  const auto epsilon_at = [&](double log_theta) {
    const double theta = std::exp(log_theta);
    return (side.cumulant(theta) + log_hinge_factor(theta) - log_delta) / theta;
  };
  const double log_theta = minimise(log_theta_max(side), epsilon_at);
  return {std::exp(log_theta), std::max(0.0, epsilon_at(log_theta))};
}

Chernoff chernoff_log_delta(const Side& side, double epsilon) {
  const auto log_delta_at = [&](double log_theta) {
    const double theta = std::exp(log_theta);
    return side.cumulant(theta) + log_hinge_factor(theta) - theta * epsilon;
  };
  const double log_theta = minimise(log_theta_max(side), log_delta_at);
  return {std::exp(log_theta), std::min(0.0, log_delta_at(log_theta))};
}

double Period::log_aliases(double theta, double epsilon) const {
  const double below = log_mass - theta * length;
  const double fall = (second_theta - theta) * length;
  const double above = second_cumulant - second_theta * epsilon - fall;
  return log_add_exp(below - std::log(-std::expm1(-theta * length)),
                     above - std::log(-std::expm1(-fall)));
}

Period choose_period(const Side& side, double theta, double epsilon, double log_delta,
                     double log_share, bool transform) {
  const double allowed = log_share + log_delta - 1.0;
  Period best;
  double shortest = std::numeric_limits<double>::infinity();
  for (double factor : {1.1, 1.25, 1.5, 2.0, 3.0}) {
    const double second = factor * theta;
    const double cumulant =
        (transform ? side.cumulant(second, theta) : side.cumulant(second)) + kSlack;
    const double length = (cumulant - second * epsilon - allowed) / (second - theta);
    if (!(length < shortest)) continue;
    shortest = length;
    best = {length, second, cumulant, side.log_hits};
  }
  best.length = std::max({best.length, (side.log_hits - allowed) / theta, 1.0 / theta});
  best.log_mass = side.log_hits;
  return best;
}

double choose_theta(const Side& side, double theta, double epsilon, double log_delta, bool scaled) {
  // Rounding errors of a lattice are relative to all that is transformed, and larger.
  const double least_share = scaled || side.hits ? -20.0 : -14.0;
  double best = theta, least = std::numeric_limits<double>::infinity();
  for (double factor : {1.0, 0.8, 0.64, 0.5, 0.38, 0.28, 0.2, 0.14, 0.1, 0.07}) {
    const double tilt = factor * theta;
    const double cumulant = scaled ? side.cumulant(tilt, tilt) : side.cumulant(tilt);
    if (!(log_delta + tilt * epsilon - cumulant >= least_share)) continue;
    const double low = std::max(0.0, epsilon - 10.0 / tilt);
    const Period period = choose_period(side, tilt, low, log_delta, -16.0, scaled);
    const double width = scaled ? std::sqrt(side.tilted_variance(tilt)) : 1.0;
    if (!(period.length / width < least)) continue;
    least = period.length / width;
    best = tilt;
  }
  return best;
}

}  // namespace starling
