#include "starling/federated/robust.h"

#include <algorithm>
#include <cmath>

#include "federated/robust_rules.h"
#include "starling/core/error.h"

namespace starling {
namespace robust {

std::vector<double> mean_of(Updates updates) {
  std::vector<double> mean(updates[0].size(), 0.0);
  for (const auto& update : updates)
    for (size_t i = 0; i < mean.size(); ++i) mean[i] += update[i];
  for (double& value : mean) value /= static_cast<double>(updates.size());
  return mean;
}

double norm_of(std::span<const double> values) {
  double square = 0.0;
  for (const double value : values) square += value * value;
  return std::sqrt(square);
}

namespace {

// out[i] = reduce(the values of coordinate i, ascending).
template <class Reduce>
std::vector<double> by_coordinate(Updates updates, Reduce reduce) {
  std::vector<double> result(updates[0].size()), column(updates.size());
  for (size_t i = 0; i < result.size(); ++i) {
    for (size_t k = 0; k < updates.size(); ++k) column[k] = updates[k][i];
    std::sort(column.begin(), column.end());
    result[i] = reduce(column);
  }
  return result;
}

double middle(const std::vector<double>& ascending) {
  const size_t half = ascending.size() / 2;
  return ascending.size() % 2 == 1 ? ascending[half]
                                   : 0.5 * (ascending[half - 1] + ascending[half]);
}

size_t trimmed(double beta, size_t count) {
  return static_cast<size_t>(std::floor(beta * static_cast<double>(count)));
}

std::vector<double> trimmed_mean(Updates updates, double beta) {
  const size_t cut = trimmed(beta, updates.size());
  return by_coordinate(updates, [&](const std::vector<double>& ascending) {
    double sum = 0.0;
    for (size_t k = cut; k < ascending.size() - cut; ++k) sum += ascending[k];
    return sum / static_cast<double>(ascending.size() - 2 * cut);
  });
}

std::vector<double> norm_bound(Updates updates, double bound) {
  std::vector<double> mean(updates[0].size(), 0.0);
  for (const auto& update : updates) {
    const double norm = norm_of(update);
    const double factor = (norm > bound ? bound / norm : 1.0) / static_cast<double>(updates.size());
    for (size_t i = 0; i < mean.size(); ++i) mean[i] += factor * update[i];
  }
  return mean;
}

struct Rule {
  Updates updates;
  std::span<const double> trusted;

  std::vector<double> operator()(const MeanAggregation&) const { return mean_of(updates); }
  std::vector<double> operator()(const MedianAggregation&) const {
    return by_coordinate(updates, middle);
  }
  std::vector<double> operator()(const TrimmedMeanAggregation& spec) const {
    return trimmed_mean(updates, spec.beta);
  }
  std::vector<double> operator()(const KrumAggregation& spec) const {
    return krum(updates, spec.malicious_clients);
  }
  std::vector<double> operator()(const MultiKrumAggregation& spec) const {
    return multi_krum(updates, spec.malicious_clients, spec.clients_to_keep);
  }
  std::vector<double> operator()(const BulyanAggregation& spec) const {
    return bulyan(updates, spec.malicious_clients);
  }
  std::vector<double> operator()(const GeometricMedianAggregation& spec) const {
    return geometric_median(updates, spec);
  }
  std::vector<double> operator()(const NormBoundAggregation& spec) const {
    return norm_bound(updates, spec.bound);
  }
  std::vector<double> operator()(const FlTrustAggregation&) const {
    return fltrust(updates, trusted);
  }
};

struct Namer {
  const char* operator()(const MeanAggregation&) const { return "mean"; }
  const char* operator()(const MedianAggregation&) const { return "median"; }
  const char* operator()(const TrimmedMeanAggregation&) const { return "trimmed_mean"; }
  const char* operator()(const KrumAggregation&) const { return "krum"; }
  const char* operator()(const MultiKrumAggregation&) const { return "multi_krum"; }
  const char* operator()(const BulyanAggregation&) const { return "bulyan"; }
  const char* operator()(const GeometricMedianAggregation&) const { return "geometric_median"; }
  const char* operator()(const NormBoundAggregation&) const { return "norm_bound"; }
  const char* operator()(const FlTrustAggregation&) const { return "fltrust"; }
};

struct Minimum {
  int64_t operator()(const KrumAggregation& spec) const { return 2 * spec.malicious_clients + 3; }
  int64_t operator()(const MultiKrumAggregation& spec) const {
    return std::max(2 * spec.malicious_clients + 3,
                    spec.clients_to_keep + spec.malicious_clients + 2);
  }
  int64_t operator()(const BulyanAggregation& spec) const { return 4 * spec.malicious_clients + 3; }
  template <class Other>
  int64_t operator()(const Other&) const {
    return 1;
  }
};

void check(const RobustSpec& spec, Updates updates, std::span<const double> trusted) {
  const int64_t minimum = minimum_updates(spec);
  if (static_cast<int64_t>(updates.size()) < minimum)
    throw Error("aggregation \"" + to_string(spec) + "\" needs " + std::to_string(minimum) +
                " updates and has " + std::to_string(updates.size()) +
                "; raise participation, or lower what it withstands");
  for (const auto& update : updates)
    if (update.size() != updates[0].size())
      throw Error("updates of " + std::to_string(updates[0].size()) + " and " +
                  std::to_string(update.size()) + " coordinates cannot be aggregated");
  if (std::holds_alternative<FlTrustAggregation>(spec) && trusted.size() != updates[0].size())
    throw Error("aggregation \"fltrust\" needs the server's own update of " +
                std::to_string(updates[0].size()) + " coordinates and has " +
                std::to_string(trusted.size()));
}

}  // namespace
}  // namespace robust

std::string to_string(const RobustSpec& spec) { return std::visit(robust::Namer{}, spec); }

int64_t minimum_updates(const RobustSpec& spec) { return std::visit(robust::Minimum{}, spec); }

std::vector<double> aggregate(const RobustSpec& spec,
                              std::span<const std::span<const double>> updates,
                              std::span<const double> trusted) {
  robust::check(spec, updates, trusted);
  return std::visit(robust::Rule{updates, trusted}, spec);
}

}  // namespace starling
