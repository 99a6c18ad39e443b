#include <algorithm>
#include <cmath>
#include <numeric>

#include "federated/robust_rules.h"

namespace starling::robust {
namespace {

double squared_distance(std::span<const double> a, std::span<const double> b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

using Matrix = std::vector<std::vector<double>>;

Matrix distances(Updates updates) {
  Matrix result(updates.size(), std::vector<double>(updates.size(), 0.0));
  for (size_t a = 0; a < updates.size(); ++a)
    for (size_t b = 0; b < a; ++b)
      result[a][b] = result[b][a] = squared_distance(updates[a], updates[b]);
  return result;
}

// Krum score of each of `members`: the sum of the distances to the `neighbours` nearest others.
std::vector<double> scores(const Matrix& distance, const std::vector<size_t>& members,
                           int64_t neighbours) {
  std::vector<double> result;
  for (const size_t a : members) {
    std::vector<double> others;
    for (const size_t b : members)
      if (a != b) others.push_back(distance[a][b]);
    const auto count = std::min<size_t>(others.size(), static_cast<size_t>(neighbours));
    std::sort(others.begin(), others.end());
    result.push_back(std::accumulate(others.begin(), others.begin() + count, 0.0));
  }
  return result;
}

std::vector<size_t> everyone(Updates updates) {
  std::vector<size_t> members(updates.size());
  std::iota(members.begin(), members.end(), size_t{0});
  return members;
}

// Positions by ascending score; equal scores by client order.
std::vector<size_t> best_first(const std::vector<double>& score) {
  std::vector<size_t> order(score.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return score[a] < score[b]; });
  return order;
}

std::vector<double> nearest_values(std::vector<double> column, size_t keep, double median) {
  std::sort(column.begin(), column.end(), [&](double a, double b) {
    const double from_a = std::abs(a - median), from_b = std::abs(b - median);
    return from_a != from_b ? from_a < from_b : a < b;
  });
  column.resize(keep);
  return column;
}

std::vector<size_t> choose_by_krum(Updates updates, int64_t malicious) {
  const Matrix distance = distances(updates);
  std::vector<size_t> left = everyone(updates), chosen;
  const size_t wanted = updates.size() - 2 * static_cast<size_t>(malicious);
  while (chosen.size() < wanted) {
    const int64_t neighbours =
        std::max<int64_t>(1, static_cast<int64_t>(left.size()) - malicious - 2);
    const size_t best = best_first(scores(distance, left, neighbours)).front();
    chosen.push_back(left[best]);
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(best));
  }
  return chosen;
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

}  // namespace

std::vector<double> multi_krum(Updates updates, int64_t malicious, int64_t keep) {
  const auto neighbours = static_cast<int64_t>(updates.size()) - malicious - 2;
  std::vector<size_t> order = best_first(scores(distances(updates), everyone(updates), neighbours));
  order.resize(static_cast<size_t>(keep));
  std::sort(order.begin(), order.end());
  std::vector<std::span<const double>> kept;
  for (const size_t k : order) kept.push_back(updates[k]);
  return mean_of(kept);
}

std::vector<double> krum(Updates updates, int64_t malicious) {
  return multi_krum(updates, malicious, 1);
}

std::vector<double> bulyan(Updates updates, int64_t malicious) {
  const std::vector<size_t> chosen = choose_by_krum(updates, malicious);
  const size_t keep = chosen.size() - 2 * static_cast<size_t>(malicious);
  std::vector<double> result(updates[0].size()), column(chosen.size());
  for (size_t i = 0; i < result.size(); ++i) {
    for (size_t k = 0; k < chosen.size(); ++k) column[k] = updates[chosen[k]][i];
    const auto kept = nearest_values(column, keep, median_of(column));
    result[i] = std::accumulate(kept.begin(), kept.end(), 0.0) / static_cast<double>(keep);
  }
  return result;
}

}  // namespace starling::robust
