#include "privacy/loss_gaussian.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <vector>

namespace starling {

namespace {

constexpr double kPi = std::numbers::pi;

// Heights above the real line, as shares of the strip's pi.
const std::vector<double> kAngles = [] {
  std::vector<double> angles;
  for (int i = 1; i <= 14; ++i) angles.push_back(0.97 * kPi * std::pow(i / 14.0, 2.5));
  return angles;
}();
// Means over the law at some height are sums over the nodes of the real line.
constexpr double kGrowthSlack = 2.0;

std::vector<double> logarithms(std::span<const double> weights) {
  std::vector<double> logs;
  for (double weight : weights) logs.push_back(std::log(weight));
  return logs;
}

// log sum of weights e^(t argument). A weight far below the largest may matter most.
double log_mean_growth(std::span<const double> log_weights, std::span<const double> arguments,
                       double t) {
  double high = -INFINITY, sum = 0.0;
  for (size_t k = 0; k < log_weights.size(); ++k) {
    high = std::max(high, log_weights[k] + t * arguments[k]);
  }
  for (size_t k = 0; k < log_weights.size(); ++k) {
    const double exponent = log_weights[k] + t * arguments[k] - high;
    if (exponent > -40.0) sum += std::exp(exponent);
  }
  return high + std::log(sum);
}

// Nodes whose weights do not matter, of which there are fewer than e^12.
void drop_negligible(SplitNodes& nodes, double least) {
  size_t kept = 0;
  for (size_t k = 0; k < nodes.loss.size(); ++k) {
    const bool hit = !nodes.hit.empty() && nodes.hit[k] > least * nodes.hits;
    if (!hit && !(nodes.rest[k] > least)) continue;
    nodes.place[kept] = nodes.place[k];
    nodes.loss[kept] = nodes.loss[k];
    nodes.rest[kept] = nodes.rest[k];
    if (!nodes.hit.empty()) nodes.hit[kept] = nodes.hit[k];
    ++kept;
  }
  for (auto* list : {&nodes.place, &nodes.loss, &nodes.rest, &nodes.hit}) {
    if (!list->empty()) list->resize(kept);
  }
}

}  // namespace

// arg of w at height y = angle s^2 above the real line: by how much e^(itL) grows there, or shrinks
// below it, is e^(t argument).
double PoissonGaussianLoss::argument(double y, double angle) const {
  const auto of_w = [&](double z) {
    const double log_odds = log_q_ - log_rest_ + (2.0 * z - 1.0) / (2.0 * s2_);
    if (log_odds > 40.0) return angle;
    const double odds = std::exp(log_odds);
    return std::atan2(odds * std::sin(angle), 1.0 + odds * std::cos(angle));
  };
  if (direction_ == Direction::replace) return of_w(y) + of_w(-y);
  return of_w(direction_ == Direction::add ? -y : y);
}

// Of all factors at that height but e^(itL), the smooth split's included: the normal distribution
// function Phi has |Phi(a + ib)| <= e^(b^2/2) Phi(a).
double PoissonGaussianLoss::growth(double theta, double angle) const {
  const double power = direction_ == Direction::remove ? 0.0 : theta;
  const double height = angle * s2_ / split_width();
  return 0.5 * (angle * angle * s2_ + height * height) - power * std::log(std::cos(0.5 * angle));
}

// As step(), but e^(t argument) is averaged over the law instead of bounded by its largest value.
double PoissonGaussianLoss::split_step(const SplitNodes& coarse, double theta, double t_max,
                                       double need) const {
  double widest = 0.0;
  std::vector<double> arguments(coarse.place.size());
  const std::vector<double> log_rest = logarithms(coarse.rest), log_hit = logarithms(coarse.hit);
  for (double angle : kAngles) {
    for (size_t k = 0; k < arguments.size(); ++k) arguments[k] = argument(coarse.place[k], angle);
    double more = log_mean_growth(log_rest, arguments, t_max);
    if (coarse.hits > 0.0) {
      const double hits = log_mean_growth(log_hit, arguments, t_max);
      more = std::max(more, hits - std::log(coarse.hits));
    }
    const double all = need + growth(theta, angle) + more + kGrowthSlack;
    widest = std::max(widest, 2.0 * kPi * angle * s2_ / all);
  }
  return std::min(widest, 0.6 * s_);
}

SplitNodes PoissonGaussianLoss::split_nodes(const SplitRequest& request) const {
  const double need = kLogAccuracy + request.log_count;
  double h = 0.0;
  for (double angle : kAngles) {
    h = std::max(h, 2.0 * kPi * angle * s2_ / (need + growth(request.theta, angle)));
  }
  SplitNodes nodes = split_nodes_at(std::min(h, 0.6 * s_), request);
  if (request.t_max == 0.0 || !std::isfinite(nodes.error)) return nodes;
  nodes = split_nodes_at(split_step(nodes, request.theta, request.t_max, need), request);
  drop_negligible(nodes, std::exp(-need - 12.0));
  return nodes;
}

SplitNodes PoissonGaussianLoss::split_nodes_at(double h, const SplitRequest& request) const {
  const double theta = request.theta, log_count = request.log_count;
  const double middle = splits(request.threshold) ? place(request.threshold) : INFINITY;
  SplitNodes nodes;
  nodes.error = INFINITY;
  const double first = std::floor(low() / h), last = std::ceil(request.end / h);
  if (!(last - first < request.most_nodes)) return nodes;
  double excess = 0.0, absolute = 0.0;
  for (double k = first; k <= last; ++k) {
    const double y = k * h, here = loss(y), log_mass = std::log(h) + log_density(y);
    const double away = (y - middle) / (split_width() * std::numbers::sqrt2);
    const double hit = 0.5 * std::erfc(-away), rest = 0.5 * std::erfc(away);
    const double tilted = log_mass + theta * here;
    if (std::log(rest) + tilted > 300.0) return nodes;
    const double part =
        (rest > 0.0 ? rest * excess_mass(log_mass, theta * here) : 0.0) - hit * std::exp(log_mass);
    excess += part;
    absolute += std::abs(part);
    nodes.place.push_back(y);
    nodes.loss.push_back(here);
    nodes.rest.push_back(rest > 0.0 ? std::exp(tilted + std::log(rest)) : 0.0);
    if (middle < INFINITY) nodes.hit.push_back(hit * std::exp(tilted));
  }
  // Beyond the end all are hits.
  for (double k = last + 1.0; middle < INFINITY; ++k) {
    const double log_mass = std::log(h) + log_density(k * h);
    if (log_mass < -kLogAccuracy - log_count - 10.0) break;
    excess -= std::exp(log_mass);
  }
  nodes.cumulant = std::log1p(excess);
  const double scale = std::exp(-nodes.cumulant);
  for (double& weight : nodes.rest) weight *= scale;
  for (double& weight : nodes.hit) nodes.hits += weight *= scale;
  const double accuracy = 5.0 * std::exp(-kLogAccuracy - log_count);
  nodes.error =
      accuracy + 2e-16 * std::abs(nodes.cumulant) + 1e-15 * std::min(1.0, absolute * scale);
  nodes.at_end = nodes.rest.back();
  nodes.hit_error = nodes.hits * (accuracy + 1e-14) + 10.0 * scale * std::exp(-42.0 - log_count);
  return nodes;
}

HitDecay PoissonGaussianLoss::hit_decay(const SplitNodes& nodes, double theta) const {
  HitDecay decay;
  if (!(nodes.hits > 0.0)) return decay;
  decay.log_hit = logarithms(nodes.hit);
  for (double angle : kAngles) {
    decay.growth.push_back(growth(theta, angle) + kGrowthSlack);
    std::vector<double>& arguments = decay.arguments.emplace_back();
    for (double y : nodes.place) arguments.push_back(argument(y, angle));
  }
  // The real line itself.
  decay.growth.push_back(0.0);
  decay.arguments.emplace_back(nodes.place.size(), 0.0);
  return decay;
}

double HitDecay::at(double t) const {
  double best = log_hit.empty() ? -INFINITY : INFINITY;
  for (size_t i = 0; i < growth.size(); ++i) {
    best = std::min(best, log_mean_growth(log_hit, arguments[i], -t) + growth[i]);
  }
  return best;
}

}  // namespace starling
