#include "starling/privacy/column_sums.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "starling/core/error.h"
#include "starling/core/grid.h"
#include "starling/privacy/mechanism.h"

namespace starling {
namespace {

// What one record adds, [coordinates].
void contribution(const ColumnSumsPlan& plan, std::span<const float> record,
                  std::span<double> out) {
  size_t at = 0;
  for (size_t column = 0; column < record.size(); ++column) {
    const bool known = !std::isnan(record[column]);
    const double x = known ? std::clamp(static_cast<double>(record[column]), -1.0, 1.0) : 0.0;
    out[at++] = x;
    out[at++] = x * x;
    if (plan.counts(column)) out[at++] = known ? 1.0 : 0.0;
  }
}

// From public constants alone.
Grid grid_of(const ColumnSumsPlan& plan) {
  return choose_grid({plan.clip_norm(), ColumnSumsPlan::kMostRecords, plan.standard_deviation()});
}

std::vector<double> total(const ColumnSumsPlan& plan,
                          const std::vector<std::vector<double>>& releases) {
  std::vector<double> sums(static_cast<size_t>(plan.coordinates()), 0.0);
  for (const auto& release : releases) {
    if (release.size() != sums.size()) throw Error("column sums are of another plan");
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += release[i];
  }
  return sums;
}

}  // namespace

bool ColumnSumsPlan::counts(size_t column) const {
  return relation == Relation::add_remove || takes_missing[column];
}

int64_t ColumnSumsPlan::coordinates() const {
  int64_t count = 0;
  for (size_t column = 0; column < takes_missing.size(); ++column) count += counts(column) ? 3 : 2;
  return count;
}

double ColumnSumsPlan::clip_norm() const { return std::sqrt(static_cast<double>(coordinates())); }

double ColumnSumsPlan::standard_deviation() const { return noise_multiplier * clip_norm(); }

Event ColumnSumsPlan::event() const { return {GaussianMechanism{noise_multiplier}}; }

void ColumnSumsPlan::validate() const {
  if (takes_missing.empty()) throw InputError("column sums", "there is no column");
  if (!(noise_multiplier >= kLeastNoise && noise_multiplier <= kMostNoise))
    throw InputError("column sums", "the noise multiplier is outside [0.01, 1000]");
}

std::vector<double> release_column_sums(const ColumnSumsPlan& plan, std::span<const float> values,
                                        RandomStream stream) {
  plan.validate();
  const size_t columns = plan.takes_missing.size();
  const auto records = static_cast<int64_t>(values.size() / columns);
  if (values.size() % columns != 0 || records > ColumnSumsPlan::kMostRecords)
    throw Error("column sums: " + std::to_string(values.size()) + " values are not of records of " +
                std::to_string(columns) + " columns, or of too many");
  const Grid grid = grid_of(plan);
  GridSum sum(grid, plan.coordinates());
  std::vector<double> vector(static_cast<size_t>(plan.coordinates()));
  std::vector<int64_t> rounded(vector.size());
  for (; !values.empty(); values = values.subspan(columns)) {
    contribution(plan, values.first(columns), vector);
    clip_to_grid(grid, vector, rounded);
    sum.add(rounded);
  }
  GaussianNoise(plan.noise_multiplier, plan.clip_norm()).add_secure(sum, stream);
  sum.decode(vector);
  return vector;
}

std::vector<ColumnMoments> column_moments(const ColumnSumsPlan& plan,
                                          const std::vector<std::vector<double>>& releases,
                                          int64_t records) {
  const std::vector<double> sums = total(plan, releases);
  const double noise = plan.standard_deviation() * std::sqrt(static_cast<double>(releases.size()));
  std::vector<ColumnMoments> moments;
  size_t at = 0;
  for (size_t column = 0; column < plan.takes_missing.size(); ++column) {
    const double first = sums[at++], second = sums[at++];
    const double count =
        std::max(1.0, plan.counts(column) ? sums[at++] : static_cast<double>(records));
    const double mean = std::clamp(first / count, -1.0, 1.0);
    const double least = std::min(1.0, noise / count);
    moments.push_back({mean, std::sqrt(std::clamp(second / count - mean * mean, least, 1.0))});
  }
  return moments;
}

}  // namespace starling
