#include <algorithm>
#include <cmath>

#include "federated/robust_rules.h"

namespace starling::robust {
namespace {

double distance(std::span<const double> a, std::span<const double> b) {
  double square = 0.0;
  for (size_t i = 0; i < a.size(); ++i) square += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(square);
}

std::vector<double> weighted_mean(Updates updates, const std::vector<double>& weights) {
  std::vector<double> sum(updates[0].size(), 0.0);
  double total = 0.0;
  for (size_t k = 0; k < updates.size(); ++k) {
    total += weights[k];
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += weights[k] * updates[k][i];
  }
  for (double& value : sum) value /= total;
  return sum;
}

double product(std::span<const double> a, std::span<const double> b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

std::vector<double> geometric_median(Updates updates, const GeometricMedianAggregation& spec) {
  std::vector<double> centre = mean_of(updates), weights(updates.size());
  for (int64_t step = 0; step < spec.iterations; ++step) {
    for (size_t k = 0; k < updates.size(); ++k)
      weights[k] = 1.0 / std::max(spec.smoothing, distance(updates[k], centre));
    centre = weighted_mean(updates, weights);
  }
  return centre;
}

std::vector<double> fltrust(Updates updates, std::span<const double> trusted) {
  const double own = norm_of(trusted);
  std::vector<double> sum(trusted.size(), 0.0);
  double total = 0.0;
  for (const auto& update : updates) {
    const double norm = norm_of(update);
    if (norm == 0.0 || own == 0.0) continue;
    const double trust = std::max(0.0, product(update, trusted) / (norm * own));
    total += trust;
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += trust * own / norm * update[i];
  }
  if (total > 0.0)
    for (double& value : sum) value /= total;
  return sum;
}

}  // namespace starling::robust
