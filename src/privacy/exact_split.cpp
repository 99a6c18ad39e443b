#include "privacy/exact_split.h"

#include <algorithm>
#include <numbers>

#include "privacy/golden_section.h"
#include "privacy/numeric.h"

namespace starling {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kLogRest = std::log(1e-5);  // of delta, for outcomes without hits
constexpr double kSlack = 1.0;           // covers the errors of cumulants at other tilts

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

RestBound rest_bound(const SplitSide& split, double epsilon) {
  const auto log_delta = [&](double log_tilt) {
    const double tilt = std::exp(log_tilt);
    return split.rest_cumulant(tilt) + log_hinge_factor(tilt) - tilt * epsilon;
  };
  const double centre = std::log(split.theta);
  const double tilt = std::exp(golden_section(centre - 2.0, centre + 4.0, 0.02, log_delta));
  return {tilt, split.rest_cumulant(tilt) + log_hinge_factor(tilt)};
}

// Nodes of another tilt are good to find a bound with, not to prove it. Outcomes beyond the cut
// count as infinite losses, with hits or without.
RestBound proven(const Side& side, double threshold, RestBound rest) {
  SplitSide own{&side, rest.theta, threshold, {}};
  const double log_count = std::log(side.count());
  for (const Release& release : side.releases) {
    const double cut = release.loss->top();
    own.nodes.push_back(release.loss->split_nodes({rest.theta, 0.0, log_count, threshold, cut}));
  }
  if (!own.finite()) return {rest.theta, kInf};
  return {rest.theta, own.rest_cumulant(rest.theta) + log_hinge_factor(rest.theta) + 1e-2};
}

}  // namespace

bool SplitSide::finite() const {
  return std::all_of(nodes.begin(), nodes.end(), [](const SplitNodes& n) { return n.error < 1.0; });
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

double SplitSide::cumulant(double tilt) const {
  const double hits = std::exp(log_hits(tilt));
  return rest_cumulant(tilt) + (hits > 30.0 ? hits : std::log(std::expm1(hits)));
}

SplitSide split_side(const Side& side, double theta, double threshold, double t_max,
                     double most_nodes) {
  SplitSide split{&side, theta, threshold, {}};
  const double log_count = std::log(side.count());
  for (const Release& release : side.releases) {
    const double end = release.loss->top(theta, log_count);
    split.nodes.push_back(
        release.loss->split_nodes({theta, t_max, log_count, threshold, end, most_nodes}));
  }
  return split;
}

bool choose_threshold(const Side& side, const CurveTarget& target, double theta, SplitSide& split,
                      RestBound& rest) {
  const double epsilon = target.centre;
  for (double share = 1.0; share > 2e-3; share *= 0.75) {
    split = split_side(side, theta, share * epsilon);
    if (!split.usable()) return false;
    rest = rest_bound(split, epsilon);
    if (!(rest.at(epsilon) <= target.log_delta + kLogRest)) continue;
    rest = proven(side, split.threshold, rest);
    if (rest.at(epsilon) <= target.log_delta + kLogRest + 0.5) return true;
  }
  return false;
}

double hit_tilt(const SplitSide& split, double epsilon) {
  const auto log_delta = [&](double log_tilt) {
    const double tilt = std::exp(log_tilt);
    return split.cumulant(tilt) + log_hinge_factor(tilt) - tilt * epsilon;
  };
  const double centre = std::log(split.theta);
  return std::exp(golden_section(centre - 3.0, centre, 0.02, log_delta));
}

Period hit_period(const SplitSide& split, const CurveTarget& target, double log_share) {
  const double allowed = log_share + target.log_delta - 1.0, theta = split.theta;
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

HitTail::HitTail(const SplitSide& split) : split_(split) {
  for (size_t i = 0; i < split.nodes.size(); ++i) {
    decays_.push_back(split.side->releases[i].loss->hit_decay(split.nodes[i], split.theta));
  }
}

double HitTail::truncation(double start, double log_tail, double limit) const {
  double low = start, high = start;
  while (!(at(high) <= log_tail)) {
    if (high > limit) return kInf;
    low = high;
    high *= 2.0;
  }
  while (high > 1.14 * low) {
    const double middle = std::sqrt(low * high);
    (at(middle) <= log_tail ? high : low) = middle;
  }
  return high <= limit ? high : kInf;
}

// A telescoping sum over releases, of which one has its hit and all others are at most e^(hits).
double HitTail::at(double t) const {
  double total = -kInf, hits = 0.0;
  for (size_t i = 0; i < decays_.size(); ++i) {
    const double count = split_.side->releases[i].count;
    hits += count * split_.nodes[i].hits;
    total = log_add_exp(total, std::log(count) + decays_[i].at(t));
  }
  return total + hits - 0.5 * split_.side->mu_squared * t * t - std::log(std::numbers::pi * t);
}

}  // namespace starling
