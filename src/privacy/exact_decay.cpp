#include "privacy/exact_decay.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "privacy/numeric.h"

namespace starling {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kGrowth = 1.2;

double one_minus_cos(double angle) {
  const double half = std::sin(0.5 * angle);
  return 2.0 * half * half;
}

// The gain of one cell's halves, grown to where it holds for every larger t as well.
double near_gain(double x, double ratio) {
  const double limit = 0.5 * kPi / ratio;
  const double parts = std::max(1.0, std::ceil(x / limit));
  if (parts == 1.0) return one_minus_cos(std::min(x, 0.5 * limit));
  return one_minus_cos(limit * (parts - 1.0) / parts);
}

}  // namespace

Decay::Decay(const Side& side, double theta) : mu_squared_(side.mu_squared) {
  for (const Release& release : side.releases) {
    Cells cells{release.count, {}, {}};
    const double top = release.loss->top(theta, std::log(side.count()));
    const double cumulant = release.loss->cumulant(theta, top);
    for (double width : {0.2, 0.6}) {
      cells.near.push_back(release.loss->decay_cells(theta, cumulant, width));
    }
    cells.far = choose_pairs(cells.near[0], 10);
    releases_.push_back(std::move(cells));
  }
}

// The cells left of a split pair with those right of it; the split that gains most for small t.
std::vector<Decay::FarPair> Decay::choose_pairs(const std::vector<DecayCell>& cells,
                                                size_t distance) {
  const auto pair = [&](size_t i) {
    const DecayCell& left = cells[i];
    const DecayCell& right = cells[i + distance];
    return FarPair{2.0 * std::min(left.mass, right.mass), 0.5 * (right.low - left.high),
                   0.5 * (right.high - left.low)};
  };
  double best = 0.0;
  size_t best_start = 0;
  for (size_t start = 0; start + 2 * distance <= cells.size(); ++start) {
    double gain = 0.0;
    for (size_t i = start; i < start + distance; ++i) {
      const FarPair far = pair(i);
      gain += far.mass * far.least * far.least;
    }
    if (gain > best) {
      best = gain;
      best_start = start;
    }
  }
  std::vector<FarPair> pairs;
  if (best == 0.0) return pairs;
  for (size_t i = best_start; i < best_start + distance; ++i) pairs.push_back(pair(i));
  return pairs;
}

double Decay::exponent(double t) const {
  double total = 0.5 * mu_squared_ * t * t;
  for (const Cells& cells : releases_) {
    double best = 0.0;
    for (const std::vector<DecayCell>& width : cells.near) {
      double sum = 0.0;
      for (const DecayCell& cell : width) {
        if (cell.mass > 0.0) sum += cell.mass * near_gain(t * cell.rise, cell.ratio);
      }
      best = std::max(best, sum);
    }
    total -= cells.count * std::log1p(-std::min(best, 1.0 - 1e-12));
  }
  return total;
}

double Decay::exponent(double t, double t_end) const {
  double total = 0.5 * mu_squared_ * t * t;
  for (const Cells& cells : releases_) {
    double best = 0.0;
    for (const FarPair& pair : cells.far) {
      // |cos| is largest at the nearer of the two ends to 0 or pi.
      const double angle = std::min(t * pair.least, kPi - t_end * pair.most);
      if (angle > 0.0) best += pair.mass * one_minus_cos(std::min(angle, 0.5 * kPi));
    }
    for (const std::vector<DecayCell>& width : cells.near) {
      double sum = 0.0;
      for (const DecayCell& cell : width) {
        if (cell.mass > 0.0) sum += cell.mass * near_gain(t * cell.rise, cell.ratio);
      }
      best = std::max(best, sum);
    }
    total -= cells.count * std::log1p(-std::min(best, 1.0 - 1e-12));
  }
  return total;
}

double Decay::truncation(double start, double log_tail, double limit) {
  std::vector<double> pieces;
  double t = start;
  double log_rest = kInf;
  while (true) {
    log_rest = -exponent(t) - std::log(kPi * t);
    if (log_rest <= log_tail - 1.0 || t > 100.0 * limit) break;
    pieces.push_back(-exponent(t, kGrowth * t) - std::log(kPi * t) + std::log1p(-1.0 / kGrowth));
    t *= kGrowth;
  }
  if (!(log_rest <= log_tail)) return kInf;
  log_tail_ = log_rest;
  while (!pieces.empty()) {
    const double longer = log_add_exp(log_tail_, pieces.back());
    if (longer > log_tail) break;
    log_tail_ = longer;
    pieces.pop_back();
    t /= kGrowth;
  }
  return t <= limit ? t : kInf;
}

}  // namespace starling
